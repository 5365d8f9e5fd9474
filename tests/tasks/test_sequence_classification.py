"""Sequence classification: loss, metrics, weights and answers, against PyTorch, scikit-learn and NumPy."""

from typing import Any

import keras
import numpy as np
import pytest
import sklearn.metrics
import sklearn.utils.class_weight
import tensorflow as tf
import torch

from tftransfer import registry
from tftransfer.errors import ConfigError, DataError
from tftransfer.tasks import SequenceClassification
from tftransfer.tasks.components.heads import ClassificationHead
from tftransfer.tasks.task import HeadHints, Hidden
from tftransfer.training.optimizer import AdamW

LABELS = ["bad", "good", "mixed", "none"]
HIDDEN, LENGTH = 6, 5


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_pytorch(smoothing: float) -> None:
    logits, targets = 3 * normal(50, 4), np.arange(50, dtype="int32") % 4
    truth = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)(torch.tensor(logits), torch.tensor(targets).long())
    loss = SequenceClassification(LABELS, label_smoothing=smoothing).loss()
    assert float(loss(targets, logits)) == pytest.approx(truth.item(), rel=1e-6)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert float(copy(targets[:, None], logits)) == pytest.approx(truth.item(), rel=1e-6)


def test_the_loss_of_bfloat16_logits_is_taken_in_float32() -> None:
    logits = tf.cast(normal(50, 4), tf.bfloat16)
    truth = torch.nn.CrossEntropyLoss()(torch.tensor(tf.cast(logits, tf.float32).numpy()), torch.zeros(50).long())
    assert float(SequenceClassification(LABELS).loss()(np.zeros(50), logits)) == pytest.approx(truth.item(), rel=1e-6)


@pytest.mark.parametrize("present", [[0, 1, 2, 3], [1, 3]])
def test_the_metrics_are_those_of_scikit_learn(present: list[int]) -> None:
    rng = np.random.default_rng(0)
    targets = rng.choice(present, 61)
    # The right answer half of the time; a label that is absent is never predicted.
    predicted = np.where(rng.random(61) < 0.5, targets, rng.choice(present, 61))
    logits = np.eye(4, dtype="float32")[predicted] + 0.1 * normal(61, 4)
    accuracy, macro_f1 = SequenceClassification(LABELS).metrics()
    for batch in np.array_split(np.arange(61), 5):
        accuracy.update_state(targets[batch], logits[batch])
        macro_f1.update_state(targets[batch], logits[batch])
    assert float(accuracy.result()) == pytest.approx(sklearn.metrics.accuracy_score(targets, predicted), abs=1e-6)
    truth = sklearn.metrics.f1_score(targets, predicted, average="macro")
    assert float(macro_f1.result()) == pytest.approx(truth, abs=1e-6)
    macro_f1.reset_state()
    assert float(macro_f1.result()) == 0.0


def test_metrics_have_the_names_that_a_run_may_monitor() -> None:
    task = SequenceClassification(LABELS)
    assert {metric.name for metric in task.metrics()} | {"loss"} == set(task.monitors)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    targets = np.random.default_rng(0).choice(4, 40, p=[0.6, 0.2, 0.15, 0.05])
    weights = SequenceClassification(LABELS, class_weights="balanced").label_weights(targets)
    truth = sklearn.utils.class_weight.compute_sample_weight("balanced", targets)
    assert weights == pytest.approx(truth, rel=1e-6)
    assert weights.mean() == pytest.approx(1.0)
    # Of two labels that occur, each has half of the weight.
    some = SequenceClassification(LABELS, class_weights="balanced").label_weights(np.array([0, 0, 0, 2]))
    assert some == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2.0])


def test_weights_by_label() -> None:
    task = SequenceClassification(LABELS, class_weights={"good": 3.0, "none": 0.0})
    assert task.label_weights(np.array([1, 0, 3, 2, 1])).tolist() == [3.0, 1.0, 0.0, 1.0, 3.0]
    assert SequenceClassification(LABELS).label_weights(np.array([1, 0])).tolist() == [1.0, 1.0]


