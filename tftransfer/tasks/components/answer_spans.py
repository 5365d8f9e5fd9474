"""Answers as spans of a text inside the graph: what `best_spans` and `QuestionAnswering.decode` do outside of it."""

from collections.abc import Mapping

import tensorflow as tf

from tftransfer.tasks.answer_spans import IMPOSSIBLE

__all__ = ["answers_in_graph"]


def answers_in_graph(
    logits: tf.Tensor, tokens: Mapping[str, tf.Tensor], contexts: tf.Tensor, longest: int, threshold: float | None
) -> dict[str, tf.Tensor]:
    """Returns the answer to each question.

    Args:
        logits: float tensor `(rows, length, 2)`.
        tokens: dict. What a tokenizer in the graph makes, with offsets and windows.
        contexts: string tensor `(batch,)`. What answers are parts of.
        longest: int. How many tokens an answer may have.
        threshold: float or None. How far the logits of having no answer must be above those of the best span; None if
            every question has an answer.

    Returns:
        A dict of tensors `(batch,)`: the strings `answer`, "" for none; int32 `start` and `end`, in characters, -1 for
        none; float32 `score`, and `no_answer_score` if there is a threshold.
    """
    examples, batch = tokens["examples"], tf.size(contexts)
    firsts, lasts, sums = _best_of_rows(logits, tokens, longest)
    best = tf.math.unsorted_segment_max(sums, examples, batch)
    numbers = tf.range(tf.size(examples))
    is_best = sums == tf.gather(best, examples)
    row = tf.math.unsorted_segment_min(tf.where(is_best, numbers, numbers.dtype.max), examples, batch)
    first, last = (tf.stack([row, tf.gather(places, row)], axis=-1) for places in (firsts, lasts))
    none, nothing = best <= IMPOSSIBLE, tf.zeros_like(best)
    outputs = {}
    if threshold is not None:
        nulls = tf.math.unsorted_segment_min(tf.reduce_sum(logits[:, 0], axis=-1), examples, batch)
        none |= nulls - best > threshold
        nothing = outputs["no_answer_score"] = tf.sigmoid(nulls - best)
    starts, ends = tf.unstack(tf.nn.log_softmax(logits, axis=1), axis=-1)  # (rows, length)
    score = tf.where(none, nothing, tf.exp(tf.gather_nd(starts, first) + tf.gather_nd(ends, last)))
    start = tf.where(none, -1, tf.gather_nd(tokens["starts"], first))
    end = tf.where(none, -1, tf.gather_nd(tokens["ends"], last))
    # Bytes that are not UTF-8 are characters for the tokenizer.
    text = tf.strings.unicode_transcode(contexts, "UTF-8", "UTF-8", errors="replace")
    answer = tf.strings.substr(text, tf.maximum(start, 0), end - start, unit="UTF8_CHAR")
    return {"answer": answer, "start": start, "end": end, "score": score, **outputs}


def _best_of_rows(
    logits: tf.Tensor, tokens: Mapping[str, tf.Tensor], longest: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the first and the last token of each row's best span, and its logits together, all `(rows,)`."""
    length = tf.shape(logits)[1]
    lasts = tf.range(length)[:, None] + tf.range(longest)  # (length, longest)
    inside, lasts = lasts < length, tf.minimum(lasts, length - 1)
    context = tokens["texts"] == 1
    # (rows, length, longest)
    possible = inside & context[..., None] & tf.gather(context, lasts, axis=1)
    possible &= tf.gather(tokens["ends"], lasts, axis=1) > tokens["starts"][..., None]
    sums = tf.where(possible, logits[..., :1] + tf.gather(logits[..., 1], lasts, axis=1), IMPOSSIBLE)
    flat = tf.reshape(sums, [-1, length * longest])
    best = tf.argmax(flat, axis=-1, output_type=tf.int32)
    first = best // longest
    return first, tf.minimum(first + best % longest, length - 1), tf.reduce_max(flat, axis=-1)
