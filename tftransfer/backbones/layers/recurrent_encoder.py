"""LSTMs in both directions."""

from typing import Any

import keras
from keras import ops

__all__ = ["RecurrentEncoder"]


@keras.saving.register_keras_serializable("tftransfer")
class RecurrentEncoder(keras.layers.Layer):
    """Keras's own bidirectional LSTMs upon one another, over what is not padding (Graves & Schmidhuber, 2005).

    Args:
        units: int. Width of each direction.
        num_layers: int. How many there are upon one another. Defaults to 1.

    Call arguments:
        hidden: float tensor `(batch, length, embedding)`.
        attention_mask: int tensor `(batch, length)`. 0 is padding; one sequence a row.

    Returns:
        A list of a float tensor `(batch, length, 2 * units)` for each layer.
    """

    def __init__(self, units: int, num_layers: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.num_layers = num_layers
        self.layers = [self._layer(n) for n in range(num_layers)]

    def _layer(self, number: int) -> keras.layers.Bidirectional:
        lstm = keras.layers.LSTM(self.units, return_sequences=True, dtype=self.dtype_policy, name="lstm")
        return keras.layers.Bidirectional(lstm, dtype=self.dtype_policy, name=f"layer_{number}")

    def build(self, hidden_shape: tuple[int | None, ...], attention_mask_shape: Any = None) -> None:
        for n, layer in enumerate(self.layers):
            layer.build((*hidden_shape[:-1], 2 * self.units) if n else hidden_shape)

    def call(self, hidden: Any, attention_mask: Any, training: bool | None = None) -> list[Any]:
        states, real = [], ops.greater(attention_mask, 0)
        for layer in self.layers:
            hidden = layer(hidden, mask=real, training=training)
            states.append(hidden)
        return states

    def compute_output_shape(self, hidden_shape: tuple[int | None, ...], *other: Any) -> list[tuple[int | None, ...]]:
        return [(*hidden_shape[:-1], 2 * self.units)] * self.num_layers

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "num_layers": self.num_layers}
