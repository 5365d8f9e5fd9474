"""How much of a pretrained model moves: one file a strategy, each a table of learning rates."""

from tftransfer.strategies.bitfit import BitFit
from tftransfer.strategies.distillation import Distillation
from tftransfer.strategies.feature_extraction import FeatureExtraction
from tftransfer.strategies.few_shot import FewShot
from tftransfer.strategies.full import Full
from tftransfer.strategies.gradual_unfreezing import GradualUnfreezing
from tftransfer.strategies.layer_norm import LayerNorm
from tftransfer.strategies.layerwise_decay import LayerwiseDecay
from tftransfer.strategies.rate_table import RateTable
from tftransfer.strategies.strategy import Strategy

__all__ = [
    "BitFit",
    "Distillation",
    "FeatureExtraction",
    "FewShot",
    "Full",
    "GradualUnfreezing",
    "LayerNorm",
    "LayerwiseDecay",
    "RateTable",
    "Strategy",
]
