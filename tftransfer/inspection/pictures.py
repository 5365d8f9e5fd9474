"""The pictures of an inspection, as the bytes of a PNG."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tftransfer.evaluation import figures, ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["bars", "histogram"]

_BINS = 40


def bars(names: Sequence[str], series: Mapping[str, Sequence[float]], caption: str, note: str = "") -> bytes:
    """Draws horizontal bars, a group a name and a colour a series.

    Args:
        names: sequence of str. What the groups are called, from the top.
        series: dict of str to sequence of float. As many values each.
        caption: str. What the values are; a "share" is written in percent.
        note: str. Stands above. Defaults to "".
    """
    thick = 0.8 / max(len(series), 1)
    figure = figures.figure(7.5, 0.9 + len(names) * max(0.26, 0.17 * len(series)), layout="constrained")
    axes = figure.add_subplot()
    for number, (name, values) in enumerate(series.items()):
        places = np.arange(len(names)) + (number - (len(series) - 1) / 2) * thick
        drawn = axes.barh(places, values, thick, label=name, color=f"C{number}")
        if len(names) * len(series) <= 40:
            texts = [f"{value:.1%}" if "share" in caption else f"{value:,.0f}" for value in values]
            axes.bar_label(drawn, texts, padding=3, size=8, color="0.35")
    style: dict[str, Any] = {"family": list(ticks.families()), "parse_math": False, "size": 9}
    axes.set_yticks(np.arange(len(names)), ticks.names(names), **style)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    _finish(axes, caption, note, percent="share" in caption, legend=len(series) > 1)
    return figures.png(figure)


def histogram(series: Mapping[str, np.ndarray], caption: str, line: tuple[float, str] | None = None) -> bytes:
    """Draws how values are distributed: a curve of steps a series, as shares of its values.

    Args:
        series: dict of str to array. The values.
        caption: str. What the values are.
        line: (value, name). Drawn as a vertical line. Defaults to None.
    """
    figure = figures.figure(7.5, 3.2, layout="constrained")
    axes = figure.add_subplot()
    values = np.concatenate([*series.values(), [] if line is None else [line[0]]])
    edges, logarithmic = _edges(values)
    for number, (name, part) in enumerate(series.items()):
        shares = np.histogram(part, edges)[0] / max(len(part), 1)
        axes.stairs(shares, edges, label=name, color=f"C{number}", linewidth=1.6, fill=False)
        axes.stairs(shares, edges, color=f"C{number}", alpha=0.12, fill=True)
    if line is not None:
        axes.axvline(line[0], color="0.2", linestyle="--", linewidth=1.2, label=line[1])
    if logarithmic:
        from matplotlib.ticker import LogLocator, ScalarFormatter

        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(LogLocator(subs=()))
    axes.set_ylabel("share", size=9)
    _finish(axes, caption, "", legend=True)
    axes.yaxis.set_major_formatter("{x:.0%}" if axes.get_ylim()[1] >= 0.05 else "{x:.1%}")
    return figures.png(figure)


def _edges(values: np.ndarray) -> tuple[np.ndarray, bool]:
    """Returns the borders of the bins, and whether they grow: so they do where the longest is far from most."""
    low, high = float(values.min()), float(values.max())
    if low >= 1 and high > 8 * float(np.median(values)):
        return np.unique(np.round(np.geomspace(low, high + 1, _BINS))), True
    if np.array_equal(values, np.round(values)):  # whole numbers: as many of them in each bin
        step = max(1, int(np.ceil((high - low + 1) / _BINS)))
        return np.arange(low - 0.5, high + step + 0.5, step), False
    return np.linspace(low, high, _BINS), False


def _finish(axes: "Axes", caption: str, note: str, *, percent: bool = False, legend: bool) -> None:
    if percent:
        axes.xaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel(caption, size=9)
    axes.set_title(note, size=9, color="0.35")
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    if legend:
        axes.legend(fontsize=9, frameon=False)
