"""Prints the recorded accuracies of both libraries side by side: mean, lowest and highest over seeds.

python benchmarks/compare.py
"""

import json
import statistics
from pathlib import Path

from tftransfer.evaluation.tables import table


def main() -> None:
    scores: dict[tuple[str, str], list[float]] = {}
    for path in sorted(Path("benchmarks/results").glob("*.jsonl")):
        for record in map(json.loads, path.read_text().splitlines()):
            scores.setdefault((record["task"], record["library"]), []).append(record["test_accuracy"])
    rows = [
        [task, library, f"{statistics.mean(v):.4f}", f"{min(v):.4f}", f"{max(v):.4f}", str(len(v))]
        for (task, library), v in sorted(scores.items())
    ]
    print(table(["task", "library", "mean test accuracy", "lowest", "highest", "seeds"], rows))


if __name__ == "__main__":
    main()
