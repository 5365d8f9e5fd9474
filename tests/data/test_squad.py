"""The JSON of SQuAD: real corpora, both versions of the format, and files damaged by hand."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tftransfer.data import read
from tftransfer.data.quarantine import write_quarantine
from tftransfer.data.source import BadRow, Row, read_source
from tftransfer.data.squad import Squad
from tftransfer.errors import DataError

# Beyond the BMP, a combining mark, a tab and a line end: characters are code points.
CONTEXT = "The 👩‍🚀 cafe\u0301\topened\nin 1969, and closed in 1970."


def question(name: str = "q1", **changes: Any) -> dict[str, Any]:
    whole = {"id": name, "question": "When?", "answers": [{"text": "1969", "answer_start": CONTEXT.index("1969")}]}
    return {key: value for key, value in {**whole, **changes}.items() if value is not ...}


def write(tmp_path: Path, *questions: Any, context: Any = CONTEXT) -> Path:
    path = tmp_path / "a.json"
    paragraphs = [{"context": context, "qas": list(questions)}]
    path.write_text(json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]}))
    return path


def answer(text: str, start: Any) -> dict[str, Any]:
    return question(answers=[{"text": text, "answer_start": start}])


@pytest.mark.parametrize(
    ("name", "count", "contexts"),
    [
        ("squad/train.json.gz", 4639, 920),
        ("squad/dev.json.gz", 1190, 240),
        ("cmrc2018/dev.json.gz", 1325, 348),
        ("xquad_zh/test.json", 1190, 240),
    ],
)
def test_real_corpora(corpora: Path, name: str, count: int, contexts: int) -> None:
    examples = read(corpora / name, format="squad")
    columns = examples.columns
    assert (len(examples), len(set(columns["text_pair"]))) == (count, contexts)
    assert len(set(columns["id"])) == count
    for context, answers in zip(columns["text_pair"], columns["answers"], strict=True):
        assert answers
        assert all(context[start : start + len(text)] == text for text, start in answers)


def test_a_real_corpus_with_two_empty_questions(corpora: Path) -> None:
    examples, bad = read_source(Squad(str(corpora / "cmrc2018" / "train.json.gz")), on_bad_rows="skip")
    assert len(examples) == 2896 - 2
    assert [(row.line, row.reason) for row in bad] == [
        (748, "question TRIAL_776_QUERY_4: empty text"),
        (809, "question TRIAL_20_QUERY_0: empty text"),
    ]


def test_a_question_with_and_one_without_an_answer(tmp_path: Path) -> None:
    last = CONTEXT.index("1970")
    several = [{"text": "1970", "answer_start": last}, {"text": "in 1970", "answer_start": last - 3, "id": "2"}]
    path = write(
        tmp_path,
        question(is_impossible=False),
        question("q2", answers=several),
        question("q3", answers=[], is_impossible=True, plausible_answers=several),
        question("q4", answers=...) | {"is_impossible": True},
        question("q5", answers=[]),
        question(6),  # type: ignore[arg-type]
    )
    examples = read(path, format="squad")
    assert examples.columns["answers"] == [
        [("1969", CONTEXT.index("1969"))],
        [("1970", last), ("in 1970", last - 3)],
        [],
        [],
        [],
        [("1969", CONTEXT.index("1969"))],
    ]
    assert examples.columns["id"] == ["q1", "q2", "q3", "q4", "q5", "6"]
    assert set(examples.columns["text_pair"]) == {CONTEXT}
    assert examples.where(2) == f"{path}:3"
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(json.dumps(json.loads(path.read_text()), indent=1).encode()))
    assert read(tmp_path / "b.json.gz", format="squad").fingerprint == examples.fingerprint


def test_an_answer_that_does_not_stand_at_its_place(tmp_path: Path) -> None:
    right = CONTEXT.index("1970")
    path = write(tmp_path, question(), answer(" 1970 ", right - 20), answer("1970", right - 21), answer("9", right + 1))
    _, near, far, twice = Squad(str(path)).rows()
    stands = repr(CONTEXT[right - 20 :][:6])
    assert isinstance(near, BadRow)
    assert (near.line, near.reason) == (
        2,
        f"question q1: expected the answer ' 1970 ' at character {right - 20} of the context, where {stands} stands;"
        f" it stands at {right}, where repair: true takes it from",
    )
    assert isinstance(far, BadRow)
    assert far.reason.endswith("it stands nowhere within 20 characters of that")
    assert twice == Row(4, {"text": "When?", "text_pair": CONTEXT, "id": "q1", "answers": [("9", right + 1)]})

    _, near, far, _ = Squad(str(path), repair=True).rows()
    assert isinstance(near, Row)
    assert near.values["answers"] == [("1970", right)]
    assert isinstance(far, BadRow)


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (answer("in 19", 0), "it stands nowhere within 20 characters of that"),
        (answer("19", CONTEXT.index("1969") + 1), "where '96' stands; it stands 2 times within 20 characters of that"),
        (answer("1970", 999), "at character 999 of the context, which is outside its 49 characters; it stands nowhere"),
        (answer("1970", -5), "at character -5 of the context, which is outside its 49 characters; it stands nowhere"),
        (answer(" \t", 4), "an empty answer; a question that has none has an empty list 'answers'"),
        (answer("1969", 1.5), "expected a whole number for 'answer_start', found 1.5"),
        (answer("1969", "1"), "expected a whole number for 'answer_start', found a string"),
        (answer("1969", True), "expected a whole number for 'answer_start', found a boolean"),
        (answer("1969", None), "expected a whole number for 'answer_start', found null"),
        (question(answers=...), "expected a list for 'answers', found null"),
        (question(answers={"text": ["1969"], "answer_start": [1]}), "expected a list for 'answers', found an object"),
        (question(answers=["1969"]), "expected an object for an answer, found a string"),
        (question(is_impossible=True), "'is_impossible' is true, and there are 1 answers"),
        (question(answers=[], is_impossible=False), "'is_impossible' is false, and there are 0 answers"),
        (question(question=...), "expected a string for 'question', found null"),
        (question(question=" "), "empty text"),
        (question(question="\0"), "NUL character in text"),
        (question(question="\ud83d"), "half of a surrogate pair in 'question', which is no Unicode text"),
    ],
)
def test_bad_questions(tmp_path: Path, changes: dict[str, Any], reason: str, repair: bool) -> None:
    first, bad, last = Squad(str(write(tmp_path, question(), changes, question())), repair=repair).rows()
    assert isinstance(first, Row)
    assert isinstance(last, Row)
    assert isinstance(bad, BadRow)
    assert bad.line == 2
    assert bad.reason.startswith("question q1: ")
    assert reason in bad.reason
    write_quarantine(tmp_path / "q.jsonl", [("a.json", bad)])
    raw = json.loads((tmp_path / "q.jsonl").read_text())["raw"]
    if changes["question" if "question" in changes else "id"] != "\ud83d":
        assert json.loads(raw) == changes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [("q", "expected an object for a question, found a string"), (question(id=...), "expected a string or a number")],
)
def test_questions_without_a_name(tmp_path: Path, changes: Any, reason: str) -> None:
    (bad,) = Squad(str(write(tmp_path, changes))).rows()
    assert isinstance(bad, BadRow)
    assert bad.reason.startswith(reason)


@pytest.mark.parametrize(
    ("context", "reason"),
    [(None, "expected a string for 'context', found null"), ("", "empty text_pair")],
)
def test_a_bad_context_makes_all_its_questions_bad(tmp_path: Path, context: Any, reason: str) -> None:
    path = write(tmp_path, question("a", answers=[]), question("b", answers=[]), context=context)
    found = [(row.line, row.reason) for row in Squad(str(path)).rows() if isinstance(row, BadRow)]
    assert found == [(1, f"question a: {reason}"), (2, f"question b: {reason}")]


def test_without_answers(tmp_path: Path) -> None:
    path = write(tmp_path, question(answers=...), question(answers="whatever"))
    expected = {"text": ["When?"] * 2, "text_pair": [CONTEXT] * 2, "id": ["q1"] * 2}
    assert read_source(Squad(str(path)).without_answers())[0].columns == expected
    assert read(path, format="squad", label=None).columns == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", r"a.json: expected an object for the file, found a list"),
        (b'{"version": 1}', r"a.json: expected a list 'data' in the file, whose keys are 'version'"),
        (b'{"data": [{"paragraphs": []}, {}]}', r"expected a list 'paragraphs' in data\[1\], whose keys are none"),
        (b'{"data": [{"paragraphs": [{"qas": {}}]}]}', r"expected a list 'qas' in data\[0\].paragraphs\[0\]"),
        (b'{"data": [7]}', r"expected an object for data\[0\], found a number"),
        (b'{"data": []}', r"no rows to use: found none. Expected the JSON of SQuAD"),
        (b'{\n"data": [}', r"a.json:2: not JSON: Expecting value at character 10"),
        (
            b'{"text": "a"}\n{"text": "b"}\n',
            r"a.json:2: not JSON: Extra data .*For one object a line, set format: jsonl",
        ),
        (b'{"data": [], "data": []}', r"a.json: a key appears twice in one object"),
        (b'{\n"data": "caf\xe9"}', r"a.json:2: not UTF-8"),
        (b"[" * 200_000, r"a.json: nested too deeply"),
    ],
)
def test_files_of_another_kind(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.json", format="squad")


def test_a_file_of_one_line_may_be_longer_than_a_line_of_other_formats(tmp_path: Path) -> None:
    path = write(tmp_path, question(), question("long", question="?" * 11_000_000))
    assert len(read(path, format="squad")) == 2
