import json
import random
from collections.abc import Callable

import pytest
import tensorflow as tf
import tokenizers

from tftransfer.tokenizers import FastTokenizer
from tftransfer.tokenizers.in_graph import in_graph
from tftransfer.tokenizers.parity import differences, torture

LONG = 1024
SPACES = [" " * n for n in range(2, 25)]


def probes(step: int, form: str = "a{0}'d 1{0}  {0}x") -> list[str]:
    texts = [form.format(chr(point)) for point in range(0, 0x110000, step) if not 0xD800 <= point < 0xE000]
    return [" ".join(texts[start : start + 12]) for start in range(0, len(texts), 12)]


def fuzz(seed: int, rows: int) -> list[str]:
    """White space of all kinds, contractions, digits, and what the graph uses inside."""
    rng = random.Random(seed)
    parts = [
        " ",
        "  ",
        "   ",
        "\n",
        " \n",
        "\t",
        "\u3000",
        "\xa0",
        "\x00",
        "'s",
        "'",
        "'ll",
        "12",
        "abc",
        "\u00e9",
        "!?",
    ]
    parts += ["\U0010ffff", "\U0010fffe", "\U0010fffd", "\U0010fffc", "\U0010ffff\U0010fffd", "\u0301", "\u4e2d", "<s>"]
    return ["".join(rng.choices(parts, k=rng.randint(1, 20))) for _ in range(rows)]


@pytest.fixture(scope="module")
def roberta(byte_level: Callable[..., FastTokenizer]) -> FastTokenizer:
    return byte_level()


@pytest.fixture(scope="module")
def graph(roberta: FastTokenizer) -> tf.Module:
    return in_graph(roberta, LONG)


@pytest.mark.parametrize(
    "options",
    [{}, {"add_prefix_space": True}, {"nfc": True}, {"added": [*SPACES, "[unused1]", "[unused10]", "covid"]}],
    ids=lambda options: "".join(options) or "plain",
)
def test_torture_in_every_configuration(byte_level: Callable[..., FastTokenizer], options: dict) -> None:
    tokenizer = byte_level(**options)
    texts = [*torture(), *fuzz(0, 2_000), "[unused10] covidcovid", *(f"x{space}y\n{space}" for space in SPACES)]
    assert differences(tokenizer, in_graph(tokenizer, LONG), texts, max_length=LONG)[:3] == []


def test_code_points(roberta: FastTokenizer, graph: tf.Module) -> None:
    assert differences(roberta, graph, probes(step=13), max_length=LONG)[:3] == []


@pytest.mark.slow
def test_every_code_point(roberta: FastTokenizer, graph: tf.Module) -> None:
    assert differences(roberta, graph, probes(step=1), max_length=LONG)[:3] == []


@pytest.mark.parametrize("form", ["a{0}\u0301\u0323 \u1100{0}", "x\u0345{0}\u0301 <{0}\u0338"])
def test_composition_is_that_of_rust(byte_level: Callable[..., FastTokenizer], form: str) -> None:
    tokenizer = byte_level(nfc=True)
    # Marks of all ages: TensorFlow Text knows some that Rust does not, and has them change places.
    texts = probes(13, form) + [form.format(chr(point)) for point in [*range(0x300, 0x1C00), *range(0x10D00, 0x11700)]]
    assert differences(tokenizer, in_graph(tokenizer, LONG), texts, max_length=LONG)[:3] == []


@pytest.mark.parametrize(("folder", "model_type"), [("roberta", "roberta"), ("gpt2", "gpt2")])
def test_torture_with_a_full_vocabulary(older_form: Callable, folder: str, model_type: str) -> None:
    tokenizer = older_form(folder, model_type)
    # The last texts: every piece by itself, so that no merge goes untried.
    pieces = [tokenizer.rust.decode([i]) for i in range(0, tokenizer.vocab_size, 3)]
    texts = [*torture(), *fuzz(1, 2_000), *pieces]
    assert differences(tokenizer, in_graph(tokenizer, LONG), texts, max_length=LONG)[:3] == []


@pytest.mark.parametrize("max_length", [3, 17, 128])
def test_truncated_rows(roberta: FastTokenizer, max_length: int) -> None:
    assert differences(roberta, in_graph(roberta, max_length), torture(), max_length=max_length)[:3] == []


@pytest.mark.parametrize("max_length", [6, 16, 64])
def test_pairs(roberta: FastTokenizer, max_length: int) -> None:
    first, second = fuzz(2, 500), fuzz(3, 500)
    module = in_graph(roberta, max_length, pair=True)
    assert differences(roberta, module, first, second, max_length=max_length)[:3] == []


def test_special_tokens_and_padding_are_robertas(roberta: FastTokenizer, graph: tf.Module) -> None:
    outputs = graph(tf.constant(["ab", ""]))
    ids = [roberta.rust.token_to_id(piece) for piece in ("a", "b")]
    merged = roberta.rust.token_to_id("ab")
    middle = ids if merged is None else [merged]
    assert outputs["input_ids"].numpy().tolist() == [[0, *middle, 2], [0, 2, *[1] * len(middle)]]
    assert outputs["attention_mask"].numpy().tolist() == [[1] * (2 + len(middle)), [1, 1, *[0] * len(middle)]]
    pair = in_graph(roberta, 16, pair=True)(tf.constant(["a"]), tf.constant(["b"]))
    assert pair["input_ids"].numpy().tolist() == [[0, ids[0], 2, 2, ids[1], 2]]
    assert not pair["token_type_ids"].numpy().any()


def test_no_rows(graph: tf.Module) -> None:
    assert graph(tf.constant([], tf.string))["input_ids"].shape[0] == 0


def test_merges_that_are_written_as_strings_and_gaps_in_the_ids(roberta: FastTokenizer) -> None:
    content = json.loads(roberta.to_json())
    content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]
    content["model"]["vocab"] = {token: i + 10 * (i > 300) for token, i in content["model"]["vocab"].items()}
    tokenizer = FastTokenizer(tokenizers.Tokenizer.from_str(json.dumps(content)))
    assert differences(tokenizer, in_graph(tokenizer, 64), torture()[:800], max_length=64)[:3] == []
