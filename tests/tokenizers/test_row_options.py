import random
from collections.abc import Callable

import numpy as np
import pytest
import tokenizers
from slow_rows import plain, tokens_of

from tftransfer.errors import ConfigError, DataError
from tftransfer.row_options import RowOptions
from tftransfer.tokenizers import Encoded, FastTokenizer
from tftransfer.tokenizers.torture import torture

WORDS = ["the", "The", "hello", "playing", "played", "unable", "abcd", "a", "\u4e2d\u6587", "\U0001f600"]


def column(encoded: Encoded, name: str) -> list[list[int]]:
    values = getattr(encoded, name)
    return [values[begin:end].tolist() for begin, end in zip(encoded.offsets, encoded.offsets[1:], strict=False)]


def sentences(seed: int, longest: int, count: int = 120) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(0, longest))) for _ in range(count)]


@pytest.fixture
def truncating(uncased: FastTokenizer) -> Callable[..., list[list[tokenizers.Encoding]]]:
    """Rust's own truncation: of each text its rows, the overflowing ones included."""

    def encode(rows: list, max_length: int, **options: object) -> list[list[tokenizers.Encoding]]:
        rust = tokenizers.Tokenizer.from_str(uncased.rust.to_str())
        rust.encode_special_tokens = True
        rust.enable_truncation(max_length, **options)
        return [[encoding, *encoding.overflowing] for encoding in rust.encode_batch(rows)]

    return encode


@pytest.mark.parametrize("max_length", [3, 8, 9])
def test_the_tail_is_what_rust_keeps_when_it_cuts_on_the_left(
    uncased: FastTokenizer, truncating: Callable, max_length: int
) -> None:
    texts = sentences(0, longest=12)
    encoded = uncased.encode(texts, max_length=max_length, options=RowOptions("tail"))
    expected = truncating(texts, max_length, direction="left")
    assert column(encoded, "input_ids") == [rows[0].ids for rows in expected]
    assert encoded.truncated.tolist() == [len(rows) > 1 for rows in expected]
    assert encoded.examples.tolist() == list(range(len(texts)))


@pytest.mark.parametrize("max_length", [5, 8, 13])
def test_tails_of_pairs(uncased: FastTokenizer, truncating: Callable, max_length: int) -> None:
    first, second = sentences(1, longest=10), sentences(2, longest=10)
    encoded = uncased.encode(first, second, max_length=max_length, options=RowOptions("tail"))
    expected = truncating(list(zip(first, second, strict=True)), max_length, direction="left")
    assert column(encoded, "input_ids") == [rows[0].ids for rows in expected]
    assert column(encoded, "token_type_ids") == [rows[0].type_ids for rows in expected]


def test_head_tail_keeps_a_quarter_of_the_beginning(uncased: FastTokenizer) -> None:
    texts = ["a b c d e f g h i j k l", "a b c d e f g h i j", "a"]
    encoded = uncased.encode(texts, max_length=12, options=RowOptions("head_tail"))
    kept = [" ".join(map(uncased.decode_token, row[1:-1])) for row in column(encoded, "input_ids")]
    assert kept == ["a b e f g h i j k l", "a b c d e f g h i j", "a"]
    assert encoded.truncated.tolist() == [True, False, False]
    # Room for 9: the first text, which is the longer, keeps 5 and the second 4.
    encoded = uncased.encode(texts[:1], ["m n o p q r s t"], max_length=12, options=RowOptions("head_tail"))
    kept = list(map(uncased.decode_token, column(encoded, "input_ids")[0]))
    assert kept == ["[CLS]", "a", "i", "j", "k", "l", "[SEP]", "m", "r", "s", "t", "[SEP]"]


@pytest.mark.parametrize(("max_length", "stride"), [(3, 0), (8, 0), (8, 3), (32, 10)])
def test_windows_are_those_of_rust(uncased: FastTokenizer, truncating: Callable, max_length: int, stride: int) -> None:
    texts = sentences(3, longest=40)
    encoded = uncased.encode(texts, max_length=max_length, options=RowOptions("windows", stride, offsets=True))
    expected = truncating(texts, max_length, stride=stride)
    assert column(encoded, "input_ids") == [row.ids for rows in expected for row in rows]
    assert encoded.examples.tolist() == [n for n, rows in enumerate(expected) for _ in rows]
    assert not encoded.truncated.any()
    real = encoded.texts == 0
    offsets = np.array([pair for rows in expected for row in rows for pair in row.offsets])
    assert np.array_equal(np.stack([encoded.starts, encoded.ends], 1)[real], offsets[real])


