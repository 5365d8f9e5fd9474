"""The numbers that describe one Transformer, whatever its family."""

import dataclasses
from typing import Annotated, Any, Literal

import pydantic

__all__ = ["BlockSparse", "Disentangled", "RelativeBias", "Rotary", "TransformerConfig"]

# Strict, for `"32"` or `true` in a config.json is a mistake, not a number.
_Count = Annotated[int, pydantic.Field(gt=0, strict=True)]
_Size = Annotated[int, pydantic.Field(ge=0, strict=True)]
_Rate = Annotated[float, pydantic.Field(ge=0, le=1, strict=True)]
_Constant = Annotated[float, pydantic.Field(ge=0, strict=True, allow_inf_nan=False)]
_Flag = Annotated[bool, pydantic.Field(strict=True)]


@dataclasses.dataclass(frozen=True)
class Rotary:
    """Rotary positions (Su et al., 2021).

    Args:
        theta: float. Base of the wavelengths. Defaults to 10,000.
        local_theta: float. The same for layers of local attention. Defaults to None: `theta`.
        interleaved: bool. Whether neighbouring numbers are rotated together (RoFormer), not the n-th of each half.
            Defaults to False.
        values: bool. Whether values are rotated too. Defaults to False.
    """

    theta: _Constant = 10_000.0
    local_theta: _Constant | None = None
    interleaved: _Flag = False
    values: _Flag = False


@dataclasses.dataclass(frozen=True)
class RelativeBias:
    """A learned bias for each distance between two tokens, in logarithmic buckets (Raffel et al., 2020).

    Args:
        buckets: int. Rows of the table, half of them for each direction. Defaults to 32.
        max_distance: int. Distance from which all share the last bucket. Defaults to 128.
    """

    buckets: _Count = 32
    max_distance: _Count = 128


@dataclasses.dataclass(frozen=True)
class Disentangled:
    """Attention between contents and relative positions (DeBERTa: He et al., 2021).

    Args:
        max_distance: int. Greatest distance that is told apart.
        buckets: int. Logarithmic buckets a direction; 0 for one a distance. Defaults to 0.
        content_to_position: bool. Whether a query's content meets the positions of keys. Defaults to True.
        position_to_content: bool. Whether a query's position meets the contents of keys. Defaults to True.
        shared_projections: bool. Whether positions go through the projections of contents. Defaults to False.
        normalized: bool. Whether the table of positions is normalised first. Defaults to False.
    """

    max_distance: _Count
    buckets: _Size = 0
    content_to_position: _Flag = True
    position_to_content: _Flag = True
    shared_projections: _Flag = False
    normalized: _Flag = False

    @property
    def span(self) -> int:
        """Rows of the table of positions a direction."""
        return self.buckets or self.max_distance


