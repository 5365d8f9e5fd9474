"""What padding is to be expected, by simulation."""

import numpy as np

from tftransfer.data.batches import BatchPlan, round_up
from tftransfer.data.packing import packed_shape

__all__ = ["expected_padding"]

_BATCHES = 2000
"""The most batches that are looked at; more change nothing that one would see."""


def expected_padding(
    lengths: np.ndarray, batch_size: int, *, max_length: int, seed: int = 0, tokens: int | None = None
) -> dict[str, float]:
    """Returns the expected share of computed positions that are padding, for each `training.batching`.

    Args:
        lengths: int array `(examples,)`, or `(examples, rows of an example)`. Tokens of each row, none of them longer
            than `max_length`.
        batch_size: int. Examples a batch.
        max_length: int. No batch is padded beyond it.
        seed: int. Of the order. Defaults to 0.
        tokens: int or None. The most tokens a batch, in place of `batch_size`. Defaults to None.

    Returns:
        A dict of "padded", "length_grouped" and "packed" to a number from 0 to 1.
    """
    rows = lengths.reshape(len(lengths), -1)

    def padding(grouped: bool, packed: bool) -> float:
        plan = BatchPlan(len(rows), batch_size, seed, rows.sum(axis=1), grouped, tokens)
        batches = [rows[units].ravel() for units in plan.epoch(0)[:_BATCHES]]
        computed = sum(np.prod(packed_shape(b)) if packed else len(b) * _padded_length(b, max_length) for b in batches)
        return 1 - float(sum(int(batch.sum()) for batch in batches) / computed)

    return {
        "padded": padding(grouped=False, packed=False),
        "length_grouped": padding(grouped=True, packed=False),
        "packed": padding(grouped=False, packed=True),
    }


def _padded_length(lengths: np.ndarray, max_length: int) -> int:
    longest = int(lengths.max())
    return max(longest, min(round_up(longest), max_length))
