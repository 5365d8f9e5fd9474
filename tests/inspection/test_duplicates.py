"""Duplicates: known ones are found, exactly and nearly, within splits and across; others are not."""

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from inspected import grave, table

from tftransfer.errors import ConfigError
from tftransfer.inspection import Inspection, build_checks, minhash
from tftransfer.inspection.corpus import normalized

Inspect = Callable[..., Inspection]
PLAIN = [
    ("the blue lamp arrived broken today", "bad"),
    ("a quite good chair for the price", "good"),
    ("where is the parcel i paid for", "bad"),
    ("my friend and i love this film", "good"),
]


def test_same_texts_are_found_whatever_their_case_spaces_and_composition(inspect: Inspect, tmp_path: Path) -> None:
    train = [*PLAIN, ("Caf\u00e9 au lait  is on the TABLE", "good"), ("cafe\u0301 au lait is on the table", "good")]
    test = [("CAFÉ AU LAIT IS ON THE TABLE ", "good"), ("nobody has seen a green elephant", "bad"), PLAIN[2]]
    found = inspect(train, test)
    assert [row["repeated"] for row in table(found, "exact_duplicates", "Within")] == [1, 0]
    (across,) = table(found, "exact_duplicates", "Across")
    assert (across["rows_of"], across["also_in"], across["rows"], across["share"]) == ("test", "train", 2, 2 / 3)
    first, second = table(found, "exact_duplicates", "Same texts")
    assert first["where"] == f"{tmp_path}/train.tsv:6, {tmp_path}/test.tsv:2, {tmp_path}/train.tsv:7"
    assert second["where"] == f"{tmp_path}/train.tsv:4, {tmp_path}/test.tsv:4"
    assert len(found.failing(["leakage"])) == 1
    assert len(found.failing(["duplicates"])) == 2
    assert not found.failing(["conflicting_labels"])


def test_one_text_with_two_labels_is_a_conflict(inspect: Inspect) -> None:
    found = inspect([*PLAIN, (PLAIN[0][0].upper(), "good")])
    (conflict,) = table(found, "exact_duplicates", "Conflicting")
    assert conflict["answers"] == "bad / good"
    assert [finding.ids for finding in found.failing(["conflicting_labels"])] == [("conflicting_labels", "duplicates")]


def test_short_texts_come_twice_by_chance(inspect: Inspect) -> None:
    found = inspect([*PLAIN, ("thank you", "good")], [("Thank you", "good"), ("no, not now", "bad")])
    assert table(found, "exact_duplicates", "Across")[0]["rows"] == 1
    assert not found.failing(["duplicates", "leakage"])
    strict = inspect(
        [*PLAIN, ("thank you", "good")], [("Thank you", "good")], checks={"exact_duplicates": {"short": 0}}
    )
    assert len(strict.failing(["leakage"])) == 1


def test_both_texts_of_a_pair_have_to_be_the_same(inspect: Inspect) -> None:
    train = [(PLAIN[0][0], PLAIN[1][0], "yes"), (PLAIN[2][0], PLAIN[3][0], "no")]
    found = inspect(train, [(PLAIN[0][0], PLAIN[3][0], "yes"), (PLAIN[1][0], "an elephant in the room", "no")])
    assert table(found, "exact_duplicates", "Across")[0]["rows"] == 0
    assert table(found, "near_duplicates", "Nearly") == []
    shared = {row["texts_of"]: row["share_in_train"] for row in table(found, "leakage", "Single texts")}
    assert shared == {"text": 0.5, "text_pair": 0.5}
    assert len(found.failing(["leakage"])) == 2
    assert len(inspect(train, [train[0]]).failing(["leakage"])) == 3


@hypothesis.given(st.text())
def test_normalized_texts_stay_as_they_are(text: str) -> None:
    once = normalized(text)
    assert normalized(once) == once
    assert normalized(f"\t {text}\n") == once


def jaccard(first: str, second: str, size: int) -> float:
    """Returns the similarity of two texts, their ends filled up."""
    one, other = (set(zip(*(f"{t}{'#' * (size - 1)}"[i:] for i in range(size)), strict=False)) for t in (first, second))
    return len(one & other) / len(one | other)


