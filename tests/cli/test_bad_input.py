"""Every bad input ends with its message and exit code, and leaves nothing half-written."""

import contextlib
import gzip
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tftransfer.tasks import SequenceClassification
from tftransfer.tasks.task import Hidden

Outcome = tuple[int, str, str]
CONFIG = """\
model: {{checkpoint: {checkpoint}}}
task: {{name: sequence_classification}}
data:
  train: {{path: {folder}/train.tsv}}
  validation: {{path: {folder}/dev.tsv}}
training: {{epochs: 1, batch_size: 8}}
export: {{enabled: false}}
"""
GOOD = "text\tlabel\n" + "".join(f"the lamp number {i}\t{'ab'[i % 2]}\n" for i in range(16))


@pytest.fixture
def folder(tmp_path: Path, tiny_checkpoint: Path) -> Path:
    """A directory with a good config and good data."""
    (tmp_path / "train.tsv").write_text(GOOD)
    (tmp_path / "dev.tsv").write_text(GOOD)
    (tmp_path / "c.yaml").write_text(CONFIG.format(checkpoint=tiny_checkpoint, folder=tmp_path))
    return tmp_path


def refused(folder: Path, outcome: Outcome, code: int, *messages: str) -> None:
    """Asserts the exit code and the message, without a traceback, and that there is no run directory."""
    assert outcome[0] == code, outcome[2]
    assert outcome[1] == ""
    assert "Traceback" not in outcome[2]
    for message in messages:
        assert re.search(message, outcome[2]), outcome[2]
    assert not [path for path in folder.iterdir() if "run" in path.name]


def fit(tftransfer: Callable[..., Outcome], folder: Path, *more: object) -> Outcome:
    return tftransfer("fit", folder / "c.yaml", "--run", folder / "run", *more)


def test_missing_file(tftransfer: Callable[..., Outcome], folder: Path) -> None:
    outcome = fit(tftransfer, folder, f"data.train.path={folder}/trian.tsv")
    refused(folder, outcome, 3, "trian.tsv", "train.tsv")


def test_empty_file(tftransfer: Callable[..., Outcome], folder: Path) -> None:
    (folder / "train.tsv").write_text("")
    refused(folder, fit(tftransfer, folder), 3, "train.tsv", "empty")


def test_one_class_only(tftransfer: Callable[..., Outcome], folder: Path) -> None:
    (folder / "train.tsv").write_text("text\tlabel\none\ta\ntwo\ta\n")
    refused(folder, fit(tftransfer, folder), 3, "at least two labels", "'a'")


def test_unknown_label_in_validation(tftransfer: Callable[..., Outcome], folder: Path) -> None:
    (folder / "dev.tsv").write_text(GOOD + "odd one\tc\n")
    refused(folder, fit(tftransfer, folder), 3, r"dev\.tsv:18: unknown label 'c'", "on_bad_rows")


def test_bad_rows(tftransfer: Callable[..., Outcome], folder: Path) -> None:
    (folder / "train.tsv").write_bytes(GOOD.encode() + b"one column\n\ta\nbad \xff byte\ta\n")
    refused(folder, fit(tftransfer, folder), 3, r"train\.tsv:18: ", r"train\.tsv:19: ", r"train\.tsv:20: ")


def test_truncated_gzip(tftransfer: Callable[..., Outcome], folder: Path) -> None:
    (folder / "train.tsv.gz").write_bytes(gzip.compress(GOOD.encode() * 50)[:-20])
    refused(folder, fit(tftransfer, folder, f"data.train.path={folder}/train.tsv.gz"), 3, r"train\.tsv\.gz")


def test_typo_in_a_config_key(tftransfer: Callable[..., Outcome], folder: Path) -> None:
    text = (folder / "c.yaml").read_text().replace("epochs", "epoch")
    (folder / "c.yaml").write_text(text)
    refused(folder, fit(tftransfer, folder), 2, r"c\.yaml:6:12: training\.epoch: .*Did you mean 'epochs'")


def test_max_length_beyond_the_checkpoint(tftransfer: Callable[..., Outcome], folder: Path) -> None:
    refused(folder, fit(tftransfer, folder, "model.max_length=512"), 2, "expected 3 to 64")


def test_truncated_safetensors(tftransfer: Callable[..., Outcome], folder: Path, make_checkpoint: Callable) -> None:
    checkpoint = make_checkpoint()
    path = checkpoint / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    outcome = fit(tftransfer, folder, f"model.checkpoint={checkpoint}")
    refused(folder, outcome, 1, r"model\.safetensors", "cut short")


def test_pickle_checkpoint(tftransfer: Callable[..., Outcome], folder: Path, make_checkpoint: Callable) -> None:
    checkpoint = make_checkpoint()
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    outcome = fit(tftransfer, folder, f"model.checkpoint={checkpoint}")
    refused(folder, outcome, 1, r"refused to read pytorch_model\.bin", "save_pretrained")


