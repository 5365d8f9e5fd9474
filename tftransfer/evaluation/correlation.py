"""Correlations that are numbers even where they are not defined."""

import numpy as np

__all__ = ["pearson", "spearman"]


def pearson(first: np.ndarray, second: np.ndarray) -> float:
    """Returns Pearson's correlation coefficient of two float arrays (examples,), 0 if one of them is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    # Divided by the largest first: squares of tiny differences would vanish.
    a, b = (centred / np.abs(centred).max() for centred in (first - first.mean(), second - second.mean()))
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Returns Spearman's rank correlation of two float arrays (examples,), 0 if one of them is constant."""
    from scipy import stats

    return pearson(stats.rankdata(first), stats.rankdata(second))
