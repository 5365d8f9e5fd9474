"""Runs `tftransfer fit` on configs, one line of JSON a run; finished runs are skipped.

Where `tasks.py` has the task, its files are taken, which `hf_trainer.py` trains on too; otherwise those of the config.

    python benchmarks/fine_tune.py --data PATH/TO/CORPORA --tasks trec stsb --seeds 0 1 2
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tasks import CACHE, TASKS, files

SCALARS = (int, float)


def overrides_of(task: str, options: argparse.Namespace) -> list[str]:
    """Returns the overrides that name a task's files."""
    if task not in TASKS:
        return [] if task == "quickstart" else [f"data.folder={options.data}"]
    found = files(task, options.data, options.data_cache)
    if TASKS[task].kind == "question_answering":  # whole blocks: the config splits its training file
        return [f"data.{split}={{path: {path}, format: squad}}" for split, path in found.items()]
    whole = [f"data.{split}.sample=null" for split in found]
    return [*(f"data.{split}.path={path}" for split, path in found.items()), *whole]


def run(task: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Fine-tunes once, through the command line, and returns the record to keep."""
    own = [f"model.checkpoint={options.checkpoint}"] if options.checkpoint else []
    with tempfile.TemporaryDirectory() as folder:
        command = ["tftransfer", "fit", f"configs/{task}.yaml", *overrides_of(task, options), *own, *options.overrides]
        command += [f"training.seed={seed}", "export.enabled=false", "--run", f"{folder}/run", "--json"]
        limits = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), str(options.threads))
        environment = {**os.environ, **(limits if options.threads else {})}
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout
    summary = json.loads(out)
    measured = {
        split: {k: v for k, v in found.items() if isinstance(v, SCALARS)} for split, found in summary["metrics"].items()
    }
    return {
        "library": "tftransfer",
        "task": task,
        "seed": seed,
        "overrides": options.overrides,
        "best_epoch": summary["best_epoch"],
        "dev_metrics": measured.get("validation", {}),
        "metrics": measured.get("test", {}),
        "train_seconds": summary["train_seconds"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--data-cache", type=Path, default=CACHE, help="folder for shorter files")
    parser.add_argument("--checkpoint", help="a directory, instead of the config's checkpoint")
    parser.add_argument("--tasks", nargs="+", default=[*TASKS, "quickstart"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--threads", type=int, help="threads of a run")
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
