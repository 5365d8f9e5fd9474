"""Prints the recorded test scores of both libraries side by side: mean, lowest and highest over seeds.

python benchmarks/compare.py
"""

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tftransfer.evaluation.tables import table


def metrics(record: Mapping[str, Any]) -> dict[str, float]:
    """Returns the test scores of a run; the older records have accuracy alone."""
    return record["metrics"] if "metrics" in record else {"accuracy": record["test_accuracy"]}


def name(record: Mapping[str, Any]) -> str:
    """Returns the library, with what the run had otherwise than the config; an export changes no score."""
    others = [text for text in record.get("overrides", []) if not text.startswith("export.")]
    return " ".join([record["library"], *others])


def main() -> None:
    scores: dict[tuple[str, str, str], list[float]] = {}
    for path in sorted(Path("benchmarks/results").glob("*.jsonl")):
        for record in map(json.loads, path.read_text().splitlines()):
            if "task" not in record:  # measured something else
                continue
            for metric, value in metrics(record).items():
                scores.setdefault((record["task"], metric, name(record)), []).append(value)
    rows = [
        [*names, f"{statistics.mean(v):.4f}", f"{min(v):.4f}", f"{max(v):.4f}", str(len(v))]
        for names, v in sorted(scores.items())
    ]
    print(table(["task", "test metric", "library", "mean", "lowest", "highest", "seeds"], rows))


if __name__ == "__main__":
    main()
