"""`fine_tune` on toy data: what it learns, what it keeps, when it stops."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny import write_checkpoint

import tftransfer
from tftransfer import Examples
from tftransfer.config import Training
from tftransfer.data.batches import BatchPlan
from tftransfer.errors import ConfigError, DataError, TrainingError
from tftransfer.model import TransferModel
from tftransfer.training.callbacks import BestWeights
from tftransfer.training.fine_tune import Trained, fit_encoded

QUICK = {"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "monitor": "loss"}
LABELS = ["negative", "positive"]


def build(checkpoint: Path, **options: Any) -> TransferModel:
    keras.utils.set_random_seed(1)
    return tftransfer.build(str(checkpoint), tftransfer.tasks.SequenceClassification(LABELS), **options)


def tune(model: TransferModel, *data: Examples, **options: Any) -> Trained:
    return tftransfer.fine_tune(model, *data, **{"show_progress": False, **QUICK, **options})


def weights(model: keras.Model) -> dict[str, bytes]:
    return {variable.path: variable.numpy().tobytes() for variable in model.weights}


class Recorder(keras.callbacks.Callback):
    """Counts the calls, and keeps the losses and the weights before the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, int] = {}
        self.losses: list[float] = []
        self.before: dict[str, bytes] = {}

    def _count(self, name: str) -> None:
        self.calls[name] = self.calls.get(name, 0) + 1

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._count("train")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._count("epoch")

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.before = weights(self.model)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._count("step")
        self.losses.append(logs["loss"])  # type: ignore[index]


def test_it_learns_the_labels(
    dropping_checkpoint: Path, toy: Callable[..., Examples], capsys: pytest.CaptureFixture[str]
) -> None:
    model, recorder = build(dropping_checkpoint), Recorder()
    trained = tune(
        model,
        toy(48),
        toy(20, seed=1),
        epochs=6,
        learning_rate=1e-2,
        monitor="accuracy",
        callbacks=[recorder],
        show_progress=True,
    )
    assert trained.history["loss"][-1] < trained.history["loss"][0] / 2
    assert max(trained.history["val_accuracy"]) == 1.0
    assert trained.history["val_accuracy"][trained.best_epoch - 1] == 1.0
    answers = model.predict_text(toy(20, seed=1).columns["text"])
    assert [answer["label"] for answer in answers] == toy(20, seed=1).columns["label"]
    # Our metrics, the user's callback, and what a person sees.
    names = {"loss", "accuracy", "macro_f1"}
    assert set(trained.history) == names | {f"val_{name}" for name in names} | {"seconds"}
    assert {len(values) for values in trained.history.values()} == {6}
    assert recorder.calls == {"train": 1, "epoch": 6, "step": 36}
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "epoch 6/6" in printed.err
    assert trained.rates[0].parameters == model.count_params()


class Steer(keras.callbacks.Callback):
    """Makes the answer of each epoch the same for every text; at so small a learning rate it stays that.

    Two thirds of the labels are positive: epoch 2 is right most often and has the least loss; epoch 4 is right as
    often.
    """

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logits = self.model.get_layer("head").logits
        logits.kernel.assign(0.0 * logits.kernel)
        logits.bias.assign([[1.0, -1.0], [-0.35, 0.35], [3.0, -3.0], [-2.0, 2.0]][epoch])


@pytest.mark.parametrize(("monitor", "patience", "epochs"), [("loss", None, 4), ("accuracy", 1, 3)])
def test_the_best_epoch_is_kept(
    shallow_checkpoint: Path,
    toy: Callable[..., Examples],
    tmp_path: Path,
    monitor: str,
    patience: int | None,
    epochs: int,
) -> None:
    model, saved = build(shallow_checkpoint), []
    validation = model.encode(toy(21, seed=1))
    trained = fit_encoded(
        model,
        model.encode(toy(16), training=True),
        validation,
        strategy=tftransfer.strategies.Full(),
        training=Training(**{**QUICK, "learning_rate": 1e-9, "epochs": 4, "monitor": monitor, "patience": patience}),
        callbacks=[Steer()],
        save=lambda epoch: saved.append((epoch, weights(model))),
        log_directory=tmp_path / "logs",
    )
    values = trained.history[f"val_{monitor}"]
    assert len(values) == epochs  # patience 1: epoch 3 was no better, so there is no epoch 4
    assert (np.argmin(values) if monitor == "loss" else np.argmax(values)) == 1
    assert trained.best_epoch == 2
    assert [epoch for epoch, _ in saved] == [0, 1]
    assert saved[-1][1] == weights(model)
    assert model.get_layer("head").logits.bias.numpy() == pytest.approx([-0.35, 0.35], abs=1e-6)
    again = model.evaluate(validation.evaluation_dataset(8), verbose=0, return_dict=True)
    assert again[monitor] == pytest.approx(values[1], abs=1e-6)
    assert list((tmp_path / "logs").rglob("events.out.tfevents.*"))


