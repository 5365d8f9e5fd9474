"""Trains every strategy on few and on many examples: score, trained parameters, seconds and peak memory.

Each run is `tftransfer fit` in a process of its own, one line of JSON in the results; finished runs are skipped, so the
script can be stopped and started again. `strategies_report.py` makes the table and the plot.

    python benchmarks/strategies.py --data PATH/TO/CORPORA
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tasks import CACHE, read_text

TEST_ROWS = {"trec": None, "ag_news": 2000}
FILES = {"trec": ("train.tsv", "test.tsv"), "ag_news": ("train.tsv.gz", "test.tsv.gz")}


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to learn, and the hyper-parameters that suit it.

    Args:
        blocks: dict. The config's blocks `strategy` or `backbone`.
        learning_rate: float. The peak.
        longer: int. By how much more epochs than others it takes, such as where an epoch costs next to nothing.
            Defaults to 1.
        options: tuple of str. Further overrides. Defaults to ().
        main: bool. Whether it is also tried on sizes in between. Defaults to False.
    """

    blocks: dict[str, Any]
    learning_rate: float
    longer: int = 1
    options: tuple[str, ...] = ()
    main: bool = False


def strategy(name: str, learning_rate: float, *, longer: int = 1, main: bool = False, **options: Any) -> Way:
    return Way({"strategy": {"name": name, **options}}, learning_rate, longer, (), main)


def from_scratch(name: str) -> Way:
    return Way({"backbone": {"name": name}}, 1e-3, 3, ("model.checkpoint=null", "training.weight_decay=0"), True)


WAYS = {
    "full": strategy("full", 1e-4, main=True),
    "layerwise_decay": strategy("layerwise_decay", 1e-4, main=True),
    "lora": strategy("lora", 1e-3, main=True),
    "feature_extraction": strategy("feature_extraction", 1e-2, longer=5, main=True),
    "gradual_unfreezing": strategy("gradual_unfreezing", 5e-4, layers_per_epoch=2),
    "frozen_layers": strategy("frozen_layers", 1e-4, layers=3),
    "bitfit": strategy("bitfit", 1e-3),
    "layer_norm": strategy("layer_norm", 1e-3),
    "dora": strategy("lora", 1e-3, dora=True),
    "houlsby": strategy("adapters", 1e-3, kind="houlsby"),
    "pfeiffer": strategy("adapters", 1e-3, kind="pfeiffer"),
    "prefix_tuning": strategy("prefix_tuning", 5e-3),
    "prompt_tuning": strategy("prompt_tuning", 1e-2),
    "ia3": strategy("ia3", 5e-3),
    "few_shot": strategy("few_shot", 1e-2, longer=5),
    "text_cnn": from_scratch("text_cnn"),
    "bilstm": from_scratch("bilstm"),
}
# Name of a size -> (examples, a class each or in all; batch size; epochs).
SIZES: dict[str, tuple[int | None, int, int]] = {
    "8 a class": (8, 8, 15),
    "100": (100, 16, 15),
    "1,000": (1000, 32, 5),
    "all": (None, 32, 3),
}
BETWEEN = {"100", "all"}


def runs() -> Iterator[tuple[str, str, str]]:
    """Yields (corpus, size, way), what the comparison needs most first."""
    for size in ("8 a class", "1,000", "100", "all"):
        for corpus in FILES:
            if size == "all" and corpus != "trec":
                continue
            for name, way in WAYS.items():
                too_many = name == "few_shot" and size != "8 a class"  # its pairs grow with the examples
                if (way.main or size not in BETWEEN) and not too_many:
                    yield corpus, size, name


def chosen(lines: list[str], size: str, seed: int) -> list[str]:
    """Returns so many lines of a table, drawn with the seed; "8 a class" takes as many of each label."""
    count, order = SIZES[size][0], np.random.RandomState(seed).permutation(len(lines))
    if count is None:
        return lines
    if size != "8 a class":
        return [lines[n] for n in sorted(order[:count])]
    taken: dict[str, list[int]] = {}
    for n in order:
        taken.setdefault(label_of(lines[n]), []).append(int(n))
    return [lines[n] for n in sorted(n for rows in taken.values() for n in rows[:count])]


def label_of(line: str) -> str:
    return line.split("\t")[1]


def subset(corpus: str, size: str, seed: int, data: Path, cache: Path) -> Path:
    """Returns the file of the training rows, written if it is not there."""
    path = cache / "strategies" / f"{corpus}-{size.replace(' ', '-').replace(',', '')}-{seed}.tsv"
    if not path.exists():
        header, *lines = read_text(data / corpus / FILES[corpus][0]).removesuffix("\n").split("\n")
        assert header.split("\t")[:2] == ["text", "label"], header
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in [header, *chosen(lines, size, seed)]), encoding="utf-8")
    return path


def overrides(corpus: str, size: str, name: str, seed: int, options: argparse.Namespace) -> list[str]:
    way, (_, batch_size, epochs) = WAYS[name], SIZES[size]
    test = {"path": str(options.data / corpus / FILES[corpus][1]), "text": "text", "label": "label"}
    test |= {"sample": TEST_ROWS[corpus]} if TEST_ROWS[corpus] else {}
    train = {"path": str(subset(corpus, size, seed, options.data, options.cache)), "text": "text", "label": "label"}
    blocks = {**way.blocks, "data": {"train": train, "test": test}}
    own = [f"model.checkpoint={options.checkpoint}"] if options.checkpoint and "strategy" in way.blocks else []
    numbers = {
        "epochs": epochs * way.longer,
        "batch_size": batch_size,
        "learning_rate": way.learning_rate,
        "seed": seed,
    }
    return [
        *own,
        *way.options,
        *(f"{key}={json.dumps(block)}" for key, block in blocks.items()),
        *(f"training.{key}={value}" for key, value in numbers.items()),
        "training.monitor=null",
        "export.enabled=false",
    ]


def run(corpus: str, size: str, name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Trains once and returns the record to keep."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["tftransfer", "fit", f"configs/{corpus}.yaml", *overrides(corpus, size, name, seed, options)]
        limits = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), str(options.threads))
        with (Path(folder) / "out").open("wb") as out:
            process = subprocess.Popen(
                [*command, "--run", f"{folder}/run", "--json"], stdout=out, env=os.environ | limits
            )
            _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{corpus}, {size}, {name}, seed {seed}: `{' '.join(command)}` failed")
        summary = json.loads((Path(folder) / "out").read_text())
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return {
        "corpus": corpus,
        "size": size,
        "way": name,
        "seed": seed,
        "accuracy": summary["metrics"]["test"]["accuracy"],
        "trained_parameters": summary["trained_parameters"],
        "parameters": summary["parameters"],
        "train_seconds": summary["train_seconds"],
        "peak_megabytes": round(kilobytes / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for the training rows that are drawn")
    parser.add_argument("--checkpoint", help="a directory, instead of the configs' checkpoint")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--threads", type=int, default=1, help="threads of a run")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/strategies.jsonl"))
    options = parser.parse_args()
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    done = {(r["corpus"], r["size"], r["way"], r["seed"]) for r in map(json.loads, lines)}
    for seed in options.seeds:
        for corpus, size, name in runs():
            if size in options.sizes and name in options.ways and (corpus, size, name, seed) not in done:
                record = run(corpus, size, name, seed, options)
                with options.results.open("a") as out:
                    out.write(json.dumps(record) + "\n")
                print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
