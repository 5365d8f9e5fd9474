"""What padding is to be expected, by simulation."""

import numpy as np

from tftransfer.data.batches import BatchPlan

__all__ = ["expected_padding", "packed_rows"]

_POOL = 50
"""Batches whose examples are sorted together where lengths are grouped, so that there is still chance in the order."""


def expected_padding(
    lengths: np.ndarray, batch_size: int, *, max_length: int, multiple: int = 8, seed: int = 0
) -> dict[str, float]:
    """Returns the expected share of computed positions that are padding, by how batches are formed.

    Args:
        lengths: int array `(examples,)`, or `(examples, rows of an example)`. Tokens of each row, none of them longer
            than `max_length`.
        batch_size: int. Examples a batch.
        max_length: int. No batch is padded beyond it, and packed rows are as long.
        multiple: int. The longest row of a batch is rounded up to a multiple of it. Defaults to 8.
        seed: int. Of the order. Defaults to 0.

    Returns:
        A dict of "shuffled", "grouped by length" (sorted within random pools of 50 batches) and "packed" (several
        examples in a row of `max_length`) to a number from 0 to 1.
    """
    lengths = lengths.reshape(len(lengths), -1)
    order = BatchPlan(len(lengths), batch_size, seed).order(0)
    pools = np.arange(len(order)) // (_POOL * batch_size)
    grouped = order[np.lexsort((lengths[order].max(axis=1), pools))]
    tokens = int(lengths.sum())
    computed = {
        "shuffled": _positions(lengths[order], batch_size, max_length, multiple),
        "grouped by length": _positions(lengths[grouped], batch_size, max_length, multiple),
        "packed": packed_rows(lengths.ravel(), max_length) * max_length,
    }
    return {way: 1 - tokens / positions for way, positions in computed.items()}


def packed_rows(lengths: np.ndarray, max_length: int) -> int:
    """Returns how many rows of `max_length` tokens hold all lengths, none of them divided.

    Best-fit decreasing over the histogram of the lengths (Krell et al., "Efficient sequence packing without
    cross-contamination", 2021).
    """
    counts = np.bincount(lengths, minlength=max_length + 1)
    free = np.zeros(max_length + 1, np.int64)  # how many rows have so much room left
    for length in range(max_length, 0, -1):
        left = int(counts[length])
        while left:
            fitting = np.flatnonzero(free[length:])
            if not len(fitting):
                free[max_length] += -(-left // (max_length // length))
                continue
            room = length + int(fitting[0])
            moved = min(left, int(free[room]))
            free[room] -= moved
            free[room - length] += moved
            left -= moved
    return int(free[:max_length].sum())


def _positions(lengths: np.ndarray, batch_size: int, max_length: int, multiple: int) -> int:
    """Returns the positions of an epoch whose examples `(examples, rows)` come in that order."""
    starts = np.arange(0, len(lengths), batch_size)
    longest = np.maximum.reduceat(lengths.max(axis=1), starts)
    padded = np.maximum(longest, np.minimum(-(-longest // multiple) * multiple, max_length))
    sizes = np.diff(np.append(starts, len(lengths)))
    return int((padded * sizes).sum()) * lengths.shape[1]
