"""From scores to attention probabilities: who may look at whom, and a softmax that half precision does not spoil."""

from typing import Any

import tensorflow as tf
from keras import ops

__all__ = ["FORBIDDEN", "same_sequence", "softmax"]

# Large enough that exp() of it is exactly 0 in float32, and finite even in float16, so that a row of padding yields
# numbers, not NaN.
FORBIDDEN = -3e4


def same_sequence(query: Any, key: Any) -> Any:
    """Returns whether tokens are of one sequence, bool `(batch, 1, queries, keys)`; padding is of none.

    Args:
        query: int tensor `(batch, queries)`. 0 is padding, n is the n-th sequence of the row.
        key: int tensor `(batch, keys)`. The same.
    """
    query, key = query[:, None, :, None], key[:, None, None, :]
    return ops.logical_and(ops.equal(query, key), ops.greater(key, 0))


def softmax(scores: Any, bias: Any = 0.0, dtype: Any = None) -> Any:
    """Returns attention probabilities of biased scores.

    In float32 whatever the compute dtype: in bfloat16 their sum is off by up to 1 %.

    Args:
        scores: float tensor `(..., keys)`.
        bias: float tensor. Added to the scores. Defaults to 0.
        dtype: str. Of the result. Defaults to None: that of the scores.
    """
    biased = ops.cast(scores, "float32") + ops.cast(bias, "float32")
    # Not Keras's softmax, which warns about rows of one token.
    return ops.cast(tf.nn.softmax(biased), dtype or scores.dtype)
