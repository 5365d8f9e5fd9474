"""What a step of training makes smaller."""

from collections.abc import Callable
from typing import Any

__all__ = ["Objective"]

# From a batch (inputs, targets, sample weights) to (logits, loss), inside a gradient tape. The loss is this replica's
# part of the mean over the global batch: the parts of all replicas add up to it. Strategies and regularizers wrap it.
Objective = Callable[[Any, Any, Any], tuple[Any, Any]]
