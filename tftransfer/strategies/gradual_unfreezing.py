"""Gradual unfreezing."""

import dataclasses
from typing import Any

from tftransfer import registry
from tftransfer.errors import ConfigError
from tftransfer.strategies.strategy import Rates, Strategy, by_depth, num_layers

__all__ = ["GradualUnfreezing"]


@registry.strategies.register("gradual_unfreezing")
@dataclasses.dataclass(frozen=True)
class GradualUnfreezing(Strategy):
    """ULMFiT: the head alone at first, then layer by layer downwards, each at a lower rate (Howard & Ruder, 2018).

    The printed table has the rates that layers have once it is their turn. A layer whose turn has not come stays as it
    is bit for bit, though its gradients are computed and enter the optimizer's moments: so the step is compiled once.
    The learning rate follows the paper's slanted triangle instead of the usual line to 0; `training.warmup` says where
    its peak is.

    Args:
        decay: float >= 1. How much slower each layer is than the one above it. Defaults to 2.6, the paper's.
        layers_per_epoch: int. How many more layers take part in each epoch. The paper has 1; with few epochs and many
            layers, the lowest ones' turn never comes. Defaults to 1.
        ratio: float >= 1. By how much the lowest learning rate is below the peak. Defaults to 32, the paper's.
    """

    decay: float = 2.6
    layers_per_epoch: int = 1
    ratio: float = 32.0

    def __post_init__(self) -> None:
        for name in ("decay", "layers_per_epoch", "ratio"):
            if not getattr(self, name) >= 1:
                raise ConfigError(f"{name}: expected a number >= 1; received {getattr(self, name)}.")

    def rates(self, model: Any) -> Rates:
        return by_depth(model, lambda distance: self.decay**-distance)

    def schedule(self, learning_rate: float, total_steps: int, warmup_steps: int) -> Any:
        from tftransfer.strategies.components.unfreezing import SlantedTriangular

        return SlantedTriangular(learning_rate, total_steps, warmup_steps, self.ratio)

    def callbacks(self, model: Any) -> list[Any]:
        from tftransfer.strategies.components.unfreezing import Unfreezing

        deepest = num_layers(model) + 1  # the embeddings
        reaches = [*range(0, deepest, self.layers_per_epoch), deepest]
        return [Unfreezing([self._stage(model, reach) for reach in reaches])]

    def _stage(self, model: Any, reach: int) -> Rates:
        """Returns the table of an epoch in which what is at most so far from the head takes part."""
        return by_depth(model, lambda distance: self.decay**-distance if distance <= reach else 0.0)
