"""Pictures of an evaluation and of a training."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tftransfer.evaluation import figures, ticks
from tftransfer.evaluation.tables import width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["confusion_matrix", "history"]

_COUNTED = 30
"""Up to so many labels the cells show their counts."""

_RULED = 0.12
"""Smallest cell, in inches, with lines around it; in a finer grid they would hide the colours."""

_LARGEST = 24.0
"""Widest grid, in inches; beyond it the cells shrink and some of the names are left out."""


def confusion_matrix(path: Path, labels: Sequence[str], matrix: np.ndarray) -> None:
    """Draws a confusion matrix, coloured by the share of each true label, with the counts for up to 30 labels.

    Args:
        path: Path. The PNG to write.
        labels: Sequence of str. The names of the labels, by id.
        matrix: int array (labels, labels). Counts; a row is a true label, a column a predicted one.

    Raises:
        ValueError: if the matrix does not fit the labels.
    """
    matrix = np.asarray(matrix)
    if not len(labels) or matrix.shape != (len(labels), len(labels)):
        raise ValueError(f"Expected a square matrix with a row for each of {len(labels)} labels, got {matrix.shape}.")
    support = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, support, out=np.zeros(matrix.shape), where=support > 0)
    cell = _cell(len(labels))
    side = cell * len(labels)
    figure = figures.figure(side, side)
    # The grid fills the figure; saving makes room for what stands around it.
    axes = figure.add_axes((0, 0, 1, 1))
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    _name_rows_and_columns(axes, ticks.names(labels), cell)
    if len(labels) <= _COUNTED:
        _write_counts(axes, matrix, share, cell)
    bar = figure.colorbar(image, cax=figure.add_axes((1 + 0.2 / side, 0, 0.14 / side, min(1, 3 / side))))
    bar.set_label("share of the true label", size=9)
    bar.ax.tick_params(labelsize=8)
    figures.save(figure, path)


def history(path: Path, history: Mapping[str, Sequence[float]]) -> None:
    """Draws the course of a training: losses in one panel, the other measures in a second one.

    Args:
        path: Path. The PNG to write.
        history: Mapping of str to Sequence of float. What Keras's `History.history` holds: a value per epoch, under the
            name of the measure, with "val_" before it for the validation data. An epoch without a value is NaN and is
            left out. The learning rate is not drawn.

    Raises:
        ValueError: if there is no epoch in it.
    """
    drawn = {name: values for name, values in history.items() if not name.endswith("learning_rate") and len(values)}
    if not drawn:
        raise ValueError(f"Expected a history of one epoch at least, got {dict(history)}.")
    figure = figures.figure(11, 4, layout="constrained")
    losses, measures = figure.subplots(1, 2)
    _draw_curves(losses, "loss", {name: values for name, values in drawn.items() if name.endswith("loss")})
    _draw_curves(measures, "metrics", {name: values for name, values in drawn.items() if not name.endswith("loss")})
    figures.save(figure, path)


def _cell(labels: int) -> float:
    """Returns the side of a cell, in inches."""
    steps = ((3, 1.1), (8, 0.75), (15, 0.6), (_COUNTED, 0.5))
    return next((cell for most, cell in steps if labels <= most), min(0.22, _LARGEST / labels))


def _name_rows_and_columns(axes: "Axes", names: list[str], cell: float) -> None:
    points = min(10.0, max(5.0, 0.6 * 72 * cell))
    longest = max(map(width, names)) * 0.62 * points / 72
    turn = 0 if longest < cell else 45 if len(names) <= 15 else 90
    every = max(1, math.ceil(1.1 * points / 72 / cell))
    shown = range(0, len(names), every)
    style: dict[str, Any] = {"size": points, "family": list(ticks.families()), "parse_math": False}
    axes.set_yticks(shown, names[::every], **style)
    slant: dict[str, Any] = {"rotation": turn, "rotation_mode": "anchor", "ha": "right", "va": "center"} if turn else {}
    axes.set_xticks(shown, names[::every], **style, **slant)
    axes.set_xlabel("predicted", size=11, labelpad=8)
    axes.set_ylabel("true", size=11, labelpad=8)
    if cell < _RULED:
        return
    borders = np.arange(len(names) + 1) - 0.5
    axes.set_xticks(borders, minor=True)
    axes.set_yticks(borders, minor=True)
    axes.grid(which="minor", color="0.88", linewidth=0.5)
    axes.tick_params(which="minor", length=0)


def _write_counts(axes: "Axes", matrix: np.ndarray, share: np.ndarray, cell: float) -> None:
    digits = max(2, len(str(matrix.max())))
    points = min(12.0, 0.85 * 72 * cell / (0.62 * digits))
    for (row, column), count in np.ndenumerate(matrix):
        color = "white" if share[row, column] > 0.5 else "black" if count else "0.7"
        axes.text(column, row, str(count), ha="center", va="center", color=color, size=points)


def _draw_curves(axes: "Axes", title: str, curves: Mapping[str, Sequence[float]]) -> None:
    """Draws each measure in one colour: dashed and hollow for the training data, solid for the validation data."""
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, size=11)
    if not curves:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "none recorded", ha="center", va="center", color="0.5")
        return
    measures = list(dict.fromkeys(name.removeprefix("val_") for name in curves))
    for name, values in curves.items():
        known = np.flatnonzero(np.isfinite(values))
        color = f"C{measures.index(name.removeprefix('val_')) % 10}"
        line, fill = ("-", color) if name.startswith("val_") else ("--", "white")
        style: dict[str, Any] = {"color": color, "marker": "o", "markersize": 5, "markerfacecolor": fill, "label": name}
        axes.plot(known + 1, np.asarray(values)[known], line, **style)
    axes.set_xlabel("epoch")
    axes.set_xlim(0.5, max(map(len, curves.values())) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.legend(fontsize=9)
