"""Which examples form which batch: a pure function of seed, epoch and step."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np

__all__ = ["BatchPlan", "TokenRows", "pad"]


class TokenRows(Protocol):
    """Tokenized rows of different lengths, end to end; row i is `offsets[i]:offsets[i + 1]`.

    `truncated` tells of each row whether its text was longer.
    """

    @property
    def input_ids(self) -> np.ndarray: ...

    @property
    def token_type_ids(self) -> np.ndarray: ...

    @property
    def offsets(self) -> np.ndarray: ...

    @property
    def truncated(self) -> np.ndarray: ...


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


def pad(tokens: TokenRows, rows: np.ndarray, pad_token_id: int, max_length: int, multiple: int = 8) -> dict:
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
    shape = (len(rows), length)
    batch = {
        "input_ids": np.full(shape, pad_token_id, "int32"),
        "attention_mask": np.zeros(shape, "int32"),
        "token_type_ids": np.zeros(shape, "int32"),
    }
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        batch["input_ids"][row, : end - start] = tokens.input_ids[start:end]
        batch["token_type_ids"][row, : end - start] = tokens.token_type_ids[start:end]
        batch["attention_mask"][row, : end - start] = 1
    return batch
