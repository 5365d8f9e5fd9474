"""Bottlenecks behind the blocks of a layer."""

import dataclasses
from typing import Any, ClassVar

import keras

from tftransfer.activations import find_activation
from tftransfer.additions import Additions

__all__ = ["Bottleneck", "Bottlenecks"]


@keras.saving.register_keras_serializable("tftransfer")
class Bottleneck(keras.layers.Layer):
    """Adds to states what a narrow layer makes of them; at first nothing.

    Args:
        size: int. Width of the narrow layer.
        activation: str. Name in `tftransfer.activations.ACTIVATIONS`. Defaults to "gelu".

    Call arguments:
        states: float tensor `(batch, length, width)`.

    Returns:
        A float tensor `(batch, length, width)`.
    """

    def __init__(self, size: int, activation: str = "gelu", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.activation = activation
        self.activate = find_activation(activation)

    def build(self, states_shape: tuple[Any, ...]) -> None:
        narrow = keras.initializers.TruncatedNormal(stddev=0.01)  # Houlsby et al., section 3.2
        policy, width = self.dtype_policy, states_shape[-1]
        self.down = keras.layers.Dense(self.size, kernel_initializer=narrow, dtype=policy, name="down")
        self.up = keras.layers.Dense(width, kernel_initializer="zeros", dtype=policy, name="up")
        self.down.build(states_shape)
        self.up.build((*states_shape[:-1], self.size))

    def call(self, states: Any) -> Any:
        return states + self.up(self.activate(self.down(states)))

    def compute_output_shape(self, states_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return states_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "activation": self.activation}


@keras.saving.register_keras_serializable("tftransfer")
@dataclasses.dataclass(frozen=True)
class Bottlenecks(Additions):
    """A `Bottleneck` behind some blocks of every layer.

    Args:
        blocks: tuple of str. "attention", "feed_forward".
        reduction: int. How many times narrower than the states a bottleneck is.
        activation: str. That of `Bottleneck`.
    """

    pattern: ClassVar[str] = r"/adapter_(attention|feed_forward)/"

    blocks: tuple[str, ...]
    reduction: int
    activation: str

    def after_block(self, path: str, width: int, dtype: Any) -> Any:
        block = path.rpartition("/")[2]
        if block not in self.blocks:
            return None
        size = max(1, width // self.reduction)
        return Bottleneck(size, self.activation, dtype=dtype, name=f"adapter_{block}")
