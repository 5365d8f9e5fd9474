"""NFC in the graph as Rust does it, although the op's Unicode is newer than Rust's, and another on every server."""

import functools
import itertools
import unicodedata
from collections.abc import Iterable

import tokenizers

from tftransfer.tokenizers.character_classes import character_class

__all__ = ["bystanders", "joins"]


@functools.cache
def bystanders() -> str:
    """Returns the inside of an RE2 character class: what Rust's NFC leaves alone and a newer Unicode may not.

    A character that takes part in nothing - no decomposition, no composition, no ordering of marks - parts the text
    into two that are normalized on their own. So, if such characters are kept from the op, it need not know them. They
    are looked for among those that are newer than Unicode 3.2: what older ones do is settled for all versions.
    """
    decomposed = _decomposed()
    taking_part = {p for p, text in decomposed.items() if text != chr(p)}
    taking_part |= set(map(ord, itertools.chain.from_iterable(decomposed[p] for p in taking_part)))
    newer = {p for p in decomposed if unicodedata.ucd_3_2_0.category(chr(p)) == "Cn" and p not in taking_part}
    return character_class(newer - _sorted(newer))


@functools.cache
def joins() -> str:
    """Returns an RE2 pattern: the stretches of a text that NFC may change, each of them on its own.

    A stretch is a character and those behind it that may compose with it, or change places; or one that decomposes.
    """
    decomposed = _decomposed()
    changes = {p for p, text in decomposed.items() if text != chr(p)}
    follows = set(map(ord, itertools.chain.from_iterable(decomposed[p][1:] for p in changes)))
    follows |= _sorted(decomposed)
    # What begins with a mark when decomposed, such as U+0344, is a mark itself.
    follow, change = character_class(follows), character_class(changes)
    return f"[^{follow}]?[{follow}]+|[{change}]"


@functools.cache
def _decomposed() -> dict[int, str]:
    points = [p for p in range(0x110000) if not 0xD800 <= p < 0xE000]
    return dict(zip(points, _each(tokenizers.normalizers.NFD(), map(chr, points)), strict=True))


def _sorted(points: Iterable[int]) -> set[int]:
    """Returns which of some characters change places with others."""
    # A mark goes before U+0345, the one of the highest class.
    points = list(points)
    answers = _each(tokenizers.normalizers.NFD(), (f"a\u0345{chr(p)}" for p in points))
    return {p for p, new in zip(points, answers, strict=True) if new != f"a\u0345{_decomposed()[p]}"}


def _each(normalizer: tokenizers.normalizers.Normalizer, texts: Iterable[str]) -> list[str]:
    """Normalizes many texts at once; a bar takes part in nothing."""
    waiting = iter(texts)
    done: list[str] = []
    while block := list(itertools.islice(waiting, 1024)):
        answers = normalizer.normalize_str("|".join(block)).split("|")
        done += answers if len(answers) == len(block) else map(normalizer.normalize_str, block)
    return done
