"""LoRA, DoRA and rsLoRA: the updates, where they go, and a model that has taken them in."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tiny

import tftransfer
from tftransfer import Examples, registry
from tftransfer.config import Training
from tftransfer.errors import ConfigError, ExportError
from tftransfer.export import hub_tokenizer
from tftransfer.export.hub_layout import layout_of
from tftransfer.strategies import LoRA
from tftransfer.strategies.components.low_rank import LowRankDense, LowRankUpdates
from tftransfer.training.fine_tune import compile_model
from tftransfer.training.rates import apply_rates

TEXTS = ["a good lamp", "bad", "a b c d"]
FAMILIES = registry.backbones.names()


def build(checkpoint: Path, strategy: LoRA | None = None, **options: Any) -> Any:
    task = tftransfer.tasks.SequenceClassification(labels=["no", "so so", "yes"])
    return tftransfer.build(str(checkpoint), task, strategy=strategy, **options)


def move(model: Any, scale: float = 0.3) -> Any:
    """Changes what a strategy has added, as training does."""
    rng = np.random.default_rng(1)
    for variable in model.weights:
        if "/lora_" in variable.path:
            variable.assign_add(rng.normal(0, scale * variable.shape[0] ** -0.5, variable.shape))
    return model


def logits(model: Any) -> np.ndarray:
    examples = Examples({"text": TEXTS}, "<tests>", np.arange(len(TEXTS)))
    return np.asarray(model(model.encode(examples).batch(np.arange(len(TEXTS)))[0], training=False))


def updated(model: Any) -> list[str]:
    """Returns the layers that have an update."""
    end = "/lora_a/kernel"
    return [variable.path.removesuffix(end) for variable in model.weights if variable.path.endswith(end)]


@pytest.mark.parametrize("options", [{}, {"dora": True}], ids=["lora", "dora"])
def test_a_layer_computes_what_the_papers_say(options: dict[str, Any]) -> None:
    layer = LowRankDense(5, rank=2, scale=3.0, **options)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 7)).astype("float32")
    layer.build((None, 7))
    for variable in layer.weights:
        variable.assign(rng.normal(size=variable.shape))
    numbers = {variable.path.removeprefix(f"{layer.path}/"): variable.numpy() for variable in layer.weights}
    kernel = numbers["kernel"] + 3 * numbers["lora_a/kernel"] @ numbers["lora_b/kernel"]
    if options:
        kernel *= numbers["lora_magnitude"] / np.sqrt((kernel**2).sum(axis=0))
    np.testing.assert_allclose(layer(x), x @ kernel + numbers["bias"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "dora"),
    [
        ("bert", False),
        ("albert", False),
        *(pytest.param(name, True, marks=() if name == "modernbert" else pytest.mark.slow) for name in FAMILIES),
    ],
)
def test_it_begins_as_the_checkpoint_and_merges_in_every_family(name: str, dora: bool, tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, name)
    keras.utils.set_random_seed(0)
    plain = build(tmp_path)
    keras.utils.set_random_seed(0)
    model = build(tmp_path, LoRA(rank=3, dora=dora, targets=".*" if dora else "query|value"))
    for variable in model.weights:
        if variable.path.startswith("head/"):
            variable.assign(next(v for v in plain.weights if v.path == variable.path))
    np.testing.assert_allclose(logits(model), logits(plain), rtol=0, atol=1e-5)

    merged = tftransfer.merge(move(model))
    assert np.abs(logits(model) - logits(plain)).max() > 1e-3
    np.testing.assert_allclose(logits(merged), logits(model), rtol=0, atol=1e-5)
    assert [v.path for v in merged.weights] == [v.path for v in plain.weights]
    assert set(merged.load_report.fresh) == set(plain.load_report.fresh)


def test_a_model_of_a_keras_file_is_merged_too(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = move(build(tiny_checkpoint, LoRA()))
    model.save(tmp_path / "model.keras")
    merged = tftransfer.merge(keras.models.load_model(tmp_path / "model.keras"))
    inputs = {name: np.ones((2, 5), "int32") for name in model.input}
    np.testing.assert_allclose(merged(inputs), model(inputs), rtol=0, atol=1e-5)


def test_a_head_of_the_users_own_is_merged_too(tiny_checkpoint: Path) -> None:
    def head(features: Any) -> Any:
        x = keras.layers.GlobalAveragePooling1D()(features["last_hidden_state"])
        return keras.layers.Dense(3)(keras.layers.BatchNormalization()(x))

    model = move(build(tiny_checkpoint, LoRA(), head=head))
    merged = tftransfer.merge(model)
    np.testing.assert_allclose(logits(merged), logits(model), rtol=0, atol=1e-5)
    assert merged.fixed_paths == model.fixed_paths
    assert len(merged.fixed_paths) == 2
    assert isinstance(merged.strategy, tftransfer.strategies.Full)
    with pytest.raises(ConfigError, match=r"strategy: expected a model that was built for it.*LoRA\(rank=8"):
        compile_model(merged, LoRA(), Training(), 1)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("query|value", [f"encoder/layer_{n}/attention/{name}" for n in range(11) for name in ("query", "value")]),
        ("attention/output", [f"encoder/layer_{n}/attention/output" for n in range(11)]),
        ("layer_1/attention/key", ["encoder/layer_1/attention/key"]),
        (r"layer_\d+/output", [f"encoder/layer_{n}/output" for n in range(11)]),
        ("layer_10/.*", [f"encoder/layer_10/{n}" for n in ("attention/query", "attention/key", "attention/value")]),
    ],
)
def test_targets_are_whole_names(make_checkpoint: Callable[..., Path], targets: str, expected: list[str]) -> None:
    keys = {"num_hidden_layers": 11, "hidden_size": 8, "intermediate_size": 8}
    found = updated(build(make_checkpoint(keys), LoRA(targets=targets)))
    if targets.endswith(".*"):
        assert found[:3] == expected
        assert len(found) == 6
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("biases", "targets", "expected"),
    [
        ("none", "query|value", 0),
        ("lora_only", "query|value", 2 * 2 * 32),
        ("lora_only", ".*", 2 * (5 * 32 + 64)),
        ("lora_only", "layer_1/.*", 5 * 32 + 64),
        # Of linear layers, of normalisations (two a layer, one for the embeddings), and the pooler's.
        ("all", "query|value", 2 * (5 * 32 + 64) + 5 * 32 + 32),
    ],
)
def test_biases(tiny_checkpoint: Path, biases: Any, targets: str, expected: int) -> None:
    strategy = LoRA(rank=2, biases=biases, targets=targets)
    model = build(tiny_checkpoint, strategy)
    apply_rates(model.weights, strategy.rates(model))
    moving = {variable.path for variable in model.trainable_variables}
    rest = [path for path in moving if "/lora_" not in path and not path.startswith("head/")]
    assert {path.rpartition("/")[2] for path in rest} <= {"bias", "beta"}
    assert sum(v.shape[0] for v in model.trainable_variables if v.path in rest) == expected


def test_half_precision_keeps_the_lengths(tiny_checkpoint: Path) -> None:
    """The pretrained model comes out: a ratio in bfloat16 would be off by up to 0.4 % from the start."""
    keras.utils.set_random_seed(0)
    plain = build(tiny_checkpoint, precision="mixed_bfloat16")
    model = build(tiny_checkpoint, LoRA(dora=True, targets=".*"), precision="mixed_bfloat16")
    for variable in model.weights:
        if variable.path.startswith("head/"):
            variable.assign(next(v for v in plain.weights if v.path == variable.path))
    layer = model.get_layer("encoder").layers[0].attention.query_dense
    assert layer.lora_magnitude.dtype == "float32"
    np.testing.assert_allclose(layer._lengths(), layer.lora_magnitude, rtol=2e-3)
    assert np.abs(logits(model) - logits(plain)).max() < 0.05 * np.abs(logits(plain)).max()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "rank: expected an integer >= 1; received 0."),
        ({"alpha": 0.0}, "alpha: expected a number > 0; received 0.0."),
        ({"dropout": 1.0}, r"dropout: expected a rate in \[0, 1\); received 1.0."),
        ({"targets": "que("}, "targets: expected a regular expression, such as 'query|value'; received 'que\\('"),
        ({"biases": "some"}, "biases: expected none, all, lora_only; received 'some'."),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LoRA(**options)


def test_targets_that_are_not_there(tiny_checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="layers of this backbone, which are attention/query, .*received 'q_proj'"):
        build(tiny_checkpoint, LoRA(targets="q_proj"))


def test_the_scale() -> None:
    assert LoRA(rank=4, alpha=8).scale == 2
    assert LoRA(rank=4, alpha=8, rslora=True).scale == 4


def test_hugging_face_gets_the_merged_model(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_tokenizer, "torture", lambda: TEXTS)
    model = move(build(tiny_checkpoint, LoRA(dora=True)))
    path = tftransfer.export_huggingface(model, tmp_path)
    again = tftransfer.build(str(path), tftransfer.tasks.SequenceClassification())
    np.testing.assert_allclose(logits(again), logits(model), rtol=0, atol=1e-5)
    assert "lora" not in json.dumps([str(p.name) for p in path.iterdir()])


def test_what_cannot_be_merged_is_said(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(tiny_checkpoint, LoRA())
    monkeypatch.setattr(LowRankUpdates, "mergeable", False)
    with pytest.raises(ConfigError, match="LowRankUpdates are layers of their own"):
        tftransfer.merge(model)
    with pytest.raises(ExportError, match="No class of transformers has a place for them. What can be exported is"):
        layout_of(model)
