"""Figures without pyplot: no window, no state shared between callers."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tftransfer import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figure", "png", "save"]

_DPI = 120


def figure(wide: float, high: float, layout: Literal["constrained"] | None = None) -> "Figure":
    """Returns an empty figure of that size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    empty = Figure((wide, high), layout=layout)
    FigureCanvasAgg(empty)
    return empty


def save(figure: "Figure", path: Path) -> None:
    """Writes the figure as a PNG, whole or not at all."""
    atomic.write(path, png(figure))


def png(figure: "Figure") -> bytes:
    """Returns the figure as the content of a PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI, bbox_inches="tight", pad_inches=0.15, facecolor="white")
    return file.getvalue()
