"""A model cut in two: what is above some of its tensors, on the same layers."""

from collections.abc import Sequence
from typing import Any

import keras

__all__ = ["above", "encoder_states"]


def above(model: keras.Model, tensors: Sequence[Any]) -> keras.Model:
    """Returns the network from a model's inputs and some of its tensors to its output; it shares the layers.

    Args:
        model: keras.Model. A functional one, whose input is a dict.
        tensors: sequence of symbolic tensors of the model.

    Returns:
        A `keras.Model` that takes a list: the inputs, in the model's order, and the tensors.
    """
    whole = keras.Model(model.input, [model.output, *tensors])
    # The graph once more, for Keras takes the tensors of a graph as the inputs of another model, but moves the inputs
    # among them away from the model that they were of, which could no longer be saved.
    twin = keras.models.clone_model(whole, clone_function=lambda layer: layer)
    output, *points = twin.outputs
    return keras.Model([*(twin.input[name] for name in model.input), *points], output)


def encoder_states(model: keras.Model) -> Any:
    """Returns the symbolic output of a model's topmost layer, `(batch, length, hidden)`."""
    return keras.tree.flatten(model.get_layer("encoder").output)[-1]  # Keras gives a list of one as what is in it
