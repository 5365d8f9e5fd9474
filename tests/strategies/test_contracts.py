"""What every strategy of the registry promises, whichever it is."""

import collections
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from strategy_blocks import EPOCHS, build_strategy, strategy_block

import tftransfer
from tftransfer import Examples, registry
from tftransfer.additions import Additions
from tftransfer.config import Training
from tftransfer.data.batches import BatchPlan
from tftransfer.errors import ConfigError
from tftransfer.model import TransferModel
from tftransfer.strategies.strategy import BACKBONE, Strategy
from tftransfer.training.fine_tune import compile_model

ROWS = Examples(
    {"text": ["good lamp", "bad box", "great", "wrong and late"] * 2, "label": ["yes", "no"] * 4},
    "toy.tsv",
    np.arange(8),
)
# All of them, the quick suite only those that are unlike each other.
QUICK = {"gradual_unfreezing", "lora"}
ALIKE = {"bitfit", "full", "ia3", "layer_norm", "layerwise_decay", "rates"}  # tables, or like another one
NAMES = [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in registry.strategies.names()]


@pytest.fixture(scope="module")
def still_checkpoint(make_checkpoint: Callable[..., Path]) -> str:
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return str(make_checkpoint({"num_hidden_layers": 1, **still}))


@pytest.fixture(scope="module")
def checkpoint(make_checkpoint: Callable[..., Path]) -> str:
    return str(make_checkpoint({"num_hidden_layers": 1}))


def build(checkpoint: str, strategy: Strategy | None = None, precision: str = "float32") -> TransferModel:
    task = tftransfer.tasks.SequenceClassification(labels=["no", "yes"])
    return tftransfer.build(checkpoint, task, strategy=strategy, precision=precision)


def strategy_of(name: str, checkpoint: str) -> Strategy:
    """Returns the strategy of that name; whatever other models it wants are fresh ones."""
    return build_strategy(strategy_block(name), lambda run: build(checkpoint))


def test_the_backbone_is_told_from_the_head(checkpoint: str) -> None:
    paths = [variable.path for variable in build(checkpoint).weights]
    assert [path for path in paths if not re.search(BACKBONE, path)] == ["head/logits/kernel", "head/logits/bias"]


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n in ALIKE else []) for n in registry.strategies.names()],
)
def test_a_strategy(name: str, checkpoint: str, tmp_path: Path) -> None:
    strategy = strategy_of(name, checkpoint)
    model = build(checkpoint, strategy)
    before: dict[str, np.ndarray] = {variable.path: variable.numpy() for variable in model.weights}

    def remember(logs: Any = None) -> None:  # what the main training begins with; stages come before it
        before.update({variable.path: variable.numpy() for variable in model.weights})

    # Every variable has one rate, that of the first pattern in its path, and something trains.
    table = strategy.rates(model)
    first = {path: next(n for n, (pattern, _) in enumerate(table) if re.search(pattern, path)) for path in before}
    options = {"epochs": EPOCHS.get(name, 1), "batch_size": 8, "warmup": 0, "learning_rate": 1e-2}
    watch = keras.callbacks.LambdaCallback(on_train_begin=remember)
    trained = tftransfer.fine_tune(model, ROWS, callbacks=[watch], show_progress=False, **options)
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


@pytest.mark.parametrize("name", NAMES)
def test_a_training_that_goes_on_is_the_one_that_was_never_stopped(
    name: str, still_checkpoint: str, tmp_path: Path
) -> None:
    """Rates, moments and the schedule go on, from a `.keras` file, where they were."""
    plan, training = BatchPlan(len(ROWS), 4, seed=0), Training(epochs=3, batch_size=4, learning_rate=1e-2, warmup=2)

    def compiled() -> TransferModel:
        keras.utils.set_random_seed(0)
        model = build(still_checkpoint, strategy_of(name, still_checkpoint))
        compile_model(model, model.strategy, training, 3 * plan.steps_per_epoch)
        return model

    def fit(model: TransferModel, strategy: Strategy, first: int, end: int) -> None:
        skipped = first * plan.steps_per_epoch
        model.fit(
            encoded.training_dataset(plan, 3).skip(skipped),
            initial_epoch=first,
            epochs=end,
            steps_per_epoch=plan.steps_per_epoch,
            callbacks=strategy.callbacks(model),
            shuffle=False,
            verbose=0,
        )

    whole, part = compiled(), compiled()
    encoded, strategy = whole.encode(ROWS, training=True), whole.strategy
    fit(whole, strategy, 0, 3)
    fit(part, strategy, 0, 1)
    part.save(tmp_path / "part.keras")
    rest = keras.saving.load_model(tmp_path / "part.keras")
    rest.task, rest.tokenizer, rest.max_length = part.task, part.tokenizer, part.max_length
    rest.objective = strategy.objective(rest, rest.objective)
    fit(rest, strategy, 1, 3)
    for ours, theirs in zip(rest.weights, whole.weights, strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy()), ours.path


@pytest.mark.parametrize("name", NAMES)
def test_half_precision(name: str, checkpoint: str) -> None:
    model = build(checkpoint, strategy_of(name, checkpoint), "mixed_bfloat16")
    before: dict[str, np.ndarray] = {}

    def remember(logs: Any = None) -> None:  # what the main training begins with; stages come before it
        before.update({variable.path: variable.numpy() for variable in model.weights})

    options = {"epochs": EPOCHS.get(name, 1), "batch_size": 8, "warmup": 0, "learning_rate": 1e-2}
    watch = keras.callbacks.LambdaCallback(on_train_begin=remember)
    trained = tftransfer.fine_tune(model, ROWS, callbacks=[watch], show_progress=False, **options)
    assert np.isfinite(trained.history["loss"]).all()
    moved = {v.path for v in model.weights if v.numpy().tobytes() != before[v.path].tobytes()}
    trainable = {v.path for v in model.trainable_variables}
    assert moved <= trainable
    # Rounding may leave a variable or two without a gradient.
    assert len(moved) >= 0.8 * len(trainable)


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.strategies.names())
def test_an_export_answers_as_the_model(name: str, checkpoint: str, tmp_path: Path) -> None:
    model = build(checkpoint, strategy_of(name, checkpoint))
    tftransfer.fine_tune(model, ROWS, epochs=1, batch_size=8, learning_rate=1e-2, show_progress=False)
    # It compares the answers of a fresh process with the model's, and raises where they differ.
    version = tftransfer.export(model, tmp_path / "export", texts=ROWS.columns["text"])
    assert (version / "saved_model.pb").is_file()


def test_a_strategy_that_adds_layers_wants_a_model_built_for_it(checkpoint: str) -> None:
    adding = [
        name for name in registry.strategies.names() if build_strategy(strategy_block(name)).additions() != Additions()
    ]
    for name in adding[:1]:
        with pytest.raises(ConfigError, match=r"built for it, since it adds layers; build the model with strategy="):
            tftransfer.fine_tune(build(checkpoint), ROWS, strategy=build_strategy(strategy_block(name)), epochs=1)
