"""A model without what its strategy added, and the same answers."""

import dataclasses
from typing import Any

import keras
import numpy as np

from tftransfer.additions import Additions
from tftransfer.backbones.initializers import zeros_instead
from tftransfer.errors import ConfigError

__all__ = ["merge", "merged_values"]


def merge(model: Any) -> Any:
    """Returns a model whose backbone has taken in what its strategy added, such as the updates of `LoRA`.

    It is as fast, and as large, as a model to which nothing was added, and any strategy can train it further.

    Args:
        model: TransferModel. It stays as it is.

    Returns:
        A `TransferModel` with variables of its own, not compiled.

    Raises:
        ConfigError: if what was added cannot be taken in, such as adapters between the layers.

    Example:

        >>> tftransfer.fine_tune(model, train, validation, learning_rate=5e-4)
        >>> merged = tftransfer.merge(model)
    """
    values = merged_values(model)
    with model.distribute_strategy.scope(), zeros_instead():
        merged = keras.models.clone_model(model, clone_function=_without_additions)
    for variable in merged.weights:
        variable.assign(values[variable.path])
    for name in ("task", "tokenizer", "checkpoint", "max_length", "fixed_paths", "custom_head"):
        if hasattr(model, name):  # a model of a .keras file knows no task
            setattr(merged, name, getattr(model, name))
    if model.load_report is not None:
        fresh = tuple(path for path in model.load_report.fresh if path in values)
        merged.load_report = dataclasses.replace(model.load_report, fresh=fresh)
    return merged


def merged_values(model: Any) -> dict[str, np.ndarray]:
    """Returns path -> array of the variables that the model has once it is merged.

    Args:
        model: TransferModel.

    Raises:
        ConfigError: if what was added cannot be taken in.
    """
    # A network from scratch has no place for any.
    additions = next((layer.additions for layer in model.layers if hasattr(layer, "additions")), Additions())
    if additions != Additions() and not additions.mergeable:
        raise ConfigError(
            f"Expected additions that the backbone's own variables can take in, such as those of LoRA; "
            f"{type(additions).__name__} are layers of their own."
        )
    return additions.merged({variable.path: np.asarray(variable) for variable in model.weights})


def _without_additions(layer: keras.layers.Layer) -> keras.layers.Layer:
    config = layer.get_config()
    config.pop("additions", None)
    return layer.__class__.from_config(config)
