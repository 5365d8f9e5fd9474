"""Layer normalisations alone."""

import dataclasses
from typing import Any

from tftransfer import registry
from tftransfer.strategies.strategy import HEAD, Rates, Strategy

__all__ = ["LayerNorm"]


@registry.strategies.register("layer_norm")
@dataclasses.dataclass(frozen=True)
class LayerNorm(Strategy):
    """Trains gains and biases of the layer normalisations, and the head (LN-tuning: Qi et al., 2022).

    They learn well at rates of 1e-4 to 1e-3.
    """

    def rates(self, model: Any) -> Rates:
        return [(HEAD, 1.0), (r"/(gamma|beta)$", 1.0), (r"", 0.0)]
