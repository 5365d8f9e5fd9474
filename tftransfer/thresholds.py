"""From which score on a label is given, chosen on held-out data."""

from typing import Any

import numpy as np

from tftransfer.errors import DataError

__all__ = ["best_thresholds"]


def best_thresholds(targets: Any, scores: Any) -> np.ndarray:
    """Returns for every label the threshold of the highest F1 on this data; a label is given from its threshold on.

    The candidates are the midpoints between neighbouring scores, and those between the outermost scores and 0 and 1. Of
    equals the one nearest to 0.5 wins; a label without a positive example keeps 0.5.

    Args:
        targets: bool or int array (examples, labels). Which labels are true.
        scores: float array (examples, labels). The probabilities that the model gave, from 0 to 1.

    Returns:
        float64 array (labels,).

    Raises:
        DataError: if the two differ in shape.
    """
    truth, given = np.asarray(targets).astype(bool), np.asarray(scores, np.float64)
    if truth.ndim != 2 or truth.shape != given.shape:
        raise DataError(f"Expected targets and scores (examples, labels) alike, got {truth.shape} and {given.shape}.")
    return np.array([_best(*column) for column in zip(truth.T, given.T, strict=True)], np.float64)


def _best(truth: np.ndarray, scores: np.ndarray) -> float:
    if not truth.any():
        return 0.5
    edges = np.concatenate([[0.0], np.unique(scores), [1.0]])
    cuts = (edges[:-1] + edges[1:]) / 2
    order = np.argsort(scores, kind="stable")
    first = np.searchsorted(scores[order], cuts)  # the examples from there on are given the label
    hits = np.concatenate([np.cumsum(truth[order][::-1])[::-1], [0]])[first]
    f1 = 2 * hits / (truth.sum() + len(scores) - first)
    best = np.flatnonzero(f1 == f1.max())
    return float(cuts[best[np.argmin(np.abs(cuts[best] - 0.5))]])
