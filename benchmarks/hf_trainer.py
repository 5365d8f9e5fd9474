"""Fine-tunes the same model on the same data with the Hugging Face Trainer (PyTorch), as the peer to compare with.

One line of JSON per (task, seed) is appended to the results file; runs that already stand there are skipped, so the
script can be interrupted and started again.

    pip install -e '.[benchmarks]'
    python benchmarks/hf_trainer.py --data PATH/TO/CORPORA --checkpoint DIRECTORY_OR_NAME
"""

import argparse
import gzip
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)

TASKS = {"sst2": ("train.tsv.gz", "dev.tsv", "test.tsv"), "trec": ("train.tsv", "dev.tsv", "test.tsv")}


def read(path: Path) -> tuple[list[str], list[str]]:
    """Returns the texts and the labels of a TSV file with a header and no quoting."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        header = next(lines).rstrip("\n").split("\t")
        rows = [line.rstrip("\n").split("\t") for line in lines]
    return [row[header.index("text")] for row in rows], [row[header.index("label")] for row in rows]


class Rows(torch.utils.data.Dataset):
    """Tokenized texts with label ids."""

    def __init__(self, tokenizer: Any, texts: list[str], labels: list[int], max_length: int) -> None:
        self.encoded = tokenizer(texts, truncation=True, max_length=max_length)
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**{k: v[index] for k, v in self.encoded.items()}, "labels": self.labels[index]}


def accuracy(prediction: Any) -> dict[str, float]:
    return {"accuracy": float((np.argmax(prediction.predictions, -1) == prediction.label_ids).mean())}


def run(task: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Fine-tunes once and returns the record to keep."""
    set_seed(seed)
    splits = [read(options.data / task / name) for name in TASKS[task]]
    labels = sorted(set(splits[0][1]))
    tokenizer = AutoTokenizer.from_pretrained(options.checkpoint)
    train, dev, test = (
        Rows(tokenizer, texts, [labels.index(label) for label in names], options.max_length) for texts, names in splits
    )
    model = AutoModelForSequenceClassification.from_pretrained(options.checkpoint, num_labels=len(labels))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=options.epochs,
            per_device_train_batch_size=options.batch_size,
            per_device_eval_batch_size=64,
            learning_rate=options.learning_rate,
            warmup_steps=int(0.1 * options.epochs * -(-len(train) // options.batch_size)),
            weight_decay=0.01,
            max_grad_norm=1.0,
            lr_scheduler_type="linear",
            eval_strategy="epoch",
            save_strategy="epoch",
            load_best_model_at_end=True,
            metric_for_best_model="accuracy",
            greater_is_better=True,
            seed=seed,
            report_to=[],
            logging_strategy="epoch",
            use_cpu=True,
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=train,
            eval_dataset=dev,
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=accuracy,
        )
        start = time.monotonic()
        trainer.train()
        seconds = time.monotonic() - start
        scores = {name: trainer.evaluate(rows)["eval_accuracy"] for name, rows in (("dev", dev), ("test", test))}
    return {
        "library": "transformers",
        "task": task,
        "seed": seed,
        "learning_rate": options.learning_rate,
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "dev_accuracy": scores["dev"],
        "test_accuracy": scores["test"],
        "train_seconds": round(seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/hf_trainer.jsonl"))
    options = parser.parse_args()
    options.results.parent.mkdir(parents=True, exist_ok=True)
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    key = ("task", "seed", "learning_rate", "epochs", "batch_size")
    done = {tuple(json.loads(line)[k] for k in key) for line in lines}
    for task in options.tasks:
        for seed in options.seeds:
            if (task, seed, options.learning_rate, options.epochs, options.batch_size) in done:
                continue
            record = run(task, seed, options)
            with options.results.open("a") as out:
                out.write(json.dumps(record) + "\n")
            print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
