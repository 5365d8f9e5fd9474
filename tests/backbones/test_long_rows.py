"""ModernBERT, Longformer and BigBird where they differ from others: long rows, global tokens, cost, training."""

import inspect
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from parity import VOCABULARY, batch, pack, run, save, torch, torch_class

import tftransfer
from tftransfer import registry
from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.family import Place
from tftransfer.backbones.layers import ChosenTokens
from tftransfer.backbones.tensors import fill
from tftransfer.errors import CheckpointError, ConfigError
from tftransfer.pretrained_head import head_hints
from tftransfer.tasks.components.heads import ClassificationHead

pytestmark = pytest.mark.skipif(torch is None, reason="PyTorch is the reference")
SPARSE = {"block_size": 4, "num_random_blocks": 1, "max_position_embeddings": 80}
KEYS: dict[str, dict[str, Any]] = {"big_bird": SPARSE, "longformer": {}, "modernbert": {}}
NAMES = [*KEYS]
KIND = "sequence_classification"


def real(inputs: dict[str, np.ndarray]) -> np.ndarray:
    return inputs["attention_mask"] > 0


def assert_same(found: Any, expected: Any, inputs: dict[str, np.ndarray], tolerance: float = 1e-5) -> None:
    ours, theirs = np.asarray(found, "float32")[real(inputs)], np.asarray(expected, "float32")[real(inputs)]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * max(1, np.abs(theirs).max()))


# --- Global tokens ---


