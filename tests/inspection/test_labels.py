"""Labels, lengths and rows: counts made by hand, and what other libraries count."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import tokenizers
from inspected import grave, table

from tftransfer.inspection import Inspection

Inspect = Callable[..., Inspection]
TEXTS = ["the blue lamp", "a good chair indeed", "where is my parcel", "i love this film", "not a lamp", "a book " * 12]


def rows(labels: str) -> list[tuple[str, str]]:
    return [(f"{TEXTS[i % 6]} {i}", label) for i, label in enumerate(labels.split())]


def test_balance_baseline_and_distance_between_splits(inspect: Inspect) -> None:
    found = inspect(rows("a " * 60 + "b " * 20 + "c " * 20), rows("a " * 10 + "b " * 30))
    assert [(r["label"], r["train"], r["test"]) for r in table(found, "labels", "Labels")] == [
        ("a", 60, 10),
        ("b", 20, 30),
        ("c", 20, 0),
    ]
    train, test = table(found, "labels", "Splits")
    assert (train["commonest"], train["commonest_share"], train["distance"]) == ("a", 0.6, 0)
    assert (test["commonest"], test["commonest_share"]) == ("b", 0.75)
    # Half of |0.6 - 0.25| + |0.2 - 0.75| + |0.2 - 0|.
    assert test["distance"] == pytest.approx(0.55)
    by_chance = sum(math.sqrt(p * (1 - p) * (1 / 100 + 1 / 40) * 2 / math.pi) for p in (0.6, 0.2, 0.2)) / 2
    assert test["distance_by_chance"] == pytest.approx(by_chance)
    assert ["distance 0.55" in text for text in grave(found, "labels")] == [True]
    assert [f.text for f in found.sections["labels"].findings if f.severity == "note"] == [
        "1 label of train not in test: c."
    ]


def test_small_splits_differ_by_chance(inspect: Inspect) -> None:
    found = inspect(rows("a " * 50 + "b " * 50), rows("a a a b b"))
    assert table(found, "labels", "Splits")[1]["distance"] == pytest.approx(0.1)
    assert grave(found, "labels") == []


def test_labels_that_training_does_not_know_are_errors(inspect: Inspect, tmp_path: Path) -> None:
    found = inspect(rows("a b a b"), rows("a d"))
    (finding,) = [f for f in found.sections["labels"].findings if f.severity == "error"]
    assert finding.text.startswith(f"1 answer that the task does not know, the first at {tmp_path}/test.tsv:3:")
    (single,) = [f for f in inspect(rows("a a a")).sections["labels"].findings if f.severity == "error"]
    assert single.advice == "Training would stop at this."
    assert found.failing(["labels"])


def test_bad_rows_are_told_with_their_lines(inspect: Inspect, tmp_path: Path) -> None:
    bad = [("a lamp", "a"), ("   ", "b"), ("a book", "b"), ("a chair", "")]
    found = inspect(bad)
    assert table(found, "rows", "Good rows") == [{"split": "train", "file": f"{tmp_path}/train.tsv", "rows": 2}]
    assert table(found, "rows", "Bad rows by file")[0] == {
        "file": f"{tmp_path}/train.tsv",
        "rows": 4,
        "bad": 2,
        "share": 0.5,
    }
    assert [row["where"] for row in table(found, "rows", "First bad")] == [f"{tmp_path}/train.tsv:{n}" for n in (3, 5)]
    assert [f.severity for f in found.failing(["rows"])] == ["error"]
    path = {"path": str(tmp_path / "train.tsv")}
    skipped = inspect(bad, data={"train": path, "on_bad_rows": "skip"})
    assert [f.severity for f in skipped.failing(["rows"])] == ["warning"]


def test_lengths_are_those_of_the_tokenizer(inspect: Inspect, tiny_checkpoint: Path) -> None:
    data = rows("a b " * 30)
    found = inspect(data)
    bert = tokenizers.BertWordPieceTokenizer(str(tiny_checkpoint / "vocab.txt"))
    lengths = sorted(len(bert.encode(text).ids) for text, _ in data)
    (percentiles,) = table(found, "truncation", "Tokens")
    assert percentiles["texts"] == 60
    assert (percentiles["0 %"], percentiles["50 %"], percentiles["100 %"]) == (lengths[0], lengths[29], lengths[-1])
    assert percentiles["95 %"] == lengths[math.ceil(0.95 * 60) - 1]
    assert percentiles["mean"] == pytest.approx(sum(lengths) / 60)
    (cut,) = table(found, "truncation", "At max_length 16")
    assert cut["truncated"] == sum(length > 16 for length in lengths) == 10
    assert cut["share_of_tokens_lost"] == pytest.approx(sum(max(0, n - 16) for n in lengths) / sum(lengths))
    assert grave(found, "truncation")
    (advice,) = [finding.advice for finding in found.failing(["truncation"])]
    assert advice == f"model.max_length={math.ceil(lengths[-1] / 8) * 8} holds 99 % of them whole."


def test_windows_lose_nothing(inspect: Inspect, tiny_checkpoint: Path) -> None:
    data = rows("a b " * 6)
    found = inspect(data, task={"name": "sequence_classification", "truncate": "windows", "stride": 4})
    bert = tokenizers.BertWordPieceTokenizer(str(tiny_checkpoint / "vocab.txt"))
    contents = [len(bert.encode(text).ids) - 2 for text, _ in data]
    # A window holds 14 tokens beside the two special ones, and goes 10 on.
    expected = sum(1 + max(0, math.ceil((n - 14) / 10)) for n in contents)
    (windows,) = table(found, "truncation", "At max_length 16")
    assert windows["rows"] == expected > 12
    assert windows["rows_a_text"] == pytest.approx(expected / 12)
    assert grave(found, "truncation") == []
