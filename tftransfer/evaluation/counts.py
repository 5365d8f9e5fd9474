"""Measures that follow from counts: those of a confusion matrix, and precision, recall and F1 of anything counted."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["confusion_matrix", "matthews", "per_class", "rows", "scores", "totals", "wilson"]

_Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution: 95 % lie within it on both sides."""


def confusion_matrix(targets: np.ndarray, predictions: np.ndarray, size: int) -> np.ndarray:
    """Returns the counts int64 (size, size): rows are the true labels, columns the predicted ones."""
    cells = targets.astype(np.int64) * size + predictions
    return np.bincount(cells, minlength=size * size).reshape(size, size)


def per_class(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Returns `precision`, `recall`, `f1` and `support` of every label, each (labels,); a division by zero gives 0."""
    return scores(np.diagonal(matrix), matrix.sum(axis=0), matrix.sum(axis=1))


def scores(hits: np.ndarray, predicted: np.ndarray, support: np.ndarray) -> dict[str, np.ndarray]:
    """Returns `precision`, `recall`, `f1` and `support`, each as long as the counts; a division by zero gives 0.

    Args:
        hits: int array (labels,). How often a label was predicted rightly.
        predicted: int array (labels,). How often it was predicted.
        support: int array (labels,). How often it is true.
    """
    return {
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, support),
        "f1": _ratio(2 * hits, support + predicted),
        "support": support,
    }


def rows(names: Sequence[str], columns: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Returns columns of numbers as a table of plain values: {name of the row: {name of the column: number}}."""
    plain = {column: values.tolist() for column, values in columns.items()}
    return {name: {column: values[i] for column, values in plain.items()} for i, name in enumerate(names)}


def totals(matrix: np.ndarray) -> dict[str, Any]:
    """Returns the measures of the whole, as plain numbers.

    The macro averages run over the labels that occur in the targets or in the predictions, as scikit-learn's do: a
    label that no example has and that no answer names says nothing about the model. A weighted average is by support.

    Args:
        matrix: int array (labels, labels). The confusion matrix, with one example at least.
    """
    each, examples, hits = per_class(matrix), int(matrix.sum()), int(np.trace(matrix))
    occurs = matrix.sum(axis=0) + matrix.sum(axis=1) > 0
    return {
        "accuracy": hits / examples,
        "macro_f1": float(each["f1"][occurs].mean()),
        "weighted_f1": float(np.average(each["f1"], weights=each["support"])),
        "mcc": matthews(matrix),
        "macro_precision": float(each["precision"][occurs].mean()),
        "macro_recall": float(each["recall"][occurs].mean()),
        "examples": examples,
        "confidence_interval": wilson(hits, examples),
    }


def matthews(matrix: np.ndarray) -> float:
    """Returns Matthews' correlation coefficient for any number of labels, 0 where it is undefined.

    Reference: Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", 2004.
    """
    # Python's integers: the squares of large counts overflow 64 bits.
    support, predicted = matrix.sum(axis=1).tolist(), matrix.sum(axis=0).tolist()
    examples, hits = sum(support), int(np.trace(matrix))
    covariance = hits * examples - sum(t * p for t, p in zip(support, predicted, strict=True))
    spread = (examples**2 - sum(t * t for t in support)) * (examples**2 - sum(p * p for p in predicted))
    return covariance / math.sqrt(spread) if spread else 0.0


def wilson(hits: int, trials: int) -> list[float]:
    """Returns Wilson's 95 % score interval [low, high] of a proportion.

    Reference: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    share, z2 = hits / trials, _Z95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    reach = _Z95 * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    # At the ends the exact bounds are 0 and 1; rounding must not leave them a hair inside or outside.
    return [0.0 if hits == 0 else centre - reach, 1.0 if hits == trials else centre + reach]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