def some_global(inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Returns a random mask with a row without global tokens, and with some on padding."""
    chosen = np.random.default_rng(4).random(inputs["input_ids"].shape) < 0.2
    chosen[1] = False
    return chosen.astype("int32")


@pytest.mark.parametrize("padding", ["right", "left"])
def test_global_tokens_equal_pytorch(padding: str, tmp_path: Path) -> None:
    reference = save(tmp_path, "longformer")
    backbone = Backbone.from_pretrained(str(tmp_path), global_attention_mask=True)
    inputs = batch("longformer", padding)
    inputs["global_attention_mask"] = some_global(inputs)
    expected = run(reference, inputs).hidden_states
    states = keras.Model(backbone.input, backbone.hidden_states)(inputs)
    for ours, theirs in zip(states, expected, strict=True):
        assert_same(ours, theirs, inputs)
    without = run(reference, {name: array for name, array in inputs.items() if name[0] != "g"}).last_hidden_state
    assert np.abs(np.asarray(states[-1]) - without.numpy())[real(inputs)].max() > 0.1


def test_packed_texts_have_first_tokens_of_their_own(tmp_path: Path) -> None:
    reference = save(tmp_path, "longformer")
    backbone = Backbone.from_checkpoint(Checkpoint.find(str(tmp_path)), global_tokens="first")
    alone = batch("longformer")
    first = np.zeros_like(alone["input_ids"])
    first[:, 0] = 1
    expected = run(reference, {**alone, "global_attention_mask": first}).last_hidden_state.numpy()
    assert_same(backbone(alone)["last_hidden_state"], expected, alone)
    packed = pack(alone, pad=1)
    states = np.asarray(backbone(packed.inputs)["last_hidden_state"])
    for index, (row, start, size) in enumerate(packed.places):
        np.testing.assert_allclose(states[row, start : start + size], expected[index, :size], rtol=0, atol=5e-5)


@pytest.mark.parametrize(
    ("ids", "mask", "first", "question"),
    [
        ([5, 6, 2, 7, 2], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [1, 1, 0, 0, 0]),
        ([1, 1, 5, 2, 6], [0, 0, 1, 1, 1], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]),
        ([5, 2, 6, 7, 2, 8], [1, 1, 2, 2, 2, 2], [1, 0, 1, 0, 0, 0], [1, 0, 1, 1, 0, 0]),
        ([2, 5, 1, 6, 2, 2], [1, 1, 0, 2, 2, 0], [1, 0, 0, 1, 0, 0], [0, 0, 0, 1, 0, 0]),
        ([2, 2], [0, 0], [0, 0], [0, 0]),
    ],
)
def test_chosen_tokens(ids: list[int], mask: list[int], first: list[int], question: list[int]) -> None:
    inputs = np.array([ids], "int32"), np.array([mask], "int32")
    assert np.asarray(ChosenTokens()(*inputs))[0].tolist() == first
    assert np.asarray(ChosenTokens(2)(*inputs))[0].tolist() == question


def test_an_input_that_the_family_has_no_use_for(tmp_path: Path) -> None:
    save(tmp_path, "bert")
    with pytest.raises(ConfigError, match="expected a checkpoint with global attention.*of the type 'bert'"):
        Backbone.from_pretrained(str(tmp_path), global_attention_mask=True)
    plain = Backbone.from_checkpoint(Checkpoint.find(str(tmp_path)), global_tokens="first")
    assert "global_tokens" not in [layer.name for layer in plain.layers]


@pytest.mark.parametrize("choice", ["first", "question", "input"])
def test_keras_file(choice: Any, tmp_path: Path) -> None:
    save(tmp_path, "longformer")
    backbone = Backbone.from_checkpoint(Checkpoint.find(str(tmp_path)), global_tokens=choice)
    inputs = batch("longformer")
    inputs["input_ids"][:, 1] = 2
    if choice == "input":
        inputs["global_attention_mask"] = some_global(inputs)
    backbone.save(tmp_path / "backbone.keras")
    loaded, plain = keras.models.load_model(tmp_path / "backbone.keras"), Backbone.from_pretrained(str(tmp_path))
    expected = backbone(inputs)["last_hidden_state"]
    assert_same(loaded(inputs)["last_hidden_state"], expected, inputs, 1e-6)
    inputs.pop("global_attention_mask", None)
    assert np.abs(plain(inputs)["last_hidden_state"] - expected).max() > 0.1


# --- BigBird ---


def rows(length: int, padding: str = "right") -> dict[str, np.ndarray]:
    """Returns 6 rows, the longest of them full."""
    inputs = batch("big_bird", padding, length=length)
    inputs["attention_mask"][0] = 1
    inputs["input_ids"][0] = np.random.default_rng(2).integers(10, VOCABULARY, length)
    return inputs


def fresh(directory: Path) -> Any:
    """Returns the PyTorch model anew: one short row makes it attend in full for good."""
    return torch_class("big_bird", "").from_pretrained(directory).eval()


@pytest.mark.parametrize("length", [27, 28, 29, 32, 33, 54, 80])
def test_blocks_of_rows_of_any_length(length: int, tmp_path: Path) -> None:
    save(tmp_path, "big_bird", **SPARSE)
    backbone = Backbone.from_pretrained(str(tmp_path))
    for padding in ("right", "left"):
        inputs = rows(length, padding)
        expected = run(fresh(tmp_path), inputs).last_hidden_state
        assert_same(backbone(inputs)["last_hidden_state"], expected, inputs)


def test_blocks_of_rows_of_unknown_length(tmp_path: Path) -> None:
    save(tmp_path, "big_bird", **SPARSE)
    backbone = Backbone.from_pretrained(str(tmp_path))
    signature = {name: tf.TensorSpec((None, None), "int32", name) for name in backbone.input}
    call = tf.function(lambda inputs: backbone(inputs)["last_hidden_state"], input_signature=[signature])
    for length in (3, 28, 29, 41):
        inputs = rows(length)
        assert_same(call(inputs), backbone(inputs)["last_hidden_state"], inputs, 1e-6)


def test_a_packed_row_gives_no_numbers_where_assertions_are_left_out(tmp_path: Path) -> None:
    save(tmp_path, "big_bird", **SPARSE)
    backbone, inputs = Backbone.from_pretrained(str(tmp_path)), rows(40)
    inputs["attention_mask"][0, 5:] = 2
    states = tf.function(lambda inputs: backbone(inputs)["last_hidden_state"], jit_compile=True)(inputs)
    assert np.isnan(np.asarray(states)[0, 8:-8]).all()  # and what they touch in the next layer


@pytest.mark.parametrize("graph", [False, True])
def test_a_packed_row_is_refused_where_blocks_would_mix_texts(graph: bool, tmp_path: Path) -> None:
    save(tmp_path, "big_bird", **SPARSE)
    backbone = Backbone.from_pretrained(str(tmp_path))
    assert backbone.config.packed_length == 28
    call = tf.function(lambda **inputs: backbone(inputs)) if graph else lambda **inputs: backbone(inputs)
    for length in (28, 29):
        inputs = rows(length)
        inputs["attention_mask"][0, 5:] = 2
        if length == 28:
            call(**inputs)
            continue
        with pytest.raises(tf.errors.InvalidArgumentError, match="Expected one text a row: rows of over 28 tokens"):
            call(**inputs)


# --- In graphs, under XLA, in half precision ---


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_a_graph(name: str, jit_compile: bool, tmp_path: Path) -> None:
    save(tmp_path, name, **KEYS[name])
    backbone, inputs = Backbone.from_pretrained(str(tmp_path)), batch(name)
    call = tf.function(lambda inputs: backbone(inputs)["last_hidden_state"], jit_compile=jit_compile)
    assert_same(call(inputs), backbone(inputs)["last_hidden_state"], inputs)


@pytest.mark.parametrize("name", ["longformer", "modernbert"])
def test_unknown_length(name: str, tmp_path: Path) -> None:
    save(tmp_path, name)
    backbone = Backbone.from_checkpoint(Checkpoint.find(str(tmp_path)), global_tokens="first")
    signature = {key: tf.TensorSpec((None, None), "int32", key) for key in backbone.input}
    call = tf.function(lambda inputs: backbone(inputs)["last_hidden_state"], input_signature=[signature])
    for length in (3, 12, 40):
        inputs = batch(name, length=length)
        assert_same(call(inputs), backbone(inputs)["last_hidden_state"], inputs, 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_mixed_bfloat16(name: str, tmp_path: Path) -> None:
    save(tmp_path, name, **KEYS[name])
    checkpoint, inputs = Checkpoint.find(str(tmp_path)), batch(name)
    full, half = (
        Backbone.from_checkpoint(checkpoint, global_tokens="first", dtype=dtype)(inputs)["last_hidden_state"]
        for dtype in ("float32", "mixed_bfloat16")
    )
    assert half.dtype == "bfloat16"
    difference = np.abs(np.asarray(full) - np.asarray(half, "float32"))[real(inputs)]
    assert 1e-4 < difference.mean() < 0.02


@pytest.mark.parametrize(
    ("name", "keys", "global_tokens"),
    [
        ("longformer", {"attention_window": 4}, "none"),
        ("longformer", {"attention_window": 4}, "first"),
        ("modernbert", {"layer_types": ["sliding_attention"] * 3, "local_attention": 4}, "none"),
        ("big_bird", {"block_size": 2, "num_random_blocks": 1}, "none"),
    ],
)
def test_no_tensor_has_the_length_twice(name: str, keys: dict[str, Any], global_tokens: Any, tmp_path: Path) -> None:
    length = 120  # longer than any other axis of a tiny model
    save(tmp_path, name, **keys)
    backbone = Backbone.from_checkpoint(Checkpoint.find(str(tmp_path)), global_tokens=global_tokens)
    specs = {key: tf.TensorSpec((1, length), "int32") for key in backbone.input}
    traced = tf.function(lambda inputs: backbone(inputs, training=True)).get_concrete_function(specs)
    shapes = [(op.type, out.shape) for op in traced.graph.get_operations() for out in op.outputs]
    assert sum(kind == "Softmax" for kind, _ in shapes) >= 3
    assert not any(kind.endswith(("PartitionedCall", "If", "While")) for kind, _ in shapes)
    for kind, shape in shapes:
        sizes = [] if shape.rank is None else shape.as_list()
        assert sum(size is not None and size >= length for size in sizes) <= 1, (kind, shape)


# --- Training ---


def classifier(directory: Path) -> keras.Model:
    """Returns a checkpoint's own classifier over the first token."""
    checkpoint = Checkpoint.find(str(directory))
    backbone = Backbone.from_checkpoint(checkpoint, global_tokens="first")
    hints = head_hints(checkpoint, KIND)
    head = ClassificationHead(3, hints.pooling, dropout=0.0, hidden=hints.hidden, name="head")
    model = keras.Model(backbone.input, head(backbone.output["last_hidden_state"], backbone.input["attention_mask"]))
    variables = [variable for variable in model.weights if variable.path.startswith("head/")]
    fill(variables, checkpoint.family, checkpoint.tensors, KIND, partial=True)
    return model


def part_of(tensor: np.ndarray, place: Place) -> np.ndarray:
    """Returns the part of a fused tensor that is at a place."""
    rows = len(tensor) // place.parts if place.parts > 1 else len(tensor)
    part = tensor[place.part * rows : (place.part + 1) * rows]
    return part.T if place.transposed else part


@pytest.mark.parametrize("name", NAMES)
def test_loss_and_gradients_equal_pytorch(name: str, tmp_path: Path) -> None:
    reference = save(tmp_path, name, KIND, num_labels=3, **KEYS[name])
    inputs, labels = batch(name), np.array([0, 1, 2, 0, 1, 2])
    known = inspect.signature(reference.forward).parameters
    tensors = {key: torch.tensor(array.astype("int64")) for key, array in inputs.items() if key in known}
    theirs = reference(**tensors, labels=torch.tensor(labels)).loss
    theirs.backward()

    model, family = classifier(tmp_path), registry.backbones.get(name)()
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(inputs))
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, model.trainable_variables)
    np.testing.assert_allclose(loss, theirs.item(), rtol=1e-5)
    expected = {key.removeprefix(family.prefix): p.grad for key, p in reference.named_parameters()}
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        place = family.place(variable.path, KIND)
        truth = part_of(expected[place.name].numpy(), place)
        tolerance = 2e-4 * max(np.abs(truth).max(), 1e-3)
        found = tf.convert_to_tensor(gradient)
        np.testing.assert_allclose(found, truth, rtol=0, atol=tolerance, err_msg=variable.path)


