"""The split of GPT-2 for RE2: the character classes of the Rust pre-tokenizer, found by asking it.

RE2's own `\\s` is ASCII, and its `\\p{L}` and `\\p{N}` are of another version of Unicode.
"""

import functools
from collections.abc import Iterable, Iterator

import tokenizers

__all__ = ["SEPARATOR", "character_class", "gpt2_splits", "white_space", "white_space_points"]

# A non-character that stands between words; the caller sees to it that no text holds one.
SEPARATOR = "\U0010fffe"
_CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
# A character is of the class whose sample it makes one word with; what makes one with none is white space.
_SAMPLES = {"letter": "a", "number": "1", "other": "!"}
_CHUNK = 4096


@functools.cache
def gpt2_splits() -> tuple[tuple[str, str], ...]:
    """Returns (RE2 pattern, rewrite) pairs that, applied in order, put `SEPARATOR` between the words of a text.

    The split of GPT-2 has a look-ahead, which RE2 has not: `\\s+(?!\\S)`, a run of white space leaves its last
    character to the word that follows. The first pair cuts there, so that the second one can do without.
    """
    ranges: dict[str, list[tuple[int, int]]] = {"letter": [], "number": [], "other": [], "space": []}
    for first, last, kind in _runs():
        ranges[kind].append((first, last))
    letter, number, space = (_class(ranges[kind]) for kind in ("letter", "number", "space"))
    other = f"[^{letter}{number}{space}{_code(ord(SEPARATOR))}]"
    words = f"{_CONTRACTIONS}| ?[{letter}]+| ?[{number}]+| ?{other}+|[{space}]+"
    return (
        (f"([{space}])([{space}][^{space}])", rf"\1{SEPARATOR}\2"),
        (words, rf"\0{SEPARATOR}"),
    )


def _runs() -> Iterator[tuple[int, int, str]]:
    """Yields (first, last, class) of neighbouring code points that the pre-tokenizer leaves together."""
    asked = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    # A space belongs to the word that follows, so that it would hide the class of its neighbour.
    yield ord(" "), ord(" "), "space"
    points = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000 and point != ord(" ")]
    for start in range(0, len(points), _CHUNK):
        block = "".join(map(chr, points[start : start + _CHUNK]))
        for _, (begin, end) in asked.pre_tokenize_str(block):
            for part in _without_gaps(block[begin:end]):
                yield ord(part[0]), ord(part[-1]), _kind(asked, part[0])


def _without_gaps(run: str) -> list[str]:
    """Cuts a run where a code point is missing from it: at the space, and at the surrogates."""
    cuts = [i for i in range(1, len(run)) if ord(run[i]) != ord(run[i - 1]) + 1]
    return [run[a:b] for a, b in zip([0, *cuts], [*cuts, len(run)], strict=True)]


def _kind(asked: tokenizers.pre_tokenizers.PreTokenizer, char: str) -> str:
    for kind, sample in _SAMPLES.items():
        if len(asked.pre_tokenize_str(f"{sample}{char}{sample}")) == 1:
            return kind
    return "space"


def character_class(points: Iterable[int]) -> str:
    """Returns the inside of an RE2 character class of some code points."""
    run = "".join(map(chr, sorted(points)))
    return _class([(ord(part[0]), ord(part[-1])) for part in _without_gaps(run)])


def white_space() -> str:
    """Returns the inside of an RE2 character class: what Rust calls white space."""
    return character_class(white_space_points())


@functools.cache
def white_space_points() -> tuple[int, ...]:
    """Returns the code points that Rust calls white space."""
    split = tokenizers.pre_tokenizers.WhitespaceSplit()
    return tuple(p for p in range(0x10000) if not 0xD800 <= p < 0xE000 and _cuts(split, chr(p)))


def _cuts(split: tokenizers.pre_tokenizers.PreTokenizer, char: str) -> bool:
    return len(split.pre_tokenize_str(f"a{char}a")) > 1


def _class(ranges: list[tuple[int, int]]) -> str:
    return "".join(f"{_code(first)}-{_code(last)}" for first, last in sorted(ranges))


def _code(point: int) -> str:
    return rf"\x{{{point:X}}}"
