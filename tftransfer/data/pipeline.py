"""Encoded examples as `tf.data` datasets of padded batches."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tftransfer.data.batches import BatchPlan, pad, pad_targets
from tftransfer.data.packing import pack
from tftransfer.token_rows import TokenRows

__all__ = ["STATES", "EncodedExamples"]

STATES = "states"
"""The input of a batch that brings along what the lower layers of a network make of its texts."""

_UNSEEN = 0
"""Seed of what is drawn for evaluation: the same in every run, so that runs compare."""


@dataclasses.dataclass(frozen=True)
class EncodedExamples:
    """Examples as numbers, ready for batches.

    A long text may have several rows of tokens, and an example several texts. What a batch is made of, and what `len`
    counts, are units: single rows, or the rows of an example that belong together.

    Args:
        tokens: TokenRows. The texts.
        pad_token_id: int. Fills up short rows.
        max_length: int. Longest row, in tokens.
        targets: array or None. The answers as the task's loss takes them, `(rows, ...)`, or `(tokens,)` end to end if
            `per_token`. Defaults to None.
        weights: float32 array or None. Weight of each row in the loss. Defaults to None: all 1.
        per_token: bool. Whether targets are of tokens. Defaults to False.
        unit: int. Rows a unit. Defaults to 1.
        rewrite: callable or None. From (inputs, row numbers, random generator) to (inputs, targets, weights), and from
            (inputs, row numbers, None) to (inputs,) where those are all that is wanted: makes a batch into another one
            each time. Defaults to None.
        extra: dict of name -> callable. More inputs of a batch, each from (row numbers, length of the padded rows) to
            an array `(rows, length, ...)`. Defaults to {}.
        packed: sequence of int. If rows are to be packed, several sequences each: the parts that a batch will be cut
            into; see `tftransfer.data.packing.pack`. Defaults to (): rows are padded, one sequence each.
        coarse: bool. Whether few shapes of batches are to occur, for XLA compiles each one. Defaults to False.
    """

    tokens: TokenRows
    pad_token_id: int
    max_length: int
    targets: np.ndarray | None = None
    weights: np.ndarray | None = None
    per_token: bool = False
    unit: int = 1
    rewrite: Callable[..., tuple[Any, ...]] | None = None
    extra: Mapping[str, Callable[[np.ndarray, int], np.ndarray]] = dataclasses.field(default_factory=dict)
    packed: Sequence[int] = ()
    coarse: bool = False

    def __len__(self) -> int:
        return (len(self.tokens.offsets) - 1) // self.unit

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each unit, all its rows together, int64 `(units,)`."""
        return np.diff(self.tokens.offsets).reshape(-1, self.unit).sum(axis=1)

    def examples_of(self, units: np.ndarray) -> list[int]:
        """Returns the numbers of the examples that units are of, each once."""
        texts = self.tokens.examples[units * self.unit] // self.unit
        return list(dict.fromkeys(texts.tolist()))

    def training_dataset(self, plan: BatchPlan, epochs: int) -> Any:
        """Returns a `tf.data.Dataset` of (inputs, targets, weights) over all epochs, in the plan's order."""

        def batches() -> Iterator[tuple[Any, ...]]:
            for number, units in enumerate(plan.batches(epochs)):
                yield self.batch(units, plan.random(number))

        return self._dataset(batches, plan.steps_per_epoch * epochs)

    def evaluation_dataset(self, batch_size: int) -> Any:
        """Returns a `tf.data.Dataset` of all examples in their order, with targets and weights if there are any."""
        steps = math.ceil(len(self) / batch_size)
        plan = BatchPlan(len(self), batch_size, _UNSEEN)

        def batches() -> Iterator[tuple[Any, ...]]:
            for number in range(steps):
                units = np.arange(number * batch_size, min((number + 1) * batch_size, len(self)))
                yield self.batch(units, plan.random(number))

        return self._dataset(batches, steps)

    def inputs_by_length(self, batch_size: int, most: int = 8) -> Iterator[tuple[np.ndarray, Any]]:
        """Yields all rows, the short ones together, as pairs of row numbers and a dataset of inputs of one length.

        Args:
            batch_size: int. Rows a batch.
            most: int. Batches a dataset. Defaults to 8.
        """
        import tensorflow as tf

        order = np.argsort(np.diff(self.tokens.offsets), kind="stable")
        for start in range(0, len(order), most * batch_size):
            rows = order[start : start + most * batch_size]
            yield rows, tf.data.Dataset.from_tensor_slices(self._inputs(rows)).batch(batch_size)

    def batch(self, units: np.ndarray, random: np.random.Generator | None = None) -> tuple[Any, ...]:
        """Returns one batch as NumPy arrays: (inputs,) or (inputs, targets, weights)."""
        inputs, *answers = self._padded(units, random)
        return (pack(inputs, self.packed, self.coarse) if self.packed else inputs), *answers

    def _padded(self, units: np.ndarray, random: np.random.Generator | None) -> tuple[Any, ...]:
        rows = (np.asarray(units)[:, None] * self.unit + np.arange(self.unit)).ravel()
        inputs = pad(self.tokens, rows, self.pad_token_id, self.max_length, self.coarse)
        length = inputs["input_ids"].shape[1]
        inputs |= {name: values(rows, length) for name, values in self.extra.items()}
        if self.rewrite is not None:
            return self.rewrite(inputs, rows, random or np.random.default_rng(_UNSEEN))
        if self.targets is None:
            return (inputs,)
        if self.per_token:
            return inputs, *pad_targets(self.targets, self.tokens, rows, length)
        weights = np.ones(len(rows), "float32") if self.weights is None else self.weights[rows]
        return inputs, self.targets[rows], weights

    def _inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        inputs = pad(self.tokens, rows, self.pad_token_id, self.max_length)
        return inputs if self.rewrite is None else self.rewrite(inputs, rows, None)[0]

    def _dataset(self, batches: Callable[[], Iterator[tuple[Any, ...]]], steps: int) -> Any:
        import tensorflow as tf  # here, so that reading files does not load it

        def spec(array: np.ndarray) -> Any:
            # Lengths differ from batch to batch, the length of a row's target does not.
            varies = 2 if array.ndim == 2 and (self.per_token or self.rewrite) else 1
            return tf.TensorSpec([None] * varies + list(array.shape[varies:]), array.dtype)

        inputs, *answers = self.batch(np.arange(min(1, len(self))))
        # Without strings and booleans, which a batch may not hold under tf.distribute.
        specs = {key: tf.TensorSpec([None, None, *array.shape[2:]], array.dtype) for key, array in inputs.items()}
        signature = (specs, *map(spec, answers))
        dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
        return dataset.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(tf.data.AUTOTUNE)
