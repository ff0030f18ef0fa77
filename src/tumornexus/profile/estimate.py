"""Shares and means with an interval for the number of cells.

The intervals say how well this many cells tell the sample; they do not hold what a second biopsy, another dissociation
or another section would add, which is usually more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv  # scipy.stats has the same as beta.ppf, at half a second to import

Array = np.ndarray
MASS = 0.9
DRAWS = 41  # quantiles that stand for a posterior


@dataclass(frozen=True)
class Estimate:
    """A number with its 90 % interval and the cells it rests on; `value` is NaN where nothing tells it."""

    value: float
    low: float
    high: float
    cells: int


def share(part: int, whole: int) -> Estimate:
    """Return a share of cells: part / whole, with the Jeffreys interval of Beta(part + 1/2, whole - part + 1/2).

    At the ends the interval reaches the share itself, 0 or 1, as is usual for this interval.
    """
    if whole <= 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    low, high = betaincinv(part + 0.5, whole - part + 0.5, np.array([(1 - MASS) / 2, (1 + MASS) / 2]))
    return Estimate(part / whole, 0.0 if part == 0 else float(low), 1.0 if part == whole else float(high), whole)


def share_draws(part: int, whole: int) -> Array:
    """Return evenly spaced quantiles of the posterior of a share, (draw,)."""
    return betaincinv(part + 0.5, whole - part + 0.5, (np.arange(DRAWS) + 0.5) / DRAWS)


def mean(values: Array, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Estimate:
    """Return a mean over cells with mean +- 1.645 standard errors, cut at `bounds`; needs two cells."""
    n = len(values)
    if n < 2:
        return Estimate(float(values.mean()) if n else float("nan"), *bounds, n)
    middle, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(n))
    return Estimate(middle, max(middle - 1.645 * error, bounds[0]), min(middle + 1.645 * error, bounds[1]), n)
