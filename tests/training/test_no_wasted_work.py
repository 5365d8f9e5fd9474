"""What a step does not do: compile anew, drop where nothing is trained, or move numbers between precisions in vain."""

import collections
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tftransfer
from tftransfer import Examples, registry
from tftransfer.model import TransferModel
from tftransfer.strategies import FeatureExtraction, FrozenLayers, Full
from tftransfer.strategies.strategy import Strategy
from tftransfer.training.rates import apply_rates

PER_LAYER = 12, 9
"""Casts of a layer in half precision, each of which changes numbers: of its products' kernels and biases; and of the
scores, the probabilities, what goes into each normalisation and comes out, and GELU's input, result and slope."""


def made(checkpoint: Path, **options: Any) -> TransferModel:
    keras.utils.set_random_seed(0)
    task = registry.tasks.build("sequence_classification", {"labels": ["negative", "positive"]})
    return tftransfer.build(str(checkpoint), task, **options)


def operations(model: TransferModel, examples: Examples, training: bool) -> list[tf.Operation]:
    """Returns the operations of a forward pass."""
    inputs = model.encode(examples).batch(np.arange(2))[0]
    specs = {name: tf.TensorSpec([None, None], array.dtype) for name, array in inputs.items()}
    call = tf.function(lambda inputs: model(inputs, training=training), autograph=False)
    return call.get_concrete_function(specs).graph.get_operations()


def random(operations: list[tf.Operation]) -> list[str]:
    """Returns the names of what draws numbers or drops some."""
    return [op.name for op in operations if "Random" in op.type or "ropout" in op.type]


@pytest.mark.parametrize(
    "options",
    [{"gradient_accumulation_steps": 2}, pytest.param({}, marks=pytest.mark.slow)],
    ids=["in parts", "whole"],
)
def test_an_epoch_compiles_nothing_anew(
    options: dict[str, Any], shallow_checkpoint: Path, toy: Callable[..., Examples]
) -> None:
    model, rows, traces = made(shallow_checkpoint), toy(41), collections.Counter[str]()
    lengths = {model.encode(rows).batch(np.arange(n, min(n + 4, 41)))[0]["input_ids"].shape for n in range(0, 41, 4)}
    assert len(lengths) > 2  # of several lengths, and the last batch is smaller
    forward = model.call
    counted: list[int] = []

    def call(inputs: Any, training: bool | None = None, **others: Any) -> Any:
        traces["train" if training else "test"] += 1
        return forward(inputs, training=training, **others)

    class Counted(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            counted.append(traces.total())

    model.call = call  # type: ignore[method-assign]
    training = {"epochs": 3, "batch_size": 4, "show_progress": False, "callbacks": [Counted()]}
    tftransfer.fine_tune(model, rows, rows, **training, **options)
    assert traces == {"train": 1, "test": 1}
    assert counted == [2, 2, 2]
    # Until it knows that lengths differ, prediction compiles twice or thrice, and what measures once: outside of
    # training rows are padded. Then no more.
    model.predict_logits(rows, batch_size=3)
    model.measure(model.encode(rows), batch_size=4)
    known = traces.copy()
    assert known["test"] <= 5
    model.predict_logits(rows.take(np.arange(20)), batch_size=5)
    model.measure(model.encode(rows), batch_size=3)
    assert traces == known


def test_nothing_is_drawn_at_inference(dropping_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    model = made(dropping_checkpoint)
    assert random(operations(model, toy(2), training=False)) == []
    assert len(random(operations(model, toy(2), training=True))) >= 4  # which it would have been seen by


def test_what_is_frozen_draws_nothing(tiny_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    cases: list[tuple[Strategy, set[str]]] = [(FeatureExtraction(), set()), (FrozenLayers(1), {"layer_1"})]
    for strategy, layers in [*cases, (Full(), {"layer_0", "layer_1"})]:
        model = made(tiny_checkpoint)
        apply_rates(model.weights, strategy.rates(model))
        drawn = random(operations(model, toy(2), training=True))
        assert {part[:7] for name in drawn for part in name.split("/") if part.startswith("layer_")} == layers


def test_half_precision_is_where_it_should_be(tiny_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    model = made(tiny_checkpoint, precision="mixed_bfloat16")
    assert {v.dtype for v in model.trainable_weights} == {"float32"}
    found = collections.defaultdict(list)
    for op in operations(model, toy(2), training=True):
        if "/layer_0" in op.name:
            found[op.type].append(op)

    def dtypes(*types: str) -> set[str]:
        return {op.outputs[0].dtype.name for name in types for op in found[name]}

    assert len(found["MatMul"]) == 6
    assert dtypes("MatMul", "BatchMatMulV2", "BiasAdd") == {"bfloat16"}
    assert dtypes("Softmax", "Erfc", "Mean", "SquaredDifference", "Rsqrt") == {"float32"}
    casts = [op for op in found["Cast"] if op.inputs[0].dtype.is_floating and op.inputs[0].op.type != "Const"]
    variables = [op for op in casts if op.inputs[0].op.type == "ReadVariableOp"]
    assert (len(variables), len(casts) - len(variables)) == PER_LAYER
    assert not [op.name for op in casts if op.inputs[0].op.type == "Cast"]  # there and back


def test_the_loss_is_float32(tiny_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    model = made(tiny_checkpoint, precision="mixed_bfloat16")
    model.compile(loss=model.task.loss())
    logits, loss = model.plain_objective(*model.encode(toy(2), training=True).batch(np.arange(2)))
    assert logits.dtype == loss.dtype == tf.float32