def test_scores_answers_and_the_served_graph_agree() -> None:
    task, logits = SequenceClassification(LABELS), 4 * normal(30, 4)
    scores = task.scores(logits)
    assert scores == pytest.approx(torch.softmax(torch.tensor(logits), -1).numpy(), abs=1e-6)
    assert np.isfinite(task.scores(logits * 1e4)).all()
    served = tf.function(task.serve)(tf.constant(logits), {})
    answers = task.decode(scores, {})
    assert [answer["label"] for answer in answers] == [LABELS[i] for i in logits.argmax(-1)]
    assert [label.decode() for label in served["label"].numpy()] == [answer["label"] for answer in answers]
    assert served["scores"].numpy() == pytest.approx(scores, abs=1e-6)
    assert served["score"].numpy() == pytest.approx([answer["score"] for answer in answers], abs=1e-6)
    for answer, row in zip(answers, scores, strict=True):
        assert answer["scores"] == dict(zip(LABELS, map(float, row), strict=True))
        assert answer["score"] == max(answer["scores"].values())
        assert type(answer["score"]) is float  # JSON knows no NumPy


def test_labels_come_from_the_data_sorted() -> None:
    columns = {"text": ["x"] * 4, "label": ["b", "10", "9", "b"]}
    task = SequenceClassification(dropout=0.3).resolve(columns)
    assert task == SequenceClassification(("10", "9", "b"), dropout=0.3)
    assert task.label_ids(columns).tolist() == [2, 0, 1, 2]
    assert task.label_ids(columns).dtype == np.int32
    given = SequenceClassification(["b", "9", "10", "unseen"])
    assert given.resolve(columns) is given
    assert given.label_ids(columns).tolist() == [0, 2, 1, 0]


