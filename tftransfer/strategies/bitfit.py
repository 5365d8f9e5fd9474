"""BitFit."""

import dataclasses
from typing import Any

from tftransfer import registry
from tftransfer.strategies.strategy import HEAD, Rates, Strategy

__all__ = ["BitFit"]


@registry.strategies.register("bitfit")
@dataclasses.dataclass(frozen=True)
class BitFit(Strategy):
    """Trains biases, those of normalisations among them, and the head (Ben Zaken et al., 2022).

    About 0.1 % of a BERT's parameters; they learn well at rates of 1e-4 to 1e-3.
    """

    def rates(self, model: Any) -> Rates:
        return [(HEAD, 1.0), (r"/(bias|beta)$", 1.0), (r"", 0.0)]
