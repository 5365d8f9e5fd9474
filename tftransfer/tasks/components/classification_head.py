"""From hidden states to one row of logits a text."""

from typing import Any

import keras
from keras import ops

__all__ = ["ClassificationHead"]


@keras.saving.register_keras_serializable("tftransfer")
class ClassificationHead(keras.layers.Layer):
    """Pooling, dropout and a linear layer; it computes in float32 whatever the backbone does.

    Args:
        num_labels: int. How many logits.
        pooling: str. "mean" over the tokens, "cls" for the first token, "pooler" for `tanh` of a fresh dense layer over
            the first token (as RoBERTa's head), "none" if the input is one vector a text already. Defaults to "cls".
        dropout: float. Dropout rate before the linear layer. Defaults to 0.1.
        initializer_range: float. Standard deviation of the kernels. Defaults to 0.02.

    Call arguments:
        hidden: float tensor `(batch, length, hidden)`, or `(batch, hidden)` for pooling "none".
        attention_mask: int tensor `(batch, length)`; 0 is padding. One sequence a row.
        training: bool. Whether dropout is active.

    Returns:
        A float32 tensor `(batch, num_labels)`.
    """

    def __init__(
        self,
        num_labels: int,
        pooling: str = "cls",
        dropout: float = 0.1,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.num_labels = num_labels
        self.pooling = pooling
        self.dropout = dropout
        self.initializer_range = initializer_range
        self.supports_masking = True

    def compute_mask(self, *inputs: Any) -> None:
        """Returns None: a text's logits are not padding, whatever its tokens are."""

    def build(self, hidden_shape: tuple[int | None, ...], attention_mask_shape: Any = None) -> None:
        width = hidden_shape[-1]
        initializer = keras.initializers.TruncatedNormal(stddev=self.initializer_range)
        if self.pooling == "pooler":
            self.pooler = keras.layers.Dense(width, "tanh", kernel_initializer=initializer, name="pooler")
            self.pooler.build((None, width))
        self.feature_dropout = keras.layers.Dropout(self.dropout, name="dropout")
        self.logits = keras.layers.Dense(self.num_labels, kernel_initializer=initializer, name="logits")
        self.logits.build((None, width))

    def call(self, hidden: Any, attention_mask: Any = None, training: bool | None = None) -> Any:
        return self.logits(self.feature_dropout(self._pool(hidden, attention_mask), training=training))

    def _pool(self, hidden: Any, attention_mask: Any) -> Any:
        if self.pooling == "none":
            return hidden
        if self.pooling == "mean":
            real = ops.cast(ops.greater(attention_mask, 0), hidden.dtype)[..., None]  # (batch, length, 1)
            return ops.sum(hidden * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1.0)
        return self.pooler(hidden[:, 0]) if self.pooling == "pooler" else hidden[:, 0]

    def compute_output_shape(self, hidden_shape: tuple[int | None, ...], *other: Any) -> tuple[int | None, ...]:
        return (hidden_shape[0], self.num_labels)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            "pooling": self.pooling,
            "dropout": self.dropout,
            "initializer_range": self.initializer_range,
        }
