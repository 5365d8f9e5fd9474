"""Multi-head self-attention over rows that may hold several sequences."""

from typing import Any, ClassVar

import keras
from keras import ops

from tftransfer.additions import Additions
from tftransfer.backbones.layers.dropout import Dropout
from tftransfer.backbones.layers.frozen import dropout_is_active
from tftransfer.backbones.layers.parts import additions_config, additions_of, projection
from tftransfer.backbones.layers.positions import rotate
from tftransfer.backbones.layers.softmax import FORBIDDEN, same_sequence, softmax
from tftransfer.backbones.transformer import TransformerConfig
from tftransfer.errors import ConfigError

__all__ = ["SelfAttention", "attention_bias"]


def attention_bias(attention_mask: Any) -> Any:
    """Returns what is added to attention scores, `(batch, 1, length, length)` float32: 0 where a token may look.

    A token looks at the tokens of its own number; 0 is padding, which nothing looks at.

    Args:
        attention_mask: int tensor `(batch, length)`. 0 is padding, n is the n-th sequence of the row.
    """
    return ops.where(same_sequence(attention_mask, attention_mask), 0.0, FORBIDDEN)


@keras.saving.register_keras_serializable("tftransfer")
class SelfAttention(keras.layers.Layer):
    """Scaled dot-product self-attention with several heads (Vaswani et al., 2017).

    The projections are plain `Dense` layers on the full width, named `query`, `key`, `value` and `output`, so that
    low-rank updates and Hugging Face tensors fit them as they are; additions may put others in their places. Other
    kinds of attention are subclasses that override `scores` or `attend`.

    Args:
        config: TransformerConfig, or the dict of one. Heads, dropout, biases, rotation.
        layer: int. Which layer of the encoder it is in. Defaults to 0.
        additions: Additions, or the config of them. Defaults to None: nothing is added.

    Call arguments:
        hidden: float tensor `(batch, length, hidden)`.
        scope: dict. What `TransformerEncoder.scope` computes once for all layers: the attention mask and the entries
            of `needs`.
        training: bool. Whether dropout is active; a layer with nothing to train never drops.

    Returns:
        A float tensor `(batch, length, hidden)`.
    """

    # Entries of the scope without which `attend` cannot do; the encoder computes what any of its layers needs.
    needs: ClassVar[tuple[str, ...]] = ("bias",)

    def __init__(
        self,
        config: TransformerConfig | dict[str, Any],
        layer: int = 0,
        additions: Additions | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # the bias is float32 on purpose
        self.config = config = TransformerConfig.of(config)
        self.layer = layer
        self.additions = additions_of(additions)
        self.head_size = config.hidden_size // config.num_heads
        self.attention_dropout: Any = Dropout(config.attention_dropout, dtype=self.dtype_policy, name="dropout")

    def build(self, hidden_shape: tuple[Any, ...]) -> None:
        for name in ("query", "key", "value"):
            self._project(name, hidden_shape, self.config.attention_bias)
        self._project("output", hidden_shape, self.config.attention_output_bias)
        self.prefix = self.additions.prefix(self.path, self.config.num_heads, self.head_size, self.dtype_policy)
        if self.prefix is not None:
            self._check_prefix()
            self.prefix.build(hidden_shape)

    def _check_prefix(self) -> None:
        if "bias" not in self.needs:
            raise ConfigError(
                "strategy: expected a checkpoint whose tokens all see the whole text, such as a BERT; received one "
                f"with {type(self).__name__} (Longformer, BigBird and ModernBERT have such layers), which has no "
                "place for a prefix. Choose another strategy, such as prompt_tuning or lora."
            )

    def _project(self, name: str, hidden_shape: tuple[Any, ...], use_bias: bool) -> None:
        setattr(self, f"{name}_dense", projection(self, name, self.config.hidden_size, use_bias, hidden_shape))

    def call(self, hidden: Any, scope: dict[str, Any], training: bool | None = None) -> Any:
        training = dropout_is_active(self, training)
        query, key, value = (
            self.split(project(hidden)) for project in (self.query_dense, self.key_dense, self.value_dense)
        )
        if self.config.rotary:
            rotation, interleaved = scope[self.rotation], self.config.rotary.interleaved
            query, key = rotate(query, rotation, interleaved), rotate(key, rotation, interleaved)
            value = rotate(value, rotation, interleaved) if self.config.rotary.values else value
        return self.output_dense(self.merge(self.attend(hidden, query, key, value, scope, training)))

    @property
    def scale(self) -> float:
        """What queries are multiplied by before they meet keys."""
        return self.head_size**-0.5

    @property
    def rotation(self) -> str:
        """The entry of the scope with the angles of this layer."""
        return "local_rotation" if self.config.window(self.layer) else "rotation"

    def split(self, x: Any) -> Any:
        """Cuts states `(batch, length, hidden)` into heads `(batch, heads, length, head_size)`."""
        batch, length, _ = ops.shape(x)
        return ops.transpose(ops.reshape(x, (batch, length, self.config.num_heads, self.head_size)), (0, 2, 1, 3))

    def merge(self, x: Any) -> Any:
        """Puts heads `(batch, heads, length, head_size)` together to states `(batch, length, hidden)`."""
        batch, _, length, _ = ops.shape(x)
        return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (batch, length, self.config.hidden_size))

    def attend(self, hidden: Any, query: Any, key: Any, value: Any, scope: dict[str, Any], training: bool) -> Any:
        """Returns what each token takes from the others, `(batch, heads, length, head_size)`."""
        scores, bias = self.scores(query, key, scope, training), scope["bias"]
        if self.prefix is not None:
            scores, bias, value = self.prefix(query * self.scale, scores, bias, value)
        probabilities = softmax(scores, bias)
        return ops.matmul(self.attention_dropout(probabilities, training=training), value)

    def scores(self, query: Any, key: Any, scope: dict[str, Any], training: bool) -> Any:
        """Returns how much each query asks of each key, `(batch, heads, length, length)`."""
        # Scaling the query is cheaper than scaling the scores, which are length / head_size times larger.
        return ops.matmul(query * self.scale, ops.transpose(key, (0, 1, 3, 2)))

    def compute_output_shape(self, hidden_shape: tuple[int | None, ...], *other: Any) -> tuple[int | None, ...]:
        return hidden_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "config": self.config.to_dict(), "layer": self.layer} | additions_config(
            self.additions
        )
