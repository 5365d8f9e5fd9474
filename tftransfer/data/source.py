"""What a file format is: rows by role, good or bad, and what becomes of the bad ones."""

import abc
import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from tftransfer import atomic, registry
from tftransfer.data.examples import Examples
from tftransfer.data.origin import where
from tftransfer.errors import ConfigError, DataError

__all__ = ["BadRow", "Row", "Source", "checked", "read_source"]

_FILLED = frozenset({"text", "text_pair", "text_negative", "label"})  # roles whose value must not be empty
_LISTED = 20  # bad rows in a message
_POLICIES = ("error", "skip")


class Row(NamedTuple):
    """A good row.

    Args:
        line: int. Where it starts in the file, counted from 1.
        values: dict of role to str, or to a list for the roles that `Examples` names.
    """

    line: int
    values: dict[str, Any]


class BadRow(NamedTuple):
    """A row that cannot be used.

    Args:
        line: int. Where it starts in the file, counted from 1.
        reason: str.
        raw: str. The row as it stands there; bytes that are not UTF-8 appear as backslash escapes.
    """

    line: int
    reason: str
    raw: str


@dataclasses.dataclass(frozen=True)
class Source(abc.ABC):
    """A file of examples. A format is a subclass, registered under its name; its fields are its options.

    Args:
        path: str. The file; gzip if its name ends in .gz.
    """

    expected: ClassVar[str]  # what the file should hold, in messages

    path: str

    @abc.abstractmethod
    def roles(self) -> list[str]:
        """Returns the roles that every good row has a value for."""

    @abc.abstractmethod
    def without_answers(self) -> Self:
        """Returns the source of the same rows as a model is asked them: the answers need not be in the file."""

    @abc.abstractmethod
    def rows(self) -> Iterator[Row | BadRow]:
        """Yields the rows in the file's order; a good one holds exactly `roles`.

        Raises:
            DataError: if the file as a whole cannot be read.
        """

    def fingerprint(self) -> str | None:
        """Returns what changes whenever the content that `rows` reads does, wherever it is stored.

        By default the sha256 of the file's bytes. The options are not part of it. None if nothing tells, as with a pipe
        or a missing file; no rows of such a source are kept for another run.
        """
        if not os.path.isfile(self.path):
            return None
        # The same bytes are other rows if the name says that they are compressed.
        return atomic.sha256(Path(self.path)) + (".gz" if self.path.lower().endswith(".gz") else "")


def checked(line: int, values: dict[str, Any], raw: str) -> Row | BadRow:
    """Returns the row with its label stripped, or a bad row if a string is empty or holds a NUL character."""
    for role, value in values.items():
        if not isinstance(value, str):
            continue
        if role == "label":
            value = values[role] = value.strip()
        if "\0" in value:
            return BadRow(line, f"NUL character in {role}", raw)
        if (not value or value.isspace()) and role in _FILLED:
            return BadRow(line, f"empty {role}", raw)
    return Row(line, values)


def read_source(source: Source, *, on_bad_rows: Literal["error", "skip"] = "error") -> tuple[Examples, list[BadRow]]:
    """Reads a source into memory.

    Args:
        source: Source.
        on_bad_rows: "error" (default) to refuse a file that has bad rows, "skip" to leave them out.

    Returns:
        The good rows and the bad rows.

    Raises:
        ConfigError: for another `on_bad_rows`.
        DataError: if the file cannot be read, has bad rows under "error", or has no good row.
    """
    if on_bad_rows not in _POLICIES:
        hint = registry.suggest(str(on_bad_rows), _POLICIES)
        raise ConfigError(f"Expected on_bad_rows to be 'error' or 'skip', found {on_bad_rows!r}.{hint}")
    columns: dict[str, list[Any]] = {role: [] for role in source.roles()}
    lines: list[int] = []
    bad: list[BadRow] = []
    for row in source.rows():
        if isinstance(row, BadRow):
            bad.append(row)
            continue
        lines.append(row.line)
        for role, values in columns.items():
            values.append(row.values[role])
    if bad and on_bad_rows == "error":
        raise DataError(_report(source.path, bad, len(lines)))
    if not lines:
        found = f"all {len(bad)} are bad, such as {_listed(source.path, bad[:1])[0]}" if bad else "found none"
        raise DataError(f"{source.path}: no rows to use: {found}. Expected {source.expected}.")
    return Examples(columns, source.path, np.array(lines, np.int64)), bad


def _listed(path: str, bad: Sequence[BadRow]) -> list[str]:
    return [f"{where(path, row.line)}: {row.reason}" for row in bad]


def _report(path: str, bad: Sequence[BadRow], good: int) -> str:
    listed = _listed(path, bad[:_LISTED])
    if len(bad) > _LISTED:
        listed.append(f"... and {len(bad) - _LISTED} more")
    head = f"{path}: {len(bad)} of {len(bad) + good} rows cannot be used."
    return "\n".join([head, *listed, "Correct these lines, or leave them out with on_bad_rows: skip."])
