import numpy as np
import pytest
import tensorflow as tf
import tokenizers
from tokenizers import normalizers, pre_tokenizers

from tftransfer.errors import ExportError
from tftransfer.tokenizers import FastTokenizer
from tftransfer.tokenizers.assembly import import_tensorflow_text
from tftransfer.tokenizers.normalizer_table import normalizer_table, replacements
from tftransfer.tokenizers.trie import build_trie


def walk(units: np.ndarray, key: bytes) -> int | None:
    """The lookup of the op, as its documentation of the format has it."""
    position, unit = 0, int(units[0])
    for byte in key:
        position ^= (unit >> 10) << ((unit & 0x200) >> 6) ^ byte
        unit = int(units[position])
        if unit & 0x800000FF != byte:
            return None
    if not unit & 0x100:
        return None
    value = int(units[position ^ (unit >> 10)])
    assert value >> 31 == 1
    return value & 0x7FFFFFFF


def test_the_trie_holds_its_entries_and_nothing_else() -> None:
    points = [point for point in range(1, 0x110000, 37) if not 0xD800 <= point < 0xE000]
    entries = {chr(point).encode(): point % 1000 for point in points[::2]}
    units = build_trie(entries)
    assert len(units) % 256 == 0
    assert [walk(units, chr(point).encode()) for point in points] == [entries.get(chr(p).encode()) for p in points]


def test_equal_branches_share_their_place() -> None:
    plain = {chr(point).encode(): point for point in range(0x4E00, 0x8E00)}
    assert len(build_trie(dict.fromkeys(plain, 1))) <= 1024 < 30_000 < len(build_trie(plain))


@pytest.mark.parametrize(("clean_text", "lowercase"), [(True, True), (False, False)])
def test_replacements_are_what_the_tokenizer_says_of_each_character(clean_text: bool, lowercase: bool) -> None:
    normalizer = normalizers.BertNormalizer(clean_text=clean_text, lowercase=lowercase)
    cutter = pre_tokenizers.BertPreTokenizer()
    changes = dict(replacements(normalizer, cutter))
    for point in [*range(0xD800), *range(0xE000, 0x110000, 7)]:
        # Independent of the one under test: what is left of the character between two letters, as words.
        between = normalizer.normalize_str(f"a{chr(point)}b")
        expected = [word for word, _ in cutter.pre_tokenize_str(between)]
        replaced = changes.get(point, chr(point).encode()).decode()
        assert [word for word in f"a{replaced}b".split(" ") if word] == expected, hex(point)


def test_the_stock_op_follows_the_table(uncased: FastTokenizer) -> None:
    table = normalizer_table(uncased.rust)
    assert len(table) < 1_500_000
    op = import_tensorflow_text().FastBertNormalizer(model_buffer=tf.constant(np.frombuffer(table, np.uint8)))
    texts = [
        "H\u00e9LLO,w\u00f6rld",
        "a\x00b\u200bc\td",
        "x\u4e2d\u6587y",
        "\u1e9e\u0130\ufb01",
        "\U0001f600 \U000e0001",
    ]
    words = [text.decode().split() for text in op.normalize(tf.constant(texts)).numpy()]
    expected = [
        ["hello", ",", "world"],
        ["abc", "d"],
        ["x", "\u4e2d", "\u6587", "y"],
        ["\u00dfi\ufb01"],
        ["\U0001f600"],
    ]
    assert words == expected


@pytest.mark.parametrize(
    ("normalizer", "pre_tokenizer", "found"),
    [
        (normalizers.NFC(), pre_tokenizers.BertPreTokenizer(), "NFC"),
        (normalizers.BertNormalizer(), pre_tokenizers.Whitespace(), "Whitespace"),
        (normalizers.Sequence([normalizers.BertNormalizer()]), pre_tokenizers.BertPreTokenizer(), "Sequence"),
        (None, pre_tokenizers.BertPreTokenizer(), "None"),
    ],
)
def test_other_normalizers_are_refused(normalizer: object, pre_tokenizer: object, found: str) -> None:
    rust = tokenizers.Tokenizer(tokenizers.models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    if normalizer is not None:
        rust.normalizer = normalizer
    rust.pre_tokenizer = pre_tokenizer
    with pytest.raises(ExportError, match=f"found.*{found}"):
        normalizer_table(rust)
