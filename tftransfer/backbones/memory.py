"""What a step of training takes, from a Transformer's config alone and without TensorFlow."""

import dataclasses
import math
from collections.abc import Callable, Collection

from tftransfer.backbones.size import shapes
from tftransfer.backbones.transformer import TransformerConfig

__all__ = ["Memory", "memory"]

_FLOAT32 = 4
# How many tensors as wide as the feed-forward block an activation keeps for its gradient, its result included.
_KEPT_BY_ACTIVATION = {"relu": 1, "tanh": 1, "sigmoid": 1, "silu": 2, "swish": 2, "quick_gelu": 3, "gelu": 2}
_KEPT_BY_TANH_GELU = 5


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes that a step of training takes.

    Args:
        weights: int. The variables and, in mixed precision, their copies in bfloat16.
        gradients: int. One float32 number for each trained parameter.
        moments: int. The two of AdamW for each trained parameter.
        activations: int. What the layers keep for the backward pass, and the room in which one layer works.
    """

    weights: int
    gradients: int
    moments: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.moments + self.activations


def memory(
    config: TransformerConfig,
    batch_size: int,
    length: int,
    precision: str = "float32",
    *,
    pooler: bool = True,
    is_trained: Callable[[str], bool] = lambda path: True,
) -> Memory:
    """Returns an estimate of the memory that a step of training takes.

    Counted is what one of our layers really keeps for its backward pass: the inputs of its products, the sums and
    normalised states, what the activation function needs, attention's probabilities in float32 before and after
    dropout, and dropout's factors. Calibrated on CPU, with TensorFlow 2.21 (`tests/backbones/test_memory.py`): for
    BERTs of 384 x 6 and 768 x 4 with 512 to 4,096 tokens a batch, the sum is 0.93 to 1.06 of the peak of real steps,
    and with a frozen backbone 0.87 to 1.04; below 200 MB, 60 MB that are not accounted for make it 0.64.

    Not counted is what Python, TensorFlow and its graphs take, about 1 GB; the data; and the head, which is next to
    nothing for labels but several times batch_size x length x vocabulary x 4 bytes for words. The sum is of what is
    there at different times of a step: gradients are all there only when activations have gone.

    Args:
        config: TransformerConfig.
        batch_size: int. Rows of a batch on one device.
        length: int. Tokens a row, padding included.
        precision: "float32" or "mixed_bfloat16". Defaults to "float32".
        pooler: bool. Whether there is a pooler. Defaults to True.
        is_trained: callable. Whether the variable of a path is trained. Defaults to all of them.
    """
    narrow = 2 if precision == "mixed_bfloat16" else _FLOAT32
    sizes = {path: math.prod(shape) for path, shape in shapes(config, pooler).items()}
    trained = [path for path in sizes if is_trained(path)]
    moved = sum(sizes[path] for path in trained)
    tokens = batch_size * length
    attentions = [_attention(config, n, tokens, length, narrow) for n in range(config.num_layers)]
    feed_forward = _feed_forward(config, tokens, narrow)
    kept = [attention + feed_forward for attention in attentions[_lowest(config, trained) :]]
    if any(path.startswith("embeddings/") for path in trained):
        kept.append(tokens * _normalised(config.embedding_width, narrow))
    return Memory(
        weights=sum(sizes.values()) * (_FLOAT32 + (narrow if narrow < _FLOAT32 else 0)),
        gradients=moved * _FLOAT32,
        moments=moved * _FLOAT32 * 2,
        activations=sum(kept) + max(feed_forward, *attentions),  # the largest block is also being worked on
    )


def _lowest(config: TransformerConfig, trained: Collection[str]) -> int:
    """Returns the first layer through which gradients go."""
    if any(not path.startswith(("encoder/layer_", "encoder/final_norm/", "pooler/")) for path in trained):
        return 0
    groups = {path.split("/")[1] for path in trained if path.startswith("encoder/layer_")}
    return next((n for n, group in enumerate(config.layer_order) if f"layer_{group}" in groups), config.num_layers)


def _normalised(width: int, narrow: int) -> int:
    """Returns the bytes a token of a sum that is dropped out and normalised: sum, gain, result, dropout's factors."""
    return width * (2 * _FLOAT32 + 2 * narrow)


def _attention(config: TransformerConfig, layer: int, tokens: int, length: int, narrow: int) -> int:
    """Returns the bytes that the attention of a layer keeps for its backward pass, with the sum behind it."""
    keys, copies = _seen(config, layer, length)
    query_key_value_result = config.hidden_size * narrow * (2 + 2 * copies + 3 * config.global_attention)
    # What is multiplied with the values, unless that is the float32 tensor itself, and dropout's factors.
    dropped = narrow * (bool(config.attention_dropout) + (config.attention_dropout > 0 or narrow < _FLOAT32))
    probabilities = config.num_heads * keys * (_FLOAT32 + dropped)
    return round(tokens * (query_key_value_result + probabilities + _normalised(config.hidden_size, narrow)))


def _feed_forward(config: TransformerConfig, tokens: int, narrow: int) -> int:
    """Returns the bytes that the feed-forward block of a layer keeps for its backward pass, with the sum behind it."""
    wide = _KEPT_BY_ACTIVATION.get(config.activation, _KEPT_BY_TANH_GELU) + 2 * config.gated
    return tokens * (config.intermediate_size * narrow * wide + _normalised(config.hidden_size, narrow))


def _seen(config: TransformerConfig, layer: int, length: int) -> tuple[int, float]:
    """Returns how many keys a query is compared with, and how many copies there are of each key."""
    if config.block_sparse:  # three neighbours, the first, the last, and random ones
        keys = min(length, config.block_sparse.block_size * (5 + config.block_sparse.random_blocks))
        return keys, max(1.0, keys / config.block_sparse.block_size) if keys < length else 1.0
    window = config.window(layer)
    if not window or length < 3 * window:
        return length, 1.0
    size = math.ceil(length / (length // window))  # as `Blocks.for_window` cuts a row
    return size + 2 * window, (size + 2 * window) / size
