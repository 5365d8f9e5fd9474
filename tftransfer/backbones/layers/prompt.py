"""What rows of tokens are with a learned prompt before them."""

from typing import Any

import tensorflow as tf
from keras import ops

__all__ = ["behind_prompt", "check_single", "prompted", "prompted_shape"]


def prompted(rows: Any, length: int, value: int) -> Any:
    """Returns int rows `(batch, length of the text)` with `length` times `value` before each."""
    return ops.pad(rows, [[0, 0], [length, 0]], constant_values=value)


def behind_prompt(attention_mask: Any, position_ids: Any, length: int) -> tuple[Any, Any]:
    """Returns the attention mask and, if there are any, the positions of rows with a prompt of `length` before them.

    The prompt has the first positions, and is of the first sequence.
    """
    mask = prompted(attention_mask, length, 1)
    if position_ids is None:
        return mask, None
    return mask, prompted(position_ids, length, 0) + ops.minimum(ops.arange(ops.shape(mask)[1], dtype="int32"), length)


def prompted_shape(shape: tuple[int | None, ...], length: int) -> tuple[int | None, ...]:
    """Returns the shape of states `(batch, length of the text, ...)` that are longer by `length`."""
    return (shape[0], None if shape[1] is None else shape[1] + length, *shape[2:])


def check_single(attention_mask: Any) -> None:
    """Asserts that rows hold one text each: a prompt is before the first one alone."""
    tf.debugging.assert_less_equal(
        ops.max(attention_mask),
        1,
        "Expected one text a row, for a learned prompt stands before the first text alone. Received a packed row: do "
        "not pack, or choose another strategy, such as prefix_tuning.",
    )
