"""How far what a network says is from what another one, or the same one once more, says of the same examples."""

from typing import Any

from keras import ops

__all__ = ["bernoulli_divergence", "categorical_divergence", "squared_distance"]


def categorical_divergence(logits: Any, reference: Any, temperature: float = 1.0, axis: int = -1) -> Any:
    """Returns `KL(softmax(reference / temperature) || softmax(logits / temperature)) * temperature ** 2`.

    The square keeps the size of gradients, whatever the temperature (Hinton et al., 2015).

    Args:
        logits, reference: float tensor. Of the same shape.
        temperature: float > 0. Defaults to 1.0.
        axis: int. That of the alternatives; the result has it no more. Defaults to -1.
    """
    ours, theirs = (ops.log_softmax(ops.cast(x, "float32") / temperature, axis=axis) for x in (logits, reference))
    return ops.sum(ops.exp(theirs) * (theirs - ours), axis=axis) * temperature**2


def bernoulli_divergence(logits: Any, reference: Any, temperature: float = 1.0) -> Any:
    """Returns the mean over the last axis of what `categorical_divergence` is of two alternatives with logits x and 0.

    Args:
        logits, reference: float tensor `(..., labels)`.
        temperature: float > 0. Defaults to 1.0.
    """
    ours, theirs = (ops.cast(x, "float32") / temperature for x in (logits, reference))
    present = ops.sigmoid(theirs) * (ops.log_sigmoid(theirs) - ops.log_sigmoid(ours))
    absent = ops.sigmoid(-theirs) * (ops.log_sigmoid(-theirs) - ops.log_sigmoid(-ours))
    return ops.mean(present + absent, axis=-1) * temperature**2


def squared_distance(logits: Any, reference: Any) -> Any:
    """Returns the sum of squared differences over the last axis; of vectors of length 1 that is `2 - 2 * cosine`."""
    return ops.sum(ops.square(ops.cast(logits, "float32") - ops.cast(reference, "float32")), axis=-1)
