"""Which examples form which batch: a pure function of seed, epoch and step."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from tftransfer.token_rows import IGNORED, TokenRows, token_weights

__all__ = ["BatchPlan", "pad", "pad_targets"]


@dataclasses.dataclass(frozen=True)
class BatchPlan:
    """The order of examples in training.

    Nothing but these numbers decides it, so a resumed run, and a run on other devices, sees the same batches.

    Args:
        examples: int. How many there are.
        batch_size: int. Examples a step, over all replicas; the last step of an epoch takes what is left.
        seed: int. Any. Defaults to 0.
    """

    examples: int
    batch_size: int
    seed: int = 0

    @property
    def steps_per_epoch(self) -> int:
        """Batches an epoch."""
        return math.ceil(self.examples / self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Returns the examples of an epoch in their order, int64 `(examples,)`."""
        # A seed sequence mixes the two numbers, so that neighbouring seeds share no epoch.
        return np.random.default_rng([self.seed, epoch]).permutation(self.examples)

    def rows(self, epoch: int, step: int) -> np.ndarray:
        """Returns the examples of one step of an epoch; both count from 0."""
        return self.order(epoch)[step * self.batch_size : (step + 1) * self.batch_size]

    def batches(self, epochs: int) -> Iterator[np.ndarray]:
        """Yields the examples of every step of `epochs` epochs."""
        for epoch in range(epochs):
            order = self.order(epoch)
            for start in range(0, self.examples, self.batch_size):
                yield order[start : start + self.batch_size]

    def random(self, number: int) -> np.random.Generator:
        """Returns the generator for what is drawn anew in each batch, such as masked words.

        Args:
            number: int. Of the batch, counted from 0 over all epochs.
        """
        # Three numbers, so that it shares nothing with the order of an epoch.
        return np.random.default_rng([self.seed, number, 1])


def pad(
    tokens: TokenRows,
    rows: np.ndarray,
    pad_token_id: int,
    max_length: int,
    multiple: int = 8,
) -> dict[str, np.ndarray]:
    """Returns one batch: int32 `input_ids`, `attention_mask` and `token_type_ids` `(rows, length)`.

    Args:
        tokens: TokenRows. All examples.
        rows: int array. Which of them.
        pad_token_id: int. Fills up `input_ids`.
        max_length: int. No batch is padded beyond it.
        multiple: int. The longest row is rounded up to a multiple of it, so that few lengths occur. Defaults to 8.
    """
    starts, ends = tokens.offsets[rows], tokens.offsets[rows + 1]
    longest = int((ends - starts).max())
    length = max(longest, min(math.ceil(longest / multiple) * multiple, max_length))
    return {
        "input_ids": _filled(tokens.input_ids, starts, ends, length, pad_token_id),
        "attention_mask": (np.arange(length) < (ends - starts)[:, None]).astype("int32"),
        "token_type_ids": _filled(tokens.token_type_ids, starts, ends, length, 0),
    }


def pad_targets(targets: np.ndarray, tokens: TokenRows, rows: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the targets of a batch's tokens and their weights.

    Args:
        targets: int array `(tokens,)`, end to end.
        tokens: TokenRows. All examples.
        rows: int array. Which of them.
        length: int. Of the padded rows.

    Returns:
        Targets int32 `(rows, length)` with `IGNORED` in padding, and their `token_weights`.
    """
    padded = _filled(targets, tokens.offsets[rows], tokens.offsets[rows + 1], length, IGNORED)
    return padded, token_weights(padded)


def _filled(values: np.ndarray, starts: np.ndarray, ends: np.ndarray, length: int, fill: int) -> np.ndarray:
    """Returns slices of a flat array as the rows of an int32 one `(rows, length)`."""
    filled = np.full((len(starts), length), fill, "int32")
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        filled[row, : end - start] = values[start:end]
    return filled
