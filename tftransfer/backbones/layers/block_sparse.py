"""Attention between blocks (BigBird: Zaheer et al., 2020, https://arxiv.org/abs/2007.14062)."""

import functools
import math
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tftransfer.backbones.layers.attention import SelfAttention, attention_bias
from tftransfer.backbones.layers.global_tokens import GlobalTokens
from tftransfer.backbones.layers.local_attention import block_attention, global_attention
from tftransfer.backbones.transformer import BlockSparse, TransformerConfig

__all__ = ["BlockSparseSelfAttention"]


@keras.saving.register_keras_serializable("tftransfer")
class BlockSparseSelfAttention(SelfAttention):
    """Attention of long rows to neighbouring blocks and to the first and the last one, which see everything.

    Rows of up to `5 + 2 * random_blocks` blocks are attended to in full, whatever texts they hold. In longer ones a
    token sees its own block and its neighbours, and the first and the last block of the row; the tokens of these two
    see the whole row. Such a row must hold a single text, for its blocks are counted from the row's start.

    The paper's random blocks are those of transformers at inference: all of them are the first block, which therefore
    counts `1 + random_blocks` times. So they are here in training too, where transformers draws blocks by a seed: a
    model is trained as it will answer.

    The arguments are those of `SelfAttention`; the scope holds the attention mask alone.
    """

    needs = ()

    def __init__(self, config: TransformerConfig | dict[str, Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        assert self.config.block_sparse is not None
        self.options: BlockSparse = self.config.block_sparse

    def attend(self, hidden: Any, query: Any, key: Any, value: Any, scope: dict[str, Any], training: bool) -> Any:
        mask, length = scope["attention_mask"], ops.shape(query)[2]
        full_attention = super().attend

        def full() -> Any:
            return full_attention(hidden, query, key, value, {"bias": attention_bias(mask)}, training)

        def sparse() -> Any:
            return self._attend_sparsely(query, key, value, mask, training)

        is_long = length > self.options.full_length
        if isinstance(is_long, bool):
            return sparse() if is_long else full()
        return tf.cond(is_long, sparse, full)

    def _attend_sparsely(self, query: Any, key: Any, value: Any, mask: Any, training: bool) -> Any:
        most = ops.max(mask)
        size, dropout = self.options.block_size, functools.partial(self.attention_dropout, training=training)
        tf.debugging.assert_less_equal(
            most,
            1,
            f"Expected one text a row: rows of over {self.options.full_length} tokens are attended to by blocks, which "
            "cannot keep several texts apart. Received a packed row: pack into shorter rows, or not at all.",
        )
        tokens, query = GlobalTokens.first_and_last(mask, size), query * self.scale
        bias = [math.log(1 + self.options.random_blocks)] * size + [0.0] * size
        near = block_attention(
            query, key, value, mask, size, dropout=dropout, global_tokens=tokens, global_bias=tf.constant(bias)
        )
        near = near + ops.cast(ops.where(most > 1, math.nan, 0.0), near.dtype)  # XLA leaves assertions out
        return tokens.put(near, global_attention(tokens.pick(query, 2), key, value, mask, tokens, dropout=dropout))
