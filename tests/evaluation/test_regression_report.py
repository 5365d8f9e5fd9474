"""The regression report against SciPy and scikit-learn."""

import doctest
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics  # type: ignore[import-untyped]

from tftransfer import registry
from tftransfer.errors import DataError
from tftransfer.evaluation import correlation, regression
from tftransfer.evaluation.regression import RegressionReport


def _report(targets: Any, scores: Any, **fields: Any) -> RegressionReport:
    texts = [f"text {i}" for i in range(len(targets))]
    return RegressionReport(np.asarray(targets), np.asarray(scores), **({"texts": texts} | fields))


@pytest.mark.parametrize("seed", range(4))
def test_metrics_equal_those_of_scipy_and_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    targets = random.integers(0, 26, 300) / 5  # with ties
    scores = (targets * random.normal() + random.normal(0, 2, 300)).round(1).astype(np.float32)
    mse = sklearn.metrics.mean_squared_error(targets, scores)
    assert _report(targets, scores).metrics() == pytest.approx(
        {
            "pearson": scipy.stats.pearsonr(targets, scores).statistic,
            "spearman": scipy.stats.spearmanr(targets, scores).statistic,
            "mae": sklearn.metrics.mean_absolute_error(targets, scores),
            "mse": mse,
            "rmse": np.sqrt(mse),
            "r2": sklearn.metrics.r2_score(targets, scores),
            "examples": 300,
        },
        rel=1e-6,
    )


@pytest.mark.parametrize(
    ("targets", "scores", "r2"),
    [
        ([1, 2, 3], [2, 2, 2], 0.0),
        ([1, 2, 3], [0.1] * 3, -5.415),
        ([2, 2], [1, 3], 0.0),
        ([2], [2], 1.0),
        ([2], [3], 0.0),
    ],
)
def test_numbers_that_are_all_alike_give_zero(targets: list[float], scores: list[float], r2: float) -> None:
    metrics = _report(targets, scores).metrics()
    assert (metrics["pearson"], metrics["spearman"]) == (0.0, 0.0)
    assert metrics["r2"] == pytest.approx(r2)
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_correlations_of_tiny_and_huge_differences() -> None:
    numbers = np.array([1.0, 2.0, 4.0])
    assert correlation.pearson(numbers * 1e-200, numbers * 1e200) == pytest.approx(1)
    assert correlation.pearson(numbers, -numbers) == -1


def test_mistakes_come_with_the_largest_error_first() -> None:
    report = _report([1, 2, 3, 4], [1, 2.5, 1, 4.5], origins=["a:1", "a:2", "a:3", "a:4"])
    assert [(m["text"], m["error"], m["origin"]) for m in report.mistakes(None)] == [
        ("text 2", -2.0, "a:3"),
        ("text 1", 0.5, "a:2"),
        ("text 3", 0.5, "a:4"),
    ]
    assert len(report.mistakes(1)) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"targets": [], "scores": [], "texts": []}, "at least one example"),
        ({"scores": [[1.0], [2.0]]}, r"scores of shape \(2,\), numbers; got \(2, 1\)"),
        ({"targets": ["1", "2"]}, r"targets of shape \(2,\), numbers; got \(2,\), dtype <U1"),
        ({"scores": [1.0, np.nan], "origins": ["x:1", "x:2"]}, r"finite scores, got nan in example 1 \(x:2\)"),
        ({"origins": ["x:1"]}, "2 origins, one a text, or none at all; got 1"),
    ],
)
def test_fields_that_do_not_fit_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        RegressionReport(**({"targets": [1.0, 2.0], "scores": [1.0, 2.0], "texts": ["a", "b"]} | fields))


def test_write(tmp_path: Path) -> None:
    report = _report([1, 2, 3, 4], [1, 2.5, 1, 4.5])
    report.write(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["metrics.json", "mistakes.jsonl", "predictions.png", "report.md"]
    assert json.loads((tmp_path / "metrics.json").read_text("utf-8")) == report.metrics()
    page = (tmp_path / "report.md").read_text("utf-8")
    assert "| Mean absolute error     | 0.7500 |" in page
    assert "3 of 3, the largest errors first" in page


def test_the_registry_builds_it() -> None:
    fields = {"targets": np.arange(3.0), "scores": np.arange(3.0), "texts": ["a", "b", "c"]}
    assert isinstance(registry.reports.build("regression", fields), RegressionReport)
    assert registry.reports.options("regression") == ["targets", "scores", "texts", "origins"]


def test_the_example_of_the_docstring() -> None:
    assert doctest.testmod(regression) == doctest.TestResults(failed=0, attempted=4)
