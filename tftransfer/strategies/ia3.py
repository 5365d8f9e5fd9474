"""(IA)3."""

import dataclasses
from typing import Any

from tftransfer import registry
from tftransfer.additions import Additions
from tftransfer.strategies.strategy import HEAD, Rates, Strategy

__all__ = ["IA3"]


@registry.strategies.register("ia3")
@dataclasses.dataclass(frozen=True)
class IA3(Strategy):
    """Trains three vectors a layer, which scale keys, values and what the feed-forward block's inner layer gives, and
    the head (Liu et al., 2022, https://arxiv.org/abs/2205.05638).

    Build the model with it: `build(checkpoint, task, strategy=IA3())`. The vectors begin at 1, where the model is the
    pretrained one, and can be merged into its matrices afterwards. There are so few numbers that they want a great
    learning rate, 1e-3 to 1e-2.

    Example:

        >>> model = tftransfer.build(checkpoint, task, strategy=IA3())
        >>> tftransfer.fine_tune(model, train, validation, learning_rate=3e-3)
    """

    def additions(self) -> Additions:
        from tftransfer.strategies.components.ia3 import Scales  # loads Keras

        return Scales()

    def rates(self, model: Any) -> Rates:
        return [(HEAD, 1.0), (self.additions().pattern, 1.0), (r"", 0.0)]
