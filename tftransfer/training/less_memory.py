"""What makes a step take less memory: `gradient_accumulation_steps` and `gradient_checkpointing`."""

from collections.abc import Sequence
from typing import Any

import keras

from tftransfer.backbones.layers import TransformerEncoder
from tftransfer.config import Training
from tftransfer.errors import ConfigError

__all__ = ["apply_less_memory"]


def apply_less_memory(model: Any, training: Training, regularizers: Sequence[Any]) -> None:
    """Has a model train as `gradient_accumulation_steps` and `gradient_checkpointing` say, to the same numbers.

    Args:
        model: TransferModel.
        training: Training.
        regularizers: sequence of Regularizer.

    Raises:
        ConfigError: if the numbers would be others, or there are no layers to compute once more.
    """
    steps, reason = training.gradient_accumulation_steps, _reason(model, regularizers)
    if steps > 1 and reason:
        raise ConfigError(
            f"gradient_accumulation_steps: expected 1, for {reason}, so that its parts are not the whole; received "
            f"{steps}."
        )
    encoder = next((layer for layer in model.layers if isinstance(layer, TransformerEncoder)), None)
    if encoder is not None:
        encoder.gradient_checkpointing = training.gradient_checkpointing
    elif training.gradient_checkpointing:
        raise ConfigError(
            "gradient_checkpointing: expected a Transformer, whose layers can be computed once more; this network has "
            "another encoder. Set it to false."
        )
    model.gradient_accumulation_steps = steps


def _reason(model: Any, regularizers: Sequence[Any]) -> str:
    """Returns why a batch cannot be cut; "" if it can."""
    if model.task.needs_whole_batch:
        return f"the loss of {model.task.name} compares the rows of a batch"
    whole = [type(part).__name__ for part in regularizers if part.needs_whole_batch]
    if whole:
        return f"{whole[0]} looks at the gradient of the whole batch"
    means = [layer.name for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return f"the layer '{means[0]}' normalises over a batch" if means else ""
