"""The report of entities found in texts."""

import collections
import dataclasses
import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tftransfer import registry
from tftransfer.errors import DataError
from tftransfer.evaluation import checks, counts, entities, plots
from tftransfer.evaluation.report import Report
from tftransfer.tags import Span

__all__ = ["TokenClassificationReport"]

_CONTEXT = 60
"""Characters or words of the text that a mistake shows on either side."""


@registry.reports.register("token_classification")
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TokenClassificationReport(Report):
    """How many entities a model found: right are those whose start, end and type are all three right.

    Args:
        labels: Sequence of str. The types of entities; no two alike.
        targets: Sequence of Sequences of (start, end, type). The true entities of each example, `text[start:end]`.
        predictions: Sequence of Sequences of (start, end, type). The entities that the model found.
        texts: Sequence of str, or of Sequences of str. The text of each example, or its words; the starts and ends of
            the entities count characters or words.
        origins: Sequence of str. Where each example comes from, as "file:line". Default none.
        scores: Sequence of Sequences of float. How sure the model is of each entity that it found. Default none.

    Raises:
        DataError: if there is no example, or the fields do not fit each other, or an entity is not in its text.

    Example:

    >>> texts, targets = ["Ada was in Rome"], [[(0, 3, "PER"), (11, 15, "LOC")]]
    >>> report = TokenClassificationReport(["LOC", "PER"], targets, [[(0, 3, "PER"), (11, 15, "PER")]], texts)
    >>> report.metrics()["f1"]
    0.5
    >>> [(m["kind"], m["expected"], m["predicted"]) for m in report.mistakes()]
    [('wrong type', 'Rome (LOC)', 'Rome (PER)')]
    """

    title: ClassVar[str] = "Report of entities"
    worst_first: ClassVar[str] = "the surest first, then those that have no score"

    labels: Sequence[str]
    targets: Sequence[Sequence[Span]]
    predictions: Sequence[Sequence[Span]]
    texts: Sequence[str] | Sequence[Sequence[str]]
    origins: Sequence[str] = ()
    scores: Sequence[Sequence[float]] = ()

    def __post_init__(self) -> None:
        checks.named(self.labels, len(self.texts))
        checks.parallel(self.texts, targets=self.targets, predictions=self.predictions)
        checks.examples(self.texts, origins=self.origins, scores=self.scores)
        for name in ("targets", "predictions"):
            spans = [self._spans(name, i, given) for i, given in enumerate(getattr(self, name))]
            object.__setattr__(self, name, spans)
        for i, scores in enumerate(self.scores):
            if len(scores) != len(self.predictions[i]):
                found = len(self.predictions[i])
                raise DataError(f"Expected a score for each of {found} entities{self._at(i)}, got {len(scores)}.")

    def metrics(self) -> dict[str, Any]:
        """Returns the measures as plain JSON values.

        `f1`, `precision` and `recall` of all entities together, `macro_f1` and `weighted_f1` over the types,
        `examples`, `entities` (how many there truly are), `per_class` {type: {precision, recall, f1, support}},
        `errors` {kind: count} and `confusion_matrix` {true type: {predicted type: count}} of the entities in the same
        place, with "none" for no entity. Every type is in the tables; the macro average runs over the types that occur
        in the targets or in the predictions. An entity that is given twice counts once, and a division by zero gives 0.
        """
        matrix = self._matrix
        # Without the row and the column of "none", which is no type.
        hits, predicted, support = np.diagonal(matrix)[:-1], matrix.sum(axis=0)[:-1], matrix.sum(axis=1)[:-1]
        each = counts.scores(hits, predicted, support)
        total = counts.scores(*(np.array([part.sum()]) for part in (hits, predicted, support)))
        occurs = predicted + support > 0
        errors = collections.Counter(mistake.kind for found in self._mistakes for mistake in found)
        names = self._names()
        return {
            **{name: float(total[name][0]) for name in ("f1", "precision", "recall")},
            "macro_f1": float(each["f1"][occurs].mean()) if occurs.any() else 0.0,
            "weighted_f1": float(np.average(each["f1"], weights=support)) if support.any() else 0.0,
            "examples": len(self.texts),
            "entities": int(support.sum()),
            "per_class": counts.rows(self.labels, each),
            "errors": {kind: errors[kind] for kind in entities.KINDS},
            "confusion_matrix": counts.rows(names, dict(zip(names, matrix.T, strict=True))),
        }

    def mistakes(self, limit: int | None = 20) -> list[dict[str, Any]]:
        """Returns the entities that are missed, spurious or mixed up, the surest first; the others follow in order.

        Args:
            limit: int. How many at most; None for all. Default 20.

        Returns:
            list of {text, kind, expected, predicted, start, end, score, origin}; the text is what stands around the
            entity, and expected and predicted are its own with the type behind it, "" for none.
        """
        told = [self._told(i, mistake) for i, found in enumerate(self._mistakes) for mistake in found]
        return sorted(told, key=lambda mistake: math.inf if mistake["score"] is None else -mistake["score"])[:limit]

    def draw(self, directory: Path) -> dict[str, str]:
        """Draws `confusion_matrix.png`."""
        plots.confusion_matrix(directory / "confusion_matrix.png", self._names(), self._matrix)
        return {"confusion_matrix.png": "Types in the same place: a row is a true type, a column a predicted one"}

    @functools.cached_property
    def _mistakes(self) -> list[list[entities.Mistake]]:
        return [entities.mistakes(*pair) for pair in zip(self.targets, self.predictions, strict=True)]

    def _names(self) -> list[str]:
        return [*self.labels, "none" if "none" not in self.labels else "(none)"]

    @functools.cached_property
    def _matrix(self) -> np.ndarray:
        ids: dict[str | None, int] = {label: i for i, label in enumerate(self.labels)}
        ids[None] = len(self.labels)
        matrix = np.zeros((len(ids), len(ids)), np.int64)
        for targets, predictions in zip(self.targets, self.predictions, strict=True):
            for expected, predicted in entities.same_place(targets, predictions):
                matrix[ids[expected], ids[predicted]] += 1
        return matrix

    def _told(self, i: int, mistake: entities.Mistake) -> dict[str, Any]:
        spans = [span for span in (mistake.expected, mistake.predicted) if span]
        start, end = min(span[0] for span in spans), max(span[1] for span in spans)
        score = None
        if self.scores and mistake.predicted:
            score = round(float(self.scores[i][list(self.predictions[i]).index(mistake.predicted)]), 6)
        return {
            "text": self._slice(i, max(0, start - _CONTEXT), end + _CONTEXT),
            "kind": mistake.kind,
            "expected": self._named(i, mistake.expected),
            "predicted": self._named(i, mistake.predicted),
            "start": start,
            "end": end,
            "score": score,
            "origin": self.origins[i] if self.origins else "",
        }

    def _named(self, i: int, span: Span | None) -> str:
        return f"{self._slice(i, span[0], span[1])} ({span[2]})" if span else ""

    def _slice(self, i: int, start: int, end: int) -> str:
        part = self.texts[i][start:end]
        return part if isinstance(part, str) else " ".join(part)

    def _spans(self, name: str, i: int, given: Sequence[Span]) -> list[Span]:
        known, spans = set(self.labels), [(int(start), int(end), str(label)) for start, end, label in given]
        for start, end, label in spans:
            if label not in known:
                types = ", ".join(self.labels)
                raise DataError(f"Expected {name} of the types {types}; got {label!r}{self._at(i)}.")
            if not 0 <= start < end <= len(self.texts[i]):
                size = len(self.texts[i])
                raise DataError(f"Expected {name} between 0 and {size}, got {start} to {end}{self._at(i)}.")
        return spans

    def _at(self, i: int) -> str:
        return f" in example {i}" + (f" ({self.origins[i]})" if self.origins else "")
