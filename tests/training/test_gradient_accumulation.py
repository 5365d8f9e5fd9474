"""A batch in parts: loss, metrics and weights are those of the batch in one."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tftransfer
from tftransfer import Examples, registry
from tftransfer.config import Training
from tftransfer.errors import ConfigError
from tftransfer.gradients import share_of_gradients
from tftransfer.model import TransferModel
from tftransfer.regularizers import Adversarial, Mixout, RDrop
from tftransfer.regularizers.components.other_values import with_values
from tftransfer.strategies import Distillation, Full
from tftransfer.training.fine_tune import compile_model

TASKS: dict[str, dict[str, Any]] = {
    "sequence_classification": {"class_weights": {"negative": 3.0, "positive": 0.5}},
    "multi_label_classification": {},
    "regression": {},
    "token_classification": {},
    "masked_lm": {"mask_probability": 0.5},
}
REFUSED = {"sentence_embeddings"}


def made(checkpoint: Path, examples: Examples, name: str = "sequence_classification", **options: Any) -> TransferModel:
    keras.utils.set_random_seed(3)
    task = registry.tasks.build(name, TASKS.get(name, {}) | options.pop("task", {}))
    return tftransfer.build(str(checkpoint), task.resolve(examples.columns), **options)


def columns(toy: Callable[..., Examples], name: str, rows: int = 7) -> Examples:
    """Returns texts with answers as a task wants them."""
    examples = toy(rows)
    texts, labels = examples.columns["text"], examples.columns["label"]
    if name == "regression":
        labels = [str(len(text)) for text in texts]
    spans = [[(0, text.index(" "), label)] for text, label in zip(texts, labels, strict=True)]
    return Examples({"text": texts, "label": labels, "spans": spans}, "toy.tsv", examples.lines)


def stepped(model: TransferModel, batch: Any, parts: int) -> dict[str, Any]:
    """Returns the logs of a step from the weights as they are, and what it adds to the weights, which it puts back."""
    before = model.get_weights()
    model.reset_metrics()
    model.gradient_accumulation_steps = parts
    model.train_function = None
    model.optimizer.iterations.assign(0)  # Mixout draws by it
    logs = model.train_on_batch(*batch, return_dict=True)
    moved = {f"moved {v.path}": v.numpy() - old for v, old in zip(model.weights, before, strict=True)}
    model.set_weights(before)
    return {**logs, **moved}


def compiled(model: TransferModel, **options: Any) -> None:
    model.compile(keras.optimizers.SGD(1.0), model.task.loss(), metrics=model.task.metrics(), **options)
    model.clip_norm = 0.1  # less than any of the gradients' norms


def agree(parts: dict[str, Any], whole: dict[str, Any]) -> None:
    assert parts.keys() == whole.keys()
    for name in whole:
        assert np.abs(parts[name] - whole[name]).max() <= 1e-6 * max(1.0, np.abs(whole[name]).max()), name
    norm = np.sqrt(sum(np.square(value).sum() for name, value in whole.items() if name.startswith("moved")))
    assert norm == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("name", TASKS)
def test_a_step_is_that_of_the_whole_batch(name: str, shallow_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    examples = columns(toy, name)
    model = made(shallow_checkpoint, examples, name)
    compiled(model, run_eagerly=True)
    batch = model.encode(examples, training=True).batch(np.arange(7))
    if name in ("token_classification", "masked_lm"):
        assert len({*np.sum(batch[2] > 0, axis=1)}) > 1  # parts differ in what counts
    whole = stepped(model, batch, 1)
    for parts in (3, 9):  # of 3, 2 and 2 rows; of a row each, and two without
        agree(stepped(model, batch, parts), whole)


def test_every_task_is_right_or_refused() -> None:
    names = {name for name in registry.tasks.names() if registry.tasks.get(name).trains}
    refused = {name for name in names if registry.tasks.get(name).needs_whole_batch}
    assert refused == REFUSED
    assert names - refused - set(TASKS) == {"question_answering"}  # no loss over more than one row, no other weights


def alternating(model: TransferModel) -> Any:
    """Returns an objective whose every other call sees longer word vectors: R-Drop has something to do."""
    (table,) = [variable for variable in model.weights if "word_embeddings" in variable.path]
    calls, plain = itertools.count(), model.plain_objective

    def objective(x: Any, y: Any, sample_weight: Any) -> Any:
        longer = tf.convert_to_tensor(table) * (1.0 + 0.5 * (next(calls) % 2))
        return with_values(model, [(table, longer)], plain)(x, y, sample_weight)

    return objective


@pytest.mark.parametrize("name", ["distillation", "r_drop", "mixout"])
def test_what_wraps_the_objective(name: str, shallow_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    examples = columns(toy, "token_classification")
    model = made(shallow_checkpoint, examples, "token_classification")
    compiled(model, run_eagerly=True)
    if name == "distillation":
        teacher = made(shallow_checkpoint, examples, "token_classification")
        kernel = teacher.get_layer("head").logits.kernel
        kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))
    part = {
        "distillation": lambda: Distillation(teacher, hidden=0.5),
        "r_drop": lambda: RDrop(2.0),
        "mixout": lambda: Mixout(0.5),
    }[name]()
    batch = model.encode(examples, training=True).batch(np.arange(7))
    plain = stepped(model, batch, 1)
    model.objective = part.objective(model, alternating(model) if name == "r_drop" else model.plain_objective)
    whole = stepped(model, batch, 1)
    path = "moved encoder/layer_0/output/kernel"
    assert np.abs(plain[path] - whole[path]).max() > 1e-5
    agree(stepped(model, batch, 3), whole)


def trained(checkpoint: Path, examples: Examples, parts: int, rows: int = 13, **options: Any) -> tuple[Any, ...]:
    """Returns a model and the history of two epochs of batches of 5, 5 and 3 texts of several lengths."""
    precision = options.pop("precision", "float32")
    model = made(checkpoint, examples, precision=precision)
    training = {"epochs": 2, "batch_size": 5, "learning_rate": 3e-3, "clip_norm": 0.1, "show_progress": False}
    options = {"gradient_accumulation_steps": parts, **training, **options}
    return model, tftransfer.fine_tune(model, examples.take(np.arange(rows)), examples, **options).history


def moved(model: TransferModel) -> np.ndarray:
    # Of a key's bias the gradient is rounding alone, which Adam scales up.
    return np.concatenate([v.numpy().ravel() for v in model.trainable_variables if "key/bias" not in v.path])


@pytest.mark.parametrize(
    "options",
    [{}, pytest.param({"jit_compile": True}, marks=pytest.mark.slow)],
    ids=["graph", "xla"],
)
def test_a_training_is_the_same(options: Any, shallow_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    (whole, history), (parts, other) = (trained(shallow_checkpoint, toy(15), n, **options) for n in (1, 4))
    # XLA fuses the sum over one part otherwise than that over several; Adam scales the difference up.
    assert np.abs(moved(parts) - moved(whole)).max() <= (5e-6 if options else 1e-6)
    for name in history.keys() - {"seconds"}:
        assert other[name] == pytest.approx(history[name], abs=2e-6), name


def test_half_precision(shallow_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    half = [trained(shallow_checkpoint, toy(15), n, precision="mixed_bfloat16", epochs=1) for n in (1, 4)]
    (whole, history), (parts, other) = half
    # A product's gradient is rounded to bfloat16 once a part.
    assert other["loss"] == pytest.approx(history["loss"], abs=1e-3)
    assert np.abs(moved(parts) - moved(whole)).max() > 0
    assert {v.dtype for v in parts.optimizer.variables[3:]} == {"float32"}


def test_repeated_rows_of_a_table_are_added() -> None:
    table, other = keras.Variable(np.zeros((5, 2), "float32")), keras.Variable(np.zeros(3, "float32"))
    x = tf.constant([[1, 1], [1, 3], [4, 1]])

    def objective(x: Any, y: Any, sample_weight: Any) -> Any:
        return None, tf.reduce_mean(tf.reduce_sum(tf.gather(table.value, x), axis=[1, 2]))

    for parts in (1, 2):
        loss, found, none = share_of_gradients(objective, [table, other], (x, x, None), 3.0, lambda *seen: None, parts)
        assert float(loss) == 0
        assert (np.asarray(found) * 3).T.round(5).tolist() == [[0, 4, 0, 1, 1]] * 2
        assert np.asarray(none).tolist() == [0, 0, 0]


def test_what_needs_the_whole_batch(shallow_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    training, examples = Training(gradient_accumulation_steps=2), toy(7)
    model = made(shallow_checkpoint, examples)
    with pytest.raises(ConfigError, match=r"gradient_accumulation_steps: .* Adversarial looks at the gradient .*; rec"):
        compile_model(model, Full(), training, 1, [Adversarial()])
    pairs = Examples({"text": ["a", "b"], "text_pair": ["c", "d"]}, "toy.tsv", np.arange(2))
    pairs_model = made(shallow_checkpoint, pairs, "sentence_embeddings")
    with pytest.raises(ConfigError, match=r"steps: expected 1, for the loss of sentence_embeddings compares the rows"):
        compile_model(pairs_model, Full(), training, 1)

    def head(features: Any) -> Any:
        pooled = keras.layers.GlobalAveragePooling1D()(features["last_hidden_state"])
        return keras.layers.Dense(2)(keras.layers.BatchNormalization(name="means")(pooled))

    task = registry.tasks.build("sequence_classification", {"labels": ["negative", "positive"]})
    own = tftransfer.build(str(shallow_checkpoint), task, head=head)
    with pytest.raises(ConfigError, match=r"the layer 'means' normalises over a batch"):
        compile_model(own, Full(), training, 1)
