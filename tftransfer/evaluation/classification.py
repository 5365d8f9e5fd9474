"""The report of a single-label classification."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tftransfer import registry
from tftransfer.calibration import expected_calibration_error
from tftransfer.evaluation import checks, counts, diagrams, plots
from tftransfer.evaluation.report import Report

__all__ = ["ClassificationReport"]


@registry.reports.register("classification")
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ClassificationReport(Report):
    """How well a model chose one label for each example. Its choice is the label with the highest score.

    Args:
        labels: Sequence of str. The names of the labels, by id; no two alike.
        targets: int array (examples,). The true label ids.
        scores: float array (examples, labels). The probabilities that the model gave, from 0 to 1.
        texts: Sequence of str. The text of each example.
        origins: Sequence of str. Where each example comes from, as "file:line". Default none.

    Raises:
        DataError: if there is no example, or the fields do not fit each other, or a target or score is out of range.

    Example:

    >>> import numpy as np
    >>> targets, scores = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    >>> report = ClassificationReport(["bad", "good"], targets, scores, texts=["a", "b", "c"])
    >>> round(report.metrics()["accuracy"], 3)
    0.667
    >>> report.mistakes()
    [{'text': 'c', 'expected': 'good', 'predicted': 'bad', 'score': 0.7, 'origin': ''}]
    """

    title: ClassVar[str] = "Classification report"

    labels: Sequence[str]
    targets: np.ndarray
    scores: np.ndarray
    texts: Sequence[str]
    origins: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", checks.label_ids(self.targets))
        object.__setattr__(self, "scores", checks.probabilities(self.scores))
        checks.shapes(self.labels, self.targets, self.scores, self.texts, self.origins)
        checks.ranges(self.labels, self.targets, self.scores, self.origins)

    def metrics(self) -> dict[str, Any]:
        """Returns the measures as plain JSON values.

        `accuracy` with its 95 % Wilson `confidence_interval` [low, high], `macro_f1`, `weighted_f1`, `mcc`,
        `macro_precision`, `macro_recall`, `examples`, `ece` (the expected calibration error of the choices, Guo et al.,
        2017), `per_class` {label: {precision, recall, f1, support}} and `confusion_matrix`, whose rows are the true
        labels. Every label is in the last two; the macro averages run, as scikit-learn's do, over the labels that occur
        in the targets or in the predictions. A division by zero gives 0.
        """
        matrix = self._matrix()
        error = expected_calibration_error(self._confidences(), self._predictions() == self.targets)
        classes = counts.rows(self.labels, counts.per_class(matrix))
        totals = {**counts.totals(matrix), "ece": error}
        return {**totals, "per_class": classes, "confusion_matrix": matrix.tolist()}

    def mistakes(self, limit: int | None = 20) -> list[dict[str, Any]]:
        """Returns the wrong answers that the model was surest of, the surest first and equals in the order of the data.

        Args:
            limit: int. How many at most; None for all. Default 20.

        Returns:
            list of {text, expected, predicted, score, origin}; the score is that of the wrong label.
        """
        predictions, best = self._predictions(), self.scores.max(axis=1)
        wrong = np.flatnonzero(predictions != self.targets)
        surest = wrong[np.argsort(-best[wrong], kind="stable")][:limit]
        return [
            {
                "text": self.texts[i],
                "expected": self.labels[self.targets[i]],
                "predicted": self.labels[predictions[i]],
                "score": round(float(best[i]), 6),
                "origin": self.origins[i] if self.origins else "",
            }
            for i in surest.tolist()
        ]

    def draw(self, directory: Path) -> dict[str, str]:
        """Draws `confusion_matrix.png` and `reliability.png`."""
        plots.confusion_matrix(directory / "confusion_matrix.png", self.labels, self._matrix())
        diagrams.reliability(directory / "reliability.png", self._confidences(), self._predictions() == self.targets)
        return {
            "confusion_matrix.png": "Confusion matrix: a row is a true label, a column a predicted one",
            "reliability.png": "How often answers are right, by how sure the model is of them",
        }

    def _confidences(self) -> np.ndarray:
        # Clipped, for half precision leaves sums of a little over 1.
        return self.scores.max(axis=1).astype(np.float64).clip(0, 1)

    def _predictions(self) -> np.ndarray:
        return self.scores.argmax(axis=1)

    def _matrix(self) -> np.ndarray:
        return counts.confusion_matrix(self.targets, self._predictions(), len(self.labels))
