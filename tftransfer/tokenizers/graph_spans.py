"""What `spans` says of tokens, in TensorFlow: which characters each is of, and which begin a word."""

import tensorflow as tf

from tftransfer.tokenizers.character_kinds import ALONE, IDEOGRAPH, MARK, SPACED_IDEOGRAPH, WHITE, kind_runs

__all__ = ["graph_spans", "space_ideographs"]


def space_ideographs(text: tf.Tensor) -> tf.Tensor:
    """Sets each ideograph of strings `[batch]` apart by spaces."""
    return tf.strings.regex_replace(text, *SPACED_IDEOGRAPH)


def graph_spans(
    text: tf.Tensor, starts: tf.RaggedTensor, ends: tf.RaggedTensor, spaced: bool
) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
    """Finds a tokenizer's offsets in the user's texts, without white space around them; see `spans.spans`.

    Args:
        text: string tensor `[batch]`, valid UTF-8.
        starts: int32 ragged tensor `[batch, (tokens)]`. First character of each token.
        ends: int32 ragged tensor `[batch, (tokens)]`. The character after its last.
        spaced: bool. Whether `starts` and `ends` count in texts with ideographs set apart.

    Returns:
        Three int32 ragged tensors `[batch, (tokens)]`: starts, ends, and 1 for the tokens that begin a word.
    """
    points = tf.strings.unicode_decode(text, "UTF-8")
    firsts, kinds_of_runs = (tf.constant(x) for x in kind_runs())
    kind = tf.gather(kinds_of_runs, tf.searchsorted(firsts, points.values, side="right") - 1)
    bases = tf.cast(points.row_splits, tf.int32)
    numbers = starts.value_rowids()
    base, limit = tf.gather(bases, numbers), tf.gather(bases, numbers + 1)
    # From here on the texts are one, end to end.
    if spaced:
        begin, end = (_unspaced(kind, bases, numbers, x.values) for x in (starts, ends))
    else:
        begin, end = base + starts.values, base + ends.values
    solid = kind != WHITE
    begin = tf.minimum(tf.gather(_next(solid), begin), limit)
    end = tf.maximum(tf.gather(_after_last(solid), end), begin)
    first = tf.ragged.range(points.row_lengths()).values == 0
    begins = _begins(begin, end, _words(kind, first))
    following = tf.concat([begin, tf.shape(kind)], 0)[1:]
    marked = tf.minimum(tf.minimum(tf.gather(_next(kind != MARK), end), limit), following)
    end = tf.where(end > begin, tf.maximum(marked, end), end)
    flat = (begin - base, end - base, begins)
    return tuple(starts.with_values(x) for x in flat)


def _before(values: tf.Tensor) -> tf.Tensor:
    """Sums of all values before each place, and at the end of all: int32."""
    return tf.concat([[0], tf.cumsum(tf.cast(values, tf.int32))], 0)


def _next(which: tf.Tensor) -> tf.Tensor:
    """From each place, and from the end of all, the next character of some, or the end of all: `[characters + 1]`."""
    return tf.gather(tf.concat([_places(which), tf.shape(which)], 0), _before(which))


def _after_last(which: tf.Tensor) -> tf.Tensor:
    """Before each place, and before the end of all, the end of the last character of some, or 0: `[characters + 1]`."""
    return tf.gather(tf.concat([[0], _places(which) + 1], 0), _before(which))


def _places(which: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.where(which)[:, 0], tf.int32)


def _unspaced(kind: tf.Tensor, bases: tf.Tensor, numbers: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Which characters are at places among the spaced ones."""
    apart = tf.cast(kind == IDEOGRAPH, tf.int32)
    more = 2 * _before(apart)
    spaced = tf.range(tf.size(kind)) + more[:-1] + apart
    return tf.searchsorted(spaced, tf.gather(bases + tf.gather(more, bases), numbers) + places)


def _words(kind: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """Which characters begin a word: bool `[characters]`; `first` says which begin a text."""
    inner = (kind > WHITE) & (kind < ALONE)
    goes_on = tf.concat([[False], inner], 0)[:-1] & ~first
    return (kind >= ALONE) | (inner & ~goes_on)


def _begins(starts: tf.Tensor, ends: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
    """1 for the tokens that begin a word, 0 for the others: int32 `[tokens]`."""
    some, shape = tf.where(ends > starts), tf.shape(starts, tf.int64)
    starts, ends = tf.gather(starts, some[:, 0]), tf.gather(ends, some[:, 0])
    number = tf.cumsum(tf.cast(words, tf.int32))
    before = tf.concat([[0], tf.gather(number, ends - 1)], 0)[:-1]
    begins = tf.gather(words, starts) & (starts != tf.concat([[-1], starts], 0)[:-1])
    begins |= tf.gather(number, starts) > before
    return tf.scatter_nd(some, tf.cast(begins, tf.int32), shape)
