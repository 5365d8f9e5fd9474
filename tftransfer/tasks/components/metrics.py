"""Metrics that Keras does not have in this form."""

from typing import Any

import keras
from keras import ops

__all__ = ["MacroF1"]


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
