import importlib.util
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tokenizers

from tftransfer.errors import CheckpointError, ConfigError, DataError
from tftransfer.tokenizers import Encoded, FastTokenizer


def rows(encoded: Encoded) -> list[list[int]]:
    ends = encoded.offsets
    return [encoded.input_ids[ends[i] : ends[i + 1]].tolist() for i in range(len(encoded))]


def rust_copy(tokenizer: FastTokenizer) -> tokenizers.Tokenizer:
    copy = tokenizers.Tokenizer.from_str(tokenizer.rust.to_str())
    copy.encode_special_tokens = True
    return copy


def old_form(directory: Path, vocabulary: list[str], **files: dict) -> Path:
    (directory / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    for name, content in files.items():
        (directory / f"{name}.json").write_text(json.dumps(content))
    return directory


def test_rows_are_what_rust_answers_one_by_one(minilm_directory: Path) -> None:
    tokenizer = FastTokenizer.from_directory(minilm_directory)
    texts = ["Hello world", "", "unaffable playing", "a " * 300]
    encoded = tokenizer.encode(texts, max_length=512)
    assert rows(encoded) == [rust_copy(tokenizer).encode(text).ids for text in texts]
    assert encoded.offsets.tolist() == [0, 4, 6, 12, 314]
    assert {a.dtype for a in (encoded.input_ids, encoded.token_type_ids, encoded.offsets)} == {np.dtype(np.int32)}
    assert rows(encoded)[0] == [101, 7592, 2088, 102]


def test_truncation_and_padding_of_the_file_do_not_count(uncased: FastTokenizer, tmp_path: Path) -> None:
    rust = rust_copy(uncased)
    rust.enable_truncation(4)
    rust.enable_padding(length=16, pad_id=0)
    rust.save(str(tmp_path / "tokenizer.json"))
    tokenizer = FastTokenizer.from_directory(tmp_path)
    assert np.diff(tokenizer.encode(["the", "the " * 30], max_length=64).offsets).tolist() == [3, 32]


def test_truncated_says_whether_tokens_are_missing(uncased: FastTokenizer) -> None:
    encoded = uncased.encode(["the " * n for n in (5, 6, 7, 50)], max_length=8)
    assert encoded.truncated.tolist() == [False, False, True, True]
    pairs = uncased.encode(["the", "the", "the the the the"], ["the"] * 2 + ["the " * 9], max_length=5)
    assert pairs.truncated.tolist() == [False, False, True]


def test_pairs_lose_tokens_as_in_rust(uncased: FastTokenizer) -> None:
    rng, rust = random.Random(0), rust_copy(uncased)
    first, second = (["the " * rng.randint(0, 12) for _ in range(200)] for _ in range(2))
    for max_length in (5, 8, 9):
        rust.enable_truncation(max_length)
        expected = rust.encode_batch(list(zip(first, second, strict=True)))
        encoded = uncased.encode(first, second, max_length=max_length)
        assert rows(encoded) == [row.ids for row in expected]
        assert encoded.token_type_ids.tolist() == [kind for row in expected for kind in row.type_ids]
        assert encoded.truncated.tolist() == [bool(row.overflowing) for row in expected]


def test_many_rows_keep_their_order(uncased: FastTokenizer) -> None:
    texts = ["the " * (i % 7) for i in range(9_000)]
    assert np.diff(uncased.encode(texts, max_length=16).offsets).tolist() == [2 + i % 7 for i in range(9_000)]


def test_no_rows(uncased: FastTokenizer) -> None:
    encoded = uncased.encode([], max_length=8)
    assert (len(encoded), encoded.input_ids.shape, encoded.offsets.tolist()) == (0, (0,), [0])


def test_the_length_limit_does_not_stay_behind(uncased: FastTokenizer) -> None:
    uncased.encode(["the"], max_length=8)
    assert uncased.rust.truncation is None
    with pytest.raises(DataError):
        uncased.encode(["\ud800"], max_length=8)
    assert uncased.rust.truncation is None


def test_threads_do_not_mix_their_lengths(uncased: FastTokenizer) -> None:
    def longest(max_length: int) -> int:
        return int(np.diff(uncased.encode(["the " * 90] * 200, max_length=max_length).offsets).max())

    lengths = [8, 16, 24, 32] * 6
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(longest, lengths)) == lengths


