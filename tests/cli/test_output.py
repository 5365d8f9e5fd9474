"""What commands print of a report."""

import numpy as np
import pytest

from tftransfer.cli.output import metrics_text
from tftransfer.evaluation import ClassificationReport, MaskedLMReport, TokenClassificationReport


def test_numbers_and_titled_tables() -> None:
    metrics = {
        "f1": 0.5,
        "examples": 12345,
        "confidence_interval": [0.1, 0.2],
        "per_class": {"good": {"f1": 0.25, "support": 1000}, "体育": {"f1": 1.0, "support": 5}},
        "errors": {"missed": 3, "wrong type": 1200},
    }
    assert metrics_text(metrics) == (
        "metric     value\n"
        "--------  ------\n"
        "f1        0.5000\n"
        "examples  12,345\n"
        "\n"
        "per_class\n"
        "          f1  support\n"
        "----  ------  -------\n"
        "good  0.2500    1,000\n"
        "体育  1.0000        5\n"
        "\n"
        "errors\n"
        "            count\n"
        "----------  -----\n"
        "missed          3\n"
        "wrong type  1,200"
    )


def test_what_the_reports_measure() -> None:
    text = metrics_text(MaskedLMReport(loss=1.0, accuracy=0.5, tokens=1234).metrics())
    assert text.splitlines()[2:] == [
        "loss        1.0000",
        "perplexity  2.7183",
        "accuracy    0.5000",
        "tokens       1,234",
    ]
    found = TokenClassificationReport(["LOC"], [[(0, 1, "LOC")]], [[]], ["x"])
    assert [line for line in metrics_text(found.metrics()).splitlines() if line.startswith("LOC")] == [
        "LOC     0.0000  0.0000  0.0000        1",
        "LOC     0     1",
    ]
    chosen = ClassificationReport(["a", "b"], np.array([0, 1]), np.eye(2), ["x", "y"])
    assert "confusion_matrix" not in metrics_text(chosen.metrics())  # a list of rows without names


@pytest.mark.parametrize(("columns", "printed"), [(12, True), (13, False)])
def test_a_table_too_wide_for_a_terminal_is_left_out(columns: int, printed: bool) -> None:
    metrics = {"f1": 0.5, "confusion_matrix": {"a": {f"label {i}": i for i in range(columns)}}}
    assert ("confusion_matrix" in metrics_text(metrics)) == printed


def test_nothing() -> None:
    assert metrics_text({}) == ""
