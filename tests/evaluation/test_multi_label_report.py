"""The report of several labels an example against scikit-learn and against values worked out by hand."""

import doctest
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics  # type: ignore[import-untyped]

from tftransfer import registry
from tftransfer.errors import DataError
from tftransfer.evaluation import multi_label
from tftransfer.evaluation.multi_label import MultiLabelReport


def _report(**fields: Any) -> MultiLabelReport:
    """Three examples of two labels; the first is right, the second lacks "a", the third has too much of both."""
    known: dict[str, Any] = {
        "labels": ["a", "b"],
        "targets": np.array([[1, 0], [1, 1], [0, 0]]),
        "scores": np.array([[0.9, 0.1], [0.3, 0.8], [0.7, 0.45]]),
        "thresholds": np.array([0.5, 0.4]),
        "texts": ["t0", "t1", "t2"],
        "origins": ["f:1", "f:2", "f:3"],
    }
    return MultiLabelReport(**(known | fields))


def test_metrics_by_hand() -> None:
    metrics = _report().metrics()
    assert metrics["per_class"] == {
        "a": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2, "threshold": 0.5},
        "b": {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1, "threshold": 0.4},
    }
    assert metrics["accuracy"] == pytest.approx(1 / 3)
    assert metrics["hamming_loss"] == pytest.approx(3 / 6)
    assert metrics["samples_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    # "a" is found at the ranks 1 and 3, "b" at 1.
    assert metrics["map"] == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    # All six are in bins of their own.
    assert metrics["ece"] == pytest.approx((0.1 + 0.1 + 0.7 + 0.2 + 0.7 + 0.45) / 6)
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", [bool, int])
def test_metrics_equal_those_of_scikit_learn(seed: int, kind: type) -> None:
    random = np.random.default_rng(seed)
    scores = random.beta(0.5, 1, (200, 7))
    targets = random.random(scores.shape) < scores
    targets[:, 3], scores[:, 3] = False, 0.1  # never true, never given
    targets[:, 4] = False  # never true
    thresholds = random.uniform(0.2, 0.8, 7)
    labels = [f"label {i}" for i in range(7)]
    metrics = MultiLabelReport(labels, targets.astype(kind), scores, thresholds, [""] * 200).metrics()
    given = scores >= thresholds

    def f1(average: str) -> float:
        return float(sklearn.metrics.f1_score(targets, given, average=average, zero_division=0))

    occur = targets.any(axis=0)
    expected = {f"{average}_f1": f1(average) for average in ("macro", "micro", "weighted", "samples")} | {
        "accuracy": sklearn.metrics.accuracy_score(targets, given),
        "hamming_loss": sklearn.metrics.hamming_loss(targets, given),
        "map": sklearn.metrics.average_precision_score(targets[:, occur], scores[:, occur], average="macro"),
    }
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)
    columns = sklearn.metrics.precision_recall_fscore_support(targets, given, zero_division=0)
    for row, *values, threshold in zip(metrics["per_class"].values(), *columns, thresholds, strict=True):
        assert list(row.values()) == pytest.approx([*values, threshold])


def test_one_label_and_none_that_is_true() -> None:
    one = MultiLabelReport(
        ["a"], np.zeros((2, 1), int), np.array([[0.2], [0.9]]), np.array([0.5]), ["x", "y"]
    ).metrics()
    assert {name: one[name] for name in ("accuracy", "macro_f1", "micro_f1", "weighted_f1", "samples_f1", "map")} == {
        "accuracy": 0.5,
        "macro_f1": 0.0,
        "micro_f1": 0.0,
        "weighted_f1": 0.0,
        "samples_f1": 0.0,
        "map": 0.0,
    }


def test_a_score_on_the_threshold_gives_the_label() -> None:
    report = _report(scores=np.array([[0.5, 0.1], [0.5, 0.4], [0.1, 0.1]]))
    assert report.metrics()["accuracy"] == 1.0
    assert report.mistakes() == []


def test_mistakes_come_with_the_surest_wrong_label_first() -> None:
    first, second = _report().mistakes()
    assert first == {
        "text": "t1",
        "expected": ["a", "b"],
        "predicted": ["b"],
        "label": "a",
        "score": 0.3,
        "origin": "f:2",
    }
    assert (second["text"], second["label"], second["expected"], second["predicted"]) == ("t2", "a", [], ["a", "b"])
    assert len(_report().mistakes(limit=1)) == 1
    nearer = _report(thresholds=np.array([0.4, 0.1]), scores=np.array([[0.9, 0.0], [0.3, 0.8], [0.7, 0.45]]))
    assert [(m["text"], m["label"]) for m in nearer.mistakes()] == [("t2", "b"), ("t1", "a")]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"targets": np.array([0, 1, 0])}, r"targets of shape \(3, 2\) for 3 texts and 2 labels, got \(3,\)"),
        ({"targets": np.array([[0, 2]] * 3)}, "targets of 0 and 1, got 0 to 2"),
        ({"targets": np.ones((3, 2))}, "an array of integers; got dtype float64"),
        ({"scores": np.array([[0.5, 4.0]] * 3)}, r"from 0 to 1, got 4 in example 0 \(f:1\).*not logits"),
        ({"thresholds": np.array([0.5])}, r"thresholds of shape \(2,\)"),
        ({"origins": ["x"]}, "3 origins"),
    ],
)
def test_fields_that_do_not_fit_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        _report(**fields)


def test_write(tmp_path: Path) -> None:
    report = _report()
    report.write(tmp_path)
    files = ["f1_by_label.png", "metrics.json", "mistakes.jsonl", "reliability.png", "report.md"]
    assert sorted(os.listdir(tmp_path)) == files
    assert json.loads((tmp_path / "metrics.json").read_text("utf-8")) == report.metrics()
    page = (tmp_path / "report.md").read_text("utf-8")
    assert "|   # | Label | Precision | Recall |     F1 | Support | Threshold |" in page
    assert "| mAP               | 0.9167 |" in page


def test_the_registry_builds_it() -> None:
    names = ["labels", "targets", "scores", "thresholds", "texts", "origins"]
    assert registry.reports.options("multi_label") == names
    fields = {name: getattr(_report(), name) for name in names}
    assert registry.reports.build("multi_label", fields).metrics() == _report().metrics()


def test_the_example_of_the_docstring() -> None:
    assert doctest.testmod(multi_label) == doctest.TestResults(failed=0, attempted=5)
