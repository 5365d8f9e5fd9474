"""The artefact answers raw strings like the model, in a process that knows nothing of us - or there is no artefact."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tftransfer
from tftransfer.errors import ConfigError, ExportError
from tftransfer.export import savedmodel, verification, version
from tftransfer.export.lint import lint
from tftransfer.export.savedmodel import REPORT_FILE, export
from tftransfer.export.verification import answers_of
from tftransfer.export.warmup import read_warmup
from tftransfer.tokenizers import FastTokenizer
from tftransfer.tokenizers.in_graph import in_graph

TEXTS = [
    "Hello world",
    "the parcel came late again",
    "good, thank you!",
    "",
    "\u4e2d\u6587 caf\u00e9 xyzzy",
    "bad " * 99,
]


@pytest.fixture(scope="module")
def artefact(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(model, tmp_path_factory.mktemp("reviews"), texts=TEXTS[:3])


@pytest.fixture(scope="module")
def tokenizers(model: Any) -> dict[bool, tf.Module]:
    return {pair: in_graph(model.tokenizer, model.max_length, pair) for pair in (False, True)}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tokenizers: dict[bool, tf.Module]) -> pytest.MonkeyPatch:
    """Exports that make the tokenizer once for all, and compare it on few texts."""
    monkeypatch.setattr(verification.parity, "torture", lambda *_: ["hello"])
    monkeypatch.setattr(savedmodel, "in_graph", lambda _, __, pair, **___: tokenizers[pair])
    return monkeypatch


@pytest.fixture
def quick(few: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Exports without a fresh process too, for tests of what is around the checks."""
    few.setattr(savedmodel, "check_answers", lambda *_: 0.0)
    return few


def same(served: dict[str, list], expected: list[dict[str, Any]], tolerance: float = 1e-5) -> bool:
    scores = [list(answer["scores"].values()) for answer in expected]
    return served["label"] == [answer["label"] for answer in expected] and np.allclose(
        served["scores"], scores, rtol=0, atol=tolerance
    )


def in_this_process(serve: Any, **columns: list[str]) -> dict[str, list]:
    answer = serve(**{key: tf.constant(texts) for key, texts in columns.items()})
    return {"label": [label.decode() for label in answer["label"].numpy()], "scores": answer["scores"].numpy().tolist()}


def test_a_fresh_process_answers_like_the_model(model: Any, artefact: Path) -> None:
    served = answers_of(artefact, {"text": TEXTS})["outputs"]
    expected = model.predict_text(TEXTS)
    assert same(served, expected)
    assert len(set(map(tuple, served["scores"]))) > 3  # it does look at the text
    np.testing.assert_allclose(served["score"], [answer["score"] for answer in expected], rtol=0, atol=1e-5)


def test_what_is_in_the_folder(model: Any, artefact: Path) -> None:
    assert artefact.name == "1"
    assert [path.name for path in artefact.parent.iterdir()] == ["1"]
    assert (artefact / "assets" / "labels.txt").read_text(encoding="utf-8") == "bad\ngood\nso so\n"
    report = json.loads((artefact / REPORT_FILE).read_text())
    assert report["signature"] == {
        "inputs": {"text": "string [None]"},
        "outputs": {"label": "string [None]", "score": "float32 [None]", "scores": "float32 [None, 3]"},
    }
    assert report["minimum_server"] == "2.12"
    assert report["tensorflow_version"] == tf.__version__
    assert report["token_differences"] == 0
    assert report["tokens_compared_on"] > 2000
    assert 0 <= report["max_score_difference"] <= report["score_tolerance"] == 1e-5
    assert "FastBertNormalize" in report["ops"]
    assert str(artefact.parent).encode() not in (artefact / "saved_model.pb").read_bytes()


def test_other_ranks_are_refused_and_do_not_crash(artefact: Path) -> None:
    serve = tf.saved_model.load(str(artefact)).signatures["serving_default"]
    for wrong in (tf.constant("hello"), tf.constant([["a", "b"]])):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Shape of tensor text"):
            serve(text=wrong)


def test_warmup_requests_run(artefact: Path) -> None:
    signatures = tf.saved_model.load(str(artefact)).signatures
    for name, columns in read_warmup(artefact):
        answer = signatures[name](**{key: tf.constant(texts) for key, texts in columns.items()})
        assert len(answer["label"]) == len(columns["text"])


def test_the_package_is_the_function(quick: Any, model: Any, tmp_path: Path) -> None:
    assert tftransfer.export(model, str(tmp_path / "new" / "place")) == tmp_path / "new" / "place" / "1"


