"""Zero-shot classification: entailment against transformers' pipeline, embeddings against sentence-transformers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers
import transformers

import tftransfer
from tftransfer import config, experiment, registry
from tftransfer.errors import ConfigError, DataError
from tftransfer.export import hub_tokenizer
from tftransfer.export.verification import answers_of
from tftransfer.tasks import ZeroShotByEmbedding, ZeroShotByEntailment

LABELS = ["refund", "late parcel", "password"]
DESCRIPTIONS: dict[str, str | list[str]] = {"refund": ["money back", "a return"], "password": "my lost password"}
TEMPLATE = "you write on {}"
STATEMENTS = [TEMPLATE.format(text) for text in ("money back", "a return", "late parcel", "my lost password")]
TEXTS = ["i want my money back", "where is my parcel?", "i lost my password. " * 20, "lamp"]
NLI = ["CONTRADICTION", "neutral", "Entailment"]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports to Hugging Face that compare tokenizers on few texts."""
    monkeypatch.setattr(hub_tokenizer, "torture", lambda: ["a lamp", ""])


@pytest.fixture
def nli_checkpoint(make_checkpoint: Callable[..., Path]) -> Callable[..., Path]:
    """Makes a checkpoint with a head of such labels."""

    def make(labels: list[str]) -> Path:
        rng = np.random.default_rng(0)
        head = {
            "classifier.weight": rng.normal(size=(len(labels), 32)),
            "classifier.bias": rng.normal(size=len(labels)),
        }
        keys = {
            "architectures": ["BertForSequenceClassification"],
            "id2label": {str(n): label for n, label in enumerate(labels)},
            "label2id": {label: n for n, label in enumerate(labels)},
        }
        return make_checkpoint(keys, {k: v.astype("float32") for k, v in head.items()}, prefix="bert.")

    return make


def scores_of(answers: list[dict[str, Any]], labels: list[str]) -> np.ndarray:
    return np.array([[answer["scores"][label] for label in labels] for answer in answers])


@pytest.mark.parametrize("labels", [NLI, ["entailment", "not_entailment"]])
def test_entailment_is_that_of_transformers(labels: list[str], nli_checkpoint: Any, tmp_path: Path) -> None:
    checkpoint = nli_checkpoint(labels)
    task = ZeroShotByEntailment(LABELS, template=TEMPLATE)
    model = tftransfer.build(str(checkpoint), task, max_length=64)
    assert list(model.task.head_labels) == labels
    assert model.load_report.head == "the checkpoint's sequence classification head was loaded"
    texts = [TEXTS[0], TEXTS[1], TEXTS[3]]
    answers = model.predict_text(texts)
    pipeline = transformers.pipeline("zero-shot-classification", str(checkpoint), device="cpu")
    for answer, truth in zip(answers, pipeline(texts, LABELS, hypothesis_template=TEMPLATE), strict=True):
        assert answer["scores"] == pytest.approx(dict(zip(truth["labels"], truth["scores"], strict=True)), abs=1e-5)
        assert answer["label"] == truth["labels"][0]
    assert np.ptp(scores_of(answers, LABELS)) > 0.01
    if labels == NLI:
        path = tftransfer.export_huggingface(model, tmp_path)
        again = transformers.pipeline("zero-shot-classification", str(path), device="cpu")
        for answer, truth in zip(answers, again(texts, LABELS, hypothesis_template=TEMPLATE), strict=True):
            assert answer["scores"] == pytest.approx(dict(zip(truth["labels"], truth["scores"], strict=True)), abs=1e-5)


