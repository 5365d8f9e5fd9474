"""Files are read as streams: a part of them is in memory, and where it ends makes no difference."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import hypothesis.strategies as some
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from tftransfer.data import json_stream, read
from tftransfer.data.json_objects import decode
from tftransfer.data.json_stream import json_items
from tftransfer.errors import DataError

LONG = "x" * 9_999
COUNT = 6_000  # rows of a text file, 60 MB
# What stands before the rows, a row, and what stands between two and behind the last.
FILES: dict[str, tuple[str, str, str, str]] = {
    "csv": ("text,label\n", f'"{LONG}",a\n', "", ""),
    "tsv": ("text\tlabel\n", f"{LONG}\ta\n", "", ""),
    "jsonl": ("", f'{{"text": "{LONG}", "label": "a"}}\n', "", ""),
    "lines": ("", f"{LONG}\n", "", ""),
    "conll": ("", f"{LONG} B-X\n", "\n", ""),
    "spans": ("", f'{{"text": "{LONG}", "spans": [[0, 1, "A"]]}}\n', "", ""),
    "squad": (
        '{"version": 1.5, "data": [',
        f'{{"paragraphs": [{{"context": "{LONG}", "qas": [{{"id": 1, "question": "?", "answers": []}}]}}]}}',
        ", ",
        '], "more": null}\n',
    ),
}
MEASURED = """
import resource, sys
from tftransfer import registry
for path in sys.argv[2:]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = sum(1 for row in registry.sources.build(sys.argv[1], {"path": path}).rows())
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"""


def growth(name: str, small: Path, large: Path) -> tuple[int, float]:
    """Returns the rows of a large file, and how many megabytes more a process takes for them than for a small file."""
    command = [sys.executable, "-c", MEASURED, name, small, large]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    count, kilobytes = done.stdout.split()
    return int(count), int(kilobytes) / 1024


@pytest.mark.parametrize("name", FILES)
def test_a_text_file_is_never_in_memory_as_a_whole(name: str, tmp_path: Path) -> None:
    head, row, between, end = FILES[name]
    for path, count in (("small", 300), ("large", COUNT)):
        (tmp_path / path).write_text(head + between.join([row] * count) + end)
    assert (tmp_path / "large").stat().st_size > 55e6
    count, megabytes = growth(name, tmp_path / "small", tmp_path / "large")
    assert count == COUNT
    assert megabytes < 10


@pytest.mark.parametrize("name", ["parquet", "arrow"])
def test_a_table_is_never_in_memory_as_a_whole(name: str, tmp_path: Path) -> None:
    columns = pa.schema({"text": pa.string(), "label": pa.string()})
    batch = pa.table({"text": [LONG] * 500, "label": ["y"] * 500}, schema=columns)  # 5 MB
    for path, count in (("small", 3), ("large", 40)):
        with open(tmp_path / path, "wb") as file:
            make = pq.ParquetWriter(file, columns) if name == "parquet" else pa.ipc.new_stream(file, columns)
            with make as writer:
                for _ in range(count):
                    writer.write_table(batch)
    count, megabytes = growth(name, tmp_path / "small", tmp_path / "large")
    assert count == 20_000
    assert megabytes < 60  # of 200


@pytest.mark.parametrize(
    ("name", "content"), [("conll", "a B-X\nb I-X\n\nc O\n"), ("squad", "".join(FILES["squad"][n] for n in (0, 1, 3)))]
)
def test_a_pipe_is_read_once(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "a.data").write_text(content)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(content,))
    writer.start()
    found = read(tmp_path / "pipe", format=name)
    writer.join()
    assert found.fingerprint == read(tmp_path / "a.data", format=name).fingerprint


texts = some.text(some.characters(codec="utf-8"))
values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = some.dictionaries(texts, values, max_size=3)


@given(
    document=some.dictionaries(texts, values, max_size=3),
    listed=some.lists(objects, max_size=4),
    last=some.booleans(),
    indent=some.sampled_from([None, 1]),
    plain=some.booleans(),
    size=some.integers(1, 9),
)
def test_items_are_those_of_the_whole_file(
    document: dict[str, Any],
    listed: list[Any],
    last: bool,
    indent: int | None,
    plain: bool,
    size: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / "items.json"
    whole = (
        {**document, "data": listed} if last else {"data": listed, **{k: v for k, v in document.items() if k != "data"}}
    )
    text = json.dumps(whole, indent=indent, ensure_ascii=not plain)
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHARACTERS", size)
        assert list(json_items(str(path), "data")) == decode(text)["data"]
        for wrong in (text[:-1], text + "{}", text.replace('"data"', '"date"', 1)):
            path.write_bytes(wrong.encode())
            with pytest.raises(ValueError):  # noqa: PT011 - what is wrong is said by what reads it whole
                list(json_items(str(path), "data"))


def test_an_error_far_into_a_file_is_told_as_that_of_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "_CHARACTERS", 16)
    good = FILES["squad"][1].replace(LONG, "short")
    for text, message in [
        (f'{{"data": [{good},\n{good}], "a": 1, "a": 2}}', "a.json: a key appears twice"),
        (f'{{"data": [{good},\n{good},]}}', r"a.json:2: not JSON"),
        (f'{{"data": [{good},\n7]}}', r"a.json: expected an object for data\[1\], found a number"),
    ]:
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(DataError, match=message):
            read(tmp_path / "a.json", format="squad")
