"""Texts with spans: a real corpus, the forms that tools write, and rows damaged by hand."""

import collections
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tftransfer import registry
from tftransfer.data import read
from tftransfer.data.source import BadRow, Row, read_source
from tftransfer.data.spans import Spans
from tftransfer.errors import ConfigError, DataError

# Beyond the BMP, a combining mark and a tab: places are code points.
TEXT = "👩‍🚀 Zoe\u0308\tSmith in 北京"
PERSON, CITY = (4, 14, "PER"), (18, 20, "LOC")
assert [TEXT[start:end] for start, end, _ in (PERSON, CITY)] == ["Zoe\u0308\tSmith", "北京"]


def row(tmp_path: Path, found: Any, **options: Any) -> Row | BadRow:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(found) + "\n")
    (row,) = Spans(str(path), **options).rows()
    return row


def counts(columns: dict[str, list[Any]]) -> dict[str, int]:
    return dict(collections.Counter(label for spans in columns["spans"] for _, _, label in spans))


def test_a_real_corpus(corpora: Path) -> None:
    folder = corpora / "cluener"
    dev = read(folder / "dev.jsonl", format="spans")
    assert len(dev) == 1343
    assert counts(dev.columns) == {
        "address": 373, "book": 154, "company": 378, "game": 295, "government": 247,
        "movie": 151, "name": 465, "organization": 367, "position": 433, "scene": 209,
    }  # fmt: skip
    assert (0, 3, "name") in dev.columns["spans"][0]
    blind = read(folder / "test.jsonl", format="spans", label=None)
    assert (len(blind), list(blind.columns)) == (1345, ["text"])
    with pytest.raises(
        DataError, match=r"test.jsonl:1: no key 'spans' or .*; keys found: 'id', 'text'. Set the option 'spans'"
    ):
        read(folder / "test.jsonl", format="spans")


def test_a_real_corpus_with_a_span_within_another(corpora: Path) -> None:
    source = Spans(str(corpora / "cluener" / "train.jsonl.gz"))
    train, (bad,) = read_source(source, on_bad_rows="skip")
    assert len(train) == 10748 - 1
    book = "the span '《招商银行：投资永隆银行浮亏逾百亿港元》' (book, characters 15 to 34)"
    reason = f"the span '招商银行' (company, characters 16 to 19): it lies within {book}"
    assert (bad.line, bad.reason) == (1507, reason)
    found = collections.Counter(counts(train.columns)) + collections.Counter(book=1, company=2)
    assert found == {
        "address": 2891, "book": 1139, "company": 2980, "game": 2376, "government": 1835,
        "movie": 1123, "name": 3755, "organization": 3210, "position": 3141, "scene": 1521,
    }  # fmt: skip


@pytest.mark.parametrize(
    "found",
    [
        {
            "spans": [
                {"start": 4, "end": 14, "label": "PER", "token_start": 1},
                {"start": 18, "end": 20, "label": "LOC"},
            ]
        },
        {"entities": [[4, 14, "PER"], [18, 20, "LOC"]]},
        {"label": [[18, 20, "LOC"], [4, 14, " PER "]], "id": 3},
        {
            "entities": [{"id": 1, "label": "LOC", "start_offset": 18, "end_offset": 20}, [4, 14, "PER"]],
            "relations": [],
        },
        {
            "labels": [
                {"type": "PER", "start": 4, "end": 14, "text": TEXT[4:14]},
                {"entity": "LOC", "start": 18, "end": 20},
            ]
        },
        {"label": {"PER": {TEXT[4:14]: [[4, 13]]}, "LOC": {"北京": [[18, 19]]}}},
        {"label": "news", "spans": [[4, 14, "PER"], [18, 20, "LOC"]]},
    ],
)
def test_forms(tmp_path: Path, found: dict[str, Any]) -> None:
    assert row(tmp_path, {"text": TEXT, **found}) == Row(1, {"text": TEXT, "spans": [PERSON, CITY]})


@pytest.mark.parametrize(
    "nothing", [{"spans": []}, {"label": {}}, {"label": {"PER": {}}}, {"label": {"PER": {"x": []}}}]
)
def test_a_text_without_spans(tmp_path: Path, nothing: dict[str, Any]) -> None:
    assert row(tmp_path, {"text": "a", **nothing}) == Row(1, {"text": "a", "spans": []})


