"""What each regularizer computes, against PyTorch, NumPy, or what its paper says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from torch.nn import functional

import tftransfer
from tftransfer import Examples
from tftransfer.config import Training
from tftransfer.errors import ConfigError
from tftransfer.model import TransferModel
from tftransfer.regularizers import Adversarial, Ema, Mixout, RDrop, Regularizer, Reinitialize
from tftransfer.regularizers.components.other_values import with_values
from tftransfer.strategies import Full
from tftransfer.training.fine_tune import compile_model

Build = Callable[..., TransferModel]
QUERY = "encoder/layer_0/attention/query/kernel"
WORDS = "embeddings/word_embeddings/embeddings"


def compiled(model: TransferModel, *regularizers: Regularizer) -> TransferModel:
    compile_model(model, Full(), Training(), 10, regularizers)
    return model


def batch_of(model: TransferModel, rows: Examples) -> tuple[Any, ...]:
    """Returns inputs, targets and sample weights that differ."""
    x, y, _ = model.encode(rows, training=True).batch(np.arange(8))
    return {name: tf.constant(value) for name, value in x.items()}, tf.constant(y), tf.linspace(0.5, 1.5, 8)


def variable(model: TransferModel, path: str) -> Any:
    (found,) = [v for v in model.weights if v.path == path]
    return found


# --- other values ---


def test_other_values_are_seen_and_the_state_of_dropout_moves(dropping: Path, build: Build, rows: Examples) -> None:
    model = compiled(build(dropping))
    batch, table = batch_of(model, rows), variable(model, WORDS)
    seeds = [v for v in model.non_trainable_variables if "seed" in v.path]
    before, value = [v.numpy() for v in seeds], table.numpy()
    plain, loss = model.plain_objective(*batch)
    after = [v.numpy() for v in seeds]
    assert all((one != other).any() for one, other in zip(before, after, strict=True))

    def again(objective: Any) -> tuple[Any, Any]:
        for v, state in zip(seeds, before, strict=True):
            v.assign(state)
        found = objective(*batch)
        assert [v.numpy().tolist() for v in seeds] == [state.tolist() for state in after]
        return found

    same, same_loss = again(with_values(model, [], with_values(model, [], model.plain_objective)))
    assert np.array_equal(same, plain)
    assert float(same_loss) == float(loss)
    # Of scopes within one another, each sees the outer one's values.
    bias = variable(model, "head/logits/bias")
    inner = with_values(model, [(table, 2.0 * table)], model.plain_objective)
    other, _ = again(with_values(model, [(bias, bias + 1.0)], inner))
    assert np.array_equal(table.numpy(), value)
    table.assign(2 * value)
    bias.assign(bias + 1.0)
    assert np.abs(np.asarray(other) - np.asarray(again(model.plain_objective)[0])).max() <= 1e-6
    assert np.abs(np.asarray(other) - 1 - np.asarray(plain)).max() > 1e-3


# --- R-Drop ---


def test_r_drop_is_that_of_pytorch(dropping: Path, build: Build, rows: Examples) -> None:
    model = compiled(build(dropping))
    x, y, weights = batch_of(model, rows)
    passes = []

    def recorded(*batch: Any) -> tuple[Any, Any]:
        passes.append(model.plain_objective(*batch))
        return passes[-1]

    logits, loss = RDrop(alpha=5).objective(model, recorded)(x, y, weights)
    (first, _), (second, _) = passes
    assert logits is first
    p, q = torch.tensor(np.asarray(first)), torch.tensor(np.asarray(second))
    assert (p - q).abs().max() > 1e-2
    weights, target = torch.tensor(np.asarray(weights)), torch.tensor(np.asarray(y)).long()
    crossentropy = (functional.cross_entropy(p, target, reduction="none") * weights).mean()
    crossentropy += (functional.cross_entropy(q, target, reduction="none") * weights).mean()
    log_p, log_q = functional.log_softmax(p, -1), functional.log_softmax(q, -1)
    apart = functional.kl_div(log_p, log_q, reduction="none", log_target=True).sum(-1)
    apart += functional.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1)
    expected = crossentropy / 2 + 5 * (apart * weights).mean() / 2
    assert float(loss) == pytest.approx(expected.item(), rel=1e-5)


def test_r_drop_does_nothing_without_dropout(still: Path, build: Build, rows: Examples) -> None:
    model = compiled(build(still))
    batch = batch_of(model, rows)
    expected = float(model.plain_objective(*batch)[1])
    assert float(RDrop().objective(model, model.plain_objective)(*batch)[1]) == pytest.approx(expected, rel=1e-6)


# --- Mixout ---


def test_mixout_draws_values_whose_mean_is_the_weight(still: Path, build: Build) -> None:
    model, p, draws = build(still), 0.7, 400
    kernel, bias = variable(model, QUERY), variable(model, QUERY.replace("kernel", "bias"))
    start = kernel.numpy()
    model = compiled(model)

    def seen(*_: Any) -> tuple[Any, Any]:
        return tf.convert_to_tensor(bias), tf.convert_to_tensor(kernel)

    objective = Mixout(p).objective(model, seen)
    assert np.array_equal(objective(0, 0, 0)[1], start)  # nothing has moved yet
    assert Mixout(0.0).objective(model, seen) is seen
    moved = np.random.default_rng(0).choice([-1.0, 1.0], start.shape).astype("float32")
    kernel.assign(start + moved)
    bias.assign(bias + 1.0)
    found = []
    for step in range(draws):
        model.optimizer.iterations.assign(step)
        with tf.GradientTape() as tape:
            same, value = objective(0, 0, 0)
            total = tf.reduce_sum(value)
        assert np.array_equal(same, bias.numpy())  # a vector is not mixed
        found.append((np.asarray(value) - start) / moved)
        gradient = np.asarray(tape.gradient(total, kernel.value))
        assert np.allclose(gradient, found[-1], atol=1e-5)
    shares = np.stack(found)
    put_back = np.abs(shares) < 1e-5
    assert np.abs(shares[~put_back] - 1 / (1 - p)).max() <= 1e-5
    assert put_back.mean() == pytest.approx(p, abs=0.005)
    # 400 draws of 1024 weights, each with a standard deviation of sqrt(p / (1 - p)) = 1.53.
    assert shares.mean() == pytest.approx(1.0, abs=0.02)
    assert np.abs(shares.mean(axis=0) - 1).max() < 5 * 1.53 / draws**0.5
    assert not np.array_equal(put_back[0], put_back[1])


def test_mixout_of_nearly_everything_stays_at_the_pretrained(still: Path, build: Build, rows: Examples) -> None:
    model = build(still)
    before = {v.path: v.numpy() for v in model.weights}
    options = {"epochs": 1, "batch_size": 8, "warmup": 0, "weight_decay": 0.0, "show_progress": False}
    tftransfer.fine_tune(model, rows, regularizers=[Mixout(0.999)], **options)
    moved = {v.path: np.mean(v.numpy() != before[v.path]) for v in model.weights}
    assert 0 < np.mean([moved[path] for path in moved if path.startswith("encoder") and path.endswith("kernel")]) < 0.01
    assert moved["head/logits/kernel"] == 1  # which no checkpoint filled


# --- Adversarial training ---


class TorchClassifier(torch.nn.Module):
    """The checkpoint in PyTorch, with the head of a model of ours on the pooler."""

    def __init__(self, checkpoint: Path, model: TransferModel) -> None:
        super().__init__()
        self.bert = transformers.BertModel.from_pretrained(checkpoint, attn_implementation="eager")
        head = model.get_layer("head").logits
        self.head = torch.nn.Linear(*head.kernel.shape)
        self.head.weight.data = torch.tensor(head.kernel.numpy().T.copy())
        self.head.bias.data = torch.tensor(head.bias.numpy())

    def loss(self, inputs: dict[str, torch.Tensor], target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        logits = self.head(self.bert(**inputs).pooler_output)
        return (functional.cross_entropy(logits, target, reduction="none") * weights).mean()


def test_adversarial_training_is_that_of_pytorch(still: Path, build: Build, rows: Examples) -> None:
    model, epsilon = build(still), 3.0
    module = TorchClassifier(still, model)
    compiled(model)
    x, y, weights = batch_of(model, rows)
    with tf.GradientTape() as tape:
        _, loss = Adversarial(epsilon).objective(model, model.plain_objective)(x, y, weights)
    kernel = variable(model, QUERY)
    gradients = tape.gradient(loss, [kernel.value, variable(model, WORDS).value])

    inputs = {name: torch.tensor(value.numpy()).long() for name, value in x.items()}
    target, weights = torch.tensor(y.numpy()).long(), torch.tensor(weights.numpy())
    table = module.bert.embeddings.word_embeddings.weight
    clean = module.loss(inputs, target, weights)
    clean.backward()
    assert table.grad is not None
    step = epsilon * table.grad / table.grad.norm()
    table.data += step
    worse = module.loss(inputs, target, weights)
    worse.backward()
    assert worse > clean + 1e-3
    assert float(loss) == pytest.approx((clean + worse).item(), rel=1e-5)
    query = module.bert.encoder.layer[0].attention.self.query.weight.grad
    for ours, theirs in zip(gradients, (query.T, table.grad), strict=True):
        assert np.abs(tf.convert_to_tensor(ours).numpy() - theirs.numpy()).max() <= 1e-5 * theirs.abs().max().item()


# --- Moving average ---


class Recorder(keras.callbacks.Callback):
    """Keeps the weights after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[list[np.ndarray]] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.weights.append(self.model.get_weights())