def test_a_model_over_pairs(few: Any, build: Callable[..., Any], tmp_path: Path) -> None:
    model = build()
    first, second = TEXTS[:4], ["good", "world " * 80, "", "it works"]
    path = export(model, tmp_path, texts=first, text_pairs=second, pair=True)
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    served = in_this_process(serve, text=first, text_pair=second)
    assert same(served, model.predict_text(first, second))
    assert not same(served, model.predict_text(second, first))
    with pytest.raises(tf.errors.InvalidArgumentError):
        serve(text=tf.constant(["a", "b"]), text_pair=tf.constant(["a"]))


def test_a_trained_model_leaves_its_training_behind(quick: Any, build: Callable[..., Any], tmp_path: Path) -> None:
    model = build()
    model.compile("adam", model.task.loss(), jit_compile=True)
    model.optimizer.build(model.trainable_variables)  # what fit does first
    model.make_train_function()
    path = export(model, tmp_path)
    assert not [op for op in lint(path).ops if any(part in op for part in ("Apply", "Xla", "Random"))]
    weights = sum(4 * int(np.prod(variable.shape)) for variable in model.weights)
    assert sum(file.stat().st_size for file in (path / "variables").iterdir()) < weights + 20_000
    names = [name for name, _ in tf.train.list_variables(str(path / "variables" / "variables"))]
    assert not [name for name in names if "optimizer" in name or "momentum" in name]


def test_mixed_bfloat16(few: Any, build: Callable[..., Any], tmp_path: Path) -> None:
    model = build(precision="mixed_bfloat16")
    path = export(model, tmp_path, texts=TEXTS)
    report = json.loads((path / REPORT_FILE).read_text())
    assert report["score_tolerance"] == 5e-2
    assert report["signature"]["outputs"]["scores"] == "float32 [None, 3]"


def plain_head(features: dict[str, Any]) -> Any:
    """The mean over the tokens and both last states of an LSTM; the backbone has told Keras what is padding."""
    hidden = features["last_hidden_state"]
    mean = keras.layers.GlobalAveragePooling1D()(hidden)
    last = keras.layers.Bidirectional(keras.layers.LSTM(8))(hidden)
    return keras.layers.Dense(3)(keras.layers.Concatenate()([mean, last]))


def test_a_head_of_plain_keras_layers(few: Any, build: Callable[..., Any], tmp_path: Path) -> None:
    model = build(head=plain_head)
    path = export(model, tmp_path, texts=TEXTS)
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    assert same(in_this_process(serve, text=TEXTS), model.predict_text(TEXTS))


def test_a_head_that_looks_at_padding_is_caught(few: Any, build: Callable[..., Any], tmp_path: Path) -> None:
    """Its scores depend on the other texts of a batch, so that it answers a client now this, now that."""
    model = build(head=lambda features: keras.layers.Dense(3)(keras.ops.mean(features["last_hidden_state"], axis=1)))
    with pytest.raises(ExportError, match="looks at padding"):
        export(model, tmp_path, texts=TEXTS)


# === What a check refuses leaves nothing behind ===


@pytest.mark.parametrize("error", [ExportError("no"), KeyboardInterrupt()])
def test_a_failed_check_leaves_nothing(quick: Any, model: Any, tmp_path: Path, error: BaseException) -> None:
    def fail(_: Any, directory: Path, *__: Any) -> float:
        assert (directory / "saved_model.pb").is_file()
        raise error

    quick.setattr(savedmodel, "check_answers", fail)
    with pytest.raises(type(error)):
        export(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_vocabulary_in_the_graph_is_found(quick: Any, model: Any, checkpoint: Path, tmp_path: Path) -> None:
    tokens = (checkpoint / "vocab.txt").read_text().split("\n")
    hello, world = tokens.index("hello"), tokens.index("world")
    tokens[hello], tokens[world] = "world", "hello"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "vocab.txt").write_text("\n".join(tokens))
    (tmp_path / "other" / "config.json").write_text((checkpoint / "config.json").read_text())
    other = FastTokenizer.from_directory(tmp_path / "other")
    quick.setattr(savedmodel, "in_graph", lambda _, max_length, pair, **__: in_graph(other, max_length, pair))
    with pytest.raises(ExportError, match=r"tokenizer in the graph(.|\n)*'hello there': expected input_ids") as caught:
        export(model, tmp_path / "base", texts=["hello there", "good"])
    assert "on 2 of 4 texts" in str(caught.value)
    assert list((tmp_path / "base").iterdir()) == []


