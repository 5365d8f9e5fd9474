"""A column is what the list of its values is, and its fingerprint too."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tftransfer import column
from tftransfer.column import Column, codes, to_text
from tftransfer.data.examples import fingerprint

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=30)
SPANS = st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.text(max_size=3)), max_size=3), max_size=9)
LABELS = st.lists(st.lists(st.text(max_size=3), max_size=3), max_size=9)


def column_of(values: list[Any]) -> Column:
    lists = bool(values) and not isinstance(values[0], str)
    return Column(pa.array(list(map(to_text, values)), pa.large_string()), lists)


@given(st.one_of(TEXTS, SPANS, LABELS), st.data())
def test_a_column_is_a_list(values: list[Any], data: st.DataObject) -> None:
    found = column_of(values)
    chosen = data.draw(st.lists(st.sampled_from(range(len(values))), max_size=20) if values else st.just([]))
    for one, other in ((found, values), (found.take(np.array(chosen, int)), [values[n] for n in chosen])):
        assert one == other
        assert list(one) == other
        assert len(one) == len(other)
        part = data.draw(st.slices(len(other)))
        assert one[part] == other[part]
        for n in range(-len(other), len(other)):
            assert one[n] == other[n]
        with pytest.raises(IndexError):
            one[len(other)]
        assert fingerprint({"x": one}) == fingerprint({"x": other})


@given(st.one_of(TEXTS, LABELS), st.data())
def test_codes(values: list[Any], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(range(len(values))), max_size=20) if values else st.just([]))
    for found in (values, column_of(values).take(np.array(chosen, int))):
        distinct, numbers = codes(found)
        assert distinct == [value for n, value in enumerate(found) if value not in found[:n]]
        assert [distinct[n] for n in numbers] == list(found)


def test_long_columns_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [f"{n}é" * (n % 7) for n in range(10_000)]
    whole = fingerprint({"x": values})
    for limit in (1, 100, 10_000):
        monkeypatch.setattr(column, "_BYTES", limit)
        assert list(column_of(values)) == values
        assert fingerprint({"x": column_of(values)}) == whole
        assert fingerprint({"x": column_of(values).take(np.arange(10_000)[::-1])}) == fingerprint({"x": values[::-1]})


def test_lists_come_back_as_lists_of_tuples() -> None:
    assert repr(column_of([[(0, 1, "PER")], []])[:]) == "[[(0, 1, 'PER')], []]"
    assert repr(column_of([["x", "y"]])[0]) == "['x', 'y']"


def test_other_things_are_not_equal() -> None:
    found = column_of(["a", "b"])
    assert found == ("a", "b")
    assert found != "ab"
    assert found != ["a"]
    assert found != {"a", "b"}
    assert repr(found) == "<Column of 2 values: 'a', 'b'>"
