"""Columns in Arrow files: whole or absent, whatever becomes of the file or happens beside it."""

import errno
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tftransfer.arrow_store import ArrowStore, key_of
from tftransfer.errors import ConfigError, DataError

TYPES = {"text": pa.large_string(), "number": pa.int64()}
KEY = key_of("test")


class Counted:
    """Makes columns, and counts how often it is asked to."""

    def __init__(self, rows: int = 1000) -> None:
        self.rows, self.calls = rows, 0

    def __call__(self) -> Iterator[dict[str, Any]]:
        self.calls += 1
        for n in range(self.rows):
            yield {"text": [f"text {n} é😀"], "number": np.array([n, -n])}


def check(columns: Mapping[str, pa.Array], rows: int = 1000) -> None:
    assert columns["text"].to_pylist() == [f"text {n} é😀" for n in range(rows)]
    assert columns["number"].to_pylist() == [x for n in range(rows) for x in (n, -n)]


def test_columns_are_built_once(tmp_path: Path) -> None:
    build = Counted()
    for _ in range(3):
        check(ArrowStore(tmp_path).columns(KEY, TYPES, build))
    assert build.calls == 1
    assert [path.name for path in tmp_path.iterdir()] == [f"{KEY}.arrow"]


def test_another_key_is_another_file(tmp_path: Path) -> None:
    build = Counted()
    for key in (KEY, key_of("other"), KEY):
        check(ArrowStore(tmp_path).columns(key, TYPES, build))
    assert build.calls == 2


def test_nothing_is_left_of_what_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    open_files = len(os.listdir("/proc/self/fd"))
    found = [ArrowStore().columns(KEY, TYPES, Counted()) for _ in range(3)]
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == open_files
    for columns in found:
        check(columns)


def test_files_are_read_by_arrow_itself(tmp_path: Path) -> None:
    ArrowStore(tmp_path).columns(KEY, TYPES, Counted(2))
    (row,) = pa.ipc.open_file(tmp_path / f"{KEY}.arrow").read_all().to_pylist()
    assert row == {"text": ["text 0 é😀", "text 1 é😀"], "number": [0, 0, 1, -1]}


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.9, 0.9999])
def test_a_truncated_file_is_built_anew(tmp_path: Path, share: float, caplog: pytest.LogCaptureFixture) -> None:
    build, path = Counted(), tmp_path / f"{KEY}.arrow"
    ArrowStore(tmp_path).columns(KEY, TYPES, build)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with caplog.at_level(logging.WARNING):
        check(ArrowStore(tmp_path).columns(KEY, TYPES, build))
    assert build.calls == 2
    assert f"{path}: a damaged file of the cache is built anew" in caplog.text
    assert path.read_bytes() == whole


def test_a_file_under_a_foreign_name_is_built_anew(tmp_path: Path) -> None:
    build, other = Counted(), key_of("other")
    ArrowStore(tmp_path).columns(other, TYPES, Counted(3))
    (tmp_path / f"{other}.arrow").rename(tmp_path / f"{KEY}.arrow")
    check(ArrowStore(tmp_path).columns(KEY, TYPES, build))
    ArrowStore(tmp_path).columns(other, {"number": pa.int64()}, lambda: [{"number": np.array([1])}])
    check(ArrowStore(tmp_path).columns(other, TYPES, build))  # other columns than those that are kept
    assert build.calls == 2


def test_columns_outlive_their_file(tmp_path: Path) -> None:
    build = Counted()
    first = ArrowStore(tmp_path).columns(KEY, TYPES, build)
    again = ArrowStore(tmp_path).columns(KEY, TYPES, build)
    (tmp_path / f"{KEY}.arrow").unlink()
    check(first)
    check(again)


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[dict[str, Any]]:
        yield {"text": ["a"], "number": np.array([1])}
        raise KeyError("no")

    with pytest.raises(KeyError):
        ArrowStore(tmp_path).columns(KEY, TYPES, failing)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match=r"no room for what is read.*No space left.*data\.cache.*TMPDIR"):
        ArrowStore(tmp_path).columns(KEY, TYPES, Counted())
    assert list(tmp_path.iterdir()) == []


