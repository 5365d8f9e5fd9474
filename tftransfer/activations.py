"""Activations by the names that `config.json` files use. Keras is loaded when one is looked up."""

from collections.abc import Callable
from typing import Any

from tftransfer.errors import CheckpointError
from tftransfer.registry import suggest

__all__ = ["ACTIVATIONS", "find_activation"]


def _keras(name: str, **options: Any) -> Callable[[Any], Any]:
    """Returns the function of `keras.ops` of that name, looked up when it is called."""

    def apply(x: Any) -> Any:
        import keras

        return getattr(keras.ops, name)(x, **options)

    return apply


def _quick_gelu(x: Any) -> Any:
    return x * ACTIVATIONS["sigmoid"](1.702 * x)


# "gelu" is the exact erf form; the tanh approximations differ from it by up to 4e-3 in a whole network.
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "gelu": _keras("gelu", approximate=False),
    "gelu_fast": _keras("gelu", approximate=True),
    "gelu_new": _keras("gelu", approximate=True),
    "gelu_pytorch_tanh": _keras("gelu", approximate=True),
    "quick_gelu": _quick_gelu,
    "relu": _keras("relu"),
    "sigmoid": _keras("sigmoid"),
    "silu": _keras("silu"),
    "swish": _keras("silu"),
    "tanh": _keras("tanh"),
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