@pytest.mark.parametrize("validated", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_moving_average_is_what_is_kept(still: Path, build: Build, rows: Examples, validated: bool) -> None:
    model, recorder, momentum, saved = build(still), Recorder(), 0.8, []
    options = {"epochs": 3, "batch_size": 2, "learning_rate": 1e-2, "monitor": "loss", "show_progress": False}

    def after(epoch: int, logs: Any) -> None:
        saved.append(model.get_weights())
        model.stop_training = not validated and epoch == 1  # an early end is another one to Keras

    callbacks = [recorder, keras.callbacks.LambdaCallback(on_epoch_end=after)]
    validation = rows if validated else None
    trained = tftransfer.fine_tune(
        model, rows, validation, regularizers=[Ema(momentum)], callbacks=callbacks, **options
    )
    averages = [recorder.weights[0]]
    for weights in recorder.weights[1:]:
        averages.append([momentum * a + (1 - momentum) * w for a, w in zip(averages[-1], weights, strict=True)])
    assert len(averages) == (12 if validated else 8)
    assert difference(recorder.weights[-1], averages[-1]) > 1e-2
    for kept, average in zip(saved, averages[3::4], strict=True):
        assert difference(kept, average) <= 1e-6
    assert difference(model.get_weights(), averages[4 * trained.best_epoch - 1]) <= 1e-6
    if validated:  # by the average, too
        measured = model.measure(model.encode(rows))["loss"]
        assert measured == pytest.approx(trained.history["val_loss"][trained.best_epoch - 1], rel=1e-4)
    else:  # and the training itself is what it would be without
        other, without = build(still), Recorder()
        tftransfer.fine_tune(other, rows, callbacks=[without], **options)
        assert difference(recorder.weights[7], without.weights[7]) <= 1e-6


def difference(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


# --- Fresh layers ---


@pytest.mark.parametrize(("layers", "pooler"), [(1, True), (2, False)])
def test_fresh_layers(make_checkpoint: Callable[..., Path], build: Build, layers: int, pooler: bool) -> None:
    checkpoint = make_checkpoint({"num_hidden_layers": 3, "initializer_range": 0.05})
    model = build(checkpoint)
    before = {v.path: v.numpy() for v in model.weights}
    Reinitialize(layers, pooler=pooler).prepare(model)
    roots = [f"encoder/layer_{n}/" for n in range(3 - layers, 3)] + ["pooler/"] * pooler
    fresh = {path for path in before if path.startswith(tuple(roots))}
    assert len(fresh) == 16 * layers + 2 * pooler
    for v in model.weights:
        value = v.numpy()
        assert np.array_equal(value, before[v.path]) == (v.path not in fresh)
        if v.path in fresh and value.ndim == 1:
            assert (value == (1 if v.path.endswith("gamma") else 0)).all()
        elif v.path in fresh:
            # A normal distribution cut at two of its deviations has 0.880 of them.
            assert value.std() == pytest.approx(0.880 * 0.05, rel=0.1)
            assert np.abs(value).max() <= 0.1
    assert model.load_report is not None
    assert set(model.load_report.fresh) == fresh | {"head/logits/kernel", "head/logits/bias"}
    assert fresh.isdisjoint(model.load_report.loaded)
    with pytest.raises(ConfigError, match="layers: expected at most 3, what the model has; received 4"):
        Reinitialize(4).prepare(model)
