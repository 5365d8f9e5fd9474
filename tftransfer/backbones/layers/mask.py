"""Padding, told to Keras."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

__all__ = ["PaddingMask"]


@keras.saving.register_keras_serializable("tftransfer")
class PaddingMask(keras.layers.Layer):
    """Passes hidden states on and marks the padding in them with a Keras mask.

    Keras layers that know masks (LSTM, Bidirectional, GlobalAveragePooling1D ...) then leave padding out: what a user
    puts on a backbone does not depend on how far a batch is padded.

    Call arguments:
        inputs: list of a float tensor `(batch, length, hidden)` and the int attention mask `(batch, length)`.

    Returns:
        The float tensor, with the mask `attention_mask > 0`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: list[Any]) -> Any:
        return tf.identity(inputs[0])  # a tensor of its own, so that the mask stays off the one that came

    def compute_mask(self, inputs: list[Any], previous_mask: Any = None) -> Any:
        return ops.greater(inputs[1], 0)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return input_shape[0]
