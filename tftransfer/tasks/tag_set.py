"""The tags that a network gives to words, and the spans that a sequence of them says."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from tftransfer.errors import ConfigError
from tftransfer.tags import SCHEMES, Span
from tftransfer.token_rows import IGNORED

__all__ = ["TagSet", "guess_scheme", "labels_for"]

# Of the first word of a span, of those between, of the last, and of the only one. In "POS" each word is a span of its
# own, and its tag is the type itself.
_LETTERS = {name: SCHEMES[name].letters for name in ("IO", "BIO", "IOBES", "BMES")} | {"POS": ("S", "S", "S", "S")}


class TagSet:
    """The labels of a network as tags of words.

    Spans are read as conlleval reads them, whatever the scheme: a span begins where its tag says so, behind one that
    ends, behind a word outside of all spans, and where the type changes.

    Args:
        labels: sequence of str. Such as "O", "B-PER", "I-PER".
        scheme: str. "IO", "BIO", "IOBES", "BMES" or "POS".

    Attributes:
        types: tuple of str. The types of spans.
        outside: int. The number of "O", or as many as there are labels, where there is no such label.
        type_ids: int32 array `(labels + 1,)`. The number of each label's type; -1 for what is outside.
        begins: bool array `(labels + 1, labels + 1)`. Whether a span begins with the second label behind the first.

    Raises:
        ConfigError: if a label is no tag of the scheme.
    """

    def __init__(self, labels: Sequence[str], scheme: str) -> None:
        parts = [_parse(label, scheme) for label in labels]
        letters, types = (np.array([*column, ""], object) for column in zip(*parts, strict=True))
        self.types = tuple(dict.fromkeys(filter(None, types)))
        self.outside = next((n for n, kind in enumerate(types) if not kind))
        numbers = {kind: n for n, kind in enumerate(self.types)}
        self.type_ids = np.array([numbers.get(kind, -1) for kind in types], "int32")
        inside, first, last = self.type_ids >= 0, np.isin(letters, ["B", "S"]), np.isin(letters, ["E", "S"])
        apart = (~inside | last)[:, None] | first | (self.type_ids[:, None] != self.type_ids)
        self.begins = apart & inside
        self._letters, self._ids = _LETTERS[scheme], {part: n for n, part in enumerate(parts)}
        # Of a checkpoint's head some may be missing.
        for letter, kind in parts:
            for other in self._letters:
                self._ids.setdefault((other, kind), self._ids[letter, kind])
        self._idle = self.outside if self.outside < len(labels) else IGNORED

    def encode(self, spans: Iterable[Span], words: int) -> np.ndarray:
        """Returns the number of the label of each word, int32 `(words,)`; `IGNORED` outside of spans if there is no O.

        Args:
            spans: iterable of (first word, behind the last, type). Apart from one another.
            words: int. How many there are.
        """
        found = np.full(words, self._idle, "int32")
        begin, inside, end, single = self._letters
        for first, last, kind in spans:
            letters = [single] if last - first == 1 else [begin, *[inside] * (last - first - 2), end]
            found[first:last] = [self._ids[letter, kind] for letter in letters]
        return found

    def decode(self, labels: np.ndarray, goes_on: np.ndarray | None = None) -> list[Span]:
        """Returns the spans, (first word, behind the last, type), that a sequence of labels says.

        Args:
            labels: int array `(words,)`.
            goes_on: bool array `(words,)`. Where no span begins whatever the label. Defaults to None: nowhere.
        """
        before = np.append(self.outside, labels)[:-1]
        begins = self.begins[before, labels]
        if goes_on is not None:
            begins &= ~goes_on
        kinds = self.type_ids[labels]
        edges = np.append(np.flatnonzero(begins | (kinds < 0)), len(labels))
        return [
            (int(first), int(last), self.types[kinds[first]])
            for first, last in itertools.pairwise(edges)
            if begins[first]
        ]


def labels_for(types: Sequence[str], scheme: str) -> tuple[str, ...]:
    """Returns the labels of a network for types of spans."""
    if scheme == "POS":
        return tuple(types)
    letters = dict.fromkeys(_LETTERS[scheme])
    return ("O", *(f"{letter}-{kind}" for kind in types for letter in letters))


def guess_scheme(labels: Sequence[str]) -> str:
    """Returns the scheme of a network's labels.

    Labels without letters, such as "PER", are those of "IO" if there is an "O", else of "POS".

    Raises:
        ConfigError: if there is no such scheme.
    """
    tags = [label for label in labels if label != "O"]
    if not all(label[1:2] == "-" and label[2:] for label in tags):
        return "IO" if "O" in labels else "POS"
    for scheme, letters in _LETTERS.items():
        if {label[0] for label in tags} <= set(letters):
            return scheme
    raise ConfigError(
        f"Expected the checkpoint's labels to be tags of one of the schemes {', '.join(_LETTERS)}; found "
        f"{', '.join(labels[:9])}. Give the task labels of its own, or data to take them from."
    )


def _parse(label: str, scheme: str) -> tuple[str, str]:
    """Returns the letter and the type of a label; both are "" for "O"."""
    if scheme == "POS":
        return "S", label
    letter, dash, kind = label.partition("-")
    if label == "O":
        return "", ""
    if dash and kind and letter in _LETTERS[scheme]:
        return letter, kind
    if scheme == "IO" and len(letter) != 1:
        return "I", label
    example = ", ".join(labels_for(["PER"], scheme))
    raise ConfigError(
        f"labels: expected tags of the scheme {scheme}, such as {example}; received '{label}'. Leave labels out to "
        "have them made from the training data, or choose another scheme."
    )
