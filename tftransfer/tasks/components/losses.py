"""Losses that Keras does not have."""

from typing import Any

import keras
from keras import ops

__all__ = ["SmoothedCrossentropy"]


@keras.saving.register_keras_serializable("tftransfer")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy between label ids and logits, with label smoothing (Szegedy et al., 2016).

    `keras.losses.SparseCategoricalCrossentropy` has no smoothing, and `CategoricalCrossentropy` no label ids.

    Args:
        label_smoothing: float in [0, 1). The target is `1 - label_smoothing` on the label plus `label_smoothing /
            labels` on every label. Defaults to 0.0.

    Call arguments:
        y_true: int tensor `(batch,)`, label ids.
        y_pred: float tensor `(batch, labels)`, logits.
    """

    def __init__(self, label_smoothing: float = 0.0, name: str = "crossentropy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = ops.reshape(y_true, ops.shape(y_pred)[:-1])  # Keras adds an axis to rank-1 targets
        log_probabilities = ops.log_softmax(ops.cast(y_pred, "float32"), axis=-1)
        target = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1])
        target = target * (1 - self.label_smoothing) + self.label_smoothing / y_pred.shape[-1]
        return -ops.sum(target * log_probabilities, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
