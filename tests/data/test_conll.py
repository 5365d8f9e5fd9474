"""Tokens with tags: real corpora, every scheme, and files damaged by hand."""

import collections
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tftransfer import registry
from tftransfer.data import read
from tftransfer.data.conll import Conll
from tftransfer.data.quarantine import write_quarantine
from tftransfer.data.source import BadRow, Row, read_source
from tftransfer.errors import ConfigError, DataError

ENGLISH = """\
-DOCSTART- -X- O O

# sent_id = 1
EU NNP B-NP B-ORG
rejects VBZ O O
# NN O O

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER
in IN O O
London NNP B-NP B-LOC
"""


def rows(tmp_path: Path, content: str | bytes, **options: Any) -> list[Row | BadRow]:
    path = tmp_path / "a.conll"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(Conll(str(path), **options).rows())


def entities(columns: dict[str, list[Any]]) -> dict[str, int]:
    return dict(collections.Counter(label for spans in columns["spans"] for _, _, label in spans))


@pytest.mark.parametrize(
    ("name", "count", "tokens", "expected"),
    [
        (
            "wnut17/train.conll.gz",
            3394,
            62730,
            "corporation=221, creative-work=140, group=264, location=548, person=660, product=142",
        ),
        (
            "wnut17/dev.conll",
            1009,
            15733,
            "corporation=34, creative-work=105, group=39, location=74, person=470, product=114",
        ),
        (
            "wnut17/test.conll",
            1287,
            23394,
            "corporation=66, creative-work=142, group=165, location=150, person=429, product=127",
        ),
        ("people_daily/train.conll.gz", 3836, 179933, "LOC=3209, ORG=1891, PER=1549"),
        ("people_daily/dev.conll", 800, 39264, "LOC=449, ORG=294, PER=315"),
        ("people_daily/test.conll.gz", 2318, 109870, "LOC=1951, ORG=984, PER=884"),
        ("resume_ner/dev.bmes", 463, 13890, "CONT=33, EDU=106, LOC=2, NAME=110, ORG=523, PRO=18, RACE=15, TITLE=690"),
        ("resume_ner/test.bmes", 477, 15100, "CONT=28, EDU=112, LOC=6, NAME=112, ORG=553, PRO=33, RACE=14, TITLE=772"),
    ],
)
def test_real_corpora(corpora: Path, name: str, count: int, tokens: int, expected: str) -> None:
    examples = read(corpora / name)
    assert len(examples) == count
    assert sum(map(len, examples.columns["words"])) == tokens
    assert ", ".join(f"{label}={n}" for label, n in sorted(entities(examples.columns).items())) == expected
    chinese = not name.startswith("wnut17")
    assert (examples.columns["words"][0][:2] == [(0, 1), (1, 2)]) == chinese


def test_a_real_corpus_that_breaks_its_scheme(corpora: Path) -> None:
    """Two companies of the training data of ResumeNER reach over the blank lines between sentences."""
    path = corpora / "resume_ner" / "train.bmes.gz"
    with pytest.raises(DataError) as caught:
        read(path)
    message = str(caught.value)
    assert "The closest is BMES, which 4 of 3821 sentences violate" in message
    assert f"{path}:62390: expected M-ORG or E-ORG after M-ORG, found the end" in message
    assert f"{path}:62392: expected O or B-* or S-* at the beginning, found 'M-ORG'" in message
    assert message.endswith("leave them out with scheme: BMES and on_bad_rows: skip.")

    examples, bad = read_source(Conll(str(path), scheme="BMES"), on_bad_rows="skip")
    assert (len(examples), len(bad)) == (3821 - 4, 4)
    found = collections.Counter(entities(examples.columns))
    found.update(line.split("-")[1] for row in bad for line in row.raw.splitlines() if line[2:4] in ("B-", "S-"))
    assert found == dict(CONT=260, EDU=858, LOC=47, NAME=952, ORG=4611, PRO=287, RACE=115, TITLE=6308)  # noqa: C408


