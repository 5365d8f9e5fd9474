"""Tables for terminals and for Markdown."""

import doctest
import importlib

import pytest

from tftransfer.evaluation.tables import escape, markdown_table, table, width


def test_numbers_stand_right_and_words_left() -> None:
    text = table(["label", "f1", "support"], [["good", "0.9", "12"], ["very bad", "0.75", "1,024"]])
    assert text == (
        "label       f1  support\n"
        "--------  ----  -------\n"
        "good       0.9       12\n"
        "very bad  0.75    1,024"
    )  # fmt: skip


@pytest.mark.parametrize("number", ["-1", "+0.5", "2e-5", "1E+9", "97.5 %", "3%", "nan", "-inf", ".5", "1_000"])
def test_what_counts_as_a_number(number: str) -> None:
    assert table(["wide header"], [[number]]).splitlines()[2] == number.rjust(len("wide header"))


@pytest.mark.parametrize("word", ["12 MB", "1.2.3", "v1", "0x1f", "1:30", "--", "e5"])
def test_what_does_not(word: str) -> None:
    assert table(["wide header"], [[word], ["1"]]).splitlines()[2:] == [word, "1"]


def test_a_blank_or_a_dash_does_not_make_a_column_text() -> None:
    assert table(["count"], [["7"], [""], ["-"]]).splitlines()[2:] == ["    7", "", "    -"]


def test_a_column_without_any_number_is_text() -> None:
    assert table(["count"], [["-"]]).splitlines()[2] == "-"


def test_no_row_leaves_the_header() -> None:
    assert table(["a", "bc"], []) == "a  bc\n-  --"


def test_no_line_ends_in_white_space() -> None:
    text = table(["name", "note"], [["a", "long note"], ["b", ""]])
    assert text.splitlines() == [line.rstrip() for line in text.splitlines()]


def test_chinese_lines_up() -> None:
    lines = table(["label", "f1"], [["体育", "0.5"], ["cafe\u0301", "0.25"]]).splitlines()
    assert lines[2:] == ["体育    0.5", "cafe\u0301   0.25"]
    assert {width(line) for line in lines} == {width("label    f1")}


@pytest.mark.parametrize(("text", "cells"), [("", 0), ("abc", 3), ("日本語", 6), ("e\u0301", 1), ("Ａ", 2), ("é", 1)])
def test_width(text: str, cells: int) -> None:
    assert width(text) == cells


def test_a_cell_cannot_break_the_table_or_speak_to_the_terminal() -> None:
    lines = table(["text"], [["two\nlines\tand\r\n\x1b[31mred\x00"]]).split("\n")
    assert lines[2:] == ["two lines and \ufffd[31mred\ufffd"]


@pytest.mark.parametrize("row", [["a"], ["a", "b", "c"]])
def test_a_row_of_another_length_is_refused(row: list[str]) -> None:
    for layout in (table, markdown_table):
        with pytest.raises(ValueError, match=rf"Expected 2 cells \(x, y\) in row 2 of a table, got {len(row)}"):
            layout(["x", "y"], [["1", "2"], row])


def test_markdown_lines_up_and_says_how() -> None:
    assert markdown_table(["Label", "F1"], [["good", "0.9"], ["体", "0.75"]]).splitlines() == [
        "| Label |   F1 |",
        "| ----- | ---: |",
        "| good  |  0.9 |",
        "| 体    | 0.75 |",
    ]


def test_a_markdown_rule_has_three_dashes() -> None:
    assert markdown_table(["#", "a"], [["0", "b"]]).splitlines()[1] == "| --: | --- |"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        (r"a\|b", r"a\\\|b"),
        ("one\ntwo\r\nthree\u2028four", "one<br>two<br>three<br>four"),
        ("<br /> & *bold* `code`", r"\<br /\> \& \*bold\* \`code\`"),
        ("[link](x) $5 ~no~", r"\[link\](x) \$5 \~no\~"),
        ("snake_case _em_", r"snake_case \_em\_"),
        ("tab\there\x07", "tab here\ufffd"),
    ],
)
def test_escape(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_the_example_of_the_docstring() -> None:
    module = importlib.import_module("tftransfer.evaluation.tables")
    assert doctest.testmod(module) == doctest.TestResults(failed=0, attempted=1)
