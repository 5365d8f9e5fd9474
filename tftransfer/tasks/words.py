"""The words of texts, put together from all rows of their tokens. `components/entities.py` does it in the graph."""

import dataclasses

import numpy as np

from tftransfer.token_rows import TokenRows

__all__ = ["Words"]

_CHARACTERS = 1 << 31  # more than any text has


@dataclasses.dataclass(frozen=True)
class Words:
    """The words of all texts, in their order, end to end.

    A word is known by its first token. Where several windows have it, that one counts in which it is furthest from
    both ends, and of equals the first. It ends with the last of the tokens, of any window, that begin in it.

    Args:
        starts: int array `(words,)`. The first character of each word, in its text.
        ends: int array `(words,)`. The character behind its last token.
        tokens: int array `(words,)`. The token that speaks for it.
        offsets: int array `(texts + 1,)`. The words of text i are `offsets[i]:offsets[i + 1]`.
        of_tokens: int array `(tokens,)`. The word that begins with each token, or -1.
    """

    starts: np.ndarray
    ends: np.ndarray
    tokens: np.ndarray
    offsets: np.ndarray
    of_tokens: np.ndarray

    @classmethod
    def of(cls, rows: TokenRows) -> "Words":
        """Returns the words of rows that tell of characters."""
        assert rows.starts is not None
        assert rows.ends is not None
        assert rows.texts is not None
        assert rows.word_starts is not None
        lengths = np.diff(rows.offsets)
        row = np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(len(row)) - rows.offsets[row]
        context = np.minimum(place, lengths[row] - 1 - place)
        # One number a place in all texts.
        places = rows.examples[row].astype(np.int64) * _CHARACTERS + rows.starts
        begins = np.flatnonzero(rows.word_starts)
        order = begins[np.lexsort((-context[begins], places[begins]))]
        tokens = order[np.diff(places[order], prepend=-1) > 0]
        firsts = places[tokens]
        of_tokens = np.full(len(row), -1)
        of_tokens[begins] = np.searchsorted(firsts, places[begins])
        ends = _ends(firsts, places, rows.ends, np.flatnonzero(rows.texts == 0))
        texts = int(rows.examples[-1]) + 1 if len(lengths) else 0
        offsets = np.searchsorted(firsts, np.arange(texts + 1) * _CHARACTERS)
        return cls(rows.starts[tokens], ends, tokens, offsets, of_tokens)


def _ends(firsts: np.ndarray, places: np.ndarray, token_ends: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Returns where each word ends."""
    word = np.searchsorted(firsts, places[real], side="right") - 1
    # Before a text's first word there may be a token that belongs to none.
    known = (word >= 0) & (np.append(firsts, 0)[word] // _CHARACTERS == places[real] // _CHARACTERS)
    ends = np.zeros(len(firsts), token_ends.dtype)
    np.maximum.at(ends, word[known], token_ends[real][known])
    return ends
