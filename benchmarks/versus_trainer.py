"""Speed and memory beside the Hugging Face Trainer (PyTorch): same model, rows, batch size, optimizer, precision.

    pip install -e '.[benchmarks]'
    python benchmarks/versus_trainer.py --data PATH/TO/CORPORA --checkpoint DIRECTORY_OR_NAME

Each measurement is a process of its own, which trains one epoch of some rows, or answers them; the first steps do not
count. The sides take turns, and each is measured `--repeats` times. One line of JSON a measurement is appended to the
results file; those that stand there are skipped, so the script can be interrupted and started again.
`versus_trainer_report.py` makes the table of medians.
"""

import argparse
import dataclasses
import itertools
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks import TASKS, TREC, Part, Task, files

WARM_UP = 4  # steps that do not count
CACHE = Path(tempfile.gettempdir()) / "tftransfer-benchmarks"


@dataclasses.dataclass(frozen=True)
class Load:
    """What is trained on.

    Args:
        task: tasks.Task. Of its training rows.
        rows: dict of model name -> int. As many are trained on: half a minute's worth or so.
    """

    task: Task
    rows: dict[str, int]


LOADS = {
    "sst2": Load(dataclasses.replace(TREC, corpus="sst2", train=Part("train.tsv.gz")), {"minilm": 2048, "base": 256}),
    "ag_news": Load(
        dataclasses.replace(TREC, corpus="ag_news", train=Part("train.tsv.gz"), test=Part("test.tsv.gz")),
        {"minilm": 1024, "base": 128},
    ),
    "imdb": Load(
        dataclasses.replace(
            TREC,
            corpus="imdb",
            train=Part("train.tsv.gz"),
            validation=Part("dev.tsv.gz"),
            test=Part("test.tsv.gz"),
            max_length=256,
            batch_size=16,
        ),
        {"minilm": 320, "base": 64},
    ),
    "wnut17": Load(TASKS["wnut17"], {"minilm": 1024, "base": 192}),
}
# What trains, or answers, and how. The Trainer's defaults are float32 and batches padded to their longest row.
SIDES: dict[str, dict[str, Any]] = {
    "ours": {"library": "tftransfer", "batching": "packed"},
    "ours padded": {"library": "tftransfer", "batching": "padded"},
    "ours grouped": {"library": "tftransfer", "batching": "length_grouped"},
    "trainer": {"library": "transformers"},
    "trainer grouped": {"library": "transformers", "train_sampling_strategy": "group_by_length"},
    "trainer compiled": {
        "library": "transformers",
        "train_sampling_strategy": "group_by_length",
        "torch_compile": True,
    },
}
PRECISIONS = ("float32", "bfloat16")
# Texts at a time that are tried; a side's best counts.
ANSWERED_AT_ONCE = (8, 32, 128)


class Clock:
    """Seconds from the end of the last step of the warm-up, and what has been read until then."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def tick(self) -> None:
        self.ends.append(time.perf_counter())

    def seconds_and_share(self) -> tuple[float, float]:
        """Returns the seconds of the counted steps, and their share of all steps."""
        return self.ends[-1] - self.ends[WARM_UP - 1], (len(self.ends) - WARM_UP) / len(self.ends)


def peak_megabytes() -> int:
    """Returns the most memory that this process has had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) // 1024


# --- tftransfer ---


def our_model(load: Load, checkpoint: str, precision: str, path: Path) -> tuple[Any, Any]:
    """Returns the model and the examples of a file."""
    import tftransfer

    columns = {"text": load.task.columns[0], "label": load.task.columns[1]} if load.task.columns else {}
    examples = tftransfer.read(path, **columns)
    if load.task.kind == "token_classification":
        task = tftransfer.tasks.TokenClassification().resolve(examples.columns)
    else:
        task = tftransfer.tasks.SequenceClassification(labels=examples.labels)
    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    return tftransfer.build(checkpoint, task, max_length=load.task.max_length, precision=policy), examples


