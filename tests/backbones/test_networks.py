"""Networks that are trained from scratch: their layers against PyTorch's, and what every one of them promises."""

import json
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

from tftransfer import registry
from tftransfer.additions import Additions
from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.description import describe
from tftransfer.backbones.network import Network
from tftransfer.errors import CheckpointError, ConfigError
from tftransfer.strategies.strategy import BACKBONE

NAMES = registry.networks.names()
SIZES: dict[str, Any] = {"vocab_size": 20, "embedding_size": 6, "embedding_dropout": 0.0}
LENGTHS = [9, 1, 5, 3]


def network(name: str, **options: Any) -> Network:
    return registry.networks.build(name, {**SIZES, **options})


def assemble(config: Network, seed: int = 0) -> Backbone:
    """Returns the backbone, with biases that are not zero."""
    keras.utils.set_random_seed(seed)
    backbone = Backbone.assemble(config, pooler=False)
    for variable in backbone.weights:
        variable.assign(0.5 * np.random.normal(size=variable.shape))
    return backbone


def batch(padding: int = 0) -> dict[str, np.ndarray]:
    ids = np.random.default_rng(0).integers(4, 20, (4, 9 + padding)).astype("int32")  # padding is not zero either
    mask = np.array([[n < length for n in range(9 + padding)] for length in LENGTHS], "int32")
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def states(backbone: Backbone, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Returns the last hidden states of each row, without padding."""
    found = np.asarray(backbone(inputs)["last_hidden_state"])
    return [row[:length] for row, length in zip(found, LENGTHS, strict=True)]


def tensors(backbone: Backbone) -> dict[str, torch.Tensor]:
    return {variable.path: torch.tensor(np.asarray(variable)) for variable in backbone.weights}


# --- Against PyTorch ---


def test_the_cnn_is_that_of_pytorch() -> None:
    backbone, inputs = assemble(network("text_cnn", windows=[2, 3, 5], filters=4)), batch()
    values = tensors(backbone)
    for ids, length, found in zip(inputs["input_ids"], LENGTHS, states(backbone, inputs), strict=True):
        vectors = values["embeddings/word_embeddings/embeddings"][ids[:length]].T[None]
        maps = [
            torch.nn.functional.conv1d(
                torch.nn.functional.pad(vectors, ((window - 1) // 2, window // 2)),  # zeros before and behind the text
                values[f"encoder/convolution_{n}/kernel"].permute(2, 1, 0),
                values[f"encoder/convolution_{n}/bias"],
            )
            for n, window in enumerate([2, 3, 5])
        ]
        expected = torch.relu(torch.cat(maps, 1))[0].T
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def lstm(values: dict[str, torch.Tensor], num_layers: int, units: int) -> torch.nn.LSTM:
    """Returns PyTorch's with the same weights; the gates come in the same order, and it has a second, idle bias."""
    module = torch.nn.LSTM(6, units, num_layers, bidirectional=True, batch_first=True)
    state = {}
    for n in range(num_layers):
        for direction, suffix in (("forward", ""), ("backward", "_reverse")):
            cell = f"encoder/layer_{n}/{direction}_lstm/lstm_cell"
            state[f"weight_ih_l{n}{suffix}"] = values[f"{cell}/kernel"].T
            state[f"weight_hh_l{n}{suffix}"] = values[f"{cell}/recurrent_kernel"].T
            state[f"bias_ih_l{n}{suffix}"] = values[f"{cell}/bias"]
            state[f"bias_hh_l{n}{suffix}"] = torch.zeros(4 * units)
    module.load_state_dict(state)
    return module


@pytest.mark.parametrize("num_layers", [1, 2])
def test_the_bilstm_is_that_of_pytorch(num_layers: int) -> None:
    backbone, inputs = assemble(network("bilstm", units=5, num_layers=num_layers)), batch()
    values = tensors(backbone)
    module = lstm(values, num_layers, units=5)
    for ids, length, found in zip(inputs["input_ids"], LENGTHS, states(backbone, inputs), strict=True):
        with torch.no_grad():
            expected, _ = module(values["embeddings/word_embeddings/embeddings"][ids[:length]][None])
        np.testing.assert_allclose(found, expected[0], rtol=0, atol=1e-5)


# --- What every network promises ---


@pytest.mark.parametrize("name", NAMES)
def test_variables_states_and_padding(name: str) -> None:
    config = network(name)
    backbone = assemble(config)
    assert all(re.search(BACKBONE, variable.path) for variable in backbone.weights)
    assert backbone.output["last_hidden_state"].shape == (None, None, config.hidden_size)
    assert backbone.features["word_embeddings"].shape == (20, 6)
    assert [state.shape[-1] for state in backbone.hidden_states] == [6, config.hidden_size]
    short, long = batch(), batch(7)
    long["input_ids"][:, :9] = short["input_ids"]
    for found, expected in zip(states(backbone, long), states(backbone, short), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_by_keras(name: str, tmp_path: Path) -> None:
    backbone, inputs = assemble(network(name)), batch()
    backbone.save(tmp_path / "backbone.keras")
    copy = keras.saving.load_model(tmp_path / "backbone.keras")
    assert copy.config == backbone.config
    for found, expected in zip(states(copy, inputs), states(backbone, inputs), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision(name: str) -> None:
    config, inputs = network(name), batch()
    full, half = assemble(config), Backbone.assemble(config, pooler=False, dtype="mixed_bfloat16")
    half.set_weights(full.get_weights())
    assert {variable.dtype for variable in half.weights} == {"float32"}
    found = np.concatenate([row.astype("float32") for row in states(half, inputs)])
    difference = np.abs(found - np.concatenate(states(full, inputs)))
    assert 1e-5 < difference.mean() < 5e-2


@pytest.mark.parametrize("name", NAMES)
def test_its_description_is_a_checkpoint_without_weights(name: str, tmp_path: Path) -> None:
    config = network(name)
    written = Checkpoint.of_network(config, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == name
    for checkpoint in (written, Checkpoint.described(tmp_path)):
        assert (checkpoint.config, checkpoint.name, checkpoint.is_pretrained) == (config, name, False)
        assert (checkpoint.has_pooler, checkpoint.pooling, checkpoint.head_size("sequence_classification")) == (
            False,
            None,
            0,
        )
    written.describe(tmp_path / "kept")
    assert Checkpoint.described(tmp_path / "kept").config == config
    with pytest.raises(CheckpointError, match=f"'{name}', a network that was trained from scratch"):
        describe(written)
    with pytest.raises(CheckpointError, match="expected model.safetensors"):
        Checkpoint.find(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("text_cnn", {"windows": []}, "windows: .*at least 1"),
        ("text_cnn", {"windows": [3, 0]}, "windows/1: .*greater than 0"),
        ("text_cnn", {"filter": 3}, "filter: unknown option of 'text_cnn'. Did you mean 'filters'"),
        ("bilstm", {"units": "5"}, "units: "),
        ("bilstm", {"dropout": 1.0}, "dropout: .*less than 1"),
        ("bilstms", {}, "Unknown backbone from scratch 'bilstms'. Did you mean 'bilstm'"),
    ],
)
def test_options_that_make_no_sense(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        network(name, **options)


class Adapters(Additions):
    """What a strategy adds to a Transformer."""


def test_what_strategies_add_has_no_place() -> None:
    with pytest.raises(ConfigError, match="strategy: expected one that adds nothing.*'bilstm'.*no places for Adapters"):
        Backbone.assemble(network("bilstm"), pooler=False, additions=Adapters())


def test_a_network_without_words_is_an_error() -> None:
    with pytest.raises(ConfigError, match="vocab_size: not known before there is training data"):
        Backbone.assemble(registry.networks.build("text_cnn"), pooler=False)
