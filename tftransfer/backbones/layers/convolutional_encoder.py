"""Convolutions of several widths, side by side."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["ConvolutionalEncoder"]


@keras.saving.register_keras_serializable("tftransfer")
class ConvolutionalEncoder(keras.layers.Layer):
    """What filters of several widths find around each word (Kim, 2014); the greatest over a text is left to its head.

    Args:
        windows: sequence of int. Words that the filters of each kind see.
        filters: int. Filters of each kind.

    Call arguments:
        hidden: float tensor `(batch, length, embedding)`, zeros where there is padding: it is then as if the text
            ended in a row of its own length.
        attention_mask: int tensor `(batch, length)`. Not used; one sequence a row.

    Returns:
        A list of one float tensor `(batch, length, filters * len(windows))`, not negative.
    """

    def __init__(self, windows: Sequence[int], filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.windows = tuple(windows)
        self.filters = filters
        self.convolutions = [
            keras.layers.Conv1D(
                filters, window, padding="same", activation="relu", dtype=self.dtype_policy, name=f"convolution_{n}"
            )
            for n, window in enumerate(self.windows)
        ]

    def build(self, hidden_shape: tuple[int | None, ...], attention_mask_shape: Any = None) -> None:
        for convolution in self.convolutions:
            convolution.build(hidden_shape)

    def call(self, hidden: Any, attention_mask: Any) -> list[Any]:
        return [ops.concatenate([convolution(hidden) for convolution in self.convolutions], axis=-1)]

    def compute_output_shape(self, hidden_shape: tuple[int | None, ...], *other: Any) -> list[tuple[int | None, ...]]:
        return [(*hidden_shape[:-1], self.filters * len(self.windows))]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "windows": self.windows, "filters": self.filters}
