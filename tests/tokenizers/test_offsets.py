"""The characters that tokens are of, against the Rust tokenizer's own offsets."""

import json
import random
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import tensorflow as tf
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from tftransfer.export.lint import lint
from tftransfer.tokenizers import FastTokenizer
from tftransfer.tokenizers.in_graph import in_graph
from tftransfer.tokenizers.torture import torture

# Emoji outside the BMP, marks, zero width, ideographs, white space, what NFKC expands, letters that change with case.
PARTS = ["a", "The", "play", "ing", " ", "  ", "\t", "\n", "\r\n", "\xa0", "\u3000", ".", "``", "''", "'s", "12"]
PARTS += ["\u00e9", "e\u0301", "\u1ea1\u0302", "\u0301", "\u0327", "\u0130", "\u00df", "\u03a3", "\ufb01", "\u00bd"]
PARTS += ["\u3231", "\uff21", "\u2122", "\u200b", "\u200d", "\ufe0f", "\ufeff", "\xad", "\u4e2d", "\u6587", "\ud55c"]
PARTS += ["\U0001f600", "\U0001f468\u200d\U0001f469", "\U0001f44d\U0001f3fd", "\x00", "\x07", "\u0e01", "\U0010fffe"]
PARTS += ["\U0010ffff", "\ufffd", "x" * 40, "\u2581", "<s>", "\u2028", "\uff76\uff9e", "\u1112\u1161\u11ab"]

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.lists(st.sampled_from(PARTS)).map("".join)


def mixtures(seed: int, rows: int) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices(PARTS, k=rng.randint(1, 20))) for _ in range(rows)]


def every_code_point(form: str) -> list[str]:
    texts = [form.format(chr(point)) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    return [" ".join(texts[start : start + 12]) for start in range(0, len(texts), 12)]


def untrimmed(tokenizer: FastTokenizer) -> tokenizers.Tokenizer:
    """The Rust tokenizer without its post-processor, which may trim too, but to nothing what is all white space."""
    rust = tokenizers.Tokenizer.from_str(json.dumps(json.loads(tokenizer.to_json()) | {"post_processor": None}))
    rust.encode_special_tokens = True
    return rust


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The range without white space at its ends; Python also counts four separators among it, Unicode does not."""
    inside = [i for i in range(start, end) if not text[i].isspace() or text[i] in "\x1c\x1d\x1e\x1f"]
    return (inside[0], inside[-1] + 1) if inside else (start, end)


def twin(tokenizer: FastTokenizer) -> Callable[..., tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]]:
    return tf.function(in_graph(tokenizer, 16).pieces_with_offsets, [tf.TensorSpec([None], tf.string)])


def mistakes(tokenizer: FastTokenizer, texts: Sequence[str], call: Callable | None = None) -> list[tuple]:
    """Returns (text, token, expected range, actual range) of each token that the graph gets wrong."""
    call, rust, found = call or twin(tokenizer), untrimmed(tokenizer), []
    for first in range(0, len(texts), 512):
        chunk = list(texts[first : first + 512])
        answers = call(tf.constant(chunk))
        assert [answer.dtype for answer in answers] == [tf.int32] * 3
        rows = zip(chunk, rust.encode_batch(chunk), *(answer.to_list() for answer in answers), strict=True)
        for text, encoding, ids, starts, ends in rows:
            assert ids == encoding.ids
            wanted = [trimmed(text, *offsets) for offsets in encoding.offsets]
            both = zip(encoding.tokens, wanted, zip(starts, ends, strict=True), strict=True)
            found += [(text, token, right, wrong) for token, right, wrong in both if right != wrong]
    return found


def sorts_marks(text: str) -> bool:
    """Whether the text has a mark that survives the stripping of accents, and that NFD sorts among others.

    Rust then takes the character that stood in the mark's place for its origin. The tokens of such words are unknown
    (`has_twin` sees to that), and end a few marks early or late.
    """
    return any(unicodedata.category(char) == "Mc" and unicodedata.combining(char) for char in text)


@pytest.mark.parametrize("name", ["bert-base-uncased", "bert-base-cased", "bert-base-chinese"])
def test_wordpiece(name: str, full_vocabulary: Callable, build: Callable, real_lines: list[str]) -> None:
    uncased = name != "bert-base-cased"
    tokenizer = build(full_vocabulary(name), lowercase=uncased)
    found = mistakes(tokenizer, [*torture(), *mixtures(0, 2_000), *real_lines])
    assert [mistake for mistake in found if not sorts_marks(mistake[0])][:3] == []
    assert len(found) == (4 if uncased else 0)


@pytest.mark.parametrize(
    "options", [{"lowercase": True, "strip_accents": False}, {"lowercase": False, "clean_text": False}], ids=str
)
def test_wordpiece_in_other_configurations(vocabulary: list[str], build: Callable, options: dict) -> None:
    tokenizer = build(vocabulary, max_input_chars_per_word=30, **options)
    assert mistakes(tokenizer, [*torture()[::3], *mixtures(1, 500)])[:3] == []


def test_what_a_reader_can_check(uncased: FastTokenizer) -> None:
    text = " Th\u00e9  playing \U0001f600\u4e2dx\ufe0f!"
    ids, starts, ends = in_graph(uncased, 16).pieces_with_offsets(tf.constant([text, "", " \t", "ab"]))
    tokens = [[uncased.rust.id_to_token(i) for i in row] for row in ids.to_list()]
    ranges = [list(zip(*row, strict=True)) for row in zip(starts.to_list(), ends.to_list(), strict=True)]
    assert tokens == [["the", "play", "##ing", "\U0001f600", "\u4e2d", "x", "!"], [], [], ["ab"]]
    assert ranges == [[(1, 4), (6, 10), (10, 13), (14, 15), (15, 16), (16, 17), (18, 19)], [], [], [(0, 2)]]


KINDS = ["uncased"]


@pytest.mark.parametrize("kind", KINDS)
def test_any_strings(kind: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(kind)
    call = twin(tokenizer)

    @settings(max_examples=30, deadline=None)
    @given(st.lists(TEXTS, min_size=1))
    def check(texts: list[str]) -> None:
        assert [mistake for mistake in mistakes(tokenizer, texts, call) if not sorts_marks(mistake[0])] == []

    check()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_code_point(kind: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(kind)
    assert mistakes(tokenizer, every_code_point("ab{0}Cd"))[:3] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_keeps_it_and_an_old_server_can_load_it(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    tokenizer = request.getfixturevalue(kind)
    module = in_graph(tokenizer, 16)
    module.find = tf.function(module.pieces_with_offsets, [tf.TensorSpec([None], tf.string, name="text")])
    padded = tf.function(lambda text: {f"part_{n}": part.to_tensor(-1) for n, part in enumerate(module.find(text))})
    spec = tf.TensorSpec([None], tf.string, name="text")
    tf.saved_model.save(module, str(tmp_path), signatures=padded.get_concrete_function(spec))
    assert lint(tmp_path, server="2.12").minimum_server == "2.12"
    reloaded = tf.saved_model.load(str(tmp_path))
    assert mistakes(tokenizer, mixtures(2, 200), reloaded.find)[:3] == []
    assert reloaded.find(tf.constant([], tf.string))[1].shape[0] == 0
