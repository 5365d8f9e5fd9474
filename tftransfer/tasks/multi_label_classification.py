"""Any number of labels a text, or a pair of texts."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from tftransfer import registry
from tftransfer.calibration import best_temperature
from tftransfer.column import codes
from tftransfer.errors import ConfigError, DataError
from tftransfer.tasks.labels import check_labels, check_weights, known, unknown
from tftransfer.tasks.numbers import Tuned, check_not_negative, check_shares, check_temperature, chosen
from tftransfer.tasks.task import Columns, Label, shown_texts
from tftransfer.tasks.text_level import PooledTask
from tftransfer.thresholds import best_thresholds
from tftransfer.token_rows import TokenRows

__all__ = ["MultiLabelClassification"]


@registry.tasks.register("multi_label_classification")
@dataclasses.dataclass(frozen=True)
class MultiLabelClassification(PooledTask):
    """Any number of labels, none included, for a text or a pair of texts.

    A row's labels are a list in JSON lines, and elsewhere one value, with the labels between separators.

    Args:
        labels: sequence of str. The labels, in the order of the scores. Defaults to None: those of the training data,
            sorted.
        separator: str. What stands between two labels of a row. Defaults to ",".
        thresholds: float in (0, 1), or dict of label -> float. The scores from which on a label is given; "tuned"
            chooses each label's on the validation data, for the best F1. Defaults to 0.5.
        class_weights: dict of label -> float, or "balanced" for the number of examples without the label by the number
            with it. Weighs a label where it is given, as PyTorch's `pos_weight`. Defaults to None.
        priors: True to have scores of a fresh head begin at the share of the training data that has a label, instead of
            at a half: else the first thing learnt is that most labels are absent, at the cost of what the encoder knows
            (Lin et al., 2017, 4.1). Or dict of label -> share. Defaults to True.
        label_smoothing: float in [0, 1). Draws targets towards a half (Szegedy et al., 2016). Defaults to 0.0.
        focal_gamma: float >= 0. Strength of the focal loss, which has easy labels count less (Lin et al., 2017); 0 for
            none. Defaults to 0.0.
        temperature: float > 0, or "tuned" to choose it on the validation data, so that scores are the shares of right
            answers (Guo et al., 2017). Defaults to 1.0.
        **options: `truncate`, `stride`, `pooling` and `dropout`; see `PooledTask`.

    Example:

        >>> task = tftransfer.tasks.MultiLabelClassification(labels=["anger", "joy"], thresholds="tuned")
    """

    name: ClassVar[str] = "multi_label_classification"
    problem_type: ClassVar[str] = "multi_label_classification"
    report: ClassVar[str] = "multi_label"
    monitors: ClassVar[Sequence[str]] = ("macro_f1", "micro_f1", "loss")

    labels: Sequence[Label] | None = None
    separator: str = ","
    thresholds: Tuned | dict[Label, float] = 0.5
    class_weights: dict[Label, float] | Literal["balanced"] | None = None
    priors: bool | dict[Label, float] = True
    label_smoothing: float = 0.0
    focal_gamma: float = 0.0
    temperature: Tuned = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels is not None:
            check_labels(self.labels)
            check_weights(self.class_weights, self.labels)
            self._check_thresholds(self.labels)
        check_shares(label_smoothing=self.label_smoothing)
        check_not_negative(focal_gamma=self.focal_gamma)
        check_temperature(self.temperature)
        for label, share in self.priors.items() if isinstance(self.priors, dict) else ():
            if not 0 < share < 1:
                raise ConfigError(f"priors: expected shares between 0 and 1; received {share} for '{label}'.")
        if not self.separator:
            raise ConfigError("separator: expected what stands between two labels; received nothing.")

    def _check_thresholds(self, labels: Sequence[str]) -> None:
        given = self.thresholds if isinstance(self.thresholds, dict) else {}
        for reason in unknown(given, labels).values():
            raise ConfigError(f"thresholds: {reason}")
        values = [self.thresholds] if isinstance(self.thresholds, float | int) else given.values()
        for value in values:
            if not 0 <= value <= 1:
                raise ConfigError(f"thresholds: expected numbers from 0 to 1; received {value}.")

    @property
    def is_resolved(self) -> bool:
        return self.labels is not None and self.class_weights != "balanced" and self.priors is not True

    def resolve(self, columns: Columns) -> "MultiLabelClassification":
        rows, numbers = self._rows(columns)
        labels = self.labels if self.labels is not None else tuple(sorted({label for row in rows for label in row}))
        if len(labels) < 2:
            raise DataError(
                f"Expected at least two labels in the training data; found {', '.join(labels) or 'none'}. Check "
                f"the file, the label column and the separator, '{self.separator}'."
            )
        often, size = np.bincount(numbers).tolist(), len(numbers)
        counts = {label: sum(n for row, n in zip(rows, often, strict=True) if label in row) for label in labels}
        weights, priors = self.class_weights, self.priors
        if weights == "balanced":
            # A label that nobody has says nothing; it keeps the weight of 1.
            weights = {label: (size - n) / n if n else 1.0 for label, n in counts.items()}
        if priors is True:
            # As if one more had half of each label: neither 0 nor 1 has log odds.
            priors = {label: (n + 0.5) / (size + 1) for label, n in counts.items()}
        return dataclasses.replace(self, labels=labels, class_weights=weights, priors=priors)

    def adopt(self, labels: Sequence[str]) -> "MultiLabelClassification":
        if self.class_weights == "balanced":
            raise ConfigError("class_weights: balanced needs the training data: use task.resolve(train.columns).")
        given = labels if self.labels is None else self.labels
        return super(MultiLabelClassification, dataclasses.replace(self, priors=False)).adopt(given)  # type: ignore[return-value]

    def initialize(self, model: Any) -> None:
        path = "head/logits/bias"
        if isinstance(self.priors, dict) and path in model.load_report.fresh and not model.custom_head:
            shares = np.asarray([self.priors.get(label, 0.5) for label in self._labels])
            (bias,) = [variable for variable in model.weights if variable.path == path]
            bias.assign(np.log(shares) - np.log1p(-shares))

    def problems(self, columns: Columns) -> dict[int, str]:
        rows, numbers = self._rows(columns)
        reasons = unknown({label for row in rows for label in row}, self._labels)
        wrong = [next((reasons[label] for label in row if label in reasons), "") for row in rows]
        found = np.flatnonzero(np.array(wrong, bool)[numbers]).tolist()
        return {n: wrong[numbers[n]] for n in found}

    def targets(self, columns: Columns, rows: TokenRows) -> np.ndarray:
        return self.indicators(columns)[rows.examples]

    def indicators(self, columns: Columns) -> np.ndarray:
        """Returns 1 where an example has a label, else 0, int32 `(examples, labels)`."""
        ids = {label: index for index, label in enumerate(self._labels)}
        rows, numbers = self._rows(columns)
        found = np.zeros((len(rows), len(ids)), "int32")
        for row, labels in enumerate(rows):
            found[row, [ids[label] for label in labels]] = 1
        return found[numbers]

    def _rows(self, columns: Columns) -> tuple[list[list[str]], np.ndarray]:
        """Returns the distinct rows of labels, and which of them each example has."""
        distinct, numbers = codes(columns["label"])
        split = [v.split(self.separator) if isinstance(v, str) else list(v) for v in distinct]
        return [[label.strip() for label in row if label.strip()] for row in split], numbers

    def loss(self) -> Any:
        import keras

        from tftransfer.tasks.components.losses import WeightedBinaryCrossentropy

        weights = self.class_weights if isinstance(self.class_weights, dict) else None
        if weights is not None:
            positive = [weights.get(label, 1.0) for label in self._labels]
            return WeightedBinaryCrossentropy(positive, self.label_smoothing, self.focal_gamma)
        options = {"from_logits": True, "label_smoothing": self.label_smoothing}
        if self.focal_gamma:
            return keras.losses.BinaryFocalCrossentropy(gamma=self.focal_gamma, **options)
        return keras.losses.BinaryCrossentropy(**options)

    def divergence(self, logits: Any, reference: Any, temperature: float = 1.0) -> Any:
        from tftransfer.tasks.components.divergences import bernoulli_divergence

        return bernoulli_divergence(logits, reference, temperature)

    def metrics(self) -> list[Any]:
        from tftransfer.tasks.components.metrics import MultiLabelF1

        # Logits of 0 are scores of a half, whatever the thresholds will be.
        return [MultiLabelF1(self.outputs, average, name=f"{average}_f1") for average in ("macro", "micro")]

    @property
    def tunes(self) -> bool:
        return "tuned" in (self.temperature, self.thresholds)

    def tuned(self, logits: np.ndarray, columns: Columns) -> "MultiLabelClassification":
        task, targets = self, self.indicators(columns)
        if task.temperature == "tuned":
            task = dataclasses.replace(task, temperature=best_temperature(logits, targets))
        if task.thresholds == "tuned":
            limits = best_thresholds(targets, task.scores(logits))
            task = dataclasses.replace(task, thresholds=dict(zip(self._labels, map(float, limits), strict=True)))
        return task

    def scores(self, logits: np.ndarray) -> np.ndarray:
        return (1 / (1 + np.exp(-logits / chosen(self.temperature, 1.0)))).astype("float32")

    def decode(self, scores: np.ndarray, columns: Columns) -> list[dict[str, Any]]:
        answers = []
        for row in scores:
            scored = {label: float(score) for label, score in zip(self._labels, row, strict=True)}
            given = [label for label, limit in zip(self._labels, self._limits, strict=True) if scored[label] >= limit]
            answers.append({"labels": given, "scores": scored})
        return answers

    def evidence(self, scores: np.ndarray, columns: Columns) -> dict[str, Any]:
        return {
            "labels": list(self._labels),
            "targets": self.indicators(columns),
            "scores": scores,
            "thresholds": self._limits,
            "texts": shown_texts(columns),
        }

    def serve(self, logits: Any, tokens: Mapping[str, Any]) -> dict[str, Any]:
        import tensorflow as tf

        scores = tf.sigmoid(self.gather_in_graph(logits, tokens) / chosen(self.temperature, 1.0))
        names = tf.broadcast_to(tf.constant(list(self._labels)), tf.shape(scores))
        given = tf.ragged.boolean_mask(names, scores >= tf.constant(self._limits, tf.float32))
        return {"labels": given.to_tensor(""), "scores": scores}

    def read_served(self, outputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        return [
            {"labels": [label for label in given if label], "scores": dict(zip(self._labels, scores, strict=True))}
            for given, scores in zip(outputs["labels"], outputs["scores"], strict=True)
        ]

    def margins(self, scores: np.ndarray) -> np.ndarray:
        return np.abs(scores - self._limits).min(axis=-1)

    @property
    def outputs(self) -> int:
        return len(self._labels)

    @property
    def _labels(self) -> Sequence[str]:
        return known(self.labels)

    @property
    def _limits(self) -> np.ndarray:
        """The threshold of each label, float32 `(labels,)`."""
        if isinstance(self.thresholds, dict):
            return np.asarray([self.thresholds.get(label, 0.5) for label in self._labels], "float32")
        return np.full(self.outputs, chosen(self.thresholds, 0.5), "float32")
