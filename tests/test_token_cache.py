"""Tokens that are kept are those that Rust answers, text by text, and are found again by all that they depend on."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers

from tftransfer.arrow_store import ArrowStore
from tftransfer.data.read import read
from tftransfer.row_options import RowOptions
from tftransfer.tasks.task import Texts
from tftransfer.token_cache import tokenize
from tftransfer.tokenizers import fast
from tftransfer.tokenizers.encoded import Encoded
from tftransfer.tokenizers.fast import FastTokenizer

TEXTS = [f"please refund my money {'again and ' * (n % 50)}{n}" for n in range(400)]
HEAD = RowOptions()


@pytest.fixture
def tokenizer(tiny_checkpoint: Path) -> FastTokenizer:
    return FastTokenizer.from_directory(tiny_checkpoint)


def arrays(encoded: Encoded) -> dict[str, Any]:
    return {name: None if values is None else values.tolist() for name, values in vars(encoded).items()}


@pytest.mark.parametrize("rows", [7, 10_000])
@pytest.mark.parametrize(
    ("options", "pair"),
    [
        (HEAD, False),
        (HEAD, True),
        (RowOptions("tail"), False),
        (RowOptions("windows", 4), True),
        (RowOptions("windows", offsets=True), False),
        (RowOptions(offsets=True), True),
    ],
)
def test_kept_tokens_are_those_of_one_call(
    tokenizer: FastTokenizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: RowOptions,
    pair: bool,
    rows: int,
) -> None:
    texts = Texts(TEXTS, TEXTS[::-1] if pair else None)
    one = tokenizer._encode_some([list(x) for x in texts[:2] if x is not None], 0, 32, options)
    monkeypatch.setattr(fast, "_ROWS", rows)
    monkeypatch.setattr(fast, "_STEP", min(rows, 256))
    store = ArrowStore(tmp_path)
    assert arrays(tokenizer.encode(*texts[:2], max_length=32, options=options)) == arrays(one)
    for _ in range(2):
        found = tokenize(tokenizer, texts, 32, options, cache=store)
        assert arrays(found) == arrays(one)
        assert found.truncated.dtype == bool
        monkeypatch.setattr(FastTokenizer, "encode_parts", None)  # the second time nothing is tokenized


def test_kept_tokens_are_rusts(tokenizer: FastTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "_CHARACTERS", 5000)
    rust = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    rust.enable_truncation(20)
    found = tokenize(tokenizer, Texts(TEXTS, None), 20, HEAD, cache=ArrowStore(tmp_path))
    assert np.split(found.input_ids, found.offsets[1:-1])[399].tolist() == rust.encode(TEXTS[399]).ids
    assert found.input_ids.tolist() == [n for text in TEXTS for n in rust.encode(text).ids]
    assert found.examples.tolist() == list(range(400))


def test_no_texts(tokenizer: FastTokenizer, tmp_path: Path) -> None:
    for store in (None, ArrowStore(tmp_path)):
        found = tokenize(tokenizer, Texts([], None), 20, RowOptions(offsets=True), cache=store)
        assert [len(found), found.offsets.tolist(), found.starts.tolist()] == [0, [0], []]  # type: ignore[union-attr]


def test_whatever_tokens_depend_on_is_in_their_key(tokenizer: FastTokenizer, tmp_path: Path) -> None:
    def kept(own: FastTokenizer = tokenizer, texts: Any = (["a b", "c"], None), n: int = 9, **how: Any) -> int:
        tokenize(own, Texts(*texts), n, RowOptions(**{"truncate": "windows", **how}), cache=ArrowStore(tmp_path))
        return len(list(tmp_path.iterdir()))

    changed = FastTokenizer(tokenizers.Tokenizer.from_str(tokenizer.to_json()))
    assert (kept(), kept(), kept(changed)) == (1, 1, 1)
    changed.rust.add_tokens(["b"])
    changed = FastTokenizer(changed.rust)
    assert kept(changed) == 2
    assert kept(texts=(["a b", "d"], None)) == 3
    assert kept(texts=(["a ", "bc"], None)) == 4
    assert kept(texts=(["a b", "c"], ["a b", "c"])) == 5
    assert kept(n=8) == 6
    options = [("truncate", "tail"), ("stride", 1), ("offsets", True), ("space_cjk", True), ("mask", "[MASK]")]
    assert {name for name, _ in options} == {field.name for field in dataclasses.fields(RowOptions)}
    for number, (name, value) in enumerate(options, 7):
        assert kept(**{name: value}) == number


def test_a_column_has_the_key_of_its_list(tokenizer: FastTokenizer, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    column = read(tmp_path / "a.txt").columns["text"]
    for texts in (TEXTS, column):
        tokenize(tokenizer, Texts(texts, None), 32, HEAD, cache=ArrowStore(tmp_path / "cache"))
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_progress_counts_texts(tokenizer: FastTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "_ROWS", 256)
    told: list[tuple[int, int]] = []
    tokenize(tokenizer, Texts(TEXTS, None), 16, RowOptions("windows"), progress=lambda *counts: told.append(counts))
    assert told == [(256, 400), (400, 400)]
