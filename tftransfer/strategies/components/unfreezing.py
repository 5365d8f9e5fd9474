"""Rates that move over the epochs, and the learning rate that goes with them (Howard & Ruder, 2018)."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

__all__ = ["SlantedTriangular", "Unfreezing"]


class Unfreezing(keras.callbacks.Callback):
    """Gives the optimizer another table of rates for each epoch; nothing is compiled again.

    Which table follows from the number of the epoch alone, so that a training that goes on later goes on with the right
    one.

    Args:
        tables: sequence of tables, each a list of (pattern, rate). The n-th is the n-th epoch's, the last is also that
            of all further ones.
    """

    def __init__(self, tables: Sequence[Sequence[tuple[str, float]]]) -> None:
        super().__init__()
        self.tables = tables

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.optimizer.set_rates(self.tables[min(epoch, len(self.tables) - 1)])


@keras.saving.register_keras_serializable("tftransfer")
class SlantedTriangular(keras.optimizers.schedules.LearningRateSchedule):
    """A short way up to `learning_rate` and a long one down, in straight lines (Howard & Ruder, 2018, equation 3).

    Args:
        learning_rate: float. The peak.
        total_steps: int. Optimizer steps of the whole training.
        warmup_steps: int. Steps to the peak.
        ratio: float. By how much the lowest rate, at the first step and at the end, is below the peak. Defaults to 32.
    """

    def __init__(self, learning_rate: float, total_steps: int, warmup_steps: int, ratio: float = 32.0) -> None:
        self.learning_rate = learning_rate
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.ratio = ratio

    def __call__(self, step: Any) -> Any:
        step = tf.cast(step, tf.float32)
        up = step / max(self.warmup_steps, 1)
        down = (self.total_steps - step) / max(self.total_steps - self.warmup_steps, 1)
        height = tf.where(step < self.warmup_steps, up, tf.maximum(down, 0.0))
        return self.learning_rate * (1.0 + height * (self.ratio - 1.0)) / self.ratio

    def get_config(self) -> dict[str, Any]:
        return {
            "learning_rate": self.learning_rate,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "ratio": self.ratio,
        }