def test_another_architecture(tftransfer: Callable[..., Outcome], folder: Path, make_checkpoint: Callable) -> None:
    checkpoint = make_checkpoint()
    raw = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**raw, "model_type": "mamba"}))
    refused(folder, fit(tftransfer, folder, f"model.checkpoint={checkpoint}"), 1, "received 'mamba'")


def test_run_directory_that_cannot_be_written(tftransfer: Callable[..., Outcome], folder: Path) -> None:
    (folder / "file").write_text("")
    outcome = tftransfer("fit", folder / "c.yaml", "--run", folder / "file" / "run")
    refused(folder, outcome, 2, "cannot be written")


def test_run_directory_in_use(tftransfer: Callable[..., Outcome], folder: Path) -> None:
    (folder / "used").mkdir()
    (folder / "used" / "thesis.txt").write_text("years of work")
    for more in ((), ("--overwrite",)):
        outcome = tftransfer("fit", folder / "c.yaml", "--run", folder / "used", *more)
        refused(folder, outcome, 2, "not empty|not a run directory")
    assert (folder / "used" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("command", ["evaluate", "predict", "export", "show"])
def test_what_is_not_a_run(tftransfer: Callable[..., Outcome], folder: Path, command: str) -> None:
    code, _, error = tftransfer(command, folder)
    assert code == 2
    assert "made by `tftransfer fit`" in error


def test_wrong_usage(tftransfer: Callable[..., Outcome]) -> None:
    code, _, error = tftransfer("fti")
    assert code == 2
    assert "fit" in error
    assert tftransfer("fit")[0] == 2


def started(log: Path, process: subprocess.Popen) -> None:
    """Waits until the training has begun."""
    end = time.monotonic() + 180
    while "epoch 1" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


def interrupted(process: subprocess.Popen) -> int:
    """Presses Ctrl-C until a process ends: Python drops an exception that is raised in a destructor or a callback."""
    for _ in range(4):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=20)
    return process.wait(timeout=1)


def test_ctrl_c_in_the_middle_of_an_epoch(folder: Path) -> None:
    rows = "".join(f"the lamp number {i}\t{'ab'[i % 2]}\n" for i in range(50_000))
    (folder / "train.tsv").write_text("text\tlabel\n" + rows)
    log = folder / "log"
    # Whoever starts the tests in the background has SIGINT ignored, which children inherit.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{listen}; from tftransfer.cli.main import run; run()"
    command = [sys.executable, "-c", code, "fit", str(folder / "c.yaml")]
    with log.open("w") as err:
        process = subprocess.Popen([*command, "--run", str(folder / "run")], stderr=err)
        try:
            started(log, process)
            assert interrupted(process) == 130
        finally:
            process.kill()  # a test that fails leaves nobody behind
    assert "Interrupted" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["c.yaml", "dev.tsv", "log", "train.tsv"]


def test_a_tokenizer_that_cannot_be_exported_is_refused_before_training(
    tftransfer: Callable[..., Outcome], folder: Path, tiny_checkpoint: Path
) -> None:
    import shutil

    import tokenizers

    shutil.copytree(tiny_checkpoint, folder / "checkpoint")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "the": 1, "lamp": 2}, unk_token="[UNK]"))
    words.save(str(folder / "checkpoint" / "tokenizer.json"))
    arguments = ("fit", folder / "c.yaml", f"model.checkpoint={folder / 'checkpoint'}", "--run", folder / "run")
    outcome = tftransfer(*arguments, "export.enabled=true")
    refused(folder, outcome, 1, "has an exact twin in the graph", "found WordLevel", "or export.enabled=false")
    assert "epoch" not in outcome[2]
    # Hugging Face's format needs no tokenizer in the graph.
    outcome = tftransfer(*arguments, "export={enabled: true, formats: [huggingface]}", "--dry-run")
    assert outcome[0] == 0, outcome[2]


def test_a_head_that_hugging_face_has_no_place_for_is_refused_before_training(
    tftransfer: Callable[..., Outcome], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def head(self: Any, features: Any, hints: Any) -> Any:
        from tftransfer.tasks.components.heads import ClassificationHead

        hidden = Hidden("tanh", norm=True)  # which no module of sentence-transformers is
        return ClassificationHead(2, hidden=hidden, name="head")(features["last_hidden_state"])

    monkeypatch.setattr(SequenceClassification, "head", head)
    outcome = fit(tftransfer, folder, "export={enabled: true, formats: [huggingface]}")
    refused(folder, outcome, 1, "modules of sentence-transformers hold the head", "as a SavedModel")
    assert "epoch" not in outcome[2]
