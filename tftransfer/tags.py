"""Spans as tags of tokens, and back, in the schemes of named entity recognition and word segmentation."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tftransfer.errors import DataError

__all__ = ["SCHEMES", "Scheme", "Span", "TagError", "closest", "convert", "guess", "spans_of", "tags_of", "violations"]

_LISTED = 5  # violations in a message

Span = tuple[int, int, str]  # first token, token behind the last, label


class TagError(DataError):
    """A tag that its scheme does not allow where it stands.

    Args:
        message: str. What was expected and what came.
        position: int. Where the tag stands in its sequence, counted from 0; the length, for an end that came too soon.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class Scheme(NamedTuple):
    """How spans are written as tags such as "B-PER", and "O" outside.

    Args:
        letters: four str. Of the first token of a span, of those between, of the last, and of the only one.
        follow: dict. After each letter, the letters that may come, "=" before one for the same label. A sequence begins
            as after "O" and ends as before it.
    """

    letters: tuple[str, str, str, str]
    follow: Mapping[str, str]


_BIOES = Scheme(("B", "I", "E", "S"), {"O": "O B S", "B": "=I =E", "I": "=I =E", "E": "O B S", "S": "O B S"})
SCHEMES: dict[str, Scheme] = {
    "BIO": Scheme(("B", "I", "I", "B"), {"O": "O B", "B": "O B =I", "I": "O B =I"}),
    "BIOES": _BIOES,
    "IOBES": _BIOES,
    "BMES": Scheme(("B", "M", "E", "S"), {"O": "O B S", "B": "=M =E", "M": "=M =E", "E": "O B S", "S": "O B S"}),
    # Of a span that touches one of its own label, "B" is the first token (Ramshaw and Marcus, 1995).
    "IOB1": Scheme(("I", "I", "I", "I"), {"O": "O I", "I": "O I =B", "B": "O I =B"}),
    "IO": Scheme(("I", "I", "I", "I"), {"O": "O I", "I": "O I"}),
}


def spans_of(tags: Sequence[str], scheme: str) -> list[Span]:
    """Returns the spans that a sequence of tags says, each (first, behind the last, label), in their order.

    Args:
        tags: sequence of str. One a token, such as `["B-PER", "I-PER", "O"]`.
        scheme: str. A key of `SCHEMES`.

    Raises:
        TagError: for the first tag that the scheme does not allow where it stands.
    """
    follow = SCHEMES[scheme].follow
    spans: list[Span] = []
    letter, label = "O", ""
    for position, tag in enumerate([*tags, "O"]):
        previous = (letter, label)
        letter, _, label = tag.partition("-")
        is_tag = tag == "O" or (label and letter != "O")
        if not is_tag or not _may_follow(letter, label, previous, follow):
            raise TagError(_explained(tags, position, follow), position)
        if not label:
            continue
        if letter in "BS" or previous[1] != label:
            spans.append((position, position + 1, label))
        else:
            spans[-1] = (spans[-1][0], position + 1, label)
    return spans


def tags_of(spans: Iterable[Span], length: int, scheme: str) -> list[str]:
    """Returns the tags of `length` tokens that say these spans.

    Args:
        spans: iterable of (first, behind the last, label). In tokens, in any order.
        length: int. How many tokens there are.
        scheme: str. A key of `SCHEMES`.

    Raises:
        DataError: for spans that overlap, are empty or reach beyond the tokens, and for what the scheme cannot say: in
            "IO", two of one label that touch.
    """
    tags = ["O"] * length
    begin, inside, end, single = SCHEMES[scheme].letters
    before: Span = (0, 0, "")
    for span in sorted(spans):
        first, last, label = span
        if not 0 <= first < last <= length or not label:
            raise DataError(f"Expected spans of at least one of the {length} tokens, with a label; found {span}.")
        if first < before[1]:
            raise DataError(f"Expected spans that do not overlap, found {before} and {span}.")
        letters = [single] if last - first == 1 else [begin, *[inside] * (last - first - 2), end]
        if begin == "I" and (first, label) == before[1:]:
            if scheme == "IO":
                raise DataError(f"The scheme IO cannot tell {before} and {span} apart. Use another, such as BIO.")
            letters[0] = "B"
        tags[first:last] = [f"{letter}-{label}" for letter in letters]
        before = span
    return tags


def convert(tags: Sequence[str], source: str, target: str) -> list[str]:
    """Returns the tags of the scheme `target` that say what `tags` say in the scheme `source`.

    Raises:
        TagError: for a tag that `source` does not allow.
        DataError: for spans that `target` cannot say.
    """
    return tags_of(spans_of(tags, source), len(tags), target)


def violations(sequences: Iterable[Sequence[str]], scheme: str) -> dict[int, TagError]:
    """Returns index -> the first violation, for each sequence of tags that does not follow the scheme."""
    found = {}
    for index, tags in enumerate(sequences):
        try:
            spans_of(tags, scheme)
        except TagError as error:
            found[index] = error
    return found


def closest(sequences: Sequence[Sequence[str]]) -> str:
    """Returns the scheme that the fewest sequences of tags violate.

    Where several are followed by all, they say the same spans.
    """
    counts: dict[str, int] = {}
    for scheme in SCHEMES:
        counts[scheme] = len(violations(sequences, scheme))
        if not counts[scheme]:
            break
    return min(counts, key=lambda scheme: counts[scheme])


def guess(sequences: Sequence[Sequence[str]]) -> str:
    """Returns the scheme that all sequences of tags follow.

    Raises:
        DataError: if there is none; names the closest scheme and the first sequences that violate it.
    """
    scheme = closest(sequences)
    found = violations(sequences, scheme)
    if found:
        head = f"No scheme fits all {len(sequences)} sequences of tags; the closest is {scheme}, which {len(found)}"
        shown = [
            f"sequence {index}, tag {error.position}: {error}"
            for index, error in itertools.islice(found.items(), _LISTED)
        ]
        raise DataError("\n".join([f"{head} violate:", *shown]))
    return scheme


def _may_follow(letter: str, label: str, previous: tuple[str, str], follow: Mapping[str, str]) -> bool:
    allowed = follow[previous[0]].split()
    return letter in allowed or (f"={letter}" in allowed and label == previous[1])


def _explained(tags: Sequence[str], position: int, follow: Mapping[str, str]) -> str:
    before = tags[position - 1] if position else "O"
    letter, _, label = before.partition("-")
    expected = [x if x == "O" else f"{x[1:]}-{label}" if x[0] == "=" else f"{x}-*" for x in follow[letter].split()]
    found = repr(tags[position]) if position < len(tags) else "the end"
    return f"expected {' or '.join(expected)} {f'after {before}' if position else 'at the beginning'}, found {found}"
