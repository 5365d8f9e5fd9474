"""What every strategy says of itself: an ordered table of learning rates."""

import abc
from typing import Any

__all__ = ["BACKBONE", "Rates", "Strategy"]

# (regular expression over a variable's path, learning-rate multiplier); the first match wins.
Rates = list[tuple[str, float]]

# Every variable of a backbone, and none of a head, has a path that begins so.
BACKBONE = r"^(embeddings|encoder|pooler)/"


class Strategy(abc.ABC):
    """A transfer strategy; a frozen dataclass whose fields are the options of its config block.

    It knows neither backbone nor task, only the paths of variables, such as `encoder/layer_3/attention/query/kernel`
    or `head/logits/bias`. End a pattern with `/`: `layer_1` also matches `layer_10`.
    """

    @abc.abstractmethod
    def rates(self, model: Any) -> Rates:
        """Returns the table: the first pattern found in a path gives the rate, every path must be claimed.

        A rate multiplies the learning rate and the weight decay; 0 freezes.

        Args:
            model: keras.Model. The model to be trained.
        """

    def prepare(self, model: Any) -> None:  # noqa: B027 - most strategies add nothing
        """Adds variables to the model before the table is applied; nothing by default."""

    def callbacks(self, model: Any) -> list[Any]:
        """Returns Keras callbacks that move rates over time; none by default."""
        return []
