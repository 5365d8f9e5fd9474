"""Spans of a text inside the graph: what `Words` and `TokenClassification.decode` do outside of it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from tftransfer.tasks.tag_set import TagSet

__all__ = ["entities_in_graph"]

_CHARACTERS = tf.int64.limits[1] >> 32  # more than any text has


class _Words(NamedTuple):
    """The words of all texts, in their order: see `Words`. All are `(words,)`."""

    examples: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    tokens: tf.Tensor


def entities_in_graph(logits: tf.Tensor, tokens: Mapping[str, tf.Tensor], tags: TagSet) -> dict[str, tf.Tensor]:
    """Returns the spans of each text, filled up to as many as the text with most of them has.

    Args:
        logits: float tensor `(rows, length, labels)`.
        tokens: dict. What a tokenizer in the graph makes, with offsets and windows, and the strings `text` `(batch,)`.
        tags: TagSet. What the labels are.

    Returns:
        A dict of tensors `(batch, spans)`: `entities`, the types, and `texts`, strings filled up with ""; `starts` and
        `ends`, int32, in characters, filled up with -1; `scores`, float32, filled up with 0.
    """
    words = _words(tokens)
    scores = tf.nn.softmax(tf.gather(tf.reshape(logits, [-1, tf.shape(logits)[-1]]), words.tokens))
    label = tf.argmax(scores, axis=-1, output_type=tf.int32)
    # A text begins as behind a word that is outside of all spans.
    same = words.examples == _before(words.examples, -1)
    before = tf.where(same, _before(label, tags.outside), tags.outside)
    begins = tf.gather_nd(tf.constant(tags.begins), tf.stack([before, label], axis=-1))
    types = tf.gather(tf.constant(tags.type_ids), label)
    number = tf.boolean_mask(tf.cumsum(tf.cast(begins, tf.int32)) - 1, types >= 0)
    example, start, kind = (tf.boolean_mask(x, begins) for x in (words.examples, words.starts, types))
    end = tf.math.segment_max(tf.boolean_mask(words.ends, types >= 0), number)
    score = tf.math.segment_mean(tf.boolean_mask(tf.reduce_max(scores, axis=-1), types >= 0), number)
    # Bytes that are not UTF-8 are characters for the tokenizer.
    text = tf.strings.unicode_transcode(tokens["text"], "UTF-8", "UTF-8", errors="replace")
    found = tf.strings.substr(tf.gather(text, example), start, end - start, unit="UTF8_CHAR")
    names = tf.gather(tf.constant(tags.types), kind)
    columns = {"entities": names, "texts": found, "starts": start, "ends": end, "scores": score}
    fills = {"entities": "", "texts": "", "starts": -1, "ends": -1, "scores": 0.0}
    batch = tf.size(text, tf.int64)

    def dense(values: tf.Tensor, fill: Any) -> tf.Tensor:
        return tf.RaggedTensor.from_value_rowids(values, example, batch, validate=False).to_tensor(fill)

    return {key: dense(values, fills[key]) for key, values in columns.items()}


def _words(tokens: Mapping[str, tf.Tensor]) -> _Words:
    """Returns the words of all texts, each from the window in which it is furthest from both ends."""
    lengths = tf.reduce_sum(tokens["attention_mask"], axis=1, keepdims=True)
    width = tf.shape(tokens["starts"])[1]
    context = tf.reshape(tf.minimum(tf.range(width), lengths - 1 - tf.range(width)), [-1])
    # One number a place in all texts.
    examples = tf.cast(tokens["examples"], tf.int64)[:, None]
    places = tf.reshape(examples * _CHARACTERS + tf.cast(tokens["starts"], tf.int64), [-1])
    begins = tf.where(tf.reshape(tokens["word_starts"], [-1]) > 0)[:, 0]
    rank = tf.gather(places * tf.cast(width, tf.int64) + tf.cast(width - 1 - context, tf.int64), begins)
    order = tf.gather(begins, tf.argsort(rank, stable=True))
    chosen = tf.boolean_mask(order, tf.gather(places, order) != _before(tf.gather(places, order), -1))
    firsts = tf.gather(places, chosen)
    starts = tf.cast(firsts % _CHARACTERS, tf.int32)
    return _Words(firsts // _CHARACTERS, starts, _ends(firsts, places, tokens), chosen)


def _ends(firsts: tf.Tensor, places: tf.Tensor, tokens: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns where each word ends: with the last of the tokens that begin in it."""
    real = tf.where(tf.reshape(tokens["texts"], [-1]) == 0)[:, 0]
    places, ends = tf.gather(places, real), tf.gather(tf.reshape(tokens["ends"], [-1]), real)
    # The first one stands for what comes before a text's first word.
    bounds = tf.concat([[tf.constant(-1, tf.int64)], firsts], axis=0)
    word = tf.searchsorted(bounds, places, side="right") - 1
    known = tf.gather(bounds, word) // _CHARACTERS == places // _CHARACTERS
    return tf.math.unsorted_segment_max(tf.where(known, ends, 0), word, tf.size(bounds))[1:]


def _before(values: tf.Tensor, first: int) -> tf.Tensor:
    """Returns the value before each."""
    return tf.concat([tf.cast([first], values.dtype), values], axis=0)[:-1]
