"""A text that stands for the mask token: against Rust, which finds its special tokens in texts if it is let to."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tokenizers

from tftransfer.errors import ConfigError
from tftransfer.row_options import RowOptions
from tftransfer.tokenizers import FastTokenizer
from tftransfer.tokenizers.in_graph import in_graph
from tftransfer.tokenizers.parity import differences, torture

PLAIN = [
    "the {}",
    "{}",
    "{}{}",
    "the{}the {} \u4e2d{}\u4e2d",
    " {} the",
    "hello {}, world",
    "",
    "a b",
    "un{}ed  {}\t{}",
]


def unigram() -> FastTokenizer:
    """A small XLM-R's, whose words begin with a mark."""
    pieces = dict.fromkeys([*map(chr, range(0x21, 0x180)), "\u2581", "\u4e2d"], -6.0)
    pieces |= {"\u2581the": -3.0, "the": -4.0, "\u2581hello": -5.0, "\u2581un": -4.0}
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    vocabulary = [*((token, 0.0) for token in special), *pieces.items(), ("<mask>", 0.0)]
    rust = tokenizers.Tokenizer(tokenizers.models.Unigram(vocabulary, 3, False))
    parts = tokenizers.pre_tokenizers
    rust.pre_tokenizer = parts.Sequence([parts.WhitespaceSplit(), parts.Metaspace()])
    rust.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    rust.add_special_tokens([*special, "<mask>"])
    return FastTokenizer(rust)


def find(request: pytest.FixtureRequest, kind: str, lstrip: bool = False, rstrip: bool = False) -> FastTokenizer:
    """Returns a tokenizer whose mask token takes white space along, or not."""
    if kind == "unigram":
        tokenizer = unigram()
    else:
        tokenizer = request.getfixturevalue("byte_level")() if kind == "byte_level" else request.getfixturevalue(kind)
    rust = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    name = rust.id_to_token(tokenizer.mask_token_id) if tokenizer.mask_token_id is not None else "[MASK]"
    rust.add_special_tokens([tokenizers.AddedToken(name, lstrip=lstrip, rstrip=rstrip, normalized=False)])
    return FastTokenizer(rust, tokenizer.pad_token_id, rust.token_to_id(name))


KINDS = [
    ("uncased", False, False),
    ("cased", True, True),
    ("byte_level", False, False),
    ("byte_level", True, False),
    ("unigram", True, False),
    ("unigram", False, True),
]


@pytest.mark.parametrize(("kind", "lstrip", "rstrip"), KINDS)
@pytest.mark.parametrize("typed", ["", "___"], ids=["its own name", "another"])
def test_masks_are_where_rust_finds_its_own_token(
    request: pytest.FixtureRequest, kind: str, lstrip: bool, rstrip: bool, typed: str
) -> None:
    tokenizer = find(request, kind, lstrip, rstrip)
    name = tokenizer.rust.id_to_token(tokenizer.mask_token_id)
    options = RowOptions(mask=typed or name)
    theirs = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    theirs.encode_special_tokens = False
    encoded = tokenizer.encode([text.replace("{}", options.mask) for text in PLAIN], max_length=64, options=options)
    expected = [theirs.encode(text.replace("{}", name)).ids for text in PLAIN]
    assert [row.tolist() for row in np.split(encoded.input_ids, encoded.offsets[1:-1])] == expected
    assert (encoded.input_ids == tokenizer.mask_token_id).sum() == sum(text.count("{}") for text in PLAIN)
    module = in_graph(tokenizer, 16, options=options)
    texts = [*(text.replace("{}", options.mask) for text in PLAIN), *torture(options.mask)[-300::6]]
    assert differences(tokenizer, module, texts, max_length=16, options=options) == []


def test_what_a_reader_can_check(uncased: FastTokenizer) -> None:
    ids = uncased.rust.token_to_id
    options = RowOptions(offsets=True, mask="[MASK]")
    encoded = uncased.encode(["the [MASK]ed [SEP]"], max_length=16, options=options)
    assert encoded.input_ids[:4].tolist() == [ids("[CLS]"), ids("the"), ids("[MASK]"), ids("e")]
    assert (encoded.input_ids == ids("[SEP]")).sum() == 1  # the typed one is ordinary text
    assert encoded.starts is not None
    assert encoded.ends is not None
    assert (encoded.starts[:4].tolist(), encoded.ends[:4].tolist()) == ([-1, 0, 4, 10], [-1, 3, 10, 11])
    without = uncased.encode(["the [MASK]ed"], max_length=16)
    assert ids("[MASK]") not in without.input_ids


@pytest.mark.parametrize(("lstrip", "rstrip"), [(False, False), (True, True)])
def test_offsets_in_the_graph(request: pytest.FixtureRequest, lstrip: bool, rstrip: bool) -> None:
    tokenizer = find(request, "uncased", lstrip, rstrip)
    for space_cjk in (False, True):
        options = RowOptions("windows", offsets=True, space_cjk=space_cjk, mask="<->")
        module = in_graph(tokenizer, 12, options=options)
        texts = [*(text.replace("{}", "<->") for text in PLAIN), *torture("<->")[-300::6]]
        assert differences(tokenizer, module, texts, max_length=12, options=options) == []


def test_pairs(uncased: FastTokenizer) -> None:
    options = RowOptions(mask="[MASK]")
    module = in_graph(uncased, 16, pair=True, options=options)
    first, second = ["the [MASK]", "a", "[MASK]"], ["hello", "[MASK][MASK] world", ""]
    assert differences(uncased, module, first, second, max_length=16, options=options) == []
    found = module(tf.constant(first), tf.constant(second))["input_ids"].numpy()
    assert (found == uncased.mask_token_id).sum(axis=1).tolist() == [1, 2, 1]


def test_texts_that_cannot_stand_for_a_mask(uncased: FastTokenizer, build: Callable, vocabulary: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"stand for the mask token '\[MASK\]', got 'the', which is a token itself"):
        uncased.encode(["the"], max_length=8, options=RowOptions(mask="the"))
    tokenizer = build([word for word in vocabulary if word != "[MASK]"])
    none = FastTokenizer(tokenizer.rust)
    none.mask_token_id = None
    with pytest.raises(ConfigError, match=r"Expected a tokenizer with a mask token for '\[MASK\]' to stand for"):
        none.encode(["the"], max_length=8, options=RowOptions(mask="[MASK]"))
