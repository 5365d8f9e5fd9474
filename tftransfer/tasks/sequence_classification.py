"""One label a text, or a pair of texts."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from tftransfer import registry
from tftransfer.errors import ConfigError, DataError
from tftransfer.registry import suggest
from tftransfer.tasks.task import HeadHints, Label, Task

__all__ = ["SequenceClassification"]


@registry.tasks.register("sequence_classification")
@dataclasses.dataclass(frozen=True)
class SequenceClassification(Task):
    """One of several labels for a text or a pair of texts.

    Args:
        labels: sequence of str. The labels, in the order of the scores. Defaults to None: those of the training data,
            sorted.
        class_weights: dict of label -> float, or "balanced" for weights inversely proportional to a label's share of
            the training data, 1 on average. Weighs training examples; the loss is the sum of weighted losses divided by
            the number of examples, as Keras's `class_weight`. Defaults to None.
        label_smoothing: float in [0, 1). Share of the target probability spread over all labels (Szegedy et al., 2016).
            Defaults to 0.0.
        pooling: "mean", "cls" (first token), "pooler" (the checkpoint's pooler, or a fresh one), or "auto": what
            the checkpoint suggests. Defaults to "auto".
        dropout: float. Dropout rate before the last layer. Defaults to None: what the checkpoint suggests.

    Example:

        >>> task = tftransfer.tasks.SequenceClassification(labels=["negative", "positive"])
    """

    name: ClassVar[str] = "sequence_classification"
    head_kind: ClassVar[str] = "sequence_classification"
    global_tokens: ClassVar[Literal["none", "first", "question"]] = "first"
    problem_type: ClassVar[str] = "single_label_classification"
    report: ClassVar[str] = "classification"
    monitors: ClassVar[Sequence[str]] = ("accuracy", "macro_f1", "loss")

    labels: Sequence[Label] | None = None
    class_weights: dict[Label, float] | Literal["balanced"] | None = None
    label_smoothing: float = 0.0
    pooling: Literal["auto", "mean", "cls", "pooler"] = "auto"
    dropout: float | None = None

    def __post_init__(self) -> None:
        if self.labels is not None:
            repeated = [label for label, n in collections.Counter(self.labels).items() if n > 1]
            if repeated:
                raise ConfigError(f"labels: expected distinct labels; received {', '.join(repeated)} more than once.")
            if len(self.labels) < 2:
                raise ConfigError(f"labels: expected at least two labels; received {list(self.labels)}.")
            self._check_class_weights()
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"label_smoothing: expected a number in [0, 1); received {self.label_smoothing}.")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout: expected a number in [0, 1); received {self.dropout}.")

    @property
    def is_resolved(self) -> bool:
        return self.labels is not None

    def resolve(self, columns: Mapping[str, Sequence[str]]) -> "SequenceClassification":
        found = sorted(set(columns["label"]))
        if len(found) < 2:
            raise DataError(
                f"Expected at least two labels in the training data; every example has the label '{found[0]}'. "
                "A classifier has nothing to learn from it: check the file and the label column."
            )
        return self if self.labels is not None else dataclasses.replace(self, labels=tuple(found))

    def _check_class_weights(self) -> None:
        if not isinstance(self.class_weights, dict):
            return
        for label, weight in self.class_weights.items():
            if label not in self._labels:
                raise ConfigError(f"class_weights: unknown label '{label}'.{suggest(label, self._labels)}")
            if not 0 <= weight < float("inf"):
                raise ConfigError(f"class_weights: expected a weight >= 0 for '{label}'; received {weight}.")

    def problems(self, columns: Mapping[str, Sequence[str]]) -> dict[int, str]:
        unknown = set(columns["label"]) - set(self._labels)
        # Once a label, not once a row: a suggestion compares it with every known one.
        reasons = {
            label: f"unknown label '{label}'.{suggest(label, self._labels)} Known: {', '.join(self._labels[:20])}"
            for label in unknown
        }
        return {row: reasons[label] for row, label in enumerate(columns["label"]) if label in unknown}

    def targets(self, columns: Mapping[str, Sequence[str]]) -> np.ndarray:
        ids = {label: index for index, label in enumerate(self._labels)}
        return np.asarray([ids[label] for label in columns["label"]], "int32")

    def example_weights(self, targets: np.ndarray) -> np.ndarray:
        if self.class_weights is None:
            return np.ones(len(targets), "float32")
        if self.class_weights == "balanced":
            counts = np.bincount(targets, minlength=len(self._labels))
            weights = len(targets) / (np.maximum(counts, 1) * np.count_nonzero(counts))
        else:
            weights = np.asarray([self.class_weights.get(label, 1.0) for label in self._labels])
        return weights.astype("float32")[targets]

    def head(self, features: Mapping[str, Any], hints: HeadHints) -> Any:
        from tftransfer.tasks.components.heads import head_logits

        pooling = hints.pooling if self.pooling == "auto" else self.pooling
        dropout = hints.dropout if self.dropout is None else self.dropout
        hints = dataclasses.replace(hints, pooling=pooling, dropout=dropout)
        return head_logits(self.head_kind, features, hints, len(self._labels))

    def takes_head(self, hints: HeadHints) -> bool:
        return self.pooling in ("auto", hints.pooling)

    def loss(self) -> Any:
        from tftransfer.tasks.components.losses import SmoothedCrossentropy

        return SmoothedCrossentropy(self.label_smoothing)

    def metrics(self) -> list[Any]:
        import keras

        from tftransfer.tasks.components.metrics import MacroF1

        return [keras.metrics.SparseCategoricalAccuracy("accuracy"), MacroF1(len(self._labels), name="macro_f1")]

    def serve(self, logits: Any) -> dict[str, Any]:
        import tensorflow as tf

        scores = tf.nn.softmax(logits)
        best = tf.argmax(scores, axis=-1)
        names = tf.constant(list(self._labels))
        return {"label": tf.gather(names, best), "score": tf.reduce_max(scores, axis=-1), "scores": scores}

    def scores(self, logits: np.ndarray) -> np.ndarray:
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)

    def decode(self, scores: np.ndarray) -> list[dict[str, Any]]:
        return [
            {
                "label": self._labels[int(row.argmax())],
                "score": float(row.max()),
                "scores": {label: float(score) for label, score in zip(self._labels, row, strict=True)},
            }
            for row in scores
        ]

    @property
    def _labels(self) -> Sequence[str]:
        if self.labels is None:
            raise ConfigError("The labels are not known yet: give labels=[...], or use task.resolve(train.columns).")
        return self.labels
