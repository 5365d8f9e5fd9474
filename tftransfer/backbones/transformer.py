"""The numbers that describe one Transformer, whatever its family."""

import dataclasses

__all__ = ["TransformerConfig"]


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
        pad_token_id: int. Id of the padding token.
    """

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    activation: str
    layer_norm_epsilon: float
    max_positions: int
    type_vocab_size: int
    hidden_dropout: float
    attention_dropout: float
    classifier_dropout: float
    initializer_range: float
    pad_token_id: int
