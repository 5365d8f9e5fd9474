"""Keras callbacks of a fine-tuning."""

import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tftransfer.errors import TrainingError

__all__ = ["BestWeights", "NonFiniteGuard", "Timer"]


class NonFiniteGuard(keras.callbacks.Callback):
    """Stops the training at the first step whose loss or gradient is not finite.

    `TransferModel` has kept the step from the weights; this names it.

    Args:
        rows_of: callable. From (epoch, step), both from 0, to a text that names the step's examples.
    """

    def __init__(self, rows_of: Callable[[int, int], str]) -> None:
        super().__init__()
        self.rows_of = rows_of
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss or its gradient is not finite at step {batch + 1} of epoch {self.epoch + 1}; the update was "
                f"left out, so the weights are those of the step before. The step's examples: "
                f"{self.rows_of(self.epoch, batch)}. Look at those rows, lower learning_rate, or set clip_norm."
            )


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the best epoch, and puts them back when training ends.

    Args:
        monitor: str or None. Name in the logs, such as "val_accuracy"; None keeps the last epoch.
        mode: "max" or "min". Which way is better. Defaults to "max".
        save: callable. Called with the 0-based epoch after each better one, to keep the weights on disk. Defaults to
            None.

    Attributes:
        epoch: int or None. The best epoch, from 0.
        value: float or None. Its monitored value.
    """

    def __init__(self, monitor: str | None, mode: str = "max", save: Callable[[int], None] | None = None) -> None:
        super().__init__()
        self.monitor = monitor
        self.mode = mode
        self.sign = 1.0 if mode == "max" else -1.0
        self.save = save
        self.epoch: int | None = None
        self.value: float | None = None
        self._weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        value = None if self.monitor is None else float((logs or {})[self.monitor])
        if value is not None and self.epoch is not None and not self._is_better(value):
            return
        self.epoch, self.value = epoch, value
        if self.monitor is not None:  # otherwise the weights in the model are the ones to keep
            self._weights = self.model.get_weights()
        if self.save is not None:
            self.save(epoch)

    def _is_better(self, value: float) -> bool:
        # A metric can be NaN for an epoch; any number is better than that.
        return self.value is None or math.isnan(self.value) or self.sign * value > self.sign * self.value

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._weights:
            self.model.set_weights(self._weights)


class Timer(keras.callbacks.Callback):
    """Adds the seconds of each epoch, validation included, to the logs, as "seconds"."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.start = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["seconds"] = round(time.monotonic() - self.start, 3)
