"""Token, position and type embeddings."""

from typing import Any

import keras
from keras import ops

from tftransfer.additions import Additions
from tftransfer.backbones.layers.dropout import Dropout
from tftransfer.backbones.layers.frozen import dropout_is_active
from tftransfer.backbones.layers.parts import additions_config, additions_of, dense, initializer, norm
from tftransfer.backbones.layers.positions import default_position_ids
from tftransfer.backbones.layers.prompt import behind_prompt, prompted, prompted_shape
from tftransfer.backbones.transformer import TransformerConfig

__all__ = ["TransformerEmbeddings"]


@keras.saving.register_keras_serializable("tftransfer")
class TransformerEmbeddings(keras.layers.Layer):
    """Sum of word, position and token-type embeddings, normalised (BERT: Devlin et al., 2019).

    Args:
        config: TransformerConfig, or the dict of one. Which tables there are, how wide they are, and whether the sum is
            projected to the layers' width at the end (ALBERT: Lan et al., 2020).
        additions: Additions, or the config of them. Defaults to None: nothing is added.

    Call arguments:
        input_ids: int tensor `(batch, length)`.
        attention_mask: int tensor `(batch, length)`. 0 is padding, n is the n-th sequence of the row.
        token_type_ids: int tensor `(batch, length)`.
        position_ids: int tensor `(batch, length)`, from 0 in every sequence whatever the family. Defaults to None:
            counted.
        training: bool. Whether dropout is active.

    Returns:
        A float tensor `(batch, length, hidden)`, longer by a prompt if one is added, and the float32 table of word
        embeddings `(vocab, embedding)`, which a head over the vocabulary shares.
    """

    def __init__(
        self,
        config: TransformerConfig | dict[str, Any],
        additions: Additions | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.config = config = TransformerConfig.of(config)
        self.additions = additions_of(additions)
        self.prompt = self.additions.prompt(config.embedding_width, self.dtype_policy)
        self.word_embeddings = self._table("word_embeddings", config.vocab_size)
        self.tables = [self.word_embeddings]
        if config.learned_positions:
            self.position_embeddings = self._table("position_embeddings", config.max_positions)
            self.tables.append(self.position_embeddings)
        if config.type_vocab_size:
            self.token_type_embeddings = self._table("token_type_embeddings", config.type_vocab_size)
            self.tables.append(self.token_type_embeddings)
        if config.task_type_vocab_size:
            self.task_type_embeddings = self._table("task_type_embeddings", config.task_type_vocab_size)
            self.tables.append(self.task_type_embeddings)
        self.layer_norm = norm(config, "layer_norm", self.dtype_policy)
        self.hidden_dropout = Dropout(config.hidden_dropout, dtype=self.dtype_policy, name="dropout")
        if config.embedding_size is not None:
            self.projection = dense(config, config.hidden_size, "projection", self.dtype_policy)

    def _table(self, name: str, rows: int) -> keras.layers.Embedding:
        return keras.layers.Embedding(
            rows,
            self.config.embedding_width,
            embeddings_initializer=initializer(self.config),
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_ids_shape: tuple[int | None, ...], **other_shapes: Any) -> None:
        for table in self.tables:
            table.build(input_ids_shape)
        width = (*input_ids_shape, self.config.embedding_width)
        self.layer_norm.build(width)
        if self.prompt is not None:
            self.prompt.build(width)
        if self.config.embedding_size is not None:
            self.projection.build(width)

    def call(
        self,
        input_ids: Any,
        attention_mask: Any,
        token_type_ids: Any,
        position_ids: Any = None,
        training: bool | None = None,
    ) -> tuple[Any, Any]:
        config = self.config
        # The order of the sum is PyTorch's: float addition is not associative.
        hidden = self.word_embeddings(input_ids)
        if self.prompt is not None:
            hidden, length = self.prompt(hidden), self.additions.prompt_length
            input_ids = prompted(input_ids, length, -1)  # no token at all, so not one of padding
            attention_mask, position_ids = behind_prompt(attention_mask, position_ids, length)
            token_type_ids = prompted(token_type_ids, length, 0)
        if config.embedding_scale != 1:
            hidden = hidden * config.embedding_scale
        if config.type_vocab_size:
            # A single row is every token's, whichever text of a pair it is of (RoBERTa).
            types = token_type_ids if config.type_vocab_size > 1 else ops.zeros_like(token_type_ids)
            hidden = hidden + self.token_type_embeddings(types)
        if config.learned_positions:
            hidden = hidden + self.position_embeddings(self._rows(input_ids, attention_mask, position_ids))
        if config.task_type_vocab_size:
            hidden = hidden + self.task_type_embeddings(ops.zeros_like(input_ids))
        hidden = self.hidden_dropout(self.layer_norm(hidden), training=dropout_is_active(self, training))
        if config.embedding_size is not None:
            hidden = self.projection(hidden)
        return hidden, ops.convert_to_tensor(self.word_embeddings.embeddings)

    def _rows(self, input_ids: Any, attention_mask: Any, position_ids: Any) -> Any:
        """Returns the row of the position table of each token."""
        offset = self.config.position_offset
        if position_ids is not None or not offset:
            return offset + (default_position_ids(attention_mask) if position_ids is None else position_ids)
        # fairseq's way: the row before the first position is that of padding, and its number that of the padding token.
        real = ops.logical_and(ops.greater(attention_mask, 0), ops.not_equal(input_ids, offset - 1))
        positions = default_position_ids(attention_mask, ops.cast(real, "int32"))
        return offset + ops.where(real, positions, -1)

    def compute_output_shape(self, input_ids_shape: tuple[int | None, ...], **other: Any) -> tuple[Any, Any]:
        table = (self.config.vocab_size, self.config.embedding_width)
        shape = prompted_shape((*input_ids_shape, self.config.hidden_size), self.additions.prompt_length)
        return shape, table

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "config": self.config.to_dict()} | additions_config(self.additions)
