"""Which tokenizers have an exact twin in the graph, and why the others have not. Loads no TensorFlow."""

import base64
import functools
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

import tokenizers

from tftransfer.tokenizers.character_classes import white_space
from tftransfer.tokenizers.charsmap import whole_graphemes
from tftransfer.tokenizers.fast import FastTokenizer

__all__ = ["added_words", "byte_of_char", "has_exact_offsets", "has_twin", "part_of", "parts_of", "replacement"]

_INSTEAD = "Export with token ids as input instead."


def has_twin(tokenizer: FastTokenizer) -> str | None:
    """Says whether a tokenizer can be exported, without building anything: takes well under a second.

    Args:
        tokenizer: `FastTokenizer`.

    Returns:
        None if `in_graph` builds its twin; otherwise the sentence that says why not.
    """
    content = json.loads(tokenizer.to_json())
    check = _CHECKS.get(tokenizer.kind)
    if check is None:
        return (
            f"Expected a tokenizer of a kind that has an exact twin in the graph ({', '.join(sorted(_CHECKS))}), found "
            f"{tokenizer.kind}. {_INSTEAD}"
        )
    return check(tokenizer, content)


def has_exact_offsets(tokenizer: FastTokenizer) -> bool:
    """Says whether the twin's character offsets are the Rust tokenizer's on every text.

    They are not always behind a "Precompiled" or "NFC" normalizer: after some characters that it drops or composes Rust
    itself is off by one or more for the rest of the text, which the twin is not.
    """
    return {part["type"] for part in parts_of(json.loads(tokenizer.to_json()), "normalizer")}.isdisjoint(_MISCOUNTED)


_MISCOUNTED = {"NFC", "Precompiled"}


