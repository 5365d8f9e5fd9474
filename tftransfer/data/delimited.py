"""Tables with a header line: CSV with quotes (RFC 4180), and TSV without."""

import abc
import collections
import dataclasses
from collections.abc import Iterable, Iterator
from typing import ClassVar

from tftransfer import registry
from tftransfer.data.columns import Columns
from tftransfer.data.csv_records import Record, csv_records
from tftransfer.data.source import BadRow, Row, checked
from tftransfer.data.textfile import read_lines, without_end
from tftransfer.errors import DataError

__all__ = ["Csv", "Delimited", "Tsv"]

_SHOWN = 30  # columns in a message


@dataclasses.dataclass(frozen=True)
class Delimited(Columns):
    """A table whose first line names the columns."""

    @abc.abstractmethod
    def records(self) -> Iterator[Record]:
        """Yields the header and the rows, with whatever is wrong with them."""

    def rows(self) -> Iterator[Row | BadRow]:
        """Yields the rows below the header; lines with nothing on them are passed over."""
        records = self.records()
        header = next(records)  # there is one: an empty file raises
        places = self._places(header)
        width = len(header.fields)
        for line, last, raw, fields, problem in records:
            if problem is not None:
                yield BadRow(line, problem, raw)
            elif len(fields) == width:
                yield checked(line, {role: fields[place] for role, place in places}, raw)
            elif without_end(raw):
                runs_on = f" (the row runs to line {last}: is a quote missing?)" if last > line else ""
                yield BadRow(line, f"expected {width} columns, found {len(fields)}{runs_on}", raw)

    def _places(self, header: Record) -> list[tuple[str, int]]:
        """Returns the position of each role's column."""
        if header.problem is not None:
            raise DataError(f"{self.path}:{header.line}: the header cannot be read: {header.problem}.")
        names = header.fields
        twice = [name for name, count in collections.Counter(names).items() if count > 1]
        if twice:
            raise DataError(f"{self.path}:{header.line}: the header names {_listed(twice)} twice. Rename one of them.")
        missing = self.missing(names)
        if missing:
            found = f"Columns found: {_listed(names)}. Expected {self.expected}."
            raise DataError("\n".join([f"{self.path}:{header.line}: the header lacks a column.", *missing, found]))
        return [(role, names.index(column)) for role, column in self.columns().items()]


@registry.sources.register("tsv")
@dataclasses.dataclass(frozen=True)
class Tsv(Delimited):
    """Tab-separated values without quoting: a quote is a character like any other (csv.QUOTE_NONE)."""

    expected: ClassVar[str] = "a header line and rows, with tabs between the columns"

    def records(self) -> Iterator[Record]:
        """Yields one record a line."""
        for number, text, problem in read_lines(self.path, self.expected):
            yield Record(number, number, text, without_end(text).split("\t"), problem)


@registry.sources.register("csv")
@dataclasses.dataclass(frozen=True)
class Csv(Delimited):
    """Comma-separated values; a value in double quotes may hold commas, line ends and doubled quotes (RFC 4180).

    A quote that is never closed makes its own line bad, and reading goes on with the next line.
    """

    expected: ClassVar[str] = "a header line and rows, with commas between the columns"

    def records(self) -> Iterator[Record]:
        """Yields one record a row, which may take several lines."""
        return csv_records(read_lines(self.path, self.expected))


def _listed(names: Iterable[str]) -> str:
    shown = [repr(name if len(name) <= 60 else f"{name[:60]}...") for name in names]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more