def test_without_validation_the_last_epoch_is_kept(shallow_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    model, recorder = build(shallow_checkpoint), Recorder()
    trained = tune(model, toy(24), patience=1, callbacks=[recorder])
    assert trained.best_epoch == 2
    assert len(trained.history["loss"]) == 2
    assert weights(model) != recorder.before


@pytest.mark.parametrize("what", ["weight", "embedding"])
def test_a_step_that_is_not_finite_stops_and_is_left_out(
    shallow_checkpoint: Path, toy: Callable[..., Examples], what: str
) -> None:
    model, recorder, rows = build(shallow_checkpoint), Recorder(), toy(24)
    if what == "embedding":  # of a token that only one text holds
        rows.columns["text"][13] += " zebra! café 7"
        table = model.get_layer("embeddings").word_embeddings.embeddings
        values = table.numpy()
        values[model.tokenizer.encode(["7"], max_length=8).input_ids[1]] = np.nan
        table.assign(values)
    train = model.encode(rows, training=True)
    if what == "weight":
        train.weights[13] = np.inf  # type: ignore[index]
    plan = BatchPlan(24, 8, seed=3)
    step = next(step for step in range(3) if 13 in plan.rows(0, step))
    names = [f"toy.tsv:{row + 2}" for row in plan.rows(0, step)]
    with pytest.raises(TrainingError, match=rf"at step {step + 1} of epoch 1.*examples: {', '.join(names)}\. Look"):
        fit_encoded(
            model,
            train,
            None,
            strategy=tftransfer.strategies.Full(),
            training=Training(**QUICK, seed=3),
            callbacks=[recorder],
            where=rows.where,
        )
    assert weights(model) == recorder.before
    assert len(recorder.losses) == step
    assert np.isfinite(recorder.losses).all()


def test_the_same_seed_twice_gives_the_same_bits(dropping_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    runs = []
    for _ in range(2):
        model = build(dropping_checkpoint)
        trained = tune(model, toy(24), seed=5, epochs=1)
        runs.append((weights(model), trained.history["loss"]))
    assert runs[0] == runs[1]


def test_xla_is_refused_where_it_cannot_compile(tmp_path: Path, toy: Callable[..., Examples]) -> None:
    write_checkpoint(tmp_path, "longformer")
    with pytest.raises(ConfigError, match=r"jit_compile: expected layers that XLA can compile; 'encoder' has shapes"):
        tune(build(tmp_path), toy(8), jit_compile=True)


def test_xla_gives_the_same_losses(shallow_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    losses = []
    for jit_compile in (False, True):
        # XLA compiles once for every length: here there is one.
        model, recorder = build(shallow_checkpoint, max_length=8), Recorder()
        tune(model, toy(24), jit_compile=jit_compile, callbacks=[recorder])
        assert model.jit_compile is jit_compile
        losses.append(recorder.losses)
    assert len(losses[0]) == 6
    assert np.abs(np.subtract(*losses)).max() <= 1e-4


def test_mixed_bfloat16_trains(shallow_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    model = build(shallow_checkpoint, precision="mixed_bfloat16")
    assert model.get_layer("encoder").compute_dtype == "bfloat16"
    assert {variable.dtype for variable in model.weights} == {"float32"}
    trained = tune(model, toy(32), epochs=6, learning_rate=1e-2)
    assert trained.history["loss"][-1] < trained.history["loss"][0] / 2
    assert model.predict_scores(toy(5)).dtype == np.float32


def test_feature_extraction_leaves_the_backbone_alone(dropping_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    model, rows = build(dropping_checkpoint), toy(24)
    before = weights(model)
    trained = tune(model, rows, strategy=tftransfer.strategies.FeatureExtraction())
    changed = {path for path, value in weights(model).items() if value != before[path]}
    assert changed == {"head/logits/kernel", "head/logits/bias"}
    assert [(row.rate, row.variables) for row in trained.rates] == [(0.0, len(before) - 2), (1.0, 2)]
    # No dropout in the backbone: what reaches the head in training is a function of the text.
    inputs = model.encode(rows).batch(np.arange(8))[0]
    features = keras.Model(model.input, model.get_layer("encoder").output[-1])
    training, inference = (np.asarray(features(inputs, training=training)) for training in (True, False))
    assert np.array_equal(training, inference)
    # The strategy alone has done it.
    tune(model, rows, epochs=1)
    assert not np.allclose(*(np.asarray(features(inputs, training=training)) for training in (True, False)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rat": 1e-5}, r"learning_rat: unknown key\. Did you mean 'learning_rate'\?"),
        ({"epochs": -1}, r"epochs: .*greater than or equal to 0; received -1"),
        ({"warmup": "ten"}, r"warmup.*received 'ten'"),
    ],
)
def test_a_wrong_option(
    shallow_checkpoint: Path, toy: Callable[..., Examples], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        tune(build(shallow_checkpoint), toy(8), **options)


def test_an_unknown_monitor(shallow_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    with pytest.raises(
        ConfigError, match=r"monitor: unknown metric 'acuracy'\. Did you mean 'accuracy'\? Known: accuracy, macro"
    ):
        tune(build(shallow_checkpoint), toy(8), toy(8), monitor="acuracy")


def test_examples_without_labels(shallow_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    bare = Examples({"text": ["good", "bad"]}, "bare.txt", np.array([1, 2]))
    for data in ((bare,), (toy(8), bare)):
        with pytest.raises(DataError, match=r"bare\.txt: expected answers, in a column 'label'; received text"):
            tune(build(shallow_checkpoint), *data)


def test_a_label_that_the_task_does_not_know(shallow_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    rows = toy(8)
    rows.columns["label"][3] = "positiv"
    with pytest.raises(DataError, match=r"toy\.tsv:5: unknown label 'positiv'\. Did you mean 'positive'\?"):
        tune(build(shallow_checkpoint), rows)


def test_any_number_is_better_than_nan() -> None:
    best = BestWeights("val_accuracy")
    best.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    for epoch, value in enumerate([float("nan"), 0.5, 0.4]):
        best.on_epoch_end(epoch, {"val_accuracy": value})
    assert (best.epoch, best.value) == (1, 0.5)
