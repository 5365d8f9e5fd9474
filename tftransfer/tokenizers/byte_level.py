"""Byte-level BPE inside the graph (GPT-2, RoBERTa, Longformer, BART ...): the ids that the Rust tokenizer answers."""

import json
import re
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tftransfer.row_options import RowOptions
from tftransfer.tokenizers.alignment import Aligned
from tftransfer.tokenizers.assembly import InGraphTokenizer, import_tensorflow_text
from tftransfer.tokenizers.character_classes import SEPARATOR, gpt2_splits
from tftransfer.tokenizers.fast import FastTokenizer
from tftransfer.tokenizers.layout import HEAD
from tftransfer.tokenizers.normalizer_steps import normalizer_steps
from tftransfer.tokenizers.sentencepiece_model import (
    BPE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    USER_DEFINED,
    sentencepiece_model,
)
from tftransfer.tokenizers.twin import added_words, byte_of_char, part_of

__all__ = ["InGraphByteLevel"]

# What stands for itself and for the separator where a text holds them. All four are one class to the pre-tokenizer, so
# that the words stay what they were.
_ESCAPE = "\U0010ffff"
_ESCAPED = {_ESCAPE: _ESCAPE + "\U0010fffd", SEPARATOR: _ESCAPE + "\U0010fffc"}


