"""Plain text."""

import gzip
from pathlib import Path

import pytest

from tftransfer import registry
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
        BadRow(2, "empty text", "\n"),
        BadRow(4, "empty text", " \n"),
        BadRow(6, "not UTF-8 (byte 0xe9 at byte 4 of the line)", "caf\\xe9\n"),
        BadRow(7, "NUL character in text", "a\0b"),
    ]


def test_gzip_gives_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(CONTENT)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(CONTENT))
    assert list(Lines(str(tmp_path / "a.txt")).rows()) == list(Lines(str(tmp_path / "a.txt.gz")).rows())


def test_a_label_cannot_be_asked_for() -> None:
    with pytest.raises(
        ConfigError, match=r"a.txt: format 'lines' has no text_pair and no label. Use csv, tsv or jsonl"
    ):
        registry.sources.build("lines", {"path": "a.txt", "label": "label", "text_pair": "b"})
    assert registry.sources.build("lines", {"path": "a.txt"}).columns() == {"text": "text"}


def test_a_line_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\n" + b'"' * 25_000_000 + b"\nthree\n")
    examples, bad = read_source(Lines(str(path)), on_bad_rows="skip")
    assert examples.lines.tolist() == [1, 3]
    assert [(row.line, row.reason) for row in bad] == [(2, "longer than 10,000,000 bytes")]
    assert len(bad[0].raw) < 2000
