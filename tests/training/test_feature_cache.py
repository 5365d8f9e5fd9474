"""Training on features that were computed once is the training that computes them anew in every step."""

import dataclasses
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny import write_checkpoint

import tftransfer
from tftransfer import Examples
from tftransfer.config import Training
from tftransfer.errors import ConfigError
from tftransfer.model import TransferModel
from tftransfer.objective import Objective
from tftransfer.regularizers.regularizer import Regularizer
from tftransfer.strategies import FeatureExtraction, FrozenLayers, Full, RateTable
from tftransfer.strategies.strategy import Strategy
from tftransfer.tasks import MaskedLM, SequenceClassification, TokenClassification
from tftransfer.training.feature_cache import features_once, frozen_depth
from tftransfer.training.fine_tune import Trained, compile_model

LABELS = ["negative", "positive"]
TAGS = ["O", *(f"{part}-{label}" for label in LABELS for part in "BI")]


class Broken(keras.callbacks.Callback):
    """Spoils the embeddings and the lower layers once training begins: who still needs them sees NaN."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.lower = re.compile("|".join(["^embeddings/", *(f"^encoder/layer_{n}/" for n in range(depth))]))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        for variable in self.model.weights:
            if self.lower.search(variable.path):
                assert not variable.trainable
                variable.assign(np.full(variable.shape, np.nan))


class Twice(Regularizer):
    """Doubles the loss; for all that the training knows it may look at anything."""

    def objective(self, model: Any, objective: Objective) -> Objective:
        def doubled(x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
            logits, loss = objective(x, y, sample_weight)
            return logits, 2.0 * loss

        return doubled


def train(
    directory: Path, task: Any, strategy: Strategy, data: list[Examples], precision: str = "float32", **options: Any
) -> tuple[TransferModel, Trained]:
    keras.utils.set_random_seed(3)
    model = tftransfer.build(str(directory), task, strategy=strategy, precision=precision)
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 8, "learning_rate": 1e-3, "monitor": "loss"}
    settings["batching"] = "padded"  # as what is computed once is: packing would round otherwise
    trained = tftransfer.fine_tune(model, *data, **{"show_progress": False, **settings, **options})
    return model, trained


def assert_equal(once: tuple[TransferModel, Trained], anew: tuple[TransferModel, Trained]) -> None:
    for name, values in anew[1].history.items():
        if name != "seconds":
            np.testing.assert_allclose(once[1].history[name], values, rtol=1e-5, atol=1e-6, err_msg=name)
    assert once[1].best_epoch == anew[1].best_epoch
    moved = 0
    for ours, theirs in zip(once[0].weights, anew[0].weights, strict=True):
        # A key's bias has no gradient but for rounding, which Adam scales up to whole steps.
        if ours.trainable and "attention/key/bias" not in ours.path:
            # Elsewhere it scales up the rounding of the smallest gradients: a hundredth of a step here and there.
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=1e-5, err_msg=ours.path)
            moved += 1
    assert moved


def tagged(examples: Examples) -> Examples:
    texts = examples.columns["text"]
    spans = [[(0, text.index(" "), label)] for text, label in zip(texts, examples.columns["label"], strict=True)]
    return Examples({"text": texts, "spans": spans}, "toy.jsonl", examples.lines)


def paired(examples: Examples) -> Examples:
    columns = examples.columns
    return Examples({**columns, "text_pair": columns["text"][::-1]}, "toy.tsv", examples.lines)


CASES: dict[str, tuple[Any, Strategy, Callable[[Examples], Examples]]] = {
    "mean": (SequenceClassification(LABELS, pooling="mean"), FeatureExtraction(), lambda examples: examples),
    "pooler": (SequenceClassification(LABELS, pooling="pooler"), FeatureExtraction(), lambda examples: examples),
    "pairs, a layer": (SequenceClassification(LABELS, pooling="cls"), FrozenLayers(1), paired),
    "tags, a layer": (TokenClassification(TAGS), FrozenLayers(1), tagged),
}

QUICK = {"tags, a layer"}


@pytest.mark.parametrize("case", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in CASES])
def test_it_is_the_training_that_computes_them_anew(
    case: str, tiny_checkpoint: Path, dropping_checkpoint: Path, toy: Callable[..., Examples]
) -> None:
    """With dropout: what trains draws the same."""
    task, strategy, change = CASES[case]
    checkpoint = dropping_checkpoint if case == "mean" else tiny_checkpoint  # of one layer, of two
    data = [change(toy(21)), change(toy(11, seed=1))]
    anew = train(checkpoint, task, strategy, data, cache_features=False)
    depth = frozen_depth(anew[0])
    assert depth == (2 if case == "pooler" else 1)
    once = train(checkpoint, task, strategy, data, cache_features=True, callbacks=[Broken(depth)])
    assert_equal(once, anew)


@pytest.mark.parametrize(
    ("family", "fields"),
    [
        pytest.param(
            "deberta-v2", {"num_layers": 3}, marks=pytest.mark.slow
        ),  # relative positions and a convolution that layers share
        pytest.param("longformer", {}, marks=pytest.mark.slow),  # global tokens
        pytest.param("modernbert", {}, marks=pytest.mark.slow),  # normalises at the end, turns queries and keys
        pytest.param("mpnet", {}, marks=pytest.mark.slow),  # one bias for all layers
        pytest.param("roformer", {}, marks=pytest.mark.slow),
        pytest.param("big_bird", {}, marks=pytest.mark.slow),
        pytest.param("distilbert", {}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("layers", [1, pytest.param(None, marks=pytest.mark.slow)])
def test_every_kind_of_encoder(
    family: str, fields: dict[str, Any], layers: int | None, tmp_path: Path, toy: Callable[..., Examples]
) -> None:
    keys = {"conv_kernel_size": 3, "conv_act": "gelu"} if family == "deberta-v2" else {}
    write_checkpoint(tmp_path, family, fields, **keys)
    strategy = FeatureExtraction() if layers is None else FrozenLayers(layers)
    task, data = SequenceClassification(LABELS, pooling="mean"), [toy(13), toy(7, seed=1)]
    options: dict[str, Any] = {"epochs": 2}
    anew = train(tmp_path, task, strategy, data, cache_features=False, **options)
    once = train(tmp_path, task, strategy, data, callbacks=[Broken(1)], cache_features=True, **options)
    assert_equal(once, anew)


@pytest.mark.slow
def test_layers_that_share_their_variables(tmp_path: Path, toy: Callable[..., Examples]) -> None:
    """ALBERT's are one layer called several times: all of it is frozen, or none."""
    write_checkpoint(tmp_path, "albert", {"num_layers": 3})
    task = SequenceClassification(LABELS, pooling="mean")
    model, _ = train(
        tmp_path, task, FeatureExtraction(), [toy(9)], epochs=1, callbacks=[Broken(1)], cache_features=True
    )
    assert frozen_depth(model) == 3
    model, _ = train(tmp_path, task, RateTable((("^embeddings/", 0.0), ("", 1.0))), [toy(9)], epochs=1)
    assert frozen_depth(model) == 0


