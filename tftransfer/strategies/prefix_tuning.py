"""Prefix tuning."""

import dataclasses
from typing import Any

from tftransfer import registry
from tftransfer.additions import Additions
from tftransfer.errors import ConfigError
from tftransfer.strategies.strategy import HEAD, Rates, Strategy

__all__ = ["PrefixTuning"]


@registry.strategies.register("prefix_tuning")
@dataclasses.dataclass(frozen=True)
class PrefixTuning(Strategy):
    """Trains keys and values that every layer's attention sees before those of the text, and the head (Li & Liang,
    2021, https://arxiv.org/abs/2101.00190; in encoders: Liu et al., 2022, https://arxiv.org/abs/2110.07602).

    The keys and values are learned themselves, not through a network that makes them. The text keeps the positions
    that it was pretrained with, and several texts in a row see the same prefix. The model computes what the PEFT
    library's does, whose texts begin at position `length`.

    Build the model with it: `build(checkpoint, task, strategy=PrefixTuning())`. It wants a great learning rate, 1e-3
    to 1e-2.

    Args:
        length: int. Keys a layer. Defaults to 16.

    Example:

        >>> model = tftransfer.build(checkpoint, task, strategy=PrefixTuning(length=32))
        >>> tftransfer.fine_tune(model, train, validation, learning_rate=5e-3)
    """

    length: int = 16

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ConfigError(f"length: expected an integer >= 1; received {self.length}.")

    def additions(self) -> Additions:
        from tftransfer.strategies.components.prefix import Prefixes  # loads Keras

        return Prefixes(self.length)

    def rates(self, model: Any) -> Rates:
        return [(HEAD, 1.0), (self.additions().pattern, 1.0), (r"", 0.0)]
