"""What test_parity.py does not ask of every family: positions from outside, activations, and every gradient of BERT."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import transformers

from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.families.bert import Bert

torch = pytest.importorskip("torch")

TOLERANCE = 1e-5  # on hidden states of standard deviation 1
SIZES = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
}


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., tuple[Any, Backbone]]:
    """Saves a random model of PyTorch and returns (PyTorch's encoder, ours read from the file)."""

    def save(kind: str, position_ids: bool = False, **options: Any) -> tuple[Any, Backbone]:
        torch.manual_seed(0)
        config = transformers.BertConfig(**{**SIZES, **options})
        model = getattr(transformers, kind)(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn_like(parameter)  # biases and gains too, so that no error hides
        model.save_pretrained(tmp_path)
        return getattr(model, "bert", model), Backbone.from_pretrained(str(tmp_path), position_ids=position_ids)

    return save


def batch(padding: str, types: int = 2, positions: int = 40) -> dict[str, np.ndarray]:
    """Returns 6 rows of 2 to 40 real tokens."""
    rng = np.random.default_rng(1)
    mask = (np.arange(positions) < np.array([positions, 2, 7, 13, 21, 33])[:, None]).astype("int32")
    ids, segments = rng.integers(1, 99, mask.shape), rng.integers(0, types, mask.shape)
    if padding == "left":
        mask = mask[:, ::-1]
    inputs = {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": segments * mask}
    return {name: np.ascontiguousarray(array, "int32") for name, array in inputs.items()}


def as_torch(inputs: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: torch.from_numpy(array.astype("int64")) for name, array in inputs.items()}


def check_parity(reference: Any, backbone: Backbone, inputs: dict[str, np.ndarray]) -> None:
    with torch.no_grad():
        expected = reference(**as_torch(inputs), output_hidden_states=True)
    states = keras.Model(backbone.input, backbone.hidden_states)(inputs)
    real = inputs["attention_mask"] > 0
    assert len(states) == len(expected.hidden_states) == reference.config.num_hidden_layers + 1
    for n, (state, theirs) in enumerate(zip(states, expected.hidden_states, strict=True)):
        ours, theirs = np.asarray(state)[real], theirs.numpy()[real]
        assert 0.6 < theirs.std() < 1.6, f"states of layer {n} are too small or too large to show an error"
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE, err_msg=f"hidden state {n}")
    outputs = backbone(inputs)
    np.testing.assert_array_equal(outputs["last_hidden_state"], states[-1])
    assert ("pooler_output" in outputs) == (expected.pooler_output is not None)
    # The first token is padding in a row padded on the left, and no model says what it holds.
    if expected.pooler_output is not None and real[:, 0].all():
        np.testing.assert_allclose(outputs["pooler_output"], expected.pooler_output, rtol=0, atol=TOLERANCE)


def test_explicit_positions(save: Callable[..., tuple[Any, Backbone]]) -> None:
    reference, backbone = save("BertModel", position_ids=True)
    inputs = batch("right")
    positions = np.random.default_rng(2).integers(0, 40, inputs["input_ids"].shape).astype("int32")
    check_parity(reference, backbone, {**inputs, "position_ids": positions})


@pytest.mark.parametrize("activation", ["gelu", "gelu_fast", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu"])
def test_activations_are_those_of_transformers(activation: str) -> None:
    from tftransfer.activations import find_activation

    x = np.linspace(-8, 8, 1001, dtype="float32")
    expected = transformers.activations.ACT2FN[activation](torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(find_activation(activation)(x), expected, rtol=0, atol=2e-6)


def test_heads_of_another_task_are_left_out_and_named(save: Callable[..., tuple[Any, Backbone]]) -> None:
    _, backbone = save("BertForSequenceClassification")
    assert backbone.load_report is not None
    assert backbone.load_report.left_out == ("classifier.bias", "classifier.weight")
    assert len(backbone.load_report.loaded) == len(backbone.weights) == 5 + 3 * 16 + 2
    assert str(backbone.load_report) == "55 variables loaded; left out: classifier.bias, classifier.weight"


def test_gradients(save: Callable[..., tuple[Any, Backbone]]) -> None:
    reference, backbone = save("BertModel", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    reference.train()
    inputs = batch("right")
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(*inputs["input_ids"].shape, 32)) * inputs["attention_mask"][..., None]
    weights, pooled_weights = weights.astype("float32"), rng.normal(size=(6, 32)).astype("float32")

    outputs = reference(**as_torch(inputs))
    loss = (outputs.last_hidden_state * torch.from_numpy(weights)).sum()
    loss = loss + (outputs.pooler_output * torch.from_numpy(pooled_weights)).sum()
    loss.backward()
    expected = {name: parameter.grad.numpy() for name, parameter in reference.named_parameters()}

    with tf.GradientTape() as tape:
        ours = backbone(inputs, training=True)
        total = tf.reduce_sum(ours["last_hidden_state"] * weights)
        total += tf.reduce_sum(ours["pooler_output"] * pooled_weights)
    gradients = tape.gradient(total, [variable.value for variable in backbone.trainable_variables])
    assert float(total) == pytest.approx(loss.item(), rel=1e-5)
    assert len(gradients) == len(expected)
    greatest = max(np.abs(gradient).max() for gradient in expected.values())
    for variable, gradient in zip(backbone.trainable_variables, gradients, strict=True):
        place = Bert().place(variable.path)
        theirs = expected.pop(place.name).T if place.transposed else expected.pop(place.name)
        # A key's bias has no effect and a gradient of 0, so the scale is not that of its own rounding errors.
        scale = max(np.abs(theirs).max(), 1e-3 * greatest)
        difference = np.abs(tf.convert_to_tensor(gradient).numpy() - theirs).max() / scale
        assert difference <= TOLERANCE, f"{variable.path}: gradients differ by {difference:.1e} of the greatest"
    assert not expected