def test_one_label_is_nothing_to_learn() -> None:
    with pytest.raises(DataError, match=r"at least two labels.*every example has the label 'a'"):
        SequenceClassification().resolve({"label": ["a", "a"]})
    with pytest.raises(DataError, match="one label a text.*lists of labels. Take the task multi_label_classification"):
        SequenceClassification().resolve({"label": [["a"], ["b"]]})
    with pytest.raises(DataError, match="every example has the label 'good'"):
        SequenceClassification(LABELS).resolve({"label": ["good"]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["a", "b", "a"]}, r"labels: expected distinct labels; received a more than once"),
        ({"labels": ["a"]}, r"labels: expected at least two labels; received \['a'\]"),
        ({"label_smoothing": 1.0}, r"label_smoothing: expected a number in \[0, 1\); received 1.0"),
        ({"dropout": -0.1}, r"dropout: expected a number in \[0, 1\); received -0.1"),
        ({"labels": LABELS, "class_weights": {"goood": 1.0}}, r"class_weights: unknown label 'goood'.*mean 'good'\?"),
        ({"labels": LABELS, "class_weights": {"good": -1.0}}, r"class_weights: expected a weight >= 0 for 'good'"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    for build in (lambda: SequenceClassification(**options), lambda: registry.tasks.build(TASK, options)):
        with pytest.raises(ConfigError, match=message):
            build()


TASK = "sequence_classification"


def test_weights_of_labels_that_the_data_does_not_have() -> None:
    task = SequenceClassification(class_weights={"goood": 2.0})
    with pytest.raises(ConfigError, match=r"class_weights: unknown label 'goood'\. Did you mean 'good'\?"):
        task.resolve({"label": ["good", "bad"]})


def test_a_config_may_write_labels_as_numbers() -> None:
    task = registry.tasks.build(TASK, {"labels": [0, 1], "class_weights": {0: 2.0}})
    assert list(task.labels) == ["0", "1"]
    assert task.label_ids({"label": ["1", "0"]}).tolist() == [1, 0]
    assert task.label_weights(np.array([1, 0])).tolist() == [1.0, 2.0]
    with pytest.raises(ConfigError, match="labels"):
        registry.tasks.build(TASK, {"labels": [True, False]})


def test_an_unknown_option() -> None:
    with pytest.raises(ConfigError, match=r"unknown option of 'sequence_classification'\. Did you mean 'pooling'\?"):
        registry.tasks.build(TASK, {"poling": "mean"})


def test_problems_name_the_rows_and_suggest() -> None:
    task = SequenceClassification(LABELS)
    problems = task.problems({"label": ["good", "Good", "bad", "xyz", "Good"]})
    assert list(problems) == [1, 3, 4]
    assert problems[1] == "unknown label 'Good'. Did you mean 'good'? Known: bad, good, mixed, none"
    assert problems[3] == "unknown label 'xyz'. Known: bad, good, mixed, none"
    assert task.problems({"label": LABELS}) == {}


def test_labels_that_are_not_known_yet() -> None:
    with pytest.raises(ConfigError, match=r"labels are not known yet: give labels="):
        SequenceClassification().label_ids({"label": ["a"]})


def linear(head: ClassificationHead, pooled: np.ndarray) -> np.ndarray:
    return pooled @ head.logits.kernel.numpy() + head.logits.bias.numpy()


@pytest.mark.parametrize("pooling", ["mean", "max", "cls"])
@pytest.mark.parametrize("layer", [None, Hidden(), Hidden("relu", use_bias=False, norm=True, epsilon=0.1)])
def test_pooling(pooling: str, layer: Hidden | None) -> None:
    head = ClassificationHead(4, pooling, dropout=0.5, initializer_range=1.0, hidden=layer)
    hidden, lengths = normal(3, LENGTH, HIDDEN), [5, 2, 1]
    mask = np.array([[n < length for n in range(LENGTH)] for length in lengths], "int32")
    found = np.asarray(head(hidden, mask))
    pooled = hidden[:, 0]
    if pooling != "cls":
        pooled = np.stack([getattr(row[:length], pooling)(0) for row, length in zip(hidden, lengths, strict=True)])
    if layer == Hidden():
        pooled = np.tanh(pooled @ head.hidden.kernel.numpy() + head.hidden.bias.numpy())
    elif layer:
        pooled = np.maximum(pooled @ head.hidden.kernel.numpy(), 0)
        pooled = (pooled - pooled.mean(-1, keepdims=True)) / np.sqrt(pooled.var(-1, keepdims=True) + 0.1)
    assert found == pytest.approx(linear(head, pooled), abs=1e-5)
    hidden[mask == 0] = 1e6  # padding is not seen
    assert np.asarray(head(hidden, mask)) == pytest.approx(found, abs=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_what_is_pooled_of_a_row_of_padding_is_a_number(pooling: str) -> None:
    head = ClassificationHead(4, pooling)
    assert np.isfinite(np.asarray(head(normal(1, LENGTH, HIDDEN), np.zeros((1, LENGTH), "int32")))).all()


def test_dropout_is_on_in_training_alone() -> None:
    head, features = ClassificationHead(4, "none", dropout=0.5, initializer_range=1.0), normal(200, HIDDEN)
    inference = np.asarray(head(features, training=False))
    assert inference == pytest.approx(linear(head, features), abs=1e-5)
    assert not np.allclose(np.asarray(head(features, training=True)), inference)


def test_the_last_layers_weights_stay_within_the_norm() -> None:
    inputs, targets = 9 * normal(64, HIDDEN), np.arange(64) % 4
    norms = []
    for limit in (None, 0.5):
        x = keras.Input((HIDDEN,))
        head = ClassificationHead(4, "none", dropout=0.0, initializer_range=1.0, max_norm=limit)
        model = keras.Model(x, head(x))
        model.compile(AdamW(0.1), SequenceClassification(LABELS).loss())
        model.fit(inputs, targets, epochs=2, verbose=0)
        norms.append(np.linalg.norm(head.logits.kernel.numpy(), axis=0))  # of each label's weights
        copy = ClassificationHead.from_config(head.get_config())
        assert copy.max_norm == limit
    assert (norms[0] > 1).all()
    assert (norms[1] <= 0.5 + 1e-6).all()


def features(pooler: bool) -> dict[str, Any]:
    made = {
        "last_hidden_state": keras.Input((None, HIDDEN), name="last_hidden_state"),
        "attention_mask": keras.Input((None,), dtype="int32", name="attention_mask"),
    }
    return made | ({"pooler_output": keras.Input((HIDDEN,), name="pooler_output")} if pooler else {})


@pytest.mark.parametrize(
    ("option", "hint", "pooler", "chosen"),
    [
        ("auto", "mean", True, "mean"),
        ("auto", "cls", True, "cls"),
        ("auto", "pooler", True, "none"),
        ("cls", "mean", True, "cls"),
        ("pooler", "mean", True, "none"),
        ("pooler", "mean", False, "cls"),  # with a hidden layer
    ],
)
def test_which_pooling_is_chosen(option: Any, hint: str, pooler: bool, chosen: str) -> None:
    inputs = features(pooler)
    logits = SequenceClassification(LABELS, pooling=option).head(inputs, HeadHints(pooling=hint, dropout=0.25))
    model = keras.Model(inputs, logits)
    head = model.get_layer("head")
    assert (head.pooling, head.dropout, logits.shape, logits.dtype) == (chosen, 0.25, (None, 4), "float32")
    fresh = {"head/hidden/kernel", "head/hidden/bias"} if option == "pooler" and not pooler else set()
    assert {v.path for v in model.weights} == {"head/logits/kernel", "head/logits/bias"} | fresh


def test_the_tasks_own_dropout_wins() -> None:
    inputs = features(True)
    logits = SequenceClassification(LABELS, dropout=0.0).head(inputs, HeadHints(dropout=0.25))
    assert keras.Model(inputs, logits).get_layer("head").dropout == 0.0
