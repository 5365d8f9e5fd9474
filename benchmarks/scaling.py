"""What a real token costs in training, by the number of rows and by the batch size; and memory by the number of rows.

    python benchmarks/scaling.py --checkpoint DIRECTORY_OR_NAME

Rows are made up of English words, 5 to 25 a row. Each measurement is a process of its own that trains some steps of an
epoch of so many rows; the first ones do not count. Results are appended to a file; what stands there is skipped.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from versus_trainer import WARM_UP, machine, peak_megabytes

WORDS = (
    "the",
    "a",
    "good",
    "bad",
    "film",
    "story",
    "actor",
    "plot",
    "was",
    "is",
    "very",
    "boring",
    "great",
    "with",
    "of",
)
ROWS = (1_000, 10_000, 100_000, 1_000_000)
BATCH_SIZES = (8, 32, 128, 256)
EXAMPLES = 1024  # that count


class EnoughError(Exception):
    """Ends a training in the middle of an epoch."""


def write_rows(path: Path, rows: int) -> None:
    random = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as out:
        out.write("text\tlabel\n")
        for length in random.integers(5, 26, rows):
            out.write(" ".join(random.choice(WORDS, length)) + f"\t{'ab'[length % 2]}\n")


def measure(checkpoint: str, path: str, batch_size: int) -> dict[str, Any]:
    import keras

    import tftransfer
    from tftransfer.config import Training
    from tftransfer.strategies import Full
    from tftransfer.training.fine_tune import fit_encoded

    examples = tftransfer.read(path)
    model = tftransfer.build(checkpoint, tftransfer.tasks.SequenceClassification(labels=["a", "b"]))
    encoded = model.encode(examples)
    ends: list[float] = []
    steps = WARM_UP + max(EXAMPLES // batch_size, 4)

    class Ticks(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            ends.append(time.perf_counter())
            if len(ends) == steps:
                raise EnoughError

    training = Training(epochs=-(-steps * batch_size // len(examples)), batch_size=batch_size, batching="packed")
    with contextlib.suppress(EnoughError):
        fit_encoded(model, encoded, None, strategy=Full(), training=training, callbacks=[Ticks()])
    counted = min(len(ends), steps) - WARM_UP
    tokens = counted * batch_size * float(np.diff(encoded.tokens.offsets).mean())
    seconds = ends[WARM_UP + counted - 1] - ends[WARM_UP - 1]
    return {"microseconds_a_token": 1e6 * seconds / tokens, "peak_megabytes": peak_megabytes()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/scaling.jsonl"))
    parser.add_argument("--job", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        print(json.dumps(measure(options.checkpoint, options.job[0], int(options.job[1]))))
        return
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    done = {(record["rows"], record["batch_size"]) for record in map(json.loads, lines)}
    wanted = [(rows, 32) for rows in ROWS] + [(10_000, size) for size in BATCH_SIZES if size != 32]
    with tempfile.TemporaryDirectory() as folder:
        for rows, size in wanted:
            if (rows, size) in done:
                continue
            path = Path(folder) / f"{rows}.tsv"
            if not path.exists():
                write_rows(path, rows)
            command = [sys.executable, __file__, "--checkpoint", options.checkpoint, "--job", str(path), str(size)]
            found = json.loads(
                subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
            )
            record = {"rows": rows, "batch_size": size, **found, "machine": machine()}
            with options.results.open("a") as out:
                out.write(json.dumps(record) + "\n")
            print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