@pytest.mark.parametrize(
    ("max_length", "windows"),
    [(3, ["a", "b", "c", "d"]), (4, ["a b", "b c", "c d"]), (5, ["a b c", "c d"]), (6, ["a b c d"])],
)
def test_windows_share_at_most_their_half(uncased: FastTokenizer, max_length: int, windows: list[str]) -> None:
    encoded = uncased.encode(["a b c d"], max_length=max_length, options=RowOptions("windows", stride=9))
    assert [" ".join(map(uncased.decode_token, row[1:-1])) for row in column(encoded, "input_ids")] == windows


@pytest.mark.parametrize("stride", [0, 2])
def test_windows_of_pairs_run_over_the_second_text(uncased: FastTokenizer, truncating: Callable, stride: int) -> None:
    # Room for 13, so that first texts of up to 6 tokens stay whole, which is the case that Rust knows.
    first, second = sentences(4, longest=3), sentences(5, longest=40)
    encoded = uncased.encode(first, second, max_length=16, options=RowOptions("windows", stride))
    expected = truncating(list(zip(first, second, strict=True)), 16, stride=stride, strategy="only_second")
    assert column(encoded, "input_ids") == [row.ids for rows in expected for row in rows]
    assert column(encoded, "token_type_ids") == [row.type_ids for rows in expected for row in rows]


def test_a_long_first_text_leaves_half_the_row_to_windows(uncased: FastTokenizer) -> None:
    long, options = "a b c d e f g h i j", RowOptions("windows", stride=1)
    encoded = uncased.encode([long] * 3, ["m n o p q r s", "m", ""], max_length=12, options=options)
    rows = [" ".join(map(uncased.decode_token, row)) for row in column(encoded, "input_ids")]
    assert rows == [
        "[CLS] a b c d [SEP] m n o p q [SEP]",
        "[CLS] a b c d [SEP] q r s [SEP]",
        "[CLS] a b c d e f g h [SEP] m [SEP]",  # what the second text leaves free is not wasted
        "[CLS] a b c d e f g h i [SEP] [SEP]",
    ]
    assert encoded.examples.tolist() == [0, 0, 1, 2]


def test_an_empty_text_is_one_row(uncased: FastTokenizer) -> None:
    for options in (RowOptions("tail"), RowOptions("head_tail"), RowOptions("windows", 1, offsets=True)):
        assert uncased.encode([""], max_length=4, options=options).offsets.tolist() == [0, 2]
        assert uncased.encode([""], [""], max_length=5, options=options).offsets.tolist() == [0, 3]
        assert len(uncased.encode([], max_length=4, options=options)) == 0


def test_examples_count_on_over_many_rows(uncased: FastTokenizer) -> None:
    texts = ["the " * (1 + i % 3) for i in range(9_000)]
    encoded = uncased.encode(texts, max_length=3, options=RowOptions("windows"))
    assert encoded.examples.tolist() == [i for i in range(9_000) for _ in range(1 + i % 3)]


@pytest.mark.parametrize(
    ("name", "space_cjk"),
    [
        ("cased", True),
        ("uncased", False),
        ("bytes", False),
        ("bytes", True),
        ("prefixed bytes", False),
        ("roberta", True),
        ("xlm-roberta", False),
        ("t5", True),
    ],
)
def test_where_tokens_are_from(request: pytest.FixtureRequest, name: str, space_cjk: bool) -> None:
    tokenizer = find(request, name)
    rust = plain(tokenizer.rust)
    texts = [text for text in torture()[::2] if len(text) < 3_000]
    encoded = tokenizer.encode(texts, max_length=8_000, options=RowOptions(offsets=True, space_cjk=space_cjk))
    columns = [column(encoded, key) for key in ("input_ids", "starts", "ends", "word_starts")]
    for text, texts_of, *found in zip(texts, column(encoded, "texts"), *columns, strict=True):
        tokens = [token for token, of in zip(zip(*found, strict=True), texts_of, strict=True) if of == 0]
        assert tokens == tokens_of(rust, text, space_cjk), text


def find(request: pytest.FixtureRequest, name: str) -> FastTokenizer:
    if name in ("cased", "uncased"):
        return request.getfixturevalue(name)
    if "bytes" in name:
        return request.getfixturevalue("byte_level")(add_prefix_space="prefixed" in name)
    return request.getfixturevalue("older_form")(name, name)


