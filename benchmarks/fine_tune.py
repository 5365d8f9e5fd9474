"""Runs `tftransfer fit` on the tasks of `tasks.py`, one line of JSON a run; finished runs are skipped.

python benchmarks/fine_tune.py --data PATH/TO/CORPORA
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tasks import CACHE, TASKS, files

QUICKSTART = "quickstart"  # whose config names its own files


def settings(name: str, data: Path, cache: Path) -> list[str]:
    """Returns the files and hyper-parameters of a task of `tasks.py` as overrides of its config."""
    if name == QUICKSTART:
        return []
    task = TASKS[name]
    training = ("epochs", "batch_size", "learning_rate", "weight_decay", "clip_norm", "monitor")
    return [
        *(f"data.{split}.path={path}" for split, path in files(name, data, cache).items()),
        *(f"training.{field}={getattr(task, field)}" for field in training),
        f"training.warmup={task.warmup:.0%}",
        f"model.max_length={task.max_length}",
    ]


def run(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Fine-tunes once, through the command line, and returns the record to keep."""
    ours = settings(name, options.data, options.data_cache)
    with tempfile.TemporaryDirectory() as folder:
        command = ["tftransfer", "fit", f"configs/{name}.yaml", *ours, f"training.seed={seed}", *options.overrides]
        out = subprocess.run([*command, "--run", f"{folder}/run", "--json"], check=True, stdout=subprocess.PIPE).stdout
    summary = json.loads(out)
    return {
        "library": "tftransfer",
        "task": name,
        "seed": seed,
        "overrides": options.overrides,
        "best_epoch": summary["best_epoch"],
        "dev_metrics": numbers(summary["metrics"]["validation"]),
        "metrics": numbers(summary["metrics"]["test"]),
        "train_seconds": summary["train_seconds"],
    }


def numbers(metrics: dict[str, Any]) -> dict[str, float]:
    """Returns the metrics that are one number."""
    return {name: value for name, value in metrics.items() if isinstance(value, float)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ready = [name for name in (*TASKS, QUICKSTART) if Path(f"configs/{name}.yaml").exists()]
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--data-cache", type=Path, default=CACHE, help="for shorter files")
    parser.add_argument("--tasks", nargs="+", default=ready, metavar="TASK")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/tftransfer.jsonl"))
    parser.add_argument("overrides", nargs="*", help="key.path=value for every run")
    options = parser.parse_args()
    options.results.parent.mkdir(parents=True, exist_ok=True)
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    done = {(r["task"], r["seed"], tuple(r["overrides"])) for r in map(json.loads, lines)}
    for task in options.tasks:
        for seed in options.seeds:
            if (task, seed, tuple(options.overrides)) in done:
                continue
            record = run(task, seed, options)
            with options.results.open("a") as out:
                out.write(json.dumps(record) + "\n")
            print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
