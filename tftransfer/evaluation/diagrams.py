"""Pictures of numbers against numbers: calibration, regression, retrieval, and a bar a label."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tftransfer.calibration import expected_calibration_error
from tftransfer.calibration import reliability as binned
from tftransfer.evaluation import figures, ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["bars", "curves", "reliability", "scatter"]

_MOST_BARS = 100
"""Bars beyond it are left out; the table of report.md has them all."""


def reliability(path: Path, confidences: Any, correct: Any) -> None:
    """Draws how often answers are right against how sure the model was, above how many answers each bin holds.

    Args:
        path: Path. The PNG to write.
        confidences: float array (answers,). From 0 to 1.
        correct: bool array (answers,). Whether the answer is right.

    Reference: Guo et al., "On Calibration of Modern Neural Networks", 2017.
    """
    count, confidence, accuracy = binned(confidences, correct)
    edges, filled = np.arange(len(count) + 1) / len(count), count > 0
    figure = figures.figure(4.6, 5.6, layout="constrained")
    shares, sizes = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    style: dict[str, Any] = {"width": np.diff(edges), "align": "edge", "edgecolor": "white", "linewidth": 0.6}
    shares.bar(edges[:-1], accuracy, color="#9ec5e8", **style)
    shares.plot([0, 1], [0, 1], "--", color="0.4", linewidth=1)
    shares.plot(confidence[filled], accuracy[filled], "o", color="C3", markersize=4, label="mean confidence of the bin")
    shares.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is right")
    shares.set_title(f"expected calibration error {expected_calibration_error(confidences, correct):.4f}", size=11)
    shares.legend(fontsize=8, loc="upper left")
    sizes.bar(edges[:-1], count, color="0.6", **style)
    sizes.set(xlabel="confidence", ylabel="answers")
    for axes in (shares, sizes):
        _grid(axes)
    figures.save(figure, path)


def scatter(path: Path, targets: np.ndarray, scores: np.ndarray, names: tuple[str, str], diagonal: bool = True) -> None:
    """Draws predicted numbers against true ones, a point an example.

    Args:
        path: Path. The PNG to write.
        targets: float array (examples,). Along the horizontal axis.
        scores: float array (examples,). Along the vertical axis.
        names: tuple of two str. What stands beside the axes.
        diagonal: bool. Whether the two are in one unit, and the line of equal values is drawn. Default True.
    """
    figure = figures.figure(5, 5, layout="constrained")
    axes = figure.subplots()
    # The more points, the fainter each one, so that where they are dense can be seen.
    alpha = float(np.clip(10 / np.sqrt(len(targets)), 0.1, 0.8))
    axes.scatter(targets, scores, s=16, alpha=alpha, edgecolors="none")
    if diagonal:
        ends = [min(targets.min(), scores.min()), max(targets.max(), scores.max())]
        axes.plot(ends, ends, "--", color="0.4", linewidth=1)
        axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    _grid(axes)
    figures.save(figure, path)


def bars(path: Path, labels: Sequence[str], values: Mapping[str, np.ndarray]) -> None:
    """Draws a group of horizontal bars for each label, for the first 100 labels.

    Args:
        path: Path. The PNG to write.
        labels: Sequence of str. The names of the labels.
        values: Mapping of str to float array (labels,). What is drawn, from 0 to 1, under its name.
    """
    shown = list(labels)[:_MOST_BARS]
    figure = figures.figure(6, 1.2 + 0.14 * len(shown) * (len(values) + 0.6), layout="constrained")
    axes = figure.subplots()
    high = 0.8 / len(values)
    for number, (name, numbers) in enumerate(values.items()):
        axes.barh(np.arange(len(shown)) + (number + 0.5) * high - 0.4, numbers[: len(shown)], high, label=name)
    axes.set_yticks(range(len(shown)), ticks.names(shown), size=8, family=list(ticks.families()), parse_math=False)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(values), frameon=False)
    _grid(axes)
    figures.save(figure, path)


def curves(path: Path, x: np.ndarray, lines: Mapping[str, np.ndarray], name: str) -> None:
    """Draws shares, from 0 to 1, against a number that grows.

    Args:
        path: Path. The PNG to write.
        x: array (points,). Along the horizontal axis.
        lines: Mapping of str to float array (points,). Along the vertical axis, under their names.
        name: str. What stands beside the horizontal axis.
    """
    figure = figures.figure(5.5, 4, layout="constrained")
    axes = figure.subplots()
    for label, y in lines.items():
        axes.plot(x, y, "-o" if len(x) <= 100 else "-", markersize=3, label=label)
    axes.set(ylim=(0, 1.02), xlabel=name)
    axes.legend(fontsize=9)
    _grid(axes)
    figures.save(figure, path)


def _grid(axes: "Axes") -> None:
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
