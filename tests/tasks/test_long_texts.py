"""Texts longer than a row: what is kept of them, windows, and whole runs of tasks over texts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tftransfer
from tftransfer import Examples, config, experiment
from tftransfer.export.verification import answers_of
from tftransfer.tasks import SequenceClassification

LONG = "good day " * 30


def examples(texts: list[str], **columns: list[Any]) -> Examples:
    return Examples({"text": texts, **columns}, "toy.tsv", np.arange(len(texts)) + 2)


def test_the_answer_of_windows_is_that_of_the_mean_of_their_logits(tiny_checkpoint: Path) -> None:
    task = SequenceClassification(["no", "yes"], truncate="windows", stride=3)
    model = tftransfer.build(str(tiny_checkpoint), task, max_length=16)
    encoded = model.encode(examples(["bad", LONG, "good"], label=["no", "yes", "yes"]), training=True)
    windows = np.bincount(encoded.tokens.examples)
    assert windows.tolist() == [1, 6, 1]  # 60 words, 14 in a window, and 11 on to the next
    ids = np.split(encoded.tokens.input_ids, encoded.tokens.offsets[1:-1])
    logits = [
        np.asarray(
            model({"input_ids": row[None], "attention_mask": np.ones_like(row[None]), "token_type_ids": 0 * row[None]})
        )[0]
        for row in ids
    ]
    truth = [logits[0], np.mean(logits[1:7], axis=0), logits[7]]
    assert model.predict_logits(encoded) == pytest.approx(np.array(truth), abs=1e-5)
    assert encoded.targets.tolist() == [0, 1, 1, 1, 1, 1, 1, 1]  # type: ignore[union-attr]
    # Each text counts as much as another, however long it is, and a row as much as ever on average.
    assert encoded.weights == pytest.approx(8 / 3 / np.array([1, *[6] * 6, 1]))
    served = task.serve(tf.constant(np.array(logits)), {"examples": tf.constant(encoded.tokens.examples)})
    assert served["scores"].numpy() == pytest.approx(task.scores(np.array(truth)), abs=1e-5)


def fitted(folder: Path, checkpoint: Path, task: dict[str, Any], lines: list[str], **columns: str) -> dict[str, Any]:
    """Returns the summary of a run over the rows of a TSV."""
    (folder / "data.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    block = {"path": str(folder / "data.tsv"), **columns}
    raw = {
        "model": {"checkpoint": str(checkpoint), "max_length": 12},
        "task": task,
        "data": {"train": block, "validation": block},
        "training": {"epochs": 2, "batch_size": 8, "learning_rate": 5e-3},
    }
    return experiment.fit(config.validate(raw), folder / "run")


@pytest.mark.slow
def test_a_run_with_several_labels_a_text_and_windows(tmp_path: Path, tiny_checkpoint: Path) -> None:
    task = {"name": "multi_label_classification", "truncate": "windows", "stride": 2, "thresholds": "tuned"}
    words = {"late": "parcel late", "refund": "refund money", "late,refund": "refund late parcel"}
    lines = [f"{'day ' * (n % 20)}{text}\t{label}" for n in range(8) for label, text in words.items()]
    summary = fitted(tmp_path, tiny_checkpoint, task, ["text\tlabel", *lines])
    kept = json.loads((tmp_path / "run" / "task.json").read_text())
    assert set(kept["thresholds"]) == {"late", "refund"}  # as tuned, not as asked for
    assert experiment.evaluate(tmp_path / "run")["macro_f1"] == summary["metrics"]["validation"]["macro_f1"]
    texts = [LONG + "refund", "late", "my money back"]
    answers = experiment.load(tmp_path / "run").predict_text(texts)
    served = answers_of(Path(summary["export"]), {"text": texts})["outputs"]
    for answer, given, scores in zip(answers, served["labels"], served["scores"], strict=True):
        assert answer["labels"] == [label for label in given if label]
        assert list(answer["scores"].values()) == pytest.approx(scores, abs=1e-5)


@pytest.mark.slow
def test_a_run_with_a_number_for_a_pair(tmp_path: Path, tiny_checkpoint: Path) -> None:
    lines = [f"{'good ' * (n % 5 + 1)}\tlamp {n}\t{1000 + 50 * (n % 5)}" for n in range(30)]
    columns = {"text": "a", "text_pair": "b", "label": "price"}
    summary = fitted(tmp_path, tiny_checkpoint, {"name": "regression"}, ["a\tb\tprice", *lines], **columns)
    (tmp_path / "ask.tsv").write_text("a\tb\ngood good\tlamp 3\nbad\tlamp 1\n", encoding="utf-8")
    answers = list(experiment.predict(tmp_path / "run", tmp_path / "ask.tsv"))
    assert all(900 < answer["value"] < 1300 for answer in answers)
    asked = {"text": ["good good", "bad"], "text_pair": ["lamp 3", "lamp 1"]}
    served = answers_of(Path(summary["export"]), asked)["outputs"]
    assert served["value"] == pytest.approx([answer["value"] for answer in answers], rel=1e-5)
    assert summary["metrics"]["validation"]["mae"] < 100  # in the units of the file


@pytest.mark.parametrize("truncate", ["tail", "head_tail"])
def test_what_is_kept_of_a_long_text(tiny_checkpoint: Path, truncate: Any) -> None:
    model = tftransfer.build(
        str(tiny_checkpoint), SequenceClassification(["no", "yes"], truncate=truncate), max_length=10
    )
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    known = [word for word in words if word in model.tokenizer.rust.get_vocab()]
    assert len(known) >= 5
    text = " ".join(known * 4)
    ids = model.encode(examples([text])).tokens.input_ids[1:-1]
    every = model.tokenizer.encode([text], max_length=100).input_ids[1:-1]
    expected = every[-8:] if truncate == "tail" else [*every[:2], *every[-6:]]
    assert ids.tolist() == list(expected)
