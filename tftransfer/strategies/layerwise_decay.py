"""Layer-wise decay of the learning rate."""

import dataclasses
from typing import Any

from tftransfer import registry
from tftransfer.errors import ConfigError
from tftransfer.strategies.strategy import Rates, Strategy, by_depth

__all__ = ["LayerwiseDecay"]


@registry.strategies.register("layerwise_decay")
@dataclasses.dataclass(frozen=True)
class LayerwiseDecay(Strategy):
    """Trains all, the lower the slower: the rate is `decay` to the power of the distance from the head.

    The head and the pooler are at distance 0, the top layer at 1, the embeddings below the lowest layer.

    References: Howard & Ruder, 2018; Sun et al., "How to fine-tune BERT for text classification?", 2019; Clark et al.,
    "ELECTRA", 2020.

    Args:
        decay: float in (0, 1]. Sun et al. found 0.95 best for BERT-base; ELECTRA took 0.8 for 12 layers. Defaults to
            0.9.
    """

    decay: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.decay <= 1:
            raise ConfigError(f"decay: expected a number in (0, 1]; received {self.decay}.")

    def rates(self, model: Any) -> Rates:
        return by_depth(model, lambda distance: self.decay**distance)
