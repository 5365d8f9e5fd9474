"""The table that makes TensorFlow Text's `FastBertNormalize` do what a BERT tokenizer does before WordPiece.

The op rewrites a text code point by code point, driven by a buffer. Into the buffer goes what the Rust normalizer *and*
pre-tokenizer do to each code point, found by asking them: white space becomes a space, punctuation and ideographs get
spaces around them, what is deleted becomes nothing. What is left to do in the graph is to split on the space.
"""

import functools
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping

import flatbuffers
import numpy as np
import tokenizers

from tftransfer.errors import ExportError
from tftransfer.tokenizers.trie import build_trie

__all__ = ["normalizer_table", "replacements", "single_changes", "table_buffer"]

_CODE_POINTS = 0x110000
_SURROGATES = range(0xD800, 0xE000)
_CHUNK = 1024
_DIFFERS = 1 << 30
_LONGEST = 63  # bytes: a replacement's length has six bits


def normalizer_table(tokenizer: tokenizers.Tokenizer) -> bytes:
    """Builds the model buffer for `tensorflow_text.FastBertNormalizer`.

    Args:
        tokenizer: `tokenizers.Tokenizer` with a BertNormalizer and a BertPreTokenizer, the pair that treats each
            character alone.

    Returns:
        The flatbuffer, as bytes.

    Raises:
        ExportError: The tokenizer has another normalizer or pre-tokenizer.
    """
    content = json.loads(tokenizer.to_str())
    found = [(content[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer")]
    if found != ["BertNormalizer", "BertPreTokenizer"]:
        raise ExportError(
            f"Expected a BertNormalizer and a BertPreTokenizer, found {found[0]} and {found[1]}: no table over single "
            "characters can do what they do. Export with token ids as input instead."
        )
    options = content["normalizer"]
    return _table(*(options[name] for name in ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")))


@functools.lru_cache(maxsize=8)
def _table(clean_text: bool, handle_chinese_chars: bool, strip_accents: bool | None, lowercase: bool) -> bytes:
    normalizer = tokenizers.normalizers.BertNormalizer(
        clean_text=clean_text,
        handle_chinese_chars=handle_chinese_chars,
        strip_accents=strip_accents,
        lowercase=lowercase,
    )
    return table_buffer(dict(replacements(normalizer, tokenizers.pre_tokenizers.BertPreTokenizer())))


def table_buffer(changes: Mapping[int, bytes]) -> bytes:
    """Builds the model buffer for `tensorflow_text.FastBertNormalizer`.

    Args:
        changes: dict. Code point -> UTF-8 of at most 63 bytes; other code points stay.

    Returns:
        The flatbuffer, as bytes.
    """
    pool, words = _pool(set(changes.values()))
    # NUL cannot be a key of the trie, so its value has a place of its own; there, 0 says unchanged.
    nul = words[changes[0]] if 0 in changes else 0
    trie = build_trie({chr(point).encode(): words[new] for point, new in changes.items() if point})
    return _flatbuffer(trie, nul, pool)


def replacements(
    normalizer: tokenizers.normalizers.Normalizer, pre_tokenizer: tokenizers.pre_tokenizers.PreTokenizer
) -> Iterator[tuple[int, bytes]]:
    """Yields each code point that the two change, and the UTF-8 that stands for it before splitting on spaces."""
    points = _points()
    normalized = _normalize_each(normalizer, [chr(point) for point in points])
    written = dict(_separators(pre_tokenizer, dict.fromkeys(itertools.chain.from_iterable(normalized))))
    for point, text in zip(points, normalized, strict=True):
        if text != chr(point) or text in written:
            yield point, "".join(written.get(char, char) for char in text).encode()


def single_changes(normalizer: tokenizers.normalizers.Normalizer) -> dict[int, bytes]:
    """Returns the code points that a normalizer changes when they stand alone, with the UTF-8 they become."""
    points = _points()
    normalized = _normalize_each(normalizer, [chr(point) for point in points])
    return {p: text.encode() for p, text in zip(points, normalized, strict=True) if text != chr(p)}


def _points() -> list[int]:
    return [point for point in range(_CODE_POINTS) if point not in _SURROGATES]


def _normalize_each(normalizer: tokenizers.normalizers.Normalizer, chars: list[str]) -> list[str]:
    """Normalizes each character alone. Asked for many at once, each between two bars, which is several times faster."""
    normalized: list[str] = []
    for start in range(0, len(chars), _CHUNK):
        chunk = chars[start : start + _CHUNK]
        answers = normalizer.normalize_str("|".join(chunk)).split("|")
        normalized += answers if len(answers) == len(chunk) else map(normalizer.normalize_str, chunk)
    return normalized


def _separators(
    pre_tokenizer: tokenizers.pre_tokenizers.PreTokenizer, chars: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Yields the characters at which the pre-tokenizer cuts, with what stands for them before splitting on spaces."""
    waiting = iter(char for char in chars if char != " ")
    while block := list(itertools.islice(waiting, 64)):
        if len(pre_tokenizer.pre_tokenize_str(f"a{'a'.join(block)}b")) == 1:
            continue  # none of them cuts, like most of Unicode
        for char in block:
            pieces = len(pre_tokenizer.pre_tokenize_str(f"a{char}b"))
            if pieces > 1:
                # Two pieces: the character itself is dropped, like white space. Three: it is a word of its own.
                yield char, " " if pieces == 2 else f" {char} "


def _pool(strings: Iterable[bytes]) -> tuple[bytes, dict[bytes, int]]:
    """Puts the replacements behind one another; returns the pool and the 31-bit word that says where each one is."""
    pool, words = bytearray(), {b"": _DIFFERS}
    for new in sorted(set(strings) - {b""}):
        if len(new) > _LONGEST:
            raise ExportError(f"Expected replacements of at most {_LONGEST} bytes, found {new!r}.")
        # Padded characters share the space between them.
        offset = len(pool) - (pool[-1:] == b" " == new[:1])
        pool[offset:] = new
        words[new] = _DIFFERS | offset << 6 | len(new)
    if len(pool) >= 1 << 24:
        raise ExportError(f"Expected a pool of replacements under 16 MB, got {len(pool):,} bytes.")
    return bytes(pool), words


def _flatbuffer(trie: np.ndarray, nul: int, pool: bytes) -> bytes:
    """Writes the four slots of the op's FastBertNormalizerModel; the first one, a flag, is not read by the op."""
    builder = flatbuffers.Builder(trie.nbytes + len(pool) + 1024)
    trie_vector = builder.CreateNumpyVector(trie)
    pool_vector = builder.CreateNumpyVector(np.frombuffer(pool, np.uint8))
    builder.StartObject(4)
    builder.PrependUOffsetTRelativeSlot(1, trie_vector, 0)
    builder.PrependInt32Slot(2, nul, 0)
    builder.PrependUOffsetTRelativeSlot(3, pool_vector, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())
