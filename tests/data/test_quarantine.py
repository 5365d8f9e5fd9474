"""The quarantine file."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tftransfer.data.quarantine import write_quarantine
from tftransfer.data.source import BadRow

ROWS = [
    ("train.tsv", BadRow(2, "empty text", "\tx\u2028\n")),
    ("test.tsv", BadRow(9, "NUL character in text", 'é"中\0')),
]


def test_one_json_object_a_line(tmp_path: Path) -> None:
    path = tmp_path / "run" / "quarantine.jsonl"
    write_quarantine(path, ROWS)
    lines = path.read_bytes().decode().removesuffix("\n").split("\n")
    assert [json.loads(line) for line in lines] == [
        {"file": "train.tsv", "line": 2, "reason": "empty text", "raw": "\tx\u2028\n"},
        {"file": "test.tsv", "line": 9, "reason": "NUL character in text", "raw": 'é"中\0'},
    ]
    assert "中" in lines[1]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    def failing() -> Iterator[tuple[str, BadRow]]:
        yield ROWS[0]
        raise RuntimeError("stop")

    path = tmp_path / "quarantine.jsonl"
    write_quarantine(path, ROWS)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match=r"stop"):
        write_quarantine(path, failing())
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_it_takes_the_place_of_an_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.jsonl"
    write_quarantine(path, ROWS)
    write_quarantine(path, [])
    assert path.read_bytes() == b""
