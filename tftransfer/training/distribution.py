"""Where a model trains: `tf.distribute`, with the one thing put right that Keras asks of it wrongly."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tftransfer.errors import ConfigError

__all__ = ["TransferMirrored", "distribution"]


class TransferMirrored(tf.distribute.MirroredStrategy):
    """A `MirroredStrategy` under which `fit` and `evaluate` accept a first batch that divides unevenly.

    To build a model, Keras averages the first batch over the replicas, which fails unless all parts have the same
    shape, although only shapes are wanted; the first replica's part serves as well.
    """

    def reduce(self, reduce_op: Any, value: Any, axis: int | None) -> Any:
        """Reduces over replicas; a mean over a nest of tensors, which Keras's build asks for, is the first part."""
        mean = str(getattr(reduce_op, "value", reduce_op)).upper() == "MEAN"
        if mean and axis is None and isinstance(value, (dict, list, tuple)):
            return tf.nest.map_structure(lambda part: self.experimental_local_results(part)[0], value)
        return super().reduce(reduce_op, value, axis)


def distribution(name: str = "auto", devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """Returns the strategy of that name.

    Args:
        name: "auto" (mirrored if there are several GPUs, else single), "single" or "mirrored". Defaults to "auto".
        devices: list of str. For "mirrored", such as ["GPU:0", "GPU:1"]. Defaults to None: all GPUs, or all logical
            CPUs where there is no GPU.

    Raises:
        ConfigError: if a device is not there.
    """
    present = [f"{d.device_type}:{d.name.rsplit(':', 1)[1]}" for d in tf.config.list_logical_devices()]
    accelerators = [device for device in present if device.startswith("GPU")]
    for device in devices or []:
        if device not in present:
            raise ConfigError(f"distribution.devices: no device '{device}'; this machine has {', '.join(present)}.")
    if name == "single" and len(devices or []) > 1:
        raise ConfigError(
            f"distribution.devices: expected one device for 'single'; received {', '.join(devices or [])}."
        )
    if name == "mirrored" or (name == "auto" and len(devices or accelerators) > 1):
        return TransferMirrored(list(devices or accelerators or present))
    return tf.distribute.OneDeviceStrategy(devices[0]) if devices else tf.distribute.get_strategy()
