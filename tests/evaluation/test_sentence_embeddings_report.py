"""The report of sentence vectors against SciPy, against every pair compared one by one, and by hand."""

import doctest
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics  # type: ignore[import-untyped]
from scipy.spatial.distance import cosine

from tftransfer import registry
from tftransfer.errors import DataError
from tftransfer.evaluation import sentence_embeddings
from tftransfer.evaluation.sentence_embeddings import SentenceEmbeddingsReport


def _report(anchors: Any, positives: Any, **fields: Any) -> SentenceEmbeddingsReport:
    names = range(len(anchors))
    known = {"texts": [f"question {i}" for i in names], "pairs": [f"answer {i}" for i in names]}
    return SentenceEmbeddingsReport(np.asarray(anchors), np.asarray(positives), **(known | fields))


def _random(seed: int, size: int = 300) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    anchors = random.normal(size=(size, 16)).astype(np.float32)
    return anchors, anchors + random.normal(0, 1.2, anchors.shape).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_correlations_of_the_cosines_with_the_targets(seed: int) -> None:
    anchors, positives = _random(seed)
    cosines = [1 - cosine(a.astype(float), p.astype(float)) for a, p in zip(anchors, positives, strict=True)]
    targets = np.round(np.array(cosines) * 5 + np.random.default_rng(seed).normal(0, 0.3, len(cosines)))
    assert _report(anchors, positives, targets=targets).metrics() == pytest.approx(
        {
            "spearman": scipy.stats.spearmanr(cosines, targets).statistic,
            "pearson": scipy.stats.pearsonr(cosines, targets).statistic,
            "examples": 300,
        }
    )


@pytest.mark.parametrize("seed", range(3))
def test_retrieval_equals_scikit_learn(seed: int) -> None:
    """More queries than one chunk; every right text is different."""
    anchors, positives = _random(seed)
    similarity = sklearn.metrics.pairwise.cosine_similarity(anchors.astype(float), positives.astype(float))
    marks, own = np.eye(300), np.arange(300)
    metrics = _report(anchors, positives).metrics()
    assert metrics["mrr"] == pytest.approx(sklearn.metrics.label_ranking_average_precision_score(marks, similarity))
    for most in (1, 5, 10):
        expected = sklearn.metrics.top_k_accuracy_score(own, similarity, k=most)
        assert metrics[f"recall_at_{most}"] == pytest.approx(expected)
    assert 0.2 < metrics["recall_at_1"] < metrics["recall_at_5"] < metrics["recall_at_10"] < 1
    assert (metrics["examples"], metrics["documents"]) == (300, 300)


def test_equal_texts_are_one_document() -> None:
    """The second and the third text are one: each is the right answer to both, and neither stands before the other."""
    anchors = [[1, 0, 0], [0, 1, 0], [0, 1, 0.1]]
    positives = [[1, 0, 0], [0, 1, 0.1], [0, 1, 0.1]]
    assert _report(anchors, positives).metrics()["recall_at_1"] == pytest.approx(1 / 3)
    metrics = _report(anchors, positives, pairs=["x", "same", "same"]).metrics()
    assert (metrics["recall_at_1"], metrics["mrr"], metrics["documents"]) == (1.0, 1.0, 2)


def test_ties_count_against_the_model() -> None:
    """A model that answers one vector to every text, which floats sum to in several ways, finds nothing."""
    vector = np.random.default_rng(0).normal(size=384).astype(np.float32)
    metrics = _report(np.tile(vector, (40, 1)), np.tile(vector, (40, 1))).metrics()
    assert (metrics["recall_at_1"], metrics["recall_at_10"], metrics["mrr"]) == (0.0, 0.0, pytest.approx(1 / 40))
    zero = _report(np.zeros((4, 2)), np.zeros((4, 2)), targets=np.arange(4)).metrics()
    assert (zero["spearman"], zero["pearson"]) == (0.0, 0.0)


def test_many_texts_fit_into_memory() -> None:
    """3,000 x 3,000 similarities would take 72 MB at once."""
    anchors, positives = _random(0, 3000)
    report = _report(anchors, positives)
    tracemalloc.start()
    report.metrics()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30e6


def test_mistakes_of_retrieval() -> None:
    anchors, positives = [[1, 0], [0, 1], [0.8, 0.6]], [[1, 0], [0.5, -0.2], [-1, -1]]
    worst, second = _report(anchors, positives, origins=["f:1", "f:2", "f:3"]).mistakes()
    assert worst == {
        "text": "question 2",
        "pair": "answer 2",
        "predicted": "answer 0",
        "rank": 3,
        "score": pytest.approx(-1.4 / 2**0.5, abs=1e-6),
        "origin": "f:3",
    }
    assert (second["text"], second["rank"], second["predicted"]) == ("question 1", 2, "answer 0")


def test_mistakes_of_similarity() -> None:
    """Cosines in the order of the targets but for the ends, which changed places."""
    angles = np.linspace(0, 1.5, 6)
    positives = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    targets = np.array([0.0, 4, 3, 2, 1, 5])
    told = _report(np.tile([1.0, 0.0], (6, 1)), positives, targets=targets).mistakes()
    assert [(m["pair"], m["expected"], m["predicted"]) for m in told] == [
        ("answer 0", 0.0, 1.0),
        ("answer 5", 1.0, 0.0),
    ]
    assert told[0]["score"] == 1.0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"texts": [], "pairs": []}, "at least one example"),
        ({"pairs": ["x"]}, "2 pairs, one a text; got 1"),
        ({"anchors": np.zeros(2)}, r"anchors of two dimensions \(examples, dimensions\), got \(2,\)"),
        ({"positives": np.zeros((2, 3))}, r"positives of shape \(2, 2\), numbers; got \(2, 3\)"),
        ({"targets": np.zeros(3)}, r"targets of shape \(2,\)"),
        ({"positives": np.array([[0, 1], [np.nan, 0]])}, r"finite positives, got \[nan  0.\] in example 1"),
    ],
)
def test_fields_that_do_not_fit_are_refused(fields: dict[str, Any], message: str) -> None:
    known = {"anchors": np.eye(2), "positives": np.eye(2), "texts": ["a", "b"], "pairs": ["c", "d"]}
    with pytest.raises(DataError, match=message):
        SentenceEmbeddingsReport(**(known | fields))


@pytest.mark.parametrize(("targets", "picture"), [(None, "recall.png"), (np.arange(300) % 7, "similarities.png")])
def test_write(tmp_path: Path, targets: Any, picture: str) -> None:
    report = _report(*_random(0), targets=targets)
    report.write(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(["metrics.json", "mistakes.jsonl", "report.md", picture])
    assert json.loads((tmp_path / "metrics.json").read_text("utf-8")) == report.metrics()
    assert picture in (tmp_path / "report.md").read_text("utf-8")


def test_the_registry_builds_it() -> None:
    fields = {"anchors": np.eye(2), "positives": np.eye(2), "texts": ["a", "b"], "pairs": ["c", "d"]}
    assert registry.reports.build("sentence_embeddings", fields).metrics()["recall_at_1"] == 1.0


def test_the_example_of_the_docstring() -> None:
    assert doctest.testmod(sentence_embeddings) == doctest.TestResults(failed=0, attempted=3)
