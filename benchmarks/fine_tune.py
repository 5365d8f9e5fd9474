"""Runs `tftransfer fit` on the corpora and seeds of `hf_trainer.py`, one line of JSON a run; finished runs are skipped.

python benchmarks/fine_tune.py --data PATH/TO/CORPORA
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

TASKS = {"sst2": "train.tsv.gz", "trec": "train.tsv"}


def run(task: str, seed: int, data: Path, overrides: list[str]) -> dict[str, Any]:
    """Fine-tunes once, through the command line, and returns the record to keep."""
    files = {"train": TASKS[task], "validation": "dev.tsv", "test": "test.tsv"} if task in TASKS else {}
    paths = [f"data.{split}.path={data / task / name}" for split, name in files.items()]
    with tempfile.TemporaryDirectory() as folder:
        command = ["tftransfer", "fit", f"configs/{task}.yaml", *paths, f"training.seed={seed}", *overrides]
        out = subprocess.run([*command, "--run", f"{folder}/run", "--json"], check=True, stdout=subprocess.PIPE).stdout
    summary = json.loads(out)
    return {
        "library": "tftransfer",
        "task": task,
        "seed": seed,
        "overrides": overrides,
        "best_epoch": summary["best_epoch"],
        "dev_accuracy": summary["metrics"]["validation"]["accuracy"],
        "test_accuracy": summary["metrics"]["test"]["accuracy"],
        "train_seconds": summary["train_seconds"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tasks", nargs="+", default=[*TASKS, "quickstart"])
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
            record = run(task, seed, options.data, options.overrides)
            with options.results.open("a") as out:
                out.write(json.dumps(record) + "\n")
            print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
