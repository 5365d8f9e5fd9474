"""Examples: what a split promises, checked on random label columns."""

import collections
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tftransfer.data import Examples
from tftransfer.errors import ConfigError, DataError


def examples(labels: list[str]) -> Examples:
    texts = [f"text {i}" for i in range(len(labels))]
    return Examples({"text": texts, "label": labels}, "rows.tsv", np.arange(len(labels)) + 2)


def test_labels_are_distinct_and_sorted() -> None:
    assert examples(["b", "a", "b", "10", "9"]).labels == ["10", "9", "a", "b"]


def test_labels_without_a_label_column() -> None:
    with pytest.raises(DataError, match=r"rows.txt: there is no label; read were: text\..*`label`"):
        _ = Examples({"text": ["a"]}, "rows.txt", np.array([1])).labels


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(DataError, match=r"expected 2 values in every column, found {'text': 2, 'label': 1}"):
        Examples({"text": ["a", "b"], "label": ["x"]}, "rows.tsv", np.array([1, 2]))


def test_take_keeps_each_row_with_its_line() -> None:
    taken = examples(["a", "b", "c", "d"]).take([3, 1])
    assert taken.columns == {"text": ["text 3", "text 1"], "label": ["d", "b"]}
    assert [taken.where(i) for i in range(len(taken))] == ["rows.tsv:5", "rows.tsv:3"]
    assert len(taken.take([])) == 0


def test_take_of_a_mask() -> None:
    assert examples(["a", "b", "c"]).take(np.array([True, False, True])).columns["label"] == ["a", "c"]


@settings(max_examples=200, deadline=None)
@given(
    labels=st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=60),
    fraction=st.floats(0.0001, 0.9999),
    seed=st.integers(0, 2**32 - 1),
)
def test_split(labels: list[str], fraction: float, seed: int) -> None:
    whole = examples(labels)
    first, second = whole.split(fraction, seed)
    assert len(first) > 0
    assert len(second) > 0
    lines = [first.lines.tolist(), second.lines.tolist()]
    assert sorted(lines[0] + lines[1]) == whole.lines.tolist()
    assert [sorted(part) for part in lines] == lines
    counts, kept = collections.Counter(labels), collections.Counter(first.columns["label"])
    for label, count in counts.items():
        if count > 1:
            assert max(1, int(fraction * count)) <= kept[label] <= max(1, int(fraction * count) + 1)
    again, _ = whole.split(fraction, seed)
    assert again.columns == first.columns


def test_split_has_the_size_and_the_shares_asked_for() -> None:
    first, second = examples(["a"] * 600 + ["b"] * 300 + ["c"] * 100).split(0.9, seed=3)
    assert collections.Counter(first.columns["label"]) == {"a": 540, "b": 270, "c": 90}
    assert collections.Counter(second.columns["label"]) == {"a": 60, "b": 30, "c": 10}


def test_split_depends_on_the_seed_and_not_on_the_process() -> None:
    whole = examples(["a", "b"] * 50)
    parts = {tuple(whole.split(0.5, seed)[0].lines.tolist()) for seed in range(5)}
    assert len(parts) == 5
    code = (
        "import numpy as np; from tftransfer.data import Examples;"
        "e = Examples({'text': [f'text {i}' for i in range(100)], 'label': ['a', 'b'] * 50}, '', np.arange(100) + 2);"
        "print(e.split(0.5, 0)[0].lines.tolist())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(whole.split(0.5, 0)[0].lines.tolist())


def test_split_of_all_different_labels_and_of_none() -> None:
    scores = examples([f"{i / 10}" for i in range(50)])
    assert [len(part) for part in scores.split(0.8)] == [40, 10]
    unlabelled = Examples({"text": ["a", "b", "c", "d"]}, "rows.txt", np.arange(4) + 1)
    assert [len(part) for part in unlabelled.split(0.75)] == [3, 1]


def test_split_is_drawn_at_random_within_a_label() -> None:
    drawn = np.zeros(20)
    for seed in range(400):
        drawn[examples(["a"] * 20).split(0.5, seed)[0].lines - 2] += 1
    assert np.all(np.abs(drawn / 400 - 0.5) < 0.12)  # more than four standard deviations


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 90, float("nan")])
def test_split_fraction_outside_its_range(fraction: float) -> None:
    with pytest.raises(ConfigError, match=f"between 0 and 1 .both excluded., found {fraction}"):
        examples(["a", "b"]).split(fraction)


def test_split_of_one_row() -> None:
    with pytest.raises(DataError, match=r"rows.tsv: a split needs at least 2 rows, found 1"):
        examples(["a"]).split(0.5)


def test_fingerprint_is_of_the_content_alone() -> None:
    one = Examples({"text": ["é", "b"], "label": ["x", "y"]}, "a.tsv", np.array([2, 3]))
    other = Examples({"label": ["x", "y"], "text": ["é", "b"]}, "b.csv.gz", np.array([7, 9]))
    assert one.fingerprint == other.fingerprint
    assert len(one.fingerprint) == 64


def test_fingerprint_tells_contents_apart() -> None:
    columns: list[dict[str, list[str]]] = [
        {"text": ["ab", "c"]},
        {"text": ["a", "bc"]},
        {"text": ["c", "ab"]},
        {"label": ["ab", "c"]},
        {"text": ["ab", "c"], "label": ["", ""]},
    ]
    assert len({Examples(c, "x", np.arange(2)).fingerprint for c in columns}) == len(columns)


def test_the_fingerprint_of_strings_stays_what_runs_have_recorded() -> None:
    kept = "5d6c840cb715dcfe2bdba120c376f911d28727275f3d6524355eb9b5f575d4a7"
    assert Examples({"text": ["é", "b"], "label": ["x", "y"]}, "a.tsv", np.array([2, 3])).fingerprint == kept


def test_fingerprint_of_lists() -> None:
    values: list[list[Any]] = [
        [[(0, 1, "PER")], []],
        [[], [(0, 1, "PER")]],
        [[(0, 1, "LOC")], []],
        [[(0, 2, "PER")], []],
        ['[[0, 1, "PER"]]', "[]"],
    ]
    prints = [Examples({"spans": column}, "x", np.arange(2)).fingerprint for column in values]
    assert len(set(prints)) == len(values)
    as_lists = Examples({"spans": [[[0, 1, "PER"]], []]}, "x", np.arange(2))
    assert as_lists.fingerprint == prints[0]  # what JSON makes of it


def test_lists_of_labels() -> None:
    several = Examples({"text": list("abcd"), "label": [["y", "x"], [], ["z"], ["y"]]}, "x.jsonl", np.arange(4) + 1)
    assert several.labels == ["x", "y", "z"]
    first, second = several.split(0.5)
    assert sorted(first.columns["text"] + second.columns["text"]) == list("abcd")
    assert [len(first), len(second)] == [2, 2]
    assert several.take([2]).columns["label"] == [["z"]]


def test_strings_and_lists_in_one_column_are_refused() -> None:
    with pytest.raises(DataError, match=r"all rows of 'label', or lists in all; found a string at a:2, none at a:1"):
        Examples({"label": [["x"], "y", ["z"], "x"]}, "a", np.arange(4) + 1)
