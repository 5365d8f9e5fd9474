"""A run from its config to its artefact, on a tiny checkpoint: what is written, and that it answers."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

import tftransfer
from tftransfer import config, experiment, yaml_file
from tftransfer.cli import main
from tftransfer.data.delimited import Tsv
from tftransfer.errors import DataError, RunDirectoryError
from tftransfer.run_directory import RunDirectory
from tftransfer.tokenizers import FastTokenizer

TEXTS = {"refund": ["please refund my money", "return and refund", "i want my money back"], "late": ["parcel is late"]}


def rows(count: int) -> str:
    """Returns a TSV of two easily told labels."""
    words = ["lamp", "book", "cup", "chair", "key", "phone", "film", "bill"]
    texts = [("refund", "i want a refund for the {}"), ("late", "where is my {} parcel, it is late")]
    lines = [f"{texts[i % 2][1].format(words[i % 8])} {i}\t{texts[i % 2][0]}" for i in range(count)]
    return "\n".join(["text\tlabel", *lines]) + "\n"


def make_config(folder: Path, checkpoint: Path, **training: Any) -> config.Experiment:
    for name, count in (("train", 64), ("dev", 16), ("test", 20)):
        (folder / f"{name}.tsv").write_text(rows(count), encoding="utf-8")
    return config.validate(
        {
            "model": {"checkpoint": str(checkpoint), "max_length": 32},
            "task": {"name": "sequence_classification"},
            "data": {
                n: {"path": str(folder / f"{f}.tsv")}
                for n, f in (("train", "train"), ("validation", "dev"), ("test", "test"))
            },
            "training": {"epochs": 3, "batch_size": 8, "learning_rate": 5e-3, **training},
            "export": {"formats": ["savedmodel", "huggingface"]},
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    """A finished run with both exports."""
    folder = tmp_path_factory.mktemp("experiment")
    summary = experiment.fit(make_config(folder, tiny_checkpoint), folder / "run")
    assert summary["metrics"]["test"]["accuracy"] == 1.0
    assert summary["export"] == str(folder / "run" / "export" / "1")
    assert summary["huggingface"] == str(folder / "run" / "huggingface" / "1")
    return folder / "run"


def test_the_run_directory_holds_what_its_readme_says(run: Path) -> None:
    table = (Path(__file__).parents[1] / "saved_models" / "README.md").read_text(encoding="utf-8")
    named = [line.split("`")[1].rstrip("/") for line in table.splitlines() if line.startswith("| `")]
    expected = {name.split("/")[0] for name in named} - {"peft", "quarantine.jsonl"}  # only of some runs
    assert {entry.name for entry in run.iterdir()} == expected
    assert json.loads((run / "status.json").read_text())["status"] == "complete"
    assert json.loads((run / "task.json").read_text())["labels"] == ["late", "refund"]
    assert json.loads((run / "load_report.json").read_text())["fresh"] == ["head/logits/kernel", "head/logits/bias"]
    assert json.loads((run / "data.json").read_text())["train"]["examples"] == 64
    assert {"tensorflow", "keras", "tftransfer"} <= set(json.loads((run / "environment.json").read_text()))
    assert list((run / "logs").rglob("events.out.tfevents.*"))
    assert len(json.loads((run / "history.json").read_text())["val_accuracy"]) == 3
    assert (run / "report" / "test" / "confusion_matrix.png").stat().st_size > 1000


def test_evaluate_repeats_the_metrics_of_fit(run: Path) -> None:
    kept = json.loads((run / "metrics.json").read_text())
    for data, split in ((None, "test"), (run.parent / "dev.tsv", "validation")):
        again = experiment.evaluate(run, data)
        # Counts are the same; a mean of scores may differ in what float32 rounds.
        assert again.pop("ece") == pytest.approx(kept[split].pop("ece"), abs=1e-6)
        assert again == kept[split]


def test_predict_keeps_the_order_and_needs_no_labels(run: Path, tmp_path: Path) -> None:
    texts = [text for values in TEXTS.values() for text in values]
    (tmp_path / "in.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (tmp_path / "in.tsv").write_text(
        "id\ttext\n" + "".join(f"{i}\t{t}\n" for i, t in enumerate(texts)), encoding="utf-8"
    )
    from_lines = list(experiment.predict(run, tmp_path / "in.txt"))
    assert [answer["text"] for answer in from_lines] == texts
    model = experiment.load(run)
    for answer, expected in zip(from_lines, model.predict_text(texts), strict=True):
        assert answer["label"] == expected["label"]
        assert answer["score"] == pytest.approx(expected["score"], abs=1e-6)
    assert [a["label"] for a in experiment.predict(run, tmp_path / "in.tsv")] == [a["label"] for a in from_lines]
    (tmp_path / "gap.txt").write_text("one\n\nthree\n")
    with pytest.raises(DataError, match=r"gap.txt:2: empty text"):
        next(iter(experiment.predict(run, tmp_path / "gap.txt")))


def test_the_savedmodel_answers_like_the_model_in_a_fresh_process(run: Path, tmp_path: Path) -> None:
    texts = ["where is my parcel", "refund the lamp, please", ""]
    script = (
        "import json, sys, tensorflow as tf, tensorflow_text\n"
        "f = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        "a = {k: v.numpy() for k, v in f(text=tf.constant(json.loads(sys.argv[2]))).items()}\n"
        "assert 'tftransfer' not in sys.modules\n"
        "print(json.dumps({'label': [t.decode() for t in a['label']], 'scores': a['scores'].tolist()}))\n"
    )
    command = [sys.executable, "-c", script, str(run / "export" / "1"), json.dumps(texts)]
    out = subprocess.run(command, check=True, capture_output=True, cwd=tmp_path).stdout
    served = json.loads(out.splitlines()[-1])
    expected = experiment.load(run).predict_text(texts)
    assert served["label"] == [answer["label"] for answer in expected]
    np.testing.assert_allclose(served["scores"], [list(answer["scores"].values()) for answer in expected], atol=1e-5)


def test_pytorch_answers_like_the_model(run: Path) -> None:
    texts = ["where is my parcel", "refund the lamp, please", ""]
    answers = transformers.pipeline("text-classification", str(run / "huggingface" / "1"), framework="pt")(texts)
    for answer, expected in zip(answers, experiment.load(run).predict_text(texts), strict=True):
        assert answer["label"] == expected["label"]
        assert answer["score"] == pytest.approx(expected["score"], abs=1e-5)


def test_the_command_exports_once_more(run: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any, tmp_path: Path) -> None:
    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tftransfer", "export", *map(str, arguments)])
        try:
            main.run()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capfd.readouterr()

    code, out, _ = command(run, "--format", "huggingface", "--json")
    assert (code, json.loads(out)) == (0, {"export": str(run / "huggingface" / "2")})
    first, second = (run / "huggingface" / n / "model.safetensors" for n in "12")
    assert first.read_bytes() == second.read_bytes()
    code, out, error = command(run, "--format", "pytorch")
    assert (code, out) == (2, "")
    assert "'savedmodel', 'huggingface'" in error
    shutil.rmtree(run / "huggingface" / "2")
    (run / "huggingface").rename(tmp_path / "kept")
    (run / "huggingface").write_text("in the way")
    try:
        code, out, error = command(run, "--format", "huggingface")
    finally:
        (run / "huggingface").unlink()
        (tmp_path / "kept").rename(run / "huggingface")
    assert (code, out) == (1, "")
    assert "expected a directory, found a file" in error
    assert "Traceback" not in error


def test_the_model_card_tells_of_the_run(run: Path) -> None:
    card = (run / "huggingface" / "1" / "README.md").read_text(encoding="utf-8")
    data, metrics = (json.loads((run / f"{name}.json").read_text()) for name in ("data", "metrics"))
    assert f"| test | test.tsv | 20 | `{data['test']['fingerprint']}` |" in card
    assert f"| validation | macro_f1 | {metrics['validation']['macro_f1']:.4f} |" in card
    assert "| learning_rate | `0.005` |" in card
    assert str(run.parent) not in card


def test_damaged_weights_are_noticed(run: Path, tmp_path: Path) -> None:
    path = next((run / "weights").glob("*.h5"))
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1000] + bytes([content[-1000] ^ 1]) + content[-999:])
        with pytest.raises(RunDirectoryError, match="expected the sha256"):
            experiment.load(run)
    finally:
        path.write_bytes(content)


def test_a_run_knows_its_checkpoint_by_every_file(run: Path, tiny_checkpoint: Path) -> None:
    origin = json.loads((run / "checkpoint" / "origin.json").read_text())
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tiny_checkpoint.iterdir()}
    assert (origin["name"], origin["files"]) == (str(tiny_checkpoint), files)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "origin.json"])
def test_a_damaged_checkpoint_is_noticed(name: str, run: Path) -> None:
    path = run / "checkpoint" / name
    content = path.read_bytes()
    try:
        path.write_bytes(content.replace(b'"', b"'", 1))
        with pytest.raises(RunDirectoryError, match=rf"(?s)checkpoint.*{name}"):
            experiment.load(run)
    finally:
        path.write_bytes(content)
    assert experiment.load(run).checkpoint.name == json.loads((run / "checkpoint" / "origin.json").read_text())["name"]


def test_a_dry_run_writes_nothing(tmp_path: Path, tiny_checkpoint: Path) -> None:
    chosen = make_config(tmp_path, tiny_checkpoint)
    before = sorted(tmp_path.rglob("*"))
    summary = experiment.fit(chosen, tmp_path / "run", dry_run=True)
    assert summary["steps"] == 24
    assert 0.1 < summary["loss"] < 10
    assert sorted(tmp_path.rglob("*")) == before


def test_a_second_run_neither_reads_nor_tokenizes(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = config.to_dict(make_config(tmp_path, tiny_checkpoint, epochs=0))
    cached, uncached = ({**plain, "data": {**plain["data"], "cache": x}} for x in (str(tmp_path / "cache"), False))
    experiment.fit(config.validate(cached), tmp_path / "run", dry_run=True)
    kept = {path.name for path in (tmp_path / "cache").iterdir()}
    assert len(kept) == 6, "rows and tokens of three files"
    with monkeypatch.context() as broken:
        broken.setattr(FastTokenizer, "encode_parts", None)
        broken.setattr(Tsv, "rows", None)
        experiment.fit(config.validate(cached), tmp_path / "run", dry_run=True)
    experiment.fit(config.validate(uncached), tmp_path / "run", dry_run=True)
    assert {path.name for path in (tmp_path / "cache").iterdir()} == kept


def test_bad_rows_are_quarantined_when_skipped(tmp_path: Path, tiny_checkpoint: Path) -> None:
    chosen = config.to_dict(make_config(tmp_path, tiny_checkpoint, epochs=1))
    chosen["data"]["on_bad_rows"] = "skip"
    chosen["export"] = {"enabled": False}
    with (tmp_path / "train.tsv").open("a") as file:
        file.write("only one column\n")
    with (tmp_path / "dev.tsv").open("a") as file:
        file.write("what is this\tunheard-of\n")
    experiment.fit(config.validate(chosen), tmp_path / "run")
    lines = (tmp_path / "run" / "quarantine.jsonl").read_text().splitlines()
    found = {(Path(row["file"]).name, row["line"]) for row in map(json.loads, lines)}
    assert found == {("train.tsv", 66), ("dev.tsv", 18)}


def test_a_checkpoint_without_a_pooler_comes_back_from_its_run(tmp_path: Path, make_checkpoint: Any) -> None:
    chosen = config.to_dict(make_config(tmp_path, make_checkpoint(pooler=False), epochs=1))
    chosen["export"] = {"enabled": False}
    chosen["data"]["validation"] = {"split": 0.25}
    chosen["data"]["test"] = None
    summary = experiment.fit(config.validate(chosen), tmp_path / "run")
    assert experiment.evaluate(tmp_path / "run") == summary["metrics"]["validation"]


@pytest.mark.slow
def test_pairs_of_texts_train_predict_and_export(tmp_path: Path, tiny_checkpoint: Path) -> None:
    lines = [
        "first\tsecond\tlabel",
        *(f"lamp {i}\t{'lamp' if i % 2 else 'film'} {i}\t{'ny'[i % 2]}" for i in range(16)),
    ]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines) + "\n")
    block = {"path": str(tmp_path / "pairs.tsv"), "text": "first", "text_pair": "second"}
    chosen = config.validate(
        {
            "model": {"checkpoint": str(tiny_checkpoint)},
            "task": {"name": "sequence_classification"},
            "data": {"train": block, "validation": block},
            "training": {"epochs": 1, "batch_size": 8},
        }
    )
    summary = experiment.fit(chosen, tmp_path / "run")
    answers = list(experiment.predict(tmp_path / "run", tmp_path / "pairs.tsv"))
    assert answers[0].keys() == {"text", "text_pair", "label", "score", "scores"}
    assert Path(summary["export"]).is_dir()
    assert RunDirectory.open(tmp_path / "run").path.is_dir()
    assert yaml_file.read(tmp_path / "run" / "config.yaml")[0]["model"]["max_length"] == 64


def test_load_is_public(run: Path) -> None:
    assert tftransfer.load(run).predict_text(["refund"])[0]["label"] in {"late", "refund"}
