"""The Hub's cache without a network, and what is asked of the Hub where there is one."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import safetensors.numpy

from tftransfer import config
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.safetensors_files import INDEX
from tftransfer.errors import CheckpointError, ConfigError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "some-people/tiny-bert"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")

# Run in a process of its own: the Hub's client reads its settings once. Prints the commit, and a sum of all weights.
LOAD = """
import socket, sys

def refuse(*args, **options):
    raise AssertionError("a socket was asked for")

socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse

import numpy as np
from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import Checkpoint

checkpoint = Checkpoint.find(sys.argv[1], sys.argv[2] or None)
backbone = Backbone.from_checkpoint(checkpoint)
print(checkpoint.revision, sum(float(np.abs(np.asarray(v)).sum(dtype="float64")) for v in backbone.weights))
"""


def shard(directory: Path) -> None:
    """Makes two shards and an index of a checkpoint's single file."""
    arrays = safetensors.numpy.load_file(directory / "model.safetensors")
    places = {name: SHARDS[i % 2] for i, name in enumerate(sorted(arrays))}
    for name in SHARDS:
        part = {key: array for key, array in arrays.items() if places[key] == name}
        safetensors.numpy.save_file(part, directory / name)
    (directory / INDEX).write_text(json.dumps({"weight_map": places}), encoding="utf-8")
    (directory / "model.safetensors").unlink()


@pytest.fixture
def cache(tmp_path: Path, tiny_checkpoint: Path) -> Path:
    """A cache as the Hub's client lays it out: names of snapshots are links to blobs."""
    repository = tmp_path / "hub" / "models--some-people--tiny-bert"
    snapshot = repository / "snapshots" / COMMIT
    for folder in (snapshot, repository / "blobs", repository / "refs"):
        folder.mkdir(parents=True)
    for path in tiny_checkpoint.iterdir():
        shutil.copy(path, repository / "blobs" / f"blob-of-{path.name}")
        (snapshot / path.name).symlink_to(f"../../blobs/blob-of-{path.name}")
    (repository / "refs" / "main").write_text(COMMIT)
    return tmp_path / "hub"


def snapshot(cache: Path) -> Path:
    return next(cache.glob("models--*/snapshots/*"))


def load(cache: Path, name: str, revision: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1", **environment}
    command = [sys.executable, "-c", LOAD, name, revision]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def total(directory: Path) -> float:
    arrays = safetensors.numpy.load_file(directory / "model.safetensors")
    return sum(float(np.abs(array).sum(dtype="float64")) for array in arrays.values())


@pytest.mark.parametrize("revision", ["", *(pytest.param(name, marks=pytest.mark.slow) for name in ("main", COMMIT))])
def test_a_cached_name_loads_without_a_socket(revision: str, cache: Path, tiny_checkpoint: Path) -> None:
    result = load(cache, NAME, revision)
    assert result.returncode == 0, result.stderr
    commit, weights = result.stdout.split()
    assert commit == COMMIT
    assert float(weights) == pytest.approx(total(tiny_checkpoint), rel=1e-12)


def test_cached_shards_load_without_a_socket(cache: Path, tiny_checkpoint: Path) -> None:
    shard(snapshot(cache))
    result = load(cache, NAME)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout.split()[1]) == pytest.approx(total(tiny_checkpoint), rel=1e-12)


def test_a_local_directory_needs_no_socket_even_online(tiny_checkpoint: Path, tmp_path: Path) -> None:
    result = load(tmp_path, str(tiny_checkpoint), HF_HUB_OFFLINE="0")
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) == pytest.approx(total(tiny_checkpoint), rel=1e-12)


@pytest.mark.parametrize(("name", "revision"), [("some-people/other-bert", ""), (NAME, "v2"), (NAME, "f" * 40)])
def test_what_is_not_cached_is_said_to_be_missing(name: str, revision: str, cache: Path) -> None:
    result = load(cache, name, revision)
    assert result.returncode == 1
    assert f"CheckpointError: '{name}' is neither a local directory nor to be had" in result.stderr
    assert f"hf download {name}{f' --revision {revision}' if revision else ''} --local-dir" in result.stderr
    assert "a socket was asked for" not in result.stderr


# --- What is asked of the Hub ---


