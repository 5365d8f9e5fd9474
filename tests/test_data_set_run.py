"""A run on a data set that has no file: trained, judged on its own and other data, and asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from tftransfer import config, experiment

tfds = pytest.importorskip("tensorflow_datasets")
from prepared import prepare  # noqa: E402 - it needs the package

NAMES = ["late", "refund"]
TEXTS = ["where is my {} parcel, it is late {}", "i want a refund for the {} {}"]


def examples(count: int) -> list[dict[str, Any]]:
    """Returns two easily told labels; the last text is none."""
    things = ["lamp", "book", "cup", "chair", "key", "phone", "film", "bill"]
    rows: list[dict[str, Any]] = [
        {"review": TEXTS[i % 2].format(things[i % 8], i), "intent": i % 2} for i in range(count)
    ]
    return [*rows, {"review": " ", "intent": 0}]


def test_a_run_on_a_prepared_data_set(tmp_path: Path, tiny_checkpoint: Path) -> None:
    kinds = tfds.features
    described = kinds.FeaturesDict({"review": kinds.Text(), "intent": kinds.ClassLabel(names=NAMES)})
    prepare(tmp_path / "corpora" / "prepared", described, {"train": examples(64), "test": examples(20)}, "array_record")
    block = {"format": "tfds", "name": "letters", "data_dir": "prepared", "text": "review", "label": "intent"}
    wanted = config.validate(
        {
            "model": {"checkpoint": str(tiny_checkpoint), "max_length": 32},
            "task": {"name": "sequence_classification"},
            "data": {
                "train": {**block, "split": "train[:80%]"},
                "validation": {**block, "split": "train[80%:]"},
                "test": {**block, "split": "test"},
                "folder": str(tmp_path / "corpora"),
                "on_bad_rows": "skip",
            },
            "training": {"epochs": 2, "batch_size": 8, "learning_rate": 5e-3},
            "export": {"enabled": False},
        }
    )
    run = tmp_path / "run"
    summary = experiment.fit(wanted, run)
    assert summary["metrics"]["test"]["accuracy"] == 1.0
    assert json.loads((run / "task.json").read_text())["labels"] == NAMES
    kept = json.loads((run / "data.json").read_text())
    assert [kept[name]["path"] for name in config.SPLITS] == [
        f"letters {part}" for part in ("train[:80%]", "train[80%:]", "test")
    ]
    assert [kept[name]["examples"] for name in config.SPLITS] == [52, 12, 20]
    bad = [json.loads(line) for line in (run / "quarantine.jsonl").read_text().splitlines()]
    assert [(row["file"], row["line"], row["reason"]) for row in bad] == [
        ("letters train[80%:]", 13, "empty text"),
        ("letters test", 21, "empty text"),
    ]
    # Other data have the columns of the run's data, in any format, here as shards.
    for number in range(2):
        rows = [f"{NAMES[x['intent']]}\t{x['review']}" for x in examples(8)[:-1]]
        (tmp_path / f"more-{number}.tsv").write_text("\n".join(["intent\treview", *rows]) + "\n")
    assert experiment.evaluate(run, f"{tmp_path}/more-*.tsv")["accuracy"] == 1.0
    answers = list(experiment.predict(run, str(tmp_path / "more-0.tsv")))
    assert [answer["label"] for answer in answers] == [NAMES[i % 2] for i in range(8)]
