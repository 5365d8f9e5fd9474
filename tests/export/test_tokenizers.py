"""A tokenizer in a SavedModel makes the same ids in a process that knows nothing of us, and on an old server's ops."""

import sys
from pathlib import Path

import pytest
import tensorflow as tf
import tokenizers

from tftransfer.export.lint import lint
from tftransfer.export.verification import answers_of
from tftransfer.tokenizers import FastTokenizer
from tftransfer.tokenizers.in_graph import in_graph
from tftransfer.tokenizers.torture import torture

TEXTS = [*torture()[:600], "  two  spaces\n\n and\tmore", "caf\u00e9 cafe\u0301 a\u0308\u0323", "x" * 300]


def roberta() -> FastTokenizer:
    """With NFC and an added word, as ModernBERT has them."""
    rust = tokenizers.Tokenizer(tokenizers.models.BPE())
    rust.normalizer = tokenizers.normalizers.NFC()
    rust.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet, special = tokenizers.pre_tokenizers.ByteLevel.alphabet(), ["<s>", "<pad>", "</s>"]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    rust.train_from_iterator(TEXTS, trainer)
    rust.add_tokens([tokenizers.AddedToken("  ", normalized=True)])
    rust.post_processor = tokenizers.processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return FastTokenizer(rust)


def xlm_roberta() -> FastTokenizer:
    letters = sorted({char for text in TEXTS for char in text if char.isalnum()})
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -3.5), ("\u2581the", -4.25)]
    rust = tokenizers.Tokenizer(tokenizers.models.Unigram([*pieces, *((char, -6.0) for char in letters)], 3, False))
    lower = [tokenizers.normalizers.NFKD(), tokenizers.normalizers.StripAccents(), tokenizers.normalizers.Lowercase()]
    rust.normalizer = tokenizers.normalizers.Sequence(lower)
    rust.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [tokenizers.pre_tokenizers.WhitespaceSplit(), tokenizers.pre_tokenizers.Metaspace()]
    )
    rust.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return FastTokenizer(rust)


@pytest.fixture(params=[roberta, xlm_roberta], ids=lambda make: make.__name__)
def tokenizer(request: pytest.FixtureRequest) -> FastTokenizer:
    return request.param()


def save(tokenizer: FastTokenizer, directory: Path) -> Path:
    """Saves the tokenizer alone; each row of ids as one string, so that batches of any width go together."""
    module = tf.Module()
    module.tokenizer = in_graph(tokenizer, 256)

    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        made = module.tokenizer(tf.ensure_shape(text, [None]))
        kept = tf.ragged.boolean_mask(made["input_ids"], made["attention_mask"] == 1)
        return {"ids": tf.strings.reduce_join(tf.strings.as_string(kept), axis=1, separator=" ")}

    serve = tf.function(answer, input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    tf.saved_model.save(module, str(directory), signatures={"serving_default": serve.get_concrete_function()})
    return directory


def expected(tokenizer: FastTokenizer) -> list[str]:
    rust = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    rust.encode_special_tokens = True
    rust.enable_truncation(256)
    return [" ".join(map(str, row.ids)) for row in rust.encode_batch(TEXTS)]


def test_a_fresh_process_makes_the_same_ids(tokenizer: FastTokenizer, tmp_path: Path) -> None:
    path = save(tokenizer, tmp_path / "model")
    assert lint(path, inputs=["text"], outputs=["ids"]).minimum_server == "2.12"
    assert answers_of(path, {"text": TEXTS}, python=sys.executable)["outputs"]["ids"] == expected(tokenizer)


@pytest.mark.slow
def test_an_old_server_makes_the_same_ids(tokenizer: FastTokenizer, tmp_path: Path, old_python: str) -> None:
    answered = answers_of(save(tokenizer, tmp_path / "model"), {"text": TEXTS}, python=old_python)
    assert answered["tensorflow_version"].startswith("2.12.")
    assert answered["outputs"]["ids"] == expected(tokenizer)
