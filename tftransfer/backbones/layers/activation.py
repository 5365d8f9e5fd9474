"""Activations by the names that `config.json` files use."""

from collections.abc import Callable
from typing import Any

import keras

from tftransfer.errors import CheckpointError
from tftransfer.registry import suggest

__all__ = ["ACTIVATIONS", "find_activation"]


def _gelu_erf(x: Any) -> Any:
    return keras.ops.gelu(x, approximate=False)


def _gelu_tanh(x: Any) -> Any:
    return keras.ops.gelu(x, approximate=True)


def _quick_gelu(x: Any) -> Any:
    return x * keras.ops.sigmoid(1.702 * x)


# "gelu" is the exact erf form; the tanh approximations differ from it by up to 4e-3 in a whole network.
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "gelu": _gelu_erf,
    "gelu_fast": _gelu_tanh,
    "gelu_new": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "quick_gelu": _quick_gelu,
    "relu": keras.ops.relu,
    "silu": keras.ops.silu,
    "swish": keras.ops.silu,
    "tanh": keras.ops.tanh,
}


def find_activation(name: str) -> Callable[[Any], Any]:
    """Returns the function of that name.

    Raises:
        CheckpointError: if the name is unknown; a guess would be silently wrong.
    """
    if name not in ACTIVATIONS:
        raise CheckpointError(
            f"Unknown activation '{name}' in config.json.{suggest(name, ACTIVATIONS)} Known: {', '.join(ACTIVATIONS)}."
        )
    return ACTIVATIONS[name]
