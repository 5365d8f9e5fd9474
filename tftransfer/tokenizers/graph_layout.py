"""What `layout` says of long texts, in TensorFlow: which tokens a row keeps, and how many rows they make."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from tftransfer.row_options import RowOptions

__all__ = ["Layout", "Slice", "kept", "lay_out"]

# The numbers of each row's first token of a text, and of the token after its last: int64 `[rows]` each.
Slice = tuple[tf.Tensor, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Rows, by the tokens they take from their texts.

    Args:
        slices: for each text of a pair, or for the only one, the slices whose tokens a row takes, in their order.
        examples: int64 tensor `[rows]`. Which text each row is of; None if there is a row for each. Defaults to None.
    """

    slices: Sequence[Sequence[Slice]]
    examples: tf.Tensor | None = None


def lay_out(counts: Sequence[tf.Tensor], room: int, options: RowOptions) -> Layout:
    """Lays out texts in rows.

    Args:
        counts: one or two int64 tensors `[batch]`. How many tokens each text has.
        room: int. How many a row has room for.
        options: RowOptions.

    Returns:
        A `Layout`.
    """
    if options.truncate == "windows":
        return _windows(counts, room, options.stride)
    limits = _longest_first(counts[0], counts[1], room) if len(counts) == 2 else [tf.minimum(counts[0], room)]
    return Layout([_cut(n, limit, options.truncate) for n, limit in zip(counts, limits, strict=True)])


def kept(tokens: tf.RaggedTensor, slices: Sequence[Slice], examples: tf.Tensor | None) -> tf.RaggedTensor:
    """Numbers the tokens that rows take from a text.

    Args:
        tokens: ragged tensor `[batch, (tokens)]`.
        slices: what rows take of it.
        examples: int64 tensor `[rows]`, which text each row is of, or None if there is a row for each.

    Returns:
        int64 ragged tensor `[rows, (tokens)]`: places in `tokens.values`.
    """
    bases = tokens.row_starts() if examples is None else tf.gather(tokens.row_starts(), examples)
    parts = [tf.ragged.range(bases + first, bases + last) for first, last in slices]
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis=1)


def _longest_first(first: tf.Tensor, second: tf.Tensor, room: int) -> tuple[tf.Tensor, tf.Tensor]:
    # The longer text gives way first, and has the odd token; of two equally long ones the second counts as the longer.
    short = tf.minimum(tf.minimum(first, second), room // 2)
    long = tf.minimum(tf.maximum(first, second), room - short)
    swapped = first > second
    return tf.where(swapped, long, short), tf.where(swapped, short, long)


def _cut(count: tf.Tensor, limit: tf.Tensor, truncate: str) -> list[Slice]:
    none = tf.zeros_like(count)
    if truncate == "head":
        return [(none, limit)]
    if truncate == "tail":
        return [(count - limit, count)]
    head = limit // 4
    return [(none, head), (count - (limit - head), count)]


def _windows(counts: Sequence[tf.Tensor], room: int, stride: int) -> Layout:
    """Windows over the last text, beside as much of the first as half a row holds, or as the last one leaves free."""
    *beside, count = counts
    beside = [tf.minimum(n, tf.maximum(room - count, room // 2)) for n in beside]
    width = room - (beside[0] if beside else tf.zeros_like(count))
    step = tf.maximum(tf.maximum(width - stride, (width + 1) // 2), 1)
    windows = 1 + tf.maximum(count - width + step - 1, 0) // step
    examples = tf.repeat(tf.range(tf.size(windows, tf.int64)), windows)
    first = tf.ragged.range(windows).values * tf.gather(step, examples)
    last = tf.minimum(first + tf.gather(width, examples), tf.gather(count, examples))
    whole = [[(tf.zeros_like(examples), tf.gather(n, examples))] for n in beside]
    return Layout([*whole, [(first, last)]], examples)
