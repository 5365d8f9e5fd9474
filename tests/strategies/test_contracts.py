"""What every strategy of the registry promises, whichever it is."""

import collections
import re
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

import tftransfer
from tftransfer import Examples, registry
from tftransfer.model import TransferModel
from tftransfer.strategies.strategy import BACKBONE, Strategy

ROWS = Examples(
    {"text": ["good lamp", "bad box", "great", "wrong and late"] * 2, "label": ["yes", "no"] * 4},
    "toy.tsv",
    np.arange(8),
)


@pytest.fixture(scope="module")
def checkpoint(make_checkpoint: Callable[..., Path]) -> str:
    return str(make_checkpoint({"num_hidden_layers": 1}))


def build(checkpoint: str, strategy: Strategy | None = None) -> TransferModel:
    task = tftransfer.tasks.SequenceClassification(labels=["no", "yes"])
    return tftransfer.build(checkpoint, task, strategy=strategy)


def test_the_backbone_is_told_from_the_head(checkpoint: str) -> None:
    paths = [variable.path for variable in build(checkpoint).weights]
    assert [path for path in paths if not re.search(BACKBONE, path)] == ["head/logits/kernel", "head/logits/bias"]


@pytest.mark.parametrize("name", registry.strategies.names())
def test_a_strategy(name: str, checkpoint: str, tmp_path: Path) -> None:
    strategy = registry.strategies.build(name)
    model = build(checkpoint, strategy)
    before = {variable.path: variable.numpy() for variable in model.weights}

    # Every variable has one rate, that of the first pattern in its path, and something trains.
    table = strategy.rates(model)
    first = {path: next(n for n, (pattern, _) in enumerate(table) if re.search(pattern, path)) for path in before}
    trained = tftransfer.fine_tune(
        model, ROWS, strategy=strategy, epochs=1, batch_size=8, warmup=0, learning_rate=1e-2, show_progress=False
    )
    claimed = collections.Counter(first.values())
    assert [(row.pattern, row.rate) for row in trained.rates] == list(table)
    assert [row.variables for row in trained.rates] == [claimed[n] for n in range(len(table))]
    assert sum(row.parameters for row in trained.rates) == sum(value.size for value in before.values())
    frozen = {path for path, row in first.items() if table[row][1] == 0}
    assert {variable.path for variable in model.trainable_variables} == set(before) - frozen

    # A step moves what is not frozen, and leaves the rest bit for bit.
    assert np.isfinite(trained.history["loss"]).all()
    still = {v.path for v in model.weights if v.numpy().tobytes() == before[v.path].tobytes()}
    assert still == frozen

    # Saved and loaded, it answers the same, and would train on as before.
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    inputs = model.encode(ROWS).batch(np.arange(8))[0]
    assert np.array_equal(np.asarray(copy(inputs)), np.asarray(model(inputs)))
    assert {v.path for v in copy.trainable_variables} == set(before) - frozen
    assert copy.clip_norm == model.clip_norm == 1.0
    state = zip(model.optimizer.variables, copy.optimizer.variables, strict=True)
    assert all(np.array_equal(ours.numpy(), theirs.numpy()) for ours, theirs in state)
