"""Prompt tuning."""

import dataclasses
from typing import Any

from tftransfer import registry
from tftransfer.additions import Additions
from tftransfer.errors import ConfigError
from tftransfer.strategies.strategy import HEAD, Rates, Strategy

__all__ = ["PromptTuning"]


@registry.strategies.register("prompt_tuning")
@dataclasses.dataclass(frozen=True)
class PromptTuning(Strategy):
    """Trains vectors that stand before the words of each text, and the head (Lester et al., 2021,
    https://arxiv.org/abs/2104.08691).

    The vectors begin as embeddings of words of the vocabulary, drawn at random. They have the first positions, so that
    texts can be that much shorter than the checkpoint's limit; the head sees the text's own tokens alone, whatever the
    task. Rows hold one text each: packed ones have no place for a prompt before every text.

    Build the model with it: `build(checkpoint, task, strategy=PromptTuning())`. It wants a very great learning rate,
    1e-2 to 1e-1, and a large checkpoint: small ones learn little this way (section 3.1 of the paper).

    Args:
        length: int. How many vectors. Defaults to 20.

    Example:

        >>> model = tftransfer.build(checkpoint, task, strategy=PromptTuning(length=50))
        >>> tftransfer.fine_tune(model, train, validation, learning_rate=3e-2)
    """

    length: int = 20

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ConfigError(f"length: expected an integer >= 1; received {self.length}.")

    def additions(self) -> Additions:
        from tftransfer.strategies.components.prompt import VirtualTokens  # loads Keras

        return VirtualTokens(self.length)

    def rates(self, model: Any) -> Rates:
        return [(HEAD, 1.0), (self.additions().pattern, 1.0), (r"", 0.0)]