def test_options(tmp_path: Path) -> None:
    found = {"body": "a bc d", "entities": "none", "ner": [[2, 3, "X"]], "clue": {"X": {"bc": [[2, 4]]}}}
    expected = Row(1, {"text": "a bc d", "spans": [(2, 4, "X")]})
    assert row(tmp_path, found, text="body", spans="ner", end="inclusive") == expected
    assert row(tmp_path, found, text="body", spans="clue", end="exclusive") == expected
    bad = row(tmp_path, found, text="body", spans="nre")
    assert isinstance(bad, BadRow)
    assert bad.reason.startswith("no key 'nre', which the option 'spans' names")
    assert bad.reason.endswith("Did you mean 'ner'?")
    with pytest.raises(ConfigError, match=r"end: .*'inclusive'; received 'both'"):
        registry.sources.build("spans", {"path": "a.jsonl", "end": "both"})


@pytest.mark.parametrize(
    ("spans", "reason"),
    [
        ([[2, 7, "X"]], "the span X from 2 to 7, exclusive, is outside the text of 6 characters"),
        ([[-1, 2, "X"]], "the span X from -1 to 2, exclusive, is outside the text of 6 characters"),
        ([[2, 2, "X"]], "the span X from 2 to 2, exclusive, is empty or reversed"),
        ([[4, 2, "X"]], "the span X from 4 to 2, exclusive, is empty or reversed"),
        ({"X": {"d": [[5, 6]]}}, "the span X from 5 to 6, inclusive, is outside the text of 6 characters"),
        (
            [[0, 4, "X"], [2, 6, "Y"]],
            "the span 'bc d' (Y, characters 2 to 5): it overlaps the span 'a bc' (X, characters 0 to 3)",
        ),
        (
            [[2, 4, "Y"], [0, 4, "X"]],
            "the span 'bc' (Y, characters 2 to 3): it lies within the span 'a bc' (X, characters 0 to 3)",
        ),
        (
            [[0, 1, "X"], [0, 1, "X"]],
            "the span 'a' (X, characters 0 to 0): it lies within the span 'a' (X, characters 0 to 0)",
        ),
        (
            [{"start": 2, "end": 4, "label": "X", "text": "bd"}],
            "the span 'bc' (X, characters 2 to 3): expected 'bd', as the file says",
        ),
        (
            [{"start": 2, "end": 3, "label": "X", "text": "bc"}],
            "the span 'b' (X, characters 2 to 2): expected 'bc', as the file says; set end: inclusive",
        ),
        (
            {"X": {"bc": [[2, 4]]}},
            "the span 'bc ' (X, characters 2 to 4): expected 'bc', as the file says; set end: exclusive",
        ),
        ([[2, 4]], "expected an object or a list of start, end and label for a span, found a list of 2"),
        (["X"], "expected an object or a list of start, end and label for a span, found a string"),
        ([["2", 4, "X"]], "expected a whole number for the start of a span, found a string"),
        ([[2, 4.5, "X"]], "expected a whole number for the end of a span, found 4.5"),
        ([[2, 4, None]], "expected a string or a number for the label of a span, found null"),
        ([[2, 4, " "]], "a span with an empty label"),
        ([{"start": 2, "stop": 4}], "a span has no key 'end' or 'end_offset'; keys found: 'start', 'stop'"),
        ({"X": [[2, 3]]}, "expected an object of mentions for the label 'X', found a list"),
        ({"X": {"bc": [2, 3]}}, "expected a list of lists of start and end for the mention 'bc'"),
        ("X", "expected a list or an object of spans for 'spans', found a string"),
        (None, "expected a list or an object of spans for 'spans', found null"),
    ],
)
def test_bad_rows(tmp_path: Path, spans: Any, reason: str) -> None:
    bad = row(tmp_path, {"text": "a bc d", "spans": spans})
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.reason) == (1, reason)
    assert json.loads(bad.raw)["spans"] == spans


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({"text": " ", "spans": []}, "empty text"),
        ({"text": "a\0", "spans": []}, "NUL character in text"),
        ({"spans": []}, "no key 'text', which the option 'text' names; keys found: 'spans'."),
        ([], "expected a JSON object, found a list; JSON over several lines is not read"),
    ],
)
def test_bad_texts(tmp_path: Path, found: Any, reason: str) -> None:
    bad = row(tmp_path, found)
    assert isinstance(bad, BadRow)
    assert bad.reason.startswith(reason)


def test_gzip_lines_and_skipping(tmp_path: Path) -> None:
    lines = ['{"text": "a", "spans": [[0, 1, "X"]]}', "", '{"text": "b", "spans": [[0, 2, "X"]]}', '{"text": "c"}']
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("\r\n".join(lines).encode()))
    examples, bad = read_source(Spans(str(path)), on_bad_rows="skip")
    assert examples.columns == {"text": ["a"], "spans": [[(0, 1, "X")]]}
    assert [row.line for row in bad] == [3, 4]
    whole = read_source(Spans(str(path)).without_answers())[0]
    assert whole.columns == {"text": ["a", "b", "c"]}
    assert whole.lines.tolist() == [1, 3, 4]
