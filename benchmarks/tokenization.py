"""Measures what data costs before the first batch: against the bare tokenizer, and when everything is kept already.

Short rows (8 words of TREC's questions and a number) are written to a TSV file. Over the first of them, the tokenizer
alone (`encode_batch_fast`, all threads, its answers thrown away) takes turns with the whole way from the file's column
to memory-mapped arrays; other work on the machine disturbs both, so only the ratios of their speeds count, by the clock
(the median) and in processor time of all threads.
Then all rows are read and tokenized, once into an empty cache and once more in a fresh process: "seconds" are from
before the file is opened until the first training batch is there, imports and the model apart, by the clock and in
processor time of all threads. One line of JSON is
appended to the results file.

    python benchmarks/tokenization.py --data ../data
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import tftransfer
from tftransfer import splits
from tftransfer.arrow_store import ArrowStore
from tftransfer.data.batches import BatchPlan
from tftransfer.row_options import RowOptions
from tftransfer.tasks.task import Texts
from tftransfer.token_cache import tokenize

LENGTH = 64  # tokens a row


def write_rows(path: Path, words: list[str], rows: int) -> None:
    """Writes a table of short texts with one of eight labels."""
    random = np.random.RandomState(0)
    with path.open("w", encoding="utf-8") as file:
        file.write("text\tlabel\n")
        for start in range(0, rows, 10_000):
            chosen = random.randint(len(words), size=(min(10_000, rows - start), 8))
            for number, row in enumerate(chosen, start):
                file.write(f"{' '.join(words[n] for n in row)} {number}\t{'abcdefgh'[row[0] % 8]}\n")


def throughput(model: Any, path: Path, rows: int, turns: int) -> dict[str, float]:
    """Returns texts a second of the bare tokenizer and of ours, and how much of its speed ours has."""
    column = tftransfer.read(path).take(np.arange(rows)).columns["text"]
    texts, clock, processor = list(column), [], []

    def bare() -> None:
        for first in range(0, rows, 4096):
            model.tokenizer.rust.encode_batch_fast(texts[first : first + 4096])

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            tokenize(model.tokenizer, Texts(column, None), LENGTH, RowOptions(), cache=ArrowStore(folder))

    for _ in range(turns):
        times = [(time.perf_counter(), time.process_time())]
        for run in (bare, ours):
            run()
            times.append((time.perf_counter(), time.process_time()))
        steps = np.diff(times, axis=0)  # (bare and ours, by the clock and in processor time)
        clock.append(steps[:, 0])
        processor.append(steps[:, 1])
    return {
        "bare_rows_per_second": rows / np.min(clock, axis=0)[0],
        "rows_per_second": rows / np.min(clock, axis=0)[1],
        "ratio": statistics.median(bare / ours for bare, ours in clock),
        "processor_ratio": statistics.median(bare / ours for bare, ours in processor),
    }


def first_batch(model: Any, path: Path, cache: Path) -> dict[str, float]:
    """Returns the seconds until the first training batch, and those of each step on the way."""
    store, times, processor = ArrowStore(cache), [time.perf_counter()], time.process_time()
    examples, _ = splits.read_file({"path": str(path)}, "error", store=store)
    times.append(time.perf_counter())
    found = splits.Splits({"train": examples}, [])
    task = model.task.resolve(examples.columns)
    splits.sift_answers(task, found, "error")
    times.append(time.perf_counter())
    model.task = task
    encoded = model.encode(found.examples["train"], training=True, cache=store)
    times.append(time.perf_counter())
    next(iter(encoded.training_dataset(BatchPlan(len(encoded), 32), 1)))
    times.append(time.perf_counter())
    names = ("read_seconds", "label_seconds", "encode_seconds", "batch_seconds")
    steps = dict(zip(names, (b - a for a, b in itertools.pairwise(times)), strict=True))
    return {"seconds": times[-1] - times[0], "processor_seconds": time.process_time() - processor, **steps}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def build(checkpoint: str) -> Any:
    """Returns the model whose tokenizer it is."""
    task = tftransfer.tasks.SequenceClassification(labels=list("abcdefgh"))
    return tftransfer.build(checkpoint, task, max_length=LENGTH)


def main() -> None:
    """Measures, and appends a line to the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder with trec/train.tsv")
    parser.add_argument("--checkpoint", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--compared", type=int, default=100_000, help="rows of each turn against the bare tokenizer")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "tokenization.jsonl")
    parser.add_argument("--second", type=Path, help=argparse.SUPPRESS)  # the folder of the first run
    options = parser.parse_args()
    model = build(options.checkpoint)
    if options.second is not None:
        print(json.dumps(first_batch(model, options.second / "rows.tsv", options.second / "cache")))
        return
    if options.data is None:
        parser.error("--data: required")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.tsv"
        write_rows(path, (options.data / "trec" / "train.tsv").read_text(encoding="utf-8").split(), options.rows)
        result: dict[str, Any] = {"rows": options.rows, "threads": os.cpu_count()}
        result |= throughput(model, path, min(options.compared, options.rows), options.turns)
        result["first_run"] = first_batch(model, path, Path(folder) / "cache")
        again = [sys.executable, __file__, "--checkpoint", options.checkpoint, "--second", folder]
        result["second_run"] = json.loads(subprocess.run(again, check=True, capture_output=True, text=True).stdout)
    line = json.dumps(_rounded(result))
    print(line)
    with options.results.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


if __name__ == "__main__":
    main()
