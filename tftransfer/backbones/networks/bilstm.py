"""A bidirectional LSTM (Graves & Schmidhuber, 2005, https://doi.org/10.1016/j.neunet.2005.06.042)."""

import dataclasses
from typing import Any, ClassVar

from tftransfer import registry
from tftransfer.backbones.network import Count, Network, Rate

__all__ = ["BiLSTM"]


@registry.networks.register("bilstm")
@dataclasses.dataclass(frozen=True, kw_only=True)
class BiLSTM(Network):
    """LSTMs over word vectors in both directions, side by side (Graves & Schmidhuber, 2005).

    Args:
        units: int. Width of each direction. Defaults to 150.
        num_layers: int. LSTMs upon one another, a direction. Defaults to 1.
        embedding_dropout: float. See `Network`. Defaults to 0.5.
        **options: `vocab_size`, `min_count`, `embedding_size`, `dropout` and `max_norm`; see `Network`.
    """

    name: ClassVar[str] = "bilstm"

    units: Count = 150
    num_layers: Count = 1
    embedding_dropout: Rate = 0.5

    @property
    def hidden_size(self) -> int:
        return 2 * self.units

    def encoder(self, dtype: str) -> Any:
        from tftransfer.backbones.layers.recurrent_encoder import RecurrentEncoder

        return RecurrentEncoder(self.units, self.num_layers, dtype=dtype, name="encoder")
