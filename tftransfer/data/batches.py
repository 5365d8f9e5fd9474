"""Which examples form which batch: a pure function of seed, epoch and step."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from tftransfer.errors import ConfigError
from tftransfer.token_rows import IGNORED, TokenRows, token_weights

__all__ = ["BatchPlan", "pad", "pad_targets", "round_up"]

_WINDOW = 50
"""Batches that are sorted by length together: few enough that batches stay a mixture of all examples."""


@dataclasses.dataclass(frozen=True, eq=False)
class BatchPlan:
    """The order of examples in training, and where it is cut into batches.

    Nothing but these numbers decides it, so a resumed run, and a run on other devices, sees the same batches.

    Args:
        examples: int. How many there are.
        batch_size: int. Examples a step, over all replicas; the last step of an epoch takes what is left.
        seed: int. Any. Defaults to 0.
        lengths: int array `(examples,)`. Tokens of each; needed for `grouped` and `tokens`. Defaults to None.
        grouped: bool. Whether examples of about the same length form a batch: windows of 50 batches' examples are
            sorted, and the batches shuffled. Defaults to False.
        tokens: int or None. The most tokens a step, in place of `batch_size`; the steps of an epoch then take about
            equally many. Defaults to None.

    Raises:
        ConfigError: if `tokens` is less than three times the longest example.
    """

    examples: int
    batch_size: int
    seed: int = 0
    lengths: np.ndarray | None = None
    grouped: bool = False
    tokens: int | None = None

    def __post_init__(self) -> None:
        longest = 0 if self.lengths is None else int(self.lengths.max(initial=0))
        if self.tokens is not None and self.tokens < 3 * longest:
            raise ConfigError(
                f"batch_tokens: expected at least {3 * longest}, three times the longest example, so that every step "
                f"has some; received {self.tokens}. Raise it, or cut texts shorter with max_length."
            )

    @property
    def steps_per_epoch(self) -> int:
        """Batches an epoch, the same in every epoch."""
        if self.tokens is None:
            return math.ceil(self.examples / self.batch_size)
        # A step begins at its share of all tokens and ends within an example: it holds that share, and one example
        # less one token more at the most.
        share = self.tokens - int(self._lengths.max(initial=1)) + 1
        return math.ceil(int(self._lengths.sum()) / share)

    def epoch(self, epoch: int) -> list[np.ndarray]:
        """Returns the examples of every step of an epoch, int64 `(examples of the step,)` each; epochs count from 0."""
        # A seed sequence mixes the two numbers, so that neighbouring seeds share no epoch.
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(self.examples)
        if not self.grouped:
            return self._cut(order)
        rest = 0 if self.tokens is not None else self.examples % self.batch_size
        order, last = order[: self.examples - rest], order[self.examples - rest :]
        batches = self._cut(self._by_length(order))
        shuffled = [batches[n] for n in random.permutation(len(batches))]
        return [*shuffled, last] if rest else shuffled

    def rows(self, epoch: int, step: int) -> np.ndarray:
        """Returns the examples of one step of an epoch; both count from 0."""
        return self.epoch(epoch)[step]

    def batches(self, epochs: int) -> Iterator[np.ndarray]:
        """Yields the examples of every step of `epochs` epochs."""
        for epoch in range(epochs):
            yield from self.epoch(epoch)

    def random(self, number: int) -> np.random.Generator:
        """Returns the generator for what is drawn anew in each batch, such as masked words.

        Args:
            number: int. Of the batch, counted from 0 over all epochs.
        """
        # Three numbers, so that it shares nothing with the order of an epoch.
        return np.random.default_rng([self.seed, number, 1])

    @property
    def _lengths(self) -> np.ndarray:
        if self.lengths is None:
            raise ValueError("A plan by length needs the lengths of its examples. Received: lengths=None")
        return self.lengths

    def _by_length(self, order: np.ndarray) -> np.ndarray:
        size = self.batch_size
        if self.tokens is not None:
            size = max(self.examples // max(self.steps_per_epoch, 1), 1)
        windows = np.arange(len(order)) // (_WINDOW * size)
        return order[np.lexsort((self._lengths[order], windows))]

    def _cut(self, order: np.ndarray) -> list[np.ndarray]:
        if self.tokens is None:
            return np.split(order, range(self.batch_size, len(order), self.batch_size)) if len(order) else []
        lengths = self._lengths[order]
        steps = (np.cumsum(lengths) - lengths) * self.steps_per_epoch // lengths.sum()
        return np.split(order, np.searchsorted(steps, np.arange(1, self.steps_per_epoch)))


def round_up(length: int, coarse: bool = False) -> int:
    """Returns a length that is not less, one of few.

    Args:
        length: int.
        coarse: bool. Whether to round to one of 8, 16, 24, 32, 48, 64, 96, 128 and so on, two in each power of two, for
            compilers that compile each length anew; otherwise to a multiple of 8. Defaults to False.
    """
    multiple = 8
    while coarse and 4 * multiple < length:
        multiple *= 2
    return math.ceil(length / multiple) * multiple


def pad(
    tokens: TokenRows, rows: np.ndarray, pad_token_id: int, max_length: int, coarse: bool = False
) -> dict[str, np.ndarray]:
    """Returns one batch: int32 `input_ids`, `attention_mask` and `token_type_ids` `(rows, length)`.

    Args:
        tokens: TokenRows. All examples.
        rows: int array. Which of them.
        pad_token_id: int. Fills up `input_ids`.
        max_length: int. No batch is padded beyond it.
        coarse: bool. How the longest row is rounded up, so that few lengths occur; see `round_up`. Defaults to False.
    """
    starts, ends = tokens.offsets[rows], tokens.offsets[rows + 1]
    longest = int((ends - starts).max())
    length = max(longest, min(round_up(longest, coarse), max_length))
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
