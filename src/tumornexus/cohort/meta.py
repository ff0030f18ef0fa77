"""Random-effects meta-analysis of one effect over cohorts.

    y_c = mu + u_c + e_c,   u_c ~ N(0, tau^2),   e_c ~ N(0, s_c^2)

tau^2 after Paule and Mandel (the value at which the weighted sum of squares equals its degrees of freedom), the
interval after Hartung and Knapp with the t distribution, never narrower than the usual one: with three to nine
cohorts both hold their level better than DerSimonian and Laird (IntHout et al. 2014, doi:10.1186/1471-2288-14-25; from
memory, not looked up).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit


@dataclass(frozen=True)
class Pooled:
    """A pooled effect.

    Attributes:
        estimate, low, high, se, p: of the mean effect, in the unit of the effects.
        tau: standard deviation of the true effects between cohorts, same unit.
        i2: share of the variance that is between cohorts, 0 to 1.
        low_new, high_new: 95 % prediction interval of the effect in a new cohort (NaN with fewer than three).
        k: cohorts that took part.
    """

    estimate: float
    low: float
    high: float
    se: float
    p: float
    tau: float
    i2: float
    low_new: float
    high_new: float
    k: int


def _spread(effects: np.ndarray, variances: np.ndarray, tau2: float) -> tuple[float, float, np.ndarray]:
    """Generalized Q at tau^2, the mean, and the weights."""
    weights = 1.0 / (variances + tau2)
    mean = float((weights * effects).sum() / weights.sum())
    return float((weights * (effects - mean) ** 2).sum()), mean, weights


def between_variance(effects: np.ndarray, variances: np.ndarray) -> float:
    """Paule-Mandel tau^2: Q(tau^2) = k - 1, by bisection; 0 where Q(0) is below that."""
    k = len(effects)
    if k < 2 or _spread(effects, variances, 0.0)[0] <= k - 1:
        return 0.0
    low, high = 0.0, max(float(np.var(effects)), float(variances.max())) + 1e-12
    while _spread(effects, variances, high)[0] > k - 1:
        high *= 2.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if _spread(effects, variances, middle)[0] > k - 1:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def random_effects(effects: np.ndarray, errors: np.ndarray, level: float = 0.95) -> Pooled:
    """Pool `effects` (cohort,) with standard errors `errors` (cohort,); those that are not finite are left out.

    One cohort is returned as it is; none gives NaN.
    """
    y, s = np.asarray(effects, dtype=float), np.asarray(errors, dtype=float)
    ok = np.isfinite(y) & np.isfinite(s) & (s > 0)
    y, v = y[ok], s[ok] ** 2
    k, nan = len(y), float("nan")
    if k == 0:
        return Pooled(nan, nan, nan, nan, nan, nan, nan, nan, nan, 0)
    tau2 = between_variance(y, v)
    q, mean, weights = _spread(y, v, tau2)
    plain = 1.0 / math.sqrt(float(weights.sum()))
    if k == 1:
        half = float(ndtri(0.5 + level / 2.0)) * plain
        p = 2.0 * float(stdtr(1e9, -abs(mean) / plain))
        return Pooled(mean, mean - half, mean + half, plain, p, 0.0, 0.0, nan, nan, 1)
    se = plain * math.sqrt(max(1.0, q / (k - 1)))
    half = float(stdtrit(k - 1, 0.5 + level / 2.0)) * se
    p = 2.0 * float(stdtr(k - 1, -abs(mean) / se))
    q0, _, _ = _spread(y, v, 0.0)
    i2 = max(0.0, 1.0 - (k - 1) / q0) if q0 > 0 else 0.0
    new = float(stdtrit(k - 2, 0.975)) * math.sqrt(tau2 + se * se) if k > 2 else nan
    return Pooled(mean, mean - half, mean + half, se, p, math.sqrt(tau2), i2, mean - new, mean + new, k)