def test_other_weights_in_the_artefact_are_found(
    few: pytest.MonkeyPatch, build: Callable[..., Any], tmp_path: Path
) -> None:
    model, real = build(), savedmodel.save
    bias = next(variable for variable in model.variables if variable.path.endswith("head/logits/bias"))

    def save(*args: Any) -> list[str]:
        before = bias.numpy()
        bias.assign(before + np.array([0.001, 0, 0]))
        keys = real(*args)
        bias.assign(before)
        return keys

    few.setattr(savedmodel, "save", save)
    with pytest.raises(ExportError, match="scores within 1e-05"):
        export(model, tmp_path, texts=TEXTS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("served", "complaint"),
    [
        ({"scores": [[0.2, 0.8, 0.0], [0.5, 0.5, 0.0]], "label": ["good", "bad"]}, None),
        ({"scores": [[0.2, 0.8, 0.0], [0.5, 0.5, 0.0]], "label": ["bad", "bad"]}, "answers 1 of 2 texts otherwise"),
        ({"scores": [[0.2, 0.8, 0.0], [0.5, 0.4, 0.1]], "label": ["good", "bad"]}, "answers 1 of 2 texts"),
        ({"scores": [[0.2, 0.8, 0.0], [float("nan")] * 3], "label": ["good", "bad"]}, "answers 1 of 2 texts"),
        ({"scores": [[0.2, 0.8, 0.0]], "label": ["good"]}, "Expected 2 answers"),
    ],
)
def test_what_counts_as_the_same_answer(
    monkeypatch: pytest.MonkeyPatch, model: Any, tmp_path: Path, served: dict[str, list], complaint: str | None
) -> None:
    class Stub:
        task = model.task

        def predict_scores(self, _: Any) -> np.ndarray:
            return np.array([[0.2, 0.8, 0.0], [0.5, 0.5, 0.0]], "float32")

    served["score"] = [max(row) for row in served["scores"]]
    monkeypatch.setattr(verification, "answers_of", lambda *_, **__: {"outputs": served})
    monkeypatch.setattr(verification, "read_warmup", lambda _: [])
    check = lambda: verification.check_answers(Stub(), tmp_path, {"text": ["a", "b"]}, 1e-5)  # noqa: E731
    if complaint is None:
        assert check() < 1e-6
    else:
        with pytest.raises(ExportError, match=complaint):
            check()


def test_an_artefact_that_needs_us_fails_in_the_fresh_process(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"another process; it ended with 1(.|\n)*SavedModel file does not exist"):
        answers_of(tmp_path, {"text": ["a"]})


# === Around the checks ===


def test_versions_count_up(quick: Any, model: Any, tmp_path: Path) -> None:
    for name in ("2", "10", "latest", ".tmp-1", "11.old"):
        (tmp_path / name).mkdir()
    assert [export(model, tmp_path).name for _ in range(2)] == ["11", "12"]


def test_a_number_that_another_export_took_meanwhile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real, partial = version.os.rename, tmp_path / ".tmp-1"
    partial.mkdir()

    def rename(source: Path, target: Path) -> None:
        if target.name == "1":
            (target / "variables").mkdir(parents=True)
        real(source, target)

    monkeypatch.setattr(version.os, "rename", rename)
    assert version._publish(partial, tmp_path).name == "2"


@pytest.mark.parametrize("label", ["two\nlines", "two\rlines"])
def test_a_label_with_a_line_break_is_refused(
    quick: Any, build: Callable[..., Any], tmp_path: Path, label: str
) -> None:
    with pytest.raises(ExportError, match="labels of one line each"):
        export(build(labels=["a", label]), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        {"texts": "hello"},
        {"texts": ["a"], "pair": True},
        {"texts": ["a"], "text_pairs": ["b"]},
        {"texts": ["a"], "text_pairs": ["b", "c"], "pair": True},
    ],
)
def test_texts_that_do_not_fit_the_signature(model: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        export(model, tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_way(model: Any, tmp_path: Path) -> None:
    (tmp_path / "model").write_text("")
    with pytest.raises(ExportError, match="expected a directory, found a file"):
        export(model, tmp_path / "model")


@pytest.mark.slow
def test_an_old_server_answers_the_same(model: Any, artefact: Path, old_python: str) -> None:
    served = answers_of(artefact, {"text": TEXTS}, warmup=read_warmup(artefact), python=old_python)
    assert served["tensorflow_version"].startswith("2.12.")
    assert same(served["outputs"], model.predict_text(TEXTS))
