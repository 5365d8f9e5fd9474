"""Numbers in a column of strings."""

import math
from typing import Any

__all__ = ["finite"]


def finite(value: Any) -> float | None:
    """Returns a finite number, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
