"""When a layer drops."""

import keras

__all__ = ["dropout_is_active"]


def dropout_is_active(layer: keras.layers.Layer, training: bool | None) -> bool:
    """Returns whether `layer` applies dropout: in training, and only if it has something to train.

    A frozen layer works as at inference, as Keras's own BatchNormalization does: its outputs are then a function of the
    text alone, which is what makes them worth computing once.
    """
    return bool(training) and bool(layer.trainable_variables)
