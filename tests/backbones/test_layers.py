"""The shared layers: positions, masks, frozen dropout, half precision, and saving with Keras's own functions."""

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

from tftransfer.backbones import layers
from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.layers.attention import attention_bias
from tftransfer.backbones.layers.positions import default_position_ids
from tftransfer.backbones.transformer import BlockSparse, Disentangled, RelativeBias, Rotary, TransformerConfig


def inputs(rows: int = 3, length: int = 20) -> dict[str, np.ndarray]:
    """Returns rows of which the last third is padding."""
    ids = np.random.default_rng(0).integers(5, 300, (rows, length)).astype("int32")
    mask = np.broadcast_to(np.arange(length) < 2 * length // 3, ids.shape).astype("int32")
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


@pytest.fixture
def tiny(tiny_checkpoint: Path) -> Backbone:
    return Backbone.from_pretrained(str(tiny_checkpoint))


# --- Positions and masks ---


@pytest.mark.parametrize(
    ("mask", "positions"),
    [
        ([1, 1, 1, 1], [0, 1, 2, 3]),
        ([1, 1, 1, 0], [0, 1, 2, 0]),
        ([0, 0, 1, 1], [0, 0, 2, 3]),  # padding on the left counts, as in Hugging Face's BERT
        ([0, 0, 0, 0], [0, 0, 0, 0]),
        ([1, 1, 2, 2, 2, 0], [0, 1, 0, 1, 2, 0]),
        ([1, 2, 3, 4], [0, 0, 0, 0]),
        ([1, 1, 0, 2, 2], [0, 1, 0, 0, 1]),
        ([0, 1, 2, 2, 0, 3], [0, 1, 0, 1, 0, 0]),
        ([1], [0]),
    ],
)
def test_default_position_ids(mask: list[int], positions: list[int]) -> None:
    for rows in ([mask], [mask, [1] * len(mask)]):  # rows are independent
        found = default_position_ids(np.array(rows, "int32"))
        assert found.dtype == "int32"
        assert found[0].numpy().tolist() == positions
        assert len(rows) == 1 or found[1].numpy().tolist() == list(range(len(mask)))


def test_attention_bias() -> None:
    bias = np.asarray(attention_bias(np.array([[1, 1, 2, 0]], "int32")))
    assert bias.shape == (1, 1, 4, 4)
    assert bias.dtype == "float32"
    assert (bias[0, 0] == 0).astype(int).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    forbidden = bias[bias != 0]
    assert np.isfinite(forbidden.astype("float16")).all()
    assert (np.exp(forbidden + 100) == 0).all()


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_row_of_padding_is_finite_and_disturbs_no_other(dtype: str, tiny_checkpoint: Path) -> None:
    backbone = Backbone.from_pretrained(str(tiny_checkpoint), dtype=dtype)
    batch = inputs()
    batch["attention_mask"][1] = 0
    together = {name: np.asarray(array, "float32") for name, array in backbone(batch).items()}
    alone = backbone({name: array[[0, 2]] for name, array in batch.items()})
    for name, array in together.items():
        assert np.isfinite(array).all(), name
        tolerance = 1e-6 if dtype == "float32" else 0.02
        np.testing.assert_allclose(array[[0, 2]], np.asarray(alone[name], "float32"), rtol=0, atol=tolerance)


def test_padding_changes_nothing(tiny: Backbone) -> None:
    batch = inputs()
    shorter = {name: array[:, :13] for name, array in batch.items()}
    states = np.asarray(tiny(batch)["last_hidden_state"])[:, :13]
    np.testing.assert_allclose(states, tiny(shorter)["last_hidden_state"], rtol=0, atol=2e-6)


def test_a_packed_row_may_be_longer_than_the_position_table(tiny: Backbone) -> None:
    assert tiny.config.max_positions == 64
    text = inputs(rows=1, length=30)["input_ids"]
    ids = np.concatenate([text, text, text, np.zeros((1, 90), "int32")], axis=1)
    mask = np.repeat(np.array([[1, 2, 3, 0, 0, 0]], "int32"), 30, axis=1)
    states = tiny({"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})["last_hidden_state"]
    alone = {"input_ids": text, "attention_mask": np.ones_like(text), "token_type_ids": np.zeros_like(text)}
    for start in (0, 30, 60):
        expected = tiny(alone)["last_hidden_state"]
        np.testing.assert_allclose(states[:, start : start + 30], expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("config", ["plain", "windows", "global", "blocks"])
def test_a_text_of_one_token(config: str) -> None:
    options = {
        "plain": {},
        "windows": LOCAL,
        "global": {"windows": (1, 3, 2), "global_attention": True},
        "blocks": BLOCKS,
    }
    backbone = Backbone.assemble(dataclasses.replace(CONFIG, **options[config]), global_tokens="first")
    one = {name: np.ones((2, 1), "int32") for name in ("input_ids", "attention_mask", "token_type_ids")}
    padded = {name: np.pad(array, [(0, 0), (0, 4)]) for name, array in one.items()}
    found, expected = (backbone(batch)["last_hidden_state"][:, :1] for batch in (one, padded))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


# --- Dropout ---


def freeze_layer(layer: keras.layers.Layer) -> None:
    layer.trainable = False


def freeze_variables(layer: keras.layers.Layer) -> None:
    for variable in layer.trainable_variables:
        variable.trainable = False


@pytest.mark.parametrize("freeze", [freeze_layer, freeze_variables])
def test_a_frozen_part_drops_nothing(freeze: Callable[[keras.layers.Layer], None], tiny: Backbone) -> None:
    batch = inputs()
    states = keras.Model(tiny.input, tiny.hidden_states)

    def drops() -> list[bool]:
        """Returns whether embeddings, layer 0 and layer 1 give something new at a second call in training."""
        first, second = states(batch, training=True), states(batch, training=True)
        return [bool(np.abs(a - b).max() > 1e-3) for a, b in zip(first, second, strict=True)]

    assert drops() == [True, True, True]
    freeze(tiny.get_layer("embeddings"))
    assert drops() == [False, True, True]
    freeze(tiny.get_layer("encoder").layers[0])
    assert drops() == [False, False, True]
    freeze(tiny.get_layer("encoder").layers[1])
    assert drops() == [False, False, False]
    for trained, served in zip(states(batch, training=True), states(batch, training=False), strict=True):
        np.testing.assert_array_equal(trained, served)


def test_dropout_has_the_rate_of_the_config(make_checkpoint: Callable[..., Path]) -> None:
    options = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.0}
    backbone = Backbone.from_pretrained(str(make_checkpoint(options)))
    batch = inputs(rows=50)
    embedded = np.asarray(keras.Model(backbone.input, backbone.hidden_states[0])(batch, training=True))
    assert np.mean(embedded == 0) == pytest.approx(0.3, abs=0.02)


# --- Half precision ---


def test_mixed_bfloat16(tiny: Backbone, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    softmax, seen = tf.nn.softmax, []

    def spy(x: Any) -> Any:
        seen.append(keras.backend.standardize_dtype(x.dtype))
        return softmax(x)

    monkeypatch.setattr(tf.nn, "softmax", spy)
    backbone, batch = Backbone.from_pretrained(str(tiny_checkpoint), dtype="mixed_bfloat16"), inputs()
    assert {variable.dtype for variable in backbone.weights} == {"float32"}
    seen.clear()
    half, full = backbone(batch), tiny(batch)
    assert seen == ["float32"] * 4
    real = batch["attention_mask"] > 0
    for name, pick in (("last_hidden_state", real), ("pooler_output", slice(None))):
        assert keras.backend.standardize_dtype(half[name].dtype) == "bfloat16"
        difference = np.abs(np.asarray(half[name], "float32") - np.asarray(full[name]))[pick]
        # A number of size 2 has steps of 1/64 in bfloat16.
        assert 1e-4 < difference.mean() < 1e-2
        assert difference.max() < 5e-2


def test_mixed_bfloat16_trains(tiny_checkpoint: Path) -> None:
    backbone = Backbone.from_pretrained(str(tiny_checkpoint), dtype="mixed_bfloat16")
    logits = keras.layers.Dense(2, dtype="float32")(backbone.output["pooler_output"])
    model = keras.Model(backbone.input, logits)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = backbone.get_weights()
    history = model.fit(inputs(), np.array([0, 1, 0]), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    changed = [not np.array_equal(a, b) for a, b in zip(before, backbone.get_weights(), strict=True)]
    assert np.mean(changed) > 0.9


# --- Keras's own saving ---

CONFIG = TransformerConfig(
    vocab_size=9,
    hidden_size=16,
    num_layers=3,
    num_heads=4,
    intermediate_size=24,
    activation="relu",
    layer_norm_epsilon=1e-3,
    max_positions=7,
    type_vocab_size=3,
    hidden_dropout=0.2,
    attention_dropout=0.3,
    classifier_dropout=0.1,
    initializer_range=0.3,
    pad_token_id=0,
)
LOCAL: dict[str, Any] = {"windows": (1, 0, 2)}
BLOCKS: dict[str, Any] = {"block_sparse": BlockSparse(1, 0)}
# Every option that a family uses, in one or another of them.
OTHERS = [
    dataclasses.replace(CONFIG, norm="pre", norm_bias=False, gated=True, rotary=Rotary(1e4, 100.0, True, True)),
    dataclasses.replace(CONFIG, attention_bias=False, attention_output_bias=False, feed_forward_bias=False),
    dataclasses.replace(CONFIG, relative_bias=RelativeBias(8, 16), position_offset=2, num_groups=1, embedding_size=8),
    dataclasses.replace(CONFIG, disentangled=Disentangled(7, 4, normalized=True), convolution=(3, "gelu")),
    dataclasses.replace(CONFIG, **LOCAL),
    dataclasses.replace(CONFIG, windows=(1, 3, 2), global_attention=True, separator_token_id=3),
    dataclasses.replace(CONFIG, **BLOCKS),
    dataclasses.replace(
        CONFIG, type_vocab_size=0, learned_positions=False, task_type_vocab_size=3, embedding_scale=4.0
    ),
]
HIDDEN, MASK = np.random.default_rng(1).normal(size=(2, 5, 16)).astype("float32"), np.ones((2, 5), "int32")
SCOPE = {"attention_mask": MASK, "bias": np.zeros((2, 1, 5, 5), "float32")}
LAYERS = [
    (layers.SelfAttention(CONFIG, 1, name="a"), (HIDDEN, SCOPE)),
    (layers.TransformerLayer(CONFIG, 1, name="c"), (HIDDEN, SCOPE)),
    *((layers.TransformerEmbeddings(config, name="b"), (MASK, MASK, MASK)) for config in (CONFIG, *OTHERS)),
    *((layers.TransformerEncoder(config, name="d"), (HIDDEN, MASK)) for config in (CONFIG, *OTHERS)),
    (layers.ChosenTokens(1, name="f"), (MASK, MASK)),
    (layers.Pooler(8, 0.3, name="e"), (HIDDEN,)),
]


@pytest.mark.parametrize(("layer", "arguments"), LAYERS, ids=lambda value: type(value).__name__)
def test_layer_from_its_config(layer: keras.layers.Layer, arguments: tuple[np.ndarray, ...]) -> None:
    expected = layer(*arguments)
    config = json.loads(json.dumps(layer.get_config()))
    twin = type(layer).from_config(config)
    assert twin.get_config() == layer.get_config()
    twin(*arguments)
    assert [v.path for v in twin.weights] == [v.path for v in layer.weights]
    twin.set_weights(layer.get_weights())
    for ours, theirs in zip(keras.tree.flatten(twin(*arguments)), keras.tree.flatten(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_keras_file_in_a_fresh_process(tiny_checkpoint: Path, tmp_path: Path) -> None:
    backbone = Backbone.from_pretrained(str(tiny_checkpoint), position_ids=True)
    batch = inputs()
    batch["position_ids"] = np.random.default_rng(2).integers(0, 64, batch["input_ids"].shape).astype("int32")
    backbone.save(tmp_path / "backbone.keras")
    np.savez(tmp_path / "batch.npz", **batch)
    code = """
import keras, numpy, tftransfer
tftransfer.Backbone  # registers it and its layers with Keras
backbone = keras.models.load_model("backbone.keras")
assert type(backbone) is tftransfer.Backbone
states = keras.Model(backbone.input, backbone.hidden_states)(dict(numpy.load("batch.npz")))
numpy.savez("states.npz", *states)
print(backbone.config)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(backbone.config)
    loaded, states = np.load(tmp_path / "states.npz"), keras.Model(backbone.input, backbone.hidden_states)(batch)
    assert len(loaded.files) == 3
    for name, state in zip(loaded.files, states, strict=True):
        np.testing.assert_allclose(loaded[name], state, rtol=0, atol=1e-6)


def test_part_of_a_users_model_in_a_keras_file(tiny: Backbone, tmp_path: Path) -> None:
    x = keras.layers.Bidirectional(keras.layers.LSTM(4))(tiny.output["last_hidden_state"])
    model = keras.Model(tiny.input, keras.layers.Dense(3)(x))
    nested = keras.Model(tiny.input, keras.layers.Dense(3)(tiny(tiny.input)["pooler_output"]))
    for n, original in enumerate((model, nested)):
        original.save(tmp_path / f"{n}.keras")
        loaded = keras.models.load_model(tmp_path / f"{n}.keras")
        np.testing.assert_allclose(loaded(inputs()), original(inputs()), rtol=0, atol=1e-6)


def test_weights_only(tiny: Backbone, tiny_checkpoint: Path, tmp_path: Path) -> None:
    tiny.save_weights(tmp_path / "tiny.weights.h5")
    fresh = Backbone.from_checkpoint(Checkpoint.find(str(tiny_checkpoint)), weights=False)
    assert np.abs(fresh(inputs())["last_hidden_state"] - tiny(inputs())["last_hidden_state"]).max() > 0.1
    fresh.load_weights(tmp_path / "tiny.weights.h5")
    for name, array in fresh(inputs()).items():
        np.testing.assert_array_equal(array, tiny(inputs())[name])


def test_clone(tiny: Backbone) -> None:
    clone = keras.models.clone_model(tiny)
    clone.set_weights(tiny.get_weights())
    again = Backbone.from_config(clone.get_config())
    assert [v.path for v in again.weights] == [v.path for v in tiny.weights]
    np.testing.assert_array_equal(clone(inputs())["last_hidden_state"], tiny(inputs())["last_hidden_state"])
    assert len(clone.hidden_states) == 3


def test_layers_on_a_backbone_do_not_see_padding(tiny_checkpoint: Path) -> None:
    backbone = Backbone.from_pretrained(str(tiny_checkpoint))
    x = keras.layers.Bidirectional(keras.layers.LSTM(4))(backbone.output["last_hidden_state"])
    pooled = keras.layers.GlobalAveragePooling1D()(backbone.output["last_hidden_state"])
    model = keras.Model(backbone.input, [x, pooled])
    ids = np.array([[2, 40, 41, 3]], "int32")
    short = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    padded = {name: np.pad(values, [(0, 0), (0, 4)]) for name, values in short.items()}
    for plain, other in zip(model.predict(short, verbose=0), model.predict(padded, verbose=0), strict=True):
        np.testing.assert_allclose(plain, other, atol=1e-6)
