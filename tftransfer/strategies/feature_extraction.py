"""Feature extraction."""

import dataclasses
from typing import Any

from tftransfer import registry
from tftransfer.strategies.strategy import BACKBONE, Rates, Strategy

__all__ = ["FeatureExtraction"]


@registry.strategies.register("feature_extraction")
@dataclasses.dataclass(frozen=True)
class FeatureExtraction(Strategy):
    """Trains the head only; the backbone is frozen, and its dropout is off (Peters et al., 2019).

    Heads learn well at a far greater learning rate than backbones, 1e-3 or more.
    """

    def rates(self, model: Any) -> Rates:
        return [(BACKBONE, 0.0), (r"", 1.0)]
