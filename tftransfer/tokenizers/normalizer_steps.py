"""The normalizers of SentencePiece-like tokenizers as steps in the graph, each from strings to strings."""

import functools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tokenizers

from tftransfer.tokenizers.alignment import Aligned, spread
from tftransfer.tokenizers.assembly import import_tensorflow_text
from tftransfer.tokenizers.character_classes import SEPARATOR
from tftransfer.tokenizers.charsmap import grapheme_pattern, whole_graphemes
from tftransfer.tokenizers.composition import bystanders, joins
from tftransfer.tokenizers.normalizer_table import single_changes, table_buffer
from tftransfer.tokenizers.twin import parts_of, replacement

__all__ = ["Compose", "Graphemes", "Replace", "Table", "normalizer_steps"]

_LONGEST = 5  # bytes of a grapheme that changes as a whole


class Replace(tf.Module):
    """Replaces what an RE2 pattern matches."""

    def __init__(self, pattern: str, rewrite: str) -> None:
        super().__init__()
        self._pattern, self._rewrite = pattern, rewrite

    def __call__(self, text: tf.Tensor) -> tf.Tensor:
        return tf.strings.regex_replace(text, self._pattern, self._rewrite)

    def aligned(self, texts: Aligned) -> Aligned:
        """Replaces the texts; what is new is of the last character that it replaces, as in Rust."""
        parts = separated(texts.text, self._pattern, rf"{SEPARATOR}\0{SEPARATOR}")
        inside = tf.ragged.range(parts.row_lengths()).values % 2 == 1
        new = tf.where(inside, self._rewrite.replace("\\\\", "\\"), parts.values)
        part, place = spread(tf.strings.length(new))
        last = tf.strings.length(parts.values) - 1
        place = tf.where(tf.gather(inside, part), tf.gather(last, part), place)
        return texts.moved(_joined(parts.with_values(new)), parts.values, part, place)


class Table(tf.Module):
    """Does what some normalizers together do to each character alone, found by asking them.

    Args:
        parts: list of dict. The normalizers, as in `tokenizer.json`.
    """

    def __init__(self, parts: list[dict[str, Any]]) -> None:
        super().__init__()
        table = np.frombuffer(_buffer(json.dumps(parts)), np.uint8)
        self._op = import_tensorflow_text().FastBertNormalizer(model_buffer=tf.constant(table))

    def __call__(self, text: tf.Tensor) -> tf.Tensor:
        return self._op.normalize(text)

    def aligned(self, texts: Aligned) -> Aligned:
        """Replaces the texts; what a character becomes is of that character."""
        return texts.normalized(self._op)


class Compose(tf.Module):
    """NFC, by TensorFlow Text's op; characters that are too new for Rust are kept from it."""

    def __call__(self, text: tf.Tensor) -> tf.Tensor:
        parts = separated(text, f"[{bystanders()}]+", rf"{SEPARATOR}\0{SEPARATOR}")
        inside = tf.ragged.range(parts.row_lengths()).values % 2 == 1
        composed = import_tensorflow_text().normalize_utf8(tf.where(inside, "", parts.values), "NFC")
        return _joined(parts.with_values(tf.where(inside, parts.values, composed)))

    def aligned(self, texts: Aligned) -> Aligned:
        """Replaces the texts; see `_first_and_rest`."""
        parts = separated(texts.text, joins(), rf"{SEPARATOR}\0{SEPARATOR}")
        return _first_and_rest(texts, parts, self(parts.values))


def _first_and_rest(texts: Aligned, parts: tf.RaggedTensor, new: tf.Tensor) -> Aligned:
    """Replaces each part by another text: its first character is of the part's first one, the rest of the part's end.

    So a letter that swallows the marks behind it is of itself alone, as in Rust, and a mark that stays is of itself.
    """
    head = tf.strings.length(tf.strings.substr(new, 0, 1, "UTF8_CHAR"))
    shift = tf.strings.length(parts.values) - tf.strings.length(new)
    part, place = spread(tf.strings.length(new))
    place = tf.where(place < tf.gather(head, part), 0, tf.maximum(place + tf.gather(shift, part), 0))
    return texts.moved(_joined(parts.with_values(new)), parts.values, part, place)


