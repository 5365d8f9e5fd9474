"""Layers that are computed once more: the same gradients, under the same dropout, in less memory."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tftransfer
from tftransfer import Examples, registry
from tftransfer.backbones.layers import TransformerEncoder
from tftransfer.backbones.transformer import Disentangled, RelativeBias, TransformerConfig
from tftransfer.config import Training
from tftransfer.errors import ConfigError
from tftransfer.model import TransferModel
from tftransfer.strategies import LoRA
from tftransfer.training.fine_tune import compile_model

BERT = registry.backbones.get("bert")().config({})
TINY = dataclasses.replace(BERT, vocab_size=11, hidden_size=40, num_layers=2, num_heads=5, intermediate_size=96)


def step(config: TransformerConfig, once_more: bool, jit_compile: bool = False) -> tuple[list[Any], list[Any], int]:
    """Returns loss and gradients of a second step, the encoder's seeds behind it, and the number of products."""
    keras.utils.set_random_seed(1)
    encoder = TransformerEncoder(config)
    encoder.build((None, None, config.hidden_size))
    encoder.gradient_checkpointing = once_more
    hidden = tf.constant(np.random.default_rng(0).normal(size=(3, 9, config.hidden_size)).astype("float32"))
    # Of a key's bias the gradient is rounding alone.
    variables = [v.value for v in encoder.trainable_variables if "key/bias" not in v.path]

    @tf.function(jit_compile=jit_compile)
    def train(hidden: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            loss = tf.reduce_sum(encoder(hidden, tf.ones(hidden.shape[:2], "int32"), training=True)[-1] ** 3)
        found = tape.gradient(loss, [hidden, *variables])
        return [loss, *(tf.convert_to_tensor(gradient) for gradient in found if gradient is not None)]

    train(hidden)
    results = [value.numpy() for value in train(hidden)]
    graph = train.get_concrete_function(hidden).graph
    products = sum("MatMul" in op.type for op in graph.get_operations())
    return results, [v.numpy() for v in encoder.non_trainable_variables], products


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_groups": 1},
        {"relative_bias": RelativeBias()},
        pytest.param({"disentangled": Disentangled(16)}, marks=pytest.mark.slow),
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
    ],
    ids=lambda options: "".join(options) or "bert",
)
def test_gradients_are_the_same_under_dropout(options: dict[str, Any]) -> None:
    jit_compile = options.pop("jit_compile", False)
    config = dataclasses.replace(TINY, **options)
    assert config.hidden_dropout > 0 < config.attention_dropout
    (kept, seeds, products), (again, later_seeds, more_products) = (
        step(config, once_more, jit_compile) for once_more in (False, True)
    )
    assert more_products > 1.2 * products  # it is computed again
    for ours, theirs in zip(again, kept, strict=True):
        assert np.abs(ours - theirs).max() <= 2e-6 * np.abs(theirs).max()
    for ours, theirs in zip(later_seeds, seeds, strict=True):
        assert np.array_equal(ours, theirs)


