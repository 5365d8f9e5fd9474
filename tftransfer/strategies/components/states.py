"""How far the hidden states of a model are from those of another one."""

from typing import Any

import keras
from keras import ops

from tftransfer.errors import ConfigError

__all__ = ["StatesLoss"]


class StatesLoss:
    """Mean squared difference between the outputs of a student's layers and of a teacher's, over real tokens.

    The n-th of S layers, counted from 1, is compared with layer `n * T / S` of T, rounded down: the last with the last.

    Args:
        student: TransferModel.
        teacher: TransferModel. With states as wide as the student's, and no fewer layers.

    Raises:
        ConfigError: if the teacher has others.
    """

    def __init__(self, student: Any, teacher: Any) -> None:
        # Keras unpacks the output of an encoder of one layer.
        ours, theirs = (keras.tree.flatten(model.get_layer("encoder").output) for model in (student, teacher))
        widths = ours[0].shape[-1], theirs[0].shape[-1]
        if widths[0] != widths[1] or len(ours) > len(theirs):
            raise ConfigError(
                f"hidden: expected a teacher with states as wide as the student's, {widths[0]}, and at least its "
                f"{len(ours)} layers; received {widths[1]} and {len(theirs)}. With hidden=0 only logits count."
            )
        chosen = [theirs[n * len(theirs) // len(ours) - 1] for n in range(1, len(ours) + 1)]
        self.student = keras.Model(student.input, ours)
        self.teacher = keras.Model(teacher.input, chosen)

    def __call__(self, x: Any) -> Any:
        """Returns the loss of each row of a batch, float32 `(rows,)`.

        Args:
            x: dict. The student's inputs.
        """
        ours = keras.tree.flatten(self.student(x, training=True))
        theirs = keras.tree.flatten(self.teacher({name: x[name] for name in self.teacher.input}, training=False))
        real = ops.cast(ops.greater(x["attention_mask"], 0), "float32")  # (rows, length)
        squares = [
            ops.mean(ops.square(ops.cast(mine, "float32") - ops.stop_gradient(ops.cast(other, "float32"))), axis=-1)
            for mine, other in zip(ours, theirs, strict=True)
        ]  # (rows, length) each
        summed = ops.sum(ops.mean(ops.stack(squares), axis=0) * real, axis=-1)
        return summed / ops.maximum(ops.sum(real, axis=-1), 1.0)
