"""Word vectors of their own, without positions."""

from typing import Any

import keras
from keras import ops

from tftransfer.backbones.layers.dropout import Dropout
from tftransfer.backbones.layers.frozen import dropout_is_active

__all__ = ["WordVectors"]

_RANGE = 0.25  # about the variance of pretrained word vectors (Kim, 2014)


@keras.saving.register_keras_serializable("tftransfer")
class WordVectors(keras.layers.Layer):
    """A trainable table of word vectors, freshly uniform in [-0.25, 0.25] (Kim, 2014).

    Args:
        vocab_size: int. Rows of the table.
        embedding_size: int. Width of a vector.
        dropout: float. Dropout rate of the vectors. Defaults to 0.0.

    Call arguments:
        input_ids: int tensor `(batch, length)`.
        attention_mask: int tensor `(batch, length)`. 0 is padding.
        token_type_ids: int tensor `(batch, length)`. Not used: what stands between two texts tells them apart.
        training: bool. Whether dropout is active.

    Returns:
        A float tensor `(batch, length, embedding_size)`, zeros where there is padding, and the float32 table `(vocab,
        embedding)`.
    """

    def __init__(self, vocab_size: int, embedding_size: int, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.sizes = {"vocab_size": vocab_size, "embedding_size": embedding_size, "dropout": dropout}
        self.word_embeddings = keras.layers.Embedding(
            vocab_size,
            embedding_size,
            embeddings_initializer=keras.initializers.RandomUniform(-_RANGE, _RANGE),
            dtype=self.dtype_policy,
            name="word_embeddings",
        )
        self.vector_dropout = Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def build(self, input_ids_shape: tuple[int | None, ...], **other_shapes: Any) -> None:
        self.word_embeddings.build(input_ids_shape)

    def call(
        self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None, training: bool | None = None
    ) -> tuple[Any, Any]:
        vectors = self.vector_dropout(self.word_embeddings(input_ids), training=dropout_is_active(self, training))
        vectors = vectors * ops.cast(ops.greater(attention_mask, 0), vectors.dtype)[..., None]
        return vectors, ops.convert_to_tensor(self.word_embeddings.embeddings)

    def compute_output_shape(self, input_ids_shape: tuple[int | None, ...], **other: Any) -> tuple[Any, Any]:
        width = self.sizes["embedding_size"]
        return (*input_ids_shape, width), (self.sizes["vocab_size"], width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.sizes}
