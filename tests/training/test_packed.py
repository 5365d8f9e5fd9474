"""Packed batches train as padded ones do: every task, every family, every strategy that takes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from strategy_blocks import build_strategy, strategy_block
from tiny import write_checkpoint

import tftransfer
from tftransfer import Examples, registry
from tftransfer.config import Training
from tftransfer.errors import ConfigError
from tftransfer.training.fine_tune import fit_encoded
from tftransfer.training.packed import packed_rows

TASKS: dict[str, dict[str, Any]] = {
    "sequence_classification": {},
    "multi_label_classification": {},
    "regression": {},
    "token_classification": {},
    "question_answering": {"stride": 8},
    "masked_lm": {},
    "sentence_embeddings": {"objective": "contrastive"},
}
FAMILIES = registry.backbones.names()
SLOW = {"multi_label_classification", "regression", "sentence_embeddings"}
QUICK = {"roberta", "longformer"}
TRAINING = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "seed": 3, "monitor": "loss", "cache_features": False}
# Softmax does not see what is added to all scores of a row: such a gradient is rounding alone. So it is with a key's
# bias, and where tokens compete to be an answer's first and last one, with whatever all of them have.
WITHOUT_GRADIENT = ("attention/key/bias",)
OF_ALL_TOKENS = ("output_norm/beta", "head/logits/bias")


def rows(name: str, number: int = 21) -> Examples:
    """Returns examples for a task; some are far longer than others."""
    rng = np.random.default_rng(1)
    words = ["good", "bad", "lamp", "box", "the", "is", "very", "wrong", "late"]
    texts = [" ".join(rng.choice(words, n)) for n in rng.integers(1, 24, number)]
    columns: dict[str, list[Any]] = {"text": texts}
    labels = ["yes" if "good" in text else "no" for text in texts]
    if name == "sequence_classification":
        columns["label"] = labels
    if name == "multi_label_classification":
        columns["label"] = [[label] for label in labels]
    if name == "regression":
        columns["label"] = [str(len(text)) for text in texts]
    if name == "token_classification":
        columns["spans"] = [[(0, len(text.split()[0]), label)] for text, label in zip(texts, labels, strict=True)]
    if name == "sentence_embeddings":
        columns["text_pair"] = texts[::-1]
    if name == "question_answering":
        columns |= {"text": labels, "text_pair": texts, "answers": [[(text.split()[0], 0)] for text in texts]}
    return Examples(columns, "toy.tsv", np.arange(number) + 2)


def fit(
    checkpoint: Path, batching: str, name: str = "sequence_classification", *, strategy: Any = None, **options: Any
) -> tuple[dict[str, list[float]], dict[str, np.ndarray], Any]:
    """Returns history, weights and what is called without padding in between."""
    keras.utils.set_random_seed(2)
    examples = rows(name)
    precision = options.pop("precision", "float32")
    regularizers = options.pop("regularizers", ())
    task = registry.tasks.build(name, TASKS[name]).resolve(examples.columns)
    model = tftransfer.build(str(checkpoint), task, strategy=strategy, max_length=32, precision=precision)
    packed: list[bool] = []
    seen = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: packed.append(model.packed is not None)
    )
    trained = fit_encoded(
        model,
        model.encode(examples, training=True),
        model.encode(examples.take(np.arange(10))),
        strategy=model.strategy,
        regularizers=regularizers,
        training=Training(**{**TRAINING, "batching": batching, **options}),
        callbacks=[seen],
    )
    assert set(packed) <= {batching == "packed"}
    weights = dict(zip((v.path for v in model.weights), model.get_weights(), strict=True))
    return {k: v for k, v in trained.history.items() if k != "seconds"}, weights, model


def assert_equal(
    checkpoint: Path, name: str = "sequence_classification", tolerance: float = 1e-5, **options: Any
) -> None:
    padded, packed = (fit(checkpoint, batching, name, **options) for batching in ("padded", "packed"))
    assert padded[0].keys() == packed[0].keys()
    for key, values in padded[0].items():
        np.testing.assert_allclose(packed[0][key], values, rtol=1e-5, atol=tolerance, err_msg=key)
    without = WITHOUT_GRADIENT + (OF_ALL_TOKENS if name == "question_answering" else ())
    for path, values in padded[1].items():
        if not path.endswith(without):
            np.testing.assert_allclose(packed[1][path], values, rtol=0, atol=tolerance, err_msg=path)


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns the tiny checkpoint of a family, without dropout."""

    def make(name: str) -> Path:
        directory = tmp_path_factory.mktemp(name)
        write_checkpoint(directory, name)
        return directory

    return make


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in TASKS])
def test_every_task(shallow_checkpoint: Path, name: str) -> None:
    assert_equal(shallow_checkpoint, name)


