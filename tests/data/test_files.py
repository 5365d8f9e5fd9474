"""Where files are: patterns, lists, folders of classes, and other places than this machine's disk."""

import gzip
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tftransfer.data import read
from tftransfer.data.files import expand
from tftransfer.data.quarantine import write_quarantine
from tftransfer.data.shards import build_source
from tftransfer.data.source import read_source
from tftransfer.errors import ConfigError, DataError

TSV = "text\tlabel\n"


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Returns a folder of three shards, of which the second has a bad line."""
    for number, rows in enumerate(["a\tx\nb\ty\n", "c\tx\nd\n", "e\ty\n"]):
        (tmp_path / f"part-{number}.tsv").write_text(TSV + rows)
    return tmp_path


def test_messages_name_the_shard_and_its_line(shards: Path, caplog: pytest.LogCaptureFixture) -> None:
    second = shards / "part-1.tsv"
    with pytest.raises(DataError) as caught:
        read(shards / "part-*.tsv")
    message = str(caught.value).splitlines()
    assert message[0] == f"{shards}/part-*.tsv: 1 of 5 rows cannot be used."
    assert message[1] == f"{second}:3: expected 2 columns, found 1"
    with caplog.at_level(logging.WARNING):
        examples = read(shards / "part-*.tsv", on_bad_rows="skip")
    assert f"left out 1 of 5 rows, the first at {second}:3: " in caplog.text
    assert list(examples.columns["text"]) == ["a", "b", "c", "e"]
    assert [examples.where(row) for row in (0, 2, 3)] == [f"{shards}/part-{n}.tsv:2" for n in range(3)]
    assert examples.take([3]).where(0) == f"{shards}/part-2.tsv:2"
    assert examples.path == f"{shards}/part-*.tsv"


def test_the_quarantine_file_names_the_shard_and_its_line(shards: Path) -> None:
    source = build_source("tsv", {"path": str(shards / "part-*.tsv")})
    examples, bad = read_source(source, on_bad_rows="skip")
    write_quarantine(shards / "bad.jsonl", [(examples.path, row) for row in bad])
    assert f'{{"file": "{shards}/part-1.tsv", "line": 3, ' in (shards / "bad.jsonl").read_text()


def test_a_list_is_read_in_its_own_order_and_may_hold_patterns(shards: Path) -> None:
    (shards / "part-1.tsv").write_text(TSV + "c\tx\n")
    paths = [str(shards / "part-2.tsv"), str(shards / "part-[01].tsv")]
    examples = read(paths)
    assert list(examples.columns["text"]) == ["e", "a", "b", "c"]
    assert examples.path == ", ".join(paths)
    assert examples.where(3) == f"{shards}/part-1.tsv:2"
    assert list(read(paths[:1]).columns["text"]) == ["e"]


def test_a_pattern_goes_down_and_a_name_with_signs_is_a_name(tmp_path: Path) -> None:
    for name in ("b/c/2.txt", "b/1.txt", "a[1].txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n")
    assert list(read(tmp_path / "b/**/*.txt").columns["text"]) == ["b/1.txt", "b/c/2.txt"]
    assert list(read(tmp_path / "a[1].txt").columns["text"]) == ["a[1].txt"]


def test_a_pattern_that_matches_nothing_names_what_is_there(shards: Path) -> None:
    with pytest.raises(DataError, match=r"prat-\*.tsv: no file matches this pattern. In '.*' stand: part-\d.tsv, "):
        read(shards / "prat-*.tsv")
    with pytest.raises(DataError, match=r"no file matches this pattern. There is nothing in '.*nowhere'"):
        read(shards / "nowhere" / "*.tsv")


def test_shards_without_answers_and_without_rows(shards: Path) -> None:
    for path in shards.iterdir():
        path.write_text(TSV)
    with pytest.raises(DataError, match=r"part-\*.tsv: no rows to use: found none. Expected rows in one of the files"):
        read(shards / "part-*.tsv")
    (shards / "part-2.tsv").write_text("text\nonly a text\n")
    with pytest.raises(DataError, match=r"part-2.tsv:1: the header lacks a column"):
        read(shards / "part-*.tsv")
    assert dict(read(shards / "part-*.tsv", label=None).columns) == {"text": ["only a text"]}


def test_a_path_is_required() -> None:
    with pytest.raises(ConfigError, match=r"Expected a path, or the name of a format: .*tfds"):
        read()


# === A folder of classes ===


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Returns a folder of two classes, with a text in a folder deeper down and files that are none of the texts."""
    texts = {
        "pos/1.txt": "good\nfilm\n",
        "pos/more/0.txt": "fine",
        "neg/2.txt": "bad",
        "pos/1.json": "{}",
        "README.txt": "not a text",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_folder_of_classes(classes: Path) -> None:
    examples = read(classes, format="folder")
    assert dict(examples.columns) == {"text": ["bad", "good\nfilm", "fine"], "label": ["neg", "pos", "pos"]}
    assert examples.where(2) == f"{classes}/pos/more/0.txt:1"
    chosen = read(f"{classes}/", format="folder", classes=["pos"])
    assert list(chosen.columns["label"]) == ["pos", "pos"]
    assert chosen.where(1) == f"{classes}/pos/more/0.txt:1"
    assert chosen.lines.tolist() == [1, 2]  # whatever other folders hold
    assert list(read(classes, format="folder", label=None).columns) == ["text"]
    assert list(read(classes, format="folder", pattern="*.json").columns["text"]) == ["{}"]


def test_bad_texts_of_a_folder_are_named(classes: Path) -> None:
    (classes / "neg/0.txt").write_bytes(b"")
    (classes / "neg/1.txt").write_bytes(b"one\ncaf\xe9\n")
    with pytest.raises(DataError) as caught:
        read(classes, format="folder")
    lines = str(caught.value).splitlines()
    assert lines[1] == f"{classes}/neg/0.txt:1: the file is empty. Expected a text."
    assert lines[2].startswith(f"{classes}/neg/1.txt:1: line 2: not UTF-8 (byte 0xe9")
    assert len(read(classes, format="folder", on_bad_rows="skip")) == 3


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("", {"pattern": "*.text"}, r"expected files \*.text in a folder for each label, found none"),
        ("", {"classes": ["pos", "unsup"]}, r"expected files \*.txt in a folder unsup, found none"),
        ("nowhere", {}, r"nowhere: expected files \*.txt in a folder for each label, found none"),
    ],
)
def test_a_folder_without_texts(classes: Path, path: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(classes / path, format="folder", **options)


def test_the_fingerprint_of_a_folder(classes: Path) -> None:
    def fingerprint() -> str | None:
        return build_source("folder", {"path": str(classes)}).fingerprint()

    before = fingerprint()
    (classes / "pos/1.json").write_text("[]")
    assert fingerprint() == before
    (classes / "neg/2.txt").rename(classes / "pos/2.txt")
    assert fingerprint() != before


# === Elsewhere ===


@pytest.fixture
def memory() -> Iterator[str]:
    """Returns the address of a folder of fsspec's file system in memory."""
    system = fsspec.filesystem("memory")
    with system.open("/corpus/a-1.tsv", "wb") as file:
        file.write(f"{TSV}one\tx\n".encode())
    with system.open("/corpus/a-2.tsv.gz", "wb") as file:
        file.write(gzip.compress(f"{TSV}two\ty\nthree\n".encode()))
    with system.open("/corpus/b.parquet", "wb") as file:
        pq.write_table(pa.table({"text": ["four"], "label": ["x"]}), file)
    for name in ("pos", "neg"):
        with system.open(f"/corpus/classes/{name}/1.txt", "wb") as file:
            file.write(b"a text")
    yield "memory://corpus"
    system.rm("/corpus", recursive=True)


def test_files_elsewhere(memory: str) -> None:
    assert list(read(f"{memory}/a-1.tsv").columns["text"]) == ["one"]
    assert list(read(f"{memory}/b.parquet").columns["text"]) == ["four"]
    examples = read(f"{memory}/a-*", format="tsv", on_bad_rows="skip")
    assert list(examples.columns["text"]) == ["one", "two"]
    assert examples.where(1) == f"{memory}/a-2.tsv.gz:2"
    assert list(read(f"{memory}/classes", format="folder").columns["label"]) == ["neg", "pos"]
    assert list(read("memory:///corpus/classes", format="folder").columns["label"]) == ["neg", "pos"]
    assert build_source("tsv", {"path": f"{memory}/a-1.tsv"}).fingerprint() is None


def test_errors_elsewhere(memory: str) -> None:
    with pytest.raises(DataError, match=r"a-2.tsv.gz:3: expected 2 columns, found 1"):
        read(f"{memory}/a-*.gz", format="tsv")
    with pytest.raises(DataError, match=r"memory://corpus/a-3.tsv: no such file. In 'memory://corpus' stand: a-1.tsv"):
        read(f"{memory}/a-3.tsv")
    with pytest.raises(DataError, match=r"no file matches this pattern. In 'memory://corpus' stand: "):
        read(f"{memory}/c-*.tsv")


def test_a_scheme_that_nothing_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"paths that begin with memry://. Did you mean 'memory'.*tftransfer\[remote\]"):
        read("memry://corpus/a.tsv")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(
        DataError, match=r"gs://bucket/a.tsv: a package is missing .*pip install 'tftransfer\[remote\]'"
    ):
        read("gs://bucket/a.tsv")


def test_the_query_of_an_address_is_no_pattern() -> None:
    assert expand("https://example.org/a.tsv?version=1") == ["https://example.org/a.tsv?version=1"]


def test_local_files_need_no_fsspec(tmp_path: Path) -> None:
    (tmp_path / "a-1.tsv").write_text(f"{TSV}one\tx\n")
    code = (
        "import sys; sys.modules['fsspec'] = None; from tftransfer.data import read;"
        "print(read(sys.argv[1] + '/a-*.tsv').labels)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['x']"
