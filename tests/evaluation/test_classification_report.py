"""The classification report against values worked out by hand and against scikit-learn."""

import doctest
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics  # type: ignore[import-untyped]

from tftransfer import atomic, registry
from tftransfer.errors import DataError
from tftransfer.evaluation import ClassificationReport, Report, classification, counts, plots

_FILES = ["confusion_matrix.png", "metrics.json", "mistakes.jsonl", "reliability.png", "report.md"]


def _report(**changes: Any) -> ClassificationReport:
    """Six examples of three labels: 3 of 4 "a" and 1 of 2 "b" are right; "c" is never true, and predicted once."""
    fields: dict[str, Any] = {
        "labels": ["a", "b", "c"],
        "targets": np.array([0, 0, 0, 0, 1, 1]),
        "scores": np.array(
            [[0.9, 0.1, 0.0], [0.8, 0.1, 0.1], [0.4, 0.3, 0.3], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0.0, 0.1, 0.9]]
        ),
        "texts": ["t0", "t1", "t2", "t3", "t4", "t5"],
        "origins": [f"data.csv:{row}" for row in range(2, 8)],
    }
    return ClassificationReport(**(fields | changes))


def _all_wrong(examples: int) -> ClassificationReport:
    targets, scores = np.ones(examples, dtype=int), np.array([[0.75, 0.25]] * examples)
    return ClassificationReport(["a", "b"], targets, scores, [f"text {i}" for i in range(examples)])


def _random(seed: int, labels: int, examples: int, missing: tuple[int, ...] = ()) -> ClassificationReport:
    random = np.random.default_rng(seed)
    scores = random.dirichlet(np.full(labels, 0.5), examples)
    scores[:, list(missing)] = 0.0
    possible = [label for label in range(labels) if label not in missing]
    guess = np.where(random.random(examples) < 0.6, scores.argmax(axis=1), random.choice(possible, examples))
    return ClassificationReport([f"label {i}" for i in range(labels)], guess, scores, [""] * examples)


# ---------------------------------------------------------------------------------------------------------- metrics


