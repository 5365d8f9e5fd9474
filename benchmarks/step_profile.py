"""Where the time of a training step goes: by kind of operation, from a trace of the executor.

    python benchmarks/step_profile.py [--precision mixed_bfloat16] [--batch-size 32] [--length 128] [--json FILE]

The model is one of MiniLM's shape (384 x 6) with random weights, trained whole with AdamW, on one thread. On a busy
machine the shares of kinds still say something, the milliseconds nothing.
"""

import os

for _name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import argparse  # noqa: E402
import collections  # noqa: E402
import dataclasses  # noqa: E402
import json  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from tftransfer import registry  # noqa: E402
from tftransfer.backbones.backbone import Backbone  # noqa: E402
from tftransfer.config import Training  # noqa: E402
from tftransfer.export.wire import message_class  # noqa: E402
from tftransfer.model import TransferModel  # noqa: E402
from tftransfer.tasks.components.heads import ClassificationHead  # noqa: E402
from tftransfer.training.fine_tune import compile_model  # noqa: E402

# What a profiler writes, as far as it is read here: tsl/profiler/protobuf/xplane.proto.
_TRACE = {
    "Space": {"planes": (1, "repeated Plane")},
    "Plane": {"lines": (3, "repeated Line"), "names": (4, "repeated Entry")},
    "Line": {"events": (4, "repeated Event")},
    "Event": {"name": (1, "int64"), "duration_ps": (3, "int64")},
    "Entry": {"key": (1, "int64"), "value": (2, "Name")},
    "Name": {"name": (2, "string")},
}


def model_of(precision: str, **changes: Any) -> TransferModel:
    """Returns a compiled model of MiniLM's shape with random weights; `changes` are of its config."""
    bert = registry.backbones.get("bert")().config({})
    config = dataclasses.replace(bert, hidden_size=384, num_layers=6, intermediate_size=1536, **changes)
    backbone = Backbone.assemble(config, pooler=False, dtype=precision)
    logits = ClassificationHead(2, name="head")(
        backbone.features["last_hidden_state"], backbone.features["attention_mask"]
    )
    model = TransferModel(backbone.input, logits)
    model.task = registry.tasks.build("sequence_classification", {"labels": ["a", "b"]})
    compile_model(model, registry.strategies.build("full"), Training(precision=precision), 1000)
    return model


def batch_of(batch_size: int, length: int) -> tuple[Any, Any]:
    """Returns a batch of random words without padding."""
    ids = np.random.default_rng(0).integers(0, 30000, (batch_size, length)).astype("int32")
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    return tf.nest.map_structure(tf.constant, (inputs, np.arange(batch_size) % 2))


def step_of(model: TransferModel, batch: Any) -> Any:
    """Returns a function that takes a step of training on a batch, its graph made; shapes are unknown, as in `fit`."""
    specs = tf.nest.map_structure(lambda x: tf.TensorSpec([None] * x.shape.rank, x.dtype), batch)
    step = tf.function(lambda batch: model.train_step(batch), autograph=False).get_concrete_function(specs)
    return lambda: step(batch)


def kinds(step: Any, steps: int) -> dict[str, float]:
    """Returns the milliseconds a step that each kind of operation takes, the most first."""
    for _ in range(2):
        step()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(steps):
                step()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = message_class("Space", _TRACE).FromString(path.read_bytes())
    totals: collections.Counter[str] = collections.Counter()
    for plane in space.planes:
        names = {entry.key: entry.value.name for entry in plane.names}
        for event in (event for line in plane.lines for event in line.events):
            # The executor writes "name:kind".
            kind = names[event.name].rpartition(":")[2]
            if hasattr(tf.raw_ops, kind.lstrip("_")) or kind.startswith("_"):
                totals[kind] += event.duration_ps / steps / 1e9
    return dict(totals.most_common())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", default="float32", choices=["float32", "mixed_bfloat16"])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    step = step_of(model_of(arguments.precision), batch_of(arguments.batch_size, arguments.length))
    found = kinds(step, arguments.steps)
    total = sum(found.values())
    for kind, milliseconds in found.items():
        if milliseconds > total / 1000:
            print(f"{milliseconds:8.1f} ms {100 * milliseconds / total:5.1f} %  {kind}")
    print(f"{total:8.1f} ms of kernels a step, {arguments.precision}, {arguments.batch_size} x {arguments.length}")
    if arguments.json:
        record = {key: value for key, value in vars(arguments).items() if key != "json"}
        arguments.json.write_text(json.dumps({**record, "milliseconds": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
