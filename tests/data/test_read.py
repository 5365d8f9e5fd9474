"""Reading a file in one call: real corpora, formats by name, and files that cannot be read."""

import collections
import gzip
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tftransfer import registry
from tftransfer.data import read
from tftransfer.data.read import infer_format
from tftransfer.data.source import read_source
from tftransfer.errors import ConfigError, DataError

TSV = "text\tlabel\ngood\tx\nbad\ty\n"


@pytest.mark.parametrize(
    ("name", "labels", "counts"),
    [
        ("sst2/train.tsv.gz", "negative positive", [3310, 3610]),
        ("sst2/dev.tsv", "negative positive", [428, 444]),
        ("sst2/test.tsv", "negative positive", [912, 909]),
        ("trec/train.tsv", "ABBR DESC ENTY HUM LOC NUM", [84, 1050, 1120, 1122, 759, 817]),
        ("trec/dev.tsv", "ABBR DESC ENTY HUM LOC NUM", [2, 112, 130, 101, 76, 79]),
        ("trec/test.tsv", "ABBR DESC ENTY HUM LOC NUM", [9, 138, 94, 65, 81, 113]),
    ],
)
def test_real_corpora(corpora: Path, name: str, labels: str, counts: list[int]) -> None:
    examples = read(corpora / name)
    assert examples.labels == labels.split()
    found = collections.Counter(examples.columns["label"])
    assert [found[label] for label in examples.labels] == counts
    assert examples.lines.tolist() == list(range(2, sum(counts) + 2))


def test_another_column_of_a_real_corpus(corpora: Path) -> None:
    assert len(read(corpora / "trec" / "train.tsv", label="fine_label").labels) > 40


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("a.csv", "csv"),
        ("A.TSV", "tsv"),
        ("a.tsv.gz", "tsv"),
        ("a.b.jsonl.GZ", "jsonl"),
        ("folder.csv/a.json", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.txt.gz", "lines"),
        ("a.conll", "conll"),
        ("a.bmes.gz", "conll"),
        ("part-?????.parquet", "parquet"),
        ("gs://bucket/a.arrow", "arrow"),
        ("a.feather", "arrow"),
        ("a.bio", "conll"),
        ("a.iob", "conll"),
    ],
)
def test_infer_format(name: str, known: str) -> None:
    assert infer_format(name) == known
    assert infer_format(Path(name)) == known


@pytest.mark.parametrize("name", ["a", "a.gz", "a.parq", ".csv"])
def test_a_name_that_tells_no_format(name: str) -> None:
    with pytest.raises(DataError, match=r"the name tells no format.*\.csv \(csv\).*conll, csv, .*jsonl, lines, .*tsv"):
        infer_format(name)
    with pytest.raises(DataError, match=r"Did you mean '.jsonl'"):
        infer_format("a.jsnl")


def test_the_same_rows_in_every_format(tmp_path: Path) -> None:
    contents = {
        "a.tsv": TSV,
        "a.csv": TSV.replace("\t", ","),
        "a.jsonl": '{"text": "good", "label": "x"}\n{"text": "bad", "label": "y"}\n',
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content.encode(), mtime=0))
    found = [read(tmp_path / name) for plain in contents for name in (plain, f"{plain}.gz")]
    assert {examples.fingerprint for examples in found} == {found[0].fingerprint}
    assert found[0].columns == {"text": ["good", "bad"], "label": ["x", "y"]}
    assert found[0].where(1) == f"{tmp_path / 'a.tsv'}:3"


