"""Gradient checkpointing: what a layer keeps for its gradients is its input, and the rest is computed once more."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

__all__ = ["recomputed"]


def recomputed(
    layer: keras.layers.Layer, call: Callable[[Any, Mapping[str, Any]], Any], hidden: Any, learned: Mapping[str, Any]
) -> Any:
    """Returns what a layer makes of its input; its gradients compute it again, with the same dropout.

    `keras.remat` alone would drop other numbers the second time, as the state of a seed has moved on by then, and it
    gives no gradients to tensors that are not among its arguments, such as the values that variables have in a
    `keras.StatelessScope`. So all that gradients go to is an argument, and the second time seeds are what they were.

    Reference: Chen et al., "Training deep nets with sublinear memory cost", 2016.

    Args:
        layer: keras.layers.Layer. Whose variables `call` uses.
        call: callable. From `hidden` and `learned` to the layer's output.
        hidden: float tensor `(batch, length, hidden)`.
        learned: dict of name -> float tensor. What else gradients go to.
    """
    trained, others = layer.trainable_variables, layer.non_trainable_variables
    fixed = [tf.stop_gradient(tf.convert_to_tensor(variable)) for variable in others]
    after: list[Any] = []

    def run(hidden: Any, learned: Mapping[str, Any], values: Sequence[Any]) -> Any:
        given = [*zip(trained, values, strict=True), *zip(others, fixed, strict=True)]
        with keras.StatelessScope(given) as scope:
            output = call(hidden, learned)
            after.append([scope.get_current_value(variable) for variable in others])
        return output

    output = keras.remat(run)(hidden, dict(learned), [tf.convert_to_tensor(variable) for variable in trained])
    for variable, old, new in zip(others, fixed, after[0], strict=True):
        if new is not old:
            variable.assign(new)
    return output
