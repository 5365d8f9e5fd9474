"""How far two outputs of a task are apart, against PyTorch, and that it is weighed as the task's loss is."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch.distributions import Bernoulli, Categorical, kl_divergence

from tftransfer import registry, tasks
from tftransfer.objective import mean_over_rows
from tftransfer.tasks.task import Task

PAIR = ["no", "yes"]
TASKS: dict[str, tuple[Task, tuple[int, ...]]] = {
    "sequence_classification": (tasks.SequenceClassification(PAIR), (4, 2)),
    "multi_label_classification": (tasks.MultiLabelClassification(PAIR), (4, 2)),
    "regression": (tasks.Regression(mean=0, scale=1), (4, 1)),
    "token_classification": (tasks.TokenClassification(["O", "B-X", "I-X"]), (4, 5, 3)),
    "masked_lm": (tasks.MaskedLM(), (4, 5, 7)),
    "question_answering": (tasks.QuestionAnswering(no_answer=False), (4, 5, 2)),
    "sentence_embeddings": (tasks.SentenceEmbeddings(objective="contrastive"), (4, 3)),
    "zero_shot_by_embedding": (tasks.ZeroShotByEmbedding(PAIR), (4, 2)),
    "zero_shot_by_entailment": (tasks.ZeroShotByEntailment(PAIR), (4, 3)),
}


def truth(name: str, logits: torch.Tensor, reference: torch.Tensor, temperature: float) -> torch.Tensor:
    """Returns the divergence as PyTorch's distributions have it."""
    if name in ("regression", "sentence_embeddings"):
        return ((logits - reference) ** 2).sum(-1)
    ours, theirs = logits / temperature, reference / temperature
    if name == "multi_label_classification":
        return kl_divergence(Bernoulli(logits=theirs), Bernoulli(logits=ours)).mean(-1) * temperature**2
    if name == "question_answering":
        ours, theirs = ours.transpose(1, 2), theirs.transpose(1, 2)  # tokens last
    found = kl_divergence(Categorical(logits=theirs), Categorical(logits=ours)) * temperature**2
    return found.mean(-1) if name == "question_answering" else found


def draw(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=3, size=shape).astype("float32")


def test_every_task_is_here() -> None:
    assert sorted(TASKS) == registry.tasks.names()


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("name", TASKS)
def test_it_is_that_of_pytorch(name: str, temperature: float) -> None:
    task, shape = TASKS[name]
    logits, reference = draw(shape, 0), draw(shape, 1)
    found = np.asarray(task.divergence(logits, reference, temperature))
    expected = truth(name, torch.tensor(logits), torch.tensor(reference), temperature).numpy()
    assert found.dtype == "float32"
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4 * expected.max()
    assert np.abs(np.asarray(task.divergence(logits, logits, temperature))).max() <= 1e-6
    assert np.asarray(task.divergence(100 * logits, 100 * reference)).max() < np.inf


@pytest.mark.parametrize("name", [name for name in TASKS if TASKS[name][0].trains])
def test_there_is_an_entry_wherever_the_loss_has_one(name: str) -> None:
    task, shape = TASKS[name]
    loss = task.loss()
    targets: dict[str, Any] = {"question_answering": np.ones((4, 2)), "sentence_embeddings": np.zeros((4, 4))}
    text_level = np.zeros(shape) if name in ("regression", "multi_label_classification") else np.zeros(shape[:-1])
    losses = loss.call(targets.get(name, text_level).astype("float32"), draw(shape, 0))
    assert tuple(task.divergence(draw(shape, 0), draw(shape, 1)).shape) == tuple(losses.shape)


def test_tokens_of_padding_do_not_count_in_question_answering() -> None:
    task, shape = TASKS["question_answering"]
    ours, theirs = draw(shape, 0), draw(shape, 1)
    padding = np.full((4, 3, 2), -1e9, "float32")
    padded = [np.concatenate([logits, padding], axis=1) for logits in (ours, theirs)]
    assert np.allclose(task.divergence(*padded), task.divergence(ours, theirs), atol=1e-6)


@pytest.mark.parametrize("shape", [(3,), (3, 4)])
def test_a_mean_is_weighed_as_the_loss_is(shape: tuple[int, ...]) -> None:
    values, weights = draw(shape, 0), np.abs(draw(shape, 1))
    rows = np.abs(draw((3,), 2))
    of_rows = rows.reshape(3, *[1] * (len(shape) - 1))
    for sample_weight, factor in ((None, 1.0), (weights, weights), (rows, of_rows)):
        found = mean_over_rows(tf.constant(values), sample_weight)
        assert np.isclose(float(found), (values * factor).mean(), rtol=1e-5)