def test_metrics_by_hand() -> None:
    metrics = _report().metrics()
    assert metrics["confusion_matrix"] == [[3, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert metrics["examples"] == 6
    assert metrics["accuracy"] == pytest.approx(4 / 6)
    f1 = {"a": 6 / 7, "b": 1 / 2, "c": 0.0}
    assert metrics["per_class"] == {
        "a": {"precision": 1.0, "recall": 0.75, "f1": pytest.approx(f1["a"]), "support": 4},
        "b": {"precision": 0.5, "recall": 0.5, "f1": pytest.approx(f1["b"]), "support": 2},
        "c": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
    }
    assert metrics["macro_f1"] == pytest.approx(sum(f1.values()) / 3)
    assert metrics["weighted_f1"] == pytest.approx((4 * f1["a"] + 2 * f1["b"]) / 6)
    assert metrics["macro_precision"] == pytest.approx(1.5 / 3)
    assert metrics["macro_recall"] == pytest.approx(1.25 / 3)
    # (4 * 6 - (4 * 3 + 2 * 2 + 0 * 1)) / sqrt((36 - 16 - 4) * (36 - 9 - 4 - 1))
    assert metrics["mcc"] == pytest.approx(8 / np.sqrt(16 * 22))


def test_the_calibration_error_is_that_of_the_choices() -> None:
    # Right: 0.9, 0.8, 0.4, 0.6; wrong: 0.7 and, in the bin of the first, 0.9.
    assert _report().metrics()["ece"] == pytest.approx(((1 - 0.8) + (1 - 0.4) + (1 - 0.6) + 0.7 + 2 * 0.4) / 6)


def test_a_label_that_never_occurs_is_listed_but_not_averaged() -> None:
    metrics = _report(labels=["a", "b", "c", "never"], scores=np.pad(_report().scores, ((0, 0), (0, 1)))).metrics()
    assert metrics["per_class"]["never"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    assert [len(row) for row in metrics["confusion_matrix"]] == [4, 4, 4, 4]
    assert {k: v for k, v in metrics.items() if k.startswith("macro")} == {
        k: v for k, v in _report().metrics().items() if k.startswith("macro")
    }


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("labels", "examples", "missing"), [(2, 50, ()), (5, 300, (1, 4)), (60, 200, (7,))])
def test_metrics_equal_those_of_scikit_learn(seed: int, labels: int, examples: int, missing: tuple[int, ...]) -> None:
    report = _random(seed, labels, examples, missing)
    metrics, truth, answers = report.metrics(), report.targets, report.scores.argmax(axis=1)
    precision, recall, f1, support = sklearn.metrics.precision_recall_fscore_support(
        truth, answers, labels=range(labels), zero_division=0
    )
    for i, scores in enumerate(metrics["per_class"].values()):
        assert list(scores.values()) == pytest.approx([precision[i], recall[i], f1[i], support[i]])
    averages = {
        f"macro_{name}": function(truth, answers, average="macro", zero_division=0)
        for name, function in (
            ("f1", sklearn.metrics.f1_score),
            ("precision", sklearn.metrics.precision_score),
            ("recall", sklearn.metrics.recall_score),
        )
    }
    averages["weighted_f1"] = sklearn.metrics.f1_score(truth, answers, average="weighted", zero_division=0)
    averages["mcc"] = sklearn.metrics.matthews_corrcoef(truth, answers)
    averages["accuracy"] = sklearn.metrics.accuracy_score(truth, answers)
    assert {name: metrics[name] for name in averages} == pytest.approx(averages)
    matrix = sklearn.metrics.confusion_matrix(truth, answers, labels=range(labels))
    assert metrics["confusion_matrix"] == matrix.tolist()


def test_mcc_is_zero_where_it_is_undefined_and_survives_large_counts() -> None:
    assert counts.matthews(np.array([[5, 0], [0, 0]])) == 0.0
    assert counts.matthews(np.array([[3, 0], [2, 0]])) == 0.0
    assert counts.matthews(np.array([[0, 4], [4, 0]])) == -1.0
    assert counts.matthews(np.array([[3, 1], [2, 4]]) * 10**9) == pytest.approx(
        (3 * 4 - 1 * 2) / np.sqrt(4 * 6 * 5 * 5)
    )


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_equals_the_published_interval(hits: int, trials: int, low: float, high: float) -> None:
    assert counts.wilson(hits, trials) == pytest.approx([low, high], abs=5e-5)
    mirrored = counts.wilson(trials - hits, trials)
    assert mirrored == pytest.approx([1 - high, 1 - low], abs=5e-5)


def test_the_interval_is_that_of_the_accuracy() -> None:
    low, high = _report().metrics()["confidence_interval"]
    assert [low, high] == counts.wilson(4, 6)
    assert 0 < low < 4 / 6 < high < 1
    assert counts.wilson(6, 6)[1] == 1.0


def test_metrics_are_plain_values() -> None:
    def leaves(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            assert all(type(key) is str for key in value)
            for inner in value.values():
                yield from leaves(inner)
        elif type(value) is list:
            for inner in value:
                yield from leaves(inner)
        else:
            yield value

    metrics = _report(scores=_report().scores.astype(np.float32)).metrics()
    assert {type(leaf) for leaf in leaves(metrics)} == {int, float}
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


# --------------------------------------------------------------------------------------------------------- mistakes


def test_mistakes_come_surest_first() -> None:
    assert _report().mistakes() == [
        {"text": "t5", "expected": "b", "predicted": "c", "score": 0.9, "origin": "data.csv:7"},
        {"text": "t3", "expected": "a", "predicted": "b", "score": 0.7, "origin": "data.csv:5"},
    ]
    assert [mistake["text"] for mistake in _report().mistakes(limit=1)] == ["t5"]
    assert _report().mistakes(limit=0) == []


def test_equal_mistakes_keep_the_order_of_the_data() -> None:
    report = _all_wrong(50)
    assert [mistake["text"] for mistake in report.mistakes(limit=None)] == [f"text {i}" for i in range(50)]
    assert len(report.mistakes()) == 20


def test_without_origins_they_are_empty() -> None:
    assert {mistake["origin"] for mistake in _report(origins=()).mistakes()} == {""}


# ------------------------------------------------------------------------------------------------------- the fields


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": [], "scores": np.zeros((0, 3)), "texts": [], "origins": []}, "one example and one label"),
        ({"labels": []}, "got 6 examples and 0 labels"),
        ({"labels": ["a", "b", "a"]}, "every label once, got 'a' again"),
        ({"targets": np.array([0, 1])}, r"targets of shape \(6,\) for 6 texts and 3 labels, got \(2,\)"),
        ({"labels": ["a", "b"]}, r"scores of shape \(6, 2\) for 6 texts and 2 labels, got \(6, 3\)"),
        ({"texts": ["one"]}, r"targets of shape \(1,\)"),
        ({"origins": ["x:1"]}, "6 origins, one a text, or none at all; got 1"),
        ({"targets": np.array([0, 1, 3, 0, -1, 0])}, r"0 to 2, got 3 in example 2 \(data.csv:4\) and 1 more"),
        ({"targets": np.zeros(6)}, "label ids, an array of integers; got dtype float64"),
        ({"targets": ["a"] * 6}, "label ids, an array of integers; got dtype <U1"),
        ({"scores": [["x"] * 3] * 6}, "scores to be an array of floats; got dtype <U1"),
        ({"scores": [[0.5, 0.5, 0.0]] * 5 + [[1.0]]}, "scores to be one array, got rows of different lengths"),
        ({"scores": [[0.1, 0.2, 0.7]] * 4 + [[np.nan] * 3] * 2}, r"got NaN in example 4 \(data.csv:6\) and 1 more"),
        ({"scores": [[0.1, 0.2, 0.7]] * 5 + [[-3.5, 0.5, 2.0]]}, "from 0 to 1, got -3.5 in example 5 .* not logits"),
        ({"scores": [[0.1, 0.2, 0.7]] * 5 + [[0.5, 0.5, np.inf]]}, "from 0 to 1, got inf in example 5"),
    ],
)
def test_fields_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        _report(**changes)


def test_scores_of_any_precision_are_taken() -> None:
    softmax = np.array([[0.3334, 0.3333, 0.3335]] * 6, dtype=np.float16)
    assert _report(scores=softmax).metrics()["examples"] == 6
    assert _report(scores=np.eye(3, dtype=int)[[0, 0, 0, 0, 1, 1]]).metrics()["accuracy"] == 1.0
    assert _report(scores=np.eye(3)[[0, 0, 0, 0, 1, 1]] * np.float32(1.0001)).metrics()["accuracy"] == 1.0


def test_the_example_of_the_docstring() -> None:
    assert doctest.testmod(classification) == doctest.TestResults(failed=0, attempted=5)


def test_the_registry_builds_it() -> None:
    assert registry.reports.get("classification") is ClassificationReport
    assert registry.reports.options("classification") == ["labels", "targets", "scores", "texts", "origins"]
    plain = {name: getattr(_report(), name) for name in registry.reports.options("classification")}
    built = registry.reports.build("classification", plain)
    assert isinstance(built, Report)
    assert built.metrics() == _report().metrics()


# ---------------------------------------------------------------------------------------------------------- writing


def test_write_leaves_five_files(tmp_path: Path) -> None:
    report, directory = _report(), tmp_path / "runs" / "report"
    report.write(directory)
    assert sorted(os.listdir(directory)) == _FILES
    assert json.loads((directory / "metrics.json").read_text("utf-8")) == report.metrics()
    lines = (directory / "mistakes.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == report.mistakes()
    assert (directory / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")


def test_report_md(tmp_path: Path) -> None:
    texts = ["t0", "t1", "t2", "a | pipe\nand a line", "t4", "x" * 1000]
    _report(texts=texts).write(tmp_path)
    page = (tmp_path / "report.md").read_text("utf-8")
    assert "| Accuracy             | 0.6667 |\n" in page
    assert "|   # | Label | Precision | Recall |     F1 | Support |\n" in page
    assert "|   0 | a     |    1.0000 | 0.7500 | 0.8571 |       4 |\n" in page
    assert "(confusion_matrix.png)" in page
    assert "|  Score | Expected | Predicted | Text " in page
    assert r"a \| pipe<br>and a line" in page
    assert "x" * 299 + "… " in page
    assert page.index("x" * 299) < page.index(r"a \| pipe")
    pipes = {line.replace(r"\|", "").count("|") for line in page.split("\n") if line.startswith("|")}
    assert pipes == {3, 7, 6}


def test_the_page_shows_twenty_mistakes_and_the_file_all_of_them(tmp_path: Path) -> None:
    _all_wrong(50).write(tmp_path)
    page = (tmp_path / "report.md").read_text("utf-8")
    assert (page.count("text "), "20 of 50" in page) == (20, True)
    assert len((tmp_path / "mistakes.jsonl").read_text("utf-8").splitlines()) == 50


def test_a_report_without_mistakes(tmp_path: Path) -> None:
    ClassificationReport(["a", "b"], np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]), ["x", "y"]).write(tmp_path)
    assert (tmp_path / "mistakes.jsonl").read_bytes() == b""
    assert "None: every answer is right." in (tmp_path / "report.md").read_text("utf-8")


def test_any_text_survives(tmp_path: Path) -> None:
    """Chinese labels, line ends that only Unicode knows, an emoji and half of one."""
    texts = ["t", "t", "t", "行\u2028行 🙂", "t", "half \ud83d"]
    _report(labels=["体育", "経済", "문화|정치"], texts=texts).write(tmp_path)
    lines = (tmp_path / "mistakes.jsonl").read_bytes().decode("utf-8").split("\n")
    assert [json.loads(line)["text"] for line in lines if line] == [texts[5], texts[3]]
    page = (tmp_path / "report.md").read_text("utf-8")
    assert "体育" in page
    assert r"문화\|정치" in page
    assert list(json.loads((tmp_path / "metrics.json").read_text("utf-8"))["per_class"]) == _labels_of(page)


def _labels_of(page: str) -> list[str]:
    rows = [line for line in page.split("\n") if line.startswith("|   ") and line[4].isdigit()]
    return [row.replace(r"\|", "\0").split("|")[2].strip().replace("\0", "|") for row in rows]


def test_sixty_labels(tmp_path: Path) -> None:
    _random(0, 60, 500).write(tmp_path)
    assert sorted(os.listdir(tmp_path)) == _FILES
    assert len(_labels_of((tmp_path / "report.md").read_text("utf-8"))) == 10  # numbers 0 to 9, the rest is wider


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        _report().write(tmp_path / name)
    for name in _FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("at", range(5))
def test_a_failing_write_leaves_whole_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    _report().write(tmp_path)
    earlier = {name: (tmp_path / name).read_bytes() for name in _FILES}
    synced: list[int] = []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) > at:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    later = _report(targets=np.array([1, 1, 1, 1, 0, 0]))
    with pytest.raises(OSError, match="No space left"):
        later.write(tmp_path)
    assert sorted(os.listdir(tmp_path)) == _FILES
    changed = [name for name in _FILES if (tmp_path / name).read_bytes() != earlier[name]]
    assert len(changed) == at


def test_a_picture_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "_name_rows_and_columns", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        _report().write(tmp_path)
    assert os.listdir(tmp_path) == []


def test_the_room_loads_nothing_heavy() -> None:
    program = (
        "import sys, tftransfer.evaluation as e; e.ClassificationReport(['a'], [0], [[1.0]], ['x']).metrics();"
        "print(sorted({'tensorflow', 'keras', 'scipy', 'sklearn', 'matplotlib', 'tftransfer.data'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
