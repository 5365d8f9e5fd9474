"""Tokenizers of whole words: their words against BERT's own splitting, and their twin in the graph."""

import collections
from pathlib import Path

import pytest
from transformers.models.bert.tokenization_bert_legacy import BasicTokenizer

from tftransfer.errors import ConfigError
from tftransfer.tokenizers import FastTokenizer
from tftransfer.tokenizers.in_graph import in_graph
from tftransfer.tokenizers.parity import differences, torture
from tftransfer.tokenizers.word_level import word_level

TEXTS = ["The lamp , the BOOK and the cup", "Ça va? It's 50% off (the lamp)", "[PAD] \u4e16\u754c ##lamp", "the"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def by_hand(min_count: int = 1) -> list[str]:
    """Returns the words of the texts by their frequency and then the alphabet, as BERT splits them."""
    counts = collections.Counter(word for text in TEXTS for word in BasicTokenizer().tokenize(text))
    return sorted((word for word, count in counts.items() if count >= min_count), key=lambda w: (-counts[w], w))


def vocabulary(tokenizer: FastTokenizer) -> list[str]:
    found = tokenizer.rust.get_vocab()
    return sorted(found, key=found.__getitem__)


@pytest.mark.parametrize("min_count", [1, 2, 3])
def test_words_are_those_of_bert_by_frequency(min_count: int) -> None:
    assert vocabulary(word_level(TEXTS, min_count=min_count)) == [*SPECIAL, *by_hand(min_count)]


def test_the_most_frequent_words_are_kept() -> None:
    tokenizer = word_level(TEXTS, vocab_size=7)
    assert vocabulary(tokenizer) == [*SPECIAL, *by_hand()[:3]]
    assert tokenizer.vocab_size == 7
    unknown = tokenizer.rust.encode("the cups, lamping").tokens
    assert unknown == ["[CLS]", "the", "[UNK]", "[UNK]", "[UNK]", "[SEP]"]  # a word is one token, known or not


@pytest.mark.parametrize("word", ["a" * 101, "a" + chr(0x1DF9)])
def test_words_that_the_graph_cannot_have_are_unknown(word: str) -> None:
    tokenizer = word_level(["lamp " + word])
    assert vocabulary(tokenizer) == [*SPECIAL, "lamp"]
    assert tokenizer.rust.encode("lamp " + word).tokens == ["[CLS]", "lamp", "[UNK]", "[SEP]"]


def test_saved_and_read_it_is_the_same(tmp_path: Path) -> None:
    tokenizer = word_level(TEXTS)
    tokenizer.save(tmp_path)
    copy = FastTokenizer.from_directory(tmp_path)
    assert (copy.fingerprint, copy.pad_token_id, copy.mask_token_id) == (tokenizer.fingerprint, 0, None)


def test_the_graph_makes_the_same_tokens() -> None:
    texts = [*TEXTS, *torture()]
    tokenizer = word_level(texts[::2])  # so that half of the words are unknown
    assert differences(tokenizer, in_graph(tokenizer, 32), texts, max_length=32) == []
    pairs = list(reversed(texts))
    assert differences(tokenizer, in_graph(tokenizer, 32, True), texts, pairs, max_length=32) == []


@pytest.mark.parametrize(
    ("texts", "options"), [([], {}), (["  "], {}), (TEXTS, {"min_count": 9}), (TEXTS, {"vocab_size": 4})]
)
def test_no_words_are_an_error(texts: list[str], options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"Expected words in the training data.*min_count=\d.*Raise the first"):
        word_level(texts, **options)  # type: ignore[arg-type]
