"""The Keras layers that every family is made of."""

from tftransfer.backbones.layers.attention import SelfAttention
from tftransfer.backbones.layers.embeddings import TransformerEmbeddings
from tftransfer.backbones.layers.encoder import TransformerEncoder, TransformerLayer
from tftransfer.backbones.layers.mask import PaddingMask
from tftransfer.backbones.layers.pooler import Pooler

__all__ = ["PaddingMask", "Pooler", "SelfAttention", "TransformerEmbeddings", "TransformerEncoder", "TransformerLayer"]
