"""The twin of a fast tokenizer inside the graph, by the kind of its model."""

import tensorflow as tf

from tftransfer.errors import ExportError
from tftransfer.row_options import RowOptions
from tftransfer.tokenizers.byte_level import InGraphByteLevel
from tftransfer.tokenizers.fast import FastTokenizer
from tftransfer.tokenizers.layout import HEAD
from tftransfer.tokenizers.twin import has_twin
from tftransfer.tokenizers.unigram import InGraphUnigram
from tftransfer.tokenizers.wordpiece import InGraphWordPiece

__all__ = ["in_graph"]

_KINDS = {"BPE": InGraphByteLevel, "Unigram": InGraphUnigram, "WordPiece": InGraphWordPiece}


def in_graph(tokenizer: FastTokenizer, max_length: int, pair: bool = False, options: RowOptions = HEAD) -> tf.Module:
    """Builds the module that answers raw strings with the ids that the fast tokenizer answers.

    Args:
        tokenizer: `FastTokenizer`.
        max_length: int, in tokens, special tokens included.
        pair: bool. Whether each row has two texts. Defaults to `False`.
        options: `RowOptions`. Defaults to those: a row a text, without its end if it is too long.

    Returns:
        A `tf.Module`: `module(text)`, or `module(text, text_pair)`, returns a dict of int32 `input_ids`,
        `attention_mask` and `token_type_ids`, each `[rows, longest row of the batch]`. With windows it has `examples`
        too, `[rows]`, the number of each row's text in the batch; with offsets `starts`, `ends`, `texts` and
        `word_starts`, `[rows, longest row of the batch]`, as `InGraphTokenizer` tells.

    Raises:
        ConfigError: `max_length` leaves no room beside the special tokens, or the options make no sense.
        ExportError: The tokenizer has no exact twin; `has_twin` says so beforehand, and without TensorFlow.
    """
    if tokenizer.kind not in _KINDS:
        raise ExportError(has_twin(tokenizer))
    return _KINDS[tokenizer.kind](tokenizer, max_length, pair, options)
