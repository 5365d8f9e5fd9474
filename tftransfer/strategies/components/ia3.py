"""Linear layers whose inputs or outputs are scaled by a learned vector."""

import dataclasses
import re
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from tftransfer.additions import Additions

__all__ = ["Scale", "ScaledDense", "Scales"]

_INPUT = r"^encoder/layer_\d+/output$"  # what goes in is what the inner layer of the feed-forward block gives
_OUTPUT = r"/attention/(key|value)(_global)?$"


@keras.saving.register_keras_serializable("tftransfer")
class Scale(keras.layers.Layer):
    """Multiplies the last dimension by a learned vector, 1 at first.

    Call arguments:
        x: float tensor `(..., width)`.

    Returns:
        A float tensor `(..., width)`.
    """

    def build(self, shape: tuple[Any, ...]) -> None:
        # float32 in any precision: what counts is by how much it differs from 1.
        self.scale = self.add_weight((shape[-1],), "ones", dtype="float32", autocast=False, name="scale")

    def call(self, x: Any) -> Any:
        return ops.cast(ops.cast(x, "float32") * self.scale, x.dtype)

    def compute_output_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return shape


@keras.saving.register_keras_serializable("tftransfer")
class ScaledDense(keras.layers.Dense):
    """A dense layer whose input, or output with the bias in it, is scaled by a learned vector.

    Args:
        units: int. Width of the result.
        scales_input: bool. Whether it is the input that is scaled. Defaults to False.
        **kwargs: Those of `keras.layers.Dense`.

    Call arguments:
        inputs: float tensor `(..., in)`.

    Returns:
        A float tensor `(..., units)`.
    """

    def __init__(self, units: int, scales_input: bool = False, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.scales_input = scales_input
        self.ia3 = Scale(dtype=self.dtype_policy, name="ia3")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        super().build(input_shape)
        self.ia3.build(input_shape if self.scales_input else (*input_shape[:-1], self.units))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return super().call(self.ia3(inputs)) if self.scales_input else self.ia3(super().call(inputs))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scales_input": self.scales_input}


@keras.saving.register_keras_serializable("tftransfer")
@dataclasses.dataclass(frozen=True)
class Scales(Additions):
    """Vectors that scale keys, values, and what goes into the last projection of every layer."""

    pattern: ClassVar[str] = r"/ia3/scale$"
    mergeable: ClassVar[bool] = True

    def projection(self, path: str, dense: Any) -> Any:
        if not re.search(f"{_INPUT}|{_OUTPUT}", path):
            return dense
        return ScaledDense.from_config({**dense.get_config(), "scales_input": bool(re.search(_INPUT, path))})

    def merged(self, values: dict[str, Any]) -> dict[str, Any]:
        merged = {path: value for path, value in values.items() if not re.search(self.pattern, path)}
        for path in values.keys() - merged.keys():
            module, scale = path.removesuffix("/ia3/scale"), np.asarray(values[path])
            # Kernels are (in, out).
            scaled = {"kernel": scale[:, None]} if re.search(_INPUT, module) else {"kernel": scale, "bias": scale}
            for name, factor in scaled.items():
                if f"{module}/{name}" in merged:  # some families have no biases
                    merged[f"{module}/{name}"] = np.asarray(values[f"{module}/{name}"]) * factor
        return merged