@pytest.mark.parametrize("truncate", ["head", pytest.param("windows", marks=pytest.mark.slow)])
def test_several_descriptions_count_by_their_mean_and_the_savedmodel_agrees(
    truncate: Any, nli_checkpoint: Any, tmp_path: Path
) -> None:
    checkpoint = nli_checkpoint(NLI)
    task = ZeroShotByEntailment(LABELS, DESCRIPTIONS, TEMPLATE, truncate=truncate, stride=4)
    model = tftransfer.build(str(checkpoint), task, max_length=24)
    asked = tftransfer.build(str(checkpoint), tftransfer.tasks.SequenceClassification(truncate=truncate, stride=4))
    asked.max_length = 24
    logits = np.empty((len(TEXTS), len(STATEMENTS)))
    for n, statement in enumerate(STATEMENTS):
        columns = {"text": TEXTS, "text_pair": [statement] * len(TEXTS)}
        logits[:, n] = asked.predict_logits(tftransfer.Examples(columns, "<tests>", np.arange(len(TEXTS))))[:, 2]
    means = np.stack([logits[:, :2].mean(1), logits[:, 2], logits[:, 3]], axis=1)
    expected = np.exp(means) / np.exp(means).sum(1, keepdims=True)
    np.testing.assert_allclose(scores_of(model.predict_text(TEXTS), LABELS), expected, rtol=0, atol=1e-5)
    if truncate == "head":
        return
    # The export compares its answers with the model's; here it is the truth.
    path = tftransfer.export(model, tmp_path, texts=TEXTS)
    served = answers_of(path, {"text": TEXTS})["outputs"]
    np.testing.assert_allclose(served["scores"], expected, rtol=0, atol=1e-5)
    assert served["label"] == [LABELS[n] for n in expected.argmax(1)]
    assert (path / "assets" / "labels.txt").read_text().splitlines() == LABELS


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["A", "B", "C"], r"a head that tells entailment; this one has the labels A, B, C\. Take one .*by_embedding"),
        (None, r"a head that tells entailment; this one has no head for texts"),
    ],
)
def test_a_checkpoint_that_tells_no_entailment(
    labels: Any, message: str, nli_checkpoint: Any, tiny_checkpoint: Path
) -> None:
    checkpoint = nli_checkpoint(labels) if labels else tiny_checkpoint
    with pytest.raises(ConfigError, match=message):
        tftransfer.build(str(checkpoint), ZeroShotByEntailment(LABELS))


def test_a_head_that_is_not_the_one_that_was_named(nli_checkpoint: Any) -> None:
    with pytest.raises(ConfigError, match=r"tells entailment; the head is newly initialised: .* the labels A, B, C"):
        tftransfer.build(str(nli_checkpoint(["A", "B", "C"])), ZeroShotByEntailment(LABELS, head_labels=NLI))


def test_targets_are_what_is_known(nli_checkpoint: Any) -> None:
    model = tftransfer.build(str(nli_checkpoint(NLI)), ZeroShotByEntailment(LABELS, DESCRIPTIONS))
    columns = {"text": ["a", "b"], "label": ["refund", "password"]}
    encoded = model.encode(tftransfer.Examples(columns, "<tests>", np.arange(2)))
    assert encoded.targets is not None
    assert encoded.targets.tolist() == [2, 2, -100, -100, -100, -100, -100, 2]
    assert model.measure(encoded).keys() == {"loss"}


def truth_by_embedding(checkpoint: str) -> np.ndarray:
    """Returns the cosines that sentence-transformers' vectors have with those of the labels, in plain NumPy."""
    theirs = sentence_transformers.SentenceTransformer(checkpoint, device="cpu")
    theirs.max_seq_length = 32
    texts, statements = (theirs.encode(values, normalize_embeddings=True) for values in (TEXTS, STATEMENTS))
    labels = np.stack([statements[:2].mean(0), statements[2], statements[3]])
    return texts @ (labels / np.linalg.norm(labels, axis=1, keepdims=True)).T


