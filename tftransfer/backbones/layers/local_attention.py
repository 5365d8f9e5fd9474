"""Attention in a sliding window, and between global tokens and all others, at a cost linear in the length."""

from collections.abc import Callable
from typing import Any

from keras import ops

from tftransfer.backbones.layers.blocks import Blocks
from tftransfer.backbones.layers.global_tokens import GlobalTokens
from tftransfer.backbones.layers.softmax import FORBIDDEN, same_sequence, softmax

__all__ = ["block_attention", "global_attention", "local_attention"]


def local_attention(
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    window: int,
    *,
    dropout: Callable[[Any], Any] | None = None,
    global_tokens: GlobalTokens | None = None,
) -> Any:
    """Attends to tokens of the same sequence at most `window` away (Longformer: Beltagy et al., 2020).

    Global tokens are seen from any distance in their sequence, by the same keys and values and in the same softmax.
    What global tokens themselves see is the matter of `global_attention`.

    Args:
        query: float tensor `(batch, heads, length, head_size)`, already scaled.
        key: float tensor `(batch, heads, length, head_size)`.
        value: float tensor `(batch, heads, length, head_size)`.
        attention_mask: int tensor `(batch, length)`. 0 is padding, n is the n-th sequence of the row.
        window: int. The greatest distance on either side, at least 1: a token sees `2 * window + 1` tokens.
        dropout: callable on the probabilities. Defaults to None.
        global_tokens: `GlobalTokens`. Defaults to None.

    Returns:
        A float tensor `(batch, heads, length, head_size)`. Rows of padding are finite, and mean nothing.
    """
    blocks = Blocks.for_window(ops.shape(query)[2], window)
    return _attend(query, key, value, attention_mask, blocks, window, dropout, global_tokens)


def block_attention(
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    block_size: int,
    *,
    dropout: Callable[[Any], Any] | None = None,
    global_tokens: GlobalTokens | None = None,
    global_bias: Any = 0.0,
) -> Any:
    """Attends to tokens of the same sequence in the same block and both its neighbours (BigBird: Zaheer et al., 2020).

    Global tokens are seen from everywhere, as in `local_attention`.

    Args:
        query: float tensor `(batch, heads, length, head_size)`, already scaled.
        key: float tensor `(batch, heads, length, head_size)`.
        value: float tensor `(batch, heads, length, head_size)`.
        attention_mask: int tensor `(batch, length)`. 0 is padding, n is the n-th sequence of the row.
        block_size: int. Tokens a block; the first block begins where the row does.
        dropout: callable on the probabilities. Defaults to None.
        global_tokens: `GlobalTokens`. Defaults to None.
        global_bias: float tensor `(slots,)`. Added to the scores of global tokens as keys. Defaults to 0.

    Returns:
        A float tensor `(batch, heads, length, head_size)`. Rows of padding are finite, and mean nothing.
    """
    blocks = Blocks.of_size(ops.shape(query)[2], block_size)
    everything = 2 * block_size  # no token of a block is farther away in it and its neighbours
    return _attend(query, key, value, attention_mask, blocks, everything, dropout, global_tokens, global_bias)


def global_attention(
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    global_tokens: GlobalTokens,
    *,
    dropout: Callable[[Any], Any] | None = None,
) -> Any:
    """Attends from global tokens to all tokens of their sequences; `GlobalTokens.put` puts the result in its place.

    Args:
        query: float tensor `(batch, heads, slots, head_size)`, already scaled: of `global_tokens.pick(hidden)`.
        key: float tensor `(batch, heads, length, head_size)`.
        value: float tensor `(batch, heads, length, head_size)`.
        attention_mask: int tensor `(batch, length)`. 0 is padding, n is the n-th sequence of the row.
        global_tokens: `GlobalTokens`.
        dropout: callable on the probabilities. Defaults to None.

    Returns:
        A float tensor `(batch, heads, slots, head_size)`. Empty slots are finite, and mean nothing.
    """
    scores = _masked(ops.matmul(query, _transposed(key)), same_sequence(global_tokens.number, attention_mask))
    return ops.matmul(_probabilities(scores, query.dtype, dropout), value)


def _attend(
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    blocks: Blocks,
    window: int,
    dropout: Callable[[Any], Any] | None,
    global_tokens: GlobalTokens | None,
    global_bias: Any = 0.0,
) -> Any:
    """Attends to what is in a block and its margins at most `window` away, and to global tokens."""
    scores = ops.matmul(blocks.cut(query), _transposed(blocks.cut_with_margins(key)))
    scores = _masked(scores, _sees_in_window(blocks, window, attention_mask, global_tokens))
    values = blocks.cut_with_margins(value)
    if global_tokens is None:
        return blocks.join(ops.matmul(_probabilities(scores, query.dtype, dropout), values))
    # What is in the slots is common to all blocks: two products of whole rows instead of one a block.
    in_slots = ops.matmul(query, _transposed(global_tokens.pick(key, axis=2)))  # (batch, heads, length, slots)
    in_slots = _masked(in_slots, same_sequence(attention_mask, global_tokens.number)) + global_bias
    in_slots = blocks.cut(in_slots)
    probabilities = _probabilities(ops.concatenate([in_slots, scores], axis=-1), query.dtype, dropout)
    slots = ops.shape(in_slots)[-1]
    from_slots = ops.matmul(blocks.join(probabilities[..., :slots]), global_tokens.pick(value, axis=2))
    return from_slots + blocks.join(ops.matmul(probabilities[..., slots:], values))


def _sees_in_window(blocks: Blocks, window: int, attention_mask: Any, global_tokens: GlobalTokens | None) -> Any:
    """Returns which tokens a block's tokens see, bool `(batch, 1, count, size, margin + size + margin)`."""
    index = ops.arange(blocks.size + 2 * blocks.margin, dtype="int32") - blocks.margin
    near = ops.abs(ops.arange(blocks.size, dtype="int32")[:, None] - index) <= window
    seen = attention_mask
    if global_tokens is not None:  # seen in its slot; here it would count twice
        seen = ops.where(global_tokens.mask, 0, attention_mask)
    query = blocks.cut(attention_mask[:, None, :, None])  # (batch, 1, count, size, 1)
    key = _transposed(blocks.cut_with_margins(seen[:, None, :, None]))  # (batch, 1, count, 1, margin + size + margin)
    return ops.logical_and(near, ops.logical_and(ops.equal(query, key), key > 0))


def _transposed(x: Any) -> Any:
    return ops.swapaxes(x, -1, -2)


def _masked(scores: Any, allowed: Any) -> Any:
    # float32 from here to the probabilities, whatever the compute dtype: in bfloat16 a softmax is off by up to 1 %.
    return ops.cast(scores, "float32") + ops.where(allowed, 0.0, FORBIDDEN)


def _probabilities(scores: Any, dtype: Any, dropout: Callable[[Any], Any] | None) -> Any:
    probabilities = softmax(scores, dtype=dtype)
    return probabilities if dropout is None else dropout(probabilities)
