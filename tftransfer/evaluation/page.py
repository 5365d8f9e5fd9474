"""The report that a person reads: report.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer.evaluation.tables import markdown_table

__all__ = ["classification"]

_SHOWN_MISTAKES = 20
_SHOWN_TEXT = 300
"""Characters of a text; mistakes.jsonl has all of them."""

_TITLES = {
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "mcc": "Matthews correlation",
    "macro_precision": "Macro precision",
    "macro_recall": "Macro recall",
}


def classification(metrics: Mapping[str, Any], mistakes: Sequence[Mapping[str, Any]]) -> str:
    """Returns the page of a classification report.

    Args:
        metrics: Mapping. What `ClassificationReport.metrics` returns.
        mistakes: Sequence of Mappings. What `ClassificationReport.mistakes` returns, all of them, the surest first.

    Returns:
        str. Markdown that links to `confusion_matrix.png`, `mistakes.jsonl` and `metrics.json` beside it.
    """
    parts = [
        "# Classification report",
        _summary(metrics),
        "All numbers: [metrics.json](metrics.json).",
        "## Labels",
        _labels(metrics["per_class"]),
        "## Confusion matrix",
        "![Confusion matrix: a row is a true label, a column a predicted one](confusion_matrix.png)",
        "## Most confident mistakes",
        *_mistakes(mistakes),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(metrics: Mapping[str, Any]) -> str:
    low, high = metrics["confidence_interval"]
    rows = [
        ["Examples", str(metrics["examples"])],
        ["Accuracy", f"{metrics['accuracy']:.4f}"],
        ["Accuracy, 95 % from", f"{low:.4f}"],
        ["Accuracy, 95 % to", f"{high:.4f}"],
        *([title, f"{metrics[name]:.4f}"] for name, title in _TITLES.items()),
    ]
    return markdown_table(["Measure", "Value"], rows)


def _labels(per_class: Mapping[str, Mapping[str, Any]]) -> str:
    """The table of the labels; # is the number that stands in the picture for a name that its font cannot draw."""
    rows = [
        [str(number), label, *(f"{scores[name]:.4f}" for name in ("precision", "recall", "f1")), str(scores["support"])]
        for number, (label, scores) in enumerate(per_class.items())
    ]
    return markdown_table(["#", "Label", "Precision", "Recall", "F1", "Support"], rows)


def _mistakes(mistakes: Sequence[Mapping[str, Any]]) -> list[str]:
    if not mistakes:
        return ["None: every answer is right."]
    shown = mistakes[:_SHOWN_MISTAKES]
    rows = [[f"{m['score']:.4f}", m["expected"], m["predicted"], _shortened(m["text"]), m["origin"]] for m in shown]
    count = f"{len(shown)} of {len(mistakes)}, the surest first; all of them: [mistakes.jsonl](mistakes.jsonl)."
    return [count, markdown_table(["Score", "Expected", "Predicted", "Text", "Origin"], rows)]


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_TEXT else text[: _SHOWN_TEXT - 1] + "…"
