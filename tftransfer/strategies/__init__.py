"""How much of a pretrained model moves: one file a strategy, each a table of learning rates."""

from tftransfer.strategies.feature_extraction import FeatureExtraction
from tftransfer.strategies.full import Full
from tftransfer.strategies.strategy import Strategy

__all__ = ["FeatureExtraction", "Full", "Strategy"]
