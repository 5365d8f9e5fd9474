"""Stored tensors into variables, a block at a time, so that loading needs hardly more memory than the model."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from tftransfer.backbones.safetensors_files import StoredTensor

__all__ = ["assign"]

_BLOCK = 4 << 20  # bytes of float32


def assign(variable: Any, stored: StoredTensor, *, transposed: bool = False) -> None:
    """Gives a variable the values of a tensor as float32.

    `variable.assign` would hold the whole tensor twice more, as an array and as TensorFlow's copy of it, which keeps
    that memory; for the embeddings of a multilingual model that is most of the checkpoint.

    Args:
        variable: Keras variable.
        stored: StoredTensor, see `TensorFiles.get_slice`. Of the variable's shape.
        transposed: bool. Whether the variable is the transpose of the tensor. Defaults to False.
    """
    rows = _rows_of_a_block(stored)
    # A slice of a mirrored variable would be one of its first replica alone.
    if not stored.shape or rows >= stored.shape[0] or isinstance(variable.value, tf.distribute.DistributedValues):
        values = stored.read()
        variable.assign(np.asarray(values.T if transposed else values, "float32"))
        return
    for start in range(0, stored.shape[0], rows):
        part = stored.rows(start, min(start + rows, stored.shape[0]))
        block = np.asarray(part.read(), "float32")
        _assign_block(variable, block.T if transposed else block, start, axis=block.ndim - 1 if transposed else 0)


def _assign_block(variable: Any, block: np.ndarray, start: int, axis: int) -> None:
    # variable.value[start:stop].assign(...) reads the slice first, and while somebody reads it TensorFlow writes to a
    # copy of the whole variable.
    before, whole = [0] * axis, 2**axis - 1  # every axis before this one in full
    tf.raw_ops.ResourceStridedSliceAssign(
        ref=variable.value.handle,
        begin=[*before, start],
        end=[*before, start + block.shape[axis]],
        strides=[1] * (axis + 1),
        value=tf.cast(block, variable.value.dtype),
        begin_mask=whole,
        end_mask=whole,
    )


def _rows_of_a_block(stored: StoredTensor) -> int:
    row = 4 * math.prod(stored.shape[1:])
    return max(1, _BLOCK // max(1, row))
