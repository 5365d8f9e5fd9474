"""Which characters of a text its tokens are of, followed through what normalizers do to the text.

All positions count over a whole batch, end to end: that of a byte among the bytes of all its texts, that of a character
among the characters of all the original texts.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from tftransfer.tokenizers.character_classes import white_space_points

__all__ = ["Aligned", "Words", "spread"]


class Aligned(NamedTuple):
    """Texts, normalized so far, and what each of their bytes comes from.

    Args:
        text: string tensor `[batch]`, valid UTF-8.
        source: int32 tensor `[bytes of all texts]`: the character of the original texts that the byte is of.
    """

    text: tf.Tensor
    source: tf.Tensor

    @classmethod
    def of(cls, text: tf.Tensor) -> "Aligned":
        """Begins with the original texts."""
        content = tf.io.decode_raw(tf.strings.reduce_join(text), tf.uint8)
        # All bytes of a character but the first are 0x80 to 0xBF.
        begins = (content < 0x80) | (content >= 0xC0)
        return cls(text, tf.cumsum(tf.cast(begins, tf.int32)) - 1)

    def moved(self, text: tf.Tensor, parts: tf.Tensor, part: tf.Tensor, place: tf.Tensor) -> "Aligned":
        """Replaces the texts.

        Args:
            text: string tensor `[batch]`, the new texts.
            parts: string tensor `[parts]`, which are the old texts, end to end.
            part: int32 tensor `[bytes of all new texts]`, the part that each comes from.
            place: int32 tensor `[bytes of all new texts]`, the byte of that part.
        """
        starts = tf.cumsum(tf.strings.length(parts), exclusive=True)
        return Aligned(text, tf.gather(self.source, tf.gather(starts, part) + place))

    def normalized(self, op: Any) -> "Aligned":
        """Lets a `FastBertNormalizer` do what it does to each character alone."""
        text, offsets = op.normalize_with_offsets(self.text)
        row, _ = spread(tf.strings.length(text))
        # Behind the offsets of each text is that of its end.
        place = tf.gather(offsets.values, tf.range(tf.size(row)) + row)
        return self.moved(text, self.text, row, tf.cast(place, tf.int32))

    def prefixed(self, text: tf.Tensor) -> "Aligned":
        """Replaces the texts by the same ones with something before some; it counts as the text's first byte."""
        added = tf.strings.length(text) - tf.strings.length(self.text)
        row, place = spread(tf.strings.length(text))
        return self.moved(text, self.text, row, tf.maximum(place - tf.gather(added, row), 0))

    def ranges(
        self, original: tf.Tensor, ids: tf.RaggedTensor, first: tf.Tensor, last: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Turns the bytes of tokens into ranges of characters, without white space at their ends.

        Args:
            original: string tensor `[batch]`, the original texts.
            ids: ragged int tensor `[batch, (tokens)]`.
            first: int32 tensor `[tokens of all texts]`, the first byte of each token.
            last: int32 tensor `[tokens of all texts]`, the last one.

        Returns:
            Two ragged int32 tensors `[batch, (tokens)]`: the start of the range, and its end, which is not in it. What
            is all white space keeps its range.
        """
        first, last = tf.gather(self.source, first), tf.gather(self.source, last)
        points = tf.strings.unicode_decode(original, "UTF-8")
        shown = tf.reduce_all(points.values[:, tf.newaxis] != tf.constant(white_space_points()), axis=1)
        places = tf.concat([tf.cast(tf.where(shown)[:, 0], tf.int32), [0]], 0)
        # How many characters that are not white space there are before each, and before the end.
        count = tf.concat([[0], tf.cumsum(tf.cast(shown, tf.int32))], 0)
        before, through = tf.gather(count, first), tf.gather(count, last + 1)
        first = tf.where(before < through, tf.gather(places, before), first)
        last = tf.where(before < through, tf.gather(places, tf.maximum(through - 1, 0)), last)
        row, _ = spread(ids.row_lengths())
        origin = tf.cast(tf.gather(points.row_starts(), row), tf.int32)
        return ids.with_values(first - origin), ids.with_values(last + 1 - origin)


class Words(NamedTuple):
    """The words of texts, and where they begin.

    Args:
        words: ragged string tensor `[batch, (words)]`; none is empty.
        starts: int32 tensor `[words of all texts]`, the place of a word's first byte among those of all texts.
    """

    words: tf.RaggedTensor
    starts: tf.Tensor

    @classmethod
    def between_spaces(cls, text: tf.Tensor) -> "Words":
        """Cuts texts `[batch]` at their spaces."""
        split = tf.strings.split(text, " ")
        # Behind each part is a space, except behind the last one of a text.
        spaces = tf.range(tf.size(split.values)) - tf.cast(split.value_rowids(), tf.int32)
        starts = tf.cumsum(tf.strings.length(split.values), exclusive=True) + spaces
        kept = split != ""
        return cls(tf.ragged.boolean_mask(split, kept), tf.boolean_mask(starts, kept.values))

    def bounds(self, starts: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Finds the first and the last byte of each token, among the bytes of all texts.

        Args:
            starts: ragged int tensor `[words of all texts, (tokens)]`, in bytes from the beginning of the word. The
                tokens of a word leave none of it out.
        """
        (word, _), within = spread(starts.row_lengths()), tf.cast(starts.values, tf.int32)
        lengths = tf.strings.length(self.words.values)
        ends = tf.concat([within[1:], within[:1]], 0)  # where the next token of the word begins, if there is one
        last = tf.concat([word[1:] != word[:-1], [True]], 0)[: tf.size(word)]
        ends = tf.where(last, tf.gather(lengths, word), ends)
        first = tf.gather(self.starts, word)
        # A token of nothing but what was put before a word counts as the word's first byte.
        return first + within, first + tf.maximum(ends - 1, within)


def spread(lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Lays things of some lengths end to end.

    Args:
        lengths: int tensor `[things]`.

    Returns:
        Two int32 tensors `[sum of the lengths]`: the thing that each place is in, and how far in it is.
    """
    # `value_rowids` of a ragged tensor says the same, by way of a matrix [things, longest].
    lengths = tf.cast(lengths, tf.int32)
    starts, total = tf.cumsum(lengths, exclusive=True), tf.reduce_sum(lengths)
    begun = tf.math.unsorted_segment_sum(tf.ones_like(starts), starts, total + 1)
    thing = tf.cumsum(begun)[:total] - 1
    return thing, tf.range(total) - tf.gather(starts, thing)
