"""Measures an epoch of a head on a frozen backbone: features computed once against features computed in every epoch.

Both trainings are of one process on one thread, over the training and validation rows of TREC. An epoch's time is that
of the last one, by the clock and in processor time, which other work on the machine disturbs less; "features" is the
processor time before the first step. One line of JSON a measurement is appended to the results file; what already
stands there is not measured again.

    python benchmarks/feature_cache.py --data ../data --checkpoint sentence-transformers/all-MiniLM-L6-v2
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

for _threads in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ[_threads] = "1"  # before TensorFlow reads them

import keras  # noqa: E402

import tftransfer  # noqa: E402

# Name -> (strategy, whether features are computed once, epochs). The first epoch traces; the last one is measured.
KINDS: dict[str, tuple[Any, bool, int]] = {
    "head only, once": (tftransfer.strategies.FeatureExtraction(), True, 4),
    "head only, anew": (tftransfer.strategies.FeatureExtraction(), False, 2),
    "lower 4 layers frozen, once": (tftransfer.strategies.FrozenLayers(4), True, 2),
    "lower 4 layers frozen, anew": (tftransfer.strategies.FrozenLayers(4), False, 2),
}


class Clock(keras.callbacks.Callback):
    """Keeps the processor time of every epoch, and when the first one began."""

    def __init__(self) -> None:
        super().__init__()
        self.begins: list[float] = []
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.begins.append(time.process_time())

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seconds.append(time.process_time() - self.begins[-1])


def measure(kind: str, options: argparse.Namespace) -> dict[str, Any]:
    """Returns the measurement of one kind of training."""
    strategy, once, epochs = KINDS[kind]
    train, validation = (tftransfer.read(options.data / "trec" / f"{name}.tsv") for name in ("train", "dev"))
    keras.utils.set_random_seed(0)
    task = tftransfer.tasks.SequenceClassification(labels=train.labels)
    model = tftransfer.build(options.checkpoint, task, strategy=strategy)
    clock, start = Clock(), time.process_time()
    settings: dict[str, Any] = {"learning_rate": 1e-3, "epochs": epochs, "cache_features": once}
    trained = tftransfer.fine_tune(model, train, validation, callbacks=[clock], **settings)
    return {
        "kind": kind,
        "rows": len(train),
        "features": round(clock.begins[0] - start, 2),
        "epoch_cpu_seconds": round(clock.seconds[-1], 3),
        "epoch_seconds": trained.history["seconds"][-1],
        "losses": [round(value, 6) for value in trained.history["loss"]],
    }


def main() -> None:
    """Measures what is not in the results file yet, and prints all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with trec/train.tsv and trec/dev.tsv")
    parser.add_argument("--checkpoint", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "feature_cache.jsonl")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    lines = options.results.read_text(encoding="utf-8").splitlines() if options.results.exists() else []
    there = {result["kind"]: result for result in map(json.loads, lines)}
    for kind in options.kinds:
        if kind not in there:
            there[kind] = measure(kind, options)
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(there[kind]) + "\n")
    for kind in options.kinds:
        print(json.dumps(there[kind]))


if __name__ == "__main__":
    main()
