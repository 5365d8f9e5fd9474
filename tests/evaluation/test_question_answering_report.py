"""The report of answers against the definitions of SQuAD and CMRC 2018, worked out by hand."""

import doctest
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tftransfer import registry
from tftransfer.answers import exact_and_f1, normalized, segments
from tftransfer.errors import DataError
from tftransfer.evaluation import question_answering
from tftransfer.evaluation.question_answering import QuestionAnsweringReport


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Cat's  hat, an A-B\tthing!", "cats hat ab thing"),
        ("theatre and another", "theatre and another"),  # articles are whole words
        ("a.b", "ab"),  # the point goes before the articles do
        ("“Théâtre” 10%", "“théâtre” 10"),  # other punctuation than ASCII stays
        ("the", ""),
    ],
)
def test_what_is_left_of_an_english_answer(text: str, expected: str) -> None:
    assert normalized(text) == expected


@pytest.mark.parametrize(
    ("prediction", "references", "exact", "f1"),
    [
        ("the Denver Broncos!", ["Denver Broncos"], 1, 1),
        ("Broncos of Denver", ["Denver Broncos"], 0, 4 / 5),  # two of three, two of two
        ("Denver Denver Denver", ["Denver Broncos"], 0, 2 / 5),  # a word is found as often as both have it
        ("Denver", ["Broncos", "Denver Broncos", "in the city of Denver"], 0, 2 / 3),  # the nearest one counts
        ("nothing alike", ["Denver Broncos"], 0, 0),
        ("", ["Denver"], 0, 0),
        ("", [], 1, 1),  # right: there is no answer
        ("Denver", [], 0, 0),
        ("the", [], 1, 1),  # nothing is left of it
        ("a", ["the", "Denver"], 0, 0),  # nor of this right answer, which is passed over ...
        ("a", ["the"], 1, 1),  # ... and if it is the only one there is none
    ],
)
def test_squad_by_hand(prediction: str, references: list[str], exact: int, f1: float) -> None:
    assert exact_and_f1(prediction, references) == (exact, pytest.approx(f1))


def test_chinese_characters_and_whole_words() -> None:
    assert segments("约《35公里》，Bel Air 3.5 km……") == [*"约", "35", *"公里", "bel", "air", "3.5", "km", *"……"]
    assert segments("Air（3）-x") == ["air3x"]  # what is removed leaves no gap


@pytest.mark.parametrize(
    ("prediction", "references", "exact", "f1"),
    [
        ("《日落》大道。", ["日落大道"], 1, 1),
        ("约35公里", ["35公里"], 0, 6 / 7),  # three pieces in a row, of four and of three
        ("35里公", ["35公里"], 0, 1 / 3),  # other than in English the order counts: one piece in a row
        ("美国加州", ["美洲", "美国", "加州在美国"], 0, 2 / 3),
        ("日本", ["美国"], 0, 0),
        ("HTML标签", ["html 标签"], 0, 1),  # white space is no piece, but no exact match
        ("", ["美国"], 0, 0),
        ("", [], 1, 1),
        ("美国", [], 0, 0),
    ],
)
def test_cmrc_by_hand(prediction: str, references: list[str], exact: int, f1: float) -> None:
    assert exact_and_f1(prediction, references, characters=True) == (exact, pytest.approx(f1))


def _report(**fields: Any) -> QuestionAnsweringReport:
    known: dict[str, Any] = {
        "predictions": ["Denver Broncos", "blue", "", "Rome"],
        "references": [["Broncos"], ["red", "dark red"], [], []],
        "texts": ["Who won?", "Which colour?", "Why?", "Where?"],
    }
    return QuestionAnsweringReport(**(known | fields))


def test_questions_without_an_answer_are_told_apart() -> None:
    assert _report().metrics() == {
        "exact_match": 0.25,
        "f1": pytest.approx((2 / 3 + 1) / 4),
        "examples": 4,
        "answerable": {
            "has_answer": {"exact_match": 0.0, "f1": pytest.approx(1 / 3), "examples": 2},
            "no_answer": {"exact_match": 0.5, "f1": 0.5, "examples": 2},
        },
    }
    only = _report(predictions=[""], references=[[]], texts=["Why?"]).metrics()
    assert only["answerable"] == {"no_answer": {"exact_match": 1.0, "f1": 1.0, "examples": 1}}


def test_mistakes_come_surest_first() -> None:
    contexts = ["c" * 400 + "Broncos" + "d" * 400, "", "", "Rome is old."]
    report = _report(scores=[0.2, 0.9, 1.0, 0.5], contexts=contexts, origins=["f:1", "f:2", "f:3", "f:4"])
    blue, rome, broncos = report.mistakes()
    assert blue == {
        "text": "Which colour?",
        "expected": ["red", "dark red"],
        "predicted": "blue",
        "f1": 0.0,
        "score": 0.9,
        "context": "",
        "origin": "f:2",
    }
    assert (rome["expected"], rome["context"]) == ([], "Rome is old.")
    assert broncos["context"] == "c" * 150 + "Broncos" + "d" * 150
    assert report.mistakes(1) == [blue]
    assert [m["predicted"] for m in _report().mistakes()] == ["blue", "Rome", "Denver Broncos"]
    assert "score" not in _report().mistakes()[0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"texts": []}, "at least one example"),
        ({"references": [[]]}, "4 references, one a text; got 1"),
        ({"contexts": ["x"]}, "4 contexts, one a text, or none at all; got 1"),
        ({"scores": [1.0, 2.0, float("inf"), 0.0]}, "finite scores, got inf in example 2"),
    ],
)
def test_fields_that_do_not_fit_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        _report(**fields)


def test_write(tmp_path: Path) -> None:
    _report().write(tmp_path / "plain")
    assert sorted(os.listdir(tmp_path / "plain")) == ["metrics.json", "mistakes.jsonl", "report.md"]
    report = _report(scores=[0.2, 0.9, 1.0, 0.5])
    report.write(tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text("utf-8")) == report.metrics()
    assert (tmp_path / "coverage.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "report.md").read_text("utf-8")
    assert "| no_answer  |      0.5000 | 0.5000 |        2 |" in page
    assert "red, dark red" in page


def test_the_registry_builds_it() -> None:
    fields = {"predictions": ["x"], "references": [["x"]], "texts": ["?"], "characters": True}
    assert registry.reports.build("question_answering", fields).metrics()["f1"] == 1.0


def test_the_example_of_the_docstring() -> None:
    assert doctest.testmod(question_answering) == doctest.TestResults(failed=0, attempted=3)
