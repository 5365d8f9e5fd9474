"""GELU and dropout, which are computed in fewer passes than Keras's: against PyTorch, and against what they promise."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from tftransfer.backbones.layers.dropout import Dropout
from tftransfer.backbones.layers.gelu import gelu

X = np.concatenate([np.linspace(-12, 12, 4001), [0.0, -1e-8, 40.0, -40.0]])


def value_and_slope(x: Any, training: bool) -> tuple[np.ndarray, np.ndarray]:
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = gelu(x, training)
    assert y.dtype == x.dtype
    return tuple(np.asarray(tf.cast(value, "float64")) for value in (y, tape.gradient(y, x)))


@pytest.mark.parametrize(("dtype", "close"), [("float64", 1e-14), ("float32", 5e-7), ("bfloat16", 2**-8)])
def test_gelu_is_that_of_pytorch(dtype: str, close: float) -> None:
    x = tf.cast(X, dtype)
    reference = torch.tensor(tf.cast(x, "float64").numpy(), requires_grad=True)
    expected = torch.nn.functional.gelu(reference)
    expected.sum().backward()
    for training in (True, False):
        value, slope = value_and_slope(x, training)
        close = close if training else max(close, 1e-8)  # Keras rounds the root of a half
        scale = np.maximum(1, np.abs(reference.detach().numpy()))
        assert (np.abs(value - expected.detach().numpy()) / scale).max() <= close
        # Where a rounded input is rounded again in each of autodiff's operations, it is farther off.
        assert np.abs(slope - reference.grad.numpy()).max() <= (close if training else 4 * close)


def test_gelu_is_the_same_in_training_and_at_inference() -> None:
    for dtype in ("float32", "bfloat16"):
        x = tf.cast(X, dtype)
        assert np.array_equal(np.asarray(gelu(x, True)), np.asarray(gelu(x)))


def dropped(rate: float, shape: tuple[int, ...], seed: int = 1, dtype: str = "float32") -> np.ndarray:
    return np.asarray(tf.cast(Dropout(rate, seed=seed, dtype=dtype)(tf.ones(shape, dtype), training=True), "float32"))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_so_many_are_dropped_and_the_mean_stays(rate: float) -> None:
    y = dropped(rate, (300, 1001))  # an odd number
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - round(rate * 2**16) / 2**16))}
    deviation = np.sqrt(rate * (1 - rate) / y.size)
    assert abs((y == 0).mean() - rate) < 4 * deviation
    # Neighbours, two of which share a draw, know nothing of one another, nor do rows.
    for other in (y.ravel()[:-1:2] == 0) & (y.ravel()[1::2] == 0), (y[:-1] == 0) & (y[1:] == 0):
        assert abs(other.mean() - rate**2) < 5 * np.sqrt(rate**2 / other.size)


def test_seeds_are_kerass() -> None:
    shape = (40, 7)
    assert np.array_equal(dropped(0.5, shape), dropped(0.5, shape))
    assert not np.array_equal(dropped(0.5, shape), dropped(0.5, shape, seed=2))
    layer = Dropout(0.5, seed=1)
    first, second = (np.asarray(layer(tf.ones(shape), training=True)) for _ in range(2))
    assert np.array_equal(first, dropped(0.5, shape))
    assert not np.array_equal(first, second)
    assert layer.seed_generator.state.numpy().tolist() == [1, 2]  # once a call, as Keras's own
    assert np.array_equal(np.asarray(layer(tf.ones(shape))), np.ones(shape))
    assert layer.seed_generator.state.numpy().tolist() == [1, 2]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_gradient_passes_where_numbers_do(dtype: str, jit_compile: bool) -> None:
    layer = Dropout(0.3, seed=5, dtype=dtype)
    layer.build((None, None))

    @tf.function(jit_compile=jit_compile, input_signature=[tf.TensorSpec([None, None], dtype)])
    def run(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return y, tape.gradient(y, x)

    y, slope = run(tf.ones((13, 9), dtype))
    assert y.dtype == dtype
    assert np.array_equal(np.asarray(y), np.asarray(slope))
    assert np.array_equal(np.asarray(tf.cast(y, "float32")), dropped(0.3, (13, 9), seed=5, dtype=dtype))
    assert 0 < (np.asarray(y) == 0).sum() < 60


def test_it_is_saved_as_any_layer() -> None:
    layer = Dropout(0.25, seed=3, name="drop")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (type(copy), copy.rate, copy.name) == (Dropout, 0.25, "drop")
