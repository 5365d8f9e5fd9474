"""What the Rust tokenizer does with a `MaskWord`, in TensorFlow: the parts of a text, tokenized, and masks between."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from tftransfer.tokenizers.character_classes import white_space
from tftransfer.tokenizers.mask_word import MaskWord

__all__ = ["between_masks"]


def between_masks(
    text: tf.Tensor, mask: MaskWord, pieces: Callable[[tf.Tensor], Sequence[tf.RaggedTensor]]
) -> list[tf.RaggedTensor]:
    """Tokenizes what is between masks.

    Args:
        text: string tensor `[batch]`, valid UTF-8.
        mask: MaskWord.
        pieces: callable. From strings `[parts]` to ids, or to ids, starts and ends, int32 `[parts, (tokens)]` each.

    Returns:
        The same of whole texts, masks included, `[batch, (tokens)]` each.
    """
    parts = tf.strings.split(text, mask.text)
    number = tf.ragged.range(parts.row_lengths())
    first, last = number.values == 0, tf.gather(parts.row_lengths(), number.value_rowids()) == number.values + 1
    bare = parts.values
    if mask.lstrip:
        bare = tf.where(last, bare, tf.strings.regex_replace(bare, rf"[{white_space()}]+\z", ""))
    trailing = bare
    if mask.rstrip:
        bare = tf.where(first, bare, tf.strings.regex_replace(bare, rf"\A[{white_space()}]+", ""))
    ids, *bounds = pieces(bare)
    masks = tf.cast(~last, tf.int64)  # of each part, behind it

    def joined(tokens: tf.RaggedTensor, values: tf.Tensor) -> tf.RaggedTensor:
        behind = tf.RaggedTensor.from_row_lengths(tf.boolean_mask(values, ~last), masks)
        return parts.with_values(tf.concat([tokens, behind], axis=1)).merge_dims(1, 2)

    whole = [joined(ids, tf.fill(tf.shape(bare), mask.token_id))]
    if bounds:
        length, width = _length(parts.values), len(mask.text)
        begin = _before(parts.with_values(length + width))
        skipped = tf.expand_dims(begin + _length(trailing) - _length(bare), 1)
        starts, ends = (bound + tf.cast(skipped, tf.int32) for bound in bounds)
        whole += [joined(starts, begin + length), joined(ends, begin + length + width)]
    return whole


def _length(text: tf.Tensor) -> tf.Tensor:
    return tf.strings.length(text, "UTF8_CHAR")


def _before(values: tf.RaggedTensor) -> tf.Tensor:
    """The sums of what is before each value in its row, `[values]`."""
    sums = tf.cumsum(values.values, exclusive=True)
    bases = tf.gather(tf.concat([sums, [0]], 0), values.row_starts())  # an empty last row begins behind all
    return sums - tf.gather(bases, values.value_rowids())
