"""Tables of text, for terminals and for Markdown, whose columns line up in Chinese too."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["cell", "escape", "markdown_table", "table", "width", "words"]

_NUMBER = re.compile(r"[+-]?(\d[\d,_]*(\.\d*)?|\.\d+)(e[+-]?\d+)?\s?%?|[+-]?inf|nan", re.IGNORECASE)
_BLANK = ("", "-")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LINE_END = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]")
_SPECIAL = {
    "map": "mAP",
    "mcc": "Matthews correlation",
    "mrr": "Mean reciprocal rank",
    "ece": "Calibration error",
    "mae": "Mean absolute error",
    "mse": "Mean squared error",
    "rmse": "Root mean squared error",
    "r2": "R²",
}
"""Names that are abbreviations."""

_MARKUP = re.compile(r"[\\`*\[\]<>|~&$]|(?<!\w)_|_(?!\w)")


def width(text: str) -> int:
    """Returns how many terminal cells a text takes: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def cell(value: Any) -> str:
    """Returns a number, text or list of texts as a table shows it: four decimals, thousands set off by commas."""
    if isinstance(value, float):
        return f"{value:,.4f}"
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else "-" if value is None else ", ".join(map(cell, value))


def words(name: str) -> str:
    """Returns the name of a measure or of a column as a heading: "macro_f1" as "Macro F1"."""
    text = name.replace("_", " ").replace("f1", "F1")
    return _SPECIAL.get(name, text[:1].upper() + text[1:])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lays out a table for a terminal.

    A column whose cells are all numbers (or blank, or "-") is right aligned with its header, any other one left
    aligned. Line ends and tabs in a cell become spaces and other control characters become "\N{REPLACEMENT CHARACTER}",
    so that no cell can break the table or speak to the terminal.

    Args:
        header: Sequence of str. The names of the columns.
        rows: Sequence of Sequences of str. The cells, as many a row as the header has names; may be empty.

    Returns:
        str. The header, a rule and the rows, with no white space at line ends and no newline at the end.

    Raises:
        ValueError: if a row has more or fewer cells than the header.

    Example:

    >>> print(table(["label", "f1"], [["good", "0.9"], ["bad", "0.75"]]))
    label    f1
    -----  ----
    good    0.9
    bad    0.75
    """
    names, body = _checked(header, rows, lambda cell: _plain(_LINE_END.sub(" ", cell)))
    right, widths = _layout(names, body)
    lines = [names, ["-" * size for size in widths], *body]
    return "\n".join("  ".join(_pad(line, widths, right)).rstrip() for line in lines)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lays out a Markdown table whose source lines up as well; the cells are escaped and never break out of it.

    Args:
        header: Sequence of str. The names of the columns.
        rows: Sequence of Sequences of str. The cells, as many a row as the header has names; may be empty.

    Returns:
        str. The table, without a newline at the end.

    Raises:
        ValueError: if a row has more or fewer cells than the header.
    """
    names, body = _checked(header, rows, escape)
    right, widths = _layout(names, body)
    widths = [max(3, size) for size in widths]
    rule = ["-" * (size - 1) + (":" if flush else "-") for size, flush in zip(widths, right, strict=True)]
    return "\n".join(f"| {' | '.join(_pad(line, widths, right))} |" for line in [names, rule, *body])


def escape(text: str) -> str:
    """Returns Markdown for the cell of a table that shows the text as it is: markup escaped, line ends as `<br>`."""
    lines = _LINE_END.split(text)
    return "<br>".join(_MARKUP.sub(r"\\\g<0>", _plain(line)) for line in lines)


def _plain(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\t", " "))


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _checked(
    header: Sequence[str], rows: Sequence[Sequence[str]], clean: Callable[[str], str]
) -> tuple[list[str], list[list[str]]]:
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            names = ", ".join(header)
            raise ValueError(f"Expected {len(header)} cells ({names}) in row {number} of a table, got {len(row)}.")
    return [clean(name) for name in header], [[clean(cell) for cell in row] for row in rows]


def _layout(header: list[str], body: list[list[str]]) -> tuple[list[bool], list[int]]:
    """Returns for each column whether it is right aligned, and its width."""
    columns = [[row[i] for row in body] for i in range(len(header))]
    right = [_is_numeric(column) for column in columns]
    return right, [max(map(width, [name, *column])) for name, column in zip(header, columns, strict=True)]


def _is_numeric(column: list[str]) -> bool:
    told = [cell.strip() for cell in column if cell.strip() not in _BLANK]
    return bool(told) and all(_NUMBER.fullmatch(cell) for cell in told)


def _pad(cells: list[str], widths: list[int], right: list[bool]) -> list[str]:
    padding = [" " * (size - width(cell)) for cell, size in zip(cells, widths, strict=True)]
    return [fill + cell if flush else cell + fill for cell, fill, flush in zip(cells, padding, right, strict=True)]
