"""Token classification from files of tags to a run, its report and its artefacts, on a tiny checkpoint."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
import transformers

import tftransfer
from tftransfer import config, experiment
from tftransfer.errors import DataError

LABELS = ["O", "B-ITEM", "I-ITEM", "B-TIME", "I-TIME"]
ITEMS = ["lamp", "red lamp", "book", "blue book", "phone", "cup", "large chair", "film"]
TIMES = ["today", "last week", "last month", "five days"]
TEXTS = [
    "my red lamp, it was\tdelivered last week \U0001f600",
    "",
    "the large chair and the cup and the lamp and the film and the phone and the blue book came last month, not today",
]


def sentences(count: int) -> str:
    lines = []
    for n in range(count):
        parts = [("my", ""), (ITEMS[n % 8], "ITEM"), ("was delivered", ""), (TIMES[n // 2 % 4], "TIME"), (".", "")]
        for text, kind in parts:
            for place, token in enumerate(text.split()):
                lines.append(f"{token}\t{'BI'[min(place, 1)]}-{kind}" if kind else f"{token}\tO")
        lines.append("")
    return "\n".join(lines)


def make_config(folder: Path, checkpoint: Path) -> config.Experiment:
    for name, count in (("train", 64), ("dev", 16)):
        (folder / f"{name}.conll").write_text(sentences(count), encoding="utf-8")
    return config.validate(
        {
            "model": {"checkpoint": str(checkpoint), "max_length": 24},
            "task": {"name": "token_classification", "stride": 6},
            "data": {
                "train": {"path": str(folder / "train.conll")},
                "validation": {"path": str(folder / "dev.conll")},
            },
            "training": {"epochs": 4, "batch_size": 8, "learning_rate": 5e-3},
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
    short, empty, long = model.predict_text(TEXTS)
    assert spans_of(short) == [("red lamp", "ITEM"), ("last week", "TIME")]
    assert empty == {"entities": []}
    assert len(model.encode(tftransfer.Examples({"text": TEXTS[2:]}, "", np.arange(1)))) > 1  # windows
    assert {("large chair", "ITEM"), ("blue book", "ITEM"), ("last month", "TIME")} <= set(spans_of(long))
    for text, answer in zip(TEXTS, (short, empty, long), strict=True):
        for entity in answer["entities"]:
            assert text[entity["start"] : entity["end"]] == entity["text"]
    (tmp_path / "in.txt").write_text(TEXTS[2] + "\n", encoding="utf-8")
    (line,) = experiment.predict(run, tmp_path / "in.txt")
    assert spans_of(line) == spans_of(long)
    (tmp_path / "in.conll").write_text("my\nred\nlamp\n\nthe\ncup\n", encoding="utf-8")
    lines = list(experiment.predict(run, tmp_path / "in.conll"))
    assert [spans_of(line) for line in lines] == [[("red lamp", "ITEM")], [("cup", "ITEM")]]


def test_the_savedmodel_answers_like_the_model_in_a_fresh_process(run: Path, model: Any, tmp_path: Path) -> None:
    script = (
        "import json, sys, tensorflow as tf, tensorflow_text\n"
        "f = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        "a = {k: v.numpy().tolist() for k, v in f(text=tf.constant(json.loads(sys.argv[2]))).items()}\n"
        "print(json.dumps(a, default=bytes.decode))\n"
    )
    command = [sys.executable, "-c", script, str(run / "export" / "1"), json.dumps(TEXTS)]
    out = subprocess.run(command, check=True, capture_output=True, cwd=tmp_path).stdout
    served = json.loads(out.splitlines()[-1])
    expected = model.predict_text(TEXTS)
    for n, answer in enumerate(expected):
        entities = answer["entities"]
        for key, name in {"entities": "type", "texts": "text", "starts": "start", "ends": "end"}.items():
            assert served[key][n][: len(entities)] == [entity[name] for entity in entities]
        assert set(served["starts"][n][len(entities) :]) <= {-1}
        assert served["scores"][n][: len(entities)] == pytest.approx([e["score"] for e in entities], abs=1e-5)


def test_pytorch_has_the_models_logits(run: Path, model: Any) -> None:
    directory = str(run / "huggingface" / "1")
    theirs = transformers.AutoModelForTokenClassification.from_pretrained(directory).eval()
    assert theirs.config.id2label == dict(enumerate(LABELS))
    rows = model.encode(tftransfer.Examples({"text": TEXTS}, "", np.arange(3)))
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
