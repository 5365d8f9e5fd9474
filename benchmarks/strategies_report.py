"""The table and the plot of `strategies.py`'s results.

python benchmarks/strategies_report.py
"""

import argparse
import collections
import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from strategies import SIZES, WAYS

matplotlib.use("agg")
from matplotlib import pyplot

Group = dict[str, list[Any]]


def read(path: Path) -> dict[tuple[str, str, str], Group]:
    """Returns (corpus, size, way) -> what its seeds gave."""
    groups: dict[tuple[str, str, str], Group] = collections.defaultdict(lambda: collections.defaultdict(list))
    for record in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        for key, value in record.items():
            groups[record["corpus"], record["size"], record["way"]][key].append(value)
    return dict(groups)


def lines(groups: dict[tuple[str, str, str], Group]) -> list[str]:
    """Returns a Markdown table whose columns align."""
    rows = [["corpus", "examples", "way", "seeds", "accuracy", "sd", "trained", "seconds", "peak MB"]]
    for corpus in sorted({key[0] for key in groups}):
        for size in SIZES:
            for way in WAYS:
                if found := groups.get((corpus, size, way)):
                    scores, parameters = np.array(found["accuracy"]) * 100, found["trained_parameters"][0]
                    numbers = [f"{scores.mean():.1f}", f"{scores.std(ddof=1):.1f}" if len(scores) > 1 else "-"]
                    costs = [f"{np.median(found['train_seconds']):.0f}", f"{max(found['peak_megabytes']):,}"]
                    rows.append([corpus, size, way, str(len(scores)), *numbers, f"{parameters:,}", *costs])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    return [
        "| "
        + " | ".join(c.ljust(w) if n < 3 else c.rjust(w) for n, (c, w) in enumerate(zip(row, widths, strict=True)))
        + " |"
        for row in rows
    ]


def plot(groups: dict[tuple[str, str, str], Group], path: Path) -> None:
    """Draws, for each corpus, the accuracy of each way at each size; bars are the range of the seeds."""
    corpora = sorted({key[0] for key in groups})
    figure, axes = pyplot.subplots(1, len(corpora), figsize=(7 * len(corpora), 6), squeeze=False, sharey=True)
    colours = pyplot.get_cmap("tab20")(np.linspace(0, 1, len(WAYS)))
    for axis, corpus in zip(axes[0], corpora, strict=True):
        for number, (way, colour) in enumerate(zip(WAYS, colours, strict=True)):
            sizes = [size for size in SIZES if (corpus, size, way) in groups]
            scores = [np.array(groups[corpus, size, way]["accuracy"]) * 100 for size in sizes]
            if not sizes:
                continue
            means = np.array([found.mean() for found in scores])
            spread = [means - [f.min() for f in scores], [f.max() for f in scores] - means]
            places = [list(SIZES).index(size) + (number - len(WAYS) / 2) * 0.03 for size in sizes]
            scratch = "backbone" in WAYS[way].blocks
            style = {"linestyle": ":" if scratch else "-", "marker": "s" if scratch else "o"}
            axis.errorbar(places, means, spread, color=colour, label=way, markersize=4, linewidth=1, capsize=2, **style)
        axis.set_title(corpus)
        axis.set_xticks(range(len(SIZES)), list(SIZES))
        axis.set_xlabel("training examples")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("test accuracy (%)")
    axes[0][-1].legend(bbox_to_anchor=(1.02, 1), loc="upper left", fontsize=8, title="from scratch: dotted")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/strategies.jsonl"))
    options = parser.parse_args()
    groups = read(options.results)
    table = options.results.with_suffix(".md")
    table.write_text("\n".join(lines(groups)) + "\n", encoding="utf-8")
    plot(groups, options.results.with_suffix(".png"))
    print(table.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