def train_ours(load: Load, checkpoint: str, precision: str, path: Path, batching: str) -> dict[str, Any]:
    import keras
    import numpy as np

    from tftransfer.config import Training
    from tftransfer.strategies import Full
    from tftransfer.training.fine_tune import fit_encoded

    model, examples = our_model(load, checkpoint, precision, path)
    encoded, clock = model.encode(examples, training=True), Clock()
    training = Training(
        epochs=1, batch_size=load.task.batch_size, learning_rate=load.task.learning_rate, batching=batching
    )
    fit_encoded(
        model,
        encoded,
        None,
        strategy=Full(),
        training=training,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: clock.tick())],
    )
    seconds, share = clock.seconds_and_share()
    tokens = int(np.diff(encoded.tokens.offsets).sum())
    found = {"seconds": seconds, "examples": share * len(examples), "tokens": share * tokens}
    peak = peak_megabytes()  # before what follows takes its own
    shapes, fed = epoch_of_batches(encoded, training)
    places = sum(rows * length for rows, length in shapes)
    config, products = model.checkpoint.config, [training_flops(model.checkpoint.config, *shape) for shape in shapes]
    return found | {
        "peak_megabytes": peak,
        "real_share": tokens / places,
        "input_share": fed * share / seconds,  # if nothing of it were done while a step computes
        "flops": share * sum(products) / seconds,
        "plain_flops": plain_flops(config, *max(shapes, key=math.prod)),
    }


def epoch_of_batches(encoded: Any, training: Any) -> tuple[list[tuple[int, int]], float]:
    """Returns (rows, length) of every batch of an epoch, and the seconds that making them takes."""
    from tftransfer.data.batches import BatchPlan

    if training.batching == "packed":
        encoded = dataclasses.replace(encoded, packed=(1,))
    grouped = training.batching == "length_grouped"
    plan = BatchPlan(len(encoded), training.batch_size, 0, encoded.lengths, grouped)
    start = time.perf_counter()
    shapes = [batch[0]["input_ids"].shape for batch in encoded.training_dataset(plan, 1)]
    return [tuple(shape) for shape in shapes], time.perf_counter() - start


def training_flops(config: Any, rows: int, length: int) -> int:
    """Returns the operations of all matrix products of a step: those of a forward pass, and twice as many back."""
    hidden, inner, places = config.hidden_size, config.intermediate_size, rows * length
    return 3 * config.num_layers * places * (8 * hidden**2 + 4 * hidden * inner + 4 * length * hidden)


def plain_flops(config: Any, rows: int, length: int) -> float:
    """Returns the operations a second of plain products of a layer's shapes, float32."""
    import tensorflow as tf

    hidden, inner, places = config.hidden_size, config.intermediate_size, rows * length
    shapes = [(hidden, hidden)] * 4 + [(hidden, inner), (inner, hidden)]
    pairs = [(tf.random.normal((places, n)), tf.random.normal((n, m))) for n, m in shapes]
    # The operands are arguments: constants would be multiplied while the function is compiled.
    multiply = tf.function(lambda pairs: [a @ b for a, b in pairs])
    multiply(pairs)
    times = []
    for _ in range(10):
        start = time.perf_counter()
        multiply(pairs)
        times.append(time.perf_counter() - start)
    return sum(2 * places * n * m for n, m in shapes) / statistics.median(times)


def answer_ours(load: Load, checkpoint: str, precision: str, path: Path) -> dict[str, Any]:
    model, examples = our_model(load, checkpoint, precision, path)
    texts = examples.columns["text"]
    return best_of(lambda size: model.predict_text(texts, batch_size=size), texts)


# --- transformers ---


def their_kind(load: Load, checkpoint: str, path: Path) -> Any:
    from hf_kinds import KINDS
    from transformers import AutoTokenizer

    return KINDS[load.task.kind](load.task, AutoTokenizer.from_pretrained(checkpoint), path)


def train_theirs(load: Load, checkpoint: str, precision: str, path: Path, **options: Any) -> dict[str, Any]:
    from transformers import Trainer, TrainerCallback, TrainingArguments

    kind, clock = their_kind(load, checkpoint, path), Clock()
    rows = kind.rows(path)

    class Ticks(TrainerCallback):
        def on_step_end(self, *arguments: Any, **more: Any) -> None:
            clock.tick()

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=load.task.batch_size,
            learning_rate=load.task.learning_rate,
            weight_decay=0.01,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            bf16=precision == "bfloat16",
            **options,
        )
        collator, model = kind.collator(), kind.model(checkpoint)
        Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collator, callbacks=[Ticks()]).train()
    seconds, share = clock.seconds_and_share()
    tokens = sum(len(item["input_ids"]) for item in rows.items)
    return {"seconds": seconds, "examples": share * len(rows), "tokens": share * tokens}


