"""The report of masked words."""

import doctest
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from tftransfer import registry
from tftransfer.errors import DataError
from tftransfer.evaluation import masked_lm
from tftransfer.evaluation.masked_lm import MaskedLMReport


def test_perplexity_is_that_of_an_even_guess() -> None:
    """Guessing among 64 words alike costs log 64 a word."""
    metrics = MaskedLMReport(loss=math.log(64), accuracy=1 / 64, tokens=1000).metrics()
    assert metrics == {"loss": math.log(64), "perplexity": pytest.approx(64), "accuracy": 1 / 64, "tokens": 1000}
    assert math.isfinite(MaskedLMReport(loss=1e6, accuracy=0.0, tokens=1).metrics()["perplexity"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tokens": 0}, "at least one masked token, got 0"),
        ({"loss": math.nan}, "got nan and 0.5"),
        ({"loss": -1.0}, "a finite loss from 0 on"),
        ({"accuracy": 50.0}, "an accuracy from 0 to 1, got 1.0 and 50.0"),
    ],
)
def test_numbers_out_of_range_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        MaskedLMReport(**({"loss": 1.0, "accuracy": 0.5, "tokens": 10} | fields))


def test_write(tmp_path: Path) -> None:
    report = registry.reports.build(
        "masked_lm", {"loss": 1.0, "accuracy": 0.5, "tokens": 12345, "origins": ["a.txt:1"]}
    )
    report.write(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["metrics.json", "report.md"]
    assert json.loads((tmp_path / "metrics.json").read_text("utf-8")) == report.metrics()
    page = (tmp_path / "report.md").read_text("utf-8")
    assert "| Perplexity | 2.7183 |" in page
    assert "| Tokens     | 12,345 |" in page
    assert "Mistakes" not in page


def test_the_example_of_the_docstring() -> None:
    assert doctest.testmod(masked_lm) == doctest.TestResults(failed=0, attempted=1)
