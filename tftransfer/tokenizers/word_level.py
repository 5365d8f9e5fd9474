"""A tokenizer of whole words, made from texts."""

import unicodedata
from collections.abc import Iterable

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

from tftransfer.errors import ConfigError
from tftransfer.tokenizers.fast import FastTokenizer

__all__ = ["word_level"]

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
_ALL = 2**31  # more words than texts have
_LONGEST = 100


def word_level(texts: Iterable[str], *, vocab_size: int | None = None, min_count: int = 1) -> FastTokenizer:
    """Returns a tokenizer of the words of texts, cut and lower-cased as those of an uncased BERT.

    Words of more than 100 bytes are left out, and those that keep combining marks when accents are stripped, for the
    graph cannot sort them.
    It is a WordPiece tokenizer whose vocabulary has no pieces of words, so that a word is one token, known or unknown:
    the one that the graph has already.

    Args:
        texts: iterable of str.
        vocab_size: int. Greatest size of the vocabulary, four special tokens included; the most frequent words are
            kept, and of equally frequent ones the alphabetically first. Defaults to None: all words.
        min_count: int. How often a word must occur. Defaults to 1.

    Raises:
        ConfigError: if no word is left.
    """
    normalizer, pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    counter = tokenizers.Tokenizer(models.WordLevel(unk_token="[UNK]"))
    counter.normalizer, counter.pre_tokenizer = normalizer, pre_tokenizer
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocab_size or _ALL, min_frequency=min_count, special_tokens=_SPECIAL, show_progress=False
    )
    counter.train_from_iterator(texts, trainer)
    counted = counter.get_vocab()
    vocabulary = {word: i for i, word in enumerate(filter(_is_kept, sorted(counted, key=counted.__getitem__)))}
    if len(vocabulary) <= len(_SPECIAL):
        raise ConfigError(
            f"Expected words in the training data for a vocabulary; none is left of vocab_size={vocab_size} and "
            f"min_count={min_count}. Raise the first, lower the second, or check the column of texts."
        )
    rust = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=_LONGEST))
    rust.normalizer, rust.pre_tokenizer = normalizer, pre_tokenizer
    rust.add_special_tokens(_SPECIAL)
    around = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    rust.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", around)
    return FastTokenizer(rust)


def _is_kept(word: str) -> bool:
    return len(word.encode()) <= _LONGEST and not any(map(unicodedata.combining, word))
