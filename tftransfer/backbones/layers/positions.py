"""Where tokens stand in their sequences, and what attention is told of it."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tftransfer.backbones.initializers import TruncatedNormal

__all__ = ["RelativeBias", "default_position_ids", "distances", "rotate", "rotations"]


def default_position_ids(attention_mask: Any, counted: Any = None) -> Any:
    """Returns the positions of tokens in their sequences, from 0, int32 `(batch, length)`.

    The first sequence of a row counts from the row's start, as Hugging Face does whatever the padding; every further
    sequence of a packed row counts from its own first token. Padding is at 0: a packed row can be longer than the
    position table.

    Args:
        attention_mask: int tensor `(batch, length)`. 0 is padding, n is the n-th sequence of the row.
        counted: int tensor `(batch, length)`. 1 for tokens that count, 0 for those that do not. Defaults to None: every
            place of the row counts.
    """
    counted = ops.ones_like(attention_mask) if counted is None else counted
    before = ops.cumsum(counted, axis=1) - counted  # places that count before each one
    same_as_left = ops.equal(attention_mask[:, 1:], attention_mask[:, :-1])
    starts = ops.logical_and(ops.greater(attention_mask[:, 1:], 1), ops.logical_not(same_as_left))
    starts = ops.pad(ops.cast(starts, "int32"), [[0, 0], [1, 0]])
    # The stretches of a row from start to start, numbered through the batch; each holds one start at the most.
    batch, length = ops.shape(attention_mask)
    stretches = ops.cumsum(starts, axis=1) + ops.arange(batch, dtype="int32")[:, None] * length
    offsets = tf.math.unsorted_segment_sum(before * starts, stretches, batch * length)
    return ops.where(ops.greater(attention_mask, 0), before - ops.take(offsets, stretches), 0)


def distances(length: Any) -> Any:
    """Returns key position minus query position, int32 `(length, length)`; the same in every sequence of a row."""
    index = ops.arange(length, dtype="int32")
    return index[None, :] - index[:, None]


def rotations(position_ids: Any, head_size: int, theta: float) -> tuple[Any, Any]:
    """Returns cosines and sines of the angles by which queries and keys are turned, float32 `(batch, 1, length, half)`.

    Args:
        position_ids: int tensor `(batch, length)`.
        head_size: int. Width of an attention head; half as many angles.
        theta: float. Base of the wavelengths.
    """
    frequencies = [theta ** (-2.0 * n / head_size) for n in range(head_size // 2)]
    angles = ops.cast(position_ids, "float32")[:, None, :, None] * ops.convert_to_tensor(frequencies, "float32")
    return ops.cos(angles), ops.sin(angles)


def rotate(x: Any, rotation: tuple[Any, Any], interleaved: bool) -> Any:
    """Returns heads turned by their tokens' angles (Su et al., 2021, https://arxiv.org/abs/2104.09864).

    Args:
        x: float tensor `(batch, heads, length, head_size)`.
        rotation: see `rotations`.
        interleaved: bool. Whether numbers 2n and 2n + 1 are a pair, or n and n + half.
    """
    cosine, sine = rotation
    pairs = ops.cast(x, "float32")  # bfloat16 has too few digits for angles
    if interleaved:
        first, second = pairs[..., ::2], pairs[..., 1::2]
    else:
        first, second = ops.split(pairs, 2, axis=-1)
    turned = [first * cosine - second * sine, second * cosine + first * sine]
    merged = ops.reshape(ops.stack(turned, axis=-1), ops.shape(x)) if interleaved else ops.concatenate(turned, axis=-1)
    return ops.cast(merged, x.dtype)


@keras.saving.register_keras_serializable("tftransfer")
class RelativeBias(keras.layers.Layer):
    """A learned number a head for each distance between two tokens (T5: Raffel et al., 2020; MPNet: Song et al., 2020).

    Half of the buckets are for keys on the right. Of each half, the first half are single distances, and the others
    are logarithmically wide up to `max_distance`.

    Args:
        num_heads: int. Attention heads.
        buckets: int. Rows of the table. Defaults to 32.
        max_distance: int. Distance from which all share the last bucket. Defaults to 128.
        initializer_range: float. Standard deviation of the table. Defaults to 0.02.

    Call arguments:
        attention_mask: int tensor `(batch, length)`. Only its length counts.

    Returns:
        A float32 tensor `(1, heads, length, length)`, to be added to attention scores.
    """

    def __init__(
        self,
        num_heads: int,
        buckets: int = 32,
        max_distance: int = 128,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.num_heads = num_heads
        self.buckets = buckets
        self.max_distance = max_distance
        self.initializer_range = initializer_range

    def build(self, *shapes: Any) -> None:
        self.embeddings = self.add_weight(
            (self.buckets, self.num_heads),
            initializer=TruncatedNormal(stddev=self.initializer_range),
            name="embeddings",
        )

    def _buckets_of_distances(self) -> np.ndarray:
        """Returns the bucket of each distance from 0 to `max_distance`, on one side."""
        exact = self.buckets // 4
        apart = np.arange(self.max_distance + 1, dtype="float32")
        wide = np.log(np.maximum(apart, 1) / exact) / np.float32(math.log(self.max_distance / exact))
        far = exact + (wide * (self.buckets // 2 - exact)).astype("int32")
        return np.where(apart < exact, apart, np.minimum(far, self.buckets // 2 - 1)).astype("int32")

    def call(self, attention_mask: Any) -> Any:
        apart = distances(ops.shape(attention_mask)[1])
        # From a table, so that no rounding of a logarithm decides.
        bucket = ops.take(self._buckets_of_distances(), ops.minimum(ops.abs(apart), self.max_distance))
        rows = bucket + ops.where(apart > 0, self.buckets // 2, 0)
        return ops.transpose(ops.take(self.embeddings, rows, axis=0), (2, 0, 1))[None]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "buckets": self.buckets,
            "max_distance": self.max_distance,
            "initializer_range": self.initializer_range,
        }
