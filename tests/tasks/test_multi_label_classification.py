"""Several labels a text: loss, metrics, thresholds and answers, against PyTorch, scikit-learn and Keras."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf
import torch

import tftransfer
from tftransfer import registry
from tftransfer.errors import ConfigError, DataError
from tftransfer.tasks import MultiLabelClassification

LABELS = ["anger", "joy", "pride"]
COLUMNS = {"text": ["a", "b", "c", "d"], "label": ["joy, anger", "pride", "", "joy"]}
INDICATORS = [[1, 1, 0], [0, 0, 1], [0, 0, 0], [0, 1, 0]]


def drawn(rows: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Returns logits and indicators that go together, more or less."""
    rng = np.random.default_rng(0)
    indicators = (rng.random((rows, 3)) < [0.5, 0.3, 0.1]).astype("int32")
    return (2 * indicators - 1 + rng.normal(size=(rows, 3), scale=1.5)).astype("float32"), indicators


@pytest.mark.parametrize("weights", [None, {"joy": 3.0, "pride": 0.5}])
def test_the_loss_is_that_of_pytorch(weights: dict[str, float] | None) -> None:
    logits, indicators = drawn()
    loss = MultiLabelClassification(LABELS, class_weights=weights).loss()
    positive = torch.tensor([(weights or {}).get(label, 1.0) for label in LABELS])
    truth = torch.nn.BCEWithLogitsLoss(pos_weight=positive)(torch.tensor(logits), torch.tensor(indicators).float())
    assert float(loss(indicators, logits)) == pytest.approx(truth.item(), rel=1e-6)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert float(copy(indicators, logits)) == pytest.approx(truth.item(), rel=1e-6)


def test_the_weighted_focal_loss_with_weights_of_1_is_that_of_keras() -> None:
    logits, indicators = drawn()
    options: dict[str, Any] = {"focal_gamma": 2.0, "label_smoothing": 0.0}
    weighted = MultiLabelClassification(LABELS, class_weights=dict.fromkeys(LABELS, 1.0), **options).loss()
    plain = MultiLabelClassification(LABELS, **options).loss()
    assert type(plain) is keras.losses.BinaryFocalCrossentropy
    assert float(weighted(indicators, logits)) == pytest.approx(float(plain(indicators, logits)), rel=1e-5)


def test_the_metrics_are_those_of_scikit_learn() -> None:
    logits, indicators = drawn()
    for metric in MultiLabelClassification(LABELS).metrics():
        for batch in np.array_split(np.arange(40), 3):
            metric.update_state(indicators[batch], logits[batch])
        truth = sklearn.metrics.f1_score(indicators, logits > 0, average=metric.name.removesuffix("_f1"))
        assert float(metric.result()) == pytest.approx(truth, abs=1e-6)
        metric.reset_state()
        assert float(metric.result()) == 0.0
        assert metric.name in MultiLabelClassification.monitors


def test_labels_are_read_from_values_and_lists() -> None:
    task = MultiLabelClassification().resolve(COLUMNS)
    assert task.labels == tuple(LABELS)
    assert task.indicators(COLUMNS).tolist() == INDICATORS
    assert task.indicators({"label": [["joy", "anger"], ["pride"], [], ["joy"]]}).tolist() == INDICATORS
    other = MultiLabelClassification(LABELS, separator=" | ")
    assert other.indicators({"label": ["joy | anger"]}).tolist() == INDICATORS[:1]


def test_balanced_weights_are_absent_by_present() -> None:
    task = MultiLabelClassification([*LABELS, "never"], class_weights="balanced")
    assert not task.is_resolved
    resolved = task.resolve(COLUMNS)
    assert resolved.is_resolved
    assert resolved.priors == {"anger": 0.3, "joy": 0.5, "pride": 0.3, "never": 0.1}
    assert resolved.class_weights == {"anger": 3.0, "joy": 1.0, "pride": 3.0, "never": 1.0}


