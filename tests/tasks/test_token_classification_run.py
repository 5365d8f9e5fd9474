"""Token classification from files of tags to a run, its report and its artefacts, on a tiny checkpoint."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf
import torch
import transformers

import tftransfer
from tftransfer import config, experiment
from tftransfer.errors import DataError

LABELS = ["O", "B-ITEM", "I-ITEM", "B-TIME", "I-TIME"]
ITEMS = ["lamp", "red lamp", "book", "blue book", "phone", "cup", "large chair", "film"]
TIMES = ["today", "last week", "last month", "five days"]
SHORT = "my red lamp was\tdelivered last week ."
LONG = " ".join(f"my {item} was delivered {time} ." for item, time in zip(ITEMS[:6], TIMES[:3] * 2, strict=True))
TEXTS = [SHORT, "", f"\U0001f600 {LONG} \U0001f44d\U0001f3fd", "\ufeffmy cafe\u0301 cup \u4e2d\u6587"]


def sentences(count: int) -> str:
    """Returns sentences with tags, one to three in a row."""
    lines = []
    for n in range(count):
        parts = [("my", ""), (ITEMS[n % 8], "ITEM"), ("was delivered", ""), (TIMES[n // 2 % 4], "TIME"), (".", "")]
        for text, kind in parts:
            for place, token in enumerate(text.split()):
                lines.append(f"{token}\t{'BI'[min(place, 1)]}-{kind}" if kind else f"{token}\tO")
        lines += [""] if n % 5 in (0, 2) else []
    return "\n".join(lines)


def make_config(folder: Path, checkpoint: Path) -> config.Experiment:
    for name, count in (("train", 240), ("dev", 16)):
        (folder / f"{name}.conll").write_text(sentences(count), encoding="utf-8")
    return config.validate(
        {
            "model": {"checkpoint": str(checkpoint), "max_length": 24},
            "task": {"name": "token_classification", "stride": 6},
            "data": {
                "train": {"path": str(folder / "train.conll")},
                "validation": {"path": str(folder / "dev.conll")},
            },
            "training": {"epochs": 6, "batch_size": 8, "learning_rate": 5e-3},
            "export": {"formats": ["savedmodel", "huggingface"]},
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    """A finished run with both exports."""
    folder = tmp_path_factory.mktemp("entities")
    summary = experiment.fit(make_config(folder, tiny_checkpoint), folder / "run")
    assert summary["metrics"]["validation"]["f1"] == 1.0
    return folder / "run"


@pytest.fixture(scope="module")
def model(run: Path) -> Any:
    return experiment.load(run)


def spans_of(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entity["text"], entity["type"]) for entity in answer["entities"]]


def test_a_run_is_judged_by_entities(run: Path) -> None:
    assert json.loads((run / "task.json").read_text())["labels"] == LABELS
    kept = json.loads((run / "metrics.json").read_text())["validation"]
    assert kept["entities"] == 32
    assert set(kept["per_class"]) == {"ITEM", "TIME"}
    assert experiment.evaluate(run) == kept
    history = json.loads((run / "history.json").read_text())
    assert history["val_f1"][-1] == history["val_accuracy"][-1] == 1.0


def test_texts_of_any_length_are_answered(run: Path, model: Any, tmp_path: Path) -> None:
    short, long = model.predict_text([SHORT, LONG])
    assert spans_of(short) == [("red lamp", "ITEM"), ("last week", "TIME")]
    assert len(model.encode(tftransfer.Examples({"text": [LONG]}, "", np.arange(1)))) > 2  # windows
    pairs = zip(ITEMS[:6], TIMES[:3] * 2, strict=True)
    wanted = {part for item, time in pairs for part in ((item, "ITEM"), (time, "TIME"))}
    assert len(wanted & {*spans_of(long)}) > len(wanted) / 2  # it has never seen so long a text
    assert long["entities"][0]["start"] < 20
    assert long["entities"][-1]["end"] > len(LONG) - 20
    for text, answer in zip(TEXTS, model.predict_text(TEXTS), strict=True):
        assert bool(answer["entities"]) == bool(text)
        for entity in answer["entities"]:
            assert text[entity["start"] : entity["end"]] == entity["text"]
    (tmp_path / "in.txt").write_text(LONG + "\n", encoding="utf-8")
    (line,) = experiment.predict(run, tmp_path / "in.txt")
    assert spans_of(line) == spans_of(long)
    (tmp_path / "in.conll").write_text("my\nred\nlamp\nwas\ndelivered\n\nmy\ncup\nwas\ndelivered\n", encoding="utf-8")
    lines = list(experiment.predict(run, tmp_path / "in.conll"))
    assert [spans_of(line) for line in lines] == [[("red lamp", "ITEM")], [("cup", "ITEM")]]


def test_the_savedmodel_tells_characters_and_fills_up(run: Path, model: Any) -> None:
    signature = tf.saved_model.load(run / "export" / "1").signatures["serving_default"]
    served = {key: value.numpy().tolist() for key, value in signature(text=tf.constant(TEXTS)).items()}
    expected = model.predict_text(TEXTS)
    for n, answer in enumerate(expected):
        entities = answer["entities"]
        for key, name in {"entities": "type", "texts": "text", "starts": "start", "ends": "end"}.items():
            found = [value.decode() if isinstance(value, bytes) else value for value in served[key][n]]
            assert found[: len(entities)] == [entity[name] for entity in entities]
        assert set(served["starts"][n][len(entities) :]) <= {-1}
        assert served["scores"][n][: len(entities)] == pytest.approx([e["score"] for e in entities], abs=1e-5)


def test_pytorch_has_the_models_logits(run: Path, model: Any) -> None:
    directory = str(run / "huggingface" / "1")
    theirs = transformers.AutoModelForTokenClassification.from_pretrained(directory).eval()
    assert theirs.config.id2label == dict(enumerate(LABELS))
    rows = model.encode(tftransfer.Examples({"text": TEXTS}, "", np.arange(len(TEXTS))))
    (inputs,) = rows.batch(np.arange(len(rows)))
    with torch.no_grad():
        logits = theirs(**{key: torch.tensor(value).long() for key, value in inputs.items()}).logits.numpy()
    real = inputs["attention_mask"] == 1
    ours = np.asarray(model({key: inputs[key] for key in model.input}, training=False))
    assert ours[real] == pytest.approx(logits[real], abs=1e-5)


def test_a_checkpoints_own_head_answers_at_once(run: Path, model: Any) -> None:
    directory, task = str(run / "huggingface" / "1"), tftransfer.tasks.TokenClassification
    again = tftransfer.build(directory, task(stride=6), max_length=24)
    assert list(again.task.labels) == LABELS
    assert again.load_report.head == "the checkpoint's token classification head was loaded"
    for one, other in zip(again.predict_text(TEXTS), model.predict_text(TEXTS), strict=True):
        assert spans_of(one) == spans_of(other)
    order = [0, 3, 4, 1, 2]
    bias = tftransfer.build(directory, task([LABELS[n] for n in order])).get_layer("head").logits.bias.numpy()
    tensors = safetensors.numpy.load_file(f"{directory}/model.safetensors")
    assert bias.tolist() == tensors["classifier.bias"][order].tolist()


def test_files_that_teach_nothing(tmp_path: Path, tiny_checkpoint: Path) -> None:
    chosen = make_config(tmp_path, tiny_checkpoint)
    with (tmp_path / "dev.conll").open("a") as file:
        file.write("\nthe O\nlamp B-ITEMS\n\n")
    with pytest.raises(DataError, match=r"dev\.conll:\d+: unknown label 'ITEMS'. Did you mean 'ITEM'\?"):
        experiment.fit(chosen, tmp_path / "run")
    (tmp_path / "train.conll").write_text("the O\nlamp O\n")
    with pytest.raises(DataError, match="Expected spans in the training data"):
        experiment.fit(chosen, tmp_path / "run")
    assert not (tmp_path / "run").exists()
