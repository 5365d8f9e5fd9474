"""What characters are to words: white space, inside of a word, or a word alone. Known to training and graph alike."""

import functools
import unicodedata

import numpy as np

__all__ = ["ALONE", "IDEOGRAPH", "MARK", "SPACED_IDEOGRAPH", "WHITE", "kind_runs", "kinds"]

# Of each kind a number; from ALONE on, a character is a word by itself. Those between it and WHITE are inside of words.
WHITE, INNER, MARK, ALONE, IDEOGRAPH = range(5)
_OF_CATEGORY = {"M": MARK, "P": ALONE, "S": ALONE}
# The blocks of ideographs that BERT sets apart (Devlin et al., 2019).
_IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
# (pattern, rewrite) that sets an ideograph apart, for Python's `re` and for RE2.
SPACED_IDEOGRAPH = ("([" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _IDEOGRAPHS) + "])", r" \1 ")


@functools.cache
def kinds() -> np.ndarray:
    """Returns the kind of every code point: uint8 array `[1114112]`.

    White space is what `str.isspace` says; punctuation and symbols (categories P and S) and ideographs are words alone;
    marks (M) and everything else, such as letters, digits and characters without width, are inside of words.
    """
    table = np.full(0x110000, INNER, np.uint8)
    for point in range(len(table)):
        char = chr(point)
        if char.isspace():
            table[point] = WHITE
        else:
            table[point] = _OF_CATEGORY.get(unicodedata.category(char)[0], INNER)
    for first, last in _IDEOGRAPHS:
        table[first : last + 1] = IDEOGRAPH
    return table


@functools.cache
def kind_runs() -> tuple[np.ndarray, np.ndarray]:
    """Returns the first code point and the kind of each run of equal ones: int32 arrays `[runs]`."""
    table = kinds().astype(np.int32)
    firsts = np.flatnonzero(np.diff(table, prepend=-1))
    return firsts.astype(np.int32), table[firsts]
