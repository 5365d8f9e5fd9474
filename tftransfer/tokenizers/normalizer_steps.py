"""The normalizers of SentencePiece-like tokenizers as steps in the graph, each from strings to strings."""

import functools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tokenizers

from tftransfer.tokenizers.assembly import import_tensorflow_text
from tftransfer.tokenizers.character_classes import SEPARATOR
from tftransfer.tokenizers.charsmap import grapheme_pattern, whole_graphemes
from tftransfer.tokenizers.composition import bystanders
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


class Compose(tf.Module):
    """NFC, by TensorFlow Text's op; characters that are too new for Rust are kept from it."""

    def __call__(self, text: tf.Tensor) -> tf.Tensor:
        parts = separated(text, f"[{bystanders()}]+", rf"{SEPARATOR}\0{SEPARATOR}")
        inside = tf.ragged.range(parts.row_lengths()).values % 2 == 1
        composed = import_tensorflow_text().normalize_utf8(tf.where(inside, "", parts.values), "NFC")
        flat = tf.where(inside, parts.values, composed)
        return tf.strings.unsorted_segment_join(flat, parts.value_rowids(), parts.nrows())


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
        parts = separated(text, grapheme_pattern(), rf"\1{SEPARATOR}\2{SEPARATOR}")
        flat = parts.values
        # Separators come in pairs, so that what lies inside of one has an odd place in its row.
        short = (tf.ragged.range(parts.row_lengths()).values % 2 == 1) & (tf.strings.length(flat) <= _LONGEST)
        for characters in (2, 1):
            new = self._table.lookup(tf.strings.substr(parts.values, 0, characters, "UTF8_CHAR"))
            flat = tf.where(short & (new != ""), new, flat)
        return tf.strings.unsorted_segment_join(flat, parts.value_rowids(), parts.nrows())


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
