"""Which tokens are global where nobody says it token by token."""

from typing import Any

import keras
from keras import ops

from tftransfer.backbones.layers.positions import default_position_ids

__all__ = ["ChosenTokens"]


@keras.saving.register_keras_serializable("tftransfer")
class ChosenTokens(keras.layers.Layer):
    """Marks the first token of every sequence, or all tokens before its first separator: a question before its context.

    Args:
        separator: int. Id of the separator. Defaults to None: the first token.

    Call arguments:
        input_ids: int tensor `(batch, length)`.
        attention_mask: int tensor `(batch, length)`. 0 is padding, n is the n-th sequence of the row.

    Returns:
        An int32 tensor `(batch, length)`, 1 for the marked tokens.
    """

    def __init__(self, separator: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.separator = separator

    def call(self, input_ids: Any, attention_mask: Any) -> Any:
        real = ops.greater(attention_mask, 0)
        counted = real if self.separator is None else ops.logical_and(real, ops.equal(input_ids, self.separator))
        counted = ops.cast(counted, "int32")
        # How many are counted in the token's sequence from its start up to the token itself.
        count = default_position_ids(attention_mask, counted) + counted
        return ops.cast(ops.logical_and(real, ops.equal(count, 1 if self.separator is None else 0)), "int32")

    def compute_output_shape(self, input_ids_shape: tuple[int | None, ...], *other: Any) -> tuple[int | None, ...]:
        return input_ids_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "separator": self.separator}