def _joined(parts: tf.RaggedTensor) -> tf.Tensor:
    return tf.strings.unsorted_segment_join(parts.values, parts.value_rowids(), parts.nrows())


def separated(text: tf.Tensor, pattern: str, rewrite: str) -> tf.RaggedTensor:
    """Cuts texts at the separators that a rewrite puts in; a text's own separator becomes another non-character."""
    # To every vocabulary, the two are the same: unknown.
    text = tf.strings.regex_replace(text, SEPARATOR, "\U0010ffff")
    return tf.strings.split(tf.strings.regex_replace(text, pattern, rewrite), SEPARATOR)


class Graphemes(tf.Module):
    """Replaces the graphemes of several characters that a "Precompiled" normalizer changes as a whole.

    Args:
        charsmap: str. The base64 of `precompiled_charsmap`.
    """

    def __init__(self, charsmap: str) -> None:
        super().__init__()
        found = whole_graphemes(charsmap)
        content = tf.lookup.KeyValueTensorInitializer(tf.constant(list(found)), tf.constant(list(found.values())))
        self._table = tf.lookup.StaticHashTable(content, default_value="")

    def __call__(self, text: tf.Tensor) -> tf.Tensor:
        return _joined(self._changed(text)[1])

    def aligned(self, texts: Aligned) -> Aligned:
        """Replaces the texts; see `_first_and_rest`."""
        parts, new = self._changed(texts.text)
        return _first_and_rest(texts, parts, new.values)

    def _changed(self, text: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        parts = separated(text, grapheme_pattern(), rf"\1{SEPARATOR}\2{SEPARATOR}")
        flat = parts.values
        # Separators come in pairs, so that what lies inside of one has an odd place in its row.
        short = (tf.ragged.range(parts.row_lengths()).values % 2 == 1) & (tf.strings.length(flat) <= _LONGEST)
        for characters in (2, 1):
            new = self._table.lookup(tf.strings.substr(parts.values, 0, characters, "UTF8_CHAR"))
            flat = tf.where(short & (new != ""), new, flat)
        return parts, parts.with_values(flat)


def normalizer_steps(content: dict[str, Any]) -> Iterator[tf.Module]:
    """Yields the steps that do what the normalizers of a `tokenizer.json` do.

    Args:
        content: dict. The `tokenizer.json`, one that has a twin.
    """
    alone: list[dict[str, Any]] = []  # those that look at each character alone, and so fit into one table
    for part in parts_of(content, "normalizer"):
        first = _before(part)
        if first is not None and alone:
            yield Table(alone)
            alone = []
        if first is not None:
            yield first
        if first is None or part["type"] == "Precompiled":
            alone.append(part)
    if alone:
        yield Table(alone)


def _before(part: dict[str, Any]) -> tf.Module | None:
    """Returns what a normalizer does to more than single characters."""
    if part["type"] == "Precompiled":
        return Graphemes(part["precompiled_charsmap"])
    if part["type"] == "NFC":
        return Compose()
    pattern = replacement(part)
    return None if pattern is None else Replace(*pattern)


@functools.lru_cache(maxsize=8)
def _buffer(parts: str) -> bytes:
    whole = {"type": "Sequence", "normalizers": json.loads(parts)}
    rest = dict.fromkeys(("truncation", "padding", "pre_tokenizer", "post_processor", "decoder"))
    model = {"type": "WordLevel", "vocab": {}, "unk_token": ""}
    content: dict[str, Any] = {"version": "1.0", "added_tokens": [], "normalizer": whole, **rest, "model": model}
    return table_buffer(single_changes(tokenizers.Tokenizer.from_str(json.dumps(content)).normalizer))
