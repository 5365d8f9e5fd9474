"""What has no twin in the graph is told before training, by a function that loads no TensorFlow."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import tokenizers

from tftransfer.errors import ExportError
from tftransfer.tokenizers import FastTokenizer, has_twin
from tftransfer.tokenizers.in_graph import in_graph


def changed(tokenizer: FastTokenizer, change: Callable[[dict[str, Any]], Any]) -> FastTokenizer:
    content = json.loads(tokenizer.to_json())
    change(content)
    return FastTokenizer(tokenizers.Tokenizer.from_str(json.dumps(content)))


def unigram(*cutters: Any, **options: Any) -> FastTokenizer:
    pieces = [("<unk>", 0.0), ("\u2581", -1.0), ("a", -2.0)]
    rust = tokenizers.Tokenizer(tokenizers.models.Unigram(pieces, **{"unk_id": 0, **options}))
    rust.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(list(cutters))
    return FastTokenizer(rust)


METASPACE = tokenizers.pre_tokenizers.Metaspace
SPLIT = tokenizers.pre_tokenizers.WhitespaceSplit


def test_these_have_one(uncased: FastTokenizer, byte_level: Callable[..., FastTokenizer]) -> None:
    for tokenizer in (uncased, byte_level(), byte_level(nfc=True, added=["covid"]), unigram(SPLIT(), METASPACE())):
        assert has_twin(tokenizer) is None
        in_graph(tokenizer, 16)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda c: c["model"].update(dropout=0.1), "dropout"),
        (lambda c: c["model"].update(ignore_merges=True), "ignore_merges"),
        (lambda c: c.update(normalizer={"type": "NFKC"}), "NFKC"),
        (lambda c: c["pre_tokenizer"].update(use_regex=False), "splits by itself"),
        (lambda c: c.update(pre_tokenizer={"type": "Whitespace"}), "pre-tokenizers: Whitespace"),
        (lambda c: c["model"]["vocab"].pop("\u0120") and c["model"].update(merges=[]), "all 256 bytes.*found 255"),
        (lambda c: c["added_tokens"].append(added("covid", lstrip=True)), "'covid' with lstrip"),
        (lambda c: c["added_tokens"].append(added("x<s")), "'x<s' with overlap with a special token"),
        (
            lambda c: c["added_tokens"].append(added("k>", normalized=False)) or c.update(NFC),
            "'k>' with not normalized",
        ),
    ],
)
def test_byte_level_tokenizers_without_one(byte_level: Callable[..., FastTokenizer], change: Any, found: str) -> None:
    refused(changed(byte_level(), change), found)


NFC = {"normalizer": {"type": "NFC"}}


def added(content: str, **options: bool) -> dict[str, Any]:
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}
    return {"id": 1600, "content": content, **plain, **options}


def refused(tokenizer: FastTokenizer, found: str) -> None:
    reason = has_twin(tokenizer)
    assert reason is not None
    assert reason.endswith(".")
    with pytest.raises(ExportError, match=found) as caught:
        in_graph(tokenizer, 16)
    assert str(caught.value) == reason


def test_a_space_before_texts_and_added_words(byte_level: Callable[..., FastTokenizer]) -> None:
    refused(byte_level(add_prefix_space=True, added=["covid"]), "'covid' with a space before texts")


@pytest.mark.parametrize(
    ("tokenizer", "found"),
    [
        (unigram(METASPACE(split=False)), "cutting at its marks"),
        (unigram(SPLIT()), "found WhitespaceSplit"),
        (unigram(tokenizers.pre_tokenizers.Punctuation(), METASPACE()), "found Punctuation, Metaspace"),
        (unigram(SPLIT(), METASPACE(prepend_scheme="first")), "'first'"),
        (unigram(METASPACE(), unk_id=None), "unknown token"),
    ],
)
def test_unigram_tokenizers_without_one(tokenizer: FastTokenizer, found: str) -> None:
    refused(tokenizer, found)


@pytest.mark.parametrize(
    ("normalizer", "found"),
    [
        ({"type": "NFKC"}, "NFKC"),
        ({"type": "NFKD"}, "NFKD"),
        ({"type": "Replace", "pattern": {"Regex": "(?<=a)b"}, "content": ""}, "Replace"),
    ],
)
def test_normalizers_without_one(normalizer: dict[str, Any], found: str) -> None:
    refused(changed(unigram(METASPACE()), lambda c: c.update(normalizer=normalizer)), found)


def test_other_kinds_have_none() -> None:
    rust = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    refused(FastTokenizer(rust), "BPE, Unigram, WordPiece.*found WordLevel")


def test_asking_loads_no_tensorflow(uncased: FastTokenizer) -> None:
    code = (
        "import sys, tokenizers; from tftransfer.tokenizers import FastTokenizer, has_twin; "
        "print(has_twin(FastTokenizer(tokenizers.Tokenizer.from_str(sys.stdin.read()))), 'tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=uncased.to_json(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "False"]
