"""Unigram inside the graph (XLM-R, CamemBERT, ALBERT, DeBERTa-v3, T5 ...): the ids that the Rust tokenizer answers."""

import json
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tftransfer.row_options import RowOptions
from tftransfer.tokenizers.alignment import Aligned, Words
from tftransfer.tokenizers.assembly import InGraphTokenizer, import_tensorflow_text
from tftransfer.tokenizers.character_classes import white_space
from tftransfer.tokenizers.fast import FastTokenizer
from tftransfer.tokenizers.layout import HEAD
from tftransfer.tokenizers.normalizer_steps import Replace, normalizer_steps
from tftransfer.tokenizers.sentencepiece_model import CONTROL, NORMAL, UNIGRAM, UNKNOWN, sentencepiece_model
from tftransfer.tokenizers.twin import part_of, parts_of

__all__ = ["InGraphUnigram"]

# Scores are rounded to multiples of this. With a constant for each character, which all splits of a word get alike,
# sums stay small: up to 2048 they are exact in float32, enough for some hundred characters without a space.
_GRAIN = 2.0**-13
_EACH_CHARACTER = 2.0


class InGraphUnigram(InGraphTokenizer):
    """A SentencePiece-like tokenizer made of stock ops.

    SentencePiece's own op takes whole texts, and adds scores as float32, so that equally good splits, as of "aaaa", are
    told apart by rounding. Here it gets the words that the Rust tokenizer gets, normalized in the graph, and scores
    that are multiples of 1/8192: their sums are exact, and of equally good splits the first one wins, as in Rust.

    Two splits of a word that differ in score by less than the rounding, some 1/10000, may change places. No real text
    that we have does that (CONTRIBUTING.md has the figures), and `export` compares both on every text it is given.

    Args:
        tokenizer: `FastTokenizer` with a Unigram model and a Metaspace pre-tokenizer.
        max_length: int, in tokens, special tokens included.
        pair: bool. Whether each row has two texts. Defaults to `False`.
        options: `RowOptions`. Defaults to those: a row a text, without its end if it is too long.

    Raises:
        ExportError: The tokenizer does something that has no exact twin here.

    Example:

    >>> module = InGraphUnigram(FastTokenizer.from_directory(directory), max_length=128)
    >>> module(tf.constant(["Hello world!"]))["input_ids"]
    <tf.Tensor: shape=(1, 5), dtype=int32, numpy=array([[    0, 35378,  8999,    38,     2]], dtype=int32)>
    """

    def __init__(
        self, tokenizer: FastTokenizer, max_length: int, pair: bool = False, options: RowOptions = HEAD
    ) -> None:
        super().__init__(tokenizer, max_length, pair, options)
        content = json.loads(tokenizer.to_json())
        self._steps = [*normalizer_steps(content), *_cuts(content)]
        metaspace = part_of(content, "pre_tokenizer", "Metaspace")
        self._mark, self._prefix = metaspace["replacement"], metaspace["prepend_scheme"] != "never"
        self._unknown = content["model"]["unk_id"]
        pieces = list(_pieces(content["model"]))
        model = sentencepiece_model(UNIGRAM, pieces)
        self._unigram = import_tensorflow_text().SentencepieceTokenizer(model=model, out_type=tf.int32)
        self._outside = len(pieces) - 1

    def pieces(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Turns valid UTF-8 strings `[batch]` into int32 ids `[batch, (tokens)]`, without special tokens."""
        for step in self._steps:
            text = step(text)
        split = tf.strings.split(text, " ")
        words = tf.ragged.boolean_mask(split, split != "")
        distinct, places = tf.unique(words.values)
        ids, kept = self._known(self._unigram.tokenize(self._marked(distinct)))
        return words.with_values(tf.gather(tf.ragged.boolean_mask(ids, kept), places)).merge_dims(1, 2)

    def pieces_with_offsets(self, text: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Turns valid UTF-8 strings `[batch]` into ids and the characters they are of; see `InGraphTokenizer`.

        Exact but where Rust's "Precompiled" normalizer miscounts: after control characters at the beginning of a text
        all its ranges are a character early, and what a ligature or fraction becomes may end behind the control
        character or mark that follows. Here the ranges are those of the characters that the token is made from.
        """
        aligned = Aligned.of(text)
        for step in self._steps:
            aligned = step.aligned(aligned)
        words = Words.between_spaces(aligned.text)
        distinct, places = tf.unique(words.words.values)
        marked = self._marked(distinct)
        found, starts, _ = self._unigram.tokenize_with_offsets(marked)
        found, kept = self._known(found)
        added = tf.gather(tf.strings.length(marked) - tf.strings.length(distinct), starts.value_rowids())
        starts = starts.with_values(tf.maximum(tf.cast(starts.values, tf.int32) - added, 0))
        found, starts = (tf.gather(tf.ragged.boolean_mask(part, kept), places) for part in (found, starts))
        ids = words.words.with_values(found).merge_dims(1, 2)
        return ids, *aligned.ranges(text, ids, *words.bounds(starts))

    def _marked(self, words: tf.Tensor) -> tf.Tensor:
        """Puts the mark before words that have none there, if the tokenizer does."""
        if not self._prefix:
            return words
        bare = tf.strings.substr(words, 0, 1, "UTF8_CHAR") != self._mark
        return tf.where(bare, tf.constant(self._mark) + words, words)

    def _known(self, ids: tf.RaggedTensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Gives unknown text the tokenizer's id for it; says which tokens stay, one for each run of it in a word."""
        flat = tf.where(ids.values == self._outside, self._unknown, ids.values)
        unknown = flat == self._unknown
        before = tf.concat([[False], unknown[:-1]], 0)[: tf.size(flat)]
        first = tf.ragged.range(ids.row_lengths()).values == 0
        return ids.with_values(flat), ids.with_values(~unknown | ~before | first)


def _cuts(content: dict[str, Any]) -> Iterator[Replace]:
    """Yields the steps after which words are what lies between spaces; Metaspace begins one at each of its marks."""
    kinds = [part["type"] for part in parts_of(content, "pre_tokenizer")]
    mark = part_of(content, "pre_tokenizer", "Metaspace")["replacement"]
    if "WhitespaceSplit" in kinds:
        yield Replace(f"[{white_space()}]+", " ")
        yield Replace(mark, f" {mark}")
    else:
        yield Replace(f"[ {mark}]", f" {mark}")


def _pieces(model: dict[str, Any]) -> Iterator[tuple[str, float, int]]:
    """Yields the pieces in the order of their ids, and at the end what stands for unknown text in the op."""
    # Of equal pieces Rust knows the last. Special tokens are pieces of a score of 0, also when somebody types them.
    last = {token: i for i, (token, _) in enumerate(model["vocab"])}
    for i, (token, score) in enumerate(model["vocab"]):
        if token and last[token] == i:
            yield token, _rounded(score + _EACH_CHARACTER * len(token)), NORMAL
        else:
            yield f" {i}", 0.0, CONTROL  # no word holds a space
    # The op gives an unknown character the lowest score less 10; its lowest must be Rust's, for one character.
    yield " lowest", _rounded(min(score for _, score in model["vocab"]) + _EACH_CHARACTER), NORMAL
    yield " unknown", 0.0, UNKNOWN


def _rounded(score: float) -> float:
    return round(score / _GRAIN) * _GRAIN
