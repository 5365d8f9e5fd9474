"""Token, position and type embeddings."""

from typing import Any

import keras
from keras import ops

from tftransfer.backbones.layers.frozen import dropout_is_active

__all__ = ["TransformerEmbeddings", "default_position_ids"]


def default_position_ids(attention_mask: Any) -> Any:
    """Returns the positions of tokens in their sequences, int32 `(batch, length)`.

    The first sequence of a row counts from the row's start, as Hugging Face does whatever the padding; every further
    sequence of a packed row counts from its own first token. Padding is at 0: a packed row can be longer than the
    position table.

    Args:
        attention_mask: int tensor `(batch, length)`. 0 is padding, n is the n-th sequence of the row.
    """
    index = ops.broadcast_to(ops.arange(ops.shape(attention_mask)[1], dtype="int32"), ops.shape(attention_mask))
    same_as_left = ops.equal(attention_mask[:, 1:], attention_mask[:, :-1])
    starts = ops.logical_and(ops.greater(attention_mask[:, 1:], 1), ops.logical_not(same_as_left))
    starts = ops.pad(ops.cast(starts, "int32"), [[0, 0], [1, 0]])
    # Of all starts up to a token, the nearest has the greatest index: a running maximum, by a lower triangle.
    candidates = (index * starts)[:, None, :]
    reachable = ops.cast(index[:, None, :] <= index[:, :, None], "int32")
    return ops.where(ops.greater(attention_mask, 0), index - ops.max(candidates * reachable, axis=-1), 0)


@keras.saving.register_keras_serializable("tftransfer")
class TransformerEmbeddings(keras.layers.Layer):
    """Sum of word, position and token-type embeddings, normalised (BERT: Devlin et al., 2019).

    Args:
        vocab_size: int. Rows of the word table.
        hidden_size: int. Width of the embeddings.
        max_positions: int. Rows of the position table.
        type_vocab_size: int. Rows of the token-type table.
        layer_norm_epsilon: float. Added to the variance. Defaults to 1e-12.
        dropout: float. Dropout rate of the result. Defaults to 0.0.
        initializer_range: float. Standard deviation of the tables. Defaults to 0.02.

    Call arguments:
        input_ids: int tensor `(batch, length)`.
        attention_mask: int tensor `(batch, length)`; see `default_position_ids`.
        token_type_ids: int tensor `(batch, length)`.
        position_ids: int tensor `(batch, length)`, or None for `default_position_ids(attention_mask)`.
        training: bool. Whether dropout is active.

    Returns:
        A float tensor `(batch, length, hidden)`.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        max_positions: int,
        type_vocab_size: int,
        layer_norm_epsilon: float = 1e-12,
        dropout: float = 0.0,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.max_positions = max_positions
        self.type_vocab_size = type_vocab_size
        self.layer_norm_epsilon = layer_norm_epsilon
        self.dropout = dropout
        self.initializer_range = initializer_range
        self.word_embeddings = self._table("word_embeddings", vocab_size)
        self.position_embeddings = self._table("position_embeddings", max_positions)
        self.token_type_embeddings = self._table("token_type_embeddings", type_vocab_size)
        self.layer_norm = keras.layers.LayerNormalization(
            epsilon=layer_norm_epsilon, dtype=self.dtype_policy, name="layer_norm"
        )
        self.hidden_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def _table(self, name: str, rows: int) -> keras.layers.Embedding:
        initializer = keras.initializers.TruncatedNormal(stddev=self.initializer_range)
        return keras.layers.Embedding(
            rows, self.hidden_size, embeddings_initializer=initializer, dtype=self.dtype_policy, name=name
        )

    def build(self, input_ids_shape: tuple[int | None, ...], **other_shapes: Any) -> None:
        for table in (self.word_embeddings, self.position_embeddings, self.token_type_embeddings):
            table.build(input_ids_shape)
        self.layer_norm.build((*input_ids_shape, self.hidden_size))

    def call(
        self,
        input_ids: Any,
        attention_mask: Any,
        token_type_ids: Any,
        position_ids: Any = None,
        training: bool | None = None,
    ) -> Any:
        if position_ids is None:
            position_ids = default_position_ids(attention_mask)
        # The order of the sum is PyTorch's: float addition is not associative.
        hidden = self.word_embeddings(input_ids) + self.token_type_embeddings(token_type_ids)
        hidden = self.layer_norm(hidden + self.position_embeddings(position_ids))
        return self.hidden_dropout(hidden, training=dropout_is_active(self, training))

    def compute_output_shape(self, input_ids_shape: tuple[int | None, ...], **other: Any) -> tuple[int | None, ...]:
        return (*input_ids_shape, self.hidden_size)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "max_positions": self.max_positions,
            "type_vocab_size": self.type_vocab_size,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "dropout": self.dropout,
            "initializer_range": self.initializer_range,
        }
