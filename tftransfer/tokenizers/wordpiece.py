"""WordPiece inside the graph (BERT, ELECTRA, MiniLM, MPNet ...): the ids that the Rust tokenizer answers."""

import json

import numpy as np
import tensorflow as tf

from tftransfer.row_options import RowOptions
from tftransfer.tokenizers.alignment import Aligned, Words
from tftransfer.tokenizers.assembly import InGraphTokenizer, import_tensorflow_text
from tftransfer.tokenizers.fast import FastTokenizer
from tftransfer.tokenizers.layout import HEAD
from tftransfer.tokenizers.normalizer_table import normalizer_table

__all__ = ["InGraphWordPiece"]


class InGraphWordPiece(InGraphTokenizer):
    """A BERT tokenizer made of stock ops.

    A table of our own does what the Rust normalizer and pre-tokenizer do (`normalizer_table`), so that the words are
    what lies between spaces; `FastWordpieceTokenizer` does the rest ([Song et al., 2021](https://arxiv.org/abs/2012.15524)).

    Args:
        tokenizer: `FastTokenizer` with a WordPiece model, a BertNormalizer and a BertPreTokenizer.
        max_length: int, in tokens, special tokens included.
        pair: bool. Whether each row has two texts. Defaults to `False`.
        options: `RowOptions`. Defaults to those: a row a text, without its end if it is too long.

    Raises:
        ExportError: The tokenizer does something that has no exact twin here.

    Example:

    >>> module = InGraphWordPiece(FastTokenizer.from_directory(directory), max_length=128)
    >>> module(tf.constant(["Hello world"]))["input_ids"]
    <tf.Tensor: shape=(1, 4), dtype=int32, numpy=array([[ 101, 7592, 2088,  102]], dtype=int32)>
    """

    def __init__(
        self, tokenizer: FastTokenizer, max_length: int, pair: bool = False, options: RowOptions = HEAD
    ) -> None:
        super().__init__(tokenizer, max_length, pair, options)
        model = json.loads(tokenizer.to_json())["model"]
        text = import_tensorflow_text()
        # Held as tensors: a list of a million ints in the graph's definition would be slow to build and to save.
        table = np.frombuffer(normalizer_table(tokenizer.rust), np.uint8)
        self._normalizer = text.FastBertNormalizer(model_buffer=tf.constant(table))
        self._unknown = model["unk_token"]
        self._longest_word = model["max_input_chars_per_word"]
        self._wordpiece = text.FastWordpieceTokenizer(
            vocab=_vocabulary(model["vocab"]),
            suffix_indicator=model["continuing_subword_prefix"],
            max_bytes_per_word=4 * self._longest_word,
            token_out_type=tf.int32,
            unknown_token=self._unknown,
            no_pretokenization=True,
        )

    def pieces(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Turns valid UTF-8 strings `[batch]` into int32 ids `[batch, (tokens)]`, without special tokens."""
        split = tf.strings.split(self._normalizer.normalize(text), " ")
        words = tf.ragged.boolean_mask(split, split != "")
        return self._wordpiece.tokenize(words.with_values(self._short(words.values))).merge_dims(1, 2)

    def pieces_with_offsets(self, text: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Turns valid UTF-8 strings `[batch]` into ids and the characters they are of; see `InGraphTokenizer`.

        Exact but for words with combining marks that survive the stripping of accents and are sorted by it: such words
        are unknown, and Rust has them end some marks earlier or later.
        """
        aligned = Aligned.of(text).normalized(self._normalizer)
        words = Words.between_spaces(aligned.text)
        ids, starts, _ = self._wordpiece.tokenize_with_offsets(self._short(words.words.values))
        ids = words.words.with_values(ids).merge_dims(1, 2)
        return ids, *aligned.ranges(text, ids, *words.bounds(starts))

    def _short(self, words: tf.Tensor) -> tf.Tensor:
        """Puts the unknown token in the place of words `[words]` that are too long."""
        # Rust counts characters, the op bytes; so the op's own limit is out of reach and the rule is applied here.
        too_long = tf.strings.length(words, "UTF8_CHAR") > self._longest_word
        return tf.where(too_long, self._unknown, words)


def _vocabulary(ids: dict[str, int]) -> list[str]:
    """The tokens in the order of their ids; a place that no word can reach gets a name that no word can have."""
    vocabulary = [f" {i}" for i in range(max(ids.values()) + 1)]
    for token, i in ids.items():
        vocabulary[i] = token or vocabulary[i]
    return vocabulary
