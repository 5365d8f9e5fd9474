"""What every regularizer says of itself."""

from typing import Any, ClassVar

from tftransfer.objective import Objective

__all__ = ["Regularizer"]


class Regularizer:
    """Something that goes with any strategy; a frozen dataclass whose fields are the options of its config block.

    Several can go together: what one returns, the next one is given.

    Attributes:
        reads_inputs: bool. Whether its `objective` does more with the inputs of a batch than to hand them on, so that
            they have to be padded rows. Defaults to False.
        needs_whole_batch: bool. Whether its `objective` is another one for the parts of a batch than for the whole, so
            that gradients cannot be accumulated over them. Defaults to False.
    """

    reads_inputs: ClassVar[bool] = False
    needs_whole_batch: ClassVar[bool] = False

    def prepare(self, model: Any) -> None:
        """Changes the weights that training begins with; by default it changes none.

        Args:
            model: TransferModel. Built, with its pretrained weights; rates are not applied yet.
        """

    def optimizer_options(self) -> dict[str, Any]:
        """Returns keyword arguments for the optimizer; none by default."""
        return {}

    def objective(self, model: Any, objective: Objective) -> Objective:
        """Returns what a step makes smaller, made of what it would be otherwise; by default that.

        Args:
            model: TransferModel. Compiled.
            objective: Objective. The task's loss, or what others have made of it.
        """
        return objective

    def callbacks(self, model: Any) -> list[Any]:
        """Returns Keras callbacks; none by default. They come before the one that keeps the best weights."""
        return []
