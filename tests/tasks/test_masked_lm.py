"""Masked words: what is drawn, the loss and the answers, against PyTorch's own models and NumPy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import parity
import pytest
import safetensors.numpy
import tensorflow as tf
import transformers
from parity import torch

import tftransfer
from tftransfer import registry
from tftransfer.data.batches import BatchPlan
from tftransfer.data.examples import Examples
from tftransfer.errors import ConfigError, DataError
from tftransfer.export.served import Served
from tftransfer.tasks import MaskedLM
from tftransfer.tasks.components.losses import SmoothedCrossentropy
from tftransfer.tasks.masking import first_columns
from tftransfer.token_rows import IGNORED
from tftransfer.tokenizers.in_graph import in_graph

TEXTS = [
    "the parcel was not delivered today, and nobody answered the phone",
    "please send my money back",
    "unavailable",
    "i want a refund for the broken lamp " * 12,
]


def examples(texts: list[str] = TEXTS) -> Examples:
    return Examples({"text": texts}, "<texts>", np.arange(1, len(texts) + 1))


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path) -> Any:
    return tftransfer.build(str(tiny_checkpoint), MaskedLM(), max_length=24)


def batches(model: Any, task: MaskedLM, count: int = 1, texts: list[str] = TEXTS) -> list[tuple[Any, ...]]:
    """Returns batches of all rows, each with other masks."""
    rows = model.tokenizer.encode(texts, max_length=model.max_length, options=task.row_options)
    encoded = model.encode(examples(texts))
    rewrite = task.with_tokenizer(model.tokenizer).rewriter(rows)
    plain = [encoded.batch(np.arange(len(encoded)))[0]]
    numbers = np.arange(len(encoded))
    unmasked = {key: plain[0][key] for key in ("attention_mask", "token_type_ids")}
    ids = np.full_like(unmasked["attention_mask"], model.tokenizer.pad_token_id)
    ids[unmasked["attention_mask"] > 0] = rows.input_ids
    assert rewrite is not None
    plan = BatchPlan(len(encoded), len(encoded), seed=3)
    inputs = {"input_ids": ids, **unmasked}
    return [(inputs, *rewrite(inputs, numbers, plan.random(n))) for n in range(count)]


# === What is drawn ===


def test_targets_are_the_tokens_that_stood_there(model: Any) -> None:
    plain, inputs, targets, weights = batches(model, MaskedLM())[0]
    known = targets != IGNORED
    rows, columns = np.nonzero(known)
    places = inputs["masked_positions"][rows, columns]
    assert (plain["input_ids"][rows, places] == targets[known]).all()
    assert not set(targets[known].tolist()) & model.tokenizer.special_ids
    changed = plain["input_ids"] != inputs["input_ids"]
    changed[rows, places] = False
    assert not changed.any()  # nothing else is touched
    assert {inputs["masked_positions"].dtype, targets.dtype} == {np.dtype("int32")}
    assert targets.shape[1] % 4 == 0
    assert weights.mean() == pytest.approx(1)
    assert len(set(weights[known].tolist())) == 1
    assert not weights[~known].any()


def test_how_many_tokens_are_masked_and_how(model: Any) -> None:
    chosen = []
    drawn = batches(model, MaskedLM(), count=400)
    for plain, inputs, targets, _ in drawn:
        real = (plain["attention_mask"] > 0) & ~np.isin(plain["input_ids"], sorted(model.tokenizer.special_ids))
        expected = np.maximum(np.rint(0.15 * real.sum(axis=1)), 1)
        assert ((targets != IGNORED).sum(axis=1) == expected).all()
        rows, columns = np.nonzero(targets != IGNORED)
        found = inputs["input_ids"][rows, inputs["masked_positions"][rows, columns]]
        chosen.append(np.stack([found == model.tokenizer.mask_token_id, found == targets[targets != IGNORED]]))
    masked, kept = np.concatenate(chosen, axis=1)
    assert len(masked) > 5000
    assert masked.mean() == pytest.approx(0.8, abs=0.02)
    assert kept.mean() == pytest.approx(0.1, abs=0.02)
    # Each token's turn comes as often as any other's of its row.
    counts = np.zeros(drawn[0][0]["input_ids"].shape[1])
    for _, inputs, targets, _ in drawn:
        np.add.at(counts, inputs["masked_positions"][0][targets[0] != IGNORED], 1)
    shares = counts[counts > 0] / len(drawn)
    assert shares == pytest.approx(shares.mean(), abs=0.08)


def test_batches_draw_other_masks_and_the_same_batch_the_same_ones(model: Any) -> None:
    one, two = batches(model, MaskedLM(), count=2)
    again = batches(model, MaskedLM(), count=2)[1]
    assert not np.array_equal(one[1]["input_ids"], two[1]["input_ids"])
    np.testing.assert_array_equal(again[1]["input_ids"], two[1]["input_ids"])
    np.testing.assert_array_equal(again[1]["masked_positions"], two[1]["masked_positions"])


def test_whole_words(model: Any) -> None:
    texts = ["unavailable parcels delivered wrongly"] * 40
    for plain, inputs, targets, _ in batches(model, MaskedLM(whole_words=True, mask_probability=0.3), texts=texts):
        tokens = [model.tokenizer.rust.id_to_token(i) for i in plain["input_ids"][0]]
        word = np.cumsum([not token.startswith("##") for token in tokens])
        sizes = {n: int((word == n).sum()) for n in word}
        for row, columns in enumerate(targets != IGNORED):
            found = word[inputs["masked_positions"][row][columns]].tolist()
            assert all(found.count(n) == sizes[n] for n in found)
        counts = (targets != IGNORED).sum(axis=1)
        assert counts.min() >= 1
        assert counts.mean() == pytest.approx(0.3 * (len(tokens) - 2), rel=0.25)


def test_rows_without_a_token(model: Any) -> None:
    _, _, targets, weights = batches(model, MaskedLM(), texts=["", "a", ""])[0]
    assert (targets != IGNORED).sum(axis=1).tolist() == [0, 1, 0]
    assert weights.sum() == pytest.approx(weights.size)
    _, _, targets, weights = batches(model, MaskedLM(), texts=["", ""])[0]
    assert (targets == IGNORED).all()
    assert not weights.any()
    model.compile(loss=model.task.loss(), metrics=model.task.metrics())
    found = model.measure(model.encode(examples(["", ""])))
    assert (found["loss"], found["tokens"]) == (0, 0)


def test_masks_of_the_users_own_are_not_to_be_found(model: Any) -> None:
    for plain, inputs, targets, _ in batches(model, MaskedLM(), 20, ["[MASK] [MASK] [MASK] [MASK] [MASK] late"]):
        assert (plain["input_ids"] == model.tokenizer.mask_token_id).sum() == 5
        assert (targets != IGNORED).sum() == 1
        assert inputs["masked_positions"][0, 0] == 6


def test_columns() -> None:
    positions, known = first_columns(np.array([[0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1]], bool), 4)
    assert positions.tolist() == [[1, 3, 4, 0], [0, 0, 0, 0], [4, 0, 0, 0]]
    assert known.sum(axis=1).tolist() == [3, 0, 1]
    assert first_columns(np.zeros((2, 5), bool), 1)[0].tolist() == [[0], [0]]


# === Loss, metrics and head ===


@pytest.mark.skipif(torch is None, reason="PyTorch is the reference")
@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_the_loss_is_that_of_pytorch(name: str, tmp_path: Path) -> None:
    reference = parity.save(tmp_path, name, "masked_lm")
    parity.write_tokenizer(tmp_path, parity.transformers_pad(name))
    model = tftransfer.build(str(tmp_path), MaskedLM(), max_length=parity.LENGTH)
    assert model.load_report.head == "the checkpoint's masked words head was loaded"
    assert not model.load_report.fresh
    texts = ["abc def , ghi" * 6, "x", "a b c d e f g h i j k l m n o p", "zz ! "]
    inputs, targets, weights = model.encode(examples(texts)).batch(np.arange(4), np.random.default_rng(0))
    positions = inputs["masked_positions"]
    labels = np.full(inputs["input_ids"].shape, IGNORED)
    rows, columns = np.nonzero(targets != IGNORED)
    labels[rows, positions[rows, columns]] = targets[rows, columns]
    theirs = {key: value for key, value in inputs.items() if key != "masked_positions"}
    with torch.no_grad():
        truth = reference(**parity.as_torch(reference, theirs), labels=torch.tensor(labels).long())
    logits = np.asarray(model(inputs))
    expected = truth.logits.numpy()[rows, positions[rows, columns]]
    np.testing.assert_allclose(logits[rows, columns], expected, rtol=0, atol=1e-5)
    assert float(model.task.loss()(targets, logits, weights)) == pytest.approx(truth.loss.item(), rel=1e-5)
    model.compile(loss=model.task.loss(), metrics=model.task.metrics())
    found = model.test_on_batch(inputs, targets, weights, return_dict=True)
    assert found["loss"] == pytest.approx(truth.loss.item(), rel=1e-5)
    assert found["perplexity"] == pytest.approx(np.exp(truth.loss.item()), rel=1e-5)


def test_the_loss_without_smoothing_is_the_one_with_very_little() -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(3, 5, 7)).astype("float32"), rng.integers(-1, 7, (3, 5))
    sparse, dense = (np.asarray(SmoothedCrossentropy(share).call(targets, logits)) for share in (0.0, 1e-9))
    np.testing.assert_allclose(sparse, dense, atol=1e-6)
    assert (sparse[targets < 0] == 0).all()


def test_metrics_are_of_all_tokens_alike() -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(6, 9, 11)).astype("float32"), rng.integers(0, 11, (6, 9)).astype("int32")
    targets[0, 1:], targets[3] = IGNORED, IGNORED
    known = targets >= 0
    loss = torch.nn.functional.cross_entropy(torch.tensor(logits[known]), torch.tensor(targets[known]).long()).item()
    metrics = MaskedLM().metrics()
    for rows in ([0], [1, 2], [3], [4, 5]):
        for metric in metrics:
            metric.update_state(targets[rows], logits[rows])
    found = {metric.name: float(metric.result()) for metric in metrics}
    assert found["perplexity"] == pytest.approx(np.exp(loss), rel=1e-5)
    assert found["accuracy"] == pytest.approx((logits[known].argmax(-1) == targets[known]).mean())
    assert found["tokens"] == known.sum()
    evidence = MaskedLM().evidence(found, {})
    assert evidence == {"loss": pytest.approx(loss, rel=1e-5), "accuracy": found["accuracy"], "tokens": known.sum()}
    copies = [keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(one)) for one in metrics]
    assert [copy.name for copy in copies] == list(found)


def test_a_checkpoint_without_a_head_has_a_fresh_one_in_the_familys_shape(make_checkpoint: Callable) -> None:
    directory = make_checkpoint()
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    model = tftransfer.build(str(directory), MaskedLM())
    assert set(model.load_report.fresh) == {
        "head/bias",
        *(f"head/hidden/{leaf}" for leaf in ("kernel", "bias")),
        *(f"head/norm/{leaf}" for leaf in ("gamma", "beta")),
    }
    assert model.get_layer("head").dropout == 0
    assert model.output.shape == (None, None, len(model.task._words))


# === Answers ===


def test_answers_are_those_of_transformers(model: Any, tmp_path: Path) -> None:
    path = tftransfer.export_huggingface(model, tmp_path / "out")
    theirs = transformers.pipeline("fill-mask", str(path))
    for text in ("the [MASK] is late", "[MASK]", "where is my [MASK], it is [MASK] and [MASK]"):
        found = theirs(text)
        found = [found] if isinstance(found[0], dict) else found
        (ours,) = model.predict_text([text])
        assert [[one["token"] for one in fills] for fills in ours["fills"]] == [
            [one["token_str"] for one in fills] for fills in found
        ]
        expected = [[one["score"] for one in fills] for fills in found]
        np.testing.assert_allclose([[one["score"] for one in f] for f in ours["fills"]], expected, atol=1e-5)


def test_long_texts_are_answered_whole(model: Any) -> None:
    long = "the lamp is broken " * 10 + "[MASK] " + "please send my money back " * 10 + "[MASK]"
    answers = model.predict_text(["no mask", long, "", "[MASK]"])
    assert [len(answer["fills"]) for answer in answers] == [0, 2, 0, 1]
    assert all(len(fills) == 5 for answer in answers for fills in answer["fills"])
    json.dumps(answers)


def test_the_graph_answers_like_the_model(model: Any) -> None:
    task = model.task
    served = Served(model, in_graph(model.tokenizer, model.max_length, options=task.row_options), task.input_keys)
    long = "the lamp is broken " * 10 + "[MASK] " + "please send my money back " * 10 + "[MASK]"
    for texts in (["no mask", long, "", "[MASK]", "[MASK]"], ["no mask"], ["[MASK] is [MASK]late[MASK]"]):
        outputs = served.serve(tf.constant(texts))
        masks = max(text.count("[MASK]") for text in texts)
        assert outputs["tokens"].shape == outputs["scores"].shape == (len(texts), masks, 5)
        tokens = [[[t.decode() for t in mask] for mask in text] for text in outputs["tokens"].numpy()]
        found = task.read_served({"tokens": tokens, "scores": outputs["scores"].numpy().tolist()})
        for one, other in zip(found, model.predict_text(texts), strict=True):
            assert len(one["fills"]) == len(other["fills"])
            for fills, expected in zip(one["fills"], other["fills"], strict=True):
                assert [fill["token"] for fill in fills] == [fill["token"] for fill in expected]
                np.testing.assert_allclose(
                    [fill["score"] for fill in fills], [fill["score"] for fill in expected], atol=1e-5
                )


def test_margins_tell_of_answers_that_rounding_may_change() -> None:
    scores = [np.array([[0.5, 0.2, 0.3], [0.4, 0.39, 0.21]]), np.zeros((0, 3)), np.array([[0.8, 0.1, 0.1]])]
    assert MaskedLM(top_k=1).margins(scores) == pytest.approx([0.01, np.inf, 0.7])
    assert MaskedLM(top_k=2).margins(scores) == pytest.approx([0.01, np.inf, 0.0])
    assert MaskedLM(top_k=9).margins(scores) == pytest.approx([0.01, np.inf, 0.0])


# === What does not fit ===


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_probability": 0.0}, r"mask_probability: expected a number in \(0, 1\); received 0.0"),
        ({"mask_probability": 1.5}, r"mask_probability: expected a number in \(0, 1\); received 1.5"),
        ({"mask_share": 0.9, "random_share": 0.2}, r"expected 0 or more, together 1 at most; received \(0.9, 0.2\)"),
        ({"random_share": -0.1}, r"expected 0 or more, together 1 at most; received \(0.8, -0.1\)"),
        ({"mask_text": " "}, r"mask_text: expected a word such as \[MASK\]; received ' '"),
        ({"top_k": 0}, r"top_k: expected a number of tokens >= 1; received 0"),
        ({"labels": ["a", "b"]}, r"labels: unknown option"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.tasks.build("masked_lm", options)


def test_texts_that_there_are_not() -> None:
    with pytest.raises(DataError, match="every one is empty"):
        MaskedLM().resolve({"text": ["", " "]})
    assert MaskedLM().resolve({"text": ["", "a"]}) == MaskedLM()


def test_a_tokenizer_without_a_mask(make_checkpoint: Callable) -> None:
    directory = make_checkpoint()
    words = (directory / "vocab.txt").read_text().replace("[MASK]\n", "[unused]\n")
    (directory / "vocab.txt").write_text(words)
    settings = json.loads((directory / "tokenizer_config.json").read_text())
    (directory / "tokenizer_config.json").write_text(json.dumps({**settings, "mask_token": None}))
    with pytest.raises(ConfigError, match="a checkpoint whose tokenizer has a mask token"):
        tftransfer.build(str(directory), MaskedLM())


def test_a_task_that_knows_no_tokenizer() -> None:
    with pytest.raises(ConfigError, match=r"use model\.task"):
        MaskedLM().decode([np.ones((1, 3))], {})


def test_a_text_that_stands_for_another_token(tiny_checkpoint: Path) -> None:
    model = tftransfer.build(str(tiny_checkpoint), MaskedLM(mask_text="parcel"))
    with pytest.raises(ConfigError, match="'parcel', which is a token itself"):
        model.predict_text(["a parcel"])


# === The adapted encoder ===


@pytest.mark.slow
def test_a_classifier_stands_on_the_adapted_encoder(make_checkpoint: Callable, tmp_path: Path) -> None:
    directory = make_checkpoint()
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    model = tftransfer.build(str(directory), MaskedLM())
    trained = tftransfer.fine_tune(model, examples(), examples(), epochs=1, learning_rate=1e-3, show_progress=False)
    assert {"perplexity", "val_perplexity", "val_accuracy"} <= set(trained.history)
    path = tftransfer.export_huggingface(model, tmp_path / "dapt")
    task = tftransfer.tasks.SequenceClassification(labels=["a", "b"])
    classifier = tftransfer.build(str(path), task)
    assert classifier.get_layer("head").pooling == "mean"
    ours, theirs = ({v.path: v.numpy() for v in one.weights} for one in (classifier, model))
    encoder = [name for name in ours if not name.startswith("head/")]
    assert len(encoder) > 30
    for name in encoder:
        np.testing.assert_array_equal(ours[name], theirs[name])
    tensors = safetensors.numpy.load_file(path / "model.safetensors")
    original = safetensors.numpy.load_file(directory / "model.safetensors")
    query = "encoder.layer.0.attention.self.query.weight"
    assert not np.array_equal(tensors[f"bert.{query}"], original[query])
    # The pooler that the encoder came with is not lost.
    np.testing.assert_array_equal(tensors["bert.pooler.dense.weight"], original["pooler.dense.weight"])
    again = tftransfer.build(str(path), MaskedLM())
    assert again.load_report.head == "the checkpoint's masked words head was loaded"
    assert again.predict_text(["a [MASK]"])[0]["fills"][0][0] == pytest.approx(
        model.predict_text(["a [MASK]"])[0]["fills"][0][0], abs=1e-6
    )