def test_two_processes_build_the_same_file(tmp_path: Path) -> None:
    code = (
        "import sys, time, numpy as np, pyarrow as pa; from tftransfer.arrow_store import ArrowStore\n"
        "def parts():\n"
        "    for n in range(50):\n"
        "        time.sleep(0.01)\n"
        "        yield {'number': np.arange(n * 1000, (n + 1) * 1000)}\n"
        "found = ArrowStore(sys.argv[1]).columns('key', {'number': pa.int64()}, parts)['number'].to_numpy()\n"
        "assert (found == np.arange(50_000)).all()\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["key.arrow"]
    never = ArrowStore(tmp_path).columns("key", {"number": pa.int64()}, lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    assert never["number"].to_pylist() == list(range(50_000))


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    store, keys = ArrowStore(tmp_path), [f"key {n}" for n in range(4)]
    for age, key in enumerate(keys):
        store.columns(key, TYPES, Counted())
        os.utime(tmp_path / f"{key}.arrow", (1e9 + age, 1e9 + age))
    store.columns(keys[0], TYPES, Counted())  # it is used now
    size = (tmp_path / f"{keys[0]}.arrow").stat().st_size
    unfinished, crashed = tmp_path / "a.arrow.live", tmp_path / "b.arrow.old"
    unfinished.touch()
    crashed.touch()
    os.utime(crashed, (1e9, 1e9))
    ArrowStore(tmp_path, limit=3.5 * size / 1e9).columns("new", TYPES, Counted())
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"new.arrow", "key 0.arrow", "key 3.arrow", unfinished.name}
    check(ArrowStore(tmp_path, limit=0).columns("large", TYPES, Counted()))
    assert {path.name for path in tmp_path.iterdir()} == {"large.arrow", unfinished.name}


@given(st.lists(st.lists(st.text(max_size=5), max_size=5), max_size=5), st.data())
def test_parts_of_any_sizes(texts: list[list[str]], data: st.DataObject) -> None:
    numbers = [data.draw(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3)) for _ in texts]
    parts = [{"text": a, "number": np.array(b, np.int64)} for a, b in zip(texts, numbers, strict=True)]
    found = ArrowStore().columns(None, TYPES, lambda: parts)
    assert found["text"].to_pylist() == [text for part in texts for text in part]
    assert found["number"].to_pylist() == [number for part in numbers for number in part]


def test_where_a_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFTRANSFER_CACHE_GB", "1.5")
    monkeypatch.setenv("TFTRANSFER_CACHE", str(tmp_path / "a" / "b"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    monkeypatch.setenv("HOME", str(tmp_path / "d"))
    assert ArrowStore.chosen(str(tmp_path / "e")).folder == tmp_path / "e"
    assert (ArrowStore.chosen(None).folder, ArrowStore.chosen(None).limit) == (tmp_path / "a" / "b", 1.5)
    monkeypatch.delenv("TFTRANSFER_CACHE")
    assert ArrowStore.chosen(None).folder == tmp_path / "c" / "tftransfer"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert ArrowStore.chosen(None).folder == tmp_path / "d" / ".cache" / "tftransfer"
    assert ArrowStore.chosen(False).folder is None


def test_folders_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TFTRANSFER_CACHE", str(tmp_path / "file"))
    for folder in (None, str(tmp_path / "file" / "below")):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert ArrowStore.chosen(folder).folder is None
        assert "no cache is kept: its folder cannot be written" in caplog.text


@pytest.mark.parametrize("text", ["many", "-1", "nan"])
def test_a_limit_that_is_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFTRANSFER_CACHE_GB", text)
    with pytest.raises(ConfigError, match=f"TFTRANSFER_CACHE_GB: expected a number of gigabytes.*'{text}'"):
        ArrowStore.chosen(None)
