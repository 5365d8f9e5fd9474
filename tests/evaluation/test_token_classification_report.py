"""The report of entities against seqeval, on random tags and on a corpus, and against cases worked out by hand."""

import doctest
import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seqeval.metrics

from tftransfer import registry
from tftransfer.errors import DataError
from tftransfer.evaluation import entities, token_classification
from tftransfer.evaluation.token_classification import TokenClassificationReport

DATA = Path(os.environ.get("TFTRANSFER_DATA", Path(__file__).parents[3] / "shared" / "data"))
CORPUS = DATA / "people_daily" / "dev.conll"
Spans = list[tuple[int, int, str]]


def _report(targets: Sequence[Spans], predictions: Sequence[Spans], **fields: Any) -> TokenClassificationReport:
    texts = [string * 30 for string, _ in zip(itertools.cycle("xyz"), targets, strict=False)]
    known = {"labels": ["LOC", "ORG", "PER"], "targets": targets, "predictions": predictions, "texts": texts}
    return TokenClassificationReport(**(known | fields))


# ------------------------------------------------------------------------------------------------- against seqeval


def _tags(spans: Spans, size: int) -> list[str]:
    tags = ["O"] * size
    for start, end, label in spans:
        tags[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
    return tags


def _random_spans(random: np.random.Generator, size: int, labels: Sequence[str]) -> Spans:
    spans, start = [], 0
    while (start := start + int(random.integers(0, 5))) < size:
        end = min(size, start + int(random.integers(1, 4)))
        spans.append((start, end, str(random.choice(labels))))
        start = end
    return spans


def _distorted(random: np.random.Generator, spans: Spans, size: int, labels: Sequence[str]) -> Spans:
    """Drops, adds, moves and renames some of the entities, such that none overlap."""
    given = [span for span in spans if random.random() < 0.85]
    given = [(s, e, str(random.choice(labels)) if random.random() < 0.2 else label) for s, e, label in given]
    given = [(s + int(random.random() < 0.2 and e - s > 1), e, label) for s, e, label in given]
    taken = {place for s, e, _ in given for place in range(s, e)}
    free = [place for place in range(size) if place not in taken and random.random() < 0.03]
    return sorted([*given, *((place, place + 1, str(random.choice(labels))) for place in free)])


def _seqeval(targets: list[Spans], predictions: list[Spans], sizes: list[int]) -> dict[str, Any]:
    truth, answers = ([_tags(*pair) for pair in zip(side, sizes, strict=True)] for side in (targets, predictions))
    lines = seqeval.metrics.classification_report(truth, answers, digits=9).splitlines()
    rows = {line.rsplit(None, 4)[0].strip(): line.rsplit(None, 4)[1:] for line in lines[1:] if line.strip()}
    table = {
        name: dict(zip(("precision", "recall", "f1", "support"), map(float, row), strict=True))
        for name, row in rows.items()
    }
    weighted = table.pop("macro avg")["f1"]  # so it is called there, but weighted by the support
    micro = table.pop("micro avg")
    assert micro["f1"] == pytest.approx(seqeval.metrics.f1_score(truth, answers), abs=1e-8)
    return {**micro, "weighted_f1": weighted, "per_class": table}


def _compare(targets: list[Spans], predictions: list[Spans], sizes: list[int], labels: list[str]) -> None:
    metrics = _report(targets, predictions, labels=labels, texts=[["w"] * size for size in sizes]).metrics()
    truth = _seqeval(targets, predictions, sizes)
    assert {name: metrics[name] for name in ("precision", "recall", "f1", "weighted_f1")} == pytest.approx(
        {name: truth[name] for name in ("precision", "recall", "f1", "weighted_f1")}, abs=1e-8
    )
    assert metrics["entities"] == truth["support"]
    assert truth["per_class"]
    for label, row in truth["per_class"].items():
        assert metrics["per_class"][label] == pytest.approx(row, abs=1e-8)
    f1 = [row["f1"] for row in metrics["per_class"].values()]
    assert metrics["macro_f1"] == pytest.approx(np.mean(f1))


@pytest.mark.parametrize("seed", range(10))
def test_random_entities_are_counted_as_seqeval_does(seed: int) -> None:
    random, labels = np.random.default_rng(seed), ["LOC", "ORG", "PER"]
    sizes = random.integers(1, 40, 60).tolist()
    targets = [_random_spans(random, size, labels) for size in sizes]
    predictions = [_distorted(random, spans, size, labels) for spans, size in zip(targets, sizes, strict=True)]
    _compare(targets, predictions, sizes, labels)


@pytest.mark.skipif(not CORPUS.exists(), reason="needs the corpora")
def test_entities_of_a_corpus_are_counted_as_seqeval_does() -> None:
    blocks = CORPUS.read_text(encoding="utf-8").strip().split("\n\n")[:800]
    tags = [[line.split()[1] for line in block.split("\n")] for block in blocks]
    sizes, targets = [len(row) for row in tags], []
    for row in tags:
        starts = [i for i, tag in enumerate(row) if tag.startswith("B-")]
        ends = [next((j for j in range(i + 1, len(row)) if row[j][0] != "I"), len(row)) for i in starts]
        targets.append([(start, end, row[start][2:]) for start, end in zip(starts, ends, strict=True)])
    assert [_tags(*pair) for pair in zip(targets, sizes, strict=True)] == tags
    random, labels = np.random.default_rng(0), ["LOC", "ORG", "PER"]
    predictions = [_distorted(random, spans, size, labels) for spans, size in zip(targets, sizes, strict=True)]
    assert sum(map(len, targets)) > 500
    _compare(targets, predictions, sizes, labels)


# --------------------------------------------------------------------------------------------------------- by hand


def test_metrics_by_hand() -> None:
    """Of four entities two are found; of the four found two are right, one is of another type, one is not there."""
    targets: list[Spans] = [[(0, 3, "LOC"), (5, 6, "PER")], [(0, 1, "LOC"), (8, 9, "LOC")], []]
    predictions: list[Spans] = [[(0, 3, "LOC"), (5, 6, "ORG")], [(0, 1, "LOC")], [(2, 4, "LOC")]]
    metrics = _report(targets, predictions).metrics()
    assert (metrics["precision"], metrics["recall"], metrics["f1"]) == (0.5, 0.5, 0.5)
    assert (metrics["examples"], metrics["entities"]) == (3, 4)
    assert metrics["per_class"] == {
        "LOC": {
            "precision": pytest.approx(2 / 3),
            "recall": pytest.approx(2 / 3),
            "f1": pytest.approx(2 / 3),
            "support": 3,
        },
        "ORG": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
        "PER": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1},
    }
    assert metrics["macro_f1"] == pytest.approx(2 / 9)
    assert metrics["weighted_f1"] == pytest.approx(2 / 3 * 3 / 4)
    assert metrics["confusion_matrix"] == {
        "LOC": {"LOC": 2, "ORG": 0, "PER": 0, "none": 1},
        "ORG": {"LOC": 0, "ORG": 0, "PER": 0, "none": 0},
        "PER": {"LOC": 0, "ORG": 1, "PER": 0, "none": 0},
        "none": {"LOC": 1, "ORG": 0, "PER": 0, "none": 0},
    }
    assert {kind: count for kind, count in metrics["errors"].items() if count} == {
        "missed": 1,
        "spurious": 1,
        "wrong type": 1,
    }
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_an_entity_counts_in_its_own_example_and_once() -> None:
    span = (0, 3, "LOC")
    metrics = _report([[span], []], [[], [span]]).metrics()
    assert (metrics["f1"], metrics["entities"]) == (0.0, 1)
    metrics = _report([[span, span]], [[span, span, (4, 5, "PER")]]).metrics()
    assert (metrics["precision"], metrics["recall"]) == (0.5, 1.0)


