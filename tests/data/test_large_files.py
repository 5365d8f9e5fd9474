"""A file larger than the memory that reading it may take."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SIZE = 2 * 10**9  # bytes
MOST = 500 * 10**6  # bytes of memory that belongs to the process alone, beside what the libraries take
WORDS = ("refund", "parcel", "money", "please", "charged", "delivery")

READ = """
import json, sys, threading
import numpy as np
import tftransfer

def anonymous():
    line = next(line for line in open("/proc/self/status") if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024

def watch():
    while not done.wait(0.02):
        peaks.append(anonymous())

path, checkpoint = sys.argv[1:]
model = tftransfer.build(checkpoint, tftransfer.tasks.SequenceClassification(labels=["a", "b", "c"]))
before, peaks, done = anonymous(), [], threading.Event()
watcher = threading.Thread(target=watch)
watcher.start()
examples = tftransfer.read(path)
train, validation = examples.split(0.9)
encoded = model.encode(train.take(np.arange(64)), training=True)
inputs, targets, _ = encoded.batch(np.arange(32))
done.set()
watcher.join()
print(json.dumps({
    "grown": max(peaks) - before, "rows": len(examples), "labels": examples.labels, "batch": inputs["input_ids"].shape,
    "targets": targets.tolist(), "first": [train.columns["label"][n] for n in range(32)],
    "last": examples.columns["text"][-1][:20], "where": examples.where(len(examples) - 1), "parts": len(validation),
}))
"""


def lines(format: str) -> Iterator[str]:
    """Yields rows of some 5,000 characters without end, an odd word in each so that none is like another."""
    for number in itertools.count():
        text = f"{number} {WORDS[number % 6]} " + f"{WORDS[number % 5]} é " * 550
        label = "abc"[number % 3]
        yield f"{text},{label}\n" if format == "csv" else json.dumps({"text": text, "label": label}) + "\n"


def write(path: Path, format: str) -> int:
    """Writes a file of `SIZE` bytes; returns how many rows it has."""
    written = rows = 0
    with path.open("wb") as file:
        if format == "csv":
            file.write(b"text,label\n")
        for line in lines(format):
            written += file.write(line.encode())
            rows += 1
            if written >= SIZE:
                return rows
    raise AssertionError


@pytest.mark.slow
@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_two_gigabytes_are_read_within_half_of_one(tmp_path: Path, tiny_checkpoint: Path, format: str) -> None:
    path = tmp_path / f"large.{format}"
    try:
        rows = write(path, format)
        command = [sys.executable, "-c", READ, str(path), str(tiny_checkpoint)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    finally:
        path.unlink()
    assert found["grown"] < MOST
    assert found["rows"] == rows
    assert found["labels"] == ["a", "b", "c"]
    assert found["batch"] == [32, 64]
    assert ["abc"[n] for n in found["targets"]] == found["first"]
    assert found["last"].startswith(f"{rows - 1} {WORDS[(rows - 1) % 6]}")
    assert found["where"] == f"{path}:{rows + (format == 'csv')}"
    assert abs(found["parts"] - rows / 10) < 2
    print(f"{rows:,} rows, {found['grown'] / 1e6:.0f} MB")
