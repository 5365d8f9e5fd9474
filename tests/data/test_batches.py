"""The batch plan and padding, against plain Python."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tftransfer.data.batches import BatchPlan, pad, round_up
from tftransfer.errors import ConfigError


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


def test_the_batches_are_the_steps_of_each_epoch_in_turn() -> None:
    plan = BatchPlan(13, 4, seed=7)
    expected = [plan.rows(epoch, step).tolist() for epoch in range(3) for step in range(4)]
    assert [batch.tolist() for batch in plan.batches(3)] == expected


def order(plan: BatchPlan, epoch: int) -> list[int]:
    return [example for batch in plan.epoch(epoch) for example in batch.tolist()]


def test_the_order_is_a_function_of_seed_and_epoch_alone() -> None:
    plan = BatchPlan(40, 8, seed=3)
    late = order(plan, 5)
    np.random.seed(0)
    plan.epoch(1)
    assert late == order(BatchPlan(40, 8, seed=3), 5)
    # The batch size cuts the same order into other pieces.
    assert late == order(BatchPlan(40, 5, seed=3), 5)


def test_the_order_of_today_is_the_order_of_tomorrow() -> None:
    # Recorded: a resumed run relies on it.
    assert order(BatchPlan(10, 4, seed=0), 0) == [4, 6, 2, 7, 3, 5, 9, 0, 8, 1]
    assert order(BatchPlan(10, 4, seed=1), 2) == [8, 5, 6, 0, 9, 1, 4, 3, 7, 2]


def test_neighbouring_seeds_and_epochs_share_no_order() -> None:
    orders = {tuple(order(BatchPlan(50, 8, seed), epoch)) for seed in range(8) for epoch in range(8)}
    assert len(orders) == 64


def test_every_order_is_as_likely() -> None:
    # Where example 0 comes, over 2,000 epochs: every place 500 times, give or take four standard deviations.
    places = np.bincount([order(BatchPlan(4, 2, 0), epoch).index(0) for epoch in range(2000)], minlength=4)
    assert np.all(np.abs(places - 500) < 4 * math.sqrt(2000 * 0.25 * 0.75))


# --- by length ---

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=200)


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(1, 40), st.integers(0, 9))
def test_grouped_batches_hold_every_example_once(lengths: list[int], batch_size: int, epoch: int) -> None:
    plan = BatchPlan(len(lengths), batch_size, 1, np.array(lengths), grouped=True)
    assert sorted(order(plan, epoch)) == list(range(len(lengths)))
    full, rest = divmod(len(lengths), batch_size)
    assert [len(batch) for batch in plan.epoch(epoch)] == [batch_size] * full + [rest] * (rest > 0)


def test_grouped_batches_are_of_like_lengths_in_any_order() -> None:
    lengths = np.random.default_rng(0).integers(5, 100, 4_000)
    plan = BatchPlan(4_000, 16, 0, lengths, grouped=True)
    batches = plan.epoch(0)
    slots = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert lengths.sum() / slots > 0.97  # of shuffled ones a half
    # Short batches come as late as long ones: ranks of 250 means in order, give or take four standard deviations.
    means = np.array([lengths[batch].mean() for batch in batches])
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 4 / math.sqrt(len(means))
    first = {frozenset(batch.tolist()) for batch in batches}
    assert not first & {frozenset(batch.tolist()) for batch in plan.epoch(1)}  # other windows, other company


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(3, 10), st.booleans(), st.integers(0, 9))
def test_steps_of_so_many_tokens(lengths: list[int], times: int, grouped: bool, epoch: int) -> None:
    most = times * max(lengths)
    plan = BatchPlan(len(lengths), 1, 2, np.array(lengths), grouped, tokens=most)
    batches = plan.epoch(epoch)
    assert sorted(order(plan, epoch)) == list(range(len(lengths)))
    assert len(batches) == plan.steps_per_epoch
    sums = [sum(lengths[example] for example in batch) for batch in batches]
    assert min(sums) > 0
    assert max(sums) <= most
    assert len(batches) <= math.ceil(sum(lengths) / (most - max(lengths) + 1))


def test_too_few_tokens_a_step_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"batch_tokens: expected at least 90, three times the longest.*received 80"):
        BatchPlan(3, 8, lengths=np.array([4, 30, 2]), tokens=80)


@pytest.mark.parametrize(
    ("length", "fine", "coarse"), [(1, 8, 8), (17, 24, 24), (33, 40, 48), (64, 64, 64), (65, 72, 96), (500, 504, 512)]
)
def test_lengths_are_rounded_up(length: int, fine: int, coarse: int) -> None:
    assert (round_up(length), round_up(length, coarse=True)) == (fine, coarse)


def test_few_lengths_occur() -> None:
    lengths = {round_up(n, coarse=True) for n in range(1, 513)}
    assert len(lengths) == 12
    assert all(round_up(n, coarse=True) < 1.5 * n for n in range(16, 513))


# --- padding ---


def naive(rows: Rows, wanted: list[int], pad_token_id: int, max_length: int) -> dict[str, list]:
    """Returns what `pad` should, from lists."""
    cut = [slice(rows.offsets[row], rows.offsets[row + 1]) for row in wanted]
    longest = max(s.stop - s.start for s in cut)
    length = longest
    while length % 8 and length < max_length:
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
    max_length = data.draw(st.integers(30, 40))
    batch = pad(rows, np.array(wanted), 99, max_length)
    assert {name: array.tolist() for name, array in batch.items()} == naive(rows, wanted, 99, max_length)
    assert {array.dtype for array in batch.values()} == {np.dtype("int32")}


@pytest.mark.parametrize(("longest", "max_length", "length"), [(3, 128, 8), (8, 128, 8), (9, 128, 16), (9, 12, 12)])
def test_the_length_is_a_multiple_of_eight_up_to_the_greatest(longest: int, max_length: int, length: int) -> None:
    batch = pad(rows_of([2, longest]), np.array([0, 1]), 0, max_length)
    assert {array.shape for array in batch.values()} == {(2, length)}