def test_nothing_to_find_and_nothing_found() -> None:
    metrics = _report([[], []], [[], []]).metrics()
    assert (metrics["f1"], metrics["macro_f1"], metrics["weighted_f1"], metrics["entities"]) == (0.0, 0.0, 0.0, 0)


def test_a_wrong_boundary_is_missed_and_spurious_in_the_matrix() -> None:
    metrics = _report([[(0, 4, "LOC")]], [[(0, 3, "LOC")]]).metrics()
    assert metrics["confusion_matrix"]["LOC"] == {"LOC": 0, "ORG": 0, "PER": 0, "none": 1}
    assert metrics["confusion_matrix"]["none"]["LOC"] == 1
    assert metrics["errors"]["wrong boundary"] == 1


@pytest.mark.parametrize(
    ("targets", "predictions", "kinds"),
    [
        ([(0, 2, "LOC")], [(0, 2, "LOC")], []),
        ([(0, 2, "LOC")], [], ["missed"]),
        ([], [(0, 2, "LOC")], ["spurious"]),
        ([(0, 2, "LOC")], [(2, 4, "LOC")], ["missed", "spurious"]),  # neighbours do not overlap
        ([(0, 2, "LOC")], [(0, 2, "ORG")], ["wrong type"]),
        ([(0, 2, "LOC")], [(1, 4, "LOC")], ["wrong boundary"]),
        ([(0, 2, "LOC")], [(1, 4, "ORG")], ["wrong boundary and type"]),
        ([(0, 4, "LOC")], [(0, 2, "LOC"), (2, 4, "LOC")], ["wrong boundary", "spurious"]),
        ([(0, 2, "LOC"), (2, 4, "LOC")], [(0, 4, "LOC")], ["wrong boundary", "missed"]),
        # The one in the same place is paired before the one of the same type.
        ([(0, 4, "LOC")], [(0, 4, "ORG"), (3, 6, "LOC")], ["wrong type", "spurious"]),
    ],
)
def test_kinds_of_mistakes(targets: Spans, predictions: Spans, kinds: list[str]) -> None:
    assert [mistake.kind for mistake in entities.mistakes(targets, predictions)] == kinds


