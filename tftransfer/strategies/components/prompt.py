"""Learned vectors before the words of a text."""

import dataclasses
import random
from typing import Any, ClassVar

import keras
from keras import ops

from tftransfer.additions import Additions

__all__ = ["Prompt", "VirtualTokens"]


@keras.saving.register_keras_serializable("tftransfer")
class Prompt(keras.layers.Layer):
    """Puts vectors of its own before word embeddings.

    Args:
        length: int. How many vectors.

    Call arguments:
        words: float tensor `(batch, length of the text, width)`.

    Returns:
        A float tensor `(batch, length + length of the text, width)`.
    """

    def __init__(self, length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = length

    def build(self, words_shape: tuple[Any, ...]) -> None:
        normal = keras.initializers.RandomNormal(stddev=0.02)
        self.vectors = self.add_weight((self.length, words_shape[-1]), normal, name="vectors")

    def call(self, words: Any) -> Any:
        vectors = ops.cast(self.vectors, words.dtype)
        return ops.concatenate([ops.broadcast_to(vectors, (ops.shape(words)[0], *vectors.shape)), words], axis=1)

    def compute_output_shape(self, words_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        batch, length, width = words_shape
        return batch, None if length is None else self.length + length, width

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "length": self.length}


@keras.saving.register_keras_serializable("tftransfer")
@dataclasses.dataclass(frozen=True)
class VirtualTokens(Additions):
    """A `Prompt` before every text.

    Args:
        length: int. How many vectors.
    """

    pattern: ClassVar[str] = r"^embeddings/prompt/"

    length: int

    @property
    def prompt_length(self) -> int:
        return self.length

    def prompt(self, width: int, dtype: Any) -> Any:
        return Prompt(self.length, dtype=dtype, name="prompt")

    def initialize(self, variables: dict[str, Any]) -> None:
        """Gives every vector the numbers of a word drawn at random."""
        table = variables["embeddings/word_embeddings/embeddings"]
        rows = random.choices(range(table.shape[0]), k=self.length)  # seeded by keras.utils.set_random_seed
        variables["embeddings/prompt/vectors"].assign(ops.take(table, rows, axis=0))
