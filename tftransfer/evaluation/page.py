"""The report that a person reads: report.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer.evaluation.tables import cell, markdown_table, words

__all__ = ["mistakes", "page"]

_SHOWN_MISTAKES = 20
_SHOWN_TEXT = 300
"""Characters of a text; mistakes.jsonl has all of them."""

_HEADINGS = {"per_class": "Labels"}
_LAST = {"text": 1, "pair": 2, "context": 3, "origin": 4}
"""The columns of mistakes that stand last; before them numbers come first."""

_DRAWN = "confusion_matrix"
"""The one table that only a picture shows."""


def page(title: str, metrics: Mapping[str, Any], pictures: Mapping[str, str], mistakes: Sequence[str]) -> str:
    """Returns the page of a report.

    Args:
        title: str. Its first line.
        metrics: Mapping. What the report's `metrics` returns: numbers, and tables of them.
        pictures: Mapping of str to str. The names of the pictures beside the page, and what they show.
        mistakes: Sequence of str. The paragraphs about the mistakes, if any.

    Returns:
        str. Markdown that links to the files beside it.
    """
    parts = [f"# {title}", _summary(metrics), "All numbers: [metrics.json](metrics.json)."]
    for name, value in metrics.items():
        if isinstance(value, Mapping) and value and name != _DRAWN:
            parts += [f"## {_HEADINGS.get(name, words(name))}", _table(value, numbered=name == "per_class")]
    for file, caption in pictures.items():
        parts += [f"## {words(file.removesuffix('.png'))}", f"![{caption}]({file})"]
    return "\n\n".join([*parts, *mistakes]) + "\n"


def mistakes(mistakes: Sequence[Mapping[str, Any]], order: str) -> list[str]:
    """Returns the paragraphs about the mistakes: a heading and a table of the first ones.

    Args:
        mistakes: Sequence of Mappings. What a report's `mistakes` returns, all of them.
        order: str. The order they are in, such as "the surest first".
    """
    if not mistakes:
        return ["## Mistakes", "None: every answer is right."]
    shown = mistakes[:_SHOWN_MISTAKES]
    columns = sorted(shown[0], key=lambda name: (_LAST.get(name, 0), isinstance(shown[0][name], str | list)))
    rows = [[_shortened(cell(mistake[name])) for name in columns] for mistake in shown]
    count = f"{len(shown)} of {len(mistakes)}, {order}; all of them: [mistakes.jsonl](mistakes.jsonl)."
    return ["## Mistakes", count, markdown_table([words(name) for name in columns], rows)]


def _summary(metrics: Mapping[str, Any]) -> str:
    rows = [[words(name), cell(value)] for name, value in metrics.items() if isinstance(value, int | float)]
    if "confidence_interval" in metrics:
        ends = zip(("from", "to"), metrics["confidence_interval"], strict=True)
        rows += [[f"Accuracy, 95 % {end}", cell(value)] for end, value in ends]
    return markdown_table(["Measure", "Value"], rows)


def _table(rows: Mapping[str, Any], numbered: bool) -> str:
    """A table of the metrics; # is the number that stands in pictures for a name that their font cannot draw."""
    first = next(iter(rows.values()))
    columns = list(first) if isinstance(first, Mapping) else ["count"]
    body = [[name, *map(cell, row.values() if isinstance(row, Mapping) else [row])] for name, row in rows.items()]
    header = ["Label" if numbered else "", *map(words, columns)]
    if numbered:
        header, body = ["#", *header], [[str(number), *row] for number, row in enumerate(body)]
    return markdown_table(header, body)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_TEXT else text[: _SHOWN_TEXT - 1] + "…"