def parts_of(content: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Returns the steps of the "normalizer" or "pre_tokenizer" of a `tokenizer.json`, sequences opened."""
    return list(_opened(content[name])) if content[name] else []


def _opened(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if step["type"] != "Sequence":
        yield step
        return
    for inner in step.get("normalizers") or step["pretokenizers"]:
        yield from _opened(inner)


def part_of(content: dict[str, Any], name: str, kind: str) -> dict[str, Any]:
    """Returns the one step of the given type."""
    return next(step for step in parts_of(content, name) if step["type"] == kind)


def _names(steps: list[dict[str, Any]]) -> str:
    return ", ".join(step["type"] for step in steps) or "none"


@functools.cache
def byte_of_char() -> dict[str, int]:
    """Returns which byte each of the 256 characters of a byte-level vocabulary stands for."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(moved)}


def _byte_level(tokenizer: FastTokenizer, content: dict[str, Any]) -> str | None:
    model = content["model"]
    normalizers, cutters = (parts_of(content, part) for part in ("normalizer", "pre_tokenizer"))
    if any(part["type"] != "NFC" for part in normalizers) or not _splits_as_gpt2(cutters):
        return (
            "Expected a byte-level BPE as GPT-2's: no normalizer but NFC, and a ByteLevel pre-tokenizer that splits by "
            f"itself; found the normalizers: {_names(normalizers)}, the pre-tokenizers: {_names(cutters)}. {_INSTEAD}"
        )
    unusual = [name for name in _UNUSUAL if model.get(name)]
    if unusual:
        return f"Expected a plain BPE model, found the options {', '.join(unusual)}. {_INSTEAD}"
    missing = [char for char in byte_of_char() if char not in model["vocab"]]
    if missing:
        return f"Expected all 256 bytes in the vocabulary, found {256 - len(missing)}. {_INSTEAD}"
    return _plain_added_words(content, cutters[0]["add_prefix_space"])


def _splits_as_gpt2(cutters: list[dict[str, Any]]) -> bool:
    return _names(cutters) == "ByteLevel" and cutters[0].get("use_regex", True)


_UNUSUAL = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges")


def _unigram(tokenizer: FastTokenizer, content: dict[str, Any]) -> str | None:
    model, normalizers = content["model"], parts_of(content, "normalizer")
    cutters = parts_of(content, "pre_tokenizer")
    if _names(cutters) not in ("Metaspace", "WhitespaceSplit, Metaspace") or not cutters[-1]["split"]:
        return (
            "Expected the pre-tokenizer Metaspace, alone or after WhitespaceSplit, cutting at its marks; found "
            f"{_names(cutters)}. {_INSTEAD}"
        )
    if len(cutters) == 2 and cutters[-1]["prepend_scheme"] == "first":
        return f"Expected a Metaspace that marks every word or none, found prepend_scheme 'first'. {_INSTEAD}"
    if model["unk_id"] is None or model.get("byte_fallback"):
        return f"Expected a Unigram model with an unknown token and without byte_fallback. {_INSTEAD}"
    reason = _normalizers(normalizers) or _no_added_words(content)
    if reason is None and "StripAccents" in [part["type"] for part in normalizers]:
        reason = _reordered_marks(tokenizer, [piece for piece, _ in model["vocab"]])
    return reason


def _normalizers(parts: list[dict[str, Any]]) -> str | None:
    names = [part["type"] for part in parts]
    for n, part in enumerate(parts):
        sorts = part["type"] in ("NFD", "NFKD") and "StripAccents" in names[n + 1 : n + 2]
        if not sorts and part["type"] not in _ALONE and replacement(part) is None:
            return (
                f"Expected normalizers that treat each character alone, found {part['type']} among {_names(parts)}, "
                f"which has no exact twin in the graph. {_INSTEAD}"
            )
        if part["type"] == "Precompiled" and not _fits(part):
            return (
                f"Expected a precompiled_charsmap of the usual kind, found one that the graph cannot follow. {_INSTEAD}"
            )
    return None


def _fits(part: dict[str, Any]) -> bool:
    """Whether graphemes that change as a whole are told by two characters, and stay what they became."""
    found = whole_graphemes(part["precompiled_charsmap"])
    asked = tokenizers.normalizers.Precompiled(base64.b64decode(part["precompiled_charsmap"]))
    several = {key: value for key, value in found.items() if len(key) > 1}
    alone = [char for value in several.values() for char in value]
    return (
        max(map(len, several), default=2) == 2
        and all(several.values())
        and alone == [asked.normalize_str(char) for char in alone]
    )


# What these do to a text is what they do to each character; see `charsmap` on Precompiled, `composition` on NFC.
_ALONE = ("Lowercase", "NFC", "Nmt", "Precompiled", "StripAccents")


def replacement(part: dict[str, Any]) -> tuple[str, str] | None:
    """Returns the (RE2 pattern, rewrite) of a normalizer that replaces text, or None if it is none that we know."""
    if part["type"] == "Replace":
        pattern = part["pattern"]
        found = re.escape(pattern["String"]) if "String" in pattern else _known_patterns().get(pattern["Regex"])
        return None if found is None else (found, part["content"].replace("\\", "\\\\"))
    if part["type"] == "Strip":
        ends = [r"\A[{0}]+"] * part["strip_left"] + [r"[{0}]+\z"] * part["strip_right"]
        return "|".join(ends).format(white_space()) or r"\z\A.", ""
    return None


def _known_patterns() -> dict[str, str]:
    """Returns patterns of the Rust tokenizer, whose `\\s` is Unicode's, with what means the same to RE2."""
    return {" {2,}": " {2,}", r"\s{2,}|[\n\r\t]": f"[{white_space()}]{{2,}}|[\n\r\t]"}


def added_words(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the added tokens that are cut out of texts: those that are not special."""
    return [token for token in content["added_tokens"] if not token["special"]]


def _no_added_words(content: dict[str, Any]) -> str | None:
    added = [token["content"] for token in added_words(content)]
    if added:
        return (
            f"Expected special tokens only among the added tokens, found {', '.join(map(repr, added[:5]))}: cutting a "
            "text at added words has no twin in the graph. Put such words into the vocabulary itself."
        )
    return None


def _plain_added_words(content: dict[str, Any], prefix: bool) -> str | None:
    """Byte-level tokenizers may cut at added words, if Rust does so in one plain pass after normalizing."""
    normalized = bool(content["normalizer"])
    special = [token["content"] for token in content["added_tokens"] if token["special"]]
    for token in added_words(content):
        options = [name for name in ("single_word", "lstrip", "rstrip") if token[name]]
        if normalized and not token["normalized"]:
            options.append("not normalized")
        if prefix:
            options.append("a space before texts")
        if any(_overlap(token["content"], other) for other in special):
            options.append("overlap with a special token")
        if options:
            return (
                f"Expected plain added words, found {token['content']!r} with {', '.join(options)}, which has no twin "
                f"in the graph. {_INSTEAD}"
            )
    return None


def _overlap(one: str, two: str) -> bool:
    """Whether two words can share characters of a text."""
    ends = any(a.endswith(b[:n]) for a, b in ((one, two), (two, one)) for n in range(1, len(b) + 1))
    return ends or one in two or two in one


def _wordpiece(tokenizer: FastTokenizer, content: dict[str, Any]) -> str | None:
    model, vocabulary = content["model"], content["model"]["vocab"]
    parts = [(content[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer")]
    if parts != ["BertNormalizer", "BertPreTokenizer"]:
        return (
            f"Expected a BertNormalizer and a BertPreTokenizer, found {parts[0]} and {parts[1]}: no table over single "
            f"characters can do what they do. {_INSTEAD}"
        )
    prefix = model["continuing_subword_prefix"]
    if model["unk_token"] not in vocabulary:
        return f"Expected the unknown token {model['unk_token']!r} in the vocabulary. Repair tokenizer.json."
    if not prefix or not all(unicodedata.category(char).startswith("P") for char in prefix):
        return f"Expected a prefix of punctuation (such as '##') on continuing pieces, found {prefix!r}."
    return _no_added_words(content) or _reordered_marks(tokenizer, vocabulary)


def _reordered_marks(tokenizer: FastTokenizer, vocabulary: Iterable[str]) -> str | None:
    """Stripping accents also sorts combining marks, the one thing a table over single characters cannot do.

    It shows only in marks that survive the stripping, and only if the vocabulary has such marks of two classes: a word
    with any other one is unknown in whichever order.
    """
    normalizer = tokenizer.rust.normalizer
    if normalizer.normalize_str("\u00e9") != "e":
        return None  # accents stay, and nothing is sorted
    marks = {
        char for char in set().union(*vocabulary) if unicodedata.combining(char) and normalizer.normalize_str(char)
    }
    if len({unicodedata.combining(mark) for mark in marks}) <= 1:
        return None
    shown = ", ".join(f"U+{ord(mark):04X}" for mark in sorted(marks)[:5])
    return (
        f"Expected no combining marks that survive the stripping of accents in the vocabulary, found {shown}: "
        f"their order in a word has no twin in the graph. {_INSTEAD}"
    )


_CHECKS = {"BPE": _byte_level, "Unigram": _unigram, "WordPiece": _wordpiece}
