"""The convolutional network of Kim (2014, https://arxiv.org/abs/1408.5882)."""

import dataclasses
from typing import Annotated, Any, ClassVar

import pydantic

from tftransfer import registry
from tftransfer.backbones.network import Count, Network

__all__ = ["TextCNN"]


@registry.networks.register("text_cnn")
@dataclasses.dataclass(frozen=True, kw_only=True)
class TextCNN(Network):
    """Convolutions of several widths over word vectors, the greatest of each over a text (Kim, 2014).

    Args:
        windows: sequence of int. Words that the filters of each kind see. Defaults to (3, 4, 5).
        filters: int. Filters of each kind. Defaults to 100.
        max_norm: float. See `Network`. Defaults to 3.0.
        **options: `vocab_size`, `min_count`, `embedding_size`, `embedding_dropout` and `dropout`; see `Network`.
    """

    name: ClassVar[str] = "text_cnn"

    windows: Annotated[tuple[Count, ...], pydantic.Field(min_length=1)] = (3, 4, 5)
    filters: Count = 100
    max_norm: Annotated[float, pydantic.Field(gt=0)] | None = 3.0

    @property
    def hidden_size(self) -> int:
        return self.filters * len(self.windows)

    def encoder(self, dtype: str) -> Any:
        from tftransfer.backbones.layers.convolutional_encoder import ConvolutionalEncoder

        return ConvolutionalEncoder(self.windows, self.filters, dtype=dtype, name="encoder")
