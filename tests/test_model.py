"""A backbone with a head: building it, asking it, saving it, and its one training step."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tftransfer
from tftransfer import Examples
from tftransfer.errors import ConfigError, DataError
from tftransfer.model import TransferModel

TASK = tftransfer.tasks.SequenceClassification(labels=["no", "yes"])
TEXTS = ["good", "a very long day and a late delivery", "bad box", "", "we will see", "refund me today please", "no"]


@pytest.fixture(scope="module")
def checkpoint(make_checkpoint: Callable[..., Path]) -> str:
    return str(make_checkpoint({"num_hidden_layers": 1}))


@pytest.fixture(scope="module")
def model(checkpoint: str) -> TransferModel:
    """A model whose answers differ from text to text; do not train it."""
    keras.utils.set_random_seed(0)
    model = tftransfer.build(checkpoint, TASK)
    logits = model.get_layer("head").logits
    logits.kernel.assign(keras.random.normal(logits.kernel.shape, seed=0))
    logits.bias.assign(-np.mean(model(model.encode(examples(TEXTS)).batch(np.arange(7))[0]), axis=0))
    return model


def examples(texts: list[str]) -> Examples:
    labels = [TASK.labels[n % 2] for n in range(len(texts))]  # type: ignore[index]
    return Examples({"text": texts, "label": labels}, "toy.tsv", np.arange(len(texts)) + 2)


@pytest.mark.parametrize("max_length", [2, 65, 0, -1])
def test_a_max_length_out_of_range(checkpoint: str, max_length: int) -> None:
    with pytest.raises(ConfigError, match=rf"max_length: expected 3 to 64, .*; received {max_length}\."):
        tftransfer.build(checkpoint, TASK, max_length=max_length)


def test_max_length(checkpoint: str, model: TransferModel) -> None:
    assert model.max_length == 64  # 128, but for the positions of this checkpoint
    short = tftransfer.build(checkpoint, TASK, max_length=5, weights=False)
    assert short.encode(examples(["good " * 50])).batch(np.array([0]))[0]["input_ids"].shape == (1, 5)


def test_labels_must_be_known(checkpoint: str) -> None:
    with pytest.raises(ConfigError, match="labels are not known"):
        tftransfer.build(checkpoint, tftransfer.tasks.SequenceClassification())


def test_a_precision_that_is_none(checkpoint: str) -> None:
    with pytest.raises(ConfigError, match=r"precision: expected float32 or mixed_bfloat16; received 'mixed_float16'"):
        tftransfer.build(checkpoint, TASK, precision="mixed_float16")


def test_one_text_is_not_a_list_of_texts(model: TransferModel) -> None:
    with pytest.raises(ConfigError, match=r"a list of texts; received one string, 'good'\. Put it into a list"):
        model.predict_text("good")


def test_no_text_has_no_answer(model: TransferModel) -> None:
    assert model.predict_text([]) == []


def test_answers_are_those_of_the_network(model: TransferModel) -> None:
    answers = model.predict_text(TEXTS)
    assert {answer["label"] for answer in answers} == {"no", "yes"}
    for text, answer in zip(TEXTS, answers, strict=True):
        ids = np.array([model.tokenizer.encode([text], max_length=64).input_ids])
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        odds = np.exp(np.asarray(model(inputs))[0])
        assert [answer["scores"][label] for label in ("no", "yes")] == pytest.approx(odds / odds.sum(), abs=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_order_and_batch_size_do_not_matter(model: TransferModel, batch_size: int) -> None:
    expected = {text: answer["scores"] for text, answer in zip(TEXTS, model.predict_text(TEXTS), strict=True)}
    shuffled = [TEXTS[n] for n in (4, 0, 6, 2, 5, 1, 3)]
    for text, answer in zip(shuffled, model.predict_text(shuffled, batch_size=batch_size), strict=True):
        assert answer["scores"] == pytest.approx(expected[text], abs=1e-6)


def test_pairs_of_texts(model: TransferModel) -> None:
    firsts, seconds = ["good day", "bad box"], ["no", "we will see"]
    answers = model.predict_text(firsts, seconds)
    ids = model.tokenizer.encode(firsts[:1], seconds[:1], max_length=64)
    assert ids.token_type_ids.tolist() == [0, 0, 0, 0, 1, 1]  # [CLS] good day [SEP] no [SEP]
    inputs = {"input_ids": ids.input_ids[None], "attention_mask": np.ones((1, 6), "int32")}
    scores = TASK.scores(np.asarray(model(inputs | {"token_type_ids": ids.token_type_ids[None]})))[0]
    assert list(answers[0]["scores"].values()) == pytest.approx(scores, abs=1e-6)
    assert answers[0]["scores"] != model.predict_text(firsts[:1])[0]["scores"]
    with pytest.raises(DataError, match="expected 2 values in every column"):
        model.predict_text(firsts, seconds[:1])


def test_a_wrong_label_is_named_by_file_and_line(model: TransferModel) -> None:
    rows = examples(TEXTS)
    rows.columns["label"][2] = "Yes"
    with pytest.raises(DataError, match=r"1 examples do not fit the task:\ntoy\.tsv:4: unknown label 'Yes'.*'yes'\?"):
        model.encode(rows)


def test_example_weights_are_for_training_alone(checkpoint: str) -> None:
    task = tftransfer.tasks.SequenceClassification(labels=["no", "yes"], class_weights={"yes": 3.0})
    weighted = tftransfer.build(checkpoint, task, weights=False)
    rows = np.arange(3)
    assert weighted.encode(examples(TEXTS), training=True).batch(rows)[2].tolist() == [1.0, 3.0, 1.0]
    assert weighted.encode(examples(TEXTS)).batch(rows)[2].tolist() == [1.0, 1.0, 1.0]


def test_the_training_step_is_that_of_a_plain_keras_model(make_checkpoint: Callable[..., Path]) -> None:
    still = make_checkpoint({"num_hidden_layers": 1, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0})
    ours = tftransfer.build(str(still), TASK)
    plain = keras.Model(ours.input, ours.output)  # the same variables
    x, y, _ = ours.encode(examples(TEXTS)).batch(np.arange(7))
    weights = np.linspace(0.5, 2.0, 7, dtype="float32")
    start, results = ours.get_weights(), []
    for network in (ours, plain):
        network.set_weights(start)
        network.compile(keras.optimizers.SGD(0.5), TASK.loss(), metrics=["accuracy"], run_eagerly=True)
        logs = network.train_on_batch(x, y, weights, return_dict=True)
        results.append((logs, network.get_weights()))
    (our_logs, our_weights), (plain_logs, plain_weights) = results
    assert our_logs == pytest.approx(plain_logs, abs=1e-6)
    assert set(our_logs) == {"loss", "accuracy"}
    assert max(np.abs(a - b).max() for a, b in zip(our_weights, plain_weights, strict=True)) <= 1e-6
    assert max(np.abs(a - b).max() for a, b in zip(our_weights, start, strict=True)) > 1e-2


def test_the_gradient_is_clipped_by_its_global_norm(make_checkpoint: Callable[..., Path]) -> None:
    keras.utils.set_random_seed(1)
    still = make_checkpoint({"num_hidden_layers": 1, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0})
    model = tftransfer.build(str(still), TASK)
    model.compile(keras.optimizers.SGD(1.0), TASK.loss(), run_eagerly=True)
    start, moves = model.get_weights(), []
    # Rows of the same words: the norm of a sparse gradient with repeated rows would be another one.
    x, y, _ = model.encode(examples(["good good good day"] * 4)).batch(np.arange(4))
    for clip_norm in (None, 0.01, 100.0):
        model.set_weights(start)
        model.clip_norm = clip_norm
        model.train_on_batch(x, y)
        moves.append(np.concatenate([(a - b).ravel() for a, b in zip(model.get_weights(), start, strict=True)]))
    norm = np.linalg.norm(moves[0].astype("float64"))
    assert norm > 0.05
    assert moves[1] == pytest.approx(moves[0] * 0.01 / norm, abs=1e-6)
    assert moves[2] == pytest.approx(moves[0], abs=1e-7)


def own_head(features: Mapping[str, Any]) -> Any:
    """Returns logits of a head of Keras's own layers."""
    hidden = keras.layers.Dense(8, activation="relu", name="inner")(features["last_hidden_state"])
    return keras.layers.Dense(2, name="out")(keras.layers.GlobalAveragePooling1D(name="pool")(hidden))


def test_a_head_of_ones_own_trains_and_is_saved_whole(checkpoint: str, tmp_path: Path) -> None:
    model = tftransfer.build(checkpoint, TASK, head=own_head)
    assert {v.path for v in model.weights if v.path.startswith(("out/", "inner/"))} == {
        f"{layer}/{leaf}" for layer in ("out", "inner") for leaf in ("kernel", "bias")
    }
    before = model.get_layer("inner").kernel.numpy()
    tftransfer.fine_tune(model, examples(TEXTS), epochs=1, warmup=0, learning_rate=1e-3, show_progress=False)
    assert np.abs(model.get_layer("inner").kernel.numpy() - before).max() > 1e-4
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(copy, TransferModel)
    inputs = model.encode(examples(TEXTS)).batch(np.arange(7))[0]
    assert np.array_equal(np.asarray(copy(inputs)), np.asarray(model(inputs)))
    # With its optimizer, so that training can go on.
    assert int(copy.optimizer.iterations.numpy()) == 1
    for ours, theirs in zip(model.optimizer.variables, copy.optimizer.variables, strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy()), ours.path
