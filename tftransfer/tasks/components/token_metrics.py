"""Metrics of tokens, those without a target passed over; their state are sums, exact over batches and replicas."""

from typing import Any

import keras
from keras import ops

from tftransfer.tasks.components.losses import known_crossentropy

__all__ = ["Perplexity", "TokenAccuracy", "TokenCount"]


class _OverTokens(keras.metrics.Metric):
    """The mean of what `values` says of the tokens that have a target."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.sums = self.add_variable((2,), initializer="zeros", name="sums")

    def values(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Returns a number for each token, 0 for those without a target, and 1 for those with one: float32 `(...)`."""
        raise NotImplementedError

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.sums.assign_add(ops.stack([ops.sum(part) for part in self.values(y_true, y_pred)]))

    def result(self) -> Any:
        return ops.divide_no_nan(self.sums[0], self.sums[1])


@keras.saving.register_keras_serializable("tftransfer")
class Perplexity(_OverTokens):
    """e to the power of the mean cross-entropy of the tokens that have a target, from their ids and logits."""

    def __init__(self, name: str = "perplexity", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def values(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return known_crossentropy(y_true, y_pred)

    def result(self) -> Any:
        return ops.exp(super().result())


@keras.saving.register_keras_serializable("tftransfer")
class TokenAccuracy(_OverTokens):
    """Share of the tokens with a target whose highest logit is that of their label, or of their id.

    `keras.metrics.SparseCategoricalAccuracy` counts tokens without a target, which are negative, as wrong.
    """

    def __init__(self, name: str = "accuracy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def values(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        y_true, best = ops.cast(y_true, "int32"), ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        return ops.cast(best == y_true, "float32"), ops.cast(y_true >= 0, "float32")


@keras.saving.register_keras_serializable("tftransfer")
class TokenCount(_OverTokens):
    """How many tokens have a target."""

    def __init__(self, name: str = "tokens", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def values(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        known = ops.cast(ops.cast(y_true, "int32") >= 0, "float32")
        return known, known

    def result(self) -> Any:
        return self.sums[1]