def test_a_classifier_of_texts_has_a_global_first_token(tiny_checkpoint: Path, tmp_path: Path) -> None:
    reference = save(tmp_path, "longformer", KIND, num_labels=3, vocab_size=400)
    for path in tiny_checkpoint.glob("[tv]o*"):  # a tokenizer, which does not matter here
        shutil.copy(path, tmp_path)
    model = tftransfer.build(str(tmp_path), tftransfer.tasks.SequenceClassification(labels=None))
    inputs = batch("longformer")
    expected = run(reference, inputs).logits
    np.testing.assert_allclose(model(inputs), expected, rtol=0, atol=1e-4)
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "model.keras")(inputs), expected, rtol=0, atol=1e-4)
    locally = run(reference, {**inputs, "global_attention_mask": np.zeros_like(inputs["input_ids"])}).logits
    assert np.abs(expected - locally).max() > 0.01


@pytest.mark.parametrize("name", NAMES)
def test_plain_keras_trains_it(name: str, tmp_path: Path) -> None:
    save(tmp_path, name, **KEYS[name])
    backbone = Backbone.from_checkpoint(Checkpoint.find(str(tmp_path)), global_tokens="first")
    model = keras.Model(backbone.input, keras.layers.Dense(2)(backbone.output["last_hidden_state"][:, 0]))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = backbone.get_weights()
    history = model.fit(batch(name), np.array([0, 1, 0, 1, 0, 1]), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert backbone.get_layer("encoder").supports_jit == (name != "longformer")
    assert np.mean([np.array_equal(a, b) for a, b in zip(before, backbone.get_weights(), strict=True)]) < 0.3


# --- Configs that are not implemented ---


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("modernbert", {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, "full_attention is 'yarn'"),
        ("modernbert", {"rope_scaling": {"type": "linear"}}, "expected no rope_scaling; received .*linear"),
        ("modernbert", {"layer_types": ["full_attention"]}, "for each of the 22 layers"),
        ("modernbert", {"local_attention": 1}, "at least 2; received .* and 1"),
        ("modernbert", {"global_rope_theta": "big"}, "rotary.theta: Input should be a valid number"),
        ("modernbert", {"decoder_bias": False}, "decoder_bias is False"),
        ("longformer", {"attention_window": 7}, "an even number from 2.*received 7"),
        ("longformer", {"attention_window": [8, 8]}, r"for each of the 12 layers; received \[8, 8\]"),
        ("longformer", {"attention_window": "8"}, "received '8'"),
        ("big_bird", {"attention_type": "dense"}, "attention_type is 'dense'"),
        ("big_bird", {"block_size": 0}, "block_sparse.block_size: Input should be greater than 0"),
    ],
)
def test_refused(name: str, raw: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        registry.backbones.get(name)().config(raw)


def test_the_first_spelling_of_rotations() -> None:
    config = registry.backbones.get("modernbert")().config({"global_rope_theta": 7.0, "local_rope_theta": None})
    assert (config.rotary.theta, config.rotary.local_theta) == (7.0, None)
    assert config.windows[:7] == (0, 64, 64, 0, 64, 64, 0)
