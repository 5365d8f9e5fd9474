"""Loss and gradients of a batch, all at once or part by part."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tftransfer.objective import Objective

__all__ = ["rows_of", "share_of_gradients"]


def rows_of(targets: Any) -> Any:
    """Returns how many rows of targets a batch has, scalar float32; packed inputs have fewer."""
    return tf.cast(_length(keras.tree.flatten(targets)[0]), tf.float32)


def share_of_gradients(
    objective: Objective,
    variables: Sequence[Any],
    batch: tuple[Any, Any, Any],
    all_rows: Any,
    seen: Callable[[Any, Any, Any, Any], Any],
    parts: int = 1,
    static: bool = False,
) -> list[Any]:
    """Returns a batch's loss and gradients, weighed by its rows: those of all replicas add up to those of the mean.

    Of several parts one is there at a time. Their gradients are added up, weighed by rows as well, so that loss,
    gradients and what is clipped are those of the whole batch, and a step is a step to schedules and callbacks. What
    Keras's optimizers call `gradient_accumulation_steps` is something else: they average over so many batches, one that
    is not full weighs as much as the others, what is left at the end of an epoch goes into the next one, our clipping
    would come before the sum, and the sum takes the memory of a copy of all weights between steps too.

    Args:
        objective: Objective.
        variables: sequence of Keras variables.
        batch: tuple of (inputs, targets, sample weights); tensors `(rows, ...)`, or nests of them, or None.
        all_rows: float32 scalar. The rows of the global batch.
        seen: callable. Called with the inputs, targets, logits and sample weights of each part.
        parts: int. Cut by rows as `numpy.array_split` does, the greater ones first; empty ones are left out. Tensors
            with more or fewer rows than the targets have parts of equal size. Defaults to 1.
        static: bool. Whether sizes of parts have to be known when the graph is compiled (XLA): the graph then holds a
            part twice where rows do not divide. Defaults to False.

    Returns:
        A list of the loss, and a dense float32 gradient for each variable.
    """

    def add(total: Sequence[Any], part: tuple[Any, Any, Any]) -> list[Any]:
        with tf.GradientTape() as tape:
            outputs, loss = objective(*part)
            loss = tf.cast(loss, tf.float32) * (rows_of(part[1]) / all_rows)
        seen(part[0], part[1], outputs, part[2])
        return [_plus(old, new) for old, new in zip(total, [loss, *tape.gradient(loss, variables)], strict=True)]

    zeros = [tf.zeros(()), *(tf.zeros(variable.shape) for variable in variables)]
    if parts > 1:
        return _loops(batch, parts, static, add, zeros)
    found = add([None] * len(zeros), batch)
    return [zero if one is None else tf.convert_to_tensor(one) for zero, one in zip(zeros, found, strict=True)]


def _loops(batch: Any, parts: int, static: bool, add: Callable[..., list[Any]], total: list[Any]) -> list[Any]:
    """Returns what a total has become when every part of a batch was added to it."""
    rows = _length(keras.tree.flatten(batch[1])[0])
    # One loop over all parts, or one over the greater ones and one over the others.
    filled = tf.minimum(parts, rows)
    loops = [(0, rows % parts, _ceil), (rows % parts, filled, _floor)] if static else [(0, filled, _of_number)]
    for first, end, size in loops:

        def step(number: Any, *total: Any, size: Callable[..., Any] = size) -> tuple[Any, ...]:
            part = keras.tree.map_structure(lambda x: _part(x, number, parts, size), batch)
            return (number + 1, *add(total, part))

        # One part after the other: several at once would need the memory of several.
        _, *total = tf.while_loop(
            lambda number, *_, end=end: number < end, step, [tf.convert_to_tensor(first), *total], parallel_iterations=1
        )
    return total


def _part(x: Any, number: Any, parts: int, size: Callable[[Any, Any, int], Any]) -> Any:
    """Returns the rows of a part, of which `size` says how many they are."""
    if x is None:
        return None
    x = tf.convert_to_tensor(x)
    rows, others = _length(x), x.shape.rank - 1
    start = number * (rows // parts) + tf.minimum(number, rows % parts)
    part = tf.slice(x, [start, *[0] * others], [size(rows, number, parts), *[-1] * others])
    return tf.ensure_shape(part, [None, *x.shape[1:]])


def _of_number(rows: Any, number: Any, parts: int) -> Any:
    return rows // parts + tf.cast(number < rows % parts, tf.int32)


def _ceil(rows: Any, number: Any, parts: int) -> Any:
    return (rows + parts - 1) // parts


def _floor(rows: Any, number: Any, parts: int) -> Any:
    return rows // parts


def _length(x: Any) -> Any:
    return tf.shape(x)[0]


def _plus(total: Any, found: Any) -> Any:
    """Returns the sum of a dense tensor and a gradient, which may be of some rows only, or None."""
    if total is None or found is None:
        return found if total is None else total
    if isinstance(found, tf.IndexedSlices):  # rows that occur several times are added several times
        return tf.tensor_scatter_nd_add(total, found.indices[:, None], found.values)
    return total + found
