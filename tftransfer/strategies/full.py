"""Full fine-tuning."""

import dataclasses
from typing import Any

from tftransfer import registry
from tftransfer.strategies.strategy import Rates, Strategy

__all__ = ["Full"]


@registry.strategies.register("full")
@dataclasses.dataclass(frozen=True)
class Full(Strategy):
    """Trains every variable at the full learning rate (Devlin et al., 2019)."""

    def rates(self, model: Any) -> Rates:
        return [(r"", 1.0)]