class Hub:
    """Stands in for `huggingface_hub.snapshot_download`: files of a repository, filtered as the client filters."""

    def __init__(self, repository: Path, cache: Path) -> None:
        self.repository, self.folder = repository, cache / COMMIT
        self.calls: list[dict[str, Any]] = []

    def __call__(self, name: str, **options: Any) -> str:
        self.calls.append(options)
        files = [path.relative_to(self.repository).as_posix() for path in self.repository.rglob("*") if path.is_file()]
        for file in huggingface_hub.utils.filter_repo_objects(files, allow_patterns=options["allow_patterns"]):
            (self.folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.repository / file, self.folder / file)
        return str(self.folder)

    @property
    def fetched(self) -> set[str]:
        return {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def hub(make_checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A Hub with every file that a repository may have."""
    repository = make_checkpoint()
    others = [
        *("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "rust_model.ot", "training_args.bin", "LICENSE"),
        *("onnx/model.onnx", "onnx/model.safetensors.bin", "modeling_bert.py", "model.gguf", "optimizer.pt"),
        *("merges.txt", "vocab.json", "added_tokens.json", "special_tokens_map.json", "tokenizer.json"),
        *("sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model"),
        *("modules.json", "1_Pooling/config.json", "README.md"),
    ]
    for name in others:
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text("{}", encoding="utf-8")
    fake = Hub(repository, tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake)
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    return fake


SMALL_FILES = {
    *("vocab.txt", "tokenizer_config.json", "merges.txt", "vocab.json", "added_tokens.json", "special_tokens_map.json"),
    *("tokenizer.json", "sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model"),
    *("modules.json", "1_Pooling/config.json", "README.md"),
}


def test_only_what_is_needed_is_fetched(hub: Hub) -> None:
    arrays = safetensors.numpy.load_file(hub.repository / "model.safetensors")
    (hub.repository / INDEX).write_text(json.dumps({"weight_map": dict.fromkeys(arrays, SHARDS[0])}), encoding="utf-8")
    safetensors.numpy.save_file(arrays, hub.repository / SHARDS[0])
    found = Checkpoint.find(NAME, "v1")
    assert (found.directory, found.revision) == (hub.folder, COMMIT)
    assert hub.fetched == {"config.json", "model.safetensors", *SMALL_FILES}
    assert [call["revision"] for call in hub.calls] == ["v1"]


def test_shards_are_fetched_where_there_is_no_single_file(hub: Hub) -> None:
    shard(hub.repository)
    found = Checkpoint.find(NAME)
    assert hub.fetched == {"config.json", INDEX, *SHARDS, *SMALL_FILES}
    assert {path.name for path in found.files} >= {INDEX, *SHARDS, "config.json"}
    assert [call["revision"] for call in hub.calls] == [None, COMMIT]


def test_a_snapshot_that_lacks_a_shard(hub: Hub) -> None:
    shard(hub.repository)
    (hub.repository / SHARDS[1]).unlink()
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.find(NAME)
    assert f"1 are missing: {SHARDS[1]}. Fetch them: hf download {NAME} --revision {COMMIT}" in str(caught.value)


def test_a_repository_of_pickles(hub: Hub) -> None:
    (hub.repository / "model.safetensors").unlink()
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.find(NAME)
    assert "expected model.safetensors." in str(caught.value)
    assert f"AutoModel.from_pretrained('{NAME}').save_pretrained('NEW_DIRECTORY')" in str(caught.value)
    assert "pytorch_model.bin" not in hub.fetched


# --- Tokens ---


@pytest.mark.parametrize("variable", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])
def test_a_token_comes_from_the_environment_alone(variable: str, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    Checkpoint.find(NAME)
    monkeypatch.setenv(variable, " secret-of-mine\n")
    Checkpoint.find(NAME)
    assert [call["token"] for call in hub.calls] == [False, "secret-of-mine"]  # False: look nowhere else


@pytest.mark.parametrize(("secret", "known"), [("plainsecret", True), ("hf_AbCdEfGhIjKlMnOp", False)])
def test_a_token_is_never_in_a_message(secret: str, known: bool, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **options: Any) -> str:
        raise OSError(f"401 for https://user:{secret}@example.org with Bearer {secret}")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    if known:
        monkeypatch.setenv("HF_TOKEN", secret)
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.find(NAME)
    assert secret not in str(caught.value)
    assert "with Bearer " in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_config_takes_no_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.token"):
        config.validate({"model": {"checkpoint": NAME, "token": "hf_AbCdEfGhIjKlMnOp"}})
