"""The report of a classification with any number of labels an example."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tftransfer import registry
from tftransfer.calibration import expected_calibration_error
from tftransfer.errors import DataError
from tftransfer.evaluation import checks, counts, diagrams
from tftransfer.evaluation.report import Report

__all__ = ["MultiLabelReport"]


@registry.reports.register("multi_label")
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MultiLabelReport(Report):
    """How well a model chose labels for each example. It gives a label whose score reaches the label's threshold.

    Args:
        labels: Sequence of str. The names of the labels, by id; no two alike.
        targets: bool or int array (examples, labels). Which labels are true: 1, or 0.
        scores: float array (examples, labels). The probabilities that the model gave, from 0 to 1.
        thresholds: float array (labels,). From which score on each label is given.
        texts: Sequence of str. The text of each example.
        origins: Sequence of str. Where each example comes from, as "file:line". Default none.

    Raises:
        DataError: if there is no example, or the fields do not fit each other, or a target or score is out of range.

    Example:

    >>> import numpy as np
    >>> targets, scores = np.array([[1, 0], [1, 1]]), np.array([[0.9, 0.6], [0.8, 0.7]])
    >>> report = MultiLabelReport(["joy", "awe"], targets, scores, np.array([0.5, 0.5]), texts=["a", "b"])
    >>> report.metrics()["accuracy"]
    0.5
    >>> [(m["text"], m["expected"], m["predicted"]) for m in report.mistakes()]
    [('a', ['joy'], ['joy', 'awe'])]
    """

    title: ClassVar[str] = "Classification report, several labels an example"
    worst_first: ClassVar[str] = "those with the surest wrong label first"

    labels: Sequence[str]
    targets: np.ndarray
    scores: np.ndarray
    thresholds: np.ndarray
    texts: Sequence[str]
    origins: Sequence[str] = ()

    def __post_init__(self) -> None:
        marks = np.asarray(self.targets)
        targets = checks.label_ids(marks.astype(np.int64) if marks.dtype == bool else marks)
        scores = checks.probabilities(self.scores)
        checks.shapes(self.labels, targets, scores, self.texts, self.origins, marked=True)
        checks.probable(scores, self.origins)
        if not np.isin(targets, (0, 1)).all():
            raise DataError(f"Expected targets of 0 and 1, got {targets.min()} to {targets.max()}.")
        thresholds = checks.numbers("thresholds", self.thresholds, (len(self.labels),))
        for name, value in (("targets", targets.astype(bool)), ("scores", scores), ("thresholds", thresholds)):
            object.__setattr__(self, name, value)

    def metrics(self) -> dict[str, Any]:
        """Returns the measures as plain JSON values, equal to scikit-learn's with a division by zero as 0.

        `accuracy` (the share of examples whose labels are all right), `macro_f1`, `micro_f1`, `weighted_f1`,
        `samples_f1` (the mean over the examples; an example without a true or a given label counts 0), `hamming_loss`,
        `map` (the mean of the average precisions of the labels that occur), `ece` (the expected calibration error of
        all the probabilities), `examples` and `per_class` {label: {precision, recall, f1, support, threshold}}.
        """
        given = self._given()
        each, total, samples = (self._counted(axis) for axis in (0, None, 1))
        support = each["support"]
        return {
            "accuracy": float((given == self.targets).all(axis=1).mean()),
            "macro_f1": float(each["f1"].mean()),
            "micro_f1": float(total["f1"][0]),
            "weighted_f1": float(np.average(each["f1"], weights=support)) if support.any() else 0.0,
            "samples_f1": float(samples["f1"].mean()),
            "hamming_loss": float((given != self.targets).mean()),
            "map": self._mean_average_precision(),
            "ece": expected_calibration_error(self._probabilities().ravel(), self.targets.ravel()),
            "examples": len(self.texts),
            "per_class": counts.rows(self.labels, {**each, "threshold": self.thresholds}),
        }

    def mistakes(self, limit: int | None = 20) -> list[dict[str, Any]]:
        """Returns the examples with a wrong label, those first whose wrong label is the surest.

        Args:
            limit: int. How many at most; None for all. Default 20.

        Returns:
            list of {text, expected, predicted, label, score, origin}; the label is the wrong one whose score is
            furthest from its threshold: missed, if it is expected, and else given wrongly.
        """
        given = self._given()
        distance = np.where(given != self.targets, np.abs(self.scores - self.thresholds), -1.0)
        worst, wrong = distance.argmax(axis=1), np.flatnonzero((given != self.targets).any(axis=1))
        order = wrong[np.argsort(-distance.max(axis=1)[wrong], kind="stable")][:limit]
        return [
            {
                "text": self.texts[i],
                "expected": self._names(self.targets[i]),
                "predicted": self._names(given[i]),
                "label": self.labels[worst[i]],
                "score": round(float(self.scores[i, worst[i]]), 6),
                "origin": self.origins[i] if self.origins else "",
            }
            for i in order.tolist()
        ]

    def draw(self, directory: Path) -> dict[str, str]:
        """Draws `f1_by_label.png` and `reliability.png`."""
        each = self._counted(0)
        measures = {name: each[name] for name in ("precision", "recall", "f1")}
        diagrams.bars(directory / "f1_by_label.png", self.labels, measures)
        diagrams.reliability(directory / "reliability.png", self._probabilities().ravel(), self.targets.ravel())
        return {
            "f1_by_label.png": "Precision, recall and F1 of each label",
            "reliability.png": "How often a label is true, by its probability",
        }

    def _counted(self, axis: int | None) -> dict[str, np.ndarray]:
        """Returns precision, recall, F1 and support of each label (axis 0), of each example (1), or of all at once."""
        given = self._given()
        return counts.scores(*(part.sum(axis).reshape(-1) for part in (given & self.targets, given, self.targets)))

    def _given(self) -> np.ndarray:
        return self.scores >= self.thresholds

    def _probabilities(self) -> np.ndarray:
        # Clipped, for half precision leaves a little over 1.
        return self.scores.astype(np.float64).clip(0, 1)

    def _names(self, marks: np.ndarray) -> list[str]:
        return [self.labels[i] for i in np.flatnonzero(marks).tolist()]

    def _mean_average_precision(self) -> float:
        from sklearn.metrics import average_precision_score

        occur = self.targets.any(axis=0)
        if not occur.any():
            return 0.0
        pairs = zip(self.targets.T[occur], self.scores.T[occur], strict=True)
        return float(np.mean([average_precision_score(truth, scores) for truth, scores in pairs]))
