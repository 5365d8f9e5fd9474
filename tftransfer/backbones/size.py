"""How many parameters a Transformer has, from its config alone and without TensorFlow."""

import dataclasses
import math
from collections.abc import Iterator

from tftransfer.backbones.transformer import TransformerConfig

__all__ = ["Parameters", "parameters", "shapes"]

_Shape = tuple[int, ...]
_Named = Iterator[tuple[str, _Shape]]


@dataclasses.dataclass(frozen=True)
class Parameters:
    """How many numbers are in the variables of a backbone.

    Args:
        embeddings: int. In the tables, and what is done with their sum.
        encoder: int. In the layers.
        pooler: int. In the pooler, 0 without one.
    """

    embeddings: int
    encoder: int
    pooler: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.embeddings + self.encoder + self.pooler


def parameters(config: TransformerConfig, pooler: bool = True) -> Parameters:
    """Returns how many parameters a backbone has.

    Args:
        config: TransformerConfig.
        pooler: bool. Whether it has a pooler. Defaults to True.
    """
    counts = {"embeddings": 0, "encoder": 0, "pooler": 0}
    for path, shape in shapes(config, pooler).items():
        counts[path.partition("/")[0]] += math.prod(shape)
    return Parameters(**counts)


def shapes(config: TransformerConfig, pooler: bool = True) -> dict[str, _Shape]:
    """Returns path -> shape of every variable that `Backbone.assemble` makes.

    Args:
        config: TransformerConfig.
        pooler: bool. Whether there is a pooler. Defaults to True.
    """
    found = {f"embeddings/{path}": shape for path, shape in _embeddings(config)}
    for n in range(config.num_groups or config.num_layers):
        found |= {f"encoder/layer_{n}/{path}": shape for path, shape in _layer(config, n)}
    found |= {f"encoder/{path}": shape for path, shape in _shared(config)}
    if pooler:
        found |= {f"pooler/{path}": shape for path, shape in _dense("dense", config.hidden_size, config.hidden_size)}
    return found


def _dense(name: str, inputs: int, outputs: int, bias: bool = True) -> _Named:
    yield f"{name}/kernel", (inputs, outputs)
    if bias:
        yield f"{name}/bias", (outputs,)


def _norm(name: str, width: int, bias: bool) -> _Named:
    yield f"{name}/gamma", (width,)
    if bias:
        yield f"{name}/beta", (width,)


def _embeddings(config: TransformerConfig) -> _Named:
    width = config.embedding_width
    rows = {
        "word_embeddings": config.vocab_size,
        "position_embeddings": config.max_positions if config.learned_positions else 0,
        "token_type_embeddings": config.type_vocab_size,
        "task_type_embeddings": config.task_type_vocab_size,
    }
    for name, count in rows.items():
        if count:
            yield f"{name}/embeddings", (count, width)
    yield from _norm("layer_norm", width, config.norm_bias)
    if config.embedding_size is not None:
        yield from _dense("projection", width, config.hidden_size)


def _layer(config: TransformerConfig, layer: int) -> _Named:
    hidden, inner = config.hidden_size, config.intermediate_size
    for name in _projections(config):
        has_bias = config.attention_output_bias if name == "output" else config.attention_bias
        yield from _dense(f"attention/{name}", hidden, hidden, has_bias or name.startswith("position_"))
    # A pre-norm encoder's first layer has none; see `TransformerLayer`.
    if config.norm == "post" or layer > 0:
        yield from _norm("attention_norm", hidden, config.norm_bias)
    for name in ("gate", "intermediate") if config.gated else ("intermediate",):
        yield from _dense(name, hidden, inner, config.feed_forward_bias)
    yield from _dense("output", inner, hidden, config.feed_forward_bias)
    yield from _norm("output_norm", hidden, config.norm_bias)


def _projections(config: TransformerConfig) -> Iterator[str]:
    yield from ("query", "key", "value", "output")
    if config.global_attention:
        yield from ("query_global", "key_global", "value_global")
    relative = config.disentangled
    if relative and not relative.shared_projections:
        yield from ["position_key"] * relative.content_to_position + ["position_query"] * relative.position_to_content


def _shared(config: TransformerConfig) -> _Named:
    """What stands beside the layers."""
    hidden = config.hidden_size
    if config.norm == "pre":
        yield from _norm("final_norm", hidden, config.norm_bias)
    if config.relative_bias:
        yield "relative_bias/embeddings", (config.relative_bias.buckets, config.num_heads)
    if config.disentangled:
        yield "relative_positions/embeddings", (2 * config.disentangled.span, hidden)
        if config.disentangled.normalized:
            yield from _norm("relative_positions/layer_norm", hidden, config.norm_bias)
    if config.convolution:
        yield "convolution/kernel", (config.convolution[0], hidden, hidden)
        yield "convolution/bias", (hidden,)
        yield from _norm("convolution/layer_norm", hidden, config.norm_bias)