class InGraphByteLevel(InGraphTokenizer):
    """A GPT-2 tokenizer made of stock ops.

    TensorFlow Text has no BPE. But SentencePiece's BPE merges the two neighbours whose union has the highest score, so
    with minus the rank of a merge as the score of what it makes, and bytes written as the first 256 code points, it
    does the same as the Rust tokenizer; words come from the pre-tokenizer's own character classes.

    Args:
        tokenizer: `FastTokenizer` with a BPE model and a ByteLevel pre-tokenizer.
        max_length: int, in tokens, special tokens included.
        pair: bool. Whether each row has two texts. Defaults to `False`.
        options: `RowOptions`. Defaults to those: a row a text, without its end if it is too long.

    Raises:
        ExportError: The tokenizer does something that has no exact twin here.

    Example:

    >>> module = InGraphByteLevel(FastTokenizer.from_directory(directory), max_length=128)
    >>> module(tf.constant(["Hello world"]))["input_ids"]
    <tf.Tensor: shape=(1, 4), dtype=int32, numpy=array([[    0, 31414,   232,     2]], dtype=int32)>
    """

    def __init__(
        self, tokenizer: FastTokenizer, max_length: int, pair: bool = False, options: RowOptions = HEAD
    ) -> None:
        super().__init__(tokenizer, max_length, pair, options)
        content = json.loads(tokenizer.to_json())
        self._prefix = part_of(content, "pre_tokenizer", "ByteLevel")["add_prefix_space"]
        self._steps = list(normalizer_steps(content))
        self._added = _Added(content) if added_words(content) else None
        self._lengths = tf.constant(_lengths(content), tf.int32)
        model = sentencepiece_model(BPE, _pieces(content))
        self._bpe = import_tensorflow_text().SentencepieceTokenizer(model=model, out_type=tf.int32)

    def pieces(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Turns valid UTF-8 strings `[batch]` into int32 ids `[batch, (tokens)]`, without special tokens."""
        for char, escaped in _ESCAPED.items():
            text = tf.strings.regex_replace(text, char, escaped)
        for step in self._steps:
            text = step(text)
        if self._prefix:
            text = _prefixed(text)
        words = _words(text) if self._added is None else self._added.words(text)
        distinct, places = tf.unique(words.values)
        # Each byte becomes the code point of its number.
        coded = tf.strings.unicode_transcode(distinct, "ISO-8859-1", "UTF-8")
        ids = self._bpe.tokenize(coded if self._added is None else self._added.named(distinct, coded))
        return words.with_values(tf.gather(ids, places)).merge_dims(1, 2)

    def pieces_with_offsets(self, text: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Turns valid UTF-8 strings `[batch]` into ids and the characters they are of; see `InGraphTokenizer`.

        A token that begins or ends within a character is of all of it. Exact but for three and more combining marks on
        one letter that NFC sorts, if the tokenizer has that: Rust may have a mark be of another one of them.
        """
        ids = self.pieces(text)
        aligned = Aligned.of(text)
        for step in self._steps:
            aligned = step.aligned(aligned)
        if self._prefix:
            aligned = aligned.prefixed(_prefixed(aligned.text))
        # The tokens of all texts, end to end, are the bytes of all texts.
        lengths = tf.gather(self._lengths, ids.values)
        first = tf.cumsum(lengths, exclusive=True)
        return ids, *aligned.ranges(text, ids, first, first + lengths - 1)


def _prefixed(text: tf.Tensor) -> tf.Tensor:
    """Puts a space before texts that have none there."""
    bare = (text != "") & (tf.strings.substr(text, 0, 1) != " ")
    return tf.where(bare, tf.constant(" ") + text, text)


class _Added(tf.Module):
    """Added words that are not special tokens, such as ModernBERT's runs of spaces: cut out before all else."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__()
        ids = {token["content"]: token["id"] for token in added_words(content)}
        # Of those that begin at a place Rust takes the longest, RE2 the first that is named.
        self._pattern = "|".join(re.escape(word) for word in sorted(ids, key=len, reverse=True))
        names = tf.constant([_name(i) for i in ids.values()])
        content_of = tf.lookup.KeyValueTensorInitializer(tf.constant(list(ids)), names)
        self._names = tf.lookup.StaticHashTable(content_of, default_value="")

    def words(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Cuts texts `[batch]` into words, the added ones among them."""
        parts = tf.strings.split(tf.strings.regex_replace(text, self._pattern, rf"{SEPARATOR}\0{SEPARATOR}"), SEPARATOR)
        inside = tf.ragged.range(parts.row_lengths()).values % 2 == 1
        added = tf.RaggedTensor.from_row_lengths(parts.values[inside], tf.cast(inside, tf.int64))
        # A part is an added word or has words, never both.
        words = tf.concat([_words(tf.where(inside, "", parts.values)), added], axis=1)
        return parts.with_values(words).merge_dims(1, 2)

    def named(self, words: tf.Tensor, coded: tf.Tensor) -> tf.Tensor:
        """Puts the names of their pieces in the place of added words."""
        names = self._names.lookup(words)
        return tf.where(names == "", coded, names)


def _words(text: tf.Tensor) -> tf.RaggedTensor:
    """Cuts escaped texts `[batch]` where GPT-2 does, and takes the escapes out."""
    for pattern, rewrite in gpt2_splits():
        text = tf.strings.regex_replace(text, pattern, rewrite)
    split = tf.strings.split(text, SEPARATOR)
    words = tf.ragged.boolean_mask(split, split != "")
    for char, escaped in reversed(_ESCAPED.items()):
        words = words.with_values(tf.strings.regex_replace(words.values, escaped, char))
    return words


def _pieces(content: dict[str, Any]) -> Iterator[tuple[str, float, int]]:
    """Yields the pieces in the order of their ids, with scores that make the op merge in the order of the merges."""
    model = content["model"]
    merges = (merge if isinstance(merge, list) else merge.split(" ") for merge in model["merges"])
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(merges):
        ranks.setdefault("".join(merge), rank)
    tokens = {i: token for token, i in model["vocab"].items()}
    added = {token["id"] for token in added_words(content)}
    bytes_of = byte_of_char()
    for i in range(max([*tokens, *added]) + 1):
        token = tokens.get(i, "")
        if i in added:
            yield _name(i), 0.0, USER_DEFINED
        elif token in ranks or token in bytes_of:
            yield "".join(chr(bytes_of[char]) for char in token), -float(ranks.get(token, 0)), NORMAL
        else:
            # A special token, say, or a gap: no merge makes it, so no text may.
            yield _name(i), 0.0, CONTROL
    yield "\u0101", 0.0, UNKNOWN


def _lengths(content: dict[str, Any]) -> list[int]:
    """Returns how many bytes of a text the token of each id is."""
    vocab = content["model"]["vocab"]
    added = {token["id"]: len(token["content"].encode()) for token in added_words(content)}
    lengths = {i: len(token) for token, i in vocab.items()} | added
    return [lengths.get(i, 0) for i in range(max(lengths) + 1)]


def _name(i: int) -> str:
    """A name that no bytes spell, and that holds no other such name."""
    return f"\u0100{i}\u0102"