def test_words_by_hand(uncased: FastTokenizer) -> None:
    # "play" + "##ing"; a mark stays with its letter; of what is alone each is a word.
    text = " playing, e\u0301a\t\U0001f600\u4e2d\u6587 don't\u200b1"
    encoded = uncased.encode([text], max_length=64, options=RowOptions(offsets=True))
    words = encoded.starts[encoded.word_starts].tolist()
    assert [text[place] for place in words] == ["p", ",", "e", "\U0001f600", "\u4e2d", "\u6587", "d", "'", "t"]
    assert encoded.starts.dtype == encoded.ends.dtype == np.int32
    assert (encoded.texts.dtype, encoded.word_starts.dtype) == (np.int8, bool)
    assert [array[[0, -1]].tolist() for array in (encoded.starts, encoded.ends, encoded.texts)] == [[-1, -1]] * 3


def test_a_word_whose_beginning_is_left_out_has_a_first_token(uncased: FastTokenizer) -> None:
    text, words = "\ufeffhello \u200bplaying \u0301ab\u200bcd !\u0301the", ("hello", "play", "ab", "!", "the")
    encoded = uncased.encode([text], max_length=64, options=RowOptions(offsets=True))
    assert encoded.starts[encoded.word_starts].tolist() == [text.index(word) for word in words]


def test_a_mark_without_a_token_is_of_the_one_before(uncased: FastTokenizer, byte_level: Callable) -> None:
    # Decomposed accents, which are stripped, and which are tokens of their own.
    text, options = "cafe\u0301\u0323 the", RowOptions(offsets=True)
    stripped, kept = (t.encode([text], max_length=64, options=options) for t in (uncased, byte_level()))
    assert max(stripped.ends[stripped.starts < 5]) == 6
    assert sorted({*kept.ends[kept.starts < 6].tolist()} - {-1})[-3:] == [4, 5, 6]


def test_only_the_first_token_of_a_character_begins_a_word(byte_level: Callable) -> None:
    # Bytes of an emoji that no merge joins; white space is no token's character.
    tokenizer = byte_level()
    encoded = tokenizer.encode(["a \U0001f9ff  b\n\nc"], max_length=64, options=RowOptions(offsets=True))
    starts, ends, begins = (x[1:-1].tolist() for x in (encoded.starts, encoded.ends, encoded.word_starts))
    emoji = [n for n, start in enumerate(starts) if start == 2 and ends[n] == 3]
    assert len(emoji) > 1
    assert [begins[n] for n in emoji] == [True] + [False] * (len(emoji) - 1)
    assert sum(begins) == 4
    assert [starts[n] for n, begin in enumerate(begins) if begin] == [0, 2, 5, 8]


def test_pairs_count_each_text_from_its_own_beginning(uncased: FastTokenizer) -> None:
    encoded = uncased.encode(["the \U0001f600 the"], [" the the"], max_length=16, options=RowOptions(offsets=True))
    assert encoded.texts.tolist() == [-1, 0, 0, 0, -1, 1, 1, -1]
    assert encoded.starts.tolist() == [-1, 0, 4, 6, -1, 1, 5, -1]
    assert encoded.ends.tolist() == [-1, 3, 5, 9, -1, 4, 8, -1]


def test_spaced_ideographs_share_no_token(byte_level: Callable) -> None:
    tokenizer, text = byte_level(), "a\u4e2d\u6587b\u3042"
    encoded = tokenizer.encode([text], max_length=64, options=RowOptions(offsets=True, space_cjk=True))
    spaced = tokenizer.encode(["a \u4e2d  \u6587 b\u3042"], max_length=64)
    assert encoded.input_ids.tolist() == spaced.input_ids.tolist()
    assert encoded.starts[encoded.word_starts].tolist() == [0, 1, 2, 3]


def test_without_offsets_there_are_none(uncased: FastTokenizer) -> None:
    encoded = uncased.encode(["the"], max_length=8)
    assert (encoded.starts, encoded.ends, encoded.texts, encoded.word_starts) == (None,) * 4


def test_options_that_make_no_sense(uncased: FastTokenizer) -> None:
    with pytest.raises(ConfigError, match=r"stride.*0 or more, got -1"):
        uncased.encode(["the"], max_length=8, options=RowOptions(stride=-1))
    with pytest.raises(ConfigError, match=r"one of head, tail, head_tail, windows, got 'left'"):
        uncased.encode(["the"], max_length=8, options=RowOptions("left"))  # type: ignore[arg-type]
    for options in (RowOptions(offsets=True), RowOptions(space_cjk=True)):
        with pytest.raises(DataError, match="NoneType"):
            uncased.encode(["the", None], max_length=8, options=options)  # type: ignore[list-item]
        with pytest.raises(DataError, match="surrogate"):
            uncased.encode(["the", "a\ud83d"], max_length=8, options=options)
