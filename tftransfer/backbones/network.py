"""What a backbone that is trained from scratch says of itself: options, sizes, and how it is laid out."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import pydantic

from tftransfer import registry
from tftransfer.errors import ConfigError

__all__ = ["Count", "Network", "Rate"]

# Strict, for `"32"` or `true` in a config is a mistake, not a number.
Count = Annotated[int, pydantic.Field(gt=0, strict=True)]
Rate = Annotated[float, pydantic.Field(ge=0, lt=1, strict=True)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(abc.ABC):
    """A backbone without pretrained weights, over the words of its training data.

    A frozen dataclass, one file in `networks/`: its fields are the options of a config's `backbone` block, and the
    numbers that a model is built from, as `TransformerConfig` holds them for a pretrained family.

    Args:
        vocab_size: int. Rows of the table of word vectors: special tokens, and the most frequent words of the training
            data. Defaults to None: all of its words.
        min_count: int. How often the training data must have a word for it to get a row; the others share that of
            unknown words. Defaults to 1.
        embedding_size: int. Width of word vectors. Defaults to 300.
        embedding_dropout: float in [0, 1). Dropout rate of word vectors. Defaults to 0.0.
        dropout: float in [0, 1). Dropout rate before the last layer of a head. Defaults to 0.5.
        max_norm: float. Greatest L2 norm of the weights of each output of a head's last layer (Hinton et al., 2012).
            Defaults to None: none.

    Attributes:
        name: str. The registered name, which is the `model_type` of its `config.json`.
        hidden_size: int. Width of the hidden states.
    """

    name: ClassVar[str]
    # What heads and `Backbone.assemble` ask of every config.
    max_length: ClassVar[int] = 1 << 20  # there are no positions that could run out
    pooling: ClassVar[str] = "max"
    initializer_range: ClassVar[float] = 0.02
    global_attention: ClassVar[bool] = False
    separator_token_id: ClassVar[int | None] = None

    vocab_size: Count | None = None
    min_count: Count = 1
    embedding_size: Count = 300
    embedding_dropout: Rate = 0.0
    dropout: Rate = 0.5
    max_norm: Annotated[float, pydantic.Field(gt=0)] | None = None

    @property
    @abc.abstractmethod
    def hidden_size(self) -> int:
        """Width of the hidden states."""

    @abc.abstractmethod
    def encoder(self, dtype: str) -> Any:
        """Returns the layer "encoder".

        It is called with vectors `(batch, length, embedding)` and the attention mask `(batch, length)`, and returns a
        list of the states `(batch, length, hidden)` of each layer.

        Args:
            dtype: str. Keras dtype policy.
        """

    def embeddings(self, dtype: str) -> Any:
        """Returns the layer "embeddings", from ids to vectors."""
        from tftransfer.backbones.layers.word_vectors import WordVectors

        if self.vocab_size is None:
            raise ConfigError("vocab_size: not known before there is training data; see `tftransfer.from_scratch`.")
        return WordVectors(self.vocab_size, self.embedding_size, self.embedding_dropout, dtype=dtype, name="embeddings")

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Network":
        """Returns the network of plain data, as `to_dict` gives it.

        Raises:
            ConfigError: for an unknown name, an unknown option or a value of the wrong type.
        """
        network: Network = registry.networks.build(
            raw["model_type"], {key: value for key, value in raw.items() if key != "model_type"}
        )
        return network

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data that JSON can hold, with the name as `model_type`."""
        return {"model_type": self.name, **dataclasses.asdict(self)}
