"""One label a text, or a pair of texts."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from tftransfer import registry
from tftransfer.calibration import best_temperature
from tftransfer.errors import ConfigError, DataError
from tftransfer.tasks.labels import check_labels, check_weights, known, unknown
from tftransfer.tasks.task import Columns, Label, shown_texts
from tftransfer.tasks.text_level import TextLevelTask
from tftransfer.token_rows import TokenRows

__all__ = ["SequenceClassification"]


@registry.tasks.register("sequence_classification")
@dataclasses.dataclass(frozen=True)
class SequenceClassification(TextLevelTask):
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
        temperature: float > 0, or "tuned" to choose it on the validation data, so that scores are the shares of right
            answers (Guo et al., 2017). Logits are divided by it; labels stay what they are. Defaults to 1.0.
        **options: `truncate`, `stride`, `pooling` and `dropout`; see `TextLevelTask`.

    Example:

        >>> task = tftransfer.tasks.SequenceClassification(labels=["negative", "positive"])
    """

    name: ClassVar[str] = "sequence_classification"
    problem_type: ClassVar[str] = "single_label_classification"
    report: ClassVar[str] = "classification"
    monitors: ClassVar[Sequence[str]] = ("accuracy", "macro_f1", "loss")

    labels: Sequence[Label] | None = None
    class_weights: dict[Label, float] | Literal["balanced"] | None = None
    label_smoothing: float = 0.0
    focal_gamma: float = 0.0
    temperature: float | Literal["tuned"] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels is not None:
            check_labels(self.labels)
            check_weights(self.class_weights, self.labels)
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"label_smoothing: expected a number in [0, 1); received {self.label_smoothing}.")
        if self.focal_gamma < 0:
            raise ConfigError(f"focal_gamma: expected a number >= 0; received {self.focal_gamma}.")
        if self.temperature != "tuned" and self.temperature <= 0:
            raise ConfigError(f"temperature: expected a number > 0, or tuned; received {self.temperature}.")

    @property
    def is_resolved(self) -> bool:
        return self.labels is not None

    def resolve(self, columns: Columns) -> "SequenceClassification":
        found = sorted(set(columns["label"]))
        if len(found) < 2:
            raise DataError(
                f"Expected at least two labels in the training data; every example has the label '{found[0]}'. "
                "A classifier has nothing to learn from it: check the file and the label column."
            )
        return self if self.labels is not None else dataclasses.replace(self, labels=tuple(found))

    def problems(self, columns: Columns) -> dict[int, str]:
        reasons = unknown(columns["label"], self._labels)
        return {row: reasons[label] for row, label in enumerate(columns["label"]) if label in reasons}

    def targets(self, columns: Columns, rows: TokenRows) -> np.ndarray:
        return self.label_ids(columns)[rows.examples]

    def label_ids(self, columns: Columns) -> np.ndarray:
        """Returns the number of each example's label, int32 `(examples,)`."""
        ids = {label: index for index, label in enumerate(self._labels)}
        return np.asarray([ids[label] for label in columns["label"]], "int32")

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

    def metrics(self) -> list[Any]:
        import keras

        from tftransfer.tasks.components.metrics import MacroF1

        return [keras.metrics.SparseCategoricalAccuracy("accuracy"), MacroF1(len(self._labels), name="macro_f1")]

    def tuned(self, logits: np.ndarray, columns: Columns) -> "SequenceClassification":
        if self.temperature != "tuned":
            return self
        return dataclasses.replace(self, temperature=best_temperature(logits, self.label_ids(columns)))

    def scores(self, logits: np.ndarray) -> np.ndarray:
        logits = logits / self._temperature
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)

    def decode(self, scores: np.ndarray, columns: Columns) -> list[dict[str, Any]]:
        return [
            {
                "label": self._labels[int(row.argmax())],
                "score": float(row.max()),
                "scores": {label: float(score) for label, score in zip(self._labels, row, strict=True)},
            }
            for row in scores
        ]

    def evidence(self, scores: np.ndarray, columns: Columns) -> dict[str, Any]:
        return {
            "labels": list(self._labels),
            "targets": self.label_ids(columns),
            "scores": scores,
            "texts": shown_texts(columns),
        }

    def serve(self, logits: Any, tokens: Mapping[str, Any]) -> dict[str, Any]:
        import tensorflow as tf

        scores = tf.nn.softmax(self.mean_of_windows(logits, tokens) / self._temperature)
        best = tf.argmax(scores, axis=-1)
        names = tf.constant(list(self._labels))
        return {"label": tf.gather(names, best), "score": tf.reduce_max(scores, axis=-1), "scores": scores}

    def read_served(self, outputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        return [
            {"label": label, "score": score, "scores": dict(zip(self._labels, scores, strict=True))}
            for label, score, scores in zip(outputs["label"], outputs["score"], outputs["scores"], strict=True)
        ]

    def margins(self, scores: np.ndarray) -> np.ndarray:
        best = np.sort(scores, axis=-1)
        return best[:, -1] - best[:, -2]

    @property
    def outputs(self) -> int:
        return len(self._labels)

    @property
    def _temperature(self) -> float:
        return 1.0 if self.temperature == "tuned" else self.temperature

    @property
    def _labels(self) -> Sequence[str]:
        return known(self.labels)
