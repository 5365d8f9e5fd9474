"""LoRA, and what came of it: DoRA and rsLoRA."""

import dataclasses
import re
from typing import Any, Literal, get_args

from tftransfer import registry
from tftransfer.additions import Additions
from tftransfer.errors import ConfigError
from tftransfer.strategies.strategy import HEAD, Rates, Strategy

__all__ = ["LoRA"]

Biases = Literal["none", "all", "lora_only"]


@registry.strategies.register("lora")
@dataclasses.dataclass(frozen=True)
class LoRA(Strategy):
    """Trains updates of low rank and the head: `W + alpha / rank * B A` with W frozen (Hu et al., 2022).

    Build the model with it: `build(checkpoint, task, strategy=LoRA())`. The numbers are those of the PEFT library, and
    adapters can be exchanged with it: `tftransfer.save_adapter`, `tftransfer.load_adapter`. `tftransfer.merge` gives a
    model without updates that answers the same. It wants a greater learning rate than full fine-tuning, 2e-4 to 1e-3.

    Args:
        rank: int. Rank of the updates. Defaults to 8.
        alpha: float. Scales the updates, by `alpha / rank`. Defaults to 16.
        dropout: float. Rate on what goes into the updates. Defaults to 0.0.
        targets: str. Regular expression for the linear layers that are updated, by whole names at their paths' ends:
            "query|value" (of the paper), "attention/output", "layer_1/.*" (that layer's alone), ".*" (all). Names are
            `query`, `key`, `value` and `output` in `attention`; `intermediate`, `output` and, in some families, `gate`.
            Defaults to "query|value".
        dora: bool. Learn the length of each column of W apart from its direction (Liu et al., 2024). Defaults to False.
        rslora: bool. Scale by `alpha / sqrt(rank)`, so that great ranks learn too (Kalajdzievski, 2023). Defaults to
            False.
        biases: "none", "all" (of the backbone, its normalisations' too) or "lora_only" (of the updated layers). Which
            biases are trained besides; then the backbone without updates is another one. Defaults to "none".

    Example:

        >>> model = tftransfer.build(checkpoint, task, strategy=LoRA(rank=16, targets="query|key|value"))
        >>> tftransfer.fine_tune(model, train, validation, learning_rate=5e-4)
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    targets: str = "query|value"
    dora: bool = False
    rslora: bool = False
    biases: Biases = "none"

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(f"rank: expected an integer >= 1; received {self.rank}.")
        if not 0 < self.alpha < float("inf"):
            raise ConfigError(f"alpha: expected a number > 0; received {self.alpha}.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout: expected a rate in [0, 1); received {self.dropout}.")
        if self.biases not in get_args(Biases):
            raise ConfigError(f"biases: expected {', '.join(get_args(Biases))}; received {self.biases!r}.")
        try:
            re.compile(self.targets)
        except re.error as error:
            raise ConfigError(
                f"targets: expected a regular expression, such as 'query|value'; received {self.targets!r}: {error}."
            ) from None

    @property
    def scale(self) -> float:
        """What the product of the two matrices is multiplied by."""
        return self.alpha / (self.rank**0.5 if self.rslora else self.rank)

    def additions(self) -> Additions:
        from tftransfer.strategies.components.low_rank import LowRankUpdates  # loads Keras

        return LowRankUpdates(self.targets, self.rank, self.scale, self.dropout, self.dora)

    def rates(self, model: Any) -> Rates:
        updated = rf"^(?=encoder/layer_\d+/).*/({self.targets})/bias$"
        biases = {"none": [], "all": [r"/(bias|beta)$"], "lora_only": [updated]}[self.biases]
        moving = [HEAD, self.additions().pattern, *biases]
        return [*((pattern, 1.0) for pattern in moving), (r"", 0.0)]
