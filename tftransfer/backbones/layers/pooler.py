"""A dense layer over the first token."""

from typing import Any

import keras

from tftransfer.backbones.initializers import TruncatedNormal

__all__ = ["Pooler"]


@keras.saving.register_keras_serializable("tftransfer")
class Pooler(keras.layers.Layer):
    """`tanh` of a dense layer over the first token of a row (BERT: Devlin et al., 2019).

    Args:
        hidden_size: int. Width of the result.
        initializer_range: float. Standard deviation of the kernel. Defaults to 0.02.

    Call arguments:
        hidden: float tensor `(batch, length, hidden)`.

    Returns:
        A float tensor `(batch, hidden_size)`.
    """

    def __init__(self, hidden_size: int, initializer_range: float = 0.02, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hidden_size = hidden_size
        self.initializer_range = initializer_range
        self.dense = keras.layers.Dense(
            hidden_size,
            activation="tanh",
            kernel_initializer=TruncatedNormal(stddev=initializer_range),
            dtype=self.dtype_policy,
            name="dense",
        )

    def build(self, hidden_shape: tuple[int | None, ...]) -> None:
        self.dense.build((hidden_shape[0], hidden_shape[-1]))

    def call(self, hidden: Any) -> Any:
        return self.dense(hidden[:, 0])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "hidden_size": self.hidden_size, "initializer_range": self.initializer_range}
