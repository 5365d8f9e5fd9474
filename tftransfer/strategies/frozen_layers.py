"""The lower layers frozen."""

import dataclasses
from typing import Any

from tftransfer import registry
from tftransfer.errors import ConfigError
from tftransfer.strategies.strategy import Rates, Strategy, num_layers

__all__ = ["FrozenLayers"]


@registry.strategies.register("frozen_layers")
@dataclasses.dataclass(frozen=True)
class FrozenLayers(Strategy):
    """Freezes the embeddings and the lower layers, and trains the rest (Lee, Tang & Lin, 2019, arXiv:1911.03090).

    With `training.cache_features` the frozen layers are computed once for all epochs.

    Args:
        layers: int. How many layers are frozen, counted from the embeddings. Defaults to None: half of them.
    """

    layers: int | None = None

    def __post_init__(self) -> None:
        if self.layers is not None and self.layers < 0:
            raise ConfigError(f"layers: expected a number of layers >= 0, or null for half; received {self.layers}.")

    def rates(self, model: Any) -> Rates:
        there = num_layers(model)
        frozen = there // 2 if self.layers is None else self.layers
        if frozen > there:
            raise ConfigError(f"layers: expected at most {there}, the layers of this model; received {frozen}.")
        # What all layers share, such as a table of relative positions, belongs to the lowest one too.
        shared = [(r"^encoder/(?!layer_\d+/|final_norm/)", 0.0)]
        layers = [(rf"^encoder/layer_{n}/", 0.0) for n in range(frozen)]
        return [(r"^embeddings/", 0.0), *shared, *layers, (r"", 1.0)]