def test_columns_comments_and_document_starts(tmp_path: Path) -> None:
    first, second = rows(tmp_path, ENGLISH)
    assert first == Row(4, {"text": "EU rejects #", "words": [(0, 2), (3, 10), (11, 12)], "spans": [(0, 2, "ORG")]})
    assert second.line == 8
    assert isinstance(second, Row)
    assert second.values["spans"] == [(0, 15, "PER"), (19, 25, "LOC")]
    chunks = rows(tmp_path, ENGLISH.replace("O O", "B-NP O"), tag_column=2)
    assert isinstance(chunks[0], Row)
    assert chunks[0].values["spans"] == [(0, 2, "NP"), (3, 10, "NP"), (11, 12, "NP")]
    numbered = "\n".join(f"{i}\t{token}\tO" for i, token in enumerate(["a", "b"]))
    assert [row.values["text"] for row in rows(tmp_path, numbered, token_column=1) if isinstance(row, Row)] == ["a b"]


def test_gzip_windows_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "b.conll").write_bytes(b"\xef\xbb\xbf" + ENGLISH.replace("\n", "\r\n").encode())
    (tmp_path / "b.conll.gz").write_bytes(gzip.compress(ENGLISH.encode() + b"\n \t\n\n"))
    expected = rows(tmp_path, ENGLISH)
    assert list(Conll(str(tmp_path / "b.conll")).rows()) == expected
    assert list(Conll(str(tmp_path / "b.conll.gz")).rows()) == expected


def test_emoji_combining_marks_and_spaces_within_tokens(tmp_path: Path) -> None:
    tokens = [
        ("👩‍👩‍👧", "O"),
        ("Zoe\u0308", "B-PER"),
        ("van Dam", "I-PER"),
        ("\u3000", "O"),
        ("#", "O"),
        ("\U0001f600", "B-X"),
    ]
    (row,) = rows(tmp_path, "".join(f"{token}\t{tag}\n" for token, tag in tokens))
    assert isinstance(row, Row)
    text = row.values["text"]
    assert [text[start:end] for start, end in row.values["words"]] == [token for token, _ in tokens]
    assert [(text[start:end], label) for start, end, label in row.values["spans"]] == [
        ("Zoe\u0308 van Dam", "PER"),
        ("\U0001f600", "X"),
    ]


@pytest.mark.parametrize(
    ("options", "text"),
    [({}, "北京，です。A"), ({"joiner": " "}, "北 京 ， で す 。 A"), ({"joiner": "_"}, "北_京_，_で_す_。_A")],
)
def test_what_stands_between_tokens(tmp_path: Path, options: dict[str, str], text: str) -> None:
    (row,) = rows(tmp_path, "北 B-X\n京 I-X\n， O\nで O\nす O\n。 O\nA B-X\n", **options)
    assert isinstance(row, Row)
    assert row.values["text"] == text
    assert [text[start:end] for start, end in row.values["words"]] == list("北京，です。A")
    assert text[slice(*row.values["spans"][0][:2])] == f"北{options.get('joiner', '')}京"


@pytest.mark.parametrize(
    ("scheme", "written"),
    [
        ("IO", "I-X I-X O I-Y"),
        ("IOB1", "I-X B-X O I-Y"),
        ("BIO", "B-X B-X O B-Y"),
        ("BMES", "S-X S-X O S-Y"),
        ("IOBES", "S-X S-X O S-Y"),
    ],
)
def test_schemes(tmp_path: Path, scheme: str, written: str) -> None:
    content = "".join(f"{token} {tag}\n" for token, tag in zip("abcd", written.split(), strict=True))
    (row,) = rows(tmp_path, content, scheme=scheme)
    assert isinstance(row, Row)
    together = scheme == "IO"
    assert row.values["spans"] == [*([(0, 3, "X")] if together else [(0, 1, "X"), (2, 3, "X")]), (6, 7, "Y")]
    assert rows(tmp_path, content) == [row]  # as the file tells by itself


