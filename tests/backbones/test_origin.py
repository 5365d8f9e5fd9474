"""origin.json: what a run's checkpoint was, and that what was kept of it is still the same."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.origin import Origin
from tftransfer.errors import RunDirectoryError
from tftransfer.tokenizers.fast import FastTokenizer


def digests(directory: Path) -> dict[str, str]:
    files = [path for path in directory.rglob("*") if path.is_file() and path.name != "origin.json"]
    return {path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def source(make_checkpoint: Callable[..., Path]) -> Path:
    directory = make_checkpoint(pooler=False)
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}', encoding="utf-8")
    return directory


@pytest.fixture
def description(source: Path, tmp_path: Path) -> Path:
    FastTokenizer.from_directory(source).save(tmp_path / "checkpoint")
    Checkpoint(source, "some/bert", "abc").describe(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_every_file_is_in_it(source: Path, description: Path) -> None:
    content = json.loads((description / "origin.json").read_text(encoding="utf-8"))
    assert content == {
        "name": "some/bert",
        "revision": "abc",
        "has_pooler": False,
        "files": digests(source),
        "kept": digests(description),
        "heads": [],
    }
    assert content["files"].keys() == {
        *("config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json", "1_Pooling/config.json")
    }
    kept = {"config.json", "tokenizer.json", "tokenizer_config.json", "1_Pooling/config.json"}
    assert content["kept"].keys() == kept


def test_it_gives_the_checkpoint_back(source: Path, description: Path) -> None:
    original, described = Checkpoint.find(str(source)), Checkpoint.described(description)
    assert (described.name, described.revision, described.has_pooler) == ("some/bert", "abc", False)
    assert (described.config, described.pooling) == (original.config, "cls")


def test_describing_again_replaces_it(source: Path, description: Path) -> None:
    Checkpoint(source, "some/bert", "def").describe(description)
    assert Checkpoint.described(description).revision == "def"


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "1_Pooling/config.json"])
def test_a_changed_file_is_named(name: str, description: Path) -> None:
    before = digests(description)[name]
    with (description / name).open("a") as file:
        file.write(" ")
    with pytest.raises(RunDirectoryError) as caught:
        Checkpoint.described(description)
    wrong = [line for line in str(caught.value).splitlines() if line.startswith("- ")]
    assert wrong == [f"- {name}: expected the sha256 {before}, received {digests(description)[name]}"]


def test_files_that_are_gone_are_named_together(description: Path) -> None:
    (description / "config.json").unlink()
    (description / "tokenizer.json").unlink()
    with pytest.raises(RunDirectoryError) as caught:
        Checkpoint.described(description)
    assert [line.split(":")[0] for line in str(caught.value).splitlines() if "no such file" in line] == [
        "- config.json",
        "- tokenizer.json",
    ]


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"name": "x"}', "nonsense"])
def test_an_origin_that_is_none(content: str, description: Path) -> None:
    (description / "origin.json").write_text(content, encoding="utf-8")
    with pytest.raises(
        RunDirectoryError, match=r"origin\.json: expected the origin of the run's checkpoint; .*again\."
    ):
        Origin.read(description)


@pytest.mark.parametrize(
    ("key", "value"),
    [("name", 3), ("revision", None), ("has_pooler", "yes"), ("files", ["a"]), ("kept", {"config.json": 3})],
)
def test_a_value_that_no_run_writes(key: str, value: Any, description: Path) -> None:
    path = description / "origin.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {key: value}), encoding="utf-8")
    with pytest.raises(RunDirectoryError, match=rf"origin\.json: {key} is .*, which no run writes\."):
        Checkpoint.described(description)
