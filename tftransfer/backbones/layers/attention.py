"""Multi-head self-attention over rows that may hold several sequences."""

from typing import Any

import keras
from keras import ops

__all__ = ["SelfAttention", "attention_bias"]

# Large enough that exp() of it is exactly 0 in float32, and finite even in float16, so that a row of padding yields
# numbers, not NaN.
_FORBIDDEN = -3e4


def attention_bias(attention_mask: Any) -> Any:
    """Returns what is added to attention scores, `(batch, 1, length, length)` float32: 0 where a token may look.

    A token looks at the tokens of its own number; 0 is padding, which nothing looks at.

    Args:
        attention_mask: int tensor `(batch, length)`. 0 is padding, n is the n-th sequence of the row.
    """
    query, key = attention_mask[:, None, :, None], attention_mask[:, None, None, :]
    allowed = ops.logical_and(ops.equal(query, key), ops.greater(key, 0))
    return ops.where(allowed, 0.0, _FORBIDDEN)


@keras.saving.register_keras_serializable("tftransfer")
class SelfAttention(keras.layers.Layer):
    """Scaled dot-product self-attention with several heads (Vaswani et al., 2017).

    The projections are plain `Dense` layers on the full width, named `query`, `key`, `value` and `output`, so that
    low-rank updates and Hugging Face tensors fit them as they are.

    Args:
        num_heads: int. Attention heads; divides the width of the input.
        dropout: float. Dropout rate of the attention probabilities. Defaults to 0.0.
        initializer_range: float. Standard deviation of the kernels. Defaults to 0.02.

    Call arguments:
        hidden: float tensor `(batch, length, hidden)`.
        bias: float tensor `(batch, 1, length, length)`, added to the scores.
        training: bool. Whether dropout is active.

    Returns:
        A float tensor `(batch, length, hidden)`.
    """

    def __init__(self, num_heads: int, dropout: float = 0.0, initializer_range: float = 0.02, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout
        self.initializer_range = initializer_range
        self.attention_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def build(self, hidden_shape: tuple[int | None, ...]) -> None:
        width = hidden_shape[-1]
        for name in ("query", "key", "value", "output"):
            dense = keras.layers.Dense(
                width,
                kernel_initializer=keras.initializers.TruncatedNormal(stddev=self.initializer_range),
                dtype=self.dtype_policy,
                name=name,
            )
            dense.build(hidden_shape)
            setattr(self, f"{name}_dense", dense)

    def call(self, hidden: Any, bias: Any, training: bool | None = None) -> Any:
        batch, length, width = ops.shape(hidden)
        head_size = hidden.shape[-1] // self.num_heads

        def heads(x: Any) -> Any:  # (batch, length, hidden) -> (batch, heads, length, head_size)
            return ops.transpose(ops.reshape(x, (batch, length, self.num_heads, head_size)), (0, 2, 1, 3))

        # Scaling the query is cheaper than scaling the scores, which are length / head_size times larger.
        query = heads(self.query_dense(hidden)) * head_size**-0.5
        scores = ops.matmul(query, ops.transpose(heads(self.key_dense(hidden)), (0, 1, 3, 2)))
        # Softmax in float32 whatever the compute dtype: in bfloat16 its sum is off by up to 1 %.
        probabilities = ops.softmax(ops.cast(scores, "float32") + ops.cast(bias, "float32"), axis=-1)
        probabilities = self.attention_dropout(ops.cast(probabilities, query.dtype), training=training)
        context = ops.matmul(probabilities, heads(self.value_dense(hidden)))
        return self.output_dense(ops.reshape(ops.transpose(context, (0, 2, 1, 3)), (batch, length, width)))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "initializer_range": self.initializer_range,
        }
