"""The report of vectors of sentences: do they order pairs as people do, or find the text that belongs to another?"""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tftransfer import registry
from tftransfer.errors import DataError
from tftransfer.evaluation import checks, correlation, diagrams, retrieval
from tftransfer.evaluation.report import Report

__all__ = ["SentenceEmbeddingsReport"]

_AT = (1, 5, 10)
_DRAWN = 100


@registry.reports.register("sentence_embeddings")
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SentenceEmbeddingsReport(Report):
    """How good vectors are, by their cosines.

    With targets, the pairs have scores of their own, and the cosines of the pairs are compared with them. Without, each
    first text asks for its second one, among the second texts of all the examples; equal texts are one.

    Args:
        anchors: float array (examples, dimensions). The vectors of the first texts.
        positives: float array (examples, dimensions). The vectors of the second texts.
        texts: Sequence of str. The first texts.
        pairs: Sequence of str. The second texts.
        targets: float array (examples,), or None. How similar the two are, in any unit. Default None.
        origins: Sequence of str. Where each pair comes from, as "file:line". Default none.

    Raises:
        DataError: if there is no pair, or the fields do not fit each other, or a number is not finite.

    Reference: Reimers and Gurevych, "Sentence-BERT", 2019.

    Example:

    >>> import numpy as np
    >>> vectors, found = np.eye(2), np.array([[1.0, 0.1], [0.9, 0.8]])
    >>> SentenceEmbeddingsReport(vectors, found, ["a", "b"], ["c", "d"]).metrics()["mrr"]
    1.0
    """

    title: ClassVar[str] = "Report of sentence vectors"
    worst_first: ClassVar[str] = "the furthest off first"

    anchors: np.ndarray
    positives: np.ndarray
    texts: Sequence[str]
    pairs: Sequence[str]
    targets: np.ndarray | None = None
    origins: Sequence[str] = ()

    def __post_init__(self) -> None:
        checks.examples(self.texts, origins=self.origins)
        checks.parallel(self.texts, pairs=self.pairs)
        shape = np.shape(self.anchors)
        if len(shape) != 2:
            raise DataError(f"Expected anchors of two dimensions (examples, dimensions), got {shape}.")
        fields = {"anchors": (len(self.texts), shape[1]), "positives": (len(self.texts), shape[1])}
        if self.targets is not None:
            fields |= {"targets": (len(self.texts),)}  # type: ignore[dict-item]
        for name, wanted in fields.items():
            object.__setattr__(self, name, checks.numbers(name, getattr(self, name), wanted, self.origins))

    def metrics(self) -> dict[str, Any]:
        """Returns the measures as plain JSON values.

        With targets: `spearman` and `pearson` between the cosines and the targets, and `examples`. Without:
        `recall_at_1`, `recall_at_5`, `recall_at_10` (in how many examples the right text is among the nearest ones),
        `mrr` (the mean of 1 / rank), `examples` and `documents` (how many different texts there are to find).
        """
        if self.targets is not None:
            cosines = retrieval.cosines(self.anchors, self.positives)
            return {
                "spearman": correlation.spearman(self.targets, cosines),
                "pearson": correlation.pearson(self.targets, cosines),
                "examples": len(self.texts),
            }
        ranks, _, documents = self._ranks
        return {
            **{f"recall_at_{most}": float((ranks <= most).mean()) for most in _AT},
            "mrr": float((1 / ranks).mean()),
            "examples": len(self.texts),
            "documents": documents,
        }

    def mistakes(self, limit: int | None = 20) -> list[dict[str, Any]]:
        """Returns the pairs that are furthest off, equals in the order of the data.

        Args:
            limit: int. How many at most; None for all. Default 20.

        Returns:
            list of {text, pair, expected, predicted, score, origin} with targets: the score is the cosine, and expected
            and predicted are the places of the target and of the cosine among all, from 0, the least similar, to 1.
            Without targets a list of {text, pair, predicted, rank, score, origin}, of those whose nearest text,
            predicted, is another than the right one; the score is the cosine with the right one.
        """
        cosines = retrieval.cosines(self.anchors, self.positives)
        if self.targets is None:
            ranks, nearest, _ = self._ranks
            far = ranks - 1.0
            told = {"predicted": [self.pairs[i] for i in nearest.tolist()], "rank": ranks.tolist()}
        else:
            expected, predicted = _places(self.targets), _places(cosines)
            far = np.abs(expected - predicted)
            told = {"expected": expected.round(6).tolist(), "predicted": predicted.round(6).tolist()}
        wrong = np.flatnonzero(far)
        return [
            {
                "text": self.texts[i],
                "pair": self.pairs[i],
                **{name: values[i] for name, values in told.items()},
                "score": round(float(cosines[i]), 6),
                "origin": self.origins[i] if self.origins else "",
            }
            for i in wrong[np.argsort(-far[wrong], kind="stable")][:limit].tolist()
        ]

    def draw(self, directory: Path) -> dict[str, str]:
        """Draws `similarities.png` with targets, `recall.png` without."""
        if self.targets is not None:
            cosines = retrieval.cosines(self.anchors, self.positives)
            names = ("how similar they are", "cosine")
            diagrams.scatter(directory / "similarities.png", self.targets, cosines, names, diagonal=False)
            return {"similarities.png": "The cosines of pairs against how similar they are"}
        ranks, _, documents = self._ranks
        most = np.arange(1, min(_DRAWN, documents) + 1)
        lines = {"recall": (ranks[:, None] <= most).mean(axis=0)}
        diagrams.curves(directory / "recall.png", most, lines, "how many of the nearest texts are looked at")
        return {"recall.png": "How often the right text is among the nearest ones"}

    @functools.cached_property
    def _ranks(self) -> tuple[np.ndarray, np.ndarray, int]:
        return retrieval.ranks(self.anchors, self.positives, self.pairs)


def _places(values: np.ndarray) -> np.ndarray:
    from scipy import stats

    return (stats.rankdata(values) - 1) / max(1, len(values) - 1)
