"""Attention between contents and relative positions (DeBERTa: He et al., 2021, https://arxiv.org/abs/2006.03654)."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tftransfer.backbones.layers.attention import SelfAttention
from tftransfer.backbones.layers.dropout import Dropout
from tftransfer.backbones.layers.parts import initializer, norm
from tftransfer.backbones.transformer import Disentangled, TransformerConfig

__all__ = ["DisentangledSelfAttention", "RelativePositions"]


@keras.saving.register_keras_serializable("tftransfer")
class RelativePositions(keras.layers.Layer):
    """The table of relative positions that all layers share, and which of its rows each distance has.

    Args:
        config: TransformerConfig, or the dict of one, with `disentangled`.

    Call arguments:
        attention_mask: int tensor `(batch, length)`. Only its length counts.

    Returns:
        A float tensor `(2 * span, hidden)`, and int32 `(2 * length - 1,)`: the row of each distance, query position
        minus key position, from the smallest to the greatest.
    """

    def __init__(self, config: TransformerConfig | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = TransformerConfig.of(config)
        self.options = _options(self.config)
        if self.options.normalized:
            self.layer_norm = norm(self.config, "layer_norm", self.dtype_policy)

    def build(self, *shapes: Any) -> None:
        shape = (2 * self.options.span, self.config.hidden_size)
        self.embeddings = self.add_weight(shape, initializer=initializer(self.config), name="embeddings")
        if self.options.normalized:
            self.layer_norm.build(shape)

    def call(self, attention_mask: Any) -> tuple[Any, Any]:
        length = ops.shape(attention_mask)[1]
        table = self.layer_norm(self.embeddings) if self.options.normalized else ops.convert_to_tensor(self.embeddings)
        distances = ops.arange(1 - length, length, dtype="int32")
        apart = ops.minimum(ops.abs(distances), self.options.max_distance)
        signed = ops.sign(distances) * ops.take(_buckets(self.options), apart)
        return table, ops.clip(signed + self.options.span, 0, 2 * self.options.span - 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "config": self.config.to_dict()}


def _options(config: TransformerConfig) -> Disentangled:
    assert config.disentangled is not None
    return config.disentangled


def _buckets(options: Disentangled) -> np.ndarray:
    """Returns the bucket of each distance from 0 to the greatest: single ones first, then logarithmically wide.

    The greatest has the last bucket, and so has all that is further away, as long as their number is even.
    """
    apart = np.arange(options.max_distance + 1)
    if not options.buckets:
        return apart.astype("int32")
    exact = options.buckets // 2
    # In float32 throughout, as PyTorch does: at the greatest distance but one the quotient must be 1, not a digit more.
    wide = np.log(np.maximum(apart, 1).astype("float32") / np.float32(exact))
    wide = wide / np.log(np.float32((options.max_distance - 1) / exact)) * np.float32(exact - 1)
    return np.where(apart <= exact, apart, np.ceil(wide) + exact).astype("int32")


def _by_key(scores: Any, length: Any) -> Any:
    """Turns scores by distance `(..., length, 2 * length - 1)` into scores by place `(..., length, length)`.

    Row i's scores for the distances 1 - length ... length - 1 become those for the places 0 ... length - 1. A reshape
    does it, since each row begins one place further left than the row before.
    """
    batch, heads = ops.shape(scores)[:2]
    padded = ops.pad(scores, [[0, 0], [0, 0], [0, 0], [0, 1]])
    flat = ops.reshape(padded, (batch, heads, 2 * length * length))[..., length - 1 : 2 * length * length - 1]
    return ops.reshape(flat, (batch, heads, length, 2 * length - 1))[..., :length]


@keras.saving.register_keras_serializable("tftransfer")
class DisentangledSelfAttention(SelfAttention):
    """Self-attention whose scores add content to position and position to content to the usual content to content.

    The arguments are those of `SelfAttention`; the scope holds what `RelativePositions` returns, as
    `relative_positions` and `relative_rows`.
    """

    def __init__(self, config: TransformerConfig | dict[str, Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self.options = _options(self.config)
        self.position_dropout = Dropout(self.config.hidden_dropout, dtype=self.dtype_policy, name="position_dropout")

    def build(self, hidden_shape: tuple[Any, ...]) -> None:
        super().build(hidden_shape)
        if self.options.content_to_position and not self.options.shared_projections:
            self._project("position_key", hidden_shape, use_bias=True)
        if self.options.position_to_content and not self.options.shared_projections:
            self._project("position_query", hidden_shape, use_bias=True)

    @property
    def scale(self) -> float:
        terms = 1 + self.options.content_to_position + self.options.position_to_content
        return (self.head_size * terms) ** -0.5

    def scores(self, query: Any, key: Any, scope: dict[str, Any], training: bool) -> Any:
        options, rows, length = self.options, scope["relative_rows"], ops.shape(query)[2]
        query = query * self.scale
        table = self.position_dropout(scope["relative_positions"], training=training)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        if options.content_to_position:
            dense = self.key_dense if options.shared_projections else self.position_key_dense
            by_distance = ops.matmul(query, self._positions(dense, table, ops.flip(rows)))
            scores = scores + _by_key(by_distance, length)
        if options.position_to_content:
            dense = self.query_dense if options.shared_projections else self.position_query_dense
            by_distance = ops.matmul(key, self._positions(dense, table, rows) * self.scale)
            scores = scores + ops.transpose(_by_key(by_distance, length), (0, 1, 3, 2))
        return scores

    def _positions(self, dense: Any, table: Any, rows: Any) -> Any:
        """Returns the projected position of each distance, `(1, heads, head_size, 2 * length - 1)`."""
        return ops.transpose(self.split(ops.take(dense(table), rows, axis=0)[None]), (0, 1, 3, 2))
