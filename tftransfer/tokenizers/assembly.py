"""What every tokenizer in the graph does around its own pieces: guard, repair, truncate, add special tokens, pad.

Core TensorFlow ops only, of the kind that TF Serving 2.12 and later have.
"""

import dataclasses
import types
from collections.abc import Sequence

import tensorflow as tf

from tftransfer.errors import ConfigError, ExportError
from tftransfer.row_options import RowOptions
from tftransfer.tokenizers.fast import FastTokenizer
from tftransfer.tokenizers.graph_layout import kept, lay_out
from tftransfer.tokenizers.graph_masks import between_masks
from tftransfer.tokenizers.graph_spans import graph_spans, space_ideographs
from tftransfer.tokenizers.layout import HEAD, check_options
from tftransfer.tokenizers.twin import has_twin

__all__ = ["InGraphTokenizer", "Template", "import_tensorflow_text"]


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


# What stands for a special token, and for padding, in the outputs that say where tokens are from.
_NOWHERE = {"starts": -1, "ends": -1, "texts": -1, "word_starts": 0}


class InGraphTokenizer(tf.Module):
    """A tokenizer made of TensorFlow ops; a subclass says in `pieces` how a text becomes ids.

    Calling it takes raw strings `[batch]` (and as many second texts, if `pair`) and returns int32 `input_ids`,
    `attention_mask` (1 token, 0 padding) and `token_type_ids`, each `[rows, longest row of the batch]`. Bytes that are
    not UTF-8 count as U+FFFD. Anything but a vector of strings is an InvalidArgumentError, also inside a server.

    There is a row for each text, or with windows one or more: then `examples`, int32 `[rows]`, says which text each row
    is of. With `options.offsets` there are also `starts` and `ends` (the characters of each token in its text), `texts`
    (0 for the first text of a row, 1 for the second) and `word_starts` (1 if a word begins with the token), each int32
    of the shape of `input_ids`; special tokens and padding have -1, -1, -1 and 0. `Encoded` has the details.

    `tokenize` is the same as a `tf.function`, which a SavedModel keeps.

    Args:
        tokenizer: `FastTokenizer` to equal.
        max_length: int, in tokens, special tokens included.
        pair: bool. Whether each row has two texts. Defaults to `False`.
        options: `RowOptions`. Defaults to those: a row a text, without its end if it is too long.

    Raises:
        ConfigError: `max_length` leaves no room beside the special tokens, or the options make no sense.
        ExportError: The tokenizer has no exact twin.
    """

    def __init__(
        self, tokenizer: FastTokenizer, max_length: int, pair: bool = False, options: RowOptions = HEAD
    ) -> None:
        super().__init__()
        check_options(options)
        tokenizer.check_max_length(max_length, pair)
        if reason := has_twin(tokenizer):
            raise ExportError(reason)
        self._pad_token_id = tokenizer.pad_token_id
        self._template = Template.ask(tokenizer, pair)
        self._room = max_length - self._template.special
        self._options = options
        self._mask = tokenizer.mask_word(options.mask) if options.mask else None
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
        """Turns raw strings `[batch]` into the inputs of a backbone, each int32 `[rows, length]`."""
        if self._pair != (text_pair is not None):
            raise ConfigError(f"Expected {'two texts' if self._pair else 'one text'} a row, as at construction.")
        return self.tokenize(text, text_pair) if self._pair else self.tokenize(text)

    def _tokenize(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._rows([self._tokens(tf.ensure_shape(text, [None]), 0)])

    def _tokenize_pair(self, text: tf.Tensor, text_pair: tf.Tensor) -> dict[str, tf.Tensor]:
        text, text_pair = tf.ensure_shape(text, [None]), tf.ensure_shape(text_pair, [None])
        tf.debugging.assert_equal(tf.size(text), tf.size(text_pair), "Expected as many second texts as first texts.")
        return self._rows([self._tokens(text, 0), self._tokens(text_pair, 1)])

    def _tokens(self, text: tf.Tensor, number: int) -> dict[str, tf.RaggedTensor]:
        """Everything that the options ask of the tokens of a text, int32 `[batch, (tokens)]` each."""
        # The tokenizer's ops do not check their input; valid text passes unchanged, NUL and non-characters included.
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        spaced = space_ideographs(text) if self._options.space_cjk else text
        ids, *bounds = self._wanted(spaced) if self._mask is None else between_masks(spaced, self._mask, self._wanted)
        if not bounds:
            return {"ids": ids}
        starts, ends = bounds
        starts, ends, word_starts = graph_spans(text, starts, ends, self._options.space_cjk)
        texts = tf.zeros_like(starts) + number
        return {"ids": ids, "starts": starts, "ends": ends, "texts": texts, "word_starts": word_starts}

    def _rows(self, texts: list[dict[str, tf.RaggedTensor]]) -> dict[str, tf.Tensor]:
        """Makes rows of the tokens of texts, or of pairs."""
        layout = lay_out([text["ids"].row_lengths() for text in texts], self._room, self._options)
        taken = []
        for text, slices in zip(texts, layout.slices, strict=True):
            places = kept(text["ids"], slices, layout.examples)
            taken.append({k: places.with_values(tf.gather(v.values, places.values)) for k, v in text.items()})
        outputs = self._assemble(taken)
        if layout.examples is not None:
            outputs["examples"] = tf.cast(layout.examples, tf.int32)
        return outputs

    def _wanted(self, text: tf.Tensor) -> Sequence[tf.RaggedTensor]:
        return self.pieces_with_offsets(text) if self._options.offsets else [self.pieces(text)]

    def _assemble(self, texts: list[dict[str, tf.RaggedTensor]]) -> dict[str, tf.Tensor]:
        """Puts special tokens around the tokens of each row, and padding behind it."""
        template = self._template
        column = tf.zeros([texts[0]["ids"].nrows(), 1], tf.int32)
        parts = [texts[-1 - slot]["ids"] if slot < 0 else column + slot for slot in template.slots]
        ids = tf.concat(parts, axis=1)
        input_ids = ids.to_tensor(self._pad_token_id)
        mask = tf.sequence_mask(ids.row_lengths(), tf.shape(input_ids)[1], tf.int32)
        if len(set(template.type_ids)) == 1:
            types = mask * template.type_ids[0]
        else:
            filled = [tf.zeros_like(part) + kind for part, kind in zip(parts, template.type_ids, strict=True)]
            types = tf.concat(filled, axis=1).to_tensor(0)
        outputs = {"input_ids": input_ids, "attention_mask": mask, "token_type_ids": types}
        for name in set(texts[0]) - {"ids"}:
            empty = _NOWHERE[name]
            parts = [texts[-1 - slot][name] if slot < 0 else column + empty for slot in template.slots]
            outputs[name] = tf.concat(parts, axis=1).to_tensor(empty)
        return outputs
