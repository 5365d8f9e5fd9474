"""From packed rows to a row for each sequence."""

from typing import Any

import keras
from keras import ops

__all__ = ["Unpack"]


@keras.saving.register_keras_serializable("tftransfer")
class Unpack(keras.layers.Layer):
    """The tokens of packed rows as a row for each sequence; what is behind a sequence's end means nothing.

    Call arguments:
        values: tensor `(rows, row length, ...)`.
        places: int tensor `(sequences, length)`. Which of all tokens of the rows, end to end, stands there; -1 behind
            the end of a sequence.

    Returns:
        A tensor `(sequences, length, ...)`.
    """

    def call(self, values: Any, places: Any) -> Any:
        flat = ops.reshape(values, (-1, *values.shape[2:]))
        return ops.take(flat, ops.maximum(places, 0), axis=0)

    def compute_output_shape(self, values_shape: tuple[Any, ...], places_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*places_shape, *values_shape[2:])
