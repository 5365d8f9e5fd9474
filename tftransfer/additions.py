"""What a strategy puts into a backbone's layers, such as low-rank updates or adapters."""

import dataclasses
from typing import Any, ClassVar

__all__ = ["Additions"]


@dataclasses.dataclass(frozen=True)
class Additions:
    """The places of a backbone where a strategy may put layers of its own; this one puts nothing anywhere.

    A subclass is a frozen dataclass, registered with `keras.saving.register_keras_serializable`, that overrides some of
    the methods. The backbone's layers ask it while they build themselves, so what it adds is saved, loaded and cloned
    with them as ordinary Keras layers.

    Attributes:
        pattern: str. Regular expression that is found in the paths of all variables it adds, and in no other path; no
            checkpoint fills them.
        mergeable: bool. Whether `merged` can take the additions into the backbone's own variables. Defaults to False.
    """

    pattern: ClassVar[str] = r"(?!)"  # matches nothing
    mergeable: ClassVar[bool] = False

    def projection(self, path: str, dense: Any) -> Any:
        """Returns the layer that takes the place of a linear one; by default itself.

        Args:
            path: str. Such as "encoder/layer_3/attention/query", "encoder/layer_3/intermediate" or
                "encoder/layer_3/output".
            dense: keras.layers.Dense. Not built yet. A layer that is returned instead has its name, and its `kernel`
                `(in, out)` and `bias`, which a checkpoint fills.
        """
        return dense

    def after_block(self, path: str, width: int, dtype: Any) -> Any:
        """Returns a layer for what a block returns, before it is added to the block's input; None for none.

        Args:
            path: str. "encoder/layer_3/attention" or "encoder/layer_3/feed_forward".
            width: int. The last dimension of the states `(batch, length, width)` that it takes and returns.
            dtype: Keras dtype policy.
        """
        return None

    def prefix(self, path: str, num_heads: int, head_size: int, dtype: Any) -> Any:
        """Returns a layer that adds columns to attention, before the softmax; None for none.

        Its call takes the scaled queries `(batch, heads, length, head_size)`, the scores `(batch, heads, length,
        length)`, their bias, float32 `(batch, 1 or heads, length, length)`, and the values like the queries, and
        returns the last three with as many more keys as it adds.

        Args:
            path: str. Such as "encoder/layer_3/attention".
            num_heads: int.
            head_size: int. Width of a head.
            dtype: Keras dtype policy.
        """
        return None

    @property
    def prompt_length(self) -> int:
        """How many learned vectors stand before each text, at its first positions; the outputs are without them."""
        return 0

    def prompt(self, width: int, dtype: Any) -> Any:
        """Returns a layer that puts `prompt_length` vectors before word embeddings; None for none.

        Args:
            width: int. The last dimension of the embeddings `(batch, length, width)` that it takes; it returns
                `(batch, prompt_length + length, width)`.
            dtype: Keras dtype policy.
        """
        return None

    def initialize(self, variables: dict[str, Any]) -> None:
        """Fills what begins with numbers that follow from pretrained ones.

        Args:
            variables: dict of path -> variable of the backbone, its pretrained weights loaded.
        """

    def merged(self, values: dict[str, Any]) -> dict[str, Any]:
        """Returns the backbone's own variables such that it computes without additions what it does with them.

        Args:
            values: dict of path -> array of every variable, the added ones among them.
        """
        return values

    def get_config(self) -> dict[str, Any]:
        """Returns the fields, as Keras saves them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Additions":
        """Returns the additions of `get_config`'s dict; lists are tuples again."""
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in config.items()})
