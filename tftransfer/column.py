"""The values of a role, in an Arrow array that may be larger than memory."""

import itertools
import json
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tftransfer.arrow_store import integers, numbers

__all__ = ["Column", "codes", "to_text"]

_ROWS = 4096  # read at once, and fewer if they are long
_BYTES = 2**22


class Column(Sequence[Any]):
    """A sequence of strings, or of lists of tuples or strings, that become Python objects only when they are asked for.

    A slice is a list. Equal to whatever sequence holds equal values.

    Args:
        array: `pyarrow.LargeStringArray`. The strings, or what `to_text` makes of lists.
        lists: bool. Whether they stand for lists. Defaults to False.
        rows: int array. Which of them the sequence holds, in its order. Defaults to None: all.
    """

    def __init__(self, array: Any, lists: bool = False, rows: np.ndarray | None = None) -> None:
        self.array, self.lists, self.rows = array, lists, rows

    def __len__(self) -> int:
        return len(self.array if self.rows is None else self.rows)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice):
            place = range(len(self))[operator.index(index)]
            return self._values(self._part(place, place + 1))[0]
        start, stop, step = index.indices(len(self))
        if step == 1:
            return self._values(self._part(start, max(start, stop)))
        return list(self.take(np.arange(len(self))[index]))

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(map(self._values, self._parts()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Column of {len(self):,} values: {', '.join(map(repr, self[:3]))}{', ...' * (len(self) > 3)}>"

    def take(self, rows: np.ndarray) -> "Column":
        """Returns the column of some of its values, in the order of `rows`."""
        return Column(self.array, self.lists, rows if self.rows is None else self.rows[rows])

    def codes(self) -> tuple[list[Any], np.ndarray]:
        """Returns the distinct values, in the order in which they first occur, and the number of each value's."""
        encoded = self._part(0, len(self)).dictionary_encode()
        return self._values(encoded.dictionary), numbers(encoded.indices)

    def lengths(self) -> Iterator[np.ndarray]:
        """Yields the lengths of the strings in characters, int64, part by part."""
        import pyarrow.compute

        return (numbers(pyarrow.compute.utf8_length(part)) for part in self._parts())

    def content(self) -> Iterator[memoryview]:
        """Yields the bytes of the strings end to end, part by part."""
        for part in self._parts():
            _, ends, text = part.buffers()
            first, last = np.frombuffer(ends, np.int64)[[part.offset, part.offset + len(part)]]
            yield memoryview(text or b"")[first:last]

    def _parts(self) -> Iterator[Any]:
        """Yields the strings as arrays that fit into memory."""
        mean = self.array.nbytes / max(len(self.array), 1)
        step = max(1, min(_ROWS, int(_BYTES / max(mean, 1))))
        return (self._part(start, start + step) for start in range(0, len(self), step))

    def _part(self, start: int, stop: int) -> Any:
        if self.rows is None:
            return self.array.slice(start, stop - start)
        return self.array.take(integers(self.rows[start:stop]))

    def _values(self, array: Any) -> list[Any]:
        texts = array.to_pylist()
        return [_from_text(text) for text in texts] if self.lists else texts


def to_text(value: Any) -> str:
    """Returns what stands for a value in the array of a column: itself, or the JSON of a list."""
    return value if isinstance(value, str) else json.dumps(value)


def _from_text(text: str) -> list[Any]:
    return [tuple(item) if isinstance(item, list) else item for item in json.loads(text)]


def codes(values: Sequence[Any]) -> tuple[list[Any], np.ndarray]:
    """Returns the distinct ones of values, in the order in which they first occur, and the number of each value's."""
    if isinstance(values, Column):
        return values.codes()
    order: dict[Any, int] = {}
    keys = (tuple(value) if isinstance(value, list) else value for value in values)
    found = np.array([order.setdefault(key, len(order)) for key in keys], np.int64)
    return [values[row] for row in np.unique(found, return_index=True)[1]], found
