"""Datasets of encoded examples: what comes out, in which order."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from tftransfer.data.batches import BatchPlan
from tftransfer.data.pipeline import EncodedExamples


@dataclasses.dataclass(frozen=True)
class Rows:
    """Token rows made from lists."""

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    offsets: np.ndarray
    examples: np.ndarray
    truncated: np.ndarray
    starts: None = None
    ends: None = None
    texts: None = None
    word_starts: None = None


def encoded(examples: int, weights: bool = False, targets: bool = True) -> EncodedExamples:
    """Returns examples whose first token, target and weight tell their number; row n has n % 11 + 1 tokens."""
    lengths = np.arange(examples) % 11 + 1
    ids = np.repeat(np.arange(examples, dtype="int32") + 1, lengths)
    numbers = np.arange(examples)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    rows = Rows(ids, np.zeros_like(ids), ends, numbers, numbers < 0)
    return EncodedExamples(
        rows,
        pad_token_id=0,
        max_length=16,
        targets=numbers.astype("int32") if targets else None,
        weights=numbers.astype("float32") / 2 if weights else None,
    )


def numbers_of(batch: tuple[Any, ...]) -> list[int]:
    return (batch[0]["input_ids"][:, 0] - 1).tolist()


def test_training_follows_the_plan_over_all_epochs() -> None:
    plan = BatchPlan(13, 4, seed=5)
    batches = list(encoded(13, weights=True).training_dataset(plan, epochs=3).as_numpy_iterator())
    assert [numbers_of(batch) for batch in batches] == [rows.tolist() for rows in plan.batches(3)]
    for epoch in range(3):
        seen = [number for batch in batches[4 * epoch : 4 * epoch + 4] for number in numbers_of(batch)]
        assert sorted(seen) == list(range(13))
    for batch in batches:  # targets and weights stay with their rows
        assert batch[1].tolist() == numbers_of(batch)
        assert batch[2].tolist() == [number / 2 for number in numbers_of(batch)]


def test_a_second_iteration_sees_the_same_batches() -> None:
    dataset = encoded(9).training_dataset(BatchPlan(9, 2, seed=1), epochs=2)
    first, second = ([numbers_of(batch) for batch in dataset.as_numpy_iterator()] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("batch_size", [1, 4, 13, 20])
def test_evaluation_keeps_the_order(batch_size: int) -> None:
    batches = list(encoded(13).evaluation_dataset(batch_size).as_numpy_iterator())
    assert [number for batch in batches for number in numbers_of(batch)] == list(range(13))
    assert {len(numbers_of(batch)) for batch in batches[:-1]} <= {batch_size}


def test_cardinality_is_known() -> None:
    assert int(encoded(13).training_dataset(BatchPlan(13, 4), epochs=3).cardinality()) == 12
    assert int(encoded(13).evaluation_dataset(4).cardinality()) == 4


def test_shapes_and_types() -> None:
    batches = list(encoded(13).evaluation_dataset(4).as_numpy_iterator())
    # Rows of 1 to 4, 5 to 8, 9 to 11 and again 1, and 2 tokens.
    assert [batch[0]["input_ids"].shape for batch in batches] == [(4, 8), (4, 8), (4, 16), (1, 8)]
    for inputs, targets, weights in batches:
        assert {array.dtype for array in inputs.values()} == {np.dtype("int32")}
        assert set(inputs) == {"input_ids", "attention_mask", "token_type_ids"}
        assert (targets.dtype, weights.dtype) == (np.dtype("int32"), np.dtype("float32"))
        assert weights.tolist() == [1.0] * len(targets)


def test_without_targets_there_are_inputs_alone() -> None:
    batches = list(encoded(5, targets=False).evaluation_dataset(2).as_numpy_iterator())
    assert [len(batch) for batch in batches] == [1, 1, 1]


def test_targets_may_be_arrays() -> None:
    examples = dataclasses.replace(encoded(4), targets=np.arange(8, dtype="float32").reshape(4, 2))
    batches = list(examples.evaluation_dataset(3).as_numpy_iterator())
    assert [batch[1].tolist() for batch in batches] == [[[0, 1], [2, 3], [4, 5]], [[6, 7]]]


def test_the_length_of_the_examples() -> None:
    assert len(encoded(13)) == 13
    assert len(encoded(1)) == 1
