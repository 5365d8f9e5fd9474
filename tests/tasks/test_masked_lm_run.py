"""Pretraining that goes on: from a file of documents to a run, its artefacts, and a classifier on top of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tftransfer import config, experiment
from tftransfer.errors import DataError

ITEMS = ["lamp", "book", "cup", "chair", "key", "phone", "film", "bill"]


def documents(count: int) -> str:
    """Returns texts in which a word tells the next one."""
    return "".join(
        f"please send my {ITEMS[n % 8]} back, i want my money for the {ITEMS[n % 8]}\n" for n in range(count)
    )


def make_config(folder: Path, checkpoint: Path, **training: Any) -> config.Experiment:
    for name, count in (("train", 64), ("dev", 16)):
        (folder / f"{name}.txt").write_text(documents(count), encoding="utf-8")
    return config.validate(
        {
            "model": {"checkpoint": str(checkpoint), "max_length": 12},
            "task": {"name": "masked_lm", "top_k": 3},
            "data": {
                "train": {"path": str(folder / "train.txt")},
                "validation": {"path": str(folder / "dev.txt")},
            },
            "training": {"epochs": 4, "batch_size": 8, "learning_rate": 5e-3, **training},
            "export": {"formats": ["savedmodel", "huggingface"]},
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    """A finished run with both exports."""
    folder = tmp_path_factory.mktemp("words")
    experiment.fit(make_config(folder, tiny_checkpoint), folder / "run")
    return folder / "run"


def test_words_are_learned_and_judged_exactly(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())["validation"]
    assert metrics["perplexity"] < 10  # of a vocabulary of 400, which is what a fresh head knows
    assert metrics["accuracy"] > 0.5
    assert metrics["tokens"] == 16 * (2 + 1)  # of the 13 tokens of a text, 10 are in the first row and 3 in the second
    assert metrics["loss"] == pytest.approx(np.log(metrics["perplexity"]))
    assert experiment.evaluate(run) == metrics
    history = json.loads((run / "history.json").read_text())
    assert history["val_perplexity"][-1] < history["val_perplexity"][0]
    best = min(history["val_perplexity"])
    assert json.loads((run / "metrics.json").read_text())["best_epoch"] == history["val_perplexity"].index(best) + 1


def test_masks_are_filled(run: Path, tmp_path: Path) -> None:
    texts = ["please send my [MASK] back", "please send my lamp [MASK], i [MASK] my money", "nothing to find"]
    (tmp_path / "in.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    answers = list(experiment.predict(run, tmp_path / "in.txt"))
    assert [answer["text"] for answer in answers] == texts
    assert [len(answer["fills"]) for answer in answers] == [1, 2, 0]
    assert [fills[0]["token"] for fills in answers[1]["fills"]] == ["back", "want"]
    assert all(len(fills) == 3 for answer in answers for fills in answer["fills"])


def test_the_savedmodel_was_compared_on_masks(run: Path) -> None:
    report = json.loads((run / "export" / "1" / "assets.extra" / "export_report.json").read_text())
    assert 0 < report["max_score_difference"] <= 1e-5
    assert set(report["signature"]["outputs"]) == {"tokens", "scores"}


def test_a_classifier_goes_on_from_the_run(run: Path, tmp_path: Path) -> None:
    rows = [f"i want my {ITEMS[n % 8]}\t{'ab'[n % 2]}\n" for n in range(16)]
    (tmp_path / "train.tsv").write_text("text\tlabel\n" + "".join(rows), encoding="utf-8")
    chosen = config.validate(
        {
            "model": {"checkpoint": str(run / "huggingface" / "1"), "max_length": 12},
            "task": {"name": "sequence_classification"},
            "data": {"train": {"path": str(tmp_path / "train.tsv")}},
            "training": {"epochs": 1},
            "export": {"enabled": False},
        }
    )
    assert experiment.fit(chosen, tmp_path / "run", dry_run=True)["dry_run"]


def test_a_file_of_empty_lines(tmp_path: Path, tiny_checkpoint: Path) -> None:
    chosen = make_config(tmp_path, tiny_checkpoint)
    (tmp_path / "train.txt").write_text("\n  \n\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train\.txt"):
        experiment.fit(chosen, tmp_path / "run")
    assert not (tmp_path / "run").exists()
