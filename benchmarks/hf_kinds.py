"""What the PyTorch peer does for each kind of task: how rows are read and encoded, the head, and the scores.

The scores are written anew here, not taken from tftransfer, so that the two libraries check each other.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from hf_answers import QuestionAnswering
from hf_rows import Kind, Rows
from tasks import Task, read_text


def columns(path: Path, names: Sequence[str]) -> list[list[str]]:
    """Returns columns of a TSV file with a header and no quoting."""
    header, *lines = (line.split("\t") for line in read_text(path).removesuffix("\n").split("\n"))
    return [[line[header.index(name)] for line in lines] for name in names]


class Texts(Kind):
    """A text or a pair of them, and a label."""

    def rows(self, path: Path) -> Rows:
        *texts, labels = columns(path, self.task.columns)
        encoded = self.tokenizer(*texts, truncation=True, max_length=self.task.max_length)
        gold = [self.target(label) for label in labels]
        names = list(encoded)
        items = [dict(zip([*names, "labels"], row, strict=True)) for row in zip(*encoded.values(), gold, strict=True)]
        return Rows(items, gold)

    def target(self, label: str) -> Any:
        """Returns what the loss wants for what the file says."""
        raise NotImplementedError

    def collator(self) -> Any:
        return transformers.DataCollatorWithPadding(self.tokenizer)


class SequenceClassification(Texts):
    """One label of several."""

    model_class = transformers.AutoModelForSequenceClassification

    def __init__(self, task: Task, tokenizer: Any, train: Path) -> None:
        super().__init__(task, tokenizer, train)
        self.labels = sorted(set(columns(train, task.columns[-1:])[0]))
        self.head = {"num_labels": len(self.labels)}

    def target(self, label: str) -> int:
        return self.labels.index(label)

    def scores(self, rows: Rows, outputs: np.ndarray) -> dict[str, float]:
        right, n = outputs.argmax(-1) == np.array(rows.gold), len(self.labels)
        confusion = np.zeros((n, n))
        np.add.at(confusion, (rows.gold, outputs.argmax(-1)), 1)
        present = confusion.sum(0) + confusion.sum(1) > 0
        return {"accuracy": float(right.mean()), "macro_f1": float(f1_of(confusion)[present].mean())}


def f1_of(confusion: np.ndarray) -> np.ndarray:
    """Returns the F1 of each label from true labels (rows) by predicted ones."""
    return 2 * confusion.diagonal() / np.maximum(confusion.sum(0) + confusion.sum(1), 1)


class MultiLabelClassification(Texts):
    """Any number of labels, separated by commas; a label is given where its probability is over 0.5."""

    model_class = transformers.AutoModelForSequenceClassification

    def __init__(self, task: Task, tokenizer: Any, train: Path) -> None:
        super().__init__(task, tokenizer, train)
        (names,) = columns(train, task.columns[-1:])
        counts = Counter(label for several in names for label in several.split(","))
        self.labels = sorted(counts)
        self.shares = torch.tensor([counts[label] / len(names) for label in self.labels])
        self.head = {"num_labels": len(self.labels), "problem_type": "multi_label_classification"}

    def model(self, checkpoint: str) -> Any:
        model = super().model(checkpoint)
        if self.task.prior_bias:
            model.classifier.bias.data = torch.logit(self.shares)
        return model

    def target(self, label: str) -> list[float]:
        given = label.split(",")
        return [float(known in given) for known in self.labels]

    def scores(self, rows: Rows, outputs: np.ndarray) -> dict[str, float]:
        gold, given = np.array(rows.gold) > 0, outputs > 0
        hits, sizes = (gold & given).sum(0), gold.sum(0) + given.sum(0)
        return {
            "micro_f1": float(2 * hits.sum() / max(sizes.sum(), 1)),
            "macro_f1": float((2 * hits / np.maximum(sizes, 1))[sizes > 0].mean()),
            "subset_accuracy": float((gold == given).all(-1).mean()),
        }


class Regression(Texts):
    """A number; the loss is the squared error."""

    model_class = transformers.AutoModelForSequenceClassification
    head = {"num_labels": 1, "problem_type": "regression"}

    def target(self, label: str) -> float:
        return float(label)

    def scores(self, rows: Rows, outputs: np.ndarray) -> dict[str, float]:
        gold, given = np.array(rows.gold), outputs[:, 0].astype("float64")
        return {
            "pearson": float(np.corrcoef(gold, given)[0, 1]),
            "spearman": float(np.corrcoef(ranks(gold), ranks(given))[0, 1]),
            "mean_squared_error": float(np.square(gold - given).mean()),
        }


def ranks(values: np.ndarray) -> np.ndarray:
    """Returns the rank of each value, equal ones sharing the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]


