"""Fine-tunes the same model on the same data with the Hugging Face Trainer (PyTorch), as the peer to compare with.

One line of JSON per (task, seed) is appended to the results file; runs that already stand there are skipped, so the
script can be interrupted and started again. Tasks and hyper-parameters are those of `tasks.py`.

    pip install -e '.[benchmarks]'
    python benchmarks/hf_trainer.py --data PATH/TO/CORPORA --checkpoint DIRECTORY_OR_NAME
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from hf_kinds import KINDS
from hf_rows import Kind, Rows
from tasks import CACHE, TASKS, Task, files
from transformers import AutoTokenizer, Trainer, TrainingArguments, set_seed

KEY = ("task", "seed", "learning_rate", "epochs", "batch_size")


def arguments(task: Task, seed: int, rows: int, folder: str) -> TrainingArguments:
    """Returns the hyper-parameters of a task; AdamW without decay of biases and norms is the Trainer's own."""
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=task.epochs,
        per_device_train_batch_size=task.batch_size,
        per_device_eval_batch_size=64,
        learning_rate=task.learning_rate,
        warmup_steps=int(task.warmup * task.steps(rows)),
        weight_decay=task.weight_decay,
        max_grad_norm=task.clip_norm,
        lr_scheduler_type="linear",
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model=task.monitor,
        greater_is_better=True,
        seed=seed,
        report_to=[],
        logging_strategy="epoch",
        disable_tqdm=True,
        use_cpu=True,
    )


def evaluate(trainer: Trainer, kind: Kind, rows: Rows) -> dict[str, float]:
    """Returns the metrics on rows, which need not be those the trainer validates on."""
    return kind.scores(rows, trainer.predict(rows).predictions)


def run(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Fine-tunes once and returns the record to keep."""
    set_seed(seed)
    task, paths = TASKS[name], files(name, options.data, options.data_cache)
    kind = KINDS[task.kind](task, AutoTokenizer.from_pretrained(options.checkpoint), paths["train"])
    train, validation, test = (kind.rows(paths[split]) for split in ("train", "validation", "test"))
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=kind.model(options.checkpoint),
            args=arguments(task, seed, len(train), folder),
            train_dataset=train,
            eval_dataset=validation,
            data_collator=kind.collator(),
            compute_metrics=lambda outcome: kind.scores(validation, outcome.predictions),
        )
        start = time.monotonic()
        trainer.train()
        seconds = time.monotonic() - start
        trainer.compute_metrics = None
        scores = {split: evaluate(trainer, kind, rows) for split, rows in (("dev", validation), ("test", test))}
    return {
        "library": "transformers",
        "task": name,
        "seed": seed,
        "learning_rate": task.learning_rate,
        "epochs": task.epochs,
        "batch_size": task.batch_size,
        "dev_metrics": scores["dev"],
        "metrics": scores["test"],
        "train_seconds": round(seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--data-cache", type=Path, default=CACHE, help="for shorter files")
    parser.add_argument("--checkpoint", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--tasks", nargs="+", choices=[*TASKS], default=[*TASKS], metavar="TASK")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--threads", type=int, help="of PyTorch; its own choice without")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/hf_trainer.jsonl"))
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    done = {tuple(json.loads(line)[k] for k in KEY) for line in lines}
    for name in options.tasks:
        task = TASKS[name]
        for seed in options.seeds:
            if (name, seed, task.learning_rate, task.epochs, task.batch_size) in done:
                continue
            record = run(name, seed, options)
            with options.results.open("a") as out:
                out.write(json.dumps(record) + "\n")
            print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