def answer_theirs(load: Load, checkpoint: str, precision: str, path: Path) -> dict[str, Any]:
    import torch
    import transformers
    from hf_kinds import columns, sentences

    kind = their_kind(load, checkpoint, path)
    name = "token-classification" if load.task.kind == "token_classification" else "text-classification"
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    model = kind.model(checkpoint).to(dtype).eval()
    pipeline = transformers.pipeline(name, model=model, tokenizer=kind.tokenizer, device="cpu")
    cut = {} if name == "token-classification" else {"truncation": True, "max_length": load.task.max_length}
    texts = columns(path, load.task.columns[:1])[0] if load.task.columns else [" ".join(w) for w, _ in sentences(path)]
    return best_of(lambda size: pipeline(texts, batch_size=size, **cut), texts)


def best_of(answer: Callable[[int], Any], texts: list[str]) -> dict[str, Any]:
    """Returns the shortest of the times that a side takes for all texts, by how many at a time."""
    seconds = {}
    for size in ANSWERED_AT_ONCE:
        answer(size)
        start = time.perf_counter()
        answer(size)
        seconds[size] = time.perf_counter() - start
    size = min(seconds, key=lambda size: seconds[size])
    return {"seconds": seconds[size], "examples": len(texts), "at_once": size}


# --- measurements ---


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Measures in this process."""
    load, path = LOADS[job["load"]], Path(job["path"])
    side = dict(SIDES[job["side"]])
    ours = side.pop("library") == "tftransfer"
    arguments = (load, job["checkpoint"], job["precision"], path)
    if job["what"] == "train":
        found = (train_ours if ours else train_theirs)(*arguments, **side)
    else:
        found = (answer_ours if ours else answer_theirs)(*arguments)
    return {"peak_megabytes": peak_megabytes(), **found}


def random_base(tokenizer_of: str, folder: Path) -> str:
    """Writes a BERT-base of random weights with another checkpoint's tokenizer, unless it is there."""
    import torch
    import transformers

    if not (folder / "model.safetensors").exists():
        torch.manual_seed(0)
        tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer_of)
        transformers.BertModel(transformers.BertConfig(vocab_size=len(tokenizer))).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return str(folder)


def jobs(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns all measurements in their order: the sides take turns."""
    found = []
    for model, what, repeat in itertools.product(options.models, options.what, range(options.repeats)):
        for load, precision, side in itertools.product(options.loads, options.precisions, options.sides):
            if what == "answer" and side not in ("ours", "trainer"):
                continue  # the batches of a training are of no concern to them
            found.append({"model": model, "load": load, "precision": precision, "what": what, "side": side})
            found[-1]["repeat"] = repeat
    return found


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")] or [platform.processor()]
    return f"{len(os.sched_getaffinity(0))} cores of {names[0]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--data-cache", type=Path, default=CACHE, help="for shorter files and random models")
    parser.add_argument("--checkpoint", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--models", nargs="+", choices=["minilm", "base"], default=["minilm", "base"])
    parser.add_argument("--loads", nargs="+", choices=[*LOADS], default=[*LOADS])
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=[*PRECISIONS])
    parser.add_argument("--sides", nargs="+", choices=[*SIDES], default=[*SIDES])
    parser.add_argument("--what", nargs="+", choices=["train", "answer"], default=["train", "answer"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/versus_trainer.jsonl"))
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        print(json.dumps(measure(json.loads(options.job))))
        return
    options.results.parent.mkdir(parents=True, exist_ok=True)
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    keys = ("model", "load", "precision", "what", "side", "repeat")
    done = {tuple(json.loads(line)[key] for key in keys) for line in lines}
    checkpoints = {"minilm": options.checkpoint}
    if "base" in options.models:
        checkpoints["base"] = random_base(options.checkpoint, options.data_cache / "random-bert-base")
    for job in jobs(options):
        if tuple(job[key] for key in keys) in done:
            continue
        load = LOADS[job["load"]]
        rows = Part(load.task.train.file, rows=load.rows[job["model"]], shuffled=True)
        name = f"versus-{job['load']}-{job['model']}"
        TASKS[name] = dataclasses.replace(load.task, train=rows)
        path = files(name, options.data, options.data_cache)["train"]
        asked = {**job, "path": str(path), "checkpoint": checkpoints[job["model"]]}
        done_job = subprocess.run(
            [sys.executable, __file__, "--job", json.dumps(asked)], capture_output=True, text=True, check=False
        )
        if done_job.returncode:
            sys.exit(f"{job}\n{done_job.stderr[-3000:]}")
        record = {**job, **json.loads(done_job.stdout.splitlines()[-1]), "machine": machine()}
        with options.results.open("a") as out:
            out.write(json.dumps(record) + "\n")
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
