"""Keras's own layers, as a `TransformerConfig` wants them."""

from typing import Any

import keras

from tftransfer.backbones.initializers import TruncatedNormal
from tftransfer.backbones.transformer import TransformerConfig

__all__ = ["dense", "initializer", "norm"]


def initializer(config: TransformerConfig) -> keras.initializers.Initializer:
    """Returns how freshly made kernels and tables begin."""
    return TruncatedNormal(stddev=config.initializer_range)


def dense(
    config: TransformerConfig, units: int, name: str, dtype: Any, use_bias: bool = True, activation: Any = None
) -> keras.layers.Dense:
    """Returns a dense layer, not built yet."""
    return keras.layers.Dense(
        units, activation, use_bias=use_bias, kernel_initializer=initializer(config), dtype=dtype, name=name
    )


def norm(config: TransformerConfig, name: str, dtype: Any) -> keras.layers.LayerNormalization:
    """Returns a layer normalisation, not built yet."""
    return keras.layers.LayerNormalization(
        epsilon=config.layer_norm_epsilon, center=config.norm_bias, dtype=dtype, name=name
    )
