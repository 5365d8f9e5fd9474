"""Metrics that Keras does not have in this form."""

from typing import Any

import keras
from keras import ops

__all__ = ["MacroF1", "MultiLabelF1", "Pearson", "SpanAccuracy"]


@keras.saving.register_keras_serializable("tftransfer")
class MacroF1(keras.metrics.Metric):
    """Mean over labels of the F1 score, from label ids and logits.

    Labels that occur neither in the targets nor in the predictions are left out of the mean, as in scikit-learn. The
    state is a confusion matrix, so that the result is exact over batches and replicas (`keras.metrics.F1Score` wants
    one-hot targets and counts absent labels as 0).

    Args:
        num_labels: int. How many labels.
    """

    def __init__(self, num_labels: int, name: str = "macro_f1", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.num_labels = num_labels
        # Rows are targets, columns are predictions.
        self.confusion = self.add_variable((num_labels, num_labels), initializer="zeros", name="confusion")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        true = ops.one_hot(ops.reshape(ops.cast(y_true, "int32"), (-1,)), self.num_labels)
        predicted = ops.one_hot(ops.argmax(y_pred, axis=-1), self.num_labels)
        self.confusion.assign_add(ops.matmul(ops.transpose(true), predicted))

    def result(self) -> Any:
        hits = ops.diagonal(self.confusion)
        present = ops.sum(self.confusion, axis=0) + ops.sum(self.confusion, axis=1)  # targets + predictions of a label
        f1 = ops.divide_no_nan(2 * hits, present)
        return ops.divide_no_nan(ops.sum(f1), ops.sum(ops.cast(present > 0, f1.dtype)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_labels": self.num_labels}


@keras.saving.register_keras_serializable("tftransfer")
class MultiLabelF1(keras.metrics.Metric):
    """F1 score of labels that are given or not, from logits; a label is given where its logit is above 0.

    Its state are sums, so that the result is exact over batches and replicas (`keras.metrics.F1Score` wants
    probabilities, and has no variables until it has seen some).

    Args:
        num_labels: int. How many labels.
        average: "macro", the mean over all labels, or "micro", of all labels counted together. Defaults to "macro".
    """

    def __init__(self, num_labels: int, average: str = "macro", name: str = "f1", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.num_labels = num_labels
        self.average = average
        # Of each label: how often it is given rightly, and how often it is given or true, counted together.
        self.counts = self.add_variable((2, num_labels), initializer="zeros", name="counts")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        true, given = ops.cast(y_true, "float32"), ops.cast(ops.greater(y_pred, 0), "float32")
        self.counts.assign_add(ops.stack([ops.sum(true * given, axis=0), ops.sum(true + given, axis=0)]))

    def result(self) -> Any:
        hits, present = ops.unstack(self.counts)
        if self.average == "micro":
            return ops.divide_no_nan(2 * ops.sum(hits), ops.sum(present))
        return ops.mean(ops.divide_no_nan(2 * hits, present))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_labels": self.num_labels, "average": self.average}


@keras.saving.register_keras_serializable("tftransfer")
class Pearson(keras.metrics.Metric):
    """Pearson's correlation of numbers and predictions over all examples; 0 where one of the two does not vary.

    Its state are sums, so that the result is that of all batches and replicas together (`keras.metrics` has the mean
    of the correlations within rows).
    """

    def __init__(self, name: str = "pearson", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        # Examples; the sums of the numbers, their squares and their product.
        self.sums = self.add_variable((6,), initializer="zeros", name="sums")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        x, y = (ops.reshape(ops.cast(values, "float32"), (-1,)) for values in (y_true, y_pred))
        counted = ops.ones_like(x) if sample_weight is None else ops.reshape(ops.cast(sample_weight, "float32"), (-1,))
        parts = [counted, counted * x, counted * y, counted * x * x, counted * y * y, counted * x * y]
        self.sums.assign_add(ops.stack([ops.sum(part) for part in parts]))

    def result(self) -> Any:
        n, x, y, xx, yy, xy = ops.unstack(self.sums)
        spread = ops.sqrt(ops.maximum((n * xx - x * x) * (n * yy - y * y), 0.0))
        return ops.divide_no_nan(n * xy - x * y, spread)


@keras.saving.register_keras_serializable("tftransfer")
class SpanAccuracy(keras.metrics.Mean):
    """Share of rows whose span's first and last token have the highest logits.

    Call arguments:
        y_true: int tensor `(batch, 2)`. Which token is the first one, and which the last.
        y_pred: float tensor `(batch, length, 2)`, logits.
    """

    def __init__(self, name: str = "span_accuracy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        right = ops.equal(ops.argmax(y_pred, axis=1), ops.cast(y_true, "int64"))  # (batch, 2)
        super().update_state(ops.all(right, axis=-1))
