"""R-Drop: two dropout masks have to agree."""

import dataclasses
from typing import Any

from tftransfer import registry
from tftransfer.errors import ConfigError
from tftransfer.objective import Objective, mean_over_rows
from tftransfer.regularizers.regularizer import Regularizer

__all__ = ["RDrop"]


@registry.regularizers.register("r_drop")
@dataclasses.dataclass(frozen=True)
class RDrop(Regularizer):
    """Asks a batch twice, with other dropout, and adds how far the two answers are apart to their mean loss.

    What is added is `alpha / 2` times the sum of the divergences of each answer from the other, as the task has them
    (`Task.divergence`). A step takes about twice the time and the memory for activations. It does nothing to a model
    without dropout.

    Reference: Liang et al., "R-Drop: regularized dropout for neural networks", 2021. As in its code, the loss is the
    mean of both passes; the paper's formula has their sum, beside which the same `alpha` weighs half as much.

    Args:
        alpha: float >= 0. Weight of the divergence; the paper tries 0.1, 0.5 and 1.0 to fine-tune encoders, and 5 with
            Transformers from scratch. Defaults to 1.0.

    Example:

        >>> tftransfer.fine_tune(model, train, validation, regularizers=[tftransfer.regularizers.RDrop(alpha=0.5)])
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < float("inf"):
            raise ConfigError(f"alpha: expected a number >= 0; received {self.alpha}.")

    def objective(self, model: Any, objective: Objective) -> Objective:
        def twice(x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
            logits, loss = objective(x, y, sample_weight)
            others, other_loss = objective(x, y, sample_weight)
            apart = model.task.divergence(logits, others) + model.task.divergence(others, logits)
            return logits, (loss + other_loss + self.alpha * mean_over_rows(apart, sample_weight)) / 2

        return twice
