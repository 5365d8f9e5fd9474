"""A checkpoint's own head comes along where it fits the task, and a report says so where it does not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tftransfer
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.errors import CheckpointError, ConfigError
from tftransfer.model import TransferModel

Make = Callable[..., Path]
NAMES = ["negative", "neutral", "positive"]


def classifier(rows: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(rows, 32)), rng.normal(size=rows)
    return {"classifier.weight": weight.astype("float32"), "classifier.bias": bias.astype("float32")}


def config(
    labels: list[str] | None = NAMES, architecture: str | None = "BertForSequenceClassification"
) -> dict[str, Any]:
    named = {} if labels is None else {"id2label": {str(n): label for n, label in enumerate(labels)}}
    return named | {"architectures": architecture and [architecture]}


def build(directory: Path, labels: list[str] | None = None, **options: Any) -> TransferModel:
    return tftransfer.build(str(directory), tftransfer.tasks.SequenceClassification(labels=labels, **options))


def head(model: TransferModel) -> tuple[np.ndarray, np.ndarray]:
    logits = model.get_layer("head").logits
    return logits.kernel.numpy(), logits.bias.numpy()


def report(model: TransferModel) -> str:
    assert model.load_report is not None
    return model.load_report.head


@pytest.mark.parametrize("labels", [None, NAMES])
def test_a_head_that_fits_is_loaded_with_its_labels(labels: list[str] | None, make_checkpoint: Make) -> None:
    tensors = classifier()
    model = build(make_checkpoint(config(), tensors, prefix="bert."), labels)
    assert list(model.task.labels or ()) == NAMES
    kernel, bias = head(model)
    np.testing.assert_array_equal(kernel, tensors["classifier.weight"].T)
    np.testing.assert_array_equal(bias, tensors["classifier.bias"])
    assert report(model) == "the checkpoint's sequence classification head was loaded"
    assert model.load_report is not None
    assert model.load_report.left_out == model.load_report.fresh == ()
    assert str(model.load_report) == "41 variables loaded; the checkpoint's sequence classification head was loaded"
    assert {answer["label"] for answer in model.predict_text(["good", "bad"])} <= set(NAMES)


def test_labels_in_another_order_take_their_rows_with_them(make_checkpoint: Make) -> None:
    tensors = classifier()
    directory = make_checkpoint(config(), tensors)
    ours, theirs = build(directory, ["positive", "negative", "neutral"]), build(directory)
    for one, other in zip(
        ours.predict_text(["good", "bad box"]), theirs.predict_text(["good", "bad box"]), strict=True
    ):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-6)
    np.testing.assert_array_equal(head(ours)[1], tensors["classifier.bias"][[2, 0, 1]])


@pytest.mark.parametrize(
    ("checkpoint", "labels", "reason"),
    [
        (
            config(["a", "b", "c"]),
            NAMES,
            "the checkpoint's has the labels a, b, c, the task negative, neutral, positive",
        ),
        (config(None), NAMES, "the checkpoint's has the labels LABEL_0, LABEL_1, LABEL_2, the task negative, neutral"),
        (config(), ["negative", "positive"], "the checkpoint's has the labels negative, neutral, positive, the task"),
        (config(NAMES, "BertForTokenClassification"), NAMES, "the checkpoint's is for token classification"),
    ],
)
def test_a_head_that_does_not_fit_is_said_to_be_fresh(
    checkpoint: dict[str, Any], labels: list[str], reason: str, make_checkpoint: Make
) -> None:
    tensors = classifier()
    model = build(make_checkpoint(checkpoint, tensors), labels)
    assert report(model).startswith(f"the head is newly initialised: {reason}")
    assert model.load_report is not None
    assert model.load_report.fresh == ("head/logits/kernel", "head/logits/bias")
    assert model.load_report.left_out == ("classifier.bias", "classifier.weight")
    assert "left out: classifier.bias, classifier.weight" in str(model.load_report)
    assert not np.array_equal(head(model)[1][:2], tensors["classifier.bias"][:2])


def test_a_class_that_is_not_named_is_told_by_its_tensors(make_checkpoint: Make) -> None:
    assert "was loaded" in report(build(make_checkpoint(config(architecture=None), classifier())))


def test_a_checkpoint_without_a_head(make_checkpoint: Make) -> None:
    assert report(build(make_checkpoint(), NAMES)).endswith("the checkpoint has none for this task")
    with pytest.raises(ConfigError, match="labels are not known: give labels="):
        build(make_checkpoint())


def test_another_pooling_is_another_head(make_checkpoint: Make) -> None:
    directory = make_checkpoint(config(), classifier())
    assert "another pooling" in report(build(directory, pooling="mean"))
    assert "was loaded" in report(build(directory, pooling="pooler"))


def test_a_head_of_ones_own_leaves_the_checkpoints_out(make_checkpoint: Make) -> None:
    import keras

    task = tftransfer.tasks.SequenceClassification(labels=NAMES)
    directory = make_checkpoint(config(), classifier())
    model = tftransfer.build(
        str(directory), task, head=lambda f: keras.layers.Dense(3, name="mine")(f["pooler_output"])
    )
    assert report(model) == "the head is newly initialised: your own"
    assert model.load_report is not None
    assert model.load_report.fresh == ("mine/kernel", "mine/bias")


def test_sentence_transformers_pooling_comes_before_the_familys_head(make_checkpoint: Make) -> None:
    directory = make_checkpoint()
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    assert build(directory, NAMES).get_layer("head").pooling == "mean"


def test_a_run_is_loaded_with_the_head_it_was_trained_with(make_checkpoint: Make, tmp_path: Path) -> None:
    """Where both the head and sentence-transformers' files speak of pooling, the head decides, weights there or not."""
    directory = make_checkpoint(config(), classifier())
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    model = build(directory)
    assert model.get_layer("head").pooling == "none"
    model.tokenizer.save(tmp_path)
    model.checkpoint.describe(tmp_path)
    described = Checkpoint.described(tmp_path)
    task = tftransfer.tasks.SequenceClassification(labels=NAMES)
    assert tftransfer.build(described, task, weights=False).get_layer("head").pooling == "none"


def test_a_checkpoint_as_it_is(make_checkpoint: Make) -> None:
    directory = make_checkpoint(config(NAMES, "BertForTokenClassification"), classifier(), pooler=False)
    model = tftransfer.load_pretrained(str(directory), "token_classification")
    assert model.labels == tuple(NAMES)
    ids = np.array([[2, 40, 41, 3]], "int32")
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    outputs, tensors = model(inputs), classifier()
    expected = np.asarray(outputs["last_hidden_state"]) @ tensors["classifier.weight"].T + tensors["classifier.bias"]
    np.testing.assert_allclose(outputs["logits"], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", ["BertForTokenClassification", None])
def test_a_head_that_is_not_there(architecture: str | None, make_checkpoint: Make) -> None:
    directory = make_checkpoint(config(NAMES, architecture), classifier(), pooler=False)
    with pytest.raises(CheckpointError, match=r"expected the weights of a head for sequence_classification; the"):
        tftransfer.load_pretrained(str(directory), "sequence_classification")
    with pytest.raises(CheckpointError, match=r"holds one for token_classification\. Load the encoder alone"):
        tftransfer.load_pretrained(str(directory), "masked_lm")
    with pytest.raises(
        ConfigError, match=r"unknown kind 'token_clasification'\. Did you mean 'token_classification'\?"
    ):
        tftransfer.load_pretrained(str(directory), "token_clasification")
