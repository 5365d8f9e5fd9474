"""The initial values of a Transformer's matrices, which can be left out where a checkpoint is about to replace them."""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import keras

__all__ = ["TruncatedNormal", "zeros_instead"]

_zeros = contextvars.ContextVar("zeros", default=False)


@keras.saving.register_keras_serializable("tftransfer")
class TruncatedNormal(keras.initializers.TruncatedNormal):
    """Keras's own; inside `zeros_instead` it gives zeros.

    Drawing random numbers takes three times the memory of the table, which TensorFlow does not give back, and most of
    the time of loading a checkpoint.
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return keras.ops.zeros(shape, dtype) if _zeros.get() else super().__call__(shape, dtype)


@contextlib.contextmanager
def zeros_instead() -> Iterator[None]:
    """Within it `TruncatedNormal` gives zeros. What no tensor replaces afterwards has to be drawn by the caller."""
    token = _zeros.set(True)
    try:
        yield
    finally:
        _zeros.reset(token)
