"""Words with a tag each: as a text with spans."""

import collections
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tftransfer import tags
from tftransfer.errors import DataError

__all__ = ["SchemeVotes", "joiner_of", "sentence_values"]

_CJK = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")  # ideographs, kana, their signs
_LISTED = 5  # violations in a message


def joiner_of(tokens: Iterable[str]) -> str:
    """Returns what stands between tokens: nothing if most are single Chinese or Japanese characters, a space if not."""
    counts = collections.Counter(_CJK.fullmatch(token) is not None for token in tokens)
    return "" if counts[True] > counts[False] else " "


def sentence_values(tokens: Sequence[str], tagged: Sequence[str] | None, joiner: str, scheme: str) -> dict[str, Any]:
    """Returns the "text" and "words" of a sentence, and its "spans" if it has tags.

    Args:
        tokens: sequence of str.
        tagged: sequence of str. The tags of the tokens; None for none.
        joiner: str. What stands between the tokens in the text.
        scheme: str. How the tags say spans, a key of `tags.SCHEMES`.

    Raises:
        TagError: for the first tag that the scheme does not allow.
    """
    ends = itertools.accumulate(len(token) + (len(joiner) if i else 0) for i, token in enumerate(tokens))
    words = [(end - len(token), end) for token, end in zip(tokens, ends, strict=True)]
    values: dict[str, Any] = {"text": joiner.join(tokens), "words": words}
    if tagged is not None:
        spans = tags.spans_of(tagged, scheme)
        values["spans"] = [(words[first][0], words[last - 1][1], label) for first, last, label in spans]
    return values


class SchemeVotes:
    """Which scheme the tags of a data set follow, told a sentence at a time: nothing of it is held."""

    def __init__(self) -> None:
        self.sentences = 0
        self._violations = dict.fromkeys(tags.SCHEMES, 0)
        self._first: dict[str, list[str]] = {scheme: [] for scheme in tags.SCHEMES}

    def add(self, tagged: Sequence[str], place: Callable[[tags.TagError], str]) -> None:
        """Counts the tags of one sentence.

        Args:
            tagged: sequence of str.
            place: callable. Returns where an error in them stands, and what it is.
        """
        self.sentences += 1
        for scheme, first in self._first.items():
            for error in tags.violations([tagged], scheme).values():
                self._violations[scheme] += 1
                if len(first) < _LISTED:
                    first.append(place(error))

    def scheme(self, path: str) -> str:
        """Returns the first scheme that all sentences follow.

        Raises:
            DataError: if there is none.
        """
        closest = min(self._violations, key=lambda scheme: self._violations[scheme])
        count = self._violations[closest]
        if not count:
            return closest
        head = f"{path}: the tags of all sentences together follow none of the schemes {', '.join(tags.SCHEMES)}."
        found = f"The closest is {closest}, which {count} of {self.sentences} sentences violate:"
        advice = f"Correct them, or leave them out with scheme: {closest} and on_bad_rows: skip."
        raise DataError("\n".join([head, found, *self._first[closest], advice]))
