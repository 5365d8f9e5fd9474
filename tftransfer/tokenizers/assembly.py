"""What every tokenizer in the graph does around its own pieces: guard, repair, truncate, add special tokens, pad.

Core TensorFlow ops only, of the kind that TF Serving 2.12 and later have.
"""

import dataclasses
import types

import tensorflow as tf

from tftransfer.errors import ConfigError, ExportError
from tftransfer.tokenizers.fast import FastTokenizer
from tftransfer.tokenizers.twin import has_twin

__all__ = ["InGraphTokenizer", "Template", "import_tensorflow_text", "longest_first"]


def import_tensorflow_text() -> types.ModuleType:
    """Imports tensorflow_text, which also registers its ops; says what to install if that fails."""
    try:
        import tensorflow_text
    except ImportError as error:
        raise ExportError(
            "Tokenizing inside the graph needs the package tensorflow-text of TensorFlow's own version "
            f"({tf.__version__}): pip install 'tensorflow-text=={'.'.join(tf.__version__.split('.')[:2])}.*' ({error})"
        ) from error
    return tensorflow_text


@dataclasses.dataclass(frozen=True)
class Template:
    """What the tokenizer puts around its texts, as its own answer to a probe shows it.

    Args:
        slots: for each place in a row, an int: the id of a special token, or -1 for the first text, -2 for the second.
        type_ids: the token type id of each place.
    """

    slots: tuple[int, ...]
    type_ids: tuple[int, ...]

    @classmethod
    def ask(cls, tokenizer: FastTokenizer, pair: bool) -> "Template":
        """Encodes a letter (or two), and reads from the answer which ids are the tokenizer's own."""
        probe = tokenizer.rust.encode("a", "a" if pair else None)
        # A text may come out as more than one token (a lone prefix and the letter); they are one slot.
        slots: list[int] = []
        types: list[int] = []
        for token, kind, sequence in zip(probe.ids, probe.type_ids, probe.sequence_ids, strict=True):
            slot = token if sequence is None else -1 - sequence
            if slot >= 0 or slot not in slots:
                slots.append(slot)
                types.append(kind)
        if sorted(slot for slot in slots if slot < 0) != ([-2, -1] if pair else [-1]):
            raise ExportError(f"Expected a row to hold each text once, but the tokenizer makes {probe.tokens} of 'a'.")
        return cls(tuple(slots), tuple(types))

    @property
    def special(self) -> int:
        """Number of special tokens."""
        return sum(slot >= 0 for slot in self.slots)