@dataclasses.dataclass(frozen=True)
class BlockSparse:
    """Attention to neighbouring blocks, the first and the last block, and random ones (BigBird: Zaheer et al., 2020).

    Args:
        block_size: int. Tokens a block.
        random_blocks: int. Random blocks that each block looks at.
    """

    block_size: _Count
    random_blocks: _Size

    @property
    def full_length(self) -> int:
        """The longest row whose tokens all see each other; blocks would save nothing."""
        return (5 + 2 * self.random_blocks) * self.block_size


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """Sizes and constants of a Transformer, read from a checkpoint's `config.json` by its family.

    The fields without a default describe BERT; each of the others is something that a later family does differently.

    Args:
        vocab_size: int. Rows of the word-embedding table.
        hidden_size: int. Width of the hidden states.
        num_layers: int. Number of Transformer layers.
        num_heads: int. Attention heads a layer; divides `hidden_size`.
        intermediate_size: int. Inner width of the feed-forward block.
        activation: str. Name in `layers.activation.ACTIVATIONS`.
        layer_norm_epsilon: float. Added to the variance in every layer normalisation.
        max_positions: int. Rows of the position table, or the longest sequence the model was made for, in tokens.
        type_vocab_size: int. Rows of the token-type table; 0 for none.
        hidden_dropout: float. Dropout rate of embeddings and of each block's output.
        attention_dropout: float. Dropout rate of attention probabilities.
        classifier_dropout: float. Dropout rate that the checkpoint asks of a head.
        initializer_range: float. Standard deviation of freshly made kernels.
        pad_token_id: int or None. Id of the padding token, if there is one.
        separator_token_id: int or None. Id of the token between a question and its context, where attention depends on
            it. Defaults to None.
        embedding_size: int. Width of the embedding tables, projected to `hidden_size` even where it is the same.
            Defaults to None: `hidden_size`, and no projection.
        learned_positions: bool. Whether there is a position table. Defaults to True.
        position_offset: int. Row of the first position. 0 counts from the row's start; otherwise tokens are counted,
            padding apart (RoBERTa). Defaults to 0.
        task_type_vocab_size: int. Rows of ERNIE's table of task types, of which the first is used. Defaults to 0: none.
        embedding_scale: float. What word embeddings are multiplied by. Defaults to 1.
        rotary: Rotary or None. Rotation of queries and keys by their positions. Defaults to None.
        relative_bias: RelativeBias or None. What distances add to attention scores. Defaults to None.
        disentangled: Disentangled or None. What attention knows of distances beside contents. Defaults to None.
        norm: "post" or "pre". Where layers normalise: after each residual sum, or before each block. Defaults to
            "post".
        norm_bias: bool. Whether normalisations have a bias. Defaults to True.
        gated: bool. Whether the feed-forward block is gated (Shazeer, 2020). Defaults to False.
        attention_bias: bool. Whether query, key and value have a bias. Defaults to True.
        attention_output_bias: bool. Whether attention's last projection has one. Defaults to True.
        feed_forward_bias: bool. Whether the feed-forward block has one. Defaults to True.
        num_groups: int. Layers that there really are; each serves for `num_layers / num_groups` in a row (ALBERT).
            Defaults to None: all differ.
        windows: sequence of int. For each layer, how far a token looks to either side; 0 is everywhere. Defaults to ():
            everywhere.
        global_attention: bool. Whether chosen tokens look everywhere with projections of their own (Longformer).
            Defaults to False.
        block_sparse: BlockSparse or None. Attention between blocks in long rows. Defaults to None.
        convolution: tuple of (kernel size, activation) or None. A convolution beside the first layer (DeBERTa-v2).
            Defaults to None.
    """

    vocab_size: _Count
    hidden_size: _Count
    num_layers: _Count
    num_heads: _Count
    intermediate_size: _Count
    activation: str
    layer_norm_epsilon: _Constant
    max_positions: _Count
    type_vocab_size: _Size
    hidden_dropout: _Rate
    attention_dropout: _Rate
    classifier_dropout: _Rate
    initializer_range: _Constant
    pad_token_id: int | None
    separator_token_id: int | None = None
    embedding_size: _Count | None = None
    learned_positions: _Flag = True
    position_offset: _Size = 0
    task_type_vocab_size: _Size = 0
    embedding_scale: _Constant = 1.0
    rotary: Rotary | None = None
    relative_bias: RelativeBias | None = None
    disentangled: Disentangled | None = None
    norm: Literal["post", "pre"] = "post"
    norm_bias: _Flag = True
    gated: _Flag = False
    attention_bias: _Flag = True
    attention_output_bias: _Flag = True
    feed_forward_bias: _Flag = True
    num_groups: _Count | None = None
    windows: tuple[_Size, ...] = ()
    global_attention: _Flag = False
    block_sparse: BlockSparse | None = None
    convolution: tuple[_Count, str] | None = None

    @property
    def max_length(self) -> int:
        """The longest sequence, in tokens."""
        return self.max_positions - self.position_offset

    @property
    def packed_length(self) -> int | None:
        """The longest row that may hold several texts, in tokens; None if any row may.

        Behind a learned prompt (`strategies.PromptTuning`) no row may: it would be that of the first text alone.
        """
        return self.block_sparse.full_length if self.block_sparse else None

    @property
    def layer_order(self) -> list[int]:
        """For each step through the encoder, which of its layers it goes through."""
        # As transformers rounds it where groups do not divide layers: 18 layers in 14 groups show the difference.
        steps = self.num_layers / (self.num_groups or self.num_layers)
        return [int(n / steps) for n in range(self.num_layers)]

    @property
    def head_size(self) -> int:
        """Width of an attention head."""
        return self.hidden_size // self.num_heads

    @property
    def embedding_width(self) -> int:
        """Width of the embedding tables."""
        return self.embedding_size or self.hidden_size

    def window(self, layer: int) -> int:
        """How far a token of this layer looks to either side; 0 is everywhere."""
        return self.windows[layer] if self.windows else 0

    @classmethod
    def of(cls, value: "TransformerConfig | dict[str, Any]") -> "TransformerConfig":
        """Returns the config of plain data, as `to_dict` gives it; a config is returned as it is."""
        return value if isinstance(value, cls) else pydantic.TypeAdapter(cls).validate_python(value)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data that JSON can hold."""
        return dataclasses.asdict(self)
