import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tokenizers

from tftransfer.errors import ConfigError, ExportError
from tftransfer.tokenizers import FastTokenizer
from tftransfer.tokenizers.in_graph import in_graph
from tftransfer.tokenizers.parity import Difference, differences, torture

LONG = 1024


def every_code_point() -> list[str]:
    probes = [f"ab{chr(point)}Cd" for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    # A dozen words a row: the same words with a fraction of the rows.
    return [" ".join(probes[start : start + 12]) for start in range(0, len(probes), 12)]


def first_row(outputs: dict[str, tf.Tensor]) -> list[int]:
    return outputs["input_ids"].numpy()[0].tolist()


@pytest.fixture(scope="module")
def graph(uncased: FastTokenizer) -> tf.Module:
    return in_graph(uncased, LONG)


@pytest.fixture(scope="module")
def minilm(minilm_directory: Path) -> FastTokenizer:
    return FastTokenizer.from_directory(minilm_directory)


def test_every_code_point_uncased(minilm: FastTokenizer) -> None:
    assert differences(minilm, in_graph(minilm, LONG), every_code_point(), max_length=LONG)[:3] == []


@pytest.mark.slow
def test_every_code_point_cased(cased: FastTokenizer) -> None:
    assert differences(cased, in_graph(cased, LONG), every_code_point(), max_length=LONG)[:3] == []


def test_the_torture_list_is_long_fixed_and_distinct() -> None:
    texts = torture()
    assert len(texts) == len(set(texts)) >= 2_000
    assert texts == torture()
    assert {"[SEP]", "##ing", "\x00", ""} <= {*texts, *(text[2:3] for text in texts)}


@pytest.mark.parametrize(
    "options",
    [
        {"lowercase": True},
        {"lowercase": False},
        {"lowercase": True, "strip_accents": False, "handle_chinese_chars": False},
        {"lowercase": False, "strip_accents": True},
        {"lowercase": False, "clean_text": False},
    ],
    ids=str,
)
def test_torture_in_every_configuration(vocabulary: list[str], build: Callable, options: dict) -> None:
    tokenizer = build(vocabulary, **options)
    assert differences(tokenizer, in_graph(tokenizer, LONG), torture(), max_length=LONG)[:3] == []


@pytest.mark.parametrize("name", ["bert-base-uncased", "bert-base-cased", "bert-base-chinese"])
def test_torture_with_a_full_vocabulary(name: str, full_vocabulary: Callable, build: Callable) -> None:
    tokenizer = build(full_vocabulary(name), lowercase=name != "bert-base-cased")
    assert differences(tokenizer, in_graph(tokenizer, LONG), torture(), max_length=LONG)[:3] == []


@pytest.mark.parametrize("max_length", [3, 4, 17, 128])
def test_truncated_rows(uncased: FastTokenizer, max_length: int) -> None:
    assert differences(uncased, in_graph(uncased, max_length), torture(), max_length=max_length)[:3] == []


@pytest.mark.parametrize("max_length", [5, 16, 17, 64])
def test_pairs_of_random_lengths(uncased: FastTokenizer, max_length: int) -> None:
    rng, module = random.Random(max_length), in_graph(uncased, max_length, pair=True)
    first, second = (
        ["a" * rng.randint(0, max_length) + " b" * rng.randint(0, 5) for _ in range(500)] for _ in range(2)
    )
    assert differences(uncased, module, first, second, max_length=max_length)[:3] == []


@pytest.mark.parametrize("single", ["$A:0 [SEP]:0 [CLS]:2", "$A", "[CLS] [SEP] $A"])
def test_special_tokens_are_the_tokenizers_own(vocabulary: list[str], build: Callable, single: str) -> None:
    tokenizer = build(vocabulary, lowercase=True)
    tokenizer.rust.post_processor = tokenizers.processors.TemplateProcessing(
        single=single, pair="$B:1 [SEP]:1 $A:0 [SEP]:3", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    texts = ["hello world", "", "playing " * 9]
    assert differences(tokenizer, in_graph(tokenizer, 9), texts, max_length=9) == []
    assert differences(tokenizer, in_graph(tokenizer, 9, pair=True), texts, texts[::-1], max_length=9) == []


def test_shapes_types_and_padding(vocabulary: list[str], build: Callable) -> None:
    tokenizer = FastTokenizer(build(vocabulary, lowercase=True).rust, pad_token_id=4)
    outputs = in_graph(tokenizer, 16)(tf.constant(["hello world", "", "the"]))
    assert {key: value.dtype for key, value in outputs.items()} == dict.fromkeys(
        ("input_ids", "attention_mask", "token_type_ids"), tf.int32
    )
    hello, world, the = (vocabulary.index(word) for word in ("hello", "world", "the"))
    assert outputs["input_ids"].numpy().tolist() == [[2, hello, world, 3], [2, 3, 4, 4], [2, the, 3, 4]]
    assert outputs["attention_mask"].numpy().tolist() == [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]]
    assert not outputs["token_type_ids"].numpy().any()


def test_a_pair_has_its_types_and_no_type_on_padding(uncased: FastTokenizer) -> None:
    outputs = in_graph(uncased, 16, pair=True)(tf.constant(["the", "the"]), tf.constant(["the the", ""]))
    assert outputs["token_type_ids"].numpy().tolist() == [[0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 0, 0]]


def test_no_rows(graph: tf.Module) -> None:
    assert graph(tf.constant([], tf.string))["input_ids"].shape[0] == 0


def test_only_a_vector_of_strings_is_taken(graph: tf.Module, uncased: FastTokenizer) -> None:
    for wrong in (tf.constant("hello"), tf.constant([["a", "b"]])):
        with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible with expected shape"):
            graph(wrong)
    pair = in_graph(uncased, 16, pair=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many second texts"):
        pair(tf.constant(["a"]), tf.constant(["b", "c"]))
    with pytest.raises(ConfigError, match="two texts"):
        pair(tf.constant(["a"]))


def test_bytes_that_are_not_utf8_count_as_replacement_characters(vocabulary: list[str], build: Callable) -> None:
    # clean_text would delete the replacement characters, and hide how many there are.
    tokenizer = build([*vocabulary, "\ufffd", "##\ufffd"], lowercase=False, clean_text=False)
    module, rng = in_graph(tokenizer, 64), random.Random(0)
    alphabet = b"ab \x00\x80\xbf\xc0\xc2\xe0\xe4\xb8\xed\xa0\xf0\x90\xf4\x8f\xff"
    raw = [bytes(rng.choices(alphabet, k=rng.randint(1, 16))) for _ in range(5_000)]
    actual = module(tf.constant(raw))["input_ids"].numpy()
    expected = tokenizer.encode([row.decode(errors="replace") for row in raw], max_length=64)
    for i, row in enumerate(actual):
        wanted = expected.input_ids[expected.offsets[i] : expected.offsets[i + 1]].tolist()
        assert row[: len(wanted)].tolist() == wanted, raw[i]


@pytest.mark.parametrize("limit", [5, 150])
def test_words_too_long_are_unknown_by_the_files_own_limit(vocabulary: list[str], build: Callable, limit: int) -> None:
    tokenizer = build(vocabulary, lowercase=True, max_input_chars_per_word=limit)
    module = in_graph(tokenizer, 256)
    assert first_row(module(tf.constant(["\u0436" * (limit + 1)]))) == [2, 1, 3]
    assert len(first_row(module(tf.constant(["\u0436" * limit])))) == limit + 2
    texts = ["\u0436" * n for n in range(limit - 2, limit + 3)] + ["\U0001f600" * limit]
    assert differences(tokenizer, module, texts, max_length=256) == []


def test_gaps_and_an_empty_token_in_the_vocabulary(uncased: FastTokenizer) -> None:
    content = json.loads(uncased.to_json())
    shifted = {token: i + 10 * (i > 4) for token, i in content["model"]["vocab"].items()}
    content["model"]["vocab"] = {**shifted, "": 5}
    tokenizer = FastTokenizer(tokenizers.Tokenizer.from_str(json.dumps(content)))
    assert differences(tokenizer, in_graph(tokenizer, 64), torture(), max_length=64)[:3] == []


def test_what_has_no_twin_is_refused(vocabulary: list[str], build: Callable) -> None:
    added = build(vocabulary, lowercase=True)
    added.rust.add_tokens(["covid"])
    with pytest.raises(ExportError, match="added tokens, found 'covid'"):
        in_graph(added, 16)
    # Musical stems and a tone mark: Mc, so they survive, and sorting would swap them.
    marks = [*vocabulary, "##\U0001d165", "##\U0001d16d"]
    with pytest.raises(ExportError, match=r"U\+1D165, U\+1D16D"):
        in_graph(build(marks, lowercase=True), 16)
    in_graph(build(marks, lowercase=False), 16)
    with pytest.raises(ConfigError, match="at least 3"):
        in_graph(added, 2)


def test_differences_are_found(uncased: FastTokenizer, cased: FastTokenizer) -> None:
    module = in_graph(cased, 16)
    found = differences(uncased, module, ["the", "The", "the"], max_length=16)
    the, big = uncased.rust.token_to_id("the"), uncased.rust.token_to_id("The")
    assert found == [Difference("The", expected=(2, the, 3), actual=(2, big, 3))]


def test_a_fresh_process_serves_the_saved_model(uncased: FastTokenizer, graph: tf.Module, tmp_path: Path) -> None:
    pair = in_graph(uncased, 12, pair=True)
    served = tf.Module()
    served.graph, served.pair = graph, pair
    text, text_pair = (tf.TensorSpec([None], tf.string, name=name) for name in ("text", "text_pair"))
    signatures = {
        "serving_default": tf.function(lambda text: graph(text)).get_concrete_function(text),
        "pair": tf.function(lambda text, text_pair: pair(text, text_pair)).get_concrete_function(text, text_pair),
    }
    tf.saved_model.save(served, str(tmp_path / "model"), signatures=signatures)
    texts = torture()[:400]
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    script = """
import json, sys
import tensorflow as tf, tensorflow_text
model = tf.saved_model.load("model")
texts = tf.constant(json.load(open("texts.json")))
single = model.signatures["serving_default"](text=texts)
pair = model.signatures["pair"](text=texts, text_pair=texts[::-1])
assert "tftransfer" not in sys.modules
json.dump([{k: v.numpy().tolist() for k, v in d.items()} for d in (single, pair)], open("answers.json", "w"))
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True)
    single, both = json.loads((tmp_path / "answers.json").read_text())
    for answers, expected in (
        (single, graph(tf.constant(texts))),
        (both, pair(tf.constant(texts), tf.constant(texts[::-1]))),
    ):
        assert all(np.array_equal(answers[key], expected[key].numpy()) for key in expected)