def test_other_draws_would_have_been_seen() -> None:
    """Guards the comparison above: with other seeds gradients are far apart."""
    config = dataclasses.replace(TINY, num_layers=1)
    (one, *_), (other, *_) = (step(c, False) for c in (config, dataclasses.replace(config, attention_dropout=0.11)))
    assert max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(one, other, strict=True)) > 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "regularizers", "options"),
    [
        ({"name": "full"}, ["mixout", "r_drop"], {"gradient_accumulation_steps": 2}),
        ({"name": "full"}, ["adversarial"], {}),
        ({"name": "lora"}, [], {}),
        ({"name": "frozen_layers", "layers": 1}, [], {}),
        ({"name": "prefix_tuning"}, [], {}),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) and "name" in value else None,
)
def test_a_training_is_the_same(
    strategy: dict[str, Any],
    regularizers: list[str],
    options: dict[str, Any],
    tiny_checkpoint: Path,
    toy: Callable[..., Examples],
) -> None:
    runs = []
    for once_more in (False, True):
        keras.utils.set_random_seed(3)
        task = registry.tasks.build("sequence_classification", {"labels": ["negative", "positive"]})
        transfer = registry.strategies.build(strategy["name"], {k: v for k, v in strategy.items() if k != "name"})
        model = tftransfer.build(str(tiny_checkpoint), task, strategy=transfer)
        parts = [registry.regularizers.build(name) for name in regularizers]
        training = {"epochs": 1, "batch_size": 4, "learning_rate": 1e-3, "warmup": 0, "show_progress": False}
        found = tftransfer.fine_tune(
            model, toy(8), regularizers=parts, gradient_checkpointing=once_more, **training, **options
        )
        moved = [v.numpy().ravel() for v in model.weights if "key/bias" not in v.path and v.dtype == "float32"]
        runs.append((found.history["loss"], np.concatenate(moved)))
    (loss, weights), (other_loss, other_weights) = runs
    assert other_loss == pytest.approx(loss, abs=1e-6)
    assert np.abs(other_weights - weights).max() <= 2e-6


def test_half_precision_and_a_saved_model(
    dropping_checkpoint: Path, toy: Callable[..., Examples], tmp_path: Path
) -> None:
    task, strategy = registry.tasks.build("sequence_classification", {"labels": ["negative", "positive"]}), LoRA()
    model = tftransfer.build(str(dropping_checkpoint), task, strategy=strategy, precision="mixed_bfloat16")
    options = {"epochs": 1, "batch_size": 4, "gradient_checkpointing": True, "show_progress": False}
    assert np.isfinite(tftransfer.fine_tune(model, toy(8), **options).history["loss"]).all()
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert not copy.get_layer("encoder").gradient_checkpointing
    inputs = model.encode(toy(4)).batch(np.arange(4))[0]
    assert np.array_equal(np.asarray(copy(inputs)), np.asarray(model(inputs)))


def test_a_network_without_such_layers() -> None:
    words = keras.Input((None,), dtype="int32", name="input_ids")
    states = keras.layers.LSTM(3, name="encoder")(keras.layers.Embedding(9, 4, name="embeddings")(words))
    model = TransferModel({"input_ids": words}, keras.layers.Dense(2, name="head")(states))
    model.task = registry.tasks.build("sequence_classification", {"labels": ["a", "b"]})
    with pytest.raises(ConfigError, match=r"gradient_checkpointing: expected a Transformer"):
        compile_model(model, registry.strategies.build("full"), Training(gradient_checkpointing=True), 1)


@pytest.mark.slow
def test_the_peak_falls() -> None:
    script = Path(__file__).parents[1] / "shared" / "step_memory.py"
    config = dataclasses.replace(BERT, vocab_size=1000, hidden_size=384, num_layers=12, intermediate_size=1536)
    peaks = {}
    for name, options in {
        "kept": {},
        "checkpointed": {"gradient_checkpointing": True},
        "four parts": {"gradient_accumulation_steps": 4},
        "both": {"gradient_checkpointing": True, "gradient_accumulation_steps": 4},
    }.items():
        asked = {"config": config.to_dict(), "batch_size": 32, "length": 128, "precision": "float32"}
        line = json.dumps({**asked, "strategy": "full", "options": options})
        done = subprocess.run([sys.executable, str(script), line], check=True, stdout=subprocess.PIPE, text=True)
        peaks[name] = json.loads(done.stdout.splitlines()[-1])["above"]
    print({name: f"{peak / 1e6:,.0f} MB" for name, peak in peaks.items()})
    assert peaks["checkpointed"] < 0.5 * peaks["kept"]
    assert peaks["four parts"] < 0.6 * peaks["kept"]
    assert peaks["both"] < 0.8 * min(peaks["checkpointed"], peaks["four parts"])