def test_a_typed_special_token_is_text(uncased: FastTokenizer) -> None:
    ids = rows(uncased.encode(["a [SEP] b"], max_length=32))[0]
    separator = uncased.rust.token_to_id("[SEP]")
    assert ids.count(separator) == 1
    assert ids[-1] == separator
    assert [uncased.rust.id_to_token(i) for i in ids[1:4]] == ["a", "[", "s"]


@pytest.mark.parametrize("lower", [None, True, False])
def test_the_older_form_of_bert(vocabulary: list[str], tmp_path: Path, build: Callable, lower: bool | None) -> None:
    files: dict[str, dict] = {"config": {"model_type": "bert"}}
    if lower is not None:
        files["tokenizer_config"] = {"do_lower_case": lower}
    tokenizer = FastTokenizer.from_directory(old_form(tmp_path, vocabulary, **files))
    expected = build(vocabulary, lowercase=lower is not False)
    texts = ["Hello W\u00f6rld, playing [SEP]", "\u4e2d\u6587"]
    assert rows(tokenizer.encode(texts, max_length=64)) == rows(expected.encode(texts, max_length=64))
    assert tokenizer.pad_token_id == vocabulary.index("[PAD]")


def test_reading_back_what_was_saved(minilm_directory: Path, tmp_path: Path) -> None:
    tokenizer = FastTokenizer.from_directory(minilm_directory)
    tokenizer.save(tmp_path / "new")
    again = FastTokenizer.from_directory(tmp_path / "new")
    assert again.fingerprint == tokenizer.fingerprint
    assert (again.kind, again.vocab_size, again.pad_token_id) == ("WordPiece", 30522, 0)


def test_the_fingerprint_tells_tokenizers_apart(uncased: FastTokenizer, cased: FastTokenizer) -> None:
    assert uncased.fingerprint != cased.fingerprint
    assert len(uncased.fingerprint) == 64


def test_the_pad_token_is_found(uncased: FastTokenizer, tmp_path: Path) -> None:
    rust_copy(uncased).save(str(tmp_path / "tokenizer.json"))
    assert FastTokenizer.from_directory(tmp_path).pad_token_id == 0
    (tmp_path / "config.json").write_text('{"pad_token_id": 7}')
    assert FastTokenizer.from_directory(tmp_path).pad_token_id == 7
    (tmp_path / "tokenizer_config.json").write_text('{"pad_token": {"content": "[MASK]"}}')
    tokenizer = FastTokenizer.from_directory(tmp_path)
    assert tokenizer.pad_token_id == 4
    shutil.rmtree(tmp_path)
    tokenizer.save(tmp_path)
    assert FastTokenizer.from_directory(tmp_path).pad_token_id == 4


def test_the_mask_token_is_found(uncased: FastTokenizer, byte_level: Callable, tmp_path: Path) -> None:
    assert (uncased.mask_token_id, byte_level().mask_token_id) == (4, 4)
    rust_copy(uncased).save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "special_tokens_map.json").write_text('{"mask_token": "[UNK]"}')
    assert FastTokenizer.from_directory(tmp_path).mask_token_id == 1
    without = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a"))
    assert FastTokenizer(without).mask_token_id is None


def test_special_ids(uncased: FastTokenizer, byte_level: Callable) -> None:
    assert uncased.special_ids == {0, 1, 2, 3, 4}
    # An added word is none.
    assert byte_level(added=["xyzzy"]).special_ids == {0, 1, 2, 3, 4}
    # What a template puts around texts is one, also where the tokenizer is not told.
    rust = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1, "c": 2}, unk_token="a"))
    ids = [("b", 1), ("c", 2)]
    rust.post_processor = tokenizers.processors.TemplateProcessing(single="b $A", pair="b $A c $B", special_tokens=ids)
    assert FastTokenizer(rust).special_ids == {1, 2}


def test_the_text_of_a_token(minilm_directory: Path, byte_level: Callable) -> None:
    tokenizer, bytes_ = FastTokenizer.from_directory(minilm_directory), byte_level()
    assert list(map(tokenizer.decode_token, (7592, 2075, 103))) == ["hello", "##ing", "[MASK]"]
    bytes_.rust.decoder = tokenizers.decoders.ByteLevel()
    assert bytes_.decode_token(bytes_.encode(["a b"], max_length=8).input_ids[2]) == " b"


