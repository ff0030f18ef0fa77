"""Do predicted probabilities mean what they say?

log odds(response) = a + b log odds(predicted);   a = 0 and b = 1 when calibrated
Brier = mean (predicted - observed)^2, against that of the observed rate for everybody
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Z975 = 1.959963984540054


@dataclass(frozen=True)
class Calibration:
    """Calibration of predicted probabilities.

    Attributes:
        slope, slope_low, slope_high: of the logistic recalibration with one intercept, 95 % interval.
        slope_within, within_low, within_high: the same with an intercept for each cohort, which asks only about
            differences between patients of one cohort.
        in_the_large: mean observed minus mean predicted probability.
        brier, brier_of_rate: mean squared error, and that of the pooled observed rate.
        bins: (predicted, observed, low, high, n) of groups of equal size, Wilson intervals.
        n: patients.
    """

    slope: float
    slope_low: float
    slope_high: float
    slope_within: float
    within_low: float
    within_high: float
    in_the_large: float
    brier: float
    brier_of_rate: float
    bins: tuple[tuple[float, float, float, float, int], ...]
    n: int


def logistic(design: np.ndarray, y: np.ndarray, ridge: float = 1e-6) -> tuple[np.ndarray, np.ndarray]:
    """Maximum-likelihood logistic regression: coefficients (column,) and covariance (column, column)."""
    b, hessian = np.zeros(design.shape[1]), np.eye(design.shape[1])
    for _ in range(200):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ b, -30, 30)))
        hessian = (design * (p * (1.0 - p))[:, None]).T @ design + ridge * np.eye(design.shape[1])
        step = np.linalg.solve(hessian, design.T @ (y - p) - ridge * b)
        b = b + np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < 1e-10:
            break
    return b, np.linalg.inv(hessian)


def wilson(k: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of k among n."""
    share, z2 = k / n, Z975**2
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z975 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, center - half), min(1.0, center + half)


def calibration(
    predicted: np.ndarray, positive: np.ndarray, cohort: Sequence[str] | np.ndarray, groups: int = 8
) -> Calibration:
    """Calibration of `predicted` (patient,) probabilities in (0, 1) against responders; cohorts (patient,)."""
    p, y = np.asarray(predicted, dtype=float), np.asarray(positive, dtype=float)
    names = np.asarray(cohort, dtype=object)
    x = np.log(p / (1.0 - p))
    b, covariance = logistic(np.column_stack([np.ones(len(x)), x]), y)
    half = Z975 * math.sqrt(float(covariance[1, 1]))
    own = np.array([[float(n == m) for m in dict.fromkeys(names)] for n in names])
    inside, spread = logistic(np.column_stack([x, own]), y)
    half_inside = Z975 * math.sqrt(float(spread[0, 0]))
    bins = []
    for rows in np.array_split(np.argsort(p, kind="stable"), min(groups, len(p))):
        k = float(y[rows].sum())
        bins.append((float(p[rows].mean()), k / len(rows), *wilson(k, len(rows)), len(rows)))
    return Calibration(
        slope=float(b[1]),
        slope_low=float(b[1]) - half,
        slope_high=float(b[1]) + half,
        slope_within=float(inside[0]),
        within_low=float(inside[0]) - half_inside,
        within_high=float(inside[0]) + half_inside,
        in_the_large=float(y.mean() - p.mean()),
        brier=float(((p - y) ** 2).mean()),
        brier_of_rate=float(y.mean() * (1.0 - y.mean())),
        bins=tuple(bins),
        n=len(y),
    )
