"""Rows that hold several sequences each, in place of rows that hold one and padding."""

import bisect
from collections.abc import Mapping, Sequence

import numpy as np

from tftransfer.data.batches import round_up

__all__ = ["UNPACK", "fit_rows", "pack", "packed_shape"]

UNPACK = "unpack"
"""The input of a packed batch that says where its sequences are."""

_FLAT = 512
"""Tokens of a row at which attention costs about as much as all that does not grow with a row's length."""
_TRIED = 24  # lengths of rows


def pack(inputs: Mapping[str, np.ndarray], parts: Sequence[int] = (1,), coarse: bool = False) -> dict[str, np.ndarray]:
    """Returns a padded batch with its sequences packed, several in a row.

    In `attention_mask` the n-th sequence of a row has the number n, from 1, so none sees another. As a batch is cut
    into parts by its first axis, among replicas or one after the other, each part's sequences are in its own rows.

    Args:
        inputs: dict. int32 `input_ids`, `attention_mask` and `token_type_ids` `(sequences, length)`, each sequence at
            the beginning of its row. Others are passed on.
        parts: sequence of int. Parts that the batch will be cut into, the greater ones first, and each of those, and so
            on. Defaults to (1,).
        coarse: bool. Whether few shapes are to occur; see `tftransfer.data.batches.round_up`. Defaults to False.

    Returns:
        The three as int32 `(rows, row length)`, the others as they were, and int32 `UNPACK` `(sequences, length)`: of
        each token its place among those of its part's rows, end to end; -1 for padding.
    """
    lengths = (inputs["attention_mask"] > 0).sum(axis=1)
    cut = _cut(lengths, parts)
    rows, size = packed_shape(lengths, parts, coarse)
    found = [fit_rows(part, size) for part in cut]
    first = np.repeat(np.arange(len(cut)), list(map(len, cut))) * rows  # row of each sequence's part
    row, start, number = (np.concatenate(values) for values in zip(*found, strict=True))
    within = np.arange(inputs["attention_mask"].shape[1])
    real = within < lengths[:, None]
    places = (row * size + start)[:, None] + within
    flat = (first * size)[:, None] + places
    packed = {name: np.zeros(len(cut) * rows * size, "int32") for name in ("input_ids", "token_type_ids")}
    for name, values in packed.items():
        values[flat[real]] = inputs[name][real]
    mask = np.zeros(len(cut) * rows * size, "int32")
    mask[flat[real]] = np.repeat(number, lengths)
    rows_of = {name: values.reshape(-1, size) for name, values in {**packed, "attention_mask": mask}.items()}
    return {**inputs, **rows_of, UNPACK: np.where(real, places, -1).astype("int32")}


def fit_rows(lengths: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fits sequences into few rows: the longest first, each into the row with the least room that is enough for it.

    Args:
        lengths: int array `(sequences,)`. Tokens of each.
        size: int. Tokens of a row; not less than the longest.

    Returns:
        Three int64 arrays `(sequences,)`: the row of each, from 0, where in it the sequence starts, from 0, and the
        how-manieth of that row it is, from 1.
    """
    row, start, number = np.zeros((3, len(lengths)), "int64")
    room: list[tuple[int, int]] = []  # (tokens left, row), sorted
    counts: list[int] = []
    for sequence in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[sequence])
        best = bisect.bisect_left(room, (length, -1))
        left, chosen = room.pop(best) if best < len(room) else (size, len(counts))
        if chosen == len(counts):
            counts.append(0)
        counts[chosen] += 1
        row[sequence], start[sequence], number[sequence] = chosen, size - left, counts[chosen]
        bisect.insort(room, (left - length, chosen))
    return row, start, number


def packed_shape(lengths: np.ndarray, parts: Sequence[int] = (1,), coarse: bool = False) -> tuple[int, int]:
    """Returns the rows of each part and their length with which a batch costs least; for the arguments see `pack`."""
    cut = _cut(lengths, parts)
    longest = max(int(part.max(initial=1)) for part in cut)
    total = max(int(part.sum()) for part in cut)
    best, least, size = (0, 0), float("inf"), round_up(longest, coarse)
    for _ in range(_TRIED):
        rows = -(-total // size)
        # No packing takes fewer rows than this, so some lengths need not be tried.
        if _cost(rows, size) < least:
            rows = max(1 + int(fit_rows(part, size)[0].max(initial=0)) for part in cut)
            rows = round_up(rows, coarse=True) if coarse and rows > 8 else rows
            if _cost(rows, size) < least:
                best, least = (rows, size), _cost(rows, size)
        if rows == 1:
            break
        size = round_up(size + 1, coarse)
    return best


def _cut(lengths: np.ndarray, parts: Sequence[int]) -> list[np.ndarray]:
    cut = [lengths]
    for number in parts:
        cut = [piece for part in cut for piece in np.array_split(part, number)]
    return cut


def _cost(rows: int, size: int) -> float:
    return rows * size * (1 + size / _FLAT)
