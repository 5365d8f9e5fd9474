"""AdamW with a rate for every variable."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tftransfer.training.rates import rate_of

__all__ = ["AdamW"]


@keras.saving.register_keras_serializable("tftransfer")
class AdamW(keras.optimizers.Optimizer):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019), equal to PyTorch's, with per-variable rates.

    It differs from `keras.optimizers.AdamW` in four ways that change numbers:

    - each variable's rate multiplies its learning rate *and* its weight decay;
    - gradients of embedding rows that occur several times in a batch are summed before they are squared;
    - epsilon is added after the bias correction, as in PyTorch;
    - vectors (biases, layer normalisation) do not decay.

    A gradient that begins with NaN leaves variable and moments as they were: that is how `TransferModel` keeps a step
    whose loss or gradient is not finite from reaching the weights.

    Args:
        learning_rate: float or `LearningRateSchedule`. Defaults to 5e-5.
        rates: sequence of (regular expression over a variable's path, multiplier); the first match wins. A variable
            that none matches has rate 1. Defaults to ().
        weight_decay: float. Share of a matrix that a step at learning rate 1 takes away. Defaults to 0.01.
        beta_1: float. Decay of the mean of gradients. Defaults to 0.9.
        beta_2: float. Decay of the mean of squared gradients. Defaults to 0.999.
        epsilon: float. Added to the root of the mean square. Defaults to 1e-8.

    Example:

        >>> model.compile(AdamW(3e-5, rates=[("^head/", 10.0)]), loss)
    """

    def __init__(
        self,
        learning_rate: Any = 5e-5,
        rates: Sequence[tuple[str, float]] = (),
        weight_decay: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        name: str = "adamw",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.rates = [(pattern, float(rate)) for pattern, rate in rates]
        # Not the base class's `weight_decay`: that one is applied at the global rate, outside the step.
        self.decay = weight_decay
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, variables: Sequence[Any]) -> None:
        """Creates the moments and one scalar rate for every trainable variable."""
        if self.built:
            return
        super().build(variables)
        self._means = self.add_optimizer_variables(variables, "mean")
        self._squares = self.add_optimizer_variables(variables, "square")
        self._paths = [variable.path for variable in variables]
        self._variable_rates = []
        for variable in variables:
            rate = rate_of(variable.path, self.rates)
            initializer = keras.initializers.Constant(1.0 if rate is None else rate)
            name = f"{variable.path.replace('/', '_')}_rate"
            self._variable_rates.append(
                self.add_variable(shape=(), initializer=initializer, dtype="float32", name=name)
            )

    def set_rates(self, rates: Sequence[tuple[str, float]]) -> None:
        """Gives every variable another rate, from the next step on; nothing is compiled again.

        A variable whose rate is 0 for a while stays as it is, but its gradients go on into its moments.

        Args:
            rates: sequence of (regular expression over a variable's path, multiplier); the first match wins. A variable
                that none matches has rate 1.
        """
        for path, kept in zip(self._paths, self._variable_rates, strict=True):
            rate = rate_of(path, rates)
            kept.assign(1.0 if rate is None else rate)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable."""
        index = self._get_variable_index(variable)
        mean, square = self._means[index], self._squares[index]
        # IndexedSlices may hold a token's row several times; squaring must come after summing.
        gradient = tf.cast(tf.convert_to_tensor(gradient), tf.float32)

        def update() -> tf.Tensor:
            rate = tf.cast(learning_rate, tf.float32) * tf.convert_to_tensor(self._variable_rates[index])
            step = tf.cast(self.iterations + 1, tf.float64)
            root = tf.sqrt(_correction(self.beta_2, step))
            if self.decay and len(variable.shape) > 1:
                self.assign_sub(variable, tf.convert_to_tensor(variable) * (rate * self.decay))
            # One pass over memory. Its own bias correction, in float32 and with epsilon inside, is switched off by
            # powers of 0: `mean / correction_1 / (sqrt(square / correction_2) + epsilon)` is reached by these instead.
            tf.raw_ops.ResourceApplyAdam(
                var=_handle(variable),
                m=_handle(mean),
                v=_handle(square),
                beta1_power=0.0,
                beta2_power=0.0,
                lr=rate * root / _correction(self.beta_1, step),
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon * root,
                grad=gradient,
            )
            return tf.constant(True)

        finite = tf.math.is_finite(tf.reshape(gradient, [-1])[0])
        tf.cond(finite, update, lambda: tf.constant(False))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rates": [list(row) for row in self.rates],
            "weight_decay": self.decay,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


def _correction(beta: float, step: Any) -> Any:
    """Returns `1 - beta ** step`, in float64 until the end as in PyTorch: float32 loses 5 digits of 1 - 0.999.

    It is that of the float32 number nearest to beta, with which the moments are made.
    """
    return tf.cast(1.0 - tf.pow(tf.cast(tf.constant(beta, tf.float32), tf.float64), step), tf.float32)


def _handle(variable: Any) -> Any:
    """Returns what an operation knows a variable by; on a replica, that replica's."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
