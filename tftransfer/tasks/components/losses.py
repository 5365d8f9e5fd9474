"""Losses that Keras does not have."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["SmoothedCrossentropy", "SpanCrossentropy", "WeightedBinaryCrossentropy", "known_crossentropy"]


def known_crossentropy(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Returns the cross-entropy of each target, and where there is one.

    There is no one-hot target, nor a copy of the logits but the gradient's: over a vocabulary each takes gigabytes.

    Args:
        y_true: int tensor `(...)`, or `(..., 1)`. Label ids; negative where there is none.
        y_pred: float tensor `(..., labels)`. Logits.

    Returns:
        Two float32 tensors `(...)`: the cross-entropies, 0 where there is no target, and 1 where there is one, else 0.
    """
    y_true = ops.cast(ops.reshape(y_true, ops.shape(y_pred)[:-1]), "int32")  # Keras adds an axis to rank-1 targets
    known = ops.cast(y_true >= 0, "float32")
    logits = ops.cast(y_pred, "float32")
    return known * ops.sparse_categorical_crossentropy(ops.maximum(y_true, 0), logits, from_logits=True), known


@keras.saving.register_keras_serializable("tftransfer")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy between label ids and logits, with label smoothing and the focal loss's modulation.

    `keras.losses.SparseCategoricalCrossentropy` has neither, and Keras's losses that have them take no label ids.

    References: Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016; Lin et al., "Focal
    loss for dense object detection", 2017.

    Args:
        label_smoothing: float in [0, 1). The target is `1 - label_smoothing` on the label plus `label_smoothing /
            labels` on every label. Defaults to 0.0.
        focal_gamma: float >= 0. A label's share of the loss is multiplied by `(1 - probability) ** focal_gamma`.
            Defaults to 0.0: the plain cross-entropy.

    Call arguments:
        y_true: int tensor `(batch,)` or `(batch, length)`, label ids; where they are negative the loss is 0.
        y_pred: float tensor `(batch, labels)` or `(batch, length, labels)`, logits.
    """

    def __init__(
        self, label_smoothing: float = 0.0, focal_gamma: float = 0.0, name: str = "crossentropy", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if not self.label_smoothing and not self.focal_gamma:
            return known_crossentropy(y_true, y_pred)[0]
        y_true = ops.cast(ops.reshape(y_true, ops.shape(y_pred)[:-1]), "int32")  # Keras adds an axis to rank-1 targets
        log_probabilities = ops.log_softmax(ops.cast(y_pred, "float32"), axis=-1)
        target = ops.one_hot(ops.maximum(y_true, 0), y_pred.shape[-1])
        target = target * (1 - self.label_smoothing) + self.label_smoothing / y_pred.shape[-1]
        if self.focal_gamma:
            target = target * (1 - ops.exp(log_probabilities)) ** self.focal_gamma
        return -ops.sum(target * log_probabilities, axis=-1) * ops.cast(y_true >= 0, "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing, "focal_gamma": self.focal_gamma}


@keras.saving.register_keras_serializable("tftransfer")
class SpanCrossentropy(keras.losses.Loss):
    """Mean of two cross-entropies over the tokens of a row: of the first and of the last token of a span.

    `keras.losses` has them over a last axis only, whose size is known; that of tokens differs from batch to batch.

    References: Devlin et al., "BERT: Pre-training of deep bidirectional Transformers", 2019.

    Call arguments:
        y_true: int tensor `(batch, 2)`. Which token is the first one, and which the last.
        y_pred: float tensor `(batch, length, 2)`, logits; those of padding are very low.
    """

    def __init__(self, name: str = "span_crossentropy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_probabilities = ops.log_softmax(ops.cast(y_pred, "float32"), axis=1)
        places = ops.cast(y_true, "int32")[:, None, :]  # (batch, 1, 2)
        return -ops.mean(ops.take_along_axis(log_probabilities, places, axis=1), axis=(1, 2))


@keras.saving.register_keras_serializable("tftransfer")
class WeightedBinaryCrossentropy(keras.losses.Loss):
    """Cross-entropy between labels that are given or not and logits, in which a label that is given has a weight.

    With neither smoothing nor gamma it is PyTorch's `BCEWithLogitsLoss(pos_weight=...)`; `keras.losses` weighs no
    single labels.

    Args:
        positive_weights: list of float. The weight of each label where it is given.
        label_smoothing: float in [0, 1). Draws targets towards a half. Defaults to 0.0.
        focal_gamma: float >= 0. A label's loss is multiplied by `(1 - probability of what is right) ** focal_gamma`
            (Lin et al., 2017). Defaults to 0.0.

    Call arguments:
        y_true: tensor `(batch, labels)`, 1 where a label is given, else 0.
        y_pred: float tensor `(batch, labels)`, logits.
    """

    def __init__(
        self,
        positive_weights: Sequence[float],
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        name: str = "crossentropy",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.positive_weights = [float(weight) for weight in positive_weights]
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma

    def call(self, y_true: Any, y_pred: Any) -> Any:
        logits, given = ops.cast(y_pred, "float32"), ops.cast(y_true, "float32")
        target = given * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        weights = ops.convert_to_tensor(self.positive_weights, "float32")
        losses = -(target * weights * ops.log_sigmoid(logits) + (1 - target) * ops.log_sigmoid(-logits))
        if self.focal_gamma:
            right = given * ops.sigmoid(logits) + (1 - given) * ops.sigmoid(-logits)
            losses = losses * (1 - right) ** self.focal_gamma
        return ops.mean(losses, axis=-1)

    def get_config(self) -> dict[str, Any]:
        own = ("positive_weights", "label_smoothing", "focal_gamma")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