@pytest.mark.slow
def test_half_precision(tiny_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    task, data = SequenceClassification(LABELS, pooling="mean"), [toy(13), toy(7, seed=1)]
    half = "mixed_bfloat16"
    anew = train(tiny_checkpoint, task, FeatureExtraction(), data, half, cache_features=False)
    once = train(tiny_checkpoint, task, FeatureExtraction(), data, half, callbacks=[Broken(2)], cache_features=True)
    np.testing.assert_allclose(once[1].history["loss"], anew[1].history["loss"], rtol=1e-2)


def notes(model: TransferModel, data: Examples, regularizers: Sequence[Regularizer] = (), **options: Any) -> str:
    """Returns what a person is told of features before training would begin."""
    told: list[str] = []
    training = Training(**{"epochs": 2, **options})
    compile_model(model, model.strategy, training, 1, regularizers)
    encoded = model.encode(data, training=True)
    with features_once(model, encoded, None, training, [model.strategy, *regularizers], told.append):
        pass
    return "\n".join(told)


def test_who_does_it_by_default(tiny_checkpoint: Path, toy: Callable[..., Examples]) -> None:
    def told(strategy: Strategy, task: Any = None, **options: Any) -> str:
        task = task or SequenceClassification(LABELS)
        return notes(tftransfer.build(str(tiny_checkpoint), task, strategy=strategy), toy(8), **options)

    once, anew = "features of 8 rows computed once in ", "features are computed anew in every epoch: "
    assert told(FeatureExtraction()).startswith(once)
    assert told(FeatureExtraction(), epochs=1) == told(FrozenLayers(1)) == told(Full()) == ""
    assert told(FeatureExtraction(), cache_features=False) == ""
    assert told(Full(), cache_features=True) == anew + "no layer of a Transformer is frozen down to the embeddings"
    assert told(FeatureExtraction(), regularizers=[Twice()]) == anew + "Twice may look at the whole model"
    assert told(FeatureExtraction(), MaskedLM()) == anew + "masked_lm makes other inputs of the texts each time"


def test_a_network_that_is_no_transformer() -> None:
    inputs = {"input_ids": keras.Input((None,), dtype="int32", name="input_ids")}
    words = keras.layers.Embedding(9, 4, name="embeddings", trainable=False)(inputs["input_ids"])
    outputs = keras.layers.Dense(2)(keras.layers.LSTM(3, name="encoder", trainable=False)(words))
    assert frozen_depth(keras.Model(inputs, outputs)) == 0


def test_a_disk_that_is_full(
    tiny_checkpoint: Path, toy: Callable[..., Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = dataclasses.make_dataclass("Usage", ["free"])(10)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    model = tftransfer.build(str(tiny_checkpoint), SequenceClassification(LABELS), strategy=FeatureExtraction())
    with pytest.raises(ConfigError, match=r"cache_features: expected half of what is free .* Set TMPDIR"):
        notes(model, toy(8), cache_features=True)
    assert notes(model, toy(8)).startswith("features are computed anew in every epoch: cache_features: expected half")


def test_nothing_is_left(
    tiny_checkpoint: Path, toy: Callable[..., Examples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
            found.extend(tmp_path.iterdir())
            assert self.model.upper is not None

    found: list[Path] = []
    task = SequenceClassification(LABELS)
    model, _ = train(tiny_checkpoint, task, FeatureExtraction(), [toy(8)], epochs=2, callbacks=[Look()])
    assert [*found, *tmp_path.iterdir()] == []
    assert model.upper is None
    # The model is whole again, and can be saved.
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    inputs = model.encode(toy(8)).batch(np.arange(8))[0]
    assert np.array_equal(np.asarray(copy(inputs)), np.asarray(model(inputs)))


def test_a_wrong_number_of_layers(tiny_checkpoint: Path) -> None:
    model = tftransfer.build(str(tiny_checkpoint), SequenceClassification(LABELS))
    with pytest.raises(ConfigError, match=r"layers: expected at most 2, the layers of this model; received 3"):
        FrozenLayers(3).rates(model)
    with pytest.raises(ConfigError, match=r"layers: expected a number of layers >= 0, or null"):
        FrozenLayers(-1)
