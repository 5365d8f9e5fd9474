"""Distillation: its loss against PyTorch's formulas, and that the teacher stays out of the student."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.nn import functional

import tftransfer
from tftransfer import Examples, config, experiment
from tftransfer.config import Training
from tftransfer.errors import ConfigError, DataError
from tftransfer.model import TransferModel
from tftransfer.strategies import Distillation
from tftransfer.training.fine_tune import compile_model

TEXTS = ["good lamp", "bad box", "great", "wrong and late", "good book", "bad lamp", "new and good", "late box"]
ROWS = Examples({"text": TEXTS, "label": ["yes", "no"] * 4}, "toy.tsv", np.arange(2, 10))
STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
TASK = tftransfer.tasks.SequenceClassification(["no", "yes"], dropout=0.0)


@pytest.fixture(scope="module")
def checkpoint(make_checkpoint: Callable[..., Path]) -> str:
    return str(make_checkpoint(STILL))


@pytest.fixture(scope="module")
def teacher(checkpoint: str) -> TransferModel:
    return build(checkpoint)


def build(checkpoint: str, task: Any = TASK, seed: int = 0, **options: Any) -> TransferModel:
    model = tftransfer.build(checkpoint, task, **options)
    logits = model.get_layer("head").logits  # which is to say something, and not the same of all texts
    logits.kernel.assign(np.random.default_rng(seed).normal(size=logits.kernel.shape))
    texts = model.encode(Examples({"text": TEXTS}, "toy.tsv", np.arange(8)))
    logits.bias.assign(-np.mean(model(texts.batch(np.arange(8))[0]), axis=0))
    return model


def values(model: keras.Model) -> dict[str, bytes]:
    return {variable.path: variable.numpy().tobytes() for variable in model.weights}


def states(model: TransferModel, x: Any) -> list[torch.Tensor]:
    outputs = keras.Model(model.input, model.get_layer("encoder").output)(x)
    return [torch.tensor(np.asarray(state)) for state in keras.tree.flatten(outputs)]


def test_the_loss_is_that_of_the_papers(checkpoint: str, teacher: TransferModel) -> None:
    student = build(checkpoint, seed=1, keep_layers=1)
    strategy = Distillation(teacher, temperature=3.0, alpha=0.7, hidden=0.2)
    compile_model(student, strategy, Training(), total_steps=1)
    x, y, weights = student.encode(ROWS, training=True).batch(np.arange(8))
    logits, loss = student.objective(x, y, weights)

    ours, theirs = (torch.tensor(np.asarray(model(x))) for model in (student, teacher))
    hard = functional.cross_entropy(ours, torch.tensor(y).long())
    soft = functional.kl_div(
        functional.log_softmax(ours / 3.0, dim=-1), functional.softmax(theirs / 3.0, dim=-1), reduction="batchmean"
    )
    real = torch.tensor(x["attention_mask"] > 0)
    # One layer learns from the last one of two.
    rows = zip(states(student, x)[0], states(teacher, x)[1], real, strict=True)
    hidden = torch.stack([functional.mse_loss(a[mask], b[mask]) for a, b, mask in rows]).mean()
    assert len({float(hard), float(9 * soft), float(hidden)} | {0.0}) == 4
    expected = 0.3 * hard + 0.7 * 9 * soft + 0.2 * hidden
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert np.allclose(np.asarray(logits), ours.numpy(), atol=1e-6)


def test_a_student_learns_what_its_teacher_says(checkpoint: str, teacher: TransferModel, tmp_path: Path) -> None:
    student, before = build(checkpoint, seed=1, keep_layers=[1]), values(teacher)
    wrong = Examples({**ROWS.columns, "label": ["no"] * 7 + ["yes"]}, "toy.tsv", np.arange(8))  # count for nothing
    strategy, said = Distillation(teacher, alpha=1.0), teacher.predict_scores(ROWS)
    apart = np.abs(student.predict_scores(ROWS) - said).mean()
    tftransfer.fine_tune(student, wrong, strategy=strategy, epochs=40, learning_rate=3e-3, show_progress=False)
    assert np.ptp(said[:, 0]) > 0.3
    assert np.abs(student.predict_scores(ROWS) - said).mean() < apart / 2
    # The teacher has not moved, and is nowhere in the student.
    assert values(teacher) == before
    assert not {id(v) for v in student.variables} & {id(v) for v in teacher.variables}
    assert len(student.weights) == len(teacher.weights) - 16
    student.save(tmp_path / "student.keras")
    copy = keras.saving.load_model(tmp_path / "student.keras")
    assert len(copy.weights) == len(student.weights)
    x = student.encode(ROWS).batch(np.arange(8))[0]
    assert np.array_equal(np.asarray(copy(x)), np.asarray(student(x)))


@pytest.mark.slow
def test_a_student_learns_from_texts_without_labels(checkpoint: str, teacher: TransferModel, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n\n".join(TEXTS) + "\n", encoding="utf-8")
    student = build(checkpoint, seed=1, keep_layers=1)
    said = teacher.predict_scores(ROWS)
    before = np.abs(student.predict_scores(ROWS) - said).mean()
    one = ROWS.take([0, 1])
    after = []
    watch = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: after.append(student.predict_scores(ROWS)))
    strategy = Distillation(teacher, alpha=0.0, unlabelled=str(tmp_path / "texts.txt"))
    (stage,) = strategy.stages(student, one.columns, 0)
    assert stage.columns["text"] == TEXTS
    options = {"epochs": 40, "learning_rate": 3e-3, "show_progress": False}
    tftransfer.fine_tune(student, one, strategy=strategy, callbacks=[watch], **options)
    assert np.abs(after[0] - said).mean() < before / 2


def test_whom_texts_without_labels_are_not_for(checkpoint: str, teacher: TransferModel, tmp_path: Path) -> None:
    regression = tftransfer.build(checkpoint, tftransfer.tasks.Regression(mean=0, scale=1))
    with pytest.raises(ConfigError, match=r"unlabelled: expected a task with labels of single texts, .* regression"):
        Distillation(teacher, unlabelled=TEXTS).stages(regression, ROWS.columns, 0)
    (tmp_path / "empty.txt").write_text("\n \n")
    for name, message in (("empty.txt", "the file is empty"), ("none.txt", "No such file")):
        with pytest.raises(DataError, match=message):
            Distillation(teacher, unlabelled=str(tmp_path / name)).stages(build(checkpoint), ROWS.columns, 0)


def test_a_teacher_that_does_not_fit(
    checkpoint: str, teacher: TransferModel, make_checkpoint: Callable[..., Path]
) -> None:
    narrow = build(str(make_checkpoint({"hidden_size": 16, "intermediate_size": 16})))
    wider = dataclasses.replace(TASK, labels=("no", "yes", "unsure"))
    for strategy, student, message in (
        (Distillation("runs/large"), build(checkpoint), r"received 'runs/large'\. Load it: tftransfer\.load"),
        (Distillation(teacher), build(checkpoint, wider), r"student's labels, no, yes, unsure; received no, yes\."),
        (Distillation(teacher, hidden=1.0), narrow, r"states as wide as the student's, 16, .* received 32 and 2"),
        (
            Distillation(build(checkpoint, keep_layers=1), hidden=1.0),
            build(checkpoint),
            r"least its 2 layers; .* and 1",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            compile_model(student, strategy, Training(), total_steps=1)


@pytest.mark.parametrize("edit", ["vocabulary", "positions"])
def test_a_teacher_of_other_tokens(
    edit: str, checkpoint: str, teacher: TransferModel, make_checkpoint: Callable[..., Path]
) -> None:
    other = make_checkpoint(STILL | ({"max_position_embeddings": 32} if edit == "positions" else {}))
    if edit == "vocabulary":
        path = other / "vocab.txt"
        path.write_text(path.read_text().replace("lamp\n", "LAMP\n"))
    message = {"vocabulary": r"whose ids are of other tokens", "positions": r"rows of 64 tokens.* has 32 positions"}
    with pytest.raises(ConfigError, match=message[edit]):
        compile_model(build(checkpoint), Distillation(build(str(other))), Training(), total_steps=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature: expected a number > 0; received 0.0"),
        ({"alpha": 1.5}, "alpha: expected a number from 0 to 1; received 1.5"),
        ({"hidden": -1.0}, "hidden: expected a number >= 0; received -1.0"),
    ],
)
def test_a_wrong_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Distillation("runs/large", **options)


@pytest.mark.slow
def test_a_run_whose_teacher_is_a_run(checkpoint: str, tmp_path: Path) -> None:
    lines = [f"{text}\t{label}" for text, label in zip(TEXTS, ROWS.columns["label"], strict=True)]
    (tmp_path / "train.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n", encoding="utf-8")

    def run(name: str, layers: int | None, strategy: dict[str, Any], epochs: int) -> int:
        settings = {
            "model": {"checkpoint": checkpoint, "keep_layers": layers},
            "task": {"name": "sequence_classification"},
            "data": {"train": {"path": str(tmp_path / "train.tsv")}},
            "strategy": strategy,
            "training": {"epochs": epochs, "batch_size": 8},
            "export": {"enabled": False},
        }
        experiment.fit(config.validate(settings), tmp_path / name)
        return len(experiment.load(tmp_path / name).weights)

    large = run("large", None, {"name": "full"}, epochs=0)
    small = run("small", 1, {"name": "distillation", "teacher": str(tmp_path / "large")}, epochs=1)
    assert small == large - 16
    (tmp_path / "large").rename(tmp_path / "gone")  # a student is asked without its teacher
    assert len(experiment.load(tmp_path / "small").predict_text(TEXTS)) == 8
