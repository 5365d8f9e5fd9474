"""The batch plan and padding, against plain Python."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tftransfer.data.batches import BatchPlan, pad


@dataclasses.dataclass(frozen=True)
class Rows:
    """Token rows made from lists."""

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    offsets: np.ndarray


def rows_of(lengths: list[int]) -> Rows:
    """Returns rows of distinct ids from 1; types alternate."""
    total = sum(lengths)
    ids = np.arange(1, total + 1, dtype="int32")
    return Rows(ids, ids % 2, np.concatenate([[0], np.cumsum(lengths)]).astype("int64"))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 70), st.integers(1, 80), st.integers(0, 2**32 - 1), st.integers(0, 50))
def test_an_epoch_holds_every_example_once(examples: int, batch_size: int, seed: int, epoch: int) -> None:
    plan = BatchPlan(examples, batch_size, seed)
    batches = [plan.rows(epoch, step) for step in range(plan.steps_per_epoch)]
    assert sorted(np.concatenate(batches).tolist()) == list(range(examples))
    full, rest = divmod(examples, batch_size)
    assert [len(batch) for batch in batches] == [batch_size] * full + [rest] * (rest > 0)
    assert len(plan.rows(epoch, plan.steps_per_epoch)) == 0


def test_the_batches_are_the_steps_of_each_epoch_in_turn() -> None:
    plan = BatchPlan(13, 4, seed=7)
    expected = [plan.rows(epoch, step).tolist() for epoch in range(3) for step in range(4)]
    assert [batch.tolist() for batch in plan.batches(3)] == expected


def test_the_order_is_a_function_of_seed_and_epoch_alone() -> None:
    plan = BatchPlan(40, 8, seed=3)
    late = plan.order(5)
    np.random.seed(0)
    plan.order(1)
    assert late.tolist() == BatchPlan(40, 8, seed=3).order(5).tolist()
    # The batch size cuts the same order into other pieces.
    assert late.tolist() == BatchPlan(40, 5, seed=3).order(5).tolist()


def test_the_order_of_today_is_the_order_of_tomorrow() -> None:
    # Recorded: a resumed run relies on it.
    assert BatchPlan(10, 4, seed=0).order(0).tolist() == [4, 6, 2, 7, 3, 5, 9, 0, 8, 1]
    assert BatchPlan(10, 4, seed=1).order(2).tolist() == [8, 5, 6, 0, 9, 1, 4, 3, 7, 2]


def test_neighbouring_seeds_and_epochs_share_no_order() -> None:
    orders = {tuple(BatchPlan(50, 8, seed).order(epoch).tolist()) for seed in range(8) for epoch in range(8)}
    assert len(orders) == 64


def test_every_order_is_as_likely() -> None:
    # Where example 0 comes, over 2,000 epochs: every place 500 times, give or take four standard deviations.
    places = np.bincount([BatchPlan(4, 2, 0).order(epoch).tolist().index(0) for epoch in range(2000)], minlength=4)
    assert np.all(np.abs(places - 500) < 4 * math.sqrt(2000 * 0.25 * 0.75))


def naive(rows: Rows, wanted: list[int], pad_token_id: int, max_length: int, multiple: int) -> dict[str, list]:
    """Returns what `pad` should, from lists."""
    cut = [slice(rows.offsets[row], rows.offsets[row + 1]) for row in wanted]
    longest = max(s.stop - s.start for s in cut)
    length = longest
    while length % multiple and length < max_length:
        length += 1
    batch: dict[str, list] = {"input_ids": [], "attention_mask": [], "token_type_ids": []}
    for s in cut:
        empty = length - (s.stop - s.start)
        batch["input_ids"].append(rows.input_ids[s].tolist() + [pad_token_id] * empty)
        batch["token_type_ids"].append(rows.token_type_ids[s].tolist() + [0] * empty)
        batch["attention_mask"].append([1] * (s.stop - s.start) + [0] * empty)
    return batch


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.data())
def test_padding_equals_a_naive_one(lengths: list[int], data: st.DataObject) -> None:
    rows = rows_of(lengths)
    wanted = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=8))
    max_length, multiple = data.draw(st.integers(30, 40)), data.draw(st.sampled_from([1, 4, 8]))
    batch = pad(rows, np.array(wanted), 99, max_length, multiple)
    assert {name: array.tolist() for name, array in batch.items()} == naive(rows, wanted, 99, max_length, multiple)
    assert {array.dtype for array in batch.values()} == {np.dtype("int32")}


@pytest.mark.parametrize(("longest", "max_length", "length"), [(3, 128, 8), (8, 128, 8), (9, 128, 16), (9, 12, 12)])
def test_the_length_is_a_multiple_of_eight_up_to_the_greatest(longest: int, max_length: int, length: int) -> None:
    batch = pad(rows_of([2, longest]), np.array([0, 1]), 0, max_length)
    assert {array.shape for array in batch.values()} == {(2, length)}
