"""A checkpoint of which some layers are kept: bit for bit those of the file, in every family that has layers."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import transformers
from tiny import write_checkpoint

import tftransfer
from tftransfer import registry
from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.errors import ConfigError

SHARED = {"albert"}  # all its layers are one
TEXTS = ["good lamp", "bad box and a late delivery"]


@pytest.fixture(scope="module")
def checkpoint(make_checkpoint: Callable[..., Path]) -> Path:
    return make_checkpoint({"num_hidden_layers": 3})


def numbers(path: str) -> tuple[int, str]:
    """Returns the layer of a variable, and its path within it."""
    _, layer, rest = path.split("/", 2)
    return int(layer.removeprefix("layer_")), rest


@pytest.mark.parametrize("name", [name for name in registry.backbones.names() if name not in SHARED])
def test_the_layers_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, name, {"num_layers": 4})
    found = Checkpoint.find(str(tmp_path))
    kept = (0, 3) if found.config.norm == "pre" else (1, 3)
    full = {v.path: v.numpy() for v in Backbone.from_checkpoint(found).weights}
    student = Backbone.from_checkpoint(found.keeping(kept))
    assert student.config.num_layers == 2
    for variable in student.weights:
        path = variable.path
        if path.startswith("encoder/layer_"):
            layer, rest = numbers(path)
            path = f"encoder/layer_{kept[layer]}/{rest}"
        assert np.array_equal(variable.numpy(), full[path]), path


def test_so_many_of_the_lowest_layers(checkpoint: Path) -> None:
    assert Checkpoint.find(str(checkpoint)).keeping(2).layers == (0, 1)
    assert Checkpoint.find(str(checkpoint)).keeping(None).layers == ()


@pytest.mark.parametrize("layers", [0, 4, -1, [], [2, 1], [0, 0], [3], [-1, 0]])
def test_layers_that_are_not_there(checkpoint: Path, layers: int | list[int]) -> None:
    with pytest.raises(ConfigError, match=r"keep_layers: expected 1 to 3 layers, or different numbers from 0 to 2"):
        Checkpoint.find(str(checkpoint)).keeping(layers)


def test_layers_that_a_config_cannot_tell_of(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "modernbert", {"num_layers": 4})
    raw = json.loads((tmp_path / "config.json").read_text())
    raw = {**raw, "layer_types": None, "global_attn_every_n_layers": 3, "local_attention": 8}
    (tmp_path / "config.json").write_text(json.dumps(raw))
    found = Checkpoint.find(str(tmp_path))
    assert found.keeping(3).config.windows == found.config.windows[:3] == (0, 4, 4)
    with pytest.raises(ConfigError, match=r"look as far as .* first 2, \(0, 4\); .* \[0, 3\] look \(0, 0\)"):
        found.keeping([0, 3])
    with pytest.raises(ConfigError, match=r"keep_layers: expected layer 0 among them"):
        found.keeping([1, 2])


def test_layers_that_share_their_weights(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "albert")
    with pytest.raises(ConfigError, match=r"keep_layers: expected layers of their own weights"):
        Checkpoint.find(str(tmp_path)).keeping(1)


def test_what_is_written_says_how_many_layers_there_are(checkpoint: Path, tmp_path: Path) -> None:
    task = tftransfer.tasks.SequenceClassification(["no", "yes"])
    model = tftransfer.build(str(checkpoint), task, keep_layers=[0, 2])
    model.tokenizer.save(tmp_path / "described")
    model.checkpoint.describe(tmp_path / "described")
    assert Checkpoint.described(tmp_path / "described").config == model.checkpoint.config
    exported = tftransfer.export_huggingface(model, tmp_path / "exported", texts=TEXTS)
    raw, full = (json.loads((path / "config.json").read_text()) for path in (exported, checkpoint))
    assert (raw["num_hidden_layers"], full["num_hidden_layers"]) == (2, 3)
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(exported).state_dict()
    ours = safetensors.numpy.load_file(checkpoint / "model.safetensors")
    for new, old in enumerate((0, 2)):
        name = "encoder.layer.{}.attention.self.query.weight"
        assert np.array_equal(theirs[f"bert.{name.format(new)}"].numpy(), ours[name.format(old)])
