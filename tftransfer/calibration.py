"""What is chosen on validation data after training: temperatures and thresholds."""

import numpy as np
import scipy.optimize
import scipy.special

__all__ = ["best_sigmoid_temperature", "best_temperature", "best_thresholds"]

_RANGE = (np.log(0.05), np.log(20.0))


def best_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """Returns the temperature that makes a softmax likeliest (Guo et al., "On calibration of modern networks", 2017).

    Args:
        logits: float array `(examples, labels)`.
        targets: int array `(examples,)`. The labels' numbers.
    """
    rows = np.arange(len(targets))

    def loss(log_temperature: float) -> float:
        return -float(scipy.special.log_softmax(logits / np.exp(log_temperature), axis=-1)[rows, targets].mean())

    return _minimum(loss)


def best_sigmoid_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """Returns the temperature that makes labels that are given or not likeliest.

    Args:
        logits: float array `(examples, labels)`.
        targets: int array of the same shape. 1 where a label is given, else 0.
    """

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0.0, scaled) - targets * scaled))

    return _minimum(loss)


def best_thresholds(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns the threshold of each label with the best F1, float `(labels,)`.

    Candidates lie half-way between neighbouring scores; of equally good ones the nearest to a half is taken, and a
    label that no example has keeps a half.

    Args:
        targets: int array `(examples, labels)`. 1 where a label is given, else 0.
        scores: float array of the same shape, from 0 to 1.
    """
    return np.asarray([_best_threshold(*columns) for columns in zip(targets.T, scores.T, strict=True)])


def _best_threshold(targets: np.ndarray, scores: np.ndarray) -> float:
    if not targets.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    hits, given = np.cumsum(targets[order]), np.arange(1, len(scores) + 1)
    f1 = 2 * hits / (given + targets.sum())
    values = scores[order].astype("float64")
    below = np.append(values[1:], 0.0)
    possible = values > below  # equal scores are above a threshold together
    candidates, f1 = ((values + below) / 2)[possible], f1[possible]
    best = candidates[f1 >= f1.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - 0.5))])


def _minimum(loss: object) -> float:
    return float(np.exp(scipy.optimize.minimize_scalar(loss, bounds=_RANGE, method="bounded").x))
