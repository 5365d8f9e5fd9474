"""What a file format is: rows by role, good or bad, and what becomes of the bad ones."""

import abc
import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from tftransfer import atomic, registry
from tftransfer.arrow_store import ArrowStore, key_of
from tftransfer.data.examples import Examples, raise_mixed
from tftransfer.data.origin import where
from tftransfer.data.row_store import kept_rows
from tftransfer.data.rows import BadRow, Row
from tftransfer.errors import ConfigError, DataError

__all__ = ["BadRow", "Row", "Source", "checked", "read_source"]

_FILLED = frozenset({"text", "text_pair", "text_negative", "label"})  # roles whose value must not be empty
_LISTED = 20  # bad rows in a message
_POLICIES = ("error", "skip")
_VERSION = 1  # of how files are read: to be raised whenever any source makes other rows of the same bytes


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
        or a missing file; no rows of such a source are kept for another run. Nor are those of a class from outside of
        this package, unless it says here what its code is, too: how it reads may change from one run to the next.
        """
        if not (os.path.isfile(self.path) and type(self).__module__.startswith("tftransfer.")):
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


def read_source(
    source: Source, *, on_bad_rows: Literal["error", "skip"] = "error", store: ArrowStore | None = None
) -> tuple[Examples, list[BadRow]]:
    """Reads a source, once: from then on its rows are in a memory-mapped file, however many they are.

    Args:
        source: Source.
        on_bad_rows: "error" (default) to refuse a file that has bad rows, "skip" to leave them out.
        store: ArrowStore. Keeps the rows for the next time that the same content is read. Defaults to None: they are
            in a temporary file.

    Returns:
        The good rows and the bad rows.

    Raises:
        ConfigError: for another `on_bad_rows`.
        DataError: if the file cannot be read, has bad rows under "error", or has no good row.
    """
    if on_bad_rows not in _POLICIES:
        hint = registry.suggest(str(on_bad_rows), _POLICIES)
        raise ConfigError(f"Expected on_bad_rows to be 'error' or 'skip', found {on_bad_rows!r}.{hint}")
    found = kept_rows(store or ArrowStore(), _key(source), source.roles(), source.rows)
    bad, lines = found.bad, found.lines
    if bad and on_bad_rows == "error":
        raise DataError(_report(source.path, bad, len(lines)))
    if not len(lines):
        shown = f"all {len(bad)} are bad, such as {_listed(source.path, bad[:1])[0]}" if bad else "found none"
        raise DataError(f"{source.path}: no rows to use: {shown}. Expected {source.expected}.")
    for role, (text, other) in found.mixed.items():
        raise_mixed(role, where(source.path, int(lines[text])), where(source.path, int(lines[other])))
    return Examples(found.columns, source.path, lines), bad


def _key(source: Source) -> str | None:
    """Returns the key of a source's rows; None if they are not to be kept."""
    kind, options = type(source), {f.name: getattr(source, f.name) for f in dataclasses.fields(source)}
    content = source.fingerprint()
    if content is None:
        return None
    return key_of("rows", _VERSION, f"{kind.__module__}.{kind.__qualname__}", {**options, "path": content})


def _listed(path: str, bad: Sequence[BadRow]) -> list[str]:
    return [f"{where(path, row.line)}: {row.reason}" for row in bad]


def _report(path: str, bad: Sequence[BadRow], good: int) -> str:
    listed = _listed(path, bad[:_LISTED])
    if len(bad) > _LISTED:
        listed.append(f"... and {len(bad) - _LISTED} more")
    head = f"{path}: {len(bad)} of {len(bad) + good} rows cannot be used."
    return "\n".join([head, *listed, "Correct these lines, or leave them out with on_bad_rows: skip."])
