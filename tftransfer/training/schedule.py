"""Learning-rate schedules."""

import decimal
from typing import Any

import keras
import tensorflow as tf

__all__ = ["WarmupLinearDecay", "warmup_steps"]


@keras.saving.register_keras_serializable("tftransfer")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """From 0 up to `learning_rate` in a straight line, then down to 0 (Devlin et al., 2019).

    Args:
        learning_rate: float. The peak.
        total_steps: int. Optimizer steps of the whole training.
        warmup_steps: int. Steps to the peak. Defaults to 0.
    """

    def __init__(self, learning_rate: float, total_steps: int, warmup_steps: int = 0) -> None:
        self.learning_rate = learning_rate
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> Any:
        step = tf.cast(step, tf.float32)
        up = step / max(self.warmup_steps, 1)
        down = (self.total_steps - step) / max(self.total_steps - self.warmup_steps, 1)
        return self.learning_rate * tf.where(step < self.warmup_steps, up, tf.maximum(down, 0.0))

    def get_config(self) -> dict[str, Any]:
        return {
            "learning_rate": self.learning_rate,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
        }


def warmup_steps(warmup: str | int, total_steps: int) -> int:
    """Returns a warmup in steps.

    Args:
        warmup: str or int. "10%" of all steps, or a number of steps.
        total_steps: int. Optimizer steps of the whole training.
    """
    if isinstance(warmup, str):
        # Decimal, since 32.3 % of 1000 would be 322 in binary fractions.
        return int(total_steps * decimal.Decimal(warmup.rstrip("%")) / 100)
    return min(warmup, total_steps)
