"""Whether a model's probabilities mean what they say, and the temperature that makes them.

Reference: Guo et al., "On Calibration of Modern Neural Networks", 2017.
"""

import math
from typing import Any

import numpy as np

from tftransfer.errors import DataError

__all__ = ["BINS", "best_temperature", "expected_calibration_error", "reliability"]

BINS = 15
"""As many as in the paper."""

_RANGE = (0.01, 100.0)
"""Where a temperature is looked for. Answers that are all right want 0, and answers that are noise infinity."""


def expected_calibration_error(confidences: Any, correct: Any, bins: int = BINS) -> float:
    """Returns how far the confidences are from the shares of right answers, on average over the answers.

    Args:
        confidences: float array (answers,). The probability that the model gave to each answer, from 0 to 1.
        correct: bool array (answers,). Whether the answer is right.
        bins: int. How many bins of equal width; a bin holds its upper end, the first one 0 too. Default 15.

    Returns:
        float. From 0, well calibrated, to 1.

    Raises:
        DataError: if there is no answer, or the two differ in shape, or a confidence is not from 0 to 1.
    """
    count, confidence, accuracy = reliability(confidences, correct, bins)
    return float(np.sum(count * np.abs(accuracy - confidence)) / count.sum())


def reliability(confidences: Any, correct: Any, bins: int = BINS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the count, the mean confidence and the share of right answers of every bin, each (bins,); 0 if empty.

    Args:
        confidences: float array (answers,). The probability that the model gave to each answer, from 0 to 1.
        correct: bool array (answers,). Whether the answer is right.
        bins: int. How many bins of equal width. Default 15.

    Raises:
        DataError: if there is no answer, or the two differ in shape, or a confidence is not from 0 to 1.
    """
    scores, hits = np.asarray(confidences, np.float64), np.asarray(correct, np.float64)
    if scores.ndim != 1 or scores.shape != hits.shape or not scores.size:
        raise DataError(f"Expected a confidence and a mark for each answer, got {scores.shape} and {hits.shape}.")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise DataError(f"Expected confidences from 0 to 1, got {scores.min():g} to {scores.max():g}.")
    bin_of = np.digitize(scores, np.arange(1, bins) / bins, right=True)
    count = np.bincount(bin_of, minlength=bins)
    sums = (np.bincount(bin_of, weights=values, minlength=bins) for values in (scores, hits))
    confidence, accuracy = (total / np.maximum(count, 1) for total in sums)
    return count, confidence, accuracy


def best_temperature(logits: Any, targets: Any) -> float:
    """Returns the number to divide logits by so that held-out answers become most likely.

    Dividing changes no choice of a softmax, only how sure it is of it.

    Args:
        logits: float array (examples, labels). What comes before the softmax, or before the sigmoids.
        targets: int array (examples,) of label ids, for a softmax; or bool or int array (examples, labels) of 0 and 1,
            for a sigmoid per label.

    Returns:
        float. The temperature of the smallest negative log likelihood, from 0.01 to 100.

    Raises:
        DataError: if there is no example, or a logit is not finite, or the targets do not fit the logits.
    """
    from scipy import optimize

    scores, truth = np.asarray(logits, np.float64), np.asarray(targets)
    if scores.ndim != 2 or not scores.size or not np.isfinite(scores).all():
        raise DataError(f"Expected finite logits (examples, labels), at least one, got an array of {scores.shape}.")
    if truth.shape not in (scores.shape, scores.shape[:1]):
        raise DataError(f"Expected targets of shape {scores.shape[:1]} or {scores.shape}, got {truth.shape}.")
    most = scores.shape[1] - 1 if truth.ndim == 1 else 1
    if truth.dtype.kind not in "biu" or truth.min() < 0 or truth.max() > most:
        raise DataError(f"Expected targets of whole numbers from 0 to {most}, got {truth.min()} to {truth.max()}.")
    loss = _softmax_loss if truth.ndim == 1 else _sigmoid_loss
    bounds = tuple(map(math.log, _RANGE))
    # The loss is convex in 1 / T, so that it has one valley in log T.
    found = optimize.minimize_scalar(
        lambda log: loss(scores * math.exp(-log), truth), bounds=bounds, method="bounded", options={"xatol": 1e-6}
    )
    return float(math.exp(found.x))


def _softmax_loss(logits: np.ndarray, targets: np.ndarray) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    chosen = np.take_along_axis(shifted, targets[:, None].astype(np.int64), axis=1)[:, 0]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - chosen))


def _sigmoid_loss(logits: np.ndarray, targets: np.ndarray) -> float:
    return float(np.mean(np.logaddexp(0, logits) - logits * targets))
