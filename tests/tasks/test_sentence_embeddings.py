"""Sentence embeddings: losses against sentence-transformers and loops, a cut batch, a run from file to vectors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import scipy.stats
import sentence_transformers
import tensorflow as tf
import torch

import tftransfer
from tftransfer import config, experiment, registry
from tftransfer.errors import ConfigError, DataError
from tftransfer.export import hub_tokenizer
from tftransfer.export.verification import answers_of
from tftransfer.tasks import SentenceEmbeddings
from tftransfer.tasks.components.heads import SentenceVector
from tftransfer.tasks.components.pairs import CosineError, InBatchAccuracy, InBatchContrast, PairPearson

COLOURS = ["red", "blue", "large", "small", "new", "old", "hot", "black"]
WORDS = ["lamp", "book", "cup", "chair", "key", "phone", "film", "bill"]


def unit(rows: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, 5))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("float32")


def table(parts: int, texts: list[int] | None = None, scores: Any = 0.0, examples: int = 6) -> np.ndarray:
    """Returns the targets of whole examples."""
    places = np.arange(examples * parts)
    numbers = places if texts is None else texts
    repeated = np.repeat(np.broadcast_to(scores, examples), parts)
    return np.stack([places // parts, places % parts, numbers, repeated], axis=-1).astype("float32")


class Fixed(torch.nn.Module):
    """A model of sentence-transformers whose vectors are given."""

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        return {"sentence_embedding": features["vectors"]}


def theirs(loss: Any, vectors: np.ndarray, parts: int, labels: Any = None) -> float:
    return loss([{"vectors": torch.tensor(vectors[n::parts])} for n in range(parts)], labels).item()


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_contrast_is_the_multiple_negatives_ranking_loss(parts: int, temperature: float) -> None:
    from sentence_transformers.sentence_transformer import losses

    vectors, targets = unit(6 * parts), table(parts)
    truth = theirs(losses.MultipleNegativesRankingLoss(Fixed(), scale=1 / temperature), vectors, parts)
    loss = SentenceEmbeddings(objective="contrastive", temperature=temperature).loss()
    assert float(loss(targets, vectors)) == pytest.approx(truth, rel=1e-5)
    order = np.random.default_rng(1).permutation(len(vectors))
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert float(copy(targets[order], vectors[order])) == pytest.approx(truth, rel=1e-5)


def test_cosine_error_is_the_cosine_similarity_loss() -> None:
    from sentence_transformers.sentence_transformer import losses

    scores = np.linspace(0, 1, 6, dtype="float32")
    vectors, targets = unit(12), table(2, scores=scores)
    truth = theirs(losses.CosineSimilarityLoss(Fixed()), vectors, 2, torch.tensor(scores))
    task = SentenceEmbeddings(objective="cosine", low=0, high=5)
    assert float(task.loss()(targets, vectors)) == pytest.approx(truth, rel=1e-5)
    order = np.random.default_rng(1).permutation(12)
    assert float(CosineError()(targets[order], vectors[order])) == pytest.approx(truth, rel=1e-5)


def test_texts_that_are_as_right_are_no_negatives() -> None:
    # 0 and 3 are pairs of equal anchors, 1 and 4 of equal positives; the positive of 5 is the anchor of 2, and the
    # negative of 2 its own positive.
    texts = [[0, 1, 2], [3, 4, 5], [6, 7, 7], [0, 8, 9], [10, 4, 11], [12, 6, 13]]
    vectors, right = unit(18), [[1], [4], [7], [10], [13], [16]]
    left_out = [{10, 11}, {13}, {8, 16}, {1, 2}, {4}, set()]
    losses = []
    for n in range(6):
        candidates = [row for row in range(18) if row % 3 and row not in left_out[n]]
        logits = vectors[candidates] @ vectors[3 * n] / 0.05
        losses.append(np.log(np.exp(logits).sum()) - vectors[right[n][0]] @ vectors[3 * n] / 0.05)
    targets = table(3, [text for example in texts for text in example])
    assert float(InBatchContrast()(targets, vectors)) == pytest.approx(np.mean(losses), rel=1e-5)
    assert float(InBatchContrast()(table(3), vectors)) > np.mean(losses) + 0.1


@pytest.mark.parametrize("loss", [InBatchContrast(), CosineError()])
def test_a_pair_that_is_cut_adds_nothing(loss: Any) -> None:
    vectors, targets = unit(12), table(2)
    whole = float(loss(targets[:6], vectors[:6]))
    # An anchor alone is nothing; a positive alone is one more candidate.
    assert float(loss(targets[:7], vectors[:7])) * 7 == pytest.approx(whole * 6, rel=1e-5)
    values = tf.Variable(vectors[5:7])  # the positive of one pair, the anchor of the next
    with tf.GradientTape() as tape:
        value = loss(targets[5:7], values)
    assert float(value) == 0.0
    assert np.asarray(tf.convert_to_tensor(tape.gradient(value, values))).tolist() == [[0.0] * 5] * 2


def test_metrics_are_those_of_all_batches() -> None:
    scores = np.random.default_rng(3).random(9)
    vectors, targets = unit(18), table(2, scores=scores, examples=9)
    pearson, accuracy = PairPearson(), InBatchAccuracy()
    hits = []
    for start in (0, 8):
        rows = slice(start, start + (8 if start == 0 else 10))
        pearson.update_state(targets[rows], vectors[rows])
        accuracy.update_state(targets[rows], vectors[rows])
        found = vectors[rows][::2] @ vectors[rows][1::2].T
        hits += (found.argmax(1) == np.arange(len(found))).tolist()
    cosines = (vectors[::2] * vectors[1::2]).sum(1)
    assert float(pearson.result()) == pytest.approx(scipy.stats.pearsonr(scores, cosines)[0], abs=1e-5)
    assert float(accuracy.result()) == pytest.approx(np.mean(hits))
    assert 0 < np.mean(hits) < 1


def test_each_objective_has_its_metric_and_monitors_it() -> None:
    assert SentenceEmbeddings(objective="contrastive").measured == ["accuracy", "loss"]
    assert SentenceEmbeddings(objective="cosine", low=0, high=1).measured == ["pearson", "loss"]
    with pytest.raises(ConfigError, match="use task.resolve"):
        SentenceEmbeddings().loss()


PAIRS = {"text": ["a", "b", "c"], "text_pair": ["d", "e", "a"]}


def test_the_data_choose_the_objective() -> None:
    assert SentenceEmbeddings().resolve(PAIRS) == SentenceEmbeddings(objective="contrastive")
    scored = PAIRS | {"label": ["1.5", "4", "2"]}
    task = SentenceEmbeddings().resolve(scored)
    assert task == SentenceEmbeddings(objective="cosine", low=1.5, high=4.0)
    assert SentenceEmbeddings(low=0, high=5).resolve(scored).low == 0
    assert SentenceEmbeddings(objective="contrastive").resolve(scored).objective == "contrastive"
    assert task.is_resolved


def test_targets_name_example_role_text_and_score(tiny_checkpoint: Path) -> None:
    model = tftransfer.build(str(tiny_checkpoint), SentenceEmbeddings(objective="cosine", low=1, high=5))
    columns = PAIRS | {"label": ["1", "5", "2"]}
    encoded = model.encode(tftransfer.Examples(columns, "<tests>", np.arange(3)))
    expected = [[0, 0, 0, 0], [0, 1, 1, 0], [1, 0, 2, 1], [1, 1, 3, 1], [2, 0, 4, 0.25], [2, 1, 0, 0.25]]
    assert encoded.targets is not None
    assert encoded.targets.tolist() == expected
    assert (len(encoded), encoded.unit) == (3, 2)
    inputs, targets, _ = encoded.batch(np.array([2, 0]))
    assert targets[:, 0].tolist() == [2, 2, 0, 0]
    assert len(inputs["input_ids"]) == 4
    triplets = model.task.texts(PAIRS | {"text_negative": ["x", "y", "z"]})
    assert (triplets.first, triplets.per_example) == (["a", "d", "x", "b", "e", "y", "c", "a", "z"], 3)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["a"]}, r"Expected pairs of texts.*found the columns text\. Name the column"),
        (PAIRS | {"label": ["3", "3", "3"]}, r"different scores.*every pair has 3\. For pairs that all belong"),
        (PAIRS | {"label": ["x", "nan", "inf"]}, r"different scores.*found no number"),
        (PAIRS | {"label": ["1", "2", "3"], "text_negative": ["x", "y", "z"]}, r"found both label and text_negative"),
    ],
)
def test_training_data_that_make_no_sense(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        SentenceEmbeddings().resolve(columns)


def test_problems_name_the_rows() -> None:
    task = SentenceEmbeddings(objective="cosine", low=0, high=1)
    columns = {"text": ["a", " ", "c", "d"], "text_pair": ["b", "b", "", "b"], "label": ["1", "0", "0.5", "nan"]}
    assert task.problems(columns) == {
        1: "empty text",
        2: "empty text_pair",
        3: "expected a finite number as score, found 'nan'",
    }
    assert task.problems({"text": ["a"], "text_pair": ["b"]}) == {
        0: "expected a score in a label column, found no column"
    }
    assert SentenceEmbeddings(objective="contrastive").problems(PAIRS) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, r"temperature: expected a number > 0; received 0.0"),
        ({"low": 2, "high": 1}, r"high: expected a score greater than low, 2.*; received 1"),
        ({"truncate": "windows"}, r"truncate"),
        ({"objective": "cosin"}, r"objective"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.tasks.build("sentence_embeddings", options)


@pytest.mark.parametrize("pooling", ["mean", "max", "cls"])
def test_vectors_are_pooled_and_of_length_1(pooling: str) -> None:
    hidden = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32")
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], "int32")
    pooled = hidden[:, 0]
    if pooling != "cls":
        pooled = np.stack([getattr(row[:length], pooling)(0) for row, length in zip(hidden, (4, 2, 1), strict=True)])
    expected = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    np.testing.assert_allclose(SentenceVector(pooling)(hidden, mask), expected, rtol=0, atol=1e-6)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports to Hugging Face that compare tokenizers on few texts."""
    monkeypatch.setattr(hub_tokenizer, "torture", lambda: ["a lamp", ""])


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("pooling", ["auto", "cls", "pooler"])
def test_sentence_transformers_gives_the_same_vectors(pooling: Any, tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = tftransfer.build(str(tiny_checkpoint), SentenceEmbeddings(pooling=pooling))
    assert model.load_report is not None
    assert (model.load_report.fresh, model.load_report.head) == ((), "")
    texts = ["a good lamp", "bad", "so so, it is late, " * 30]
    ours = np.array([answer["embedding"] for answer in model.predict_text(texts)])
    path = tftransfer.export_huggingface(model, tmp_path)
    found = sentence_transformers.SentenceTransformer(str(path), device="cpu").encode(texts)
    np.testing.assert_allclose(ours, found, rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, rtol=1e-6)
    if pooling == "auto":
        again = tftransfer.build(str(path), SentenceEmbeddings())
        np.testing.assert_allclose([a["embedding"] for a in again.predict_text(texts)], ours, rtol=0, atol=1e-6)
        assert "tasks.SentenceEmbeddings()" in (path / "README.md").read_text()


def test_a_checkpoint_without_a_pooler(make_checkpoint: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"pooling: expected mean, max or cls, since this checkpoint has no pooler"):
        tftransfer.build(str(make_checkpoint(pooler=False)), SentenceEmbeddings(pooling="pooler"))


def write_triplets(path: Path, numbers: range) -> None:
    """Writes triplets in which two words decide."""
    with path.open("w", encoding="utf-8") as file:
        for n in numbers:
            word, other, colour = WORDS[n % 8], WORDS[(n + 1) % 8], COLOURS[n * 5 // 8 % 8]
            row = {"query": f"{colour} {word}", "answer": f"the {word} is {colour}", "not": f"the {other} is {colour}"}
            file.write(json.dumps(row) + "\n")


@pytest.mark.slow
def test_a_run_from_triplets_to_a_savedmodel(tiny_checkpoint: Path, tmp_path: Path) -> None:
    write_triplets(tmp_path / "train.jsonl", range(48))
    write_triplets(tmp_path / "dev.jsonl", range(48, 64))
    columns = {"text": "query", "text_pair": "answer", "text_negative": "not"}
    files = {"train": "train", "validation": "dev"}
    raw = {
        "model": {"checkpoint": str(tiny_checkpoint), "max_length": 16},
        "task": {"name": "sentence_embeddings"},
        "data": {n: {"path": str(tmp_path / f"{f}.jsonl"), "label": None, **columns} for n, f in files.items()},
        "training": {"epochs": 3, "batch_size": 8, "learning_rate": 5e-3},
    }
    model = tftransfer.build(str(tiny_checkpoint), SentenceEmbeddings(objective="contrastive"), max_length=16)
    untrained = model.measure(model.encode(tftransfer.read(tmp_path / "dev.jsonl", label=None, **columns)), 8)
    run = tmp_path / "run"
    summary = experiment.fit(config.validate(raw), run)
    history = json.loads((run / "history.json").read_text())
    assert max(history["val_accuracy"]) > untrained["accuracy"] + 0.2
    assert experiment.evaluate(run, tmp_path / "dev.jsonl") == summary["metrics"]["validation"]
    assert summary["metrics"]["validation"]["recall_at_1"] > 0.5

    # Whoever asks gives one text, and gets one vector.
    (tmp_path / "in.jsonl").write_text(json.dumps({"query": "i want a lamp"}) + "\n")
    (answer,) = experiment.predict(run, tmp_path / "in.jsonl")
    assert answer.keys() == {"text", "embedding"}
    served = answers_of(Path(summary["export"]), {"text": ["i want a lamp"]})["outputs"]
    np.testing.assert_allclose(served["embedding"][0], answer["embedding"], rtol=0, atol=1e-5)
    assert len(answer["embedding"]) == 32
