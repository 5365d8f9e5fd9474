"""How the answers are distributed, in each split and between them."""

import collections
import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from tftransfer import registry
from tftransfer.inspection import pictures
from tftransfer.inspection.check import Check, Finding, Record, Section, counted
from tftransfer.inspection.corpus import Corpus, Part

__all__ = ["Labels"]

Counts = Mapping[str, collections.Counter[str]]
_NAMES = {"label": "Labels", "labels": "Labels", "spans": "Types of spans", "answers": "Questions"}
_DRAWN = 30  # labels of a picture
_QUANTILES = {"least": 0.0, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "greatest": 1.0}


@registry.checks.register("labels")
@dataclasses.dataclass(frozen=True)
class Labels(Check):
    """Counts and shares of labels, types of spans, questions with and without an answer, or scores.

    Args:
        distance: float. The total variation distance between the labels of the training data and another split from
            which on it is worth a warning, if chance does not explain it. Defaults to 0.1.
        few: int. A label with fewer rows of training data is worth a note. Defaults to 10.
    """

    place: ClassVar[int] = 1
    ids: ClassVar[Sequence[str]] = ("labels",)

    distance: float = 0.1
    few: int = 10

    def __call__(self, corpus: Corpus) -> Section:
        answered = {name: part for name, part in corpus.parts.items() if part.answers.kind != "none"}
        findings = self._problems(corpus)
        if not answered:
            return Section("Labels", {}, findings, ["There are no answers to count."])
        if next(iter(answered.values())).answers.kind == "number":
            return _scores(answered, findings)
        counts = {name: _counted(part) for name, part in answered.items()}
        tables = {_NAMES[next(iter(answered.values())).answers.kind]: _by_label(answered, counts)}
        splits = [self._split(name, answered, counts) for name in answered]
        findings += self._missing(counts) + self._drift(splits)
        drawn = {"Shares": functools.partial(_draw, counts)} if any(counts.values()) else {}
        return Section("Labels", {**tables, "Splits": splits}, findings, pictures=drawn)

    def _problems(self, corpus: Corpus) -> list[Finding]:
        if corpus.unusable:
            return [Finding("error", self.ids, corpus.unusable, "Training would stop at this.")]
        places = [
            f"{part.examples.where(row)}: {reason}"
            for part in corpus.parts.values()
            for row, reason in part.problems.items()
        ]
        if not places:
            return []
        text = f"{counted(len(places), 'answer')} that the task does not know, the first at {places[0]}"
        return [Finding("error", self.ids, text, "Correct them, or name all labels in task.labels.")]

    def _missing(self, counts: Counts) -> list[Finding]:
        (first, train), *others = counts.items()
        findings = []
        for name, found in others:
            missing = sorted(set(train) - set(found))
            if missing:
                text = f"{counted(len(missing), 'label')} of {first} not in {name}: {_listed(missing)}."
                findings.append(Finding("note", self.ids, text, "Its scores say nothing of them."))
        rare = sorted(label for label, count in train.items() if count < self.few)
        if rare:
            text = f"{counted(len(rare), 'label')} with fewer than {self.few} examples in {first}: {_listed(rare)}."
            findings.append(Finding("note", self.ids, text, "Collect more, or put labels together."))
        return findings

    def _drift(self, splits: Sequence[Record]) -> list[Finding]:
        advice = "Scores of this split and of training data are not to be compared; see how it was drawn."
        return [
            Finding("warning", self.ids, f"The labels of {split['split']} are distributed otherwise: {figures}", advice)
            for split in splits[1:]
            if split["distance"] >= max(self.distance, 2 * split["distance_by_chance"])
            for figures in [f"distance {split['distance']:.2f}, by chance {split['distance_by_chance']:.2f}."]
        ]

    def _split(self, name: str, parts: Mapping[str, Part], counts: Counts) -> dict[str, Any]:
        """Returns the record of a split: its rows, its commonest label, and how far it is from the first split."""
        part, found, first = parts[name], counts[name], next(iter(counts.values()))
        (label, count), total = found.most_common(1)[0] if found else ("-", 0), max(found.total(), 1)
        record: dict[str, Any] = {"split": name, "rows": len(part), "labels": len(found)}
        if part.answers.kind in ("labels", "spans"):
            empty = sum(not part.answers.labels(row) for row in range(len(part)))
            record |= {"labels_a_row": round(found.total() / len(part), 2), "share_without": empty / len(part)}
        record |= {"commonest": label, "commonest_share": count / total}
        shares = [np.array([c[label] / max(c.total(), 1) for label in first | found]) for c in (first, found)]
        noise = np.sqrt(shares[0] * (1 - shares[0]) * (1 / max(first.total(), 1) + 1 / total) * 2 / np.pi)
        return record | {
            "distance": float(np.abs(shares[0] - shares[1]).sum() / 2),
            "distance_by_chance": 0.0 if found is first else float(noise.sum() / 2),
        }


def _counted(part: Part) -> collections.Counter[str]:
    rows = (part.answers.labels(row) for row in range(len(part)))
    return collections.Counter(itertools.chain.from_iterable(rows))


def _by_label(parts: Mapping[str, Part], counts: Counts) -> list[Record]:
    """Returns a record a label, the commonest first; shares are of rows, or of all spans."""
    total: collections.Counter[str] = collections.Counter()
    for found in counts.values():
        total.update(found)
    sizes = {n: max(c.total(), 1) if parts[n].answers.kind == "spans" else len(parts[n]) for n, c in counts.items()}
    return [
        {"label": label}
        | {
            key: value
            for name, found in counts.items()
            for key, value in ((name, found[label]), (f"{name}_share", found[label] / sizes[name]))
        }
        for label, _ in total.most_common()
    ]


def _scores(parts: Mapping[str, Part], findings: list[Finding]) -> Section:
    numbers = {name: part.answers.numbers() for name, part in parts.items()}
    numbers = {name: values for name, values in numbers.items() if len(values)}
    records = [
        {"split": name, "rows": len(values)}
        | {caption: float(np.quantile(values, q)) for caption, q in _QUANTILES.items()}
        | {"mean": float(values.mean()), "deviation": float(values.std())}
        for name, values in numbers.items()
    ]
    drawn = {"Scores": functools.partial(pictures.histogram, numbers, "score")} if numbers else {}
    return Section("Labels", {"Scores": records}, findings, pictures=drawn)


def _draw(counts: Counts) -> bytes:
    total = sum((found for found in counts.values()), collections.Counter[str]())
    labels = [label for label, _ in total.most_common(_DRAWN)]
    shares = {name: [found[label] / max(found.total(), 1) for label in labels] for name, found in counts.items()}
    more = f"the {_DRAWN} commonest of {len(total)} labels" if len(total) > _DRAWN else ""
    return pictures.bars(labels, shares, "share", more)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
