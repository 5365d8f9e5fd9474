"""Exponential moving average of the weights."""

import dataclasses
from typing import Any

from tftransfer import registry
from tftransfer.errors import ConfigError
from tftransfer.regularizers.regularizer import Regularizer

__all__ = ["Ema"]


@registry.regularizers.register("ema")
@dataclasses.dataclass(frozen=True)
class Ema(Regularizer):
    """Validates, keeps and exports the moving average of the weights over the steps, not the weights of the last step.

    Training itself goes on with the weights as they are. The average begins with the weights after the first step;
    after each further one it is `momentum` times itself plus `1 - momentum` times the weights, by Keras's
    `use_ema`. It takes the memory of another copy of what is trained.

    Reference: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.

    Args:
        momentum: float in [0, 1). 0.99 averages over about the last 100 steps, 0.999 over the last 1,000; a training
            should take several times as many. Defaults to 0.99.

    Example:

        >>> tftransfer.fine_tune(model, train, validation, regularizers=[tftransfer.regularizers.Ema(momentum=0.995)])
    """

    momentum: float = 0.99

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"momentum: expected a number in [0, 1); received {self.momentum}.")

    def optimizer_options(self) -> dict[str, Any]:
        return {"use_ema": True, "ema_momentum": self.momentum}

    def callbacks(self, model: Any) -> list[Any]:
        from tftransfer.regularizers.components.averaged_weights import AveragedWeights

        return [AveragedWeights()]
