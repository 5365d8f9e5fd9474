"""An objective, computed as if variables had other values."""

from typing import Any

import keras

from tftransfer.objective import Objective

__all__ = ["with_values"]


def with_values(model: Any, values: list[tuple[Any, Any]], objective: Objective) -> Objective:
    """Returns an objective that sees other values of some variables, which stay as they are.

    Gradients flow through the values to whatever they are made of. What the forward pass itself moves, such as the
    state of dropout, moves as always. One such objective may stand within another.

    Args:
        model: TransferModel.
        values: list of (Keras variable, tensor of its shape).
        objective: Objective.
    """

    given = {id(variable) for variable, _ in values}

    def elsewhere(x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        # A scope within a scope sees nothing of the outer one: it is given what every variable is there.
        current = [(variable, variable) for variable in (*model.trainable_variables, *model.non_trainable_variables)]
        with keras.StatelessScope([*current, *values], collect_losses=True) as scope:
            moving = [variable for variable in model.non_trainable_variables if id(variable) not in given]
            before = [scope.get_current_value(variable) for variable in moving]
            result = objective(x, y, sample_weight)
            after = [scope.get_current_value(variable) for variable in moving]
        for variable, old, new in zip(moving, before, after, strict=True):
            if new is not old:
                variable.assign(new)
        return result

    return elsewhere