def as_scores(cosines: np.ndarray, temperature: float) -> np.ndarray:
    powers = np.exp(cosines / temperature)
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_embedding_is_the_softmax_of_cosines(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = tftransfer.build(str(tiny_checkpoint), ZeroShotByEmbedding(LABELS, DESCRIPTIONS, TEMPLATE), max_length=32)
    assert model.load_report is not None
    assert (model.load_report.fresh, model.load_report.head) == ((), "")
    vectors = tftransfer.build(str(tiny_checkpoint), tftransfer.tasks.SentenceEmbeddings(), max_length=32)
    cosines = truth_by_embedding(str(tftransfer.export_huggingface(vectors, tmp_path / "vectors")))
    found = scores_of(model.predict_text(TEXTS), LABELS)
    np.testing.assert_allclose(found, as_scores(cosines, 0.05), rtol=0, atol=1e-4)
    assert np.ptp(found) > 0.01
    # As modules of sentence-transformers it ends in the cosines.
    path = tftransfer.export_huggingface(model, tmp_path / "labels")
    theirs = sentence_transformers.SentenceTransformer(str(path), device="cpu")
    np.testing.assert_allclose(theirs.encode(TEXTS), cosines, rtol=0, atol=1e-5)
    assert list(theirs[0].auto_model.config.id2label.values()) == LABELS
    assert "probabilities once they are divided by 0.05." in (path / "README.md").read_text()


def test_no_strategy_moves_the_vectors_of_labels(tiny_checkpoint: Path) -> None:
    model = tftransfer.build(str(tiny_checkpoint), ZeroShotByEmbedding(LABELS))
    assert model.fixed_paths == {"head/kernel"}
    np.testing.assert_allclose(np.linalg.norm(model.get_layer("head").kernel.numpy(), axis=0), 1, rtol=1e-5)
    examples = tftransfer.Examples({"text": ["a"], "label": ["refund"]}, "<tests>", np.arange(1))
    with pytest.raises(ConfigError, match=r"Expected a task that is trained; zero_shot_by_embedding learns nothing"):
        tftransfer.fine_tune(model, examples)


def settings(folder: Path, checkpoint: Path, **task: Any) -> config.Experiment:
    rows = "".join(f"{text}\t{label}\n" for text, label in zip(TEXTS, [*LABELS, "refund"], strict=True))
    (folder / "test.tsv").write_text("text\tlabel\n" + rows, encoding="utf-8")
    test = {"path": str(folder / "test.tsv")}
    return config.validate(
        {
            "model": {"checkpoint": str(checkpoint), "max_length": 32},
            "task": {"name": "zero_shot_by_embedding", "labels": LABELS, **task},
            "data": {"test": test, "validation": test},
        }
    )


def test_a_run_judges_and_exports_without_training_data(tiny_checkpoint: Path, tmp_path: Path) -> None:
    summary = experiment.fit(settings(tmp_path, tiny_checkpoint, temperature="tuned"), tmp_path / "run")
    model = experiment.load(tmp_path / "run")
    answers = model.predict_text(TEXTS)
    fresh = tftransfer.build(str(tiny_checkpoint), model.task, max_length=32)
    np.testing.assert_allclose(
        scores_of(answers, LABELS), scores_of(fresh.predict_text(TEXTS), LABELS), rtol=0, atol=1e-6
    )
    right = [a["label"] == label for a, label in zip(answers, [*LABELS, "refund"], strict=True)]
    assert summary["metrics"]["test"]["accuracy"] == np.mean(right)
    assert json.loads((tmp_path / "run" / "task.json").read_text())["temperature"] != "tuned"
    assert experiment.evaluate(tmp_path / "run") == summary["metrics"]["test"]
    assert (Path(summary["export"]) / "saved_model.pb").is_file()  # compared with the model's answers


def test_what_a_config_lacks(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"labels"):
        registry.tasks.build("zero_shot_by_embedding", {})
    made = settings(tmp_path, tiny_checkpoint)
    assert experiment.fit(made, tmp_path / "dry", dry_run=True) == {"dry_run": True, "steps": 0}
    test = {**(made.data.test or {}), "label": None}
    unlabelled = made.model_copy(update={"data": made.data.model_copy(update={"test": test})})
    with pytest.raises(DataError, match=r"test.tsv: expected answers, in a column 'label'; received text"):
        experiment.fit(unlabelled, tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["a", "a"]}, r"labels: expected distinct labels"),
        ({"labels": ["a", "b"], "template": "about"}, r"template: expected a text with {} .*; received 'about'"),
        (
            {"labels": ["apple", "b"], "descriptions": {"aple": "x"}},
            r"descriptions: unknown label 'aple'.*mean 'apple'",
        ),
        ({"labels": ["a", "b"], "descriptions": {"a": []}}, r"descriptions: expected at least one text for 'a'"),
        (
            {"labels": ["a", "b"], "descriptions": {"a": ["x", " "]}},
            r"descriptions: expected at least one text for 'a'",
        ),
        ({"labels": ["a", "b"], "temperature": 0.0}, r"temperature: expected a number > 0"),
    ],
)
@pytest.mark.parametrize("name", ["zero_shot_by_embedding", "zero_shot_by_entailment"])
def test_options_that_make_no_sense(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.tasks.build(name, options)
