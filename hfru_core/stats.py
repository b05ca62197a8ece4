"""Intervals and tests: numbers only, no models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np

Z = 1.959964
Numbers = Sequence[float] | np.ndarray


def wilson(hits: float, n: int, z: float = Z) -> tuple[float, float]:
    """Wilson interval of a share, of 95 % without a `z`; (0, 1) where n is 0."""
    if n == 0:
        return 0.0, 1.0
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap(
    values: Numbers,
    rng: np.random.Generator,
    draws: int = 1000,
    statistic: Callable[[np.ndarray, int], np.ndarray] = np.mean,
) -> tuple[float, float]:
    """95 % percentile interval of a statistic over the last axis of resampled values."""
    array = np.asarray(values, dtype=float)
    picked = array[rng.integers(0, len(array), (draws, len(array)))]
    low, high = np.quantile(statistic(picked, -1), [0.025, 0.975])
    return float(low), float(high)


def difference(
    a: float, a_low: float, a_high: float, b: float, b_low: float, b_high: float
) -> tuple[float, float]:
    """Interval of a - b from both intervals (Newcombe 1998, method 10)."""
    low = (a - b) - sqrt((a - a_low) ** 2 + (b_high - b) ** 2)
    high = (a - b) + sqrt((a_high - a) ** 2 + (b - b_low) ** 2)
    return low, high


def auc(positive: Numbers, negative: Numbers) -> float:
    """Chance that a positive scores above a negative, ties counted half."""
    high, low = np.asarray(positive)[:, None], np.asarray(negative)[None]
    return float((high > low).mean() + 0.5 * (high == low).mean())


def tpr_at_fpr(positive: Numbers, negative: Numbers, fpr: float) -> float:
    """Largest share of positives above a threshold that at most `fpr` of the negatives pass."""
    highest = np.sort(np.asarray(negative))[::-1]
    passing = int(fpr * len(highest) + 1e-9)
    threshold = highest[passing] if passing < len(highest) else -np.inf
    return float((np.asarray(positive) > threshold).mean())
