"""One number a text, or a pair of texts."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from tftransfer import registry
from tftransfer.column import codes
from tftransfer.errors import ConfigError, DataError
from tftransfer.tasks.numbers import finite
from tftransfer.tasks.task import Columns, shown_texts
from tftransfer.tasks.text_level import PooledTask
from tftransfer.token_rows import TokenRows

__all__ = ["Regression"]


@registry.tasks.register("regression")
@dataclasses.dataclass(frozen=True)
class Regression(PooledTask):
    """One number for a text or a pair of texts; the loss is the mean squared error.

    Args:
        standardize: bool. Whether the network learns numbers with a mean of 0 and a standard deviation of 1 instead of
            the data's own, which may be thousands; answers are in the data's own units all the same. Defaults to True.
        mean: float. What is taken off the data's numbers. Defaults to None: their mean in the training data.
        scale: float > 0. What they are then divided by. Defaults to None: their standard deviation.
        **options: `truncate`, `stride`, `pooling` and `dropout`; see `PooledTask`.

    Example:

        >>> task = tftransfer.tasks.Regression()
    """

    name: ClassVar[str] = "regression"
    problem_type: ClassVar[str] = "regression"
    report: ClassVar[str] = "regression"
    monitors: ClassVar[Sequence[str]] = ("pearson", "loss")

    labels = None
    standardize: bool = True
    mean: float | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale is not None and not 0 < self.scale < math.inf:
            raise ConfigError(f"scale: expected a number > 0; received {self.scale}.")
        if not self.standardize and (self.mean is not None or self.scale is not None):
            raise ConfigError("standardize: expected true where mean or scale are given; received false.")

    @property
    def is_resolved(self) -> bool:
        return not self.standardize or (self.mean is not None and self.scale is not None)

    def resolve(self, columns: Columns) -> "Regression":
        numbers = self._numbers(columns)
        numbers = numbers[np.isfinite(numbers)]
        if len(np.unique(numbers)) < 2:
            found = f"every example has {numbers[0]:g}" if len(numbers) else f"found none, but {columns['label'][0]!r}"
            raise DataError(
                f"Expected different numbers in the label column of the training data; {found}. There is nothing to "
                "learn from it: check the file and the label column."
            )
        if not self.standardize:
            return self
        mean = float(np.mean(numbers)) if self.mean is None else self.mean
        return dataclasses.replace(self, mean=mean, scale=float(np.std(numbers)) if self.scale is None else self.scale)

    def adopt(self, labels: Sequence[str]) -> "Regression":
        if not labels:
            raise ConfigError("The scale of the numbers is not known: use task.resolve(train.columns).")
        return dataclasses.replace(self, standardize=False, mean=None, scale=None)  # the head's own units

    def problems(self, columns: Columns) -> dict[int, str]:
        rows = np.flatnonzero(np.isnan(self._numbers(columns))).tolist()
        return {row: f"expected a finite number as label, found {columns['label'][row]!r}" for row in rows}

    def targets(self, columns: Columns, rows: TokenRows) -> np.ndarray:
        return ((self._numbers(columns) - self._mean) / self._scale).astype("float32")[rows.examples, None]

    def _numbers(self, columns: Columns) -> np.ndarray:
        """Returns the number of each example, float64 `(examples,)`; NaN where there is no finite one."""
        distinct, numbers = codes(columns["label"])
        found = [finite(value) for value in distinct]
        return np.asarray([math.nan if number is None else number for number in found])[numbers]

    def loss(self) -> Any:
        import keras

        return keras.losses.MeanSquaredError()

    def divergence(self, logits: Any, reference: Any, temperature: float = 1.0) -> Any:
        from tftransfer.tasks.components.divergences import squared_distance

        return squared_distance(logits, reference)

    def metrics(self) -> list[Any]:
        from tftransfer.tasks.components.metrics import Pearson

        return [Pearson(name="pearson")]

    def scores(self, logits: np.ndarray) -> np.ndarray:
        return logits[:, 0] * np.float32(self._scale) + np.float32(self._mean)

    def decode(self, scores: np.ndarray, columns: Columns) -> list[dict[str, Any]]:
        return [{"value": float(score)} for score in scores]

    def evidence(self, scores: np.ndarray, columns: Columns) -> dict[str, Any]:
        return {"targets": self._numbers(columns), "scores": scores, "texts": shown_texts(columns)}

    def serve(self, logits: Any, tokens: Mapping[str, Any]) -> dict[str, Any]:
        return {"value": self.gather_in_graph(logits, tokens)[:, 0] * self._scale + self._mean}

    def read_served(self, outputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        return [{"value": value} for value in outputs["value"]]

    @property
    def answer_scale(self) -> float:
        return max(self._scale, 1.0)

    @property
    def outputs(self) -> int:
        return 1

    @property
    def _mean(self) -> float:
        return self.mean or 0.0

    @property
    def _scale(self) -> float:
        if not self.is_resolved:
            raise ConfigError("The scale of the numbers is not known yet: use task.resolve(train.columns).")
        return self.scale or 1.0
