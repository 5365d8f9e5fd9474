"""One label a text, or a pair of texts."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from tftransfer import registry
from tftransfer.column import codes
from tftransfer.errors import DataError
from tftransfer.tasks.labels import check_weights
from tftransfer.tasks.numbers import check_not_negative, check_shares
from tftransfer.tasks.single_label import SingleLabelTask
from tftransfer.tasks.task import Columns, Label
from tftransfer.tasks.text_level import PooledTask
from tftransfer.token_rows import TokenRows

__all__ = ["SequenceClassification"]


@registry.tasks.register("sequence_classification")
@dataclasses.dataclass(frozen=True)
class SequenceClassification(SingleLabelTask, PooledTask):
    """One of several labels for a text or a pair of texts.

    Args:
        labels: sequence of str. The labels, in the order of the scores. Defaults to None: those of the training data,
            sorted.
        class_weights: dict of label -> float, or "balanced" for weights inversely proportional to a label's share of
            the training data, 1 on average. Weighs training examples; the loss is the sum of weighted losses divided by
            the number of examples, as Keras's `class_weight`. Defaults to None.
        label_smoothing: float in [0, 1). Share of the target probability spread over all labels (Szegedy et al., 2016).
            Defaults to 0.0.
        focal_gamma: float >= 0. Strength of the focal loss, which has easy examples count less (Lin et al., 2017); 0
            for none. Defaults to 0.0.
        **options: `temperature`; see `SingleLabelTask`. `truncate`, `stride`, `pooling` and `dropout`; see
            `PooledTask`.

    Example:

        >>> task = tftransfer.tasks.SequenceClassification(labels=["negative", "positive"])
    """

    name: ClassVar[str] = "sequence_classification"
    problem_type: ClassVar[str] = "single_label_classification"

    labels: Sequence[Label] | None = None
    class_weights: dict[Label, float] | Literal["balanced"] | None = None
    label_smoothing: float = 0.0
    focal_gamma: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels is not None:
            check_weights(self.class_weights, self.labels)
        check_shares(label_smoothing=self.label_smoothing)
        check_not_negative(focal_gamma=self.focal_gamma)

    @property
    def is_resolved(self) -> bool:
        return self.labels is not None

    def resolve(self, columns: Columns) -> "SequenceClassification":
        if len(columns["label"]) and not isinstance(columns["label"][0], str):  # all are alike
            raise DataError(
                "Expected one label a text in the training data; they are lists of labels. Take the task "
                "multi_label_classification, or name another column with data.train.label."
            )
        found = sorted(codes(columns["label"])[0])
        if len(found) < 2:
            raise DataError(
                f"Expected at least two labels in the training data; every example has the label '{found[0]}'. "
                "A classifier has nothing to learn from it: check the file and the label column."
            )
        return self if self.labels is not None else dataclasses.replace(self, labels=tuple(found))

    def example_weights(self, targets: np.ndarray, rows: TokenRows) -> np.ndarray:
        return self.label_weights(targets) * super().example_weights(targets, rows)

    def label_weights(self, targets: np.ndarray) -> np.ndarray:
        """Returns the weight of the label of each target, float32 `(targets,)`."""
        if self.class_weights is None:
            return np.ones(len(targets), "float32")
        if self.class_weights == "balanced":
            counts = np.bincount(targets, minlength=len(self._labels))
            weights = len(targets) / (np.maximum(counts, 1) * np.count_nonzero(counts))
        else:
            weights = np.asarray([self.class_weights.get(label, 1.0) for label in self._labels])
        return weights.astype("float32")[targets]

    def loss(self) -> Any:
        from tftransfer.tasks.components.losses import SmoothedCrossentropy

        return SmoothedCrossentropy(self.label_smoothing, self.focal_gamma)
