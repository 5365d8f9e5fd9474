"""What a step of training makes smaller."""

from collections.abc import Callable
from typing import Any

__all__ = ["Objective", "mean_over_rows"]

# From a batch (inputs, targets, sample weights) to (logits, loss), inside a gradient tape. The loss is the mean over
# the rows, which may be a part of a step's, even none: the step weighs the loss by them. Strategies and regularizers
# wrap it.
Objective = Callable[[Any, Any, Any], tuple[Any, Any]]


def mean_over_rows(values: Any, sample_weight: Any = None) -> Any:
    """Returns a mean over the rows of a batch as an objective wants it; 0 where there are none.

    Args:
        values: float tensor `(rows, ...)`. One entry for each row of targets.
        sample_weight: float tensor. What entries are multiplied by, as those of the loss are: of the shape of `values`,
            or `(rows,)`. Defaults to None: nothing.
    """
    import tensorflow as tf

    if sample_weight is not None:
        weights = tf.cast(sample_weight, values.dtype)
        values = tf.reduce_mean(values, list(range(weights.shape.rank, values.shape.rank))) * weights
    return tf.math.divide_no_nan(tf.reduce_sum(values), tf.cast(tf.size(values), values.dtype))
