"""The numbers that describe one Transformer, whatever its family."""

import dataclasses
from typing import Annotated

import pydantic

__all__ = ["TransformerConfig"]

# Strict, for `"32"` or `true` in a config.json is a mistake, not a number.
_Count = Annotated[int, pydantic.Field(gt=0, strict=True)]
_Rate = Annotated[float, pydantic.Field(ge=0, le=1, strict=True)]
_Constant = Annotated[float, pydantic.Field(ge=0, strict=True, allow_inf_nan=False)]


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """Sizes and constants of a Transformer, read from a checkpoint's `config.json` by its family.

    Args:
        vocab_size: int. Rows of the word-embedding table.
        hidden_size: int. Width of the hidden states.
        num_layers: int. Number of Transformer layers.
        num_heads: int. Attention heads a layer; divides `hidden_size`.
        intermediate_size: int. Inner width of the feed-forward block.
        activation: str. Name in `layers.activation.ACTIVATIONS`.
        layer_norm_epsilon: float. Added to the variance in every layer normalisation.
        max_positions: int. Rows of the position table: the longest sequence, in tokens.
        type_vocab_size: int. Rows of the token-type table.
        hidden_dropout: float. Dropout rate of embeddings and of each block's output.
        attention_dropout: float. Dropout rate of attention probabilities.
        classifier_dropout: float. Dropout rate that the checkpoint asks of a head.
        initializer_range: float. Standard deviation of freshly made kernels.
        pad_token_id: int or None. Id of the padding token, if there is one.
    """

    vocab_size: _Count
    hidden_size: _Count
    num_layers: _Count
    num_heads: _Count
    intermediate_size: _Count
    activation: str
    layer_norm_epsilon: _Constant
    max_positions: _Count
    type_vocab_size: _Count
    hidden_dropout: _Rate
    attention_dropout: _Rate
    classifier_dropout: _Rate
    initializer_range: _Constant
    pad_token_id: int | None
