"""The corpus of the quickstart: sizes, balance, and no near-duplicates within or across splits."""

import collections
import itertools
from pathlib import Path

import pytest

import tftransfer

FOLDER = Path(__file__).parents[1] / "configs" / "data" / "customer_messages"
SPLITS = {name: tftransfer.read(FOLDER / f"{name}.tsv") for name in ("train", "validation", "test")}


def grams(text: str) -> set[str]:
    text = f" {' '.join(text.lower().split())} "
    return {text[i : i + 3] for i in range(len(text) - 2)}


@pytest.mark.parametrize(("name", "least"), [("train", 640), ("validation", 160), ("test", 200)])
def test_sizes_and_balance(name: str, least: int) -> None:
    assert len(SPLITS[name]) >= least
    counts = collections.Counter(SPLITS[name].columns["label"])
    assert len(counts) == 8
    assert max(counts.values()) <= 2 * min(counts.values())


@pytest.mark.slow
def test_no_two_messages_are_near_duplicates() -> None:
    texts = [text for split in SPLITS.values() for text in split.columns["text"]]
    sets = [grams(text) for text in texts]
    for (a, left), (b, right) in itertools.combinations(enumerate(sets), 2):
        # Jaccard similarity is at most the ratio of the sizes, which spares most pairs the intersection.
        if 2 * min(len(left), len(right)) > max(len(left), len(right)):
            assert 2 * len(left & right) <= len(left | right), f"{texts[a]!r} and {texts[b]!r}"


def test_lengths_vary() -> None:
    lengths = sorted(len(text.split()) for split in SPLITS.values() for text in split.columns["text"])
    assert lengths[0] <= 3
    assert lengths[-1] >= 45
