"""Keras's own layers, as a `TransformerConfig` wants them."""

from typing import Any

import keras

from tftransfer.additions import Additions
from tftransfer.backbones.initializers import TruncatedNormal
from tftransfer.backbones.transformer import TransformerConfig

__all__ = ["added", "additions_config", "additions_of", "dense", "initializer", "norm", "projection"]


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


def additions_of(value: Additions | dict[str, Any] | None) -> Additions:
    """Returns additions as a layer was given them: as they are, as Keras saved them, or none."""
    return (
        value
        if isinstance(value, Additions)
        else (keras.saving.deserialize_keras_object(value) if value else Additions())
    )


def additions_config(additions: Additions) -> dict[str, Any]:
    """Returns a layer's additions as an entry of its config; no entry if there are none."""
    nothing = additions == Additions()
    return {} if nothing else {"additions": keras.saving.serialize_keras_object(additions)}


def projection(layer: Any, name: str, units: int, use_bias: bool, shape: tuple[Any, ...]) -> keras.layers.Layer:
    """Returns a linear layer within `layer`, or what its additions put there instead; built.

    Args:
        layer: keras.layers.Layer. Being built; with `config` and `additions`.
        name: str.
        units: int. Width of the result.
        use_bias: bool.
        shape: tuple of int. Of the input.
    """
    made = dense(layer.config, units, name, layer.dtype_policy, use_bias)
    made = layer.additions.projection(f"{layer.path}/{name}", made)
    made.build(shape)
    return made


def added(layer: Any, block: str, shape: tuple[Any, ...]) -> keras.layers.Layer | None:
    """Returns what a layer's additions put behind one of its blocks, built; None for nothing."""
    made = layer.additions.after_block(f"{layer.path}/{block}", layer.config.hidden_size, layer.dtype_policy)
    if made is not None:
        made.build(shape)
    return made
