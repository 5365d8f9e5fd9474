"""Adapters."""

import dataclasses
from typing import Any, Literal, get_args

from tftransfer import registry
from tftransfer.activations import ACTIVATIONS
from tftransfer.additions import Additions
from tftransfer.errors import ConfigError
from tftransfer.registry import suggest
from tftransfer.strategies.strategy import HEAD, Rates, Strategy

__all__ = ["Adapters"]

Kind = Literal["houlsby", "pfeiffer"]


@registry.strategies.register("adapters")
@dataclasses.dataclass(frozen=True)
class Adapters(Strategy):
    """Trains small bottlenecks within the frozen layers, and the head.

    "houlsby" (Houlsby et al., 2019, https://arxiv.org/abs/1902.00751) has one behind attention and one behind the
    feed-forward block of every layer, and trains the encoder's layer normalisations too; "pfeiffer" (Pfeiffer et al.,
    2021, https://arxiv.org/abs/2005.00247) has half as many, behind feed-forward blocks, and trains nothing else. Both
    stand before the residual sum. Their last matrices begin at 0, so that training begins at the pretrained model.

    Build the model with it: `build(checkpoint, task, strategy=Adapters())`. It wants a greater learning rate than full
    fine-tuning, 1e-4 to 1e-3.

    Args:
        kind: "houlsby" or "pfeiffer". Defaults to "houlsby".
        reduction: int. How many times narrower than the hidden states a bottleneck is. Defaults to 16.
        activation: str. Name in `tftransfer.activations.ACTIVATIONS`. Defaults to "gelu".

    Example:

        >>> model = tftransfer.build(checkpoint, task, strategy=Adapters("pfeiffer", reduction=8))
        >>> tftransfer.fine_tune(model, train, validation, learning_rate=5e-4)
    """

    kind: Kind = "houlsby"
    reduction: int = 16
    activation: str = "gelu"

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ConfigError(f"kind: expected {' or '.join(get_args(Kind))}; received {self.kind!r}.")
        if self.reduction < 1:
            raise ConfigError(f"reduction: expected an integer >= 1; received {self.reduction}.")
        if self.activation not in ACTIVATIONS:
            hint = suggest(self.activation, ACTIVATIONS)
            raise ConfigError(
                f"activation: expected one of {', '.join(ACTIVATIONS)}; received '{self.activation}'.{hint}"
            )

    def additions(self) -> Additions:
        from tftransfer.strategies.components.adapters import Bottlenecks  # loads Keras

        blocks = ("attention", "feed_forward") if self.kind == "houlsby" else ("feed_forward",)
        return Bottlenecks(blocks, self.reduction, self.activation)

    def rates(self, model: Any) -> Rates:
        norms = [r"^encoder/.*/(gamma|beta)$"] if self.kind == "houlsby" else []
        return [*((pattern, 1.0) for pattern in [HEAD, self.additions().pattern, *norms]), (r"", 0.0)]
