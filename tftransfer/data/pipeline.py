"""Encoded examples as `tf.data` datasets of padded batches."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tftransfer.data.batches import BatchPlan, TokenRows, pad

__all__ = ["EncodedExamples"]


@dataclasses.dataclass(frozen=True)
class EncodedExamples:
    """Examples as numbers, ready for batches.

    Args:
        tokens: TokenRows. The texts.
        pad_token_id: int. Fills up short rows.
        max_length: int. Longest row, in tokens.
        targets: array or None. The answers as the task's loss takes them, `(examples, ...)`. Defaults to None.
        weights: float32 array or None. Weight of each example in the loss. Defaults to None: all 1.
    """

    tokens: TokenRows
    pad_token_id: int
    max_length: int
    targets: np.ndarray | None = None
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.tokens.offsets) - 1

    def training_dataset(self, plan: BatchPlan, epochs: int) -> Any:
        """Returns a `tf.data.Dataset` of (inputs, targets, weights) over all epochs, in the plan's order."""
        return self._dataset(lambda: plan.batches(epochs), plan.steps_per_epoch * epochs)

    def evaluation_dataset(self, batch_size: int) -> Any:
        """Returns a `tf.data.Dataset` of all examples in their order, with targets and weights if there are any."""
        rows = np.arange(len(self))
        steps = math.ceil(len(self) / batch_size)
        return self._dataset(lambda: iter([rows[n * batch_size : (n + 1) * batch_size] for n in range(steps)]), steps)

    def batch(self, rows: np.ndarray) -> tuple[Any, ...]:
        """Returns one batch as NumPy arrays: (inputs,) or (inputs, targets, weights)."""
        inputs = pad(self.tokens, rows, self.pad_token_id, self.max_length)
        if self.targets is None:
            return (inputs,)
        weights = np.ones(len(rows), "float32") if self.weights is None else self.weights[rows]
        return inputs, self.targets[rows], weights

    def _dataset(self, plan: Callable[[], Iterator[np.ndarray]], steps: int) -> Any:
        import tensorflow as tf  # here, so that reading files does not load it

        # Without strings and booleans, which a batch may not hold under tf.distribute.
        ids = tf.TensorSpec([None, None], tf.int32)
        signature: tuple[Any, ...] = (dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), ids),)
        if self.targets is not None:
            targets = tf.TensorSpec([None, *self.targets.shape[1:]], self.targets.dtype)
            signature = (*signature, targets, tf.TensorSpec([None], tf.float32))

        def generate() -> Iterator[tuple[Any, ...]]:
            return (self.batch(rows) for rows in plan())

        dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
        return dataset.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(tf.data.AUTOTUNE)
