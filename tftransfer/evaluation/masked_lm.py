"""The report of masked words that a model guesses."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar

from tftransfer import registry
from tftransfer.errors import DataError
from tftransfer.evaluation.report import Report

__all__ = ["MaskedLMReport"]

_LARGEST = math.log(1e300)
"""The largest loss whose perplexity is told as it is: beyond it floats end."""


@registry.reports.register("masked_lm")
@dataclasses.dataclass(frozen=True)
class MaskedLMReport(Report):
    """How well a model guesses masked tokens.

    Args:
        loss: float. The mean over the masked tokens of the negative natural logarithm of the right token's probability.
        accuracy: float. The share of the masked tokens whose most likely guess is right, from 0 to 1.
        tokens: int. How many tokens were masked.
        origins: Sequence of str. Where the texts come from, which every report is told. Default none.

    Raises:
        DataError: if no token was masked, or a number is out of range.

    Example:

    >>> MaskedLMReport(loss=0.0, accuracy=1.0, tokens=12).metrics()
    {'loss': 0.0, 'perplexity': 1.0, 'accuracy': 1.0, 'tokens': 12}
    """

    title: ClassVar[str] = "Report of masked words"
    worst_first: ClassVar[str] = ""

    loss: float
    accuracy: float
    tokens: int
    origins: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise DataError(f"Expected at least one masked token, got {self.tokens}. Are there texts in the split?")
        if not (math.isfinite(self.loss) and self.loss >= 0 and 0 <= self.accuracy <= 1):
            raise DataError(
                f"Expected a finite loss from 0 on and an accuracy from 0 to 1, got {self.loss} and {self.accuracy}."
            )

    def metrics(self) -> dict[str, Any]:
        """Returns `loss`, `perplexity` (e to the power of the loss), `accuracy` and `tokens` as plain JSON values."""
        return {
            "loss": float(self.loss),
            "perplexity": math.exp(min(self.loss, _LARGEST)),
            "accuracy": float(self.accuracy),
            "tokens": int(self.tokens),
        }
