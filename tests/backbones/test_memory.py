"""The estimate of a step's memory: against what TensorFlow's graph really keeps, and against the peak of real steps."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tftransfer import registry
from tftransfer.backbones.layers import TransformerEncoder
from tftransfer.backbones.memory import memory
from tftransfer.backbones.size import parameters
from tftransfer.backbones.transformer import Disentangled, RelativeBias, Rotary, TransformerConfig

BERT = registry.backbones.get("bert")().config({})
MINILM = dataclasses.replace(BERT, hidden_size=384, num_layers=6, intermediate_size=1536)
WIDE = dataclasses.replace(BERT, num_layers=4)
TINY = dataclasses.replace(BERT, vocab_size=11, hidden_size=40, num_layers=3, num_heads=5, intermediate_size=96)
BATCH, LENGTH = 7, 33
# They hand on the tensor that they get.
_SAME = {"Reshape", "Identity", "ExpandDims", "Squeeze"}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"activation": "relu"},
    {"activation": "silu"},
    {"activation": "gelu_new"},
    {"activation": "quick_gelu"},
    {"norm": "pre", "gated": True, "attention_bias": False},
    {"attention_dropout": 0.0},
    {"rotary": Rotary()},
    {"relative_bias": RelativeBias()},
    {"disentangled": Disentangled(16)},
    {"num_groups": 1},
]


def kept(config: TransformerConfig, precision: str) -> int:
    """Returns the bytes of all tensors of the forward pass that the graph of the backward pass reads."""
    encoder = TransformerEncoder(config, dtype=precision)
    encoder.build((None, None, config.hidden_size))

    @tf.function
    def step(embedded: Any, mask: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(embedded)
            loss = tf.reduce_sum(encoder(embedded, mask, training=True)[-1])
        forward.update(op.name for op in tf.compat.v1.get_default_graph().get_operations())
        return tape.gradient(loss, [embedded, *(v.value for v in encoder.trainable_variables)])

    forward: set[str] = set()
    dtype = "bfloat16" if precision == "mixed_bfloat16" else precision
    inputs = tf.TensorSpec((BATCH, LENGTH, config.hidden_size), dtype), tf.TensorSpec((BATCH, LENGTH), "int32")
    found = {}
    for op in step.get_concrete_function(*inputs).graph.get_operations():
        for tensor in op.inputs if op.name not in forward else ():
            while tensor.op.type in _SAME:
                tensor = tensor.op.inputs[0]
            if tensor.op.name in forward and tensor.shape.rank and tensor.shape[0] == BATCH:
                found[tensor.name] = tensor.shape.num_elements() * tensor.dtype.size
    return sum(found.values())


@pytest.mark.parametrize(
    ("options", "precision"),
    [
        *((options, "float32") for options in OPTIONS),
        ({}, "mixed_bfloat16"),
        ({"attention_dropout": 0.0}, "mixed_bfloat16"),
    ],
    ids=lambda value: ", ".join(map(str, value.values())) or "BERT" if isinstance(value, dict) else value,
)
def test_activations_are_what_the_graph_keeps(options: dict[str, Any], precision: str) -> None:
    config = dataclasses.replace(TINY, **options)
    one_more = dataclasses.replace(config, num_layers=config.num_layers + 1)
    # The estimate of one layer, free of the room in which it works.
    more, less = (memory(c, BATCH, LENGTH, precision).activations for c in (one_more, config))
    assert kept(config, precision) / config.num_layers == pytest.approx(more - less, rel=0.05)


def test_parts() -> None:
    count = parameters(MINILM).total
    full = memory(MINILM, 32, 128)
    assert (full.weights, full.gradients, full.moments) == (4 * count, 4 * count, 8 * count)
    assert full.total == 16 * count + full.activations
    mixed = memory(MINILM, 32, 128, "mixed_bfloat16")
    assert mixed.weights == 6 * count  # the variables stay float32
    assert mixed.moments == full.moments
    assert 0.4 < mixed.activations / full.activations < 0.8


def test_what_is_frozen_below_costs_nothing() -> None:
    frozen = memory(MINILM, 32, 128, is_trained=lambda path: False)
    assert (frozen.gradients, frozen.moments) == (0, 0)
    top = memory(MINILM, 32, 128, is_trained=lambda path: path.startswith("encoder/layer_5/"))
    below = memory(MINILM, 32, 128, is_trained=lambda path: path.startswith("encoder/layer_0/"))
    full = memory(MINILM, 32, 128)
    assert frozen.activations < top.activations < below.activations < full.activations
    layer = top.activations - frozen.activations
    assert below.activations - frozen.activations == 6 * layer
    shared = dataclasses.replace(MINILM, num_groups=1)  # its one layer is the lowest, too
    assert memory(shared, 32, 128, is_trained=lambda path: "layer_0" in path).activations == below.activations


@pytest.mark.parametrize(("windows", "growth"), [((), 4), ((64,) * 6, 2)])
def test_long_inputs(windows: tuple[int, ...], growth: int) -> None:
    config = dataclasses.replace(MINILM, windows=windows, intermediate_size=1, max_positions=2**20)
    short, long = (memory(config, 1, length).activations for length in (2**15, 2**16))
    assert long / short == pytest.approx(growth, rel=0.05)


# Measured over estimated is printed with `pytest -rP`.
POINTS = [
    (MINILM, 32, 128, "float32", "full"),
    (MINILM, 8, 512, "float32", "feature_extraction"),
    (WIDE, 16, 128, "float32", "full"),
    (MINILM, 32, 128, "mixed_bfloat16", "full"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("config", "batch_size", "length", "precision", "strategy"), POINTS)
def test_the_peak_of_real_steps(
    config: TransformerConfig, batch_size: int, length: int, precision: str, strategy: str
) -> None:
    script = Path(__file__).parents[1] / "shared" / "step_memory.py"
    step = {"batch_size": batch_size, "length": length, "precision": precision, "strategy": strategy}
    asked = json.dumps({"config": config.to_dict(), **step})
    done = subprocess.run([sys.executable, str(script), asked], check=True, stdout=subprocess.PIPE, text=True)
    measured = json.loads(done.stdout.splitlines()[-1])["above"]
    estimated = memory(
        config, batch_size, length, precision, pooler=False, is_trained=lambda path: strategy == "full"
    ).total
    print(f"estimated {estimated / 1e6:,.0f} MB, measured {measured / 1e6:,.0f} MB, ratio {estimated / measured:.2f}")
    assert 0.7 < estimated / measured < 1.3
