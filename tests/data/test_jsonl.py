"""JSON lines, against the json module of the standard library and against rows damaged by hand."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tftransfer.data.jsonl import JsonLines
from tftransfer.data.source import BadRow, Row, read_source
from tftransfer.errors import DataError

FILLED = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20).filter(lambda text: text.strip())


def rows(tmp_path: Path, *lines: str | bytes, label: str | None = "label") -> list[Row | BadRow]:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))
    return list(JsonLines(str(path), label=label).rows())


@settings(max_examples=200, deadline=None)
@given(
    objects=st.lists(st.tuples(FILLED, st.one_of(FILLED, st.integers())), min_size=1, max_size=10),
    ascii_only=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_reads_what_the_standard_library_wrote(
    tmp_path_factory: pytest.TempPathFactory, objects: list[tuple[str, str | int]], ascii_only: bool, end: str
) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=ascii_only) + end for text, label in objects]
    path.write_bytes("".join(lines).encode())
    examples, _ = read_source(JsonLines(str(path)))
    assert examples.columns["text"] == [text for text, _ in objects]
    assert examples.columns["label"] == [str(label).strip() for _, label in objects]
    assert examples.lines.tolist() == list(range(1, len(objects) + 1))
    assert {type(label) for label in examples.columns["label"]} == {str}


def test_blank_lines_are_passed_over(tmp_path: Path) -> None:
    found = rows(tmp_path, b'\xef\xbb\xbf{"text": "a", "label": "x"}', "", "  ", '{"text": "b", "label": "y"}', "")
    assert [row.line for row in found] == [1, 4]


@pytest.mark.parametrize(("written", "label"), [("1", "1"), ("-12", "-12"), ("1.50", "1.50"), ('" a "', "a")])
def test_a_label_may_be_a_number_and_stays_as_written(tmp_path: Path, written: str, label: str) -> None:
    assert rows(tmp_path, f'{{"text": "a", "label": {written}}}') == [Row(1, {"text": "a", "label": label})]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "a", "label": true}', "expected a string or a number for label, found a boolean"),
        ('{"text": "a", "label": null}', "expected a string or a number for label, found null"),
        ('{"text": "a", "label": ["x", ["y"]]}', "expected a string or a number for each label, found a list"),
        ('{"text": "a", "label": ["x", " "]}', "empty label 2 of 2"),
        ('{"text": "a", "label": ["\\u0000", "x"]}', "NUL character in label 1 of 2"),
        (
            '{"text": "a", "label": ["x", "\\ud83d"]}',
            "half of a surrogate pair in each label, which is no Unicode text",
        ),
        ('{"text": "a", "label": ["1", "x ", 1]}', "a label appears twice in ['1', 'x', '1']"),
        ('{"text": "a", "label": {"x": 1}}', "expected a string or a number for label, found an object"),
        ('{"text": "a", "label": NaN}', "not JSON: NaN"),
        ('{"text": "a", "label": " "}', "empty label"),
        ('{"text": 1, "label": "x"}', "expected a string for text, found a number"),
        ('{"text": "", "label": "x"}', "empty text"),
        ('{"text": "\\u0000", "label": "x"}', "NUL character in text"),
        ('{"text": "\\ud83d", "label": "x"}', "half of a surrogate pair in text, which is no Unicode text"),
        ('{"text": "a", "text": "b", "label": "x"}', "a key appears twice in one object"),
        ('{"text": "a", "label": "x"', "not JSON: Expecting ',' delimiter at character 27"),
        ('["a", "x"]', "expected a JSON object, found a list"),
        ('"a"', "expected a JSON object, found a string"),
        (
            '{"text": "a", "labels": "x"}',
            "no key 'label', which the option 'label' names; keys found: 'text', 'labels'. Did you mean 'labels'?",
        ),
        (b'{"text": "caf\xe9", "label": "x"}', "not UTF-8 (byte 0xe9 at byte 14 of the line)"),
        ("[" * 200_000, "nested too deeply"),
    ],
)
def test_bad_rows(tmp_path: Path, line: str | bytes, reason: str) -> None:
    good = '{"text": "a", "label": "x"}'
    first, bad, last = rows(tmp_path, good, line, good)
    assert (first.line, last.line) == (1, 3)
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.reason) == (2, reason)


def test_several_labels_or_none(tmp_path: Path) -> None:
    lines = ('{"text": "a", "label": ["y", " x"]}', '{"text": "b", "label": []}', '{"text": "c", "label": [1.50]}')
    found = rows(tmp_path, *lines)
    assert [row.values["label"] for row in found if isinstance(row, Row)] == [["y", "x"], [], ["1.50"]]
    examples, _ = read_source(JsonLines(str(tmp_path / "a.jsonl")))
    assert examples.labels == ["1.50", "x", "y"]


def test_one_label_in_some_rows_and_a_list_in_others(tmp_path: Path) -> None:
    rows(tmp_path, '{"text": "a", "label": "x"}', "", '{"text": "b", "label": ["x"]}')
    with pytest.raises(DataError, match=r"or lists in all; found a string at .*a.jsonl:1, none at .*a.jsonl:3"):
        read_source(JsonLines(str(tmp_path / "a.jsonl")))


def test_triplets(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"q": "a", "good": "b", "bad": "c"}\n{"q": "a", "good": "b", "bad": " "}\n')
    source = JsonLines(str(path), text="q", text_pair="good", text_negative="bad", label=None)
    assert list(source.rows()) == [
        Row(1, {"text": "a", "text_pair": "b", "text_negative": "c"}),
        BadRow(2, "empty text_negative", '{"q": "a", "good": "b", "bad": " "}\n'),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[\n  {"text": "a", "label": "x"}\n]\n', r"a.json:1: not JSON: .*JSON over several lines is not read"),
        ('{\n  "version": "1.1",\n  "data": []\n}\n', r"a.json:1: not JSON: .*for SQuAD's JSON set format: squad"),
        ('{"version": "1.1", "data": []}', r"no key 'text'.*; this looks like SQuAD's JSON, which format: squad reads"),
        ('{"data": [' + 10_000_000 * " " + "]}", r"longer than 10,000,000 bytes; this looks like SQuAD's JSON"),
    ],
)
def test_json_that_is_not_lines(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_source(JsonLines(str(tmp_path / "a.json")))


def test_without_a_label(tmp_path: Path) -> None:
    assert rows(tmp_path, '{"text": "a", "label": null}', label=None) == [Row(1, {"text": "a"})]
    assert list(JsonLines(str(tmp_path / "a.jsonl")).without_answers().rows()) == [Row(1, {"text": "a"})]
