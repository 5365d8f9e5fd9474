"""What every strategy says of itself: an ordered table of learning rates."""

import abc
import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from tftransfer.additions import Additions
from tftransfer.objective import Objective

__all__ = ["BACKBONE", "HEAD", "LABELLED", "Rates", "Stage", "Strategy", "by_depth", "num_layers"]

# (regular expression over a variable's path, learning-rate multiplier); the first match wins.
Rates = list[tuple[str, float]]

# Every variable of a backbone, and none of a head, has a path that begins so.
BACKBONE = r"^(embeddings|encoder|pooler)/"
HEAD = r"^(?!(embeddings|encoder|pooler)/)"

# `Task.problem_type` of tasks with one or several labels a text.
LABELLED = ("single_label_classification", "multi_label_classification")


def num_layers(model: Any) -> int:
    """Returns how many layers a model's encoder has, of those that have variables of their own.

    Args:
        model: keras.Model.
    """
    found = (re.match(r"encoder/layer_(\d+)/", variable.path) for variable in model.weights)
    return max((int(match[1]) + 1 for match in found if match), default=0)


def by_depth(model: Any, rate: Callable[[int], float]) -> Rates:
    """Returns the table whose rates follow from the distance from the head.

    Args:
        model: keras.Model.
        rate: callable. From the distance to the rate: 0 for head and pooler, 1 for the top layer, and so on down to the
            embeddings, with which what all layers share is.
    """
    layers = num_layers(model)
    rows = [(rf"^encoder/layer_{n}/", rate(layers - n)) for n in reversed(range(layers))]
    above = (rf"{HEAD}|^pooler/|^encoder/final_norm/", rate(0))
    return [above, *rows, (r"", rate(layers + 1))]


class Strategy(abc.ABC):
    """A transfer strategy; a frozen dataclass whose fields are the options of its config block.

    It knows neither backbone nor task, only the paths of variables, such as `encoder/layer_3/attention/query/kernel`
    or `head/logits/bias`. End a pattern with `/`: `layer_1` also matches `layer_10`.

    Attributes:
        reads_inputs: bool. Whether its `objective` does more with the inputs of a batch than to hand them on, so that
            they have to be padded rows. Defaults to False.
    """

    reads_inputs: ClassVar[bool] = False

    @abc.abstractmethod
    def rates(self, model: Any) -> Rates:
        """Returns the table: the first pattern found in a path gives the rate, every path must be claimed.

        A rate multiplies the learning rate and the weight decay; 0 freezes.

        Args:
            model: keras.Model. The model to be trained.
        """

    def resolve(self, load: Callable[[str], Any]) -> "Strategy":
        """Returns the strategy with the models in it that a config names by their runs; by default itself.

        Args:
            load: callable. From the directory of a run to a TransferModel.
        """
        return self

    def stages(self, model: Any, columns: Mapping[str, Sequence[Any]], seed: int) -> "Sequence[Stage]":
        """Returns the trainings of the same backbone that come before the main one, in their order; by default none.

        Args:
            model: TransferModel. The model to be trained.
            columns: dict of role -> list. The training data.
            seed: int. Of whatever is drawn at random.

        Raises:
            ConfigError: if the strategy is not for the model's task.
        """
        return ()

    def additions(self) -> Additions:
        """Returns what a backbone is built with for this strategy; nothing by default."""
        return Additions()

    def schedule(self, learning_rate: float, total_steps: int, warmup_steps: int) -> Any:
        """Returns the learning rate over the steps; None, the default, for the usual warmup and linear decay.

        Args:
            learning_rate: float. The peak.
            total_steps: int. Optimizer steps of the whole training.
            warmup_steps: int. What `training.warmup` comes to.

        Returns:
            A `keras.optimizers.schedules.LearningRateSchedule`, or None.
        """
        return None

    def objective(self, model: Any, objective: Objective) -> Objective:
        """Returns what a step makes smaller, made of what it would be otherwise; by default that.

        Args:
            model: TransferModel. Compiled.
            objective: Objective. The task's loss, or what others have made of it.
        """
        return objective

    def callbacks(self, model: Any) -> list[Any]:
        """Returns Keras callbacks that move rates over time; none by default.

        Args:
            model: TransferModel. Compiled; its optimizer's `set_rates` takes another table.
        """
        return []


@dataclasses.dataclass(frozen=True)
class Stage:
    """A training before the main one, of the backbone for another task or of the whole model for its own.

    Args:
        task: str. The other task's registered name; "" for the model's own.
        options: dict. Its options.
        columns: dict of role -> list. What it trains on.
        strategy: Strategy. What moves, and how fast.
        training: dict. Options of training that differ from those of the main one, such as `epochs`.
    """

    task: str
    options: Mapping[str, Any]
    columns: Mapping[str, Sequence[Any]]
    strategy: Strategy
    training: Mapping[str, Any]
