"""Packed batches: the same tokens in fewer places, against plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tftransfer.data.packing import UNPACK, fit_rows, pack


def padded(lengths: list[int]) -> dict[str, np.ndarray]:
    """Returns a batch of distinct ids from 1; types alternate."""
    places = np.arange(max(lengths, default=1))
    mask = (places < np.array(lengths)[:, None]).astype("int32")
    ids = (np.cumsum(mask).reshape(mask.shape) * mask).astype("int32")
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids % 2, "other": np.arange(len(lengths))}


LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=40)
PARTS = st.lists(st.integers(1, 3), min_size=1, max_size=2)


@settings(max_examples=150, deadline=None)
@given(LENGTHS, PARTS, st.booleans())
def test_every_sequence_is_whole_and_alone_with_its_number(lengths: list[int], parts: list[int], coarse: bool) -> None:
    batch = padded(lengths)
    packed = pack(batch, parts, coarse)
    ids, mask, types = (packed[name] for name in ("input_ids", "attention_mask", "token_type_ids"))
    assert np.count_nonzero(mask) == sum(lengths)
    assert ids.shape == mask.shape == types.shape
    assert ids.shape[0] % math.prod(parts) == 0
    assert packed["other"] is batch["other"]
    found = {}
    for row, numbers in enumerate(mask.tolist()):
        assert set(numbers) - {0} == set(range(1, max(numbers) + 1))
        for number in set(numbers) - {0}:
            where = [place for place, n in enumerate(numbers) if n == number]
            assert where == list(range(where[0], where[-1] + 1))
            found[tuple(ids[row, where].tolist())] = types[row, where].tolist()
    assert found == {
        tuple(batch["input_ids"][n, :length].tolist()): batch["token_type_ids"][n, :length].tolist()
        for n, length in enumerate(lengths)
    }


@settings(max_examples=150, deadline=None)
@given(LENGTHS, PARTS)
def test_the_places_lead_back_within_each_part(lengths: list[int], parts: list[int]) -> None:
    batch = padded(lengths)
    packed = pack(batch, parts)
    rows = np.split(packed["input_ids"], math.prod(parts))
    pieces = [packed[UNPACK], batch["input_ids"], batch["attention_mask"]]
    cut = [[values] for values in pieces]
    for number in parts:
        cut = [[piece for part in values for piece in np.array_split(part, number)] for values in cut]
    for row, places, ids, mask in zip(rows, *cut, strict=True):
        assert np.array_equal(places >= 0, mask > 0)
        assert np.array_equal(row.ravel()[places[mask > 0]], ids[mask > 0])


@settings(max_examples=100, deadline=None)
@given(LENGTHS)
def test_rows_are_fitted_without_overlap(lengths: list[int]) -> None:
    size = max(lengths) + 7
    row, start, number = fit_rows(np.array(lengths), size)
    taken = np.zeros((row.max() + 1, size), int)
    for n, length in enumerate(lengths):
        assert start[n] + length <= size
        taken[row[n], start[n] : start[n] + length] += 1
        assert number[n] == 1 + sum(row[m] == row[n] and start[m] < start[n] for m in range(len(lengths)))
    assert taken.max() == 1
    # Otherwise the shortest sequence of the one would have gone into the other.
    full = np.sort(taken.sum(axis=1))
    assert len(full) < 2 or full[0] + full[1] > size


def one_by_one(lengths: list[int], room: int) -> int:
    """Returns how many rows there are when each text, the longest first, goes where the least room is left."""
    free: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [i for i in range(len(free)) if free[i] >= length]
        if fitting:
            free[min(fitting, key=lambda i: free[i])] -= length
        else:
            free.append(room - length)
    return len(free)


@settings(max_examples=100, deadline=None)
@given(LENGTHS, st.integers(0, 80))
def test_rows_are_as_few_as_one_by_one(lengths: list[int], more: int) -> None:
    size = max(lengths) + more
    assert fit_rows(np.array(lengths), size)[0].max() + 1 == one_by_one(lengths, size)


@pytest.mark.parametrize(("mean", "longest"), [(11, 60), (45, 128), (180, 256)])
def test_most_places_hold_a_token(mean: float, longest: int) -> None:
    random = np.random.default_rng(0)
    drawn = [np.clip(random.gamma(2, mean / 2, 32).astype(int) + 2, 2, longest).tolist() for _ in range(50)]
    places = sum(pack(padded(lengths))["input_ids"].size for lengths in drawn)
    assert sum(map(sum, drawn)) / places > 0.94


def test_few_shapes_occur_where_each_is_compiled() -> None:
    random = np.random.default_rng(0)
    fine, coarse = (
        {
            pack(padded(np.clip(random.gamma(2, 20, 32).astype(int) + 2, 2, 128).tolist()), coarse=c)["input_ids"].shape
            for _ in range(200)
        }
        for c in (False, True)
    )
    assert len(coarse) < 16 < len(fine)