class TokenClassification(Kind):
    """Tags of words in BIO; the first piece of a word carries its tag, the others none."""

    model_class = transformers.AutoModelForTokenClassification

    def __init__(self, task: Task, tokenizer: Any, train: Path) -> None:
        super().__init__(task, tokenizer, train)
        self.labels = sorted({tag for _, tags in sentences(train) for tag in tags})
        self.head = {"num_labels": len(self.labels)}

    def rows(self, path: Path) -> Rows:
        items, gold = [], []
        for words, tags in sentences(path):
            encoded = self.tokenizer(words, is_split_into_words=True, truncation=True, max_length=self.task.max_length)
            numbers = encoded.word_ids()
            first = [n is not None and n not in numbers[:place] for place, n in enumerate(numbers)]
            labels = [self.labels.index(tags[n]) if f else -100 for n, f in zip(numbers, first, strict=True)]
            items.append({**encoded, "labels": labels})
            gold.append((tags, [(place, n) for place, n in enumerate(numbers) if first[place]]))
        return Rows(items, gold)

    def collator(self) -> Any:
        return transformers.DataCollatorForTokenClassification(self.tokenizer)

    def scores(self, rows: Rows, outputs: np.ndarray) -> dict[str, float]:
        """Words that were cut off, or of which the tokenizer keeps nothing, count as outside."""
        gold, given = set[tuple[int, str, int, int]](), set[tuple[int, str, int, int]]()
        for sentence, ((tags, places), logits) in enumerate(zip(rows.gold, outputs, strict=True)):
            predicted = ["O"] * len(tags)
            for place, word in places:
                predicted[word] = self.labels[int(logits[place].argmax())]
            gold |= {(sentence, *entity) for entity in entities(tags)}
            given |= {(sentence, *entity) for entity in entities(predicted)}
        hits = len(gold & given)
        return {
            "precision": hits / max(len(given), 1),
            "recall": hits / max(len(gold), 1),
            "f1": 2 * hits / max(len(gold) + len(given), 1),
        }


def sentences(path: Path) -> list[tuple[list[str], list[str]]]:
    """Returns words and tags of a CoNLL file."""
    blocks = (block.strip("\n").split("\n") for block in read_text(path).strip("\n").split("\n\n"))
    pairs = [[line.split("\t") for line in block] for block in blocks]
    return [([word for word, _ in rows], [tag for _, tag in rows]) for rows in pairs]


def entities(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """Returns (type, first word, one after the last) by the rules of CoNLL's script: a stray I opens an entity too."""
    found, begun, kind = set(), 0, ""
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, new = tag.partition("-")
        if kind and (prefix != "I" or new != kind):
            found.add((kind, begun, place))
            kind = ""
        if new and not kind:
            begun, kind = place, new
    return found


KINDS: dict[str, Callable[[Task, Any, Path], Kind]] = {
    "sequence_classification": SequenceClassification,
    "multi_label_classification": MultiLabelClassification,
    "regression": Regression,
    "token_classification": TokenClassification,
    "question_answering": QuestionAnswering,
}
