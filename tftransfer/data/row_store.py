"""Rows read once, by role, into columns that may be larger than memory."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tftransfer.arrow_store import ArrowStore, numbers
from tftransfer.column import Column, to_text
from tftransfer.data.rows import BadRow, Row

__all__ = ["KeptRows", "kept_rows"]

_ROWS = 4096  # in memory at once, and fewer if they are long
_CHARACTERS = 2**23
_TEXT, _LIST = 0, 1  # the two kinds of values


class KeptRows(NamedTuple):
    """The rows of a source.

    Args:
        columns: dict of role to Column. The values of the good rows.
        lines: int array (rows,). Where each of them starts.
        bad: list of BadRow.
        mixed: dict of role to (int, int). The first good row with a string, and the first with a list, of the roles
            that have both.
    """

    columns: dict[str, Column]
    lines: np.ndarray
    bad: list[BadRow]
    mixed: dict[str, tuple[int, int]]


def kept_rows(
    store: ArrowStore, key: str | None, roles: Iterable[str], rows: Callable[[], Iterable[Row | BadRow]]
) -> KeptRows:
    """Returns the rows that a store keeps under a key, or else reads them into it.

    Args:
        store: ArrowStore.
        key: str or None. See `ArrowStore.columns`.
        roles: iterable of str. What every good row has a value for.
        rows: callable. Reads them.
    """
    names = {role: f"role {role}" for role in roles}
    types = {"lines": pa.int64(), "bad": pa.large_string(), **dict.fromkeys(names.values(), pa.large_string())}
    # The first row of each kind of value, by role; no row is none.
    types |= {f"kinds of {role}": pa.int64() for role in names}
    found = store.columns(key, types, lambda: _parts(names, rows()))
    kinds = {role: tuple(found[f"kinds of {role}"].to_pylist()) for role in names}
    return KeptRows(
        {role: Column(found[name], kinds[role][_TEXT] < 0 <= kinds[role][_LIST]) for role, name in names.items()},
        numbers(found["lines"]),
        [BadRow(*json.loads(text)) for text in found["bad"].to_pylist()],
        {role: (first, other) for role, (first, other) in kinds.items() if min(first, other) >= 0},
    )


def _parts(names: Mapping[str, str], rows: Iterable[Row | BadRow]) -> Iterator[dict[str, Any]]:
    """Yields the columns of a file of rows, some rows at a time."""
    first = {role: [-1, -1] for role in names}
    count = 0
    for some in _batches(rows):
        good = [row for row in some if isinstance(row, Row)]
        part: dict[str, Any] = {
            "lines": np.fromiter((row.line for row in good), np.int64, len(good)),
            "bad": [json.dumps(row) for row in some if isinstance(row, BadRow)],
        }
        for role, name in names.items():
            values = [row.values[role] for row in good]
            _note_kinds(first[role], values, count)
            part[name] = list(map(to_text, values))
        count += len(good)
        yield part
    yield {f"kinds of {role}": np.array(found) for role, found in first.items()}


def _note_kinds(first: list[int], values: list[Any], start: int) -> None:
    """Writes down which rows are the first with a string and with a list, if these are; the first one is `start`."""
    kinds = [_TEXT if isinstance(value, str) else _LIST for value in values]
    for kind in (_TEXT, _LIST):
        if first[kind] < 0 and kind in kinds:
            first[kind] = start + kinds.index(kind)


def _batches(rows: Iterable[Row | BadRow]) -> Iterator[list[Row | BadRow]]:
    some: list[Row | BadRow] = []
    size = 0
    for row in rows:
        some.append(row)
        size += len(row.raw) if isinstance(row, BadRow) else sum(map(len, row.values.values()))
        if len(some) == _ROWS or size > _CHARACTERS:
            yield some
            some, size = [], 0
    yield some
