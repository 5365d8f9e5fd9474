import importlib.util
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import tokenizers
from tokenizers import Regex
from tokenizers.normalizers import NFC, NFKD, Lowercase, Precompiled, Replace, Sequence, Strip, StripAccents
from tokenizers.pre_tokenizers import Metaspace, WhitespaceSplit

from tftransfer.tokenizers import FastTokenizer
from tftransfer.tokenizers.in_graph import in_graph
from tftransfer.tokenizers.parity import differences, torture

spec = importlib.util.spec_from_file_location("charsmaps", Path(__file__).with_name("charsmaps.py"))
assert spec is not None
assert spec.loader is not None
charsmaps = importlib.util.module_from_spec(spec)
spec.loader.exec_module(charsmaps)

LONG = 1024
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
WORDS = ["the", "world", "hello", "play", "ing", "ed", "er", "un", "able", "parcel", "\u00e9l\u00e8ve", "2024", ".."]
WORDS += ["\u4e16\u754c", "\u043c\u0438\u0440", "aaa", "aaaa", "ab", "ba", "aba", "bab"]
# What NFKC maps have: characters alone, white space, what is dropped, and letters with their marks.
CHANGES = {
    "\t": " ", "\n": " ", "\r": " ", "\xa0": " ", "\u3000": " ", "\u200b": "", "\x01": "", "\ufb01": "fi",
    "\uff21": "A", "\u2460": "1", "\u212b": "\u00c5", "\u2122": "TM", "e\u0301": "\u00e9", "e\u0302": "\u00ea",
    "A\u030a": "\u00c5", "\u0430\u0306": "\u04d1", "\u1ea1\u0302": "\u1ead",
    "E": "e", "E\u0301": "\u00e9", "\uff76\uff9e": "\u30ac",
}  # fmt: skip


def vocabulary() -> list[tuple[str, float]]:
    """Letters and words with scores that are often equal, so that there are many ties."""
    letters = [*map(chr, range(0x21, 0x180)), *map(chr, range(0x400, 0x460)), "\u2581", "\u4e16", "\u754c", "\u3002"]
    pieces = dict.fromkeys(letters, -6.25) | {word: -3.0 - len(word) for word in WORDS}
    pieces |= {f"\u2581{word}": -2.5 - len(word) for word in WORDS} | {
        "a": -4.0,
        "b": -4.0,
        "aa": -8.0,
        "\u2581a": -4.0,
    }
    return [*((token, 0.0) for token in SPECIAL), *pieces.items(), ("<mask>", 0.0)]


def precompiled() -> Precompiled:
    return Precompiled(charsmaps.write_charsmap(CHANGES))


def build(normalizer: Any = None, cutter: Any = None) -> FastTokenizer:
    rust = tokenizers.Tokenizer(tokenizers.models.Unigram(vocabulary(), 3, False))
    if normalizer is not None:
        rust.normalizer = normalizer
    rust.pre_tokenizer = cutter or tokenizers.pre_tokenizers.Sequence([WhitespaceSplit(), Metaspace()])
    rust.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    rust.add_special_tokens([*SPECIAL, "<mask>"])
    return FastTokenizer(rust)


CONFIGURATIONS: dict[str, Callable[[], FastTokenizer]] = {
    "XLM-R": lambda: build(precompiled()),
    "mBART": build,
    "XLM-R of transformers 4": lambda: build(Sequence([precompiled(), Replace(Regex(" {2,}"), "\u2581")])),
    "ALBERT": lambda: build(
        Sequence([Replace("``", '"'), Replace("''", '"'), NFKD(), StripAccents(), Lowercase(), precompiled()])
    ),
    "DeBERTa-v3 of transformers 4": lambda: build(
        Sequence([Strip(), precompiled(), Replace(Regex(" {2,}"), " ")]), Metaspace()
    ),
    "DeBERTa-v3": lambda: build(
        Sequence([Replace(Regex(r"\s{2,}|[\n\r\t]"), " "), NFC(), Strip(left=False)]), Metaspace()
    ),
    "no mark before texts": lambda: build(precompiled(), Metaspace(prepend_scheme="never")),
}


def probes(step: int, form: str) -> list[str]:
    texts = [form.format(chr(point)) for point in range(0, 0x110000, step) if not 0xD800 <= point < 0xE000]
    return [" ".join(texts[start : start + 6]) for start in range(0, len(texts), 6)]


