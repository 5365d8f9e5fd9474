"""The tasks that both libraries are measured on: their files, how many rows of them, and the hyper-parameters.

Whoever trains asks `files` for the files. Where a task takes only some of the rows, they are written to a folder in the
format of the corpus, so that both libraries read the same ones.
"""

import dataclasses
import gzip
import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

CACHE = Path(tempfile.gettempdir()) / "tftransfer-benchmarks"
SHUFFLE_SEED = 0  # of the rows of a training file that are taken


@dataclasses.dataclass(frozen=True)
class Part:
    """Some rows of a file: lines of a table, sentences, or questions.

    Args:
        file: str. Its name in the corpus's folder.
        rows: int or None. How many of them, in the order of the file. Defaults to None, all.
        start: int. The first one. Defaults to 0.
        shuffled: bool. Whether they are drawn from the whole file instead. Defaults to `False`.
    """

    file: str
    rows: int | None = None
    start: int = 0
    shuffled: bool = False

    def chosen(self, count: int) -> list[int]:
        """Returns the numbers of the rows taken of a file with `count`, in the order of the file."""
        order = np.random.RandomState(SHUFFLE_SEED).permutation(count) if self.shuffled else np.arange(count)
        end = count if self.rows is None else self.start + self.rows
        return sorted(order[self.start : end].tolist())

    @property
    def whole(self) -> bool:
        return self.rows is None and self.start == 0


@dataclasses.dataclass(frozen=True)
class Task:
    """A task on a corpus, and how it is trained.

    Args:
        kind: str. What is learnt; `hf_kinds.py` has a class for each.
        corpus: str. Folder below the data's.
        train, validation, test: `Part`.
        columns: tuple of str. Of a table: the text, perhaps a second one, and the label.
        monitor: str. The metric whose best epoch on the validation rows is kept.
        epochs, batch_size, learning_rate, max_length: As everywhere; length in tokens.
        overlap: int. Tokens that neighbouring windows of a long text share. Defaults to 64.
        prior_bias: bool. Whether the head's biases begin at the log odds of each label in the training rows (Lin et
            al., 2017) instead of 0. With many rare labels and biases of 0, the steps that teach "mostly absent" make
            all texts alike in a small encoder, and it does not recover. Defaults to `False`.
        warmup: float. Share of the steps, after which the rate falls linearly to 0. Defaults to 0.1.
        weight_decay: float. AdamW's, for tensors of two dimensions. Defaults to 0.01.
        clip_norm: float. Of all gradients together. Defaults to 1.0.
    """

    kind: str
    corpus: str
    train: Part
    validation: Part
    test: Part
    columns: tuple[str, ...]
    monitor: str
    epochs: int
    batch_size: int
    learning_rate: float
    max_length: int
    overlap: int = 64
    prior_bias: bool = False
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0

    @property
    def parts(self) -> dict[str, Part]:
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def steps(self, rows: int) -> int:
        """Returns the training steps of that many rows."""
        return self.epochs * -(-rows // self.batch_size)


TREC = Task(
    kind="sequence_classification",
    corpus="trec",
    train=Part("train.tsv"),
    validation=Part("dev.tsv"),
    test=Part("test.tsv"),
    columns=("text", "label"),
    monitor="accuracy",
    epochs=3,
    batch_size=32,
    learning_rate=5e-5,
    max_length=128,
)
TASKS = {
    "sst2": dataclasses.replace(TREC, corpus="sst2", train=Part("train.tsv.gz")),
    "trec": TREC,
    "trec_fine": dataclasses.replace(TREC, columns=("text", "fine_label"), epochs=5, learning_rate=1e-4),
    "goemotions": Task(
        kind="multi_label_classification",
        corpus="goemotions",
        train=Part("train.tsv.gz", rows=3000, shuffled=True),
        validation=Part("dev.tsv.gz", rows=1000),
        test=Part("test.tsv.gz", rows=2000),
        columns=("text", "labels"),
        monitor="micro_f1",
        epochs=4,
        batch_size=32,
        learning_rate=3e-4,
        max_length=64,
        prior_bias=True,
    ),
    "stsb": Task(
        kind="regression",
        corpus="stsb",
        train=Part("train.tsv.gz", rows=3000, shuffled=True),
        validation=Part("dev.tsv"),
        test=Part("test.tsv"),
        columns=("text_a", "text_b", "score"),
        monitor="pearson",
        epochs=3,
        batch_size=32,
        learning_rate=1e-4,
        max_length=128,
    ),
    "wnut17": Task(
        kind="token_classification",
        corpus="wnut17",
        train=Part("train.conll.gz", rows=3000, shuffled=True),
        validation=Part("dev.conll"),
        test=Part("test.conll"),
        columns=(),
        monitor="f1",
        epochs=4,
        batch_size=32,
        learning_rate=1e-4,
        max_length=128,
    ),
    "squad": Task(
        kind="question_answering",
        corpus="squad",
        train=Part("train.json.gz", rows=2000, shuffled=True),
        validation=Part("dev.json.gz", rows=300),
        test=Part("dev.json.gz", start=300, rows=600),
        columns=(),
        monitor="f1",
        epochs=2,
        batch_size=16,
        learning_rate=1e-4,
        max_length=256,
    ),
}


def read_text(path: Path) -> str:
    """Returns the text of a file, plain or gzip."""
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()


def files(name: str, data: Path, cache: Path) -> dict[str, Path]:
    """Returns the files of a task's splits: the corpus's own, or shorter ones, which are written if they are not there.

    Args:
        name: str. The task's.
        data: Path. The folder of the corpora.
        cache: Path. The folder for shorter files.
    """
    task, found = TASKS[name], {}
    for split, part in task.parts.items():
        found[split] = data / task.corpus / part.file
        if not part.whole:
            short = cache / name / f"{split}{Path(part.file.removesuffix('.gz')).suffix}"
            text = _SHORTENED[short.suffix](read_text(found[split]), part)
            short.parent.mkdir(parents=True, exist_ok=True)
            if not short.exists() or read_text(short) != text:
                short.write_text(text, encoding="utf-8", newline="")
            found[split] = short
    return found


def _table(text: str, part: Part) -> str:
    header, *lines = text.removesuffix("\n").split("\n")
    return "".join(f"{line}\n" for line in [header, *(lines[n] for n in part.chosen(len(lines)))])


def _sentences(text: str, part: Part) -> str:
    sentences = [sentence for sentence in text.strip("\n").split("\n\n") if sentence.strip()]
    return "".join(sentences[n].strip("\n") + "\n\n" for n in part.chosen(len(sentences)))


def _questions(text: str, part: Part) -> str:
    content = json.loads(text)
    paragraphs = [paragraph for article in content["data"] for paragraph in article["paragraphs"]]
    kept = set(part.chosen(sum(len(paragraph["qas"]) for paragraph in paragraphs)))
    number = itertools.count()
    articles: list[dict[str, Any]] = []
    for article in content["data"]:
        shorter = [
            {**paragraph, "qas": [question for question in paragraph["qas"] if next(number) in kept]}
            for paragraph in article["paragraphs"]
        ]
        articles.append({**article, "paragraphs": [paragraph for paragraph in shorter if paragraph["qas"]]})
    return json.dumps({**content, "data": [article for article in articles if article["paragraphs"]]})


_SHORTENED = {".tsv": _table, ".conll": _sentences, ".json": _questions}
