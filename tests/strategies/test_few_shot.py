"""Few-shot learning: its pairs, what each of its two trainings moves, and whom it is not for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tftransfer
from tftransfer import Examples, config, experiment
from tftransfer.errors import ConfigError
from tftransfer.model import TransferModel
from tftransfer.strategies import FewShot
from tftransfer.strategies.few_shot import pairs_of

TEXTS = ["good lamp", "bad box", "great", "wrong and late", "good book", "bad lamp", "new and good", "late box"]
ROWS = Examples({"text": TEXTS, "label": ["yes", "no"] * 4}, "toy.tsv", np.arange(2, 10))
STILL = {"num_hidden_layers": 1, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.fixture(scope="module")
def checkpoint(make_checkpoint: Callable[..., Path]) -> str:
    return str(make_checkpoint(STILL))


def build(checkpoint: str, task: Any = None, **options: Any) -> TransferModel:
    keras.utils.set_random_seed(0)
    return tftransfer.build(checkpoint, task or tftransfer.tasks.SequenceClassification(["no", "yes"]), **options)


def backbone(model: TransferModel) -> dict[str, bytes]:
    return {v.path: v.numpy().tobytes() for v in model.weights if not v.path.startswith("head/")}


@pytest.mark.parametrize(
    "labels",
    [
        ["a", "a", "b", "b", "b", "c", "c", "c"],
        [["a"], ["a", "b"], ["b"], ["c"], ["c", "d"], [], [], ["d"]],
    ],
)
def test_pairs_share_a_label_or_none(labels: list[Any]) -> None:
    of = {text: {label} if isinstance(label, str) else set(label) for text, label in zip(TEXTS, labels, strict=True)}
    pairs = pairs_of(TEXTS, labels, 5, seed=3)
    rows = list(zip(pairs["text"], pairs["text_pair"], pairs["label"], strict=True))
    for first, second, score in rows:
        assert first != second
        assert (score == "1") == (bool(of[first] & of[second]) or of[first] == of[second])
    counts = {(text, score): 0 for text in TEXTS for score in "01"}
    for first, _, score in rows:
        counts[first, score] += 1
    assert set(counts.values()) == {5}
    assert pairs == pairs_of(TEXTS, labels, 5, seed=3) != pairs_of(TEXTS, labels, 5, seed=4)


def test_a_text_that_no_other_is_like_or_unlike() -> None:
    assert pairs_of(["x", "y"], ["a", "b"], 1, 0) == {
        "text": ["x", "x", "y", "y"],
        "text_pair": ["x", "y", "y", "x"],
        "label": ["1", "0", "1", "0"],
    }
    assert set(pairs_of(["x", "y"], [["a"], ["a", "b"]], 3, 0)["label"]) == {"1"}


def test_the_backbone_learns_from_pairs_and_the_head_from_the_frozen_backbone(checkpoint: str) -> None:
    strategy = FewShot(iterations=8, learning_rate=3e-3, batch_size=8)
    model = build(checkpoint)
    pretrained, at_start = backbone(model), dict[str, bytes]()
    watch = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: at_start.update(backbone(model)))
    options = {"epochs": 20, "learning_rate": 1e-1, "batch_size": 8, "show_progress": False, "seed": 2}
    tftransfer.fine_tune(model, ROWS, strategy=strategy, callbacks=[watch], **options)
    assert backbone(model) == at_start
    assert at_start != pretrained
    assert [answer["label"] for answer in model.predict_text(TEXTS)] == ROWS.columns["label"]

    # The first stage is what one would get from training a model of sentence embeddings on those pairs.
    pairs = pairs_of(TEXTS, ROWS.columns["label"], 8, seed=2)
    scored = Examples(pairs, "pairs.tsv", np.arange(len(pairs["text"])))
    task = tftransfer.tasks.SentenceEmbeddings("cosine", low=0, high=1, pooling="pooler")
    alone = build(checkpoint, task)
    tftransfer.fine_tune(
        alone, scored, epochs=1, learning_rate=3e-3, batch_size=8, seed=2, warmup="10%", show_progress=False
    )
    assert backbone(alone) == at_start

    # Its end: texts of one label lie close to one another, those of two labels across.
    vectors = alone.predict_scores(Examples({"text": TEXTS}, "toy.tsv", np.arange(8)))
    cosines, alike = vectors @ vectors.T, np.equal.outer(ROWS.columns["label"], ROWS.columns["label"])
    assert cosines[alike].mean() > cosines[~alike].mean() + 0.3


def test_several_labels(checkpoint: str) -> None:
    columns = {"text": TEXTS, "label": [["good"], ["bad"], ["good"], ["bad", "late"], ["good"], ["bad"], [], ["late"]]}
    model = build(checkpoint, tftransfer.tasks.MultiLabelClassification(["bad", "good", "late"]))
    before = backbone(model)
    rows = Examples(columns, "toy.jsonl", np.arange(8))
    trained = tftransfer.fine_tune(model, rows, strategy=FewShot(iterations=1), epochs=1, show_progress=False)
    assert np.isfinite(trained.history["loss"]).all()
    assert backbone(model) != before


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
def test_pairs_are_compared_by_what_the_head_reads(checkpoint: str, pooling: Any) -> None:
    task = tftransfer.tasks.SequenceClassification(["no", "yes"], pooling=pooling)
    (stage,) = FewShot().stages(build(checkpoint, task), ROWS.columns, 0)
    assert stage.options["pooling"] == pooling


def test_whom_it_is_not_for(checkpoint: str) -> None:
    numbers = Examples({"text": TEXTS, "label": list("12345678")}, "toy.tsv", np.arange(8))
    model = build(checkpoint, tftransfer.tasks.Regression(mean=0, scale=1))
    with pytest.raises(ConfigError, match=r"few_shot expected a task with labels of single texts, .* received regress"):
        tftransfer.fine_tune(model, numbers, strategy=FewShot(), show_progress=False)
    pairs = Examples({**ROWS.columns, "text_pair": TEXTS}, "toy.tsv", np.arange(8))
    with pytest.raises(ConfigError, match=r"received sequence_classification over pairs of texts\. Choose another"):
        tftransfer.fine_tune(build(checkpoint), pairs, strategy=FewShot(), show_progress=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iterations": 0}, "iterations: expected a whole number >= 1; received 0"),
        ({"batch_size": 0}, "batch_size: expected a whole number >= 1; received 0"),
        ({"learning_rate": 0.0}, "learning_rate: expected a number > 0; received 0.0"),
    ],
)
def test_a_wrong_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FewShot(**options)


@pytest.mark.slow
def test_a_run_from_its_config(checkpoint: str, tmp_path: Path) -> None:
    lines = [f"{text}\t{label}" for text, label in zip(TEXTS, ROWS.columns["label"], strict=True)]
    (tmp_path / "train.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n", encoding="utf-8")
    settings = {
        "model": {"checkpoint": checkpoint},
        "task": {"name": "sequence_classification"},
        "data": {name: {"path": str(tmp_path / "train.tsv")} for name in ("train", "test")},
        "strategy": {"name": "few_shot", "iterations": 8, "learning_rate": 3e-3},
        "training": {"epochs": 20, "learning_rate": 1e-1, "batch_size": 8},
        "export": {"enabled": False},
    }
    summary = experiment.fit(config.validate(settings), tmp_path / "run")
    assert summary["metrics"]["test"]["accuracy"] == 1.0
    loaded = experiment.load(tmp_path / "run")
    assert [answer["label"] for answer in loaded.predict_text(TEXTS)] == ROWS.columns["label"]
    pretrained = backbone(build(checkpoint))
    assert all(value != pretrained[path] for path, value in backbone(loaded).items() if path.endswith("query/kernel"))
