"""The report of answers that are quoted from a text."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tftransfer import registry
from tftransfer.answers import exact_and_f1
from tftransfer.evaluation import checks, diagrams
from tftransfer.evaluation.report import Report

__all__ = ["QuestionAnsweringReport"]

_CONTEXT = 150
"""Characters of the context that a mistake shows on either side of a right answer."""


@registry.reports.register("question_answering")
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class QuestionAnsweringReport(Report):
    """How near a model's answers are to the right ones, as the official scripts of SQuAD or CMRC 2018 judge it.

    Args:
        predictions: Sequence of str. The model's answers, "" for no answer.
        references: Sequence of Sequences of str. The right answers to each question; none at all for a question that
            its context does not answer.
        texts: Sequence of str. The questions.
        contexts: Sequence of str. What the answers are quoted from. Default none.
        origins: Sequence of str. Where each question comes from, as "file:line". Default none.
        scores: Sequence of float. How sure the model is of each answer, in any unit. Default none.
        characters: bool. Whether answers are compared by Chinese characters, as in CMRC 2018, or by English words, as
            in SQuAD. Default False.

    Raises:
        DataError: if there is no question, or the fields do not fit each other.

    Reference: Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text", 2016.

    Example:

    >>> questions = ["Who was it?", "Where?"]
    >>> report = QuestionAnsweringReport(["the Queen", "in Rome"], [["Queen"], ["Rome"]], questions)
    >>> report.metrics()
    {'exact_match': 0.5, 'f1': 0.8333333333333333, 'examples': 2}
    """

    title: ClassVar[str] = "Report of answers"
    worst_first: ClassVar[str] = "the surest first, and of equals the furthest off"

    predictions: Sequence[str]
    references: Sequence[Sequence[str]]
    texts: Sequence[str]
    contexts: Sequence[str] = ()
    origins: Sequence[str] = ()
    scores: Sequence[float] = ()
    characters: bool = False

    def __post_init__(self) -> None:
        checks.examples(self.texts, contexts=self.contexts, origins=self.origins, scores=self.scores)
        checks.parallel(self.texts, predictions=self.predictions, references=self.references)
        if len(self.scores):
            scores = checks.numbers("scores", self.scores, (len(self.texts),), self.origins)
            object.__setattr__(self, "scores", scores.tolist())

    def metrics(self) -> dict[str, Any]:
        """Returns the measures as plain JSON values, all shares from 0 to 1.

        `exact_match`, `f1` and `examples`; where a question has no answer, `answerable` too: the same three of the
        questions with an answer, `has_answer`, and without one, `no_answer`.
        """
        judged = self._judged
        answerable = np.array([len(right) > 0 for right in self.references])
        if answerable.all():
            return _means(judged)
        kinds = {"has_answer": judged[answerable], "no_answer": judged[~answerable]}
        return {**_means(judged), "answerable": {name: _means(part) for name, part in kinds.items() if len(part)}}

    def mistakes(self, limit: int | None = 20) -> list[dict[str, Any]]:
        """Returns the answers that are not exactly right, the surest first and of equals the furthest off.

        Args:
            limit: int. How many at most; None for all. Default 20.

        Returns:
            list of {text, expected, predicted, f1, score, context, origin}; the context is what stands around the first
            of the expected answers.
        """
        judged, scores = self._judged, np.array(self.scores or [0.0] * len(self.texts))
        order = np.lexsort((judged[:, 1], -scores))
        return [self._told(i, float(judged[i, 1])) for i in order[judged[order, 0] == 0][:limit].tolist()]

    def draw(self, directory: Path) -> dict[str, str]:
        """Draws `coverage.png`, if there are scores."""
        if not len(self.scores):
            return {}
        surest = np.argsort(-np.array(self.scores), kind="stable")
        answered = np.arange(1, len(surest) + 1)
        measures = np.cumsum(self._judged[surest], axis=0) / answered[:, None]
        lines = {"exact match": measures[:, 0], "F1": measures[:, 1]}
        x = "share of the questions, the surest first"
        diagrams.curves(directory / "coverage.png", answered / len(surest), lines, x)
        return {"coverage.png": "Exact match and F1 of the answers that the model is surest of, by how many they are"}

    @functools.cached_property
    def _judged(self) -> np.ndarray:
        """The exact match and the F1 of every answer, (examples, 2)."""
        pairs = zip(self.predictions, self.references, strict=True)
        return np.array([exact_and_f1(given, right, self.characters) for given, right in pairs])

    def _told(self, i: int, f1: float) -> dict[str, Any]:
        told = {
            "text": self.texts[i],
            "expected": list(dict.fromkeys(self.references[i])),
            "predicted": self.predictions[i],
            "f1": round(f1, 6),
            "score": round(self.scores[i], 6) if len(self.scores) else None,
            "context": self._around(i),
            "origin": self.origins[i] if self.origins else "",
        }
        return {name: value for name, value in told.items() if value is not None}

    def _around(self, i: int) -> str:
        if not len(self.contexts):
            return ""
        answer = self.references[i][0] if self.references[i] else self.predictions[i]
        start = max(0, self.contexts[i].find(answer))
        return self.contexts[i][max(0, start - _CONTEXT) : start + len(answer) + _CONTEXT]


def _means(judged: np.ndarray) -> dict[str, Any]:
    exact, f1 = judged.mean(axis=0).tolist()
    return {"exact_match": exact, "f1": f1, "examples": len(judged)}
