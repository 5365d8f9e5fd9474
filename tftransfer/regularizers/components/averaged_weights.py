"""A callback that lets a moving average of the weights be judged and kept."""

from typing import Any

import keras

__all__ = ["AveragedWeights"]


class AveragedWeights(keras.callbacks.Callback):
    """Has the averages of an optimizer with `use_ema` in the model from an epoch's validation until the next epoch.

    `keras.callbacks.SwapEMAWeights` swaps by adding and subtracting, which rounds what training goes on with, and where
    training stops before its last epoch Keras then ends with the weights that are no averages.
    """

    def __init__(self) -> None:
        super().__init__()
        self._trained: list[Any] | None = None

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._average()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._average()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._trained is not None:
            for variable, value in zip(self.model.trainable_variables, self._trained, strict=True):
                variable.assign(value)
            self._trained = None

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._trained = None  # at the end, `fit` has put the averages into the model itself

    def _average(self) -> None:
        if self._trained is None:
            variables = self.model.trainable_variables
            self._trained = [keras.ops.convert_to_numpy(variable) for variable in variables]
            self.model.optimizer.finalize_variable_values(variables)
