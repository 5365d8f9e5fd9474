"""Mixout: dropout whose zero is the pretrained weight."""

import dataclasses
import random
import re
from typing import Any

from tftransfer import registry
from tftransfer.errors import ConfigError
from tftransfer.objective import Objective
from tftransfer.regularizers.regularizer import Regularizer

__all__ = ["Mixout"]

KERNELS = r"^(encoder|pooler)/.*/kernel$"


@registry.regularizers.register("mixout")
@dataclasses.dataclass(frozen=True)
class Mixout(Regularizer):
    """Puts a random share of the linear layers' weights back to their pretrained values, for one step at a time.

    What a weight has moved is divided by `1 - p`, so that its mean over the steps is itself. Others are drawn in each
    step; answers are given with the weights as they are. It holds for the kernels of the encoder and the pooler that
    came from the checkpoint and that the strategy trains; head, embeddings, biases and normalisations go without. It
    takes the memory of a copy of these kernels.

    Reference: Lee et al., "Mixout: effective regularization to finetune large-scale pretrained language models", 2020.

    Args:
        p: float in [0, 1). Share of the weights that is put back. The paper takes 0.7 to 0.9, for a large model and few
            examples; lower is milder. Defaults to 0.7.

    Example:

        >>> tftransfer.fine_tune(model, train, validation, regularizers=[tftransfer.regularizers.Mixout(p=0.9)])
    """

    p: float = 0.7

    def __post_init__(self) -> None:
        if not 0 <= self.p < 1:
            raise ConfigError(f"p: expected a number in [0, 1); received {self.p}.")

    def objective(self, model: Any, objective: Objective) -> Objective:
        if not self.p:
            return objective
        import keras
        import tensorflow as tf

        from tftransfer.regularizers.components.other_values import with_values

        known = model.load_report and set(model.load_report.loaded)
        kernels = [
            variable
            for variable in model.trainable_variables
            if re.search(KERNELS, variable.path) and (known is None or variable.path in known)
        ]
        pretrained = [tf.Variable(keras.ops.convert_to_numpy(variable), trainable=False) for variable in kernels]
        seed = random.getrandbits(31)

        def mixed(x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
            step = tf.cast(model.optimizer.iterations, tf.int64)
            values = []
            for number, (kernel, start) in enumerate(zip(kernels, pretrained, strict=True)):
                # Stateless: all replicas draw the same, as they hold parts of one batch.
                draws = tf.random.stateless_uniform(kernel.shape, [step, seed + number])
                kept = tf.cast(draws >= self.p, tf.float32) / (1 - self.p)
                values.append((kernel, start + kept * (tf.convert_to_tensor(kernel) - start)))
            return with_values(model, values, objective)(x, y, sample_weight)

        return mixed
