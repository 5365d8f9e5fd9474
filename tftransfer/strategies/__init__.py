"""How much of a pretrained model moves: one file a strategy, each a table of learning rates."""

from tftransfer.strategies.adapters import Adapters
from tftransfer.strategies.bitfit import BitFit
from tftransfer.strategies.distillation import Distillation
from tftransfer.strategies.feature_extraction import FeatureExtraction
from tftransfer.strategies.few_shot import FewShot
from tftransfer.strategies.frozen_layers import FrozenLayers
from tftransfer.strategies.full import Full
from tftransfer.strategies.gradual_unfreezing import GradualUnfreezing
from tftransfer.strategies.ia3 import IA3
from tftransfer.strategies.layer_norm import LayerNorm
from tftransfer.strategies.layerwise_decay import LayerwiseDecay
from tftransfer.strategies.lora import LoRA
from tftransfer.strategies.prefix_tuning import PrefixTuning
from tftransfer.strategies.prompt_tuning import PromptTuning
from tftransfer.strategies.rate_table import RateTable
from tftransfer.strategies.strategy import Strategy

__all__ = [
    "IA3",
    "Adapters",
    "BitFit",
    "Distillation",
    "FeatureExtraction",
    "FewShot",
    "FrozenLayers",
    "Full",
    "GradualUnfreezing",
    "LayerNorm",
    "LayerwiseDecay",
    "LoRA",
    "PrefixTuning",
    "PromptTuning",
    "RateTable",
    "Strategy",
]
