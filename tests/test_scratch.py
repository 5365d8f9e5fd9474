"""Networks from scratch as pretrained checkpoints are used: every suitable task, runs, and what is refused."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tftransfer
from tftransfer import Examples, config, experiment, registry
from tftransfer.errors import ConfigError, ExportError
from tftransfer.tokenizers.twin import has_twin

NAMES = registry.networks.names()
TINY: dict[str, dict[str, Any]] = {
    "text_cnn": {"embedding_size": 16, "filters": 8},
    "bilstm": {"embedding_size": 16, "units": 12},
}
WORDS = ["lamp", "book", "cup", "chair", "key", "phone", "film", "bill"]


def rows(count: int) -> str:
    """Returns a TSV of two labels that a word tells apart."""
    texts = [("refund", "I want a refund for the {}"), ("late", "where is my {}, it is late")]
    lines = [f"{texts[i % 2][1].format(WORDS[i // 2 % 8])}\t{texts[i % 2][0]}" for i in range(count)]
    return "\n".join(["text\tlabel", *lines]) + "\n"


def raw_config(folder: Path, name: str, **training: Any) -> dict[str, Any]:
    for part, count in (("train", 96), ("dev", 16)):
        (folder / f"{part}.tsv").write_text(rows(count), encoding="utf-8")
    return {
        "backbone": {"name": name, **TINY[name]},
        "model": {"max_length": 16},
        "task": {"name": "sequence_classification"},
        "data": {"train": {"path": str(folder / "train.tsv")}, "validation": {"path": str(folder / "dev.tsv")}},
        "training": {"epochs": 4, "batch_size": 8, "learning_rate": 2e-2, **training},
    }


# --- A run ---


@pytest.fixture(scope="module", params=[pytest.param("bilstm", marks=pytest.mark.slow), "text_cnn"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, whose SavedModel was compared with the model in a fresh process."""
    folder = tmp_path_factory.mktemp(request.param)
    summary = experiment.fit(config.validate(raw_config(folder, request.param)), folder / "run")
    assert summary["metrics"]["validation"]["accuracy"] == 1.0
    assert summary["export"] == str(folder / "run" / "export" / "1")
    return folder / "run"


def test_a_run_holds_its_network_and_its_words(run: Path) -> None:
    kept = json.loads((run / "checkpoint" / "config.json").read_text())
    # Of the texts: i want a refund for the, where is my , it late, and eight things; four special tokens.
    assert kept["vocab_size"] == 4 + 6 + 6 + 8
    report = json.loads((run / "load_report.json").read_text())
    assert (report["loaded"], report["left_out"]) == ([], [])
    assert {"embeddings/word_embeddings/embeddings", "head/logits/kernel"} <= set(report["fresh"])


def test_a_run_is_loaded_evaluated_and_asked(run: Path) -> None:
    assert experiment.evaluate(run)["accuracy"] == 1.0
    model = experiment.load(run)
    # A word that the training data does not have is unknown, and no error.
    answers = model.predict_text(["REFUND the zebra", "it is late", ""])
    assert [answer["label"] for answer in answers[:2]] == ["refund", "late"]


def test_there_is_no_such_model_of_hugging_face(run: Path) -> None:
    with pytest.raises(ExportError, match="is trained from scratch and has no class there. Export it as a SavedModel"):
        experiment.export(run, "huggingface")


def test_a_format_that_it_does_not_have_is_refused_before_training(tmp_path: Path) -> None:
    raw = raw_config(tmp_path, "text_cnn") | {"export": {"formats": ["huggingface"]}}
    with pytest.raises(ExportError, match="'text_cnn' is trained from scratch"):
        experiment.fit(config.validate(raw), tmp_path / "run")
    assert not (tmp_path / "run").exists()


# --- Configs ---


@pytest.mark.parametrize(
    ("block", "values", "message"),
    [
        (
            "model",
            {"checkpoint": "some/model"},
            "backbone: expected no model.checkpoint beside it; received 'some/model'",
        ),
        ("backbone", None, r"model.checkpoint: required, but missing. Or train .* backbone: \{name: text_cnn\}"),
        ("backbone", {}, "backbone: required, but missing: name. Known: bilstm, text_cnn"),
        ("backbone", {"name": "text_ccn"}, "backbone.name: Unknown backbone from scratch 'text_ccn'. Did you mean"),
        ("backbone", {"name": "bilstm", "unit": 3}, "backbone.unit: unknown option of 'bilstm'. Did you mean 'units'"),
        ("task", {"name": "masked_lm"}, "task.name: expected a model.checkpoint: masked_lm makes no sense"),
        ("task", {"name": "zero_shot_by_embedding", "labels": {"a": "a"}}, "task.name: expected a model.checkpoint"),
    ],
)
def test_problems_of_a_config(block: str, values: Any, message: str, tmp_path: Path) -> None:
    raw = raw_config(tmp_path, "text_cnn")
    config.validate(raw)
    with pytest.raises(ConfigError, match=message):
        config.validate({**raw, block: values})


# --- Python ---

