"""Numbers of tasks: those of the data, options that are numbers, and scores of logits."""

import math
from typing import Any, Literal

import numpy as np

from tftransfer.errors import ConfigError

__all__ = ["Tuned", "check_not_negative", "check_shares", "check_temperature", "chosen", "finite", "softmax"]

# An option that is a number, or is chosen on the validation data.
Tuned = float | Literal["tuned"]


def finite(value: Any) -> float | None:
    """Returns a finite number, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities, of the logits along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def chosen(option: Tuned, otherwise: float) -> float:
    """Returns an option, or another number as long as it is still to be chosen on validation data."""
    return otherwise if option == "tuned" else option


def check_shares(**options: float | None) -> None:
    """Raises ConfigError unless options that are given are in [0, 1)."""
    for name, value in options.items():
        if value is not None and not 0 <= value < 1:
            raise ConfigError(f"{name}: expected a number in [0, 1); received {value}.")


def check_not_negative(unit: str = "a number", **options: float) -> None:
    """Raises ConfigError unless options are 0 or more; `unit` says what they are."""
    for name, value in options.items():
        if value < 0:
            raise ConfigError(f"{name}: expected {unit} >= 0; received {value}.")


def check_temperature(temperature: Tuned) -> None:
    """Raises ConfigError unless a temperature is above 0, or to be chosen."""
    if temperature != "tuned" and temperature <= 0:
        raise ConfigError(f"temperature: expected a number > 0, or tuned; received {temperature}.")
