"""Rows made in the graph, against those of the fast tokenizer and those made by hand."""

import dataclasses
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tftransfer.errors import ConfigError
from tftransfer.export.lint import lint
from tftransfer.row_options import RowOptions
from tftransfer.tokenizers import FastTokenizer
from tftransfer.tokenizers.assembly import InGraphTokenizer
from tftransfer.tokenizers.character_kinds import kind_runs, kinds
from tftransfer.tokenizers.in_graph import in_graph
from tftransfer.tokenizers.parity import Difference, differences, torture

CUTS = [RowOptions("tail"), RowOptions("head_tail"), RowOptions("windows"), RowOptions("windows", stride=9)]


class AsRust(InGraphTokenizer):
    """Asks the Rust tokenizer for the pieces, so that what is tested is all that a tokenizer does around them."""

    def __init__(self, tokenizer: FastTokenizer, *args: object, **options: object) -> None:
        super().__init__(tokenizer, *args, **options)
        self.rust = tokenizer._untrimmed

    def pieces(self, text: tf.Tensor) -> tf.RaggedTensor:
        return self.pieces_with_offsets(text)[0]

    def pieces_with_offsets(self, text: tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
        *flat, lengths = tf.numpy_function(self.ask, [text], [tf.int32] * 3 + [tf.int64])
        return tuple(tf.RaggedTensor.from_row_lengths(tf.ensure_shape(x, [None]), lengths) for x in flat)

    def ask(self, texts: np.ndarray) -> list[np.ndarray]:
        found = self.rust.encode_batch([text.decode() for text in texts], add_special_tokens=False)
        tokens = [(token, *offsets) for e in found for token, offsets in zip(e.ids, e.offsets, strict=True)]
        flat = np.array(tokens, np.int32).reshape(-1, 3)
        return [*flat.T, np.array([len(e) for e in found], np.int64)]


def mixed_pairs() -> tuple[list[str], list[str]]:
    texts = [text for text in torture() if len(text) < 3_000]
    first, second = texts[::4], texts[1::4][: len(texts[::4])]
    first = first[: len(second)]
    random.Random(0).shuffle(first)
    return [*first, "", "", "the " * 90], [*second, "", "the " * 90, ""]


@pytest.mark.parametrize(("options", "max_length"), list(zip(CUTS, (5, 24, 9, 24), strict=True)), ids=str)
def test_rows_of_single_texts(uncased: FastTokenizer, options: RowOptions, max_length: int) -> None:
    asked = dataclasses.replace(options, offsets=True, space_cjk=options.stride > 0)
    module, texts = AsRust(uncased, max_length, options=asked), torture()[::3]
    assert differences(uncased, module, texts, max_length=max_length, options=asked)[:3] == []


@pytest.mark.parametrize("options", CUTS, ids=str)
def test_rows_of_pairs(byte_level: Callable, options: RowOptions) -> None:
    tokenizer, asked = byte_level(add_prefix_space=True), dataclasses.replace(options, offsets=True, space_cjk=True)
    module = AsRust(tokenizer, 17, pair=True, options=asked)
    assert differences(tokenizer, module, *mixed_pairs(), max_length=17, options=asked)[:3] == []


def test_rows_without_offsets(uncased: FastTokenizer) -> None:
    options = RowOptions("windows", stride=2)
    pair = in_graph(uncased, 9, pair=True, options=options)
    assert sorted(pair(*[tf.constant(["a"])] * 2)) == ["attention_mask", "examples", "input_ids", "token_type_ids"]
    assert differences(uncased, pair, *mixed_pairs(), max_length=9, options=options)[:3] == []
    spaced = in_graph(uncased, 9, options=RowOptions("tail", space_cjk=True))
    assert sorted(spaced(tf.constant(["a"]))) == ["attention_mask", "input_ids", "token_type_ids"]


@pytest.mark.slow
def test_rows_of_other_kinds(byte_level: Callable, older_form: Callable) -> None:
    options = RowOptions("windows", stride=3, offsets=True, space_cjk=True)
    tokenizer, texts = byte_level(), torture()[::6]
    assert differences(tokenizer, in_graph(tokenizer, 24, options=options), texts, max_length=24, options=options) == []
    tokenizer = older_form("t5", "t5")
    # Where normalizing drops a character or makes several of it, Rust's own offsets may be off by one.
    texts = [text for text in texts if text.isprintable() and unicodedata.is_normalized("NFKC", text)]
    assert len(texts) > 100
    assert differences(tokenizer, in_graph(tokenizer, 24, options=options), texts, max_length=24, options=options) == []


def test_what_a_reader_can_check(uncased: FastTokenizer) -> None:
    module = in_graph(uncased, 5, options=RowOptions("windows", stride=1, offsets=True))
    answer = module(tf.constant(["", "a playing b \U0001f600"]))
    outputs = {name: value.numpy().tolist() for name, value in answer.items()}
    rows = [[uncased.rust.id_to_token(i) for i in row] for row in outputs["input_ids"]]
    assert rows == [
        ["[CLS]", "[SEP]", "[PAD]", "[PAD]", "[PAD]"],
        ["[CLS]", "a", "play", "##ing", "[SEP]"],
        ["[CLS]", "##ing", "b", "\U0001f600", "[SEP]"],
    ]
    assert outputs["examples"] == [0, 1, 1]
    assert outputs["starts"] == [[-1] * 5, [-1, 0, 2, 6, -1], [-1, 6, 10, 12, -1]]
    assert outputs["ends"] == [[-1] * 5, [-1, 1, 6, 9, -1], [-1, 9, 11, 13, -1]]
    assert outputs["texts"] == [[-1] * 5, [-1, 0, 0, 0, -1], [-1, 0, 0, 0, -1]]
    assert outputs["word_starts"] == [[0] * 5, [0, 1, 1, 0, 0], [0, 0, 1, 1, 0]]
    assert {value.dtype for value in answer.values()} == {tf.int32}


@pytest.mark.parametrize("options", CUTS[1:3], ids=str)
def test_no_texts(uncased: FastTokenizer, options: RowOptions) -> None:
    asked = dataclasses.replace(options, offsets=True, space_cjk=True)
    outputs = in_graph(uncased, 8, options=asked)(tf.constant([], tf.string))
    assert {value.shape[0] for value in outputs.values()} == {0}


def test_bytes_that_are_not_utf8_are_one_character_each(uncased: FastTokenizer) -> None:
    outputs = in_graph(uncased, 8, options=RowOptions(offsets=True))(tf.constant([b"a \xff b"]))
    assert outputs["starts"].numpy()[0][-2] == 4


def test_parity_finds_what_differs(uncased: FastTokenizer) -> None:
    options = RowOptions("windows", offsets=True)
    module = in_graph(uncased, 4, options=options)

    def shifted(text: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = module(text)
        return outputs | {
            "ends": outputs["ends"] + tf.cast(outputs["input_ids"] == uncased.rust.token_to_id("a"), tf.int32)
        }

    found = differences(uncased, shifted, ["the the", "the b a"], max_length=4, options=options)
    assert found == [Difference("the b a", (-1, 7, -1), (-1, 8, -1), name="ends")]
    # Windows of another stride have the same first row, and more of them.
    other = dataclasses.replace(options, stride=1)
    found = differences(
        uncased, in_graph(uncased, 4, options=other), ["the b", "the b a"], max_length=4, options=options
    )
    a, b = (uncased.rust.token_to_id(letter) for letter in "ab")
    assert found == [Difference("the b a", (2, a, 3), (2, b, a, 3))]


def test_options_that_make_no_sense(uncased: FastTokenizer) -> None:
    with pytest.raises(ConfigError, match="stride"):
        in_graph(uncased, 8, options=RowOptions("windows", stride=-2))


def test_runs_say_what_the_table_says() -> None:
    firsts, values = kind_runs()
    assert np.array_equal(np.repeat(values, np.diff(firsts, append=0x110000)), kinds())


def test_a_saved_model_with_everything(uncased: FastTokenizer, tmp_path: Path) -> None:
    options = RowOptions("windows", stride=2, offsets=True, space_cjk=True)
    module = in_graph(uncased, 16, options=options)
    signature = tf.function(module.tokenize.python_function, [tf.TensorSpec([None], tf.string, name="text")])
    tf.saved_model.save(module, str(tmp_path), signatures=signature)
    assert lint(tmp_path, server="2.12").minimum_server == "2.12"
    reloaded = tf.saved_model.load(str(tmp_path))
    assert differences(uncased, reloaded.tokenize, torture()[::5], max_length=16, options=options)[:3] == []