def corpus(count: int) -> list[str]:
    """Returns random texts, half of them with a few words changed in a copy."""
    random_ = random.Random(0)
    words = ["".join(random_.choices("abcdefghij", k=random_.randint(2, 8))) for _ in range(200)]
    texts = []
    for _ in range(count // 2):
        text = random_.choices(words, k=random_.randint(4, 30))
        copy = [random_.choice(words) if random_.random() < 0.06 else word for word in text]
        texts += [" ".join(text), " ".join(copy)]
    return texts


def test_near_duplicates_are_those_of_comparing_each_with_each(inspect: Inspect) -> None:
    texts = list(dict.fromkeys(corpus(200)))
    expected = {
        pair for pair in itertools.combinations(range(len(texts)), 2) if jaccard(*(texts[i] for i in pair), 5) >= 0.7
    }
    assert len(expected) > 30
    options = {"threshold": 0.7, "listed": 1000}
    found = inspect([(text, "ab"[i % 2]) for i, text in enumerate(texts)], checks={"near_duplicates": options})
    pairs = table(found, "near_duplicates", "Nearly")
    lines = [[int(place.rpartition(":")[2]) - 2 for place in pair["where"].split(", ")] for pair in pairs]
    assert {tuple(line) for line in lines} == expected
    assert table(found, "near_duplicates", "Rows")[0]["rows"] == len(set(itertools.chain.from_iterable(expected)))
    for pair, line in zip(pairs, lines, strict=True):
        assert pair["similarity"] == pytest.approx(jaccard(texts[line[0]], texts[line[1]], 5), abs=1e-3)


def test_equal_numbers_of_signatures_are_about_the_similarity() -> None:
    texts = [text for text in corpus(400) if len(text) > 60]
    signatures = minhash.signatures(texts, 5)
    pairs = [(i, i + 1) for i in range(len(texts) - 1)]
    exact = np.array([jaccard(texts[i], texts[j], 5) for i, j in pairs])
    estimated = np.array([np.mean(signatures[i] == signatures[j]) for i, j in pairs])
    assert exact.max() > 0.9
    assert exact.min() < 0.1
    # Of 64 throws, the standard deviation is at most 1/16; the mean over many pairs has a smaller one.
    assert np.abs(estimated - exact).max() < 5 / 16
    assert abs(np.mean(estimated - exact)) < 0.01


def test_texts_in_parts_have_the_signatures_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*corpus(40), "", "a", "\U0001f600" * 9]
    whole = minhash.signatures(texts, 5)
    monkeypatch.setattr(minhash, "_CHARACTERS", 100)
    assert np.array_equal(minhash.signatures(texts, 5), whole)
    assert minhash.signatures([], 5).shape == (0, 64)


def test_near_duplicates_across_splits_fail_and_those_within_do_not(inspect: Inspect, tmp_path: Path) -> None:
    train = [*PLAIN, ("the quick brown fox jumps over the lazy dog at noon", "good")]
    near = ("the quick brown fox jumps over the lazy dogs at noon", "good")
    assert grave(inspect([*train, near]), "near_duplicates") == []
    found = inspect(train, [near])
    assert [finding.ids for finding in found.failing(["near_duplicates"])] == [("near_duplicates", "duplicates")]
    (pair,) = table(found, "near_duplicates", "Nearly")
    assert pair["where"] == f"{tmp_path}/train.tsv:6, {tmp_path}/test.tsv:2"
    assert not found.failing(["leakage"])


def test_of_many_texts_some_are_compared_and_the_section_says_so(inspect: Inspect) -> None:
    rows = [(text, "ab"[i % 2]) for i, text in enumerate(dict.fromkeys(corpus(60)))]
    found = inspect(rows, checks={"near_duplicates": {"rows": 20, "pairs": 1, "threshold": 0.1}})
    first, second = found.sections["near_duplicates"].notes
    assert f"Of {len(rows)} different texts 20 were drawn" in first
    assert "the 1 likeliest" in second
    with pytest.raises(ConfigError, match=r"threshold: expected a number in \(0, 1\]; received 2"):
        build_checks({"near_duplicates": {"threshold": 2}})