def test_every_task_that_trains_is_here() -> None:
    assert set(TASKS) == {name for name in registry.tasks.names() if registry.tasks.get(name).trains}


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in FAMILIES])
def test_every_family(family: Callable[[str], Path], name: str) -> None:
    assert_equal(family(name))


STRATEGIES = [n for n in registry.strategies.names() if n not in ("prompt_tuning", "distillation")]


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n == "lora" else pytest.mark.slow) for n in STRATEGIES])
def test_every_strategy(shallow_checkpoint: Path, name: str) -> None:
    assert_equal(shallow_checkpoint, strategy=build_strategy(strategy_block(name)))


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.regularizers.names())
def test_every_regularizer(shallow_checkpoint: Path, name: str) -> None:
    assert_equal(shallow_checkpoint, regularizers=[registry.regularizers.build(name, {})])


@pytest.mark.parametrize("pooling", [pytest.param("mean", marks=pytest.mark.slow), "max", "pooler"])
def test_every_pooling(shallow_checkpoint: Path, pooling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "sequence_classification", {"pooling": pooling})
    assert_equal(shallow_checkpoint)


@pytest.mark.slow
def test_a_step_of_so_many_tokens_in_half_precision(shallow_checkpoint: Path) -> None:
    # bfloat16 has 8 bits: about 1e-2 of a number near 1.
    assert_equal(shallow_checkpoint, precision="mixed_bfloat16", batch_tokens=120, tolerance=2e-2)
    assert_equal(shallow_checkpoint, batch_tokens=120)


@pytest.mark.slow
def test_compiled_by_xla(shallow_checkpoint: Path) -> None:
    assert_equal(shallow_checkpoint, jit_compile=True)


def test_its_batches_hold_fewer_places(shallow_checkpoint: Path) -> None:
    examples = rows("sequence_classification")
    _, _, model = fit(shallow_checkpoint, "padded", epochs=0)
    encoded = model.encode(examples)
    with packed_rows(model, encoded, None, Training(batching="packed")) as (given, _):
        (x, *_), (padded, *_) = (part.batch(np.arange(21)) for part in (given, encoded))
        assert model.packed is not None
        assert x["input_ids"].size < 0.7 * padded["input_ids"].size
        np.testing.assert_allclose(model(x), model(padded), rtol=0, atol=1e-5)
    assert model.packed is None


def refused(checkpoint: Any, batching: str, strategy: Any = None) -> str:
    """Returns what is said of a model that takes padded rows alone."""
    told: list[str] = []
    task = tftransfer.tasks.SequenceClassification(["no", "yes"])
    model = tftransfer.build(checkpoint, task, strategy=strategy, max_length=24)
    encoded, training = model.encode(rows("sequence_classification")), Training(batching=batching)
    with packed_rows(model, encoded, encoded, training, [model.strategy], told.append) as parts:
        assert parts == (encoded, encoded)
    return "".join(told)


def test_what_cannot_be_packed_is_padded(shallow_checkpoint: Path) -> None:
    prompt = tftransfer.strategies.PromptTuning(length=2)
    checkpoint: Any = str(shallow_checkpoint)
    assert refused(checkpoint, "auto", strategy=prompt).startswith("batches are padded: it has a learned prompt")
    teacher = tftransfer.build(checkpoint, tftransfer.tasks.SequenceClassification(["no", "yes"]))
    distillation = tftransfer.strategies.Distillation(teacher)
    assert "Distillation asks another network" in refused(checkpoint, "auto", strategy=distillation)
    with pytest.raises(ConfigError, match=r"batching: expected a model that takes packed.*learned prompt.*length_grou"):
        refused(checkpoint, "packed", strategy=prompt)
    network = tftransfer.from_scratch("text_cnn", rows("sequence_classification"))
    assert "no Transformer" in refused(network, "auto")


def test_features_computed_once_are_padded(shallow_checkpoint: Path) -> None:
    strategy = tftransfer.strategies.FeatureExtraction()
    histories = [
        fit(shallow_checkpoint, batching, strategy=strategy, epochs=2, cache_features=None)[0]
        for batching in ("auto", "padded")
    ]
    assert histories[0] == histories[1]
