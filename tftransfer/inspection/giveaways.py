"""How well something in a text tells its label: counts behind the check of leakage."""

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tftransfer.evaluation.tables import width
from tftransfer.inspection.corpus import Part, normalized

__all__ = ["Labelled", "Told", "accuracy", "edge_tokens", "label_names", "labelled", "single_tokens", "told"]


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Some rows of a split and their labels, by number.

    Args:
        part: Part.
        rows: int array `(rows,)`. Which rows of it.
        owners: int array `(pairs,)`. Of each label that a row has, the row: an index of `rows`, in order.
        labels: int array `(pairs,)`. And the label.
        names: sequence of str. The labels by number, those of the training data.
    """

    part: Part
    rows: np.ndarray
    owners: np.ndarray
    labels: np.ndarray
    names: Sequence[str]

    @property
    def sizes(self) -> np.ndarray:
        """How many rows have each label, `(labels,)`."""
        return np.bincount(self.labels, minlength=len(self.names))


class Told(NamedTuple):
    """What a feature says of a label.

    Args:
        rows: int. Rows with both.
        purity: float. Their share of the rows with the feature.
        coverage: float. Their share of the rows with the label.
        lift: float. By how much the label is likelier in rows with the feature than in all.
    """

    rows: int
    purity: float
    coverage: float
    lift: float


def labelled(part: Part, names: Sequence[str], most: int) -> Labelled:
    """Returns the rows of a split, or so many drawn at random, with those of their labels that have a number."""
    rows = np.arange(len(part))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    number = {name: n for n, name in enumerate(names)}
    pairs = [(n, number[x]) for n, row in enumerate(rows.tolist()) for x in part.answers.labels(row) if x in number]
    owners, labels = np.array(pairs, np.int64).reshape(-1, 2).T
    return Labelled(part, rows, owners, labels, names)


def told(found: Labelled, owners: np.ndarray, features: np.ndarray) -> dict[tuple[int, int], Told]:
    """Returns what features say of labels.

    Args:
        found: Labelled.
        owners: int array `(n,)`. Of each feature that a row has, the row, an index of `found.rows`.
        features: int array `(n,)`. And the feature, a number.

    Returns:
        A dict of (feature, label) to `Told`.
    """
    kinds, codes = np.unique(features, return_inverse=True)
    owners, codes = np.divmod(np.unique(owners * max(len(kinds), 1) + codes), max(len(kinds), 1))
    having = np.bincount(codes, minlength=len(kinds))
    # Each feature of a row beside each label of the row.
    counts = np.bincount(found.owners, minlength=len(found.rows))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    pairs = np.repeat(np.arange(len(owners)), counts[owners])
    within = np.arange(len(pairs)) - np.repeat(np.cumsum(counts[owners]) - counts[owners], counts[owners])
    labels = found.labels[starts[owners[pairs]] + within]
    both, rows = np.unique(codes[pairs] * len(found.names) + labels, return_counts=True)
    sizes = found.sizes
    return {
        (int(kinds[code]), int(label)): Told(
            int(n),
            float(n / having[code]),
            float(n / sizes[label]),
            float(n / having[code] * len(found.rows) / sizes[label]),
        )
        for code, label, n in zip(both // len(found.names), both % len(found.names), rows, strict=True)
    }


def single_tokens(found: Labelled, special: Collection[int]) -> tuple[np.ndarray, np.ndarray]:
    """Returns owners and features for `told`: the ids of the tokens of each row, without special ones."""
    part = found.part
    of_row = np.full(len(part), -1)
    of_row[found.rows] = np.arange(len(found.rows))
    owners = of_row[np.repeat(np.arange(len(part.lengths)) // part.per_example, part.lengths)]
    kept = (owners >= 0) & ~np.isin(part.tokens.input_ids, list(special))
    return owners[kept], part.tokens.input_ids[kept]


def edge_tokens(found: Labelled, special: Collection[int]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first and the last token of each row, `(rows,)`; -1 for a row without any."""
    owners, tokens = single_tokens(found, special)
    first, last = np.full((2, len(found.rows)), -1)
    last[owners] = tokens  # of repeated places the last value stays
    first[owners[::-1]] = tokens[::-1]
    return first, last


def label_names(found: Labelled) -> tuple[np.ndarray, np.ndarray]:
    """Returns owners and features for `told`: the labels whose names stand in the text of each row."""
    patterns = {n: pattern for n, name in enumerate(found.names) if (pattern := _pattern(name))}
    if not patterns:
        return np.empty((2, 0), np.int64)[0], np.empty(0, np.int64)
    # One search for all; a name inside of a longer one counts as the longer.
    order = sorted(patterns, key=lambda n: -len(patterns[n]))
    every = re.compile("|".join(f"(?P<n{n}>{patterns[n]})" for n in order))
    pairs = [
        (owner, int(match.lastgroup[1:]))
        for owner, row in enumerate(found.rows.tolist())
        for match in every.finditer(normalized(" \n ".join(found.part.texts(row))))
        if match.lastgroup
    ]
    owners, features = np.array(pairs, np.int64).reshape(-1, 2).T
    return owners, features


def accuracy(train: Labelled, other: Labelled, features: Mapping[str, np.ndarray], support: int) -> float:
    """Returns how often the label that is commonest in training rows with the same feature is right.

    Args:
        train: Labelled. With one label a row, as the other one.
        other: Labelled. The rows to judge by.
        features: dict of "train" and "other" to int array `(rows,)`. A number a row.
        support: int. A feature of fewer training rows counts as none: then it is the commonest label of all.
    """
    commonest = int(train.sizes.argmax())
    values = features["train"][train.owners]
    both, rows = np.unique(values * len(train.names) + train.labels, return_counts=True)
    order = np.argsort(rows, kind="stable")  # the commonest label of a value comes last and stays
    best = dict(zip((both[order] // len(train.names)).tolist(), (both[order] % len(train.names)).tolist(), strict=True))
    seen = dict(zip(*(x.tolist() for x in np.unique(values, return_counts=True)), strict=True))
    answers = [
        best[value] if seen.get(value, 0) >= support else commonest
        for value in features["other"][other.owners].tolist()
    ]
    return float(np.mean(np.array(answers) == other.labels)) if answers else 0.0


def _pattern(name: str) -> str:
    """Returns what finds a label's name in normalized text; "" if it is no word."""
    words = re.findall(r"[^\W_]+", normalized(name))
    if sum(map(str.isalpha, "".join(words))) < 2:
        return ""
    pattern = r"[\W_]+".join(map(re.escape, words))
    # Chinese and Japanese have no spaces between words.
    return pattern if width(name) > len(name) else rf"\b{pattern}\b"