def test_a_tag_that_does_not_follow_the_scheme(tmp_path: Path) -> None:
    good = "a O\nb B-X\n\n"
    found = rows(tmp_path, f"{good}c O\nd I-X\ne O\n\n{good}f E-X\n", scheme="BIO")
    assert [row.line for row in found] == [1, 5, 8, 11]
    where = "(the sentence begins on line {})"
    assert found[1] == BadRow(5, f"expected O or B-* after O, found 'I-X' {where.format(4)}", "c O\nd I-X\ne O\n")
    assert found[3] == BadRow(11, f"expected O or B-* at the beginning, found 'E-X' {where.format(11)}", "f E-X\n")


def test_no_scheme_fits_the_whole_file(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        rows(tmp_path, "a B-X\nb I-X\n\nc O\nd I-X\n\ne b-X\n")
    path = tmp_path / "a.conll"
    assert str(caught.value).splitlines() == [
        f"{path}: the tags of all sentences together follow none of the schemes BIO, BIOES, IOBES, BMES, IOB1, IO.",
        "The closest is BIO, which 2 of 3 sentences violate:",
        f"{path}:5: expected O or B-* after O, found 'I-X' (the sentence begins on line 4)",
        f"{path}:7: expected O or B-* at the beginning, found 'b-X' (the sentence begins on line 7)",
        "Correct them, or leave them out with scheme: BIO and on_bad_rows: skip.",
    ]


@pytest.mark.parametrize(
    ("sentence", "line", "reason"),
    [
        ("c O\nd\n", 5, "expected 2 columns, as most lines have, found 1"),
        ("New York B-X\n", 4, "expected 2 columns, as most lines have, found 3"),
        ("c\tO\n\tO\n", 5, "column 0 is empty"),
        ("c O\nd\t\n", 5, "column 1 is empty"),
        (b"c O\nd\nd\xe9 O\n", 5, "expected 2 columns, as most lines have, found 1"),
        (b"c O\ncaf\xe9 O\n", 5, "not UTF-8 (byte 0xe9 at byte 4 of the line)"),
        ("c O\n\0 O\n", 4, "NUL character in text"),
        ("\u3000 O\n\u2003 O\n", 4, "empty text"),
    ],
)
def test_bad_sentences(tmp_path: Path, sentence: str | bytes, line: int, reason: str) -> None:
    raw = sentence if isinstance(sentence, bytes) else sentence.encode()
    first, bad, last = rows(tmp_path, b"a O\nb B-X\n\n" + raw + b"\ne O\n")
    assert isinstance(first, Row)
    assert isinstance(last, Row)
    assert bad == BadRow(line, reason, raw.decode("utf-8", "backslashreplace"))
    write_quarantine(tmp_path / "q.jsonl", [("a.conll", bad)])
    assert json.loads((tmp_path / "q.jsonl").read_text())["line"] == line


def test_without_answers(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    expected = Row(1, {"text": "a b", "words": [(0, 1), (2, 3)]})
    for content in ("a\nb\n", "a O\nb nonsense\n"):
        path.write_text(content)
        assert list(Conll(str(path)).without_answers().rows()) == [expected]
    assert read(path, label=None).columns == {"text": ["a b"], "words": [[(0, 1), (2, 3)]]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"token_column": 3},
            r"a.conll:1: columns found: 2; none has the number 3. Set 'token_column', counted from 0",
        ),
        ({"tag_column": -3}, r"a.conll:1: columns found: 2; none has the number -3. Set 'tag_column'"),
        ({"token_column": -1, "tag_column": 1}, r"token and tag are taken from the same. Set 'tag_column', or null"),
    ],
)
def test_columns_that_are_not_there(tmp_path: Path, options: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows(tmp_path, "a O\n", **options)


@pytest.mark.parametrize("content", ["", "\n\n", "-DOCSTART- O\n\n"])
def test_a_file_without_sentences(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.conll").write_text(content)
    with pytest.raises(DataError, match=r"Expected a token and its tag a line, and a blank line between sentences"):
        read(tmp_path / "a.conll")


def test_options_are_checked_before_the_file_is_read() -> None:
    with pytest.raises(ConfigError, match=r"tag_column: expected another column than that of the token, 0"):
        Conll("a.conll", tag_column=0)
    with pytest.raises(ConfigError, match=r"scheme: .*'IOBES'; received 'BIOE'"):
        registry.sources.build("conll", {"path": "a.conll", "scheme": "BIOE"})
