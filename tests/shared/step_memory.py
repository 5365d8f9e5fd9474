"""Measures what a training step takes: run as a script in a process of its own, it prints bytes above the baseline.

python step_memory.py '{"config": {...}, "batch_size": 8, "length": 64, "precision": "float32", "strategy": "full"}'
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

_STEPS = 3


def resident(entry: str) -> int:
    """Returns an entry of this process's memory in bytes: "VmRSS" now, "VmHWM" at its peak."""
    found = re.search(rf"{entry}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def train(
    config: Any, batch_size: int, length: int, precision: str, strategy: str, options: dict[str, Any] | None = None
) -> None:
    """Trains a fresh model of that config for some steps; `options` are those of training."""
    import tensorflow as tf

    from tftransfer import registry
    from tftransfer.backbones.backbone import Backbone
    from tftransfer.config import Training
    from tftransfer.model import TransferModel
    from tftransfer.tasks.components.heads import ClassificationHead
    from tftransfer.training.fine_tune import compile_model

    backbone = Backbone.assemble(config, pooler=False, dtype=precision)
    states, mask = backbone.features["last_hidden_state"], backbone.features["attention_mask"]
    logits = ClassificationHead(2, name="head")(states, mask)
    model = TransferModel(backbone.input, logits)
    model.task = registry.tasks.build("sequence_classification", {"labels": ["a", "b"]})
    compile_model(model, registry.strategies.build(strategy), Training(precision=precision, **(options or {})), _STEPS)
    ids = np.random.default_rng(0).integers(0, config.vocab_size, (batch_size, length)).astype("int32")
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    targets = np.arange(batch_size) % 2
    data = tf.data.Dataset.from_tensors((inputs, targets)).repeat()
    model.fit(data, steps_per_epoch=_STEPS, epochs=1, verbose=0)


def main() -> None:
    import dataclasses

    from tftransfer.backbones.transformer import TransformerConfig

    asked = json.loads(sys.argv[1])
    config = TransformerConfig.of(asked.pop("config"))
    # The baseline is what TensorFlow, its threads and a graph of this depth take, whatever the sizes. Another graph
    # takes room too, and how much is seen from a second small one.
    small = dataclasses.replace(config, vocab_size=8, hidden_size=config.num_heads * 4, intermediate_size=8)
    before = []
    for _ in range(2):
        train(small, 2, 8, asked["precision"], asked["strategy"], asked.get("options"))
        before.append(resident("VmRSS"))
    baseline = 2 * before[1] - before[0]
    train(config, **asked)
    print(json.dumps({"baseline": baseline, "above": resident("VmHWM") - baseline}))


if __name__ == "__main__":
    main()
