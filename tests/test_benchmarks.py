"""The benchmarks read the same rows for both libraries, and the peer's own scores are right."""

import argparse
import dataclasses
import gzip
import json
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import e5_small
import fine_tune
import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
import tasks
import tokenizers
import versus_trainer
import versus_trainer_report
from parity import torch
from tasks import Part

from tftransfer import config

if torch is not None:
    import hf_answers
    import hf_kinds
    from hf_rows import Rows

ROOT = Path(__file__).parents[1]
TINY = {"tsv": "text\tlabel\na\tb\n", "conll": "a\tO\n\n", "json": '{"data": []}'}
needs_torch = pytest.mark.skipif(torch is None, reason="the peer is PyTorch")


def shortened(file: str, text: str, parts: dict[str, Part], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Returns what the files of a task on this file hold."""
    task = dataclasses.replace(tasks.TASKS["trec"], corpus="corpus", **parts)
    monkeypatch.setitem(tasks.TASKS, "toy", task)
    (folder / "corpus").mkdir()
    (folder / "corpus" / file).write_bytes(gzip.compress(text.encode()))
    return [tasks.read_text(path) for path in tasks.files("toy", folder, folder / "cache").values()]


def parts(file: str) -> dict[str, Part]:
    return {"train": Part(file, rows=2, shuffled=True), "validation": Part(file, rows=1), "test": Part(file, 2, 1)}


def drawn(rows: list[str]) -> list[str]:
    return [rows[n] for n in sorted(np.random.RandomState(0).permutation(len(rows))[:2])]


def test_short_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"text {n}\tA\n" for n in range(7)]
    train, validation, test = shortened(
        "a.tsv.gz", "text\tlabel\n" + "".join(rows), parts("a.tsv.gz"), tmp_path, monkeypatch
    )
    assert train == "text\tlabel\n" + "".join(drawn(rows))
    assert (validation, test) == ("text\tlabel\n" + rows[0], "text\tlabel\n" + rows[1] + rows[2])


def test_short_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"word{n}\tO\nmore\tB-x\n\n" for n in range(7)]
    found = shortened("a.conll.gz", "".join(rows), parts("a.conll.gz"), tmp_path, monkeypatch)
    assert found == ["".join(drawn(rows)), rows[0], rows[1] + rows[2]]


def test_short_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"q{n}" for n in range(7)]
    paragraphs = [
        {"context": str(n), "qas": [{"id": ids[2 * n + k]} for k in range(2) if 2 * n + k < 7]} for n in range(4)
    ]
    text = json.dumps({"version": "1.1", "data": [{"title": "a", "paragraphs": paragraphs}]})
    found = shortened("a.json.gz", text, parts("a.json.gz"), tmp_path, monkeypatch)
    kept = [json.loads(content)["data"][0]["paragraphs"] for content in found]
    assert [[q["id"] for p in some for q in p["qas"]] for some in kept] == [drawn(ids), ids[:1], ids[1:3]]
    assert [p["context"] for p in kept[2]] == ["0", "1"], "a question lost its context"


def test_whole_files_are_not_copied(tmp_path: Path) -> None:
    assert tasks.files("trec", tmp_path, tmp_path / "cache")["train"] == tmp_path / "trec" / "train.tsv"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", tasks.TASKS)
def test_configs_train_as_the_peer_does(name: str, tmp_path: Path) -> None:
    task = tasks.TASKS[name]
    options = argparse.Namespace(data=tmp_path, data_cache=tmp_path)
    for file in {part.file for part in task.parts.values()}:
        content = TINY[file.split(".")[1]].encode()
        (tmp_path / task.corpus).mkdir(exist_ok=True)
        (tmp_path / task.corpus / file).write_bytes(gzip.compress(content) if file.endswith(".gz") else content)
    ours = config.load(ROOT / "configs" / f"{name}.yaml", fine_tune.overrides_of(name, options))
    for field in ("epochs", "batch_size", "learning_rate", "weight_decay", "clip_norm"):
        assert getattr(ours.training, field) == getattr(task, field), field
    assert ours.model.max_length == task.max_length
    assert ours.training.warmup == f"{task.warmup:.0%}"
    assert "split" not in ours.data.validation


@needs_torch
def test_scores_of_labels_equal_scikit_learns() -> None:
    random = np.random.default_rng(0)
    gold, logits = random.integers(0, 4, 50), random.normal(size=(50, 5))
    kind = object.__new__(hf_kinds.SequenceClassification)
    kind.labels = list("abcde")
    scores = kind.scores(Rows([], gold.tolist()), logits)
    assert scores["accuracy"] == sklearn.metrics.accuracy_score(gold, logits.argmax(-1))
    assert scores["macro_f1"] == pytest.approx(sklearn.metrics.f1_score(gold, logits.argmax(-1), average="macro"))
    several = random.integers(0, 2, (50, 5))
    scores = object.__new__(hf_kinds.MultiLabelClassification).scores(Rows([], several.tolist()), logits)
    for average in ("micro", "macro"):
        expected = sklearn.metrics.f1_score(several, logits > 0, average=average)
        assert scores[f"{average}_f1"] == pytest.approx(expected)


@needs_torch
def test_correlations_equal_scipys() -> None:
    random = np.random.default_rng(0)
    gold, given = random.integers(0, 5, 40).astype(float), random.integers(0, 9, (40, 1)).astype("float32")
    scores = object.__new__(hf_kinds.Regression).scores(Rows([], gold.tolist()), given)
    assert scores["pearson"] == pytest.approx(scipy.stats.pearsonr(gold, given[:, 0]).statistic)
    assert scores["spearman"] == pytest.approx(scipy.stats.spearmanr(gold, given[:, 0]).statistic)


@needs_torch
@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-x I-x O B-y", {("x", 0, 2), ("y", 3, 4)}),
        ("B-x B-x I-y", {("x", 0, 1), ("x", 1, 2), ("y", 2, 3)}),
        ("O I-x I-x O I-x", {("x", 1, 3), ("x", 4, 5)}),
        ("O O", set()),
    ],
)
def test_entities(tags: str, expected: set[tuple[str, int, int]]) -> None:
    assert hf_kinds.entities(tags.split()) == expected


@needs_torch
def test_the_best_answer_is_sought_in_all_windows() -> None:
    """Offsets of two windows of "the big cat sat", of which the question and special tokens have none."""
    windows = [(0, [None, (0, 3), (4, 7), (8, 11)]), (1, [None, (4, 7), (8, 11), (12, 15)])]
    question = {"context": "the big cat sat", "windows": windows}
    starts, ends = np.full((2, 4), -100.0), np.full((2, 4), -100.0)
    starts[:, 0], ends[:, 0] = 9, 9  # outside the text: no answer
    starts[0, 3], ends[0, 1] = 5, 5  # ends before it starts
    starts[1, 1], ends[1, 2] = 2, 2
    assert hf_answers.best_answer(question, (starts, ends)) == "big cat"
    assert hf_answers.span_of(windows[1][1], {"answer_start": 8, "text": "cat sat"}) == (2, 3)
    assert hf_answers.span_of(windows[1][1], {"answer_start": 0, "text": "the big"}) == (0, 0)


@needs_torch
def test_answers_are_compared_as_squad_does() -> None:
    assert hf_answers.normalized("The  Panthers' (defense),\nan A-team") == "panthers defense ateam"
    assert hf_answers.shared(["big", "cat", "sat"], ["big", "dog"]) == pytest.approx(
        2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2)
    )
    assert (hf_answers.shared([], []), hf_answers.shared([], ["x"])) == (1.0, 0.0)


def test_characters_of_e5_are_compiled_and_marks_composed() -> None:
    compiled = e5_small.charsmap({"½": "1⁄2", "\t": " ", "\x01": ""})
    normalizer = tokenizers.normalizers.Precompiled(compiled)
    assert normalizer.normalize_str("½\tx\x01") == "1⁄2 x"
    for letter in "éÅ":
        assert normalizer.normalize_str(unicodedata.normalize("NFD", letter)) == letter


def test_sides_take_turns_and_ratios_are_of_medians() -> None:
    options = argparse.Namespace(
        models=["minilm"], what=["train"], repeats=2, loads=["sst2"], precisions=["float32"], sides=["ours", "trainer"]
    )
    assert [job["side"] for job in versus_trainer.jobs(options)] == ["ours", "trainer"] * 2
    seconds = {"ours": [1.0, 9.0, 2.0], "trainer": [8.0, 4.0, 5.0], "trainer grouped": [4.0, 4.0, 4.0]}
    common = {"what": "train", "model": "minilm", "load": "sst2", "precision": "float32", "peak_megabytes": 7}
    records = [common | {"side": side, "seconds": s, "examples": 40} for side, some in seconds.items() for s in some]
    ours, *_ = (
        line for line in versus_trainer_report.lines(versus_trainer_report.medians(records)) if "| ours |" in line
    )
    assert ours == "| train | minilm | sst2 | float32 | ours | 20.0 | 2.50 | 2.00 | 7 | 3 |"


def test_speed_is_measured_in_a_process_of_its_own(make_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    rows = "".join(f"good lamp {n}\t{n % 2}\n" for n in range(200))
    (tmp_path / "train.tsv").write_text("text\tlabel\n" + rows, encoding="utf-8")
    job = {"load": "sst2", "path": str(tmp_path / "train.tsv"), "what": "train"}
    checkpoint = make_checkpoint({"max_position_embeddings": 128})
    job |= {"side": "ours", "precision": "float32", "checkpoint": str(checkpoint)}
    done = subprocess.run(
        [sys.executable, versus_trainer.__file__, "--job", json.dumps(job)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    steps = 7  # of 200 rows, of which the first four do not count
    assert found["examples"] == pytest.approx(200 * (steps - versus_trainer.WARM_UP) / steps)
    assert found["seconds"] > 0
    assert found["peak_megabytes"] > 100
    assert 0.5 < found["real_share"] <= 1
    assert 0 < found["flops"] < found["plain_flops"]
