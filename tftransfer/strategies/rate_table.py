"""A table that the user writes."""

import dataclasses
from typing import Any

from tftransfer import registry
from tftransfer.strategies.strategy import Rates, Strategy

__all__ = ["RateTable"]


@registry.strategies.register("rates")
@dataclasses.dataclass(frozen=True)
class RateTable(Strategy):
    """Any table: `strategy: {name: rates, table: [["^head/", 1.0], ["/layer_11/", 0.5], ["", 0]]}`.

    Args:
        table: sequence of (regular expression over the paths of variables, rate). The first that is found in a path
            gives the rate, which multiplies learning rate and weight decay; 0 freezes. Every path must be claimed.

    Example:

        >>> strategy = tftransfer.strategies.RateTable([("^head/", 1.0), ("", 0.1)])
    """

    table: tuple[tuple[str, float], ...]

    def rates(self, model: Any) -> Rates:
        return [(pattern, float(rate)) for pattern, rate in self.table]
