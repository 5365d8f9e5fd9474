"""Plain text."""

import gzip
from pathlib import Path

import pytest

from tftransfer import registry
from tftransfer.data import read
from tftransfer.data.lines import Lines
from tftransfer.data.source import BadRow, read_source
from tftransfer.errors import ConfigError

CONTENT = "\ufeffone, two\r\n\n  three\t\n \nvier \u2028 fünf".encode() + b"\ncaf\xe9\na\0b"


def test_one_text_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(CONTENT)
    examples, bad = read_source(Lines(str(path)), on_bad_rows="skip")
    assert examples.columns == {"text": ["one, two", "  three\t", "vier \u2028 fünf"]}
    assert examples.lines.tolist() == [1, 3, 5]
    assert bad == [
        BadRow(6, "not UTF-8 (byte 0xe9 at byte 4 of the line)", "caf\\xe9\n"),
        BadRow(7, "NUL character in text", "a\0b"),
    ]


@pytest.mark.parametrize(
    ("name", "lines", "documents"),
    [
        ("imdb_unsup/train.txt.gz", 2400, 1),
        ("imdb_unsup/valid.txt.gz", 200, 1),
        ("covid_papers/train.txt.gz", 2168, 71),
        ("covid_papers/valid.txt.gz", 248, 8),
    ],
)
def test_real_corpora(corpora: Path, name: str, lines: int, documents: int) -> None:
    texts = read(corpora / name).columns["text"]
    assert len(texts) == lines
    papers = read(corpora / name, separator="blank_line").columns["text"]
    assert len(papers) == documents
    assert "\n".join(papers).split("\n") == texts


def test_gzip_gives_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(CONTENT)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(CONTENT))
    assert list(Lines(str(tmp_path / "a.txt")).rows()) == list(Lines(str(tmp_path / "a.txt.gz")).rows())


def test_texts_between_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\n\n" + CONTENT.removeprefix("\ufeff".encode()) + b"\n\n\n  last\r\n of all \n\n")
    examples, bad = read_source(Lines(str(path), separator="blank_line"), on_bad_rows="skip")
    assert examples.columns == {"text": ["one, two", "  three\t", "  last\n of all "]}
    assert examples.lines.tolist() == [3, 5, 12]
    raw = "vier \u2028 fünf\ncaf\\xe9\na\0b\n"
    assert bad == [BadRow(8, "not UTF-8 (byte 0xe9 at byte 4 of the line)", raw)]


def test_blank_lines_are_bad_rows_if_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\n\n \t\nfour\n")
    _, *blank, _ = Lines(str(path), skip_blank=False).rows()
    assert blank == [BadRow(2, "empty text", "\n"), BadRow(3, "empty text", " \t\n")]
    source = Lines(str(path))
    assert source.without_answers() == source


def test_a_label_cannot_be_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"label: unknown option of 'lines'. Known: path, separator, skip_blank"):
        registry.sources.build("lines", {"path": "a.txt", "label": "label"})


def test_a_line_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\n" + b'"' * 25_000_000 + b"\nthree\n")
    examples, bad = read_source(Lines(str(path)), on_bad_rows="skip")
    assert examples.lines.tolist() == [1, 3]
    assert [(row.line, row.reason) for row in bad] == [(2, "longer than 10,000,000 bytes")]
    assert len(bad[0].raw) < 2000
