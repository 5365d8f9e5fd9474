"""Expected padding: what real batches have."""

import dataclasses

import numpy as np
import pytest

from tftransfer.data.batches import BatchPlan
from tftransfer.data.pipeline import EncodedExamples
from tftransfer.inspection.expected_padding import expected_padding
from tftransfer.tokenizers import Encoded

LENGTHS = np.random.default_rng(0).integers(2, 51, 1002)


def examples(unit: int) -> EncodedExamples:
    total, rows = np.zeros(LENGTHS.sum(), np.int32), len(LENGTHS)
    encoded = Encoded(total, total, np.append(0, np.cumsum(LENGTHS)), np.zeros(rows, bool), np.arange(rows))
    return EncodedExamples(encoded, 0, 50, unit=unit)


@pytest.mark.parametrize(("unit", "tokens"), [(1, None), (3, None), (1, 400)])
def test_it_is_the_padding_of_real_batches(unit: int, tokens: int | None) -> None:
    found = expected_padding(LENGTHS.reshape(-1, unit), 16, max_length=50, seed=4, tokens=tokens)
    padded = examples(unit)
    packed = dataclasses.replace(padded, packed=(1,))
    for batching, given, grouped in (
        ("padded", padded, False),
        ("length_grouped", padded, True),
        ("packed", packed, False),
    ):
        plan = BatchPlan(len(padded), 16, 4, padded.lengths, grouped, tokens)
        positions = sum(given.batch(units)[0]["input_ids"].size for units in plan.batches(1))
        assert found[batching] == pytest.approx(1 - LENGTHS.sum() / positions), batching
    assert found["length_grouped"] < found["padded"]
    assert found["packed"] < 0.06


def test_grouped_batches_hold_texts_of_a_length() -> None:
    # Two lengths that are whole blocks of positions: sorted, no batch but the one between them has both.
    lengths = np.repeat([8, 64], 160)
    assert expected_padding(lengths, 32, max_length=64)["length_grouped"] == 0
    assert expected_padding(lengths, 32, max_length=64)["padded"] == pytest.approx(1 - 36 / 64, abs=1e-6)
