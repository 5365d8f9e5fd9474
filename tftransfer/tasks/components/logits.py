"""The last layer of every model."""

from typing import Any

import keras

__all__ = ["Logits"]


@keras.saving.register_keras_serializable("tftransfer")
class Logits(keras.layers.Layer):
    """What a head says, as float32, and without a Keras mask.

    Targets say which tokens count; by a mask, Keras would weigh the loss of each replica's tokens once more.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns None."""

    def call(self, inputs: Any) -> Any:
        return inputs * 1.0  # another tensor: Keras hangs masks on tensors

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
