"""`tftransfer show CHECKPOINT`: from config.json alone, wherever that is."""

import functools
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from parity import save, torch, torch_class

from tftransfer import registry
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.description import find_config, has_pooler
from tftransfer.backbones.family import ARCHITECTURES

Outcome = tuple[int, str, str]
Show = Callable[..., Outcome]
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
ROBERTA = {
    "model_type": "roberta",
    "architectures": ["RobertaForSequenceClassification"],
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "id2label": {"0": "negative", "1": "positive"},
}


@pytest.fixture
def show(tftransfer: Show) -> Show:
    """Runs `tftransfer show`; returns exit code, standard output and standard error."""
    return functools.partial(tftransfer, "show")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """A Hub that has one RoBERTa; returns what it was asked for."""
    asked: list[dict[str, Any]] = []

    def download(name: str, **options: Any) -> str:
        asked.append({"name": name, **options})
        if name != "somebody/some-roberta":
            raise OSError("no such repository")
        (tmp_path / "abc").mkdir(exist_ok=True)
        (tmp_path / "abc" / "config.json").write_text(json.dumps(ROBERTA))
        return str(tmp_path / "abc")

    monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(snapshot_download=download))
    return asked


def test_a_well_known_one(show: Show, hub: list[dict[str, Any]]) -> None:
    code, output, _ = show(MINILM, "--json")
    found = json.loads(output)
    assert code == 0
    assert not hub  # the installed package carries it
    assert found["parameters"] == {
        "total": 22_713_216,  # as its model card and PyTorch have it
        "embeddings": 11_918_592,
        "encoder": 10_646_784,
        "pooler": 147_840,
    }
    sizes = ("family", "num_layers", "hidden_size", "intermediate_size", "num_heads", "vocab_size", "context")
    assert [found[name] for name in sizes] == ["bert", 6, 384, 1536, 12, 30522, 512]
    assert (found["languages"], found["licence"], found["labels"]) == ("English", "Apache-2.0", [])
    step = found["step"]
    assert (step["batch_size"], step["length"], step["precision"], step["strategy"]) == (32, 128, "float32", "full")
    size = step["bytes"]
    assert size["total"] == size["weights"] + size["gradients"] + size["moments"] + size["activations"]
    assert size["moments"] == 8 * 22_713_216


def test_text(show: Show) -> None:
    code, output, _ = show(MINILM, "--batch-size", 8, "--length", 512, "--strategy", "feature_extraction")
    assert code == 0
    assert "22,713,216 (embeddings 11,918,592, encoder 10,646,784, pooler 147,840)" in output
    assert "8 x 512 tokens, float32, strategy feature_extraction" in output
    assert "gradients      0 MB" in output
    assert "labels" not in output
    assert max(map(len, output.splitlines())) <= 120


def test_a_name_on_the_hub(show: Show, hub: list[dict[str, Any]]) -> None:
    code, output, _ = show("somebody/some-roberta", "--json")
    assert code == 0
    assert hub == [
        {"name": "somebody/some-roberta", "revision": None, "allow_patterns": ["config.json"], "token": False}
    ]
    found = json.loads(output)
    assert found["revision"] == "abc"
    # roberta-base is 124,645,632 with a pooler, which its classifiers have not.
    assert found["parameters"]["total"] == 124_645_632 - 768 * 769
    assert found["context"] == 512
    assert found["labels"] == ["negative", "positive"]
    assert found["languages"] is None


def test_a_directory_without_weights(show: Show, tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((tiny_checkpoint / "config.json").read_bytes())
    found = [json.loads(show(path, "--json")[1]) for path in (tmp_path, tiny_checkpoint)]
    assert found[0]["parameters"] == found[1]["parameters"]
    assert found[0]["step"]["length"] == 64  # all that it takes


def test_a_fine_tuned_run_is_still_a_run(show: Show, tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((tiny_checkpoint / "config.json").read_bytes())
    (tmp_path / "config.yaml").write_text("model: {}\n")
    (tmp_path / "status.json").write_text('{"status": "failed"}')
    code, _, error = show(tmp_path)
    assert code == 2
    assert "this run has no weights" in error


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("all-MiniLM-L6-v2", MINILM), ("google-bert/bert-base-uncassed", "google-bert/bert-base-uncased")],
)
def test_an_unknown_name_gets_a_suggestion(show: Show, hub: list[dict[str, Any]], name: str, nearest: str) -> None:
    code, output, error = show(name)
    assert (code, output) == (1, "")
    assert f"'{name}' is neither a local directory nor to be had from the Hugging Face Hub" in error
    assert f"Did you mean '{nearest}'?" in error
    assert f"hf download {name} --local-dir" in error


def test_a_family_that_is_not_supported(show: Show, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    code, _, error = show(tmp_path)
    assert code == 1
    assert "expected a model_type of " + ", ".join(registry.backbones.names()) in error
    assert "received 'llama'" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((MINILM, "--length", 600), "--length: expected at most 512, the checkpoint's; received 600"),
        ((MINILM, "training.seed=1"), "Overrides are for configs"),
        ((MINILM, "--batch-size", 0), "0 is not in the range"),
        (("configs/quikstart.yaml",), "quikstart.yaml"),
        (("./no-such-thing",), "no-such-thing"),
    ],
)
def test_wrong_usage(show: Show, arguments: tuple[object, ...], message: str) -> None:
    code, _, error = show(*arguments)
    assert code == 2
    assert message in error


@pytest.mark.skipif(torch is None, reason="PyTorch is the reference")
@pytest.mark.parametrize("name", registry.backbones.names())
def test_poolers_are_told_by_the_class(name: str, tmp_path: Path) -> None:
    for kind in ARCHITECTURES:
        if torch_class(name, kind) is None:
            continue
        directory = tmp_path / (kind or "encoder")
        save(directory, name, kind)
        expected = Checkpoint.find(str(directory)).has_pooler
        (directory / "model.safetensors").unlink()
        assert has_pooler(find_config(str(directory))) == expected, kind
