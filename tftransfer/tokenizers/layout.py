"""Which tokens of long texts a row keeps, and how many rows they make. `graph_layout` says the same in TensorFlow."""

import typing
from collections.abc import Sequence

import numpy as np

from tftransfer.errors import ConfigError
from tftransfer.row_options import RowOptions

__all__ = ["HEAD", "Slice", "check_options", "longest_first", "rows_of"]

# The default: long texts lose their ends, and no token says where it is from.
HEAD = RowOptions()
# The tokens from the first number up to the second, without it.
Slice = tuple[int, int]


def check_options(options: RowOptions) -> None:
    """Raises ConfigError unless the options make sense."""
    known = typing.get_args(typing.get_type_hints(RowOptions)["truncate"])
    if options.truncate not in known:
        raise ConfigError(f"Expected truncate to be one of {', '.join(known)}, got {options.truncate!r}. Take one.")
    if not isinstance(options.stride, int) or options.stride < 0:
        raise ConfigError(
            f"Expected stride to be a number of tokens, 0 or more, got {options.stride!r}: neighbouring windows share "
            "that many. Take 0 for windows that share none."
        )


def rows_of(sequence_ids: Sequence[int | None], max_length: int, pair: bool, options: RowOptions) -> list[np.ndarray]:
    """Says which tokens of a text, or a pair, stay in each row that becomes of it.

    Args:
        sequence_ids: for each token, 0 or 1 for the text it is of, None for a special token.
        max_length: int. How many tokens a row holds.
        pair: bool. Whether there is a second text.
        options: RowOptions.

    Returns:
        A list of sorted int arrays, one a row.
    """
    texts = np.array([-1 if n is None else n for n in sequence_ids])
    special, *places = (np.flatnonzero(texts == n) for n in range(-1, 1 + pair))
    rows = _slices([len(p) for p in places], max_length - len(special), options)
    return [
        np.sort(np.concatenate([special, *(p[slice(*s)] for p, part in zip(places, row, strict=True) for s in part)]))
        for row in rows
    ]


def longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens each text of a pair keeps, as Rust's "longest_first" has it."""
    # The longer text gives way first, and has the odd token; of two equally long ones the second counts as the longer.
    short = min(first, second, room // 2)
    long = min(max(first, second), room - short)
    return (long, short) if first > second else (short, long)


def _slices(counts: Sequence[int], room: int, options: RowOptions) -> list[list[list[Slice]]]:
    """The slices of each text in each row."""
    if options.truncate == "windows":
        return _windows(counts, room, options.stride)
    limits = longest_first(counts[0], counts[1], room) if len(counts) == 2 else [min(counts[0], room)]
    return [[_cut(n, limit, options.truncate) for n, limit in zip(counts, limits, strict=True)]]


def _cut(count: int, limit: int, truncate: str) -> list[Slice]:
    head = {"head": limit, "tail": 0, "head_tail": limit // 4}[truncate]
    return [(0, head), (count - (limit - head), count)]


def _windows(counts: Sequence[int], room: int, stride: int) -> list[list[list[Slice]]]:
    """Windows over the last text, beside as much of the first as half a row holds, or as the last one leaves free."""
    *beside, count = counts
    kept = [min(n, max(room // 2, room - count)) for n in beside]
    width = room - sum(kept)
    step = max(width - stride, -(-width // 2), 1)  # a stride of nearly a window would make a window a token
    windows = 1 + max(0, -(-(count - width) // step))
    return [[*([(0, n)] for n in kept), [(k * step, min(k * step + width, count))]] for k in range(windows)]
