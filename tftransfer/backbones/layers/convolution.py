"""A convolution over the tokens of each sequence."""

from typing import Any

import keras
from keras import ops

from tftransfer.activations import find_activation
from tftransfer.backbones.layers.dropout import Dropout
from tftransfer.backbones.layers.frozen import dropout_is_active
from tftransfer.backbones.layers.parts import initializer, norm
from tftransfer.backbones.transformer import TransformerConfig

__all__ = ["SequenceConvolution"]


@keras.saving.register_keras_serializable("tftransfer")
class SequenceConvolution(keras.layers.Layer):
    """Adds a convolution of the embeddings to the first layer's output (DeBERTa-v2).

    A token meets its neighbours of the same sequence; padding and other sequences of the row count as zeros.

    Args:
        config: TransformerConfig, or the dict of one, with `convolution`.

    Call arguments:
        embedded: float tensor `(batch, length, hidden)`.
        hidden: float tensor `(batch, length, hidden)`, the output of the first layer.
        attention_mask: int tensor `(batch, length)`. 0 is padding, n is the n-th sequence of the row.
        training: bool. Whether dropout is active.

    Returns:
        A float tensor `(batch, length, hidden)`.
    """

    def __init__(self, config: TransformerConfig | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = TransformerConfig.of(config)
        assert self.config.convolution is not None
        self.kernel_size, activation = self.config.convolution
        self.activation_function = find_activation(activation)
        self.layer_norm = norm(self.config, "layer_norm", self.dtype_policy)
        self.dropout = Dropout(self.config.hidden_dropout, dtype=self.dtype_policy, name="dropout")

    def build(self, hidden_shape: tuple[Any, ...], *other_shapes: Any) -> None:
        width = self.config.hidden_size
        self.kernel = self.add_weight(
            (self.kernel_size, width, width), initializer=initializer(self.config), name="kernel"
        )
        self.bias = self.add_weight((width,), initializer="zeros", name="bias")
        self.layer_norm.build(hidden_shape)

    def call(self, embedded: Any, hidden: Any, attention_mask: Any, training: bool | None = None) -> Any:
        reach, length = self.kernel_size // 2, ops.shape(attention_mask)[1]
        states = ops.pad(embedded, [[0, 0], [reach, reach], [0, 0]])
        numbers = ops.pad(attention_mask, [[0, 0], [reach, reach]])
        total = self.bias
        for n in range(self.kernel_size):
            same = ops.equal(numbers[:, n : n + length], attention_mask)
            neighbours = states[:, n : n + length] * ops.cast(same, states.dtype)[..., None]
            total = total + ops.matmul(neighbours, self.kernel[n])
        real = ops.cast(ops.greater(attention_mask, 0), states.dtype)[..., None]
        added = self.dropout(total * real, training=dropout_is_active(self, training))
        return self.layer_norm(hidden + self.activation_function(added)) * real

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "config": self.config.to_dict()}
