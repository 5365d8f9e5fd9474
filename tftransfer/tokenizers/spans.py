"""Which characters each token is of, and which tokens begin a word. `graph_spans` says the same in TensorFlow."""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from tftransfer.tokenizers.character_kinds import ALONE, IDEOGRAPH, MARK, SPACED_IDEOGRAPH, WHITE, kinds

__all__ = ["Spans", "space_ideographs", "spans"]


@dataclasses.dataclass(frozen=True)
class Spans:
    """The characters `starts[i]:ends[i]` that token i is of, in its own text.

    Args:
        starts: int32 array `[tokens]`.
        ends: int32 array `[tokens]`.
        word_starts: bool array `[tokens]`. Whether a word begins with the token.
    """

    starts: np.ndarray
    ends: np.ndarray
    word_starts: np.ndarray


def space_ideographs(text: str) -> str:
    """Sets each ideograph apart by spaces."""
    return re.sub(*SPACED_IDEOGRAPH, text)


def spans(texts: Sequence[str], numbers: np.ndarray, starts: np.ndarray, ends: np.ndarray, spaced: bool) -> Spans:
    """Finds a tokenizer's offsets in the user's texts, without white space around them.

    A token of nothing but white space is an empty one, before the next other character. Marks that no token is of, such
    as accents that were stripped, are of the one before. A word is a run of characters inside of words, or one
    character that is a word alone; its first token begins it, and of tokens that start alike only the first.

    Args:
        texts: sequence of str, as the user wrote them.
        numbers: int array `[tokens]`. Which text each token is of.
        starts: int array `[tokens]`. First character of each token, in its text.
        ends: int array `[tokens]`. The character after its last.
        spaced: bool. Whether `starts` and `ends` count in texts with ideographs set apart.

    Returns:
        A `Spans`.
    """
    points = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
    kind, bases = kinds()[points], _before(np.array([len(text) for text in texts]))
    # From here on the texts are one, end to end.
    if spaced:
        apart = kind == IDEOGRAPH
        more = 2 * _before(apart)
        places = np.arange(len(kind)) + more[:-1] + apart
        origin = (bases + more[bases])[numbers]
        starts, ends = (np.searchsorted(places, origin + x) for x in (starts, ends))
    else:
        starts, ends = (bases[numbers] + x for x in (starts, ends))
    solid, limits = kind != WHITE, bases[numbers + 1]
    starts = np.minimum(_next(solid)[starts], limits)
    ends = np.maximum(_after_last(solid)[ends], starts)
    begins = _begins(starts, ends, _words(kind, bases))
    marked = np.minimum(np.minimum(_next(kind != MARK)[ends], limits), np.append(starts, len(kind))[1:])
    ends = np.where(ends > starts, np.maximum(marked, ends), ends)
    starts, ends = ((x - bases[numbers]).astype(np.int32) for x in (starts, ends))
    return Spans(starts, ends, begins)


def _before(values: np.ndarray) -> np.ndarray:
    """Sums of all values before each place, and at the end of all."""
    return np.concatenate([[0], np.cumsum(values, dtype=np.int64)])


def _next(which: np.ndarray) -> np.ndarray:
    """From each place, and from the end of all, the next character of some, or the end of all: `[characters + 1]`."""
    return np.append(np.flatnonzero(which), len(which))[_before(which)]


def _after_last(which: np.ndarray) -> np.ndarray:
    """Before each place, and before the end of all, the end of the last character of some, or 0: `[characters + 1]`."""
    return np.append(0, np.flatnonzero(which) + 1)[_before(which)]


def _words(kind: np.ndarray, bases: np.ndarray) -> np.ndarray:
    """Which characters begin a word: bool `[characters]`."""
    inner = (kind > WHITE) & (kind < ALONE)
    goes_on = np.concatenate([[False], inner])
    goes_on[bases] = False
    return (kind >= ALONE) | (inner & ~goes_on[:-1])


def _begins(starts: np.ndarray, ends: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Which tokens begin a word: bool `[tokens]`."""
    begins = np.zeros(len(starts), bool)
    some = np.flatnonzero(ends > starts)
    starts, ends = starts[some], ends[some]
    # Of a word whose first characters no tokenizer keeps, such as marks without width, the first token there is.
    number = np.cumsum(words)
    before = np.insert(number[ends - 1], 0, 0)[:-1]
    begins[some] = (words[starts] & (np.diff(starts, prepend=-1) != 0)) | (number[starts] > before)
    return begins