def test_files_that_cannot_be_read(vocabulary: list[str], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"tokenizer\.json or one of vocab\.txt"):
        FastTokenizer.from_directory(tmp_path)
    with pytest.raises(CheckpointError, match=r"also needs config\.json"):
        FastTokenizer.from_directory(old_form(tmp_path, vocabulary))
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "mod')
    with pytest.raises(CheckpointError, match=r"tokenizer\.json to be a fast tokenizer.*Download it again"):
        FastTokenizer.from_directory(tmp_path)


def test_a_config_without_a_vocabulary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match="found none of them"):
        FastTokenizer.from_directory(tmp_path)


@pytest.mark.parametrize(
    ("bad", "message"), [("ab\ud83d", "surrogate.*character 2"), (None, "NoneType"), (float("nan"), "float")]
)
def test_rows_that_are_not_text(uncased: FastTokenizer, bad: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        uncased.encode(["fine", bad], max_length=8)  # type: ignore[list-item]
    with pytest.raises(DataError, match=message):
        uncased.encode(["fine", "fine"], ["fine", bad], max_length=8)  # type: ignore[list-item]


def test_wrong_arguments(uncased: FastTokenizer) -> None:
    with pytest.raises(ConfigError, match="at least 3"):
        uncased.encode(["the"], max_length=2)
    with pytest.raises(ConfigError, match="at least 5"):
        uncased.encode(["the"], ["the"], max_length=4)
    with pytest.raises(DataError, match="as many second texts"):
        uncased.encode(["the"], ["the", "the"], max_length=8)


def test_importing_loads_no_tensorflow() -> None:
    code = "import sys, tftransfer.tokenizers; print('tensorflow' in sys.modules, 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.split() == ["False", "False"]


def test_pairs_of_long_texts_stay_cheap(uncased: FastTokenizer) -> None:
    # Rust's own truncation makes every combination of cut-off parts: here a million encodings.
    encoded = uncased.encode(["the " * 20_000], ["the " * 20_000], max_length=32)
    assert rows(encoded)[0].count(uncased.rust.token_to_id("the")) == 29
    assert encoded.truncated.tolist() == [True]


@pytest.mark.parametrize(
    ("folder", "model_type", "text", "ids", "pad"),
    [
        # The ids are those of the models' published examples.
        ("roberta", "roberta", "Hello world", [0, 31414, 232, 2], 1),
        ("roberta", "longformer", "Hello world", [0, 31414, 232, 2], 1),
        ("gpt2", "gpt2", "Hello world", [15496, 995], 0),
        ("xlm-roberta", "xlm-roberta", "Hello world!", [0, 35378, 8999, 38, 2], 1),
        ("t5", "t5", "Hello world!", [8774, 296, 55, 1], 0),
    ],
)
def test_older_forms_of_other_families(
    older_form: Callable, folder: str, model_type: str, text: str, ids: list[int], pad: int
) -> None:
    tokenizer = older_form(folder, model_type)
    assert rows(tokenizer.encode([text], max_length=16)) == [ids]
    assert tokenizer.pad_token_id == pad


def test_albert_in_its_older_form(older_form: Callable) -> None:
    # Of "the quick brown fox" the toy vocabulary has each word; capitals are lowered.
    tokenizer = older_form("tiny-spm-albert", "albert")
    ids = rows(tokenizer.encode(["The Quick"], max_length=16))[0]
    assert [tokenizer.rust.id_to_token(i) for i in ids] == ["[CLS]", "\u2581the", "\u2581quick", "[SEP]"]


def test_a_conversion_that_leaves_special_tokens_only_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What T5's class makes of a file that it does not read: no error, and every text unknown.
    transformers = pytest.importorskip("transformers")
    empty = transformers.T5Tokenizer()
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda *_, **__: empty)
    (tmp_path / "vocab.txt").write_text("hello")
    with pytest.raises(CheckpointError, match="special tokens only"):
        FastTokenizer.from_directory(tmp_path)


def test_a_sentencepiece_file_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    (tmp_path / "spiece.model").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"package sentencepiece.*spiece\.model.*pip install"):
        FastTokenizer.from_directory(tmp_path)
