"""The report of a regression."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tftransfer import registry
from tftransfer.evaluation import checks, correlation, diagrams
from tftransfer.evaluation.report import Report

__all__ = ["RegressionReport"]


@registry.reports.register("regression")
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class RegressionReport(Report):
    """How near a model came to a number for each example.

    Args:
        targets: float array (examples,). The true numbers.
        scores: float array (examples,). The numbers that the model gave, in the unit of the targets.
        texts: Sequence of str. The text of each example.
        origins: Sequence of str. Where each example comes from, as "file:line". Default none.

    Raises:
        DataError: if there is no example, or the fields do not fit each other, or a number is not finite.

    Example:

    >>> import numpy as np
    >>> report = RegressionReport(np.array([0.0, 2.0, 4.0]), np.array([0.0, 2.0, 3.0]), texts=["a", "b", "c"])
    >>> round(report.metrics()["pearson"], 3)
    0.982
    >>> report.mistakes(limit=1)
    [{'text': 'c', 'expected': 4.0, 'predicted': 3.0, 'error': -1.0, 'origin': ''}]
    """

    title: ClassVar[str] = "Regression report"
    worst_first: ClassVar[str] = "the largest errors first"

    targets: np.ndarray
    scores: np.ndarray
    texts: Sequence[str]
    origins: Sequence[str] = ()

    def __post_init__(self) -> None:
        checks.examples(self.texts, origins=self.origins)
        for name in ("targets", "scores"):
            numbers = checks.numbers(name, getattr(self, name), (len(self.texts),), self.origins)
            object.__setattr__(self, name, numbers)

    def metrics(self) -> dict[str, Any]:
        """Returns the measures as plain JSON values.

        `pearson`, `spearman`, `mae`, `mse`, `rmse`, `r2` and `examples`. A correlation with numbers that are all alike
        is 0, and so is `r2` with targets that are all alike, unless every answer is right.
        """
        errors = self.scores - self.targets
        mse, spread = float(np.mean(errors**2)), float(np.mean((self.targets - self.targets.mean()) ** 2))
        return {
            "pearson": correlation.pearson(self.targets, self.scores),
            "spearman": correlation.spearman(self.targets, self.scores),
            "mae": float(np.abs(errors).mean()),
            "mse": mse,
            "rmse": mse**0.5,
            "r2": 1 - mse / spread if np.ptp(self.targets) else float(mse == 0),
            "examples": len(errors),
        }

    def mistakes(self, limit: int | None = 20) -> list[dict[str, Any]]:
        """Returns the answers that are furthest off, the furthest first and equals in the order of the data.

        Args:
            limit: int. How many at most; None for all. Default 20.

        Returns:
            list of {text, expected, predicted, error, origin}; the error is predicted minus expected.
        """
        errors = self.scores - self.targets
        wrong = np.flatnonzero(errors)
        return [
            {
                "text": self.texts[i],
                "expected": round(float(self.targets[i]), 6),
                "predicted": round(float(self.scores[i]), 6),
                "error": round(float(errors[i]), 6),
                "origin": self.origins[i] if self.origins else "",
            }
            for i in wrong[np.argsort(-np.abs(errors[wrong]), kind="stable")][:limit].tolist()
        ]

    def draw(self, directory: Path) -> dict[str, str]:
        """Draws `predictions.png`."""
        diagrams.scatter(directory / "predictions.png", self.targets, self.scores, ("true", "predicted"))
        return {"predictions.png": "Predicted numbers against true ones; on the dashed line the two are equal"}