def test_a_fresh_head_begins_at_the_shares_of_the_training_data(tiny_checkpoint: Path) -> None:
    task = MultiLabelClassification([*LABELS, "never"]).resolve(COLUMNS)
    model = tftransfer.build(str(tiny_checkpoint), task)
    model.get_layer("head").logits.kernel.assign(np.zeros_like(model.get_layer("head").logits.kernel))
    scores = model.predict_text(["good"])[0]["scores"]
    assert list(scores.values()) == pytest.approx([0.3, 0.5, 0.3, 0.1], abs=1e-6)
    known = tftransfer.build(str(tiny_checkpoint), MultiLabelClassification(LABELS))  # without training data
    assert (known.task.labels, known.task.priors) == (tuple(LABELS), False)
    with pytest.raises(ConfigError, match="class_weights: balanced needs the training data"):
        tftransfer.build(str(tiny_checkpoint), MultiLabelClassification(LABELS, class_weights="balanced"))
    with pytest.raises(ConfigError, match="priors: expected shares between 0 and 1; received 1.0 for 'joy'"):
        MultiLabelClassification(LABELS, priors={"joy": 1.0})


def test_what_is_tuned_on_validation_data() -> None:
    logits, indicators = drawn(400)
    columns = {"label": [[LABELS[n] for n in np.flatnonzero(row)] for row in indicators]}
    task = MultiLabelClassification(LABELS, thresholds="tuned", temperature="tuned")
    tuned = task.tuned(3 * logits, columns)
    assert (task.tunes, tuned.tunes) == (True, False)
    assert isinstance(tuned.thresholds, dict)
    assert tuned.temperature > 1.5  # type: ignore[operator]  # they were too sure
    for n, label in enumerate(LABELS):
        scores = tuned.scores(3 * logits)[:, n]
        best, half = (
            sklearn.metrics.f1_score(indicators[:, n], scores >= limit) for limit in (tuned.thresholds[label], 0.5)
        )
        assert best >= half
    assert MultiLabelClassification(LABELS).tuned(logits, columns) == MultiLabelClassification(LABELS)


def test_answers_and_the_served_graph_agree() -> None:
    task = MultiLabelClassification(LABELS, thresholds={"anger": 0.2, "pride": 0.9}, temperature=1.5)
    logits, _ = drawn()
    scores = task.scores(logits)
    assert scores == pytest.approx(torch.sigmoid(torch.tensor(logits) / 1.5).numpy(), abs=1e-6)
    answers = task.decode(scores, {})
    for answer, row in zip(answers, scores, strict=True):
        limits = zip(LABELS, row, (0.2, 0.5, 0.9), strict=True)
        assert answer["labels"] == [label for label, score, limit in limits if score >= limit]
    assert any(not answer["labels"] for answer in answers)
    served = {key: value.numpy() for key, value in tf.function(task.serve)(tf.constant(logits), {}).items()}
    plain = {"labels": [[label.decode() for label in row] for row in served["labels"]], "scores": served["scores"]}
    for one, other in zip(task.read_served(plain), answers, strict=True):
        assert one["labels"] == other["labels"]
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-6)
    assert task.margins(scores)[0] == pytest.approx(np.abs(scores[0] - [0.2, 0.5, 0.9]).min())


def test_bad_data_and_options() -> None:
    task = MultiLabelClassification(LABELS)
    assert task.problems({"label": ["joy", "joy,angr", ["prid"]]}) == {
        1: "unknown label 'angr'. Did you mean 'anger'? Known: anger, joy, pride",
        2: "unknown label 'prid'. Did you mean 'pride'? Known: anger, joy, pride",
    }
    with pytest.raises(DataError, match=r"at least two labels in the training data; found joy\. .*separator, ','"):
        MultiLabelClassification().resolve({"label": ["joy", "joy"]})
    for options, message in (
        ({"labels": LABELS, "thresholds": {"jo": 0.5}}, r"thresholds: unknown label 'jo'. Did you mean 'joy'\?"),
        ({"thresholds": 1.5, "labels": LABELS}, "thresholds: expected numbers from 0 to 1; received 1.5"),
        ({"temperature": 0}, "temperature: expected a number > 0, or tuned; received 0"),
        ({"separator": ""}, "separator: expected what stands between two labels"),
        ({"stride": -1}, "stride: expected a number of tokens >= 0; received -1"),
    ):
        with pytest.raises(ConfigError, match=message):
            registry.tasks.build("multi_label_classification", options)