def test_mistakes_tell_what_stands_around_them() -> None:
    texts = ["Ada was in Rome.", ["In", "New", "York", "today"]]
    report = TokenClassificationReport(
        ["LOC", "PER"],
        [[(0, 3, "PER"), (11, 15, "LOC")], [(1, 3, "LOC")]],
        [[(0, 3, "LOC")], [(1, 2, "LOC")]],
        texts,  # type: ignore[arg-type]
        origins=["a.txt:1", "a.txt:2"],
        scores=[[0.6], [0.9]],
    )
    sure, less, none = report.mistakes()
    assert sure == {
        "text": "In New York today",
        "kind": "wrong boundary",
        "expected": "New York (LOC)",
        "predicted": "New (LOC)",
        "start": 1,
        "end": 3,
        "score": 0.9,
        "origin": "a.txt:2",
    }
    assert (less["kind"], less["score"]) == ("wrong type", 0.6)
    assert (none["kind"], none["expected"], none["predicted"], none["score"]) == ("missed", "Rome (LOC)", "", None)
    assert report.mistakes(1) == [sure]


def test_long_texts_are_cut_around_the_entity() -> None:
    text = "a" * 500 + "Rome" + "b" * 500
    told = _report([[(500, 504, "LOC")]], [[]], texts=[text]).mistakes()[0]
    assert told["text"] == "a" * 60 + "Rome" + "b" * 60


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"texts": []}, "at least one example"),
        ({"labels": ["LOC", "LOC"]}, "every label once"),
        ({"predictions": []}, "1 predictions, one a text; got 0"),
        ({"predictions": [[(0, 2, "GPE")]]}, r"of the types LOC, ORG, PER; got 'GPE' in example 0 \(f:1\)"),
        ({"targets": [[(3, 3, "LOC")]]}, r"targets between 0 and 30, got 3 to 3 in example 0 \(f:1\)"),
        ({"targets": [[(3, 31, "LOC")]]}, "between 0 and 30, got 3 to 31"),
        ({"scores": [[0.5]]}, "a score for each of 0 entities in example 0 .*, got 1"),
        ({"origins": ["f:1", "f:2"]}, "1 origins"),
    ],
)
def test_fields_that_do_not_fit_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        _report(**({"targets": [[]], "predictions": [[]], "origins": ["f:1"]} | fields))


def test_write(tmp_path: Path) -> None:
    report = _report([[(0, 3, "LOC"), (5, 6, "PER")]], [[(0, 3, "LOC"), (5, 6, "ORG")]])
    report.write(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["confusion_matrix.png", "metrics.json", "mistakes.jsonl", "report.md"]
    assert json.loads((tmp_path / "metrics.json").read_text("utf-8")) == report.metrics()
    page = (tmp_path / "report.md").read_text("utf-8")
    assert "|   0 | LOC   |    1.0000 | 1.0000 | 1.0000 |       1 |" in page
    assert "| wrong type              |     1 |" in page
    assert "| Kind       | Expected | Predicted |" in page


def test_the_registry_builds_it() -> None:
    fields = {"labels": ["LOC"], "targets": [[(0, 1, "LOC")]], "predictions": [[]], "texts": ["x"]}
    assert registry.reports.build("token_classification", fields).metrics()["entities"] == 1


def test_the_example_of_the_docstring() -> None:
    assert doctest.testmod(token_classification) == doctest.TestResults(failed=0, attempted=4)
