"""The rows of a CSV file with their lines, read by the csv module and put right where a quote does not close."""

import collections
import csv
from collections.abc import Iterator
from typing import NamedTuple

from tftransfer.data.textfile import MAX_BYTES, Line, without_end

__all__ = ["Record", "csv_records"]


class Record(NamedTuple):
    """A row as it stands in the file.

    Args:
        line: int. Where it starts; for a quote that does not close, where that quote opens.
        last: int. The line where it ends.
        raw: str. Its lines, unread.
        fields: list[str].
        problem: str or None. Why it cannot be used.
    """

    line: int
    last: int
    raw: str
    fields: list[str]
    problem: str | None


def csv_records(source: Iterator[Line]) -> Iterator[Record]:
    """Yields one record a row (RFC 4180), which may take several lines.

    After a quote that does not close, reading goes on with the line below it, so that no line is lost: the raw texts of
    the records, one after the other, are the file.
    """
    # The limit of the csv module, 131,072 characters a value, is shorter than a long document.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_BYTES))
    lines = _Lines(source)
    reader = csv.reader(lines, strict=True)
    while True:
        lines.used.clear()
        try:
            fields, error = next(reader), None
        except StopIteration:
            return
        except csv.Error as failure:
            fields, error = [], str(failure)
        yield _record(lines, fields or [""], error)


class _Lines:
    """The lines' texts for the csv module; keeps the ones that the record at hand is made of, to put them back."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._waiting: collections.deque[Line] = collections.deque()
        self.used: list[Line] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._lines)
        self.used.append(line)
        return line.text

    def put_back(self, start: int) -> None:
        self._waiting.extendleft(reversed(self.used[start:]))
        del self.used[start:]


def _record(lines: _Lines, fields: list[str], error: str | None) -> Record:
    """Returns the record that the csv module made of the used lines, or failed on with `error`."""
    used = lines.used
    first, last = used[0], used[-1]
    if error is None and first is last:
        return Record(first.number, first.number, first.text, fields, first.problem)
    line, problem = first.number, None
    if error is not None:
        opening = _opening(used, error)
        line, problem = used[opening].number, _explained(error, used[opening], last)
        lines.put_back(opening + 1)
    unreadable = next((x for x in used if x.problem), None)
    if unreadable is not None:
        where = "" if unreadable.number == line else f"line {unreadable.number} is "
        problem = f"{where}{unreadable.problem}"
    return Record(line, used[-1].number, "".join(x.text for x in used), fields, problem)


def _opening(used: list[Line], error: str) -> int:
    """Returns which of the lines opens the quote that the record fails on."""
    texts = [without_end(line.text) + "\n" for line in used]
    before = texts if "unexpected end" in error else texts[:-1]
    if not before:
        return 0
    # Read leniently, the last field is the open one, with one line end for each line that it reaches over.
    return len(before) - next(csv.reader(before))[-1].count("\n")


def _explained(error: str, opening: Line, last: Line) -> str:
    if "unexpected end" in error:
        return "a quote opens on this line and is never closed"
    if "new-line character" in error:
        error = "a carriage return outside quotes"
    if last.number > opening.number:
        return f"a quote opens on this line and is not closed properly (line {last.number}: {error})"
    return f"malformed quoting: {error}"
