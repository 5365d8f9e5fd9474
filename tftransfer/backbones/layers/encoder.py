"""Transformer layers and the stack of them."""

from typing import Any

import keras

from tftransfer.backbones.layers.activation import find_activation
from tftransfer.backbones.layers.attention import SelfAttention, attention_bias
from tftransfer.backbones.layers.frozen import dropout_is_active

__all__ = ["TransformerEncoder", "TransformerLayer"]


@keras.saving.register_keras_serializable("tftransfer")
class TransformerLayer(keras.layers.Layer):
    """Self-attention and a feed-forward block, each followed by dropout, residual sum and normalisation.

    The post-norm layer of the original Transformer (Vaswani et al., 2017) and of BERT.

    Args:
        num_heads: int. Attention heads.
        intermediate_size: int. Inner width of the feed-forward block.
        activation: str. Name of the feed-forward activation. Defaults to "gelu", the exact erf form.
        layer_norm_epsilon: float. Added to the variance. Defaults to 1e-12.
        hidden_dropout: float. Dropout rate of each block's output. Defaults to 0.0.
        attention_dropout: float. Dropout rate of the attention probabilities. Defaults to 0.0.
        initializer_range: float. Standard deviation of the kernels. Defaults to 0.02.

    Call arguments:
        hidden: float tensor `(batch, length, hidden)`.
        bias: float tensor `(batch, 1, length, length)`, added to the attention scores.
        training: bool. Whether dropout is active; a layer with nothing to train never drops.

    Returns:
        A float tensor `(batch, length, hidden)`.
    """

    def __init__(
        self,
        num_heads: int,
        intermediate_size: int,
        activation: str = "gelu",
        layer_norm_epsilon: float = 1e-12,
        hidden_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.intermediate_size = intermediate_size
        self.activation = activation
        self.activation_function = find_activation(activation)
        self.layer_norm_epsilon = layer_norm_epsilon
        self.hidden_dropout = hidden_dropout
        self.attention_dropout = attention_dropout
        self.initializer_range = initializer_range

    def build(self, hidden_shape: tuple[Any, ...], bias_shape: Any = None) -> None:
        width = hidden_shape[-1]
        policy = self.dtype_policy
        self.attention = SelfAttention(
            self.num_heads, self.attention_dropout, self.initializer_range, dtype=policy, name="attention"
        )
        self.attention_norm = self._norm("attention_norm")
        self.intermediate = self._dense("intermediate", self.intermediate_size)
        self.output_dense = self._dense("output", width)
        self.output_norm = self._norm("output_norm")
        self.dropout = keras.layers.Dropout(self.hidden_dropout, dtype=policy, name="dropout")
        for part in (self.attention, self.attention_norm, self.intermediate, self.output_norm):
            part.build(hidden_shape)
        self.output_dense.build((*hidden_shape[:-1], self.intermediate_size))

    def _dense(self, name: str, units: int) -> keras.layers.Dense:
        initializer = keras.initializers.TruncatedNormal(stddev=self.initializer_range)
        return keras.layers.Dense(units, kernel_initializer=initializer, dtype=self.dtype_policy, name=name)

    def _norm(self, name: str) -> keras.layers.LayerNormalization:
        return keras.layers.LayerNormalization(epsilon=self.layer_norm_epsilon, dtype=self.dtype_policy, name=name)

    def call(self, hidden: Any, bias: Any, training: bool | None = None) -> Any:
        training = dropout_is_active(self, training)
        attended = self.dropout(self.attention(hidden, bias, training=training), training=training)
        hidden = self.attention_norm(hidden + attended)
        inner = self.activation_function(self.intermediate(hidden))
        return self.output_norm(hidden + self.dropout(self.output_dense(inner), training=training))

    def compute_output_shape(self, hidden_shape: tuple[int | None, ...], *other: Any) -> tuple[int | None, ...]:
        return hidden_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "intermediate_size": self.intermediate_size,
            "activation": self.activation,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "hidden_dropout": self.hidden_dropout,
            "attention_dropout": self.attention_dropout,
            "initializer_range": self.initializer_range,
        }


@keras.saving.register_keras_serializable("tftransfer")
class TransformerEncoder(keras.layers.Layer):
    """A stack of `TransformerLayer`s; the n-th one is called `layer_n`.

    Args:
        num_layers: int. How many layers.
        layer_options: dict. The arguments of `TransformerLayer`, the same for each.

    Call arguments:
        hidden: float tensor `(batch, length, hidden)`, the embeddings.
        attention_mask: int tensor `(batch, length)`. 0 is padding, n is the n-th sequence of the row.
        training: bool. Whether dropout is active.

    Returns:
        A tuple of `num_layers` float tensors `(batch, length, hidden)`: the output of every layer, the last one last.
    """

    def __init__(self, num_layers: int, layer_options: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_layers = num_layers
        self.layer_options = dict(layer_options)
        self.layers = [
            TransformerLayer(**layer_options, dtype=self.dtype_policy, name=f"layer_{n}") for n in range(num_layers)
        ]

    def build(self, hidden_shape: tuple[int | None, ...], attention_mask_shape: Any = None) -> None:
        for layer in self.layers:
            layer.build(hidden_shape)

    def call(self, hidden: Any, attention_mask: Any, training: bool | None = None) -> tuple[Any, ...]:
        bias = attention_bias(attention_mask)
        outputs = []
        for layer in self.layers:
            hidden = layer(hidden, bias, training=training)
            outputs.append(hidden)
        return tuple(outputs)

    def compute_output_shape(self, hidden_shape: tuple[int | None, ...], *other: Any) -> tuple[Any, ...]:
        return (hidden_shape,) * self.num_layers

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_layers": self.num_layers, "layer_options": self.layer_options}