def hard() -> list[str]:
    """Ties, marks in all places, and what the graph uses inside."""
    rng = random.Random(0)
    parts = [
        "a",
        "b",
        "aa",
        "ab",
        " ",
        "  ",
        "\u2581",
        "\u0301",
        "\u0302",
        "\u030a",
        "e",
        "E",
        "\u0430\u0306",
        "\u0600",
        "\r\n",
        "\x01",
    ]
    parts += [
        "\U0010fffe",
        "\U0010ffff",
        "\u200d",
        "\u2122",
        "\ufe0f",
        "\u4e16",
        "\u9999",
        "<unk>",
        "</s>",
        "``",
        "''",
        "\xa0",
    ]
    return ["".join(rng.choices(parts, k=rng.randint(1, 25))) for _ in range(4_000)]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_torture_in_every_configuration(name: str) -> None:
    tokenizer = CONFIGURATIONS[name]()
    texts = [*torture(), *hard()]
    assert differences(tokenizer, in_graph(tokenizer, LONG), texts, max_length=LONG)[:3] == []


@pytest.mark.parametrize("form", ["a{0}b  {0}", "e{0}\u0301 \u0600{0}\u0301 E{0}", "{0}\u0301 <{0}"])
def test_code_points(form: str) -> None:
    tokenizer = CONFIGURATIONS["XLM-R"]()
    # All of the first planes' marks and letters, and a sample of the rest.
    texts = probes(29, form) + [form.format(chr(point)) for point in range(0x1000)]
    assert differences(tokenizer, in_graph(tokenizer, LONG), texts, max_length=LONG)[:3] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_code_point(name: str) -> None:
    tokenizer = CONFIGURATIONS[name]()
    module = in_graph(tokenizer, LONG)
    for form in ("a{0}b  {0}", "e{0}\u0301 \u0600{0}\u0301 E{0}"):
        assert differences(tokenizer, module, probes(1, form), max_length=LONG)[:3] == []


FULL = [
    ("xlm-roberta", "xlm-roberta"),
    pytest.param("xlm-roberta", "mbart", marks=pytest.mark.slow),
    ("t5", "t5"),
    pytest.param("t5", "big_bird", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("folder", "model_type"), FULL)
def test_torture_with_a_full_vocabulary(older_form: Callable, folder: str, model_type: str) -> None:
    tokenizer = older_form(folder, model_type)
    texts = [*torture(), *hard()]
    assert differences(tokenizer, in_graph(tokenizer, LONG), texts, max_length=LONG)[:3] == []


def test_the_first_of_equally_good_splits_wins() -> None:
    # "a" + "a" and "aa" have the same score, whatever the length; added as float32 they would not.
    tokenizer = build()
    texts = ["a" * n for n in range(1, 300)] + ["ab" * n for n in range(1, 150)]
    assert differences(tokenizer, in_graph(tokenizer, LONG), texts, max_length=LONG) == []


@pytest.mark.parametrize("max_length", [3, 17, 128])
def test_truncated_rows(max_length: int) -> None:
    tokenizer = CONFIGURATIONS["XLM-R"]()
    assert differences(tokenizer, in_graph(tokenizer, max_length), torture(), max_length=max_length)[:3] == []


@pytest.mark.parametrize("max_length", [6, 17, 64])
def test_pairs(max_length: int) -> None:
    tokenizer, texts = CONFIGURATIONS["XLM-R"](), hard()
    module = in_graph(tokenizer, max_length, pair=True)
    assert differences(tokenizer, module, texts[:500], texts[500:1000], max_length=max_length)[:3] == []


def test_runs_of_unknown_text_are_one_token() -> None:
    module = in_graph(build(), 16)
    mark = [token for token, _ in vocabulary()].index("\u2581")
    ids = module(tf.constant(["\u9999\u9998 \u9999<unk>\u9997"]))["input_ids"].numpy().tolist()
    assert ids == [[0, mark, 3, mark, 3, 2]]


def test_no_rows_and_no_words() -> None:
    module = in_graph(CONFIGURATIONS["XLM-R"](), 16)
    assert module(tf.constant([], tf.string))["input_ids"].shape[0] == 0
    assert module(tf.constant(["", " \t"]))["input_ids"].numpy().tolist() == [[0, 2], [0, 2]]
