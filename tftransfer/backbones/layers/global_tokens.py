"""Tokens with global attention: they see their whole sequence, and all of it sees them (Longformer)."""

from typing import Any, NamedTuple

import tensorflow as tf
from keras import ops

__all__ = ["GlobalTokens"]


class GlobalTokens(NamedTuple):
    """The global tokens of a batch, in slots: as many a row as the row with the most of them needs.

    Args:
        index: int32 tensor `(batch, slots)`. Where in the row the slot's token stands; anywhere if the slot is empty.
        number: int tensor `(batch, slots)`. The number of the token's sequence, 0 if the slot is empty.
        slot: int32 tensor `(batch, length)`. The slot of each token, -1 if the token is not global.
    """

    index: Any
    number: Any
    slot: Any

    @classmethod
    def find(cls, global_mask: Any, attention_mask: Any, max_global_tokens: int | None = None) -> "GlobalTokens":
        """Finds the global tokens of a batch.

        Args:
            global_mask: bool or int tensor `(batch, length)`. True or non-zero where a token is global; padding
                never is.
            attention_mask: int tensor `(batch, length)`. 0 is padding, n is the n-th sequence of the row.
            max_global_tokens: int. The number of slots, which XLA wants to know beforehand; the first tokens of a row
                get them, and what is left over counts as local. Defaults to None: as many as the batch needs.
        """
        length = ops.shape(attention_mask)[1]
        is_global = ops.logical_and(ops.cast(global_mask, "bool"), ops.greater(attention_mask, 0))
        rank = ops.cumsum(ops.cast(is_global, "int32"), axis=1)  # counts from 1
        slots = _slots(rank, length, max_global_tokens)
        is_global = ops.logical_and(is_global, rank <= slots)
        # The earlier a global token, the greater its value; what is not global comes last, at 0.
        value = ops.where(is_global, length - ops.arange(length, dtype="int32"), 0)
        value, index = tf.math.top_k(value, slots)
        number = ops.where(value > 0, tf.gather(attention_mask, index, batch_dims=1), 0)
        return cls(index, number, ops.where(is_global, rank - 1, -1))

    @classmethod
    def first_and_last(cls, attention_mask: Any, size: int) -> "GlobalTokens":
        """Returns the tokens of the first and the last block of every row (BigBird).

        Args:
            attention_mask: int tensor `(batch, length)`. 0 is padding, n is the n-th sequence of the row.
            size: int. Tokens a block; the last one holds what is left. There is more than one.
        """
        batch, length = ops.shape(attention_mask)
        last = (length - 1) // size * size  # where the last block begins
        block, places = ops.arange(size, dtype="int32"), ops.arange(length, dtype="int32")
        index = ops.concatenate([block, block + last])
        inside, index = index < length, ops.minimum(index, length - 1)
        number = ops.where(inside, ops.take(attention_mask, index, axis=1), 0)
        slot = ops.where(places >= last, places - last + size, ops.where(places < size, places, -1))
        return cls(ops.broadcast_to(index, (batch, 2 * size)), number, ops.broadcast_to(slot, (batch, length)))

    @property
    def mask(self) -> Any:
        """Whether each token is global: bool `(batch, length)`."""
        return self.slot >= 0

    def pick(self, x: Any, axis: int = 1) -> Any:
        """Picks the global tokens of rows, `(..., length, ...)` to `(..., slots, ...)`; empty slots get any token.

        Args:
            x: tensor whose first axis is the batch.
            axis: int. The axis of the tokens. Defaults to 1.
        """
        return tf.gather(x, self.index, axis=axis, batch_dims=1)

    def put(self, x: Any, rows: Any) -> Any:
        """Returns `x` with `rows` in place of the global tokens.

        Args:
            x: float tensor `(batch, heads, length, head_size)`.
            rows: float tensor `(batch, heads, slots, head_size)`.
        """
        # Gathers a row for every token rather than scatter: an empty slot has no place to be written to.
        spread = tf.gather(rows, ops.maximum(self.slot, 0), axis=2, batch_dims=1)
        return ops.where(self.mask[:, None, :, None], spread, x)


def _slots(rank: Any, length: Any, max_global_tokens: int | None) -> Any:
    """Returns the number of slots, at least 1: nothing can be gathered from an axis of size 0."""
    if max_global_tokens is None:
        return ops.maximum(ops.max(rank), 1)
    return min(max_global_tokens, length) if isinstance(length, int) else ops.minimum(max_global_tokens, length)