def longest_first(first: tf.Tensor, second: tf.Tensor, room: int) -> tuple[tf.Tensor, tf.Tensor]:
    """How many tokens each text of a pair keeps, as the Rust tokenizer's "longest_first" has it.

    Args:
        first: int tensor `[batch]`, tokens of the first texts.
        second: int tensor `[batch]`, tokens of the second texts.
        room: int, tokens for both.

    Returns:
        Two int tensors `[batch]`.
    """
    # The longer text gives way first, and has the odd token; of two equally long ones the second counts as the longer.
    short = tf.minimum(tf.minimum(first, second), room // 2)
    long = tf.minimum(tf.maximum(first, second), room - short)
    swapped = first > second
    return tf.where(swapped, long, short), tf.where(swapped, short, long)


class InGraphTokenizer(tf.Module):
    """A tokenizer made of TensorFlow ops; a subclass says in `pieces` how a text becomes ids.

    Calling it takes raw strings `[batch]` (and as many second texts, if `pair`) and returns int32 `input_ids`,
    `attention_mask` (1 token, 0 padding) and `token_type_ids`, each `[batch, longest row of the batch]`. Bytes that are
    not UTF-8 count as U+FFFD. Anything but a vector of strings is an InvalidArgumentError, also inside a server.

    `tokenize` is the same as a `tf.function`, which a SavedModel keeps.

    Args:
        tokenizer: `FastTokenizer` to equal.
        max_length: int, in tokens, special tokens included.
        pair: bool. Whether each row has two texts. Defaults to `False`.

    Raises:
        ConfigError: `max_length` leaves no room beside the special tokens.
        ExportError: The tokenizer has no exact twin.
    """

    def __init__(self, tokenizer: FastTokenizer, max_length: int, pair: bool = False) -> None:
        super().__init__()
        tokenizer.check_max_length(max_length, pair)
        if reason := has_twin(tokenizer):
            raise ExportError(reason)
        self._pad_token_id = tokenizer.pad_token_id
        self._template = Template.ask(tokenizer, pair)
        self._room = max_length - self._template.special
        # TF Serving does not check the rank of its input, so the graph takes any and refuses.
        strings = [tf.TensorSpec(None, tf.string)] * (1 + pair)
        self.tokenize = tf.function(self._tokenize_pair if pair else self._tokenize, strings, autograph=False)
        self._pair = pair

    def pieces(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Turns valid UTF-8 strings `[batch]` into int32 ids `[batch, (tokens)]`, without special tokens."""
        raise NotImplementedError

    def pieces_with_offsets(self, text: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Does what `pieces` does, and says of each token which characters of its text it is of.

        Args:
            text: string tensor `[batch]`, valid UTF-8.

        Returns:
            Three ragged int32 tensors `[batch, (tokens)]`: the ids, and of each token the start and the end of its
            range, in characters (code points, the indices of a Python str); the end is not in it. The ranges are those
            of the Rust tokenizer, less white space at their ends; a token of nothing but white space keeps its range.
        """
        raise NotImplementedError

    def __call__(self, text: tf.Tensor, text_pair: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Turns raw strings `[batch]` into the three inputs of a backbone, each int32 `[batch, length]`."""
        if self._pair != (text_pair is not None):
            raise ConfigError(f"Expected {'two texts' if self._pair else 'one text'} a row, as at construction.")
        return self.tokenize(text, text_pair) if self._pair else self.tokenize(text)

    def _tokenize(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        ids = self._ids(tf.ensure_shape(text, [None]))
        return self._assemble([_keep(ids, tf.minimum(ids.row_lengths(), self._room))])

    def _tokenize_pair(self, text: tf.Tensor, text_pair: tf.Tensor) -> dict[str, tf.Tensor]:
        text, text_pair = tf.ensure_shape(text, [None]), tf.ensure_shape(text_pair, [None])
        tf.debugging.assert_equal(tf.size(text), tf.size(text_pair), "Expected as many second texts as first texts.")
        first, second = self._ids(text), self._ids(text_pair)
        kept = longest_first(first.row_lengths(), second.row_lengths(), self._room)
        return self._assemble([_keep(first, kept[0]), _keep(second, kept[1])])

    def _ids(self, text: tf.Tensor) -> tf.RaggedTensor:
        # The tokenizer's ops do not check their input; valid text passes unchanged, NUL and non-characters included.
        return self.pieces(tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace"))

    def _assemble(self, texts: list[tf.RaggedTensor]) -> dict[str, tf.Tensor]:
        column = tf.zeros([texts[0].nrows(), 1], tf.int32)
        parts = [texts[-1 - slot] if slot < 0 else column + slot for slot in self._template.slots]
        ids = tf.concat(parts, axis=1)
        lengths = ids.row_lengths()
        input_ids = ids.to_tensor(self._pad_token_id)
        mask = tf.sequence_mask(lengths, tf.shape(input_ids)[1], tf.int32)
        if len(set(self._template.type_ids)) == 1:
            types = mask * self._template.type_ids[0]
        else:
            filled = [tf.zeros_like(part) + kind for part, kind in zip(parts, self._template.type_ids, strict=True)]
            types = tf.concat(filled, axis=1).to_tensor(0)
        return {"input_ids": input_ids, "attention_mask": mask, "token_type_ids": types}


def _keep(ids: tf.RaggedTensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    """The first `lengths[i]` tokens of each row i."""
    positions = tf.ragged.range(ids.row_lengths()).values
    kept = positions < tf.gather(lengths, ids.value_rowids())
    return tf.RaggedTensor.from_row_lengths(tf.boolean_mask(ids.values, kept), lengths, validate=False)
