"""Self-attention in a window, perhaps with global tokens (Beltagy et al., 2020, https://arxiv.org/abs/2004.05150)."""

import functools
from typing import Any, ClassVar

import keras

from tftransfer.backbones.layers.attention import SelfAttention
from tftransfer.backbones.layers.local_attention import global_attention, local_attention

__all__ = ["LocalSelfAttention", "LongformerSelfAttention"]


@keras.saving.register_keras_serializable("tftransfer")
class LocalSelfAttention(SelfAttention):
    """Self-attention to tokens at most a window away, at a cost linear in the length.

    The arguments are those of `SelfAttention`; the scope holds the attention mask alone.
    """

    needs: ClassVar[tuple[str, ...]] = ()

    def attend(self, hidden: Any, query: Any, key: Any, value: Any, scope: dict[str, Any], training: bool) -> Any:
        return local_attention(
            query * self.scale,
            key,
            value,
            scope["attention_mask"],
            self.config.window(self.layer),
            dropout=functools.partial(self.attention_dropout, training=training),
            global_tokens=scope.get("global_tokens"),
        )


@keras.saving.register_keras_serializable("tftransfer")
class LongformerSelfAttention(LocalSelfAttention):
    """Attention in a window, and global tokens, which see their whole sequence with projections of their own.

    The arguments are those of `SelfAttention`; the scope may hold `global_tokens`, see `GlobalTokens`.
    """

    needs = ("global_tokens",)

    def build(self, hidden_shape: tuple[Any, ...]) -> None:
        super().build(hidden_shape)
        for name in ("query_global", "key_global", "value_global"):
            self._project(name, hidden_shape, self.config.attention_bias)

    def attend(self, hidden: Any, query: Any, key: Any, value: Any, scope: dict[str, Any], training: bool) -> Any:
        near = super().attend(hidden, query, key, value, scope, training)
        tokens = scope.get("global_tokens")
        if tokens is None:
            return near
        far = global_attention(
            self.split(self.query_global_dense(tokens.pick(hidden))) * self.scale,
            self.split(self.key_global_dense(hidden)),
            self.split(self.value_global_dense(hidden)),
            scope["attention_mask"],
            tokens,
            dropout=functools.partial(self.attention_dropout, training=training),
        )
        return tokens.put(near, far)
