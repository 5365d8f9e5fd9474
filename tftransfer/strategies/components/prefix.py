"""Learned keys and values before those of the text."""

import dataclasses
from typing import Any, ClassVar

import keras
from keras import ops

from tftransfer.additions import Additions

__all__ = ["Prefix", "Prefixes"]


@keras.saving.register_keras_serializable("tftransfer")
class Prefix(keras.layers.Layer):
    """Keys and values of its own for every head, which all tokens see.

    Args:
        num_heads: int.
        length: int. Keys a head.
        head_size: int. Width of a head.

    Call arguments:
        query: float tensor `(batch, heads, queries, head_size)`. Scaled.
        scores: float tensor `(batch, heads, queries, keys)`.
        bias: float32 tensor `(batch, 1 or heads, queries, keys)`. To be added to the scores.
        value: float tensor `(batch, heads, keys, head_size)`.

    Returns:
        A tuple of `scores`, `bias` and `value`, each with `length + keys` in place of `keys`.
    """

    def __init__(self, num_heads: int, length: int, head_size: int, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # the bias is float32 on purpose
        self.sizes = {"num_heads": num_heads, "length": length, "head_size": head_size}

    def build(self, *shapes: Any) -> None:
        normal = keras.initializers.RandomNormal(stddev=0.02)
        self.key, self.value = (
            self.add_weight(tuple(self.sizes.values()), normal, name=name) for name in ("key", "value")
        )

    def call(self, query: Any, scores: Any, bias: Any, value: Any) -> tuple[Any, Any, Any]:
        own_key, own_value = ops.cast(self.key, query.dtype), ops.cast(self.value, value.dtype)
        own_scores = ops.matmul(query, ops.transpose(own_key, (0, 2, 1)))
        own_value = ops.broadcast_to(own_value, (ops.shape(value)[0], *own_value.shape))
        return (
            ops.concatenate([own_scores, scores], axis=-1),
            ops.pad(bias, [[0, 0], [0, 0], [0, 0], [self.sizes["length"], 0]]),
            ops.concatenate([own_value, value], axis=2),
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.sizes}


@keras.saving.register_keras_serializable("tftransfer")
@dataclasses.dataclass(frozen=True)
class Prefixes(Additions):
    """A `Prefix` in every layer's attention.

    Args:
        length: int. Keys a layer.
    """

    pattern: ClassVar[str] = r"/attention/prefix/(key|value)$"

    length: int

    def prefix(self, path: str, num_heads: int, head_size: int, dtype: Any) -> Any:
        return Prefix(num_heads, self.length, head_size, dtype=dtype, name="prefix")