COLUMNS = {
    "text": ["good lamp", "bad box", "great", "wrong and late"] * 4,
    "text_pair": ["a lamp that is good", "a box", "it is great", "late"] * 4,
}
SPANS = [[(0, 4, "ITEM")], [], [(0, 5, "ITEM")], [(6, 9, "ITEM")]] * 4
ANSWERS = [[("lamp", 2)], [], [("great", 6)], [("late", 0)]] * 4
TASKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "sequence_classification": (tftransfer.tasks.SequenceClassification(["no", "yes"]), {"label": ["yes", "no"] * 8}),
    "multi_label_classification": (
        tftransfer.tasks.MultiLabelClassification(["a", "b"]),
        {"label": [["a"], [], ["a", "b"], ["b"]] * 4},
    ),
    "regression": (tftransfer.tasks.Regression(), {"label": ["1.0", "2.5", "3.0", "0.5"] * 4}),
    "token_classification": (tftransfer.tasks.TokenClassification(), {"spans": SPANS}),
    "question_answering": (
        tftransfer.tasks.QuestionAnswering(),
        {"answers": ANSWERS, "id": [str(n) for n in range(16)]},
    ),
    "sentence_embeddings": (tftransfer.tasks.SentenceEmbeddings(), {}),
}


def test_every_task_that_trains_from_scratch_is_tried() -> None:
    names = registry.tasks.names()
    assert set(TASKS) == {name for name in names if not registry.tasks.get(name).wants_pretrained}


QUICK = {("text_cnn", "token_classification"), ("bilstm", "sequence_classification")}


@pytest.mark.parametrize(
    ("name", "task"),
    [
        # The shape of the states is that of any network.
        pytest.param(name, task, marks=() if (name, task) in QUICK else pytest.mark.slow)
        for name in NAMES
        for task in TASKS
    ],
)
def test_every_suitable_task_learns_on_it(name: str, task: str) -> None:
    chosen, answers = TASKS[task]
    columns = {**COLUMNS, **answers}
    if task in ("token_classification", "multi_label_classification"):
        columns.pop("text_pair")
    train = Examples(columns, "toy.tsv", np.arange(16))
    keras.utils.set_random_seed(0)
    checkpoint = tftransfer.from_scratch(name, train, **TINY[name])
    model = tftransfer.build(checkpoint, chosen.resolve(columns), max_length=16)
    assert has_twin(model.tokenizer) is None
    trained = tftransfer.fine_tune(
        model, train, epochs=20, batch_size=8, learning_rate=2e-2, warmup=0, show_progress=False
    )
    assert trained.history["loss"][-1] < 0.6 * trained.history["loss"][0]


@pytest.mark.parametrize(
    ("strategy", "still"),
    [
        ("feature_extraction", "embeddings/ encoder/"),
        ("gradual_unfreezing", "embeddings/ encoder/"),
        ("layerwise_decay", "none"),
    ],
)
def test_strategies_find_the_parts_of_a_network(strategy: str, still: str) -> None:
    train = Examples({**COLUMNS, "label": ["yes", "no"] * 8}, "toy.tsv", np.arange(16))
    checkpoint = tftransfer.from_scratch("text_cnn", train, **TINY["text_cnn"])
    chosen = registry.strategies.build(strategy)
    model = tftransfer.build(checkpoint, tftransfer.tasks.SequenceClassification(train.labels), strategy=chosen)
    before = {variable.path: variable.numpy() for variable in model.weights}
    epochs = 1 if strategy == "gradual_unfreezing" else 2  # its first epoch is the head's
    tftransfer.fine_tune(model, train, epochs=epochs, batch_size=8, learning_rate=1e-2, show_progress=False)
    kept = {v.path for v in model.weights if v.numpy().tobytes() == before[v.path].tobytes()}
    assert kept == {path for path in before if path.startswith(tuple(still.split()))}


def test_hints_of_the_network_shape_the_head() -> None:
    train = Examples({**COLUMNS, "label": ["yes", "no"] * 8}, "toy.tsv", np.arange(16))
    checkpoint = tftransfer.from_scratch("text_cnn", train, dropout=0.25, max_norm=2.0)
    model = tftransfer.build(checkpoint, tftransfer.tasks.SequenceClassification(labels=train.labels))
    head = model.get_layer("head")
    assert (head.pooling, head.dropout, head.max_norm) == ("max", 0.25, 2.0)
    model = tftransfer.build(
        checkpoint, tftransfer.tasks.SequenceClassification(train.labels, pooling="mean", dropout=0.0)
    )
    assert (model.get_layer("head").pooling, model.get_layer("head").dropout) == ("mean", 0.0)
    assert model.max_length == 128


def test_the_files_are_there_as_long_as_the_checkpoint() -> None:
    checkpoint = tftransfer.from_scratch("text_cnn", Examples(COLUMNS, "toy.tsv", np.arange(16)))
    directory = checkpoint.directory
    assert (directory / "tokenizer.json").is_file()
    del checkpoint
    assert not directory.exists()


def test_what_needs_a_pretrained_checkpoint_says_so() -> None:
    checkpoint = tftransfer.from_scratch("text_cnn", Examples(COLUMNS, "toy.tsv", np.arange(16)))
    with pytest.raises(
        ConfigError, match="masked_lm: expected a pretrained checkpoint.*received the network 'text_cnn'"
    ):
        tftransfer.build(checkpoint, tftransfer.tasks.MaskedLM())
