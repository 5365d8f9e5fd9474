"""The Keras layers that every family is made of."""

from tftransfer.backbones.layers.attention import SelfAttention
from tftransfer.backbones.layers.block_sparse import BlockSparseSelfAttention
from tftransfer.backbones.layers.chosen_tokens import ChosenTokens
from tftransfer.backbones.layers.convolution import SequenceConvolution
from tftransfer.backbones.layers.disentangled import DisentangledSelfAttention, RelativePositions
from tftransfer.backbones.layers.embeddings import TransformerEmbeddings
from tftransfer.backbones.layers.encoder import EncoderPart, TransformerEncoder, TransformerLayer
from tftransfer.backbones.layers.local import LocalSelfAttention, LongformerSelfAttention
from tftransfer.backbones.layers.mask import PaddingMask
from tftransfer.backbones.layers.pooler import Pooler
from tftransfer.backbones.layers.positions import RelativeBias
from tftransfer.backbones.layers.unpack import Unpack

__all__ = [
    "BlockSparseSelfAttention",
    "ChosenTokens",
    "DisentangledSelfAttention",
    "EncoderPart",
    "LocalSelfAttention",
    "LongformerSelfAttention",
    "PaddingMask",
    "Pooler",
    "RelativeBias",
    "RelativePositions",
    "SelfAttention",
    "SequenceConvolution",
    "TransformerEmbeddings",
    "TransformerEncoder",
    "TransformerLayer",
    "Unpack",
]