def test_plain_text_needs_no_label_option(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    assert read(tmp_path / "a.txt").columns == {"text": ["one", "two"]}
    assert read(tmp_path / "a.txt", label=None).columns == {"text": ["one", "two"]}
    with pytest.raises(ConfigError, match=r"label: unknown option of 'lines'"):
        read(tmp_path / "a.txt", label="stars")


# Two rows in each format, and the roles of their answers.
CONTENTS = {
    "csv": ("text,label\none,x\ntwo,y\n", {"label"}),
    "tsv": ("text\tlabel\none\tx\ntwo\ty\n", {"label"}),
    "jsonl": ('{"text": "one", "label": "x"}\n{"text": "two", "label": "y"}\n', {"label"}),
    "lines": ("one\ntwo\n", set()),
    "conll": ("one B-X\n\ntwo O\n", {"spans"}),
    "spans": ('{"text": "one", "spans": [[0, 3, "X"]]}\n{"text": "two", "spans": []}\n', {"spans"}),
    "squad": (
        '{"data": [{"paragraphs": [{"context": "c", "qas": ['
        '{"id": "1", "question": "one", "answers": [{"text": "c", "answer_start": 0}]},'
        '{"id": "2", "question": "two", "answers": []}]}]}]}',
        {"answers"},
    ),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_every_format_reads_its_rows_with_and_without_answers(tmp_path: Path, name: str) -> None:
    content, answers = CONTENTS[name]
    path = tmp_path / "a.data.gz"
    path.write_bytes(gzip.compress(content.encode(), mtime=0))
    source = registry.sources.build(name, {"path": str(path)})
    whole, asked = read_source(source)[0], read_source(source.without_answers())[0]
    assert whole.columns["text"] == ["one", "two"]
    assert list(whole.columns) == source.roles()
    assert set(whole.columns) - set(asked.columns) == answers
    assert asked.columns == {role: values for role, values in whole.columns.items() if role not in answers}
    assert whole.fingerprint == read(path, format=name).fingerprint
    assert asked.fingerprint == read(path, format=name, label=None).fingerprint
    path.write_bytes(content.encode())
    with pytest.raises(DataError, match=r"a damaged gzip file"):
        read_source(source)


def test_further_options_of_a_format(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("text\tpos\tneg\na\tb\tc\n")
    triplets = read(tmp_path / "a.tsv", text_pair="pos", text_negative="neg", label=None)
    assert triplets.columns == {"text": ["a"], "text_pair": ["b"], "text_negative": ["c"]}
    with pytest.raises(ConfigError, match=r"text_negativ: unknown option of 'tsv'. Did you mean 'text_negative'"):
        read(tmp_path / "a.tsv", text_negativ="neg")


def test_unlabelled_and_a_format_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.data").write_text(TSV)
    assert read(tmp_path / "a.data", format="tsv", label=None).columns == {"text": ["good", "bad"]}
    with pytest.raises(ConfigError, match=r"Unknown data format 'tvs'. Did you mean 'tsv'"):
        read(tmp_path / "a.data", format="tvs")


def test_bad_rows_stop_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(TSV + "one column\n" * 25)
    with pytest.raises(DataError) as caught:
        read(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path}: 25 of 27 rows cannot be used."
    assert lines[1:21] == [f"{path}:{line}: expected 2 columns, found 1" for line in range(4, 24)]
    assert lines[21] == "... and 5 more"
    assert lines[22].endswith("on_bad_rows: skip.")
    assert len(lines) == 23


def test_bad_rows_that_are_left_out_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(TSV + "one column\n")
    with caplog.at_level(logging.WARNING):
        assert len(read(path, on_bad_rows="skip")) == 2
    assert f"{path}: left out 1 of 3 rows, the first at {path}:4: expected 2 columns, found 1" in caplog.text


def test_an_unknown_policy(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(TSV)
    with pytest.raises(ConfigError, match=r"'error' or 'skip', found 'skp'. Did you mean 'skip'"):
        read(tmp_path / "a.tsv", on_bad_rows="skp")  # type: ignore[arg-type]


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text(TSV)
    with pytest.raises(DataError, match=r"trian.tsv: no such file. Did you mean 'train.tsv'"):
        read(tmp_path / "trian.tsv")
    with pytest.raises(DataError, match=r"the folder '.*nowhere' is missing"):
        read(tmp_path / "nowhere" / "train.tsv")


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").mkdir()
    with pytest.raises(DataError, match=r"a.tsv: expected a file, found a folder"):
        read(tmp_path / "a.tsv")


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(TSV)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything

        def refuse(*args: object) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(DataError, match=r"a.tsv: the file cannot be read .Permission denied.. Check its permissions"):
        read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty. Expected a header line and rows, with tabs"),
        (b"\xef\xbb\xbf", "There is no column 'text'"),
        (b"text\tlabel\n", "no rows to use: found none. Expected a header line and rows"),
        (b"text\tlabel\n\n\r\n", "no rows to use: found none"),
        (b"text\tlabel\nx\n \t \n", "no rows to use: all 2 are bad, such as {path}:2: expected 2 columns, found 1"),
    ],
)
@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
def test_a_file_without_rows(tmp_path: Path, content: bytes, message: str, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    with pytest.raises(DataError) as caught:
        read(tmp_path / name, on_bad_rows="skip")
    assert str(caught.value).startswith(str(tmp_path / name))
    assert message.replace("{path}", str(tmp_path / name)) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt"])
def test_every_format_refuses_a_file_with_nothing_in_it(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"Expected (a header line|one JSON object a line|one text a line)"):
        read(tmp_path / name, on_bad_rows="skip")


def test_damaged_gzip(tmp_path: Path) -> None:
    whole = gzip.compress(("text\tlabel\n" + "".join(f"text {i}\tx\n" for i in range(1000))).encode())
    flipped = bytearray(whole)
    flipped[-6] ^= 1  # in the checksum
    for content in (whole[: len(whole) // 2], whole[:-3], bytes(flipped), b"text\tlabel\n"):
        (tmp_path / "a.tsv.gz").write_bytes(content)
        with pytest.raises(DataError, match=r"a.tsv.gz: a damaged gzip file, read up to line \d+ .*again"):
            read(tmp_path / "a.tsv.gz", on_bad_rows="skip")


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (gzip.compress(TSV.encode(), mtime=0), "gzip data; give the file a name that ends in .gz"),
        (TSV.encode("utf-16"), "UTF-16 text; save it as UTF-8"),
        (b"PK\x03\x04rest", "a spreadsheet"),
    ],
)
def test_files_of_another_kind(tmp_path: Path, content: bytes, advice: str) -> None:
    (tmp_path / "a.tsv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(tmp_path / "a.tsv")
    assert advice in str(caught.value)


def test_reading_loads_no_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(TSV)
    code = (
        "import sys; from tftransfer.data import read; e = read(sys.argv[1]); [*e.split(0.5)[0].columns['text']];"
        "e.labels; e.fingerprint;"
        "print([name for name in ('tensorflow', 'keras', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.tsv"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
