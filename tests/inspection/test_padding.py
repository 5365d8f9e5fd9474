"""Expected padding: what real batches have, and rows packed one by one."""

import numpy as np
import pytest

from tftransfer.data.batches import BatchPlan, pad
from tftransfer.inspection.expected_padding import expected_padding, packed_rows
from tftransfer.tokenizers import Encoded

LENGTHS = np.random.default_rng(0).integers(2, 51, 1003)


def tokens(lengths: np.ndarray) -> Encoded:
    total, rows = np.zeros(lengths.sum(), np.int32), len(lengths)
    return Encoded(total, total, np.append(0, np.cumsum(lengths)), np.zeros(rows, bool), np.arange(rows))


@pytest.mark.parametrize("unit", [1, 3])
def test_shuffled_batches_have_the_padding_of_real_ones(unit: int) -> None:
    lengths = LENGTHS[: len(LENGTHS) // unit * unit].reshape(-1, unit)
    found = expected_padding(lengths, 16, max_length=50, seed=4)
    positions = 0
    for units in BatchPlan(len(lengths), 16, 4).batches(1):
        rows = (units[:, None] * unit + np.arange(unit)).ravel()
        positions += pad(tokens(lengths.ravel()), rows, 0, 50)["input_ids"].size
    assert found["shuffled"] == pytest.approx(1 - lengths.sum() / positions)
    assert found["packed"] < found["grouped by length"] < found["shuffled"]


def test_grouped_batches_hold_texts_of_a_length() -> None:
    # Two lengths that are whole blocks of positions: sorted, no batch but the one between them has both.
    lengths = np.repeat([8, 64], 160)
    assert expected_padding(lengths, 32, max_length=64)["grouped by length"] == 0
    assert expected_padding(lengths, 32, max_length=64)["shuffled"] == pytest.approx(1 - 36 / 64, abs=1e-6)


def one_by_one(lengths: np.ndarray, room: int) -> int:
    """Returns how many rows there are when each text, the longest first, goes where the least room is left."""
    free: list[int] = []
    for length in sorted(lengths.tolist(), reverse=True):
        fitting = [i for i in range(len(free)) if free[i] >= length]
        if fitting:
            best = min(fitting, key=lambda i: free[i])
            free[best] -= length
        else:
            free.append(room - length)
    return len(free)


@pytest.mark.parametrize("room", [50, 64, 101])
def test_packing_a_histogram_is_packing_one_by_one(room: int) -> None:
    assert packed_rows(LENGTHS, room) == one_by_one(LENGTHS, room)
    assert packed_rows(np.array([room, room, 1]), room) == 3
