"""Rows are read once: what comes out of a store is what was in the file, good rows and bad ones."""

import dataclasses
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tftransfer import registry
from tftransfer.arrow_store import ArrowStore
from tftransfer.data import row_store
from tftransfer.data.conll import Conll
from tftransfer.data.delimited import Csv, Tsv
from tftransfer.data.jsonl import JsonLines
from tftransfer.data.source import BadRow, Row, Source, read_source
from tftransfer.data.spans import Spans
from tftransfer.errors import DataError

CSV = 'text,label\n"one, \r\ntwo",x\n,y\nthree,z\n"four\nfive,x\n  é😀 ,y\n'


def rows_of(source: Source) -> tuple[list[Row], list[BadRow]]:
    """Returns what a source yields, without any store."""
    found = list(source.rows())
    return [row for row in found if isinstance(row, Row)], [row for row in found if isinstance(row, BadRow)]


def never(self: Source) -> Iterator[Row | BadRow]:
    raise AssertionError("the file is read again")


@pytest.mark.parametrize("limits", [(1, 1), (2, 10**6), (4096, 10**6)])
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (Csv, CSV),
        (JsonLines, '{"text": "a", "label": ["x", "y"]}\n{"text": 1}\n{"text": "b", "label": []}\n'),
        (Conll, "one B-X\ntwo I-X\n\nthree I-Y\n\nfour O\n"),
        (Spans, '{"text": "one", "spans": [[0, 3, "X"]]}\n{"text": "two", "spans": [[9, 9, "X"]]}\n'),
    ],
)
def test_rows_come_back_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, content: str, limits: tuple[int, int]
) -> None:
    monkeypatch.setattr(row_store, "_ROWS", limits[0])
    monkeypatch.setattr(row_store, "_CHARACTERS", limits[1])
    (tmp_path / "data").write_text(content, newline="")
    source = kind(str(tmp_path / "data"), **({"scheme": "BIO"} if kind is Conll else {}))
    good, bad = rows_of(source)
    assert good
    assert bad
    store = ArrowStore(tmp_path / "cache")
    for _ in range(2):
        examples, found = read_source(source, on_bad_rows="skip", store=store)
        assert found == bad
        assert examples.lines.tolist() == [row.line for row in good]
        expected = {role: [row.values[role] for row in good] for role in source.roles()}
        assert repr({role: list(values) for role, values in examples.columns.items()}) == repr(expected)
        monkeypatch.setattr(kind, "rows", never)


def test_errors_are_the_same_the_second_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.csv").write_text(CSV)
    (tmp_path / "none.csv").write_text("text,label\n,x\n")
    (tmp_path / "mixed.jsonl").write_text('{"text": "a", "label": "x"}\n\n{"text": "b", "label": ["x"]}\n')
    sources = [
        Csv(str(tmp_path / "bad.csv")),
        Csv(str(tmp_path / "none.csv")),
        JsonLines(str(tmp_path / "mixed.jsonl")),
    ]
    found = []
    for _ in range(2):
        for source, policy in zip(sources, ("error", "skip", "skip"), strict=True):
            with pytest.raises(DataError) as error:
                read_source(source, on_bad_rows=policy, store=ArrowStore(tmp_path / "cache"))  # type: ignore[arg-type]
            found.append(str(error.value))
        monkeypatch.setattr(Csv, "rows", never)
        monkeypatch.setattr(JsonLines, "rows", never)
    assert found[:3] == found[3:]
    assert "2 of 6 rows cannot be used" in found[0]
    assert f"all 1 are bad, such as {sources[1].path}:2: empty text" in found[1]
    assert f"a string at {sources[2].path}:1, none at {sources[2].path}:3" in found[2]


def test_what_is_kept_is_found_by_content_format_and_options(tmp_path: Path) -> None:
    content = "text\tlabel\tother\na,b\tx\ty\n"
    for name in ("a", "b", "a.gz"):
        (tmp_path / name).write_bytes(gzip.compress(content.encode(), mtime=0) if name == "a.gz" else content.encode())
    store = ArrowStore(tmp_path / "cache")

    def kept() -> int:
        return len(list((tmp_path / "cache").iterdir()))

    first = read_source(Tsv(str(tmp_path / "a")), store=store)[0]
    other = read_source(Tsv(str(tmp_path / "b")), store=store)[0]  # the same content
    assert kept() == 1
    assert [x.where(0) for x in (first, other)] == [f"{tmp_path / 'a'}:2", f"{tmp_path / 'b'}:2"]
    assert read_source(Tsv(str(tmp_path / "a"), label="other"), store=store)[0].labels == ["y"]
    assert kept() == 2
    assert list(read_source(Tsv(str(tmp_path / "a")).without_answers(), store=store)[0].columns) == ["text"]
    assert kept() == 3
    assert read_source(Tsv(str(tmp_path / "a.gz")), store=store)[0].columns == first.columns
    assert kept() == 4
    (tmp_path / "a").write_text(content.replace("\tx", "\tz"))
    assert read_source(Tsv(str(tmp_path / "a")), store=store)[0].labels == ["z"]
    assert kept() == 5
    with pytest.raises(DataError, match="the header lacks a column"):
        read_source(Csv(str(tmp_path / "a")), store=store)


def test_rows_of_foreign_classes_are_not_kept(tmp_path: Path) -> None:
    """A class that somebody works on reads other rows of the same file tomorrow."""

    @dataclasses.dataclass(frozen=True)
    class Own(Source):
        expected: ClassVar[str] = "anything"

        def roles(self) -> list[str]:
            return ["text"]

        def without_answers(self) -> "Own":
            return self

        def rows(self) -> Iterator[Row]:
            yield Row(1, {"text": "own"})

    (tmp_path / "a").touch()
    assert read_source(Own(str(tmp_path / "a")), store=ArrowStore(tmp_path / "cache"))[0].columns == {"text": ["own"]}
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["csv", "tsv", "jsonl", "lines", "conll", "spans", "squad"])
def test_a_file_that_is_not_there_has_no_fingerprint(tmp_path: Path, name: str) -> None:
    source = registry.sources.build(name, {"path": str(tmp_path / "missing.data")})
    assert source.fingerprint() is None
    with pytest.raises(DataError, match="no such file"):
        read_source(source, store=ArrowStore(tmp_path / "cache"))
