"""Rows in memory, each of which remembers the line it came from."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from tftransfer.column import Column, codes, to_text
from tftransfer.data.origin import where
from tftransfer.errors import ConfigError, DataError

__all__ = ["Examples", "fingerprint", "raise_mixed"]


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Columns of equal length, and where each row stands in its file.

    A column holds strings in all its rows, or lists in all of them:

    - "text", "text_pair", "text_negative": strings.
    - "label": strings, or lists of strings where a text may have several.
    - "words": lists of (start, end), the tokens that the file itself cuts "text" into.
    - "spans": lists of (start, end, label), in their order and apart from one another.
    - "answers": lists of (answer, start) in "text_pair", empty where it has none; "id": the question's name, a string.

    Places are in characters (code points) from 0, and an end is behind the last character. A column that was read from
    a file is a `Column`, whose values are on the disk; one that was made in Python may be a list.

    Args:
        columns: dict of role to sequence. One value a row.
        path: str. The file that the rows came from.
        lines: int array (rows,). The line of each row in that file, counted from 1.

    Raises:
        DataError: if the columns and `lines` are not equally long, or a column mixes strings with lists.

    Example:

        examples = Examples({"text": ["good", "bad"], "label": ["pos", "neg"]}, "reviews.csv", np.array([2, 3]))
        assert examples.labels == ["neg", "pos"]
        assert examples.where(1) == "reviews.csv:3"
    """

    columns: Mapping[str, Sequence[Any]]
    path: str
    lines: np.ndarray

    def __post_init__(self) -> None:
        sizes = {role: len(values) for role, values in self.columns.items()}
        if set(sizes.values()) - {len(self.lines)}:
            raise DataError(f"{self.path}: expected {len(self.lines)} values in every column, found {sizes}.")
        for role, values in self.columns.items():
            if isinstance(values, Column):  # which cannot mix them
                continue
            # dict: the first row of each kind
            kinds = {isinstance(value, str): row for row, value in reversed(list(enumerate(values)))}
            if len(kinds) > 1:
                raise_mixed(role, self.where(kinds[True]), self.where(kinds[False]))

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def labels(self) -> list[str]:
        """The distinct labels, sorted; single ones, where a row has a list of them.

        Raises:
            DataError: if there is no label column.
        """
        if "label" not in self.columns:
            roles = ", ".join(self.columns)
            raise DataError(f"{self.path}: there is no label; read were: {roles}. Name the label column with `label`.")
        values = self.columns["label"]
        distinct = values.codes()[0] if isinstance(values, Column) else values
        return sorted({label for value in distinct for label in ([value] if isinstance(value, str) else value)})

    @property
    def fingerprint(self) -> str:
        """The sha256 of the columns' contents, whatever the file is called and however it is stored."""
        return fingerprint(self.columns)

    def where(self, index: int) -> str:
        """Returns "file:line" of a row, for messages."""
        return where(self.path, int(self.lines[index]))

    def take(self, indices: Sequence[int] | np.ndarray) -> "Examples":
        """Returns the rows at `indices` (or where a boolean mask is true), in that order."""
        chosen = np.arange(len(self))[indices]
        columns = {role: _taken(values, chosen) for role, values in self.columns.items()}
        return Examples(columns, self.path, self.lines[chosen])

    def split(self, fraction: float, seed: int = 0) -> tuple["Examples", "Examples"]:
        """Splits the rows at random into two parts, with the same share of every label in both.

        Where a row has a list of labels, or none, chance alone decides.

        The same rows in the same order give the same parts for a seed, on any machine. Rows keep their order. Labels
        that occur once cannot be shared out; they are drawn as if they were one, so a column of scores splits too.

        Args:
            fraction: float between 0 and 1. The share of the first part. Neither part is ever empty, and every label of
                at least two rows is in the first one, even where that moves the share.
            seed: int, default 0.

        Returns:
            The two parts.

        Raises:
            ConfigError: if `fraction` is not between 0 and 1.
            DataError: if there are fewer than two rows.
        """
        if not 0 < fraction < 1:
            raise ConfigError(f"Expected a split fraction between 0 and 1 (both excluded), found {fraction}.")
        if len(self) < 2:
            raise DataError(f"{self.path}: a split needs at least 2 rows, found {len(self)}. Give two files instead.")
        strata = _strata(self.columns.get("label"), len(self))
        # RandomState, not default_rng: its stream is frozen, so that a new NumPy does not move rows between the parts.
        keys = np.random.RandomState(seed).random_sample(len(self))
        order = np.lexsort((keys, strata))
        counts = np.bincount(strata)
        ranks = np.arange(len(self)) - np.repeat(np.cumsum(counts) - counts, counts)
        is_first = np.empty(len(self), bool)
        is_first[order] = ranks < _first_counts(counts, fraction)[strata[order]]
        return self.take(is_first), self.take(~is_first)


def fingerprint(columns: Mapping[str, Sequence[Any]]) -> str:
    """Returns the sha256 of columns' contents, in hexadecimal; that of a `Column` is that of an equal list."""
    digest = hashlib.sha256()
    for role in sorted(columns):
        values = columns[role]
        texts = values if isinstance(values, Column) else [to_text(value) for value in values]
        lists = values.lists if isinstance(values, Column) else not isinstance(next(iter(values), ""), str)
        kind = " json" if lists and len(values) else ""
        # The lengths keep ["ab", "c"] apart from ["a", "bc"] without one hash call a value.
        digest.update(f"{role!r} {len(values)}{kind} ".encode())
        for lengths in texts.lengths() if isinstance(texts, Column) else [np.array([len(text) for text in texts])]:
            digest.update(lengths.astype("<i8").tobytes())
        for content in texts.content() if isinstance(texts, Column) else map(_encoded, texts):
            digest.update(content)
    return digest.hexdigest()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def raise_mixed(role: str, text: str, other: str) -> NoReturn:
    """Raises DataError for a column that has a string at one place and a list at another."""
    raise DataError(
        f"Expected strings in all rows of {role!r}, or lists in all; found a string at {text}, none at {other}."
    )


def _taken(values: Sequence[Any], rows: np.ndarray) -> Sequence[Any]:
    return values.take(rows) if isinstance(values, Column) else [values[row] for row in rows.tolist()]


def _strata(labels: Sequence[Any] | None, size: int) -> np.ndarray:
    """Returns the stratum of each row (rows,): 0 for labels that occur once, then one number a label."""
    if labels is None or not isinstance(labels[0], str):
        return np.zeros(size, np.int64)
    distinct, numbers = codes(labels)
    often = np.bincount(numbers, minlength=len(distinct)) > 1
    return np.where(often, np.cumsum(often), 0)[numbers]


def _first_counts(counts: np.ndarray, fraction: float) -> np.ndarray:
    """Returns how many rows of each stratum (strata,) go to the first part, by the largest remainders."""
    size = int(counts.sum())
    quotas = fraction * counts
    # At least one row of what occurs twice, never all of it: so neither part can end up empty.
    taken = np.clip(np.floor(quotas).astype(np.int64), counts > 1, np.maximum(counts - 1, 0))
    missing = min(max(round(fraction * size), 1), size - 1) - int(taken.sum())
    by_remainder = np.argsort(taken - quotas, kind="stable")
    open_strata = by_remainder[(taken < counts)[by_remainder]]
    taken[open_strata[: max(missing, 0)]] += 1
    return taken
