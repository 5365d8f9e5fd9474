"""The characters that tokens are of, against the Rust tokenizer's own offsets."""

import functools
import itertools
import json
import random
import re
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


@functools.lru_cache(maxsize=1)
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
    found = mistakes(tokenizer, [*torture(), *mixtures(0, 1_000), *real_lines])
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


@pytest.mark.parametrize(("folder", "model_type"), [("roberta", "roberta"), ("gpt2", "gpt2")])
def test_byte_level(older_form: Callable, real_lines: list[str], folder: str, model_type: str) -> None:
    tokenizer = older_form(folder, model_type)
    assert mistakes(tokenizer, [*torture(), *mixtures(3, 1_000), *real_lines])[:3] == []


def test_robertas_own_trimming_says_the_same_but_for_white_space(byte_level: Callable[..., FastTokenizer]) -> None:
    tokenizer, texts = byte_level(), ["  Hello \n\n w\u00f6rld\U0001f600,  x", *torture()[::9]]
    own = [row.offsets for row in tokenizer.rust.encode_batch(texts, add_special_tokens=False)]
    _, starts, ends = twin(tokenizer)(tf.constant(texts))
    ours = [list(zip(*row, strict=True)) for row in zip(starts.to_list(), ends.to_list(), strict=True)]
    both = [(text, *pair) for text, *rows in zip(texts, own, ours, strict=True) for pair in zip(*rows, strict=True)]
    differ = [text[slice(*new)] for text, old, new in both if old != new]
    assert differ
    assert all(part.isspace() for part in differ)


@pytest.mark.parametrize(
    "options", [{"add_prefix_space": True}, {"nfc": True}, {"added": ["  ", "covid", "\n\n"]}], ids=str
)
def test_byte_level_in_other_configurations(byte_level: Callable[..., FastTokenizer], options: dict) -> None:
    found = mistakes(byte_level(**options), [*torture(), *mixtures(4, 1_000), "covid19 a  b"])
    assert [mistake for mistake in found if not has_marks_in_a_row(mistake[0])][:3] == []
    assert len({text for text, *_ in found}) == (12 if "nfc" in options else 0)


def has_marks_in_a_row(text: str) -> bool:
    """Whether NFC sorts marks on one letter, of which Rust may then take one for another."""
    return re.search("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u302e\U0001d165\U0001d16d]{2}", text) is not None


def miscounted(tokenizer: FastTokenizer, text: str) -> bool:
    """Whether "Precompiled" drops the first character, or one behind a character that becomes several.

    Rust then counts the dropped one as what is next to it; all ranges of the text may be off by one.
    """
    normalize = tokenizer.rust.normalizer.normalize_str
    pairs = [(normalize(a), normalize(b), normalize(a + b)) for a, b in itertools.pairwise(text)]
    return not normalize(text[:1]) or any(len(a) > 1 and (not b or both != a + b) for a, b, both in pairs)


@pytest.mark.parametrize(
    ("folder", "model_type", "off"),
    [
        pytest.param("xlm-roberta", "xlm-roberta", 122, marks=pytest.mark.slow),  # all but the pieces is as T5 has it
        ("t5", "t5", 122),
        ("tiny-spm-albert", "albert", 74),
        ("t5", "big_bird", 0),
    ],
)
def test_unigram(older_form: Callable, real_lines: list[str], folder: str, model_type: str, off: int) -> None:
    tokenizer = older_form(folder, model_type)
    found = {mistake[0]: mistake for mistake in mistakes(tokenizer, [*torture(), *mixtures(5, 1_000), *real_lines])}
    assert [mistake for text, mistake in found.items() if not miscounted(tokenizer, text)][:3] == []
    assert len(found) == off


KINDS = ["uncased", "byte_level", "t5"]


@pytest.fixture
def tokenizer(kind: str, request: pytest.FixtureRequest, older_form: Callable) -> FastTokenizer:
    if kind == "t5":
        return older_form("t5", "t5")
    found = request.getfixturevalue(kind)
    return found if kind == "uncased" else found(add_prefix_space=True)


def excused(tokenizer: FastTokenizer, text: str) -> bool:
    """Whether a text is one of those that the docstring of the kind's `pieces_with_offsets` names."""
    kind = tokenizer.kind
    return (kind == "WordPiece" and sorts_marks(text)) or (kind == "Unigram" and miscounted(tokenizer, text))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_a_saved_model_for_an_old_server_knows_the_offsets_of_any_strings(
    tokenizer: FastTokenizer, tmp_path: Path
) -> None:
    module = in_graph(tokenizer, 16)
    module.find = tf.function(module.pieces_with_offsets, [tf.TensorSpec([None], tf.string, name="text")])
    padded = tf.function(lambda text: {f"part_{n}": part.to_tensor(-1) for n, part in enumerate(module.find(text))})
    spec = tf.TensorSpec([None], tf.string, name="text")
    tf.saved_model.save(module, str(tmp_path), signatures=padded.get_concrete_function(spec))
    assert lint(tmp_path, server="2.12").minimum_server == "2.12"
    reloaded = tf.saved_model.load(str(tmp_path))
    assert reloaded.find(tf.constant([], tf.string))[1].shape[0] == 0

    @settings(max_examples=25, deadline=None)
    @given(st.lists(TEXTS, min_size=1))
    def any_strings(texts: list[str]) -> None:
        found = mistakes(tokenizer, texts, reloaded.find)
        assert [mistake for mistake in found if not excused(tokenizer, mistake[0])] == []

    any_strings()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_code_point(tokenizer: FastTokenizer) -> None:
    found = mistakes(tokenizer, every_code_point("ab{0}Cd"))
    assert [mistake for mistake in found if not excused(tokenizer, mistake[0])][:3] == []
