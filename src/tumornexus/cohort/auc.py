"""Discrimination: area under the curve within a cohort, pooled over cohorts, and differences between two scores.

    AUC = P(score of a responder > score of a non-responder) + P(equal) / 2
    pooled = sum_c w_c AUC_c / sum_c w_c,   w_c = nR_c nNR_c / (nR_c + nNR_c + 1)

The weight is the inverse variance of the AUC under no association, up to a constant. Standard errors are those of
DeLong et al. 1988 (doi:10.2307/2531595; from memory, not looked up): placement values of responders and non-responders
within each cohort. They hold sampling of the tested patients, not that of patients a model was fitted on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from tumornexus.errors import InputError


@dataclass(frozen=True)
class PooledAuc:
    """An area under the curve, or a difference of two, pooled over cohorts.

    Attributes:
        estimate, low, high: with the interval at the level asked for; no unit.
        se: standard error.
        n, responders: patients and responders that took part.
        by_cohort: cohort to (estimate, standard error, weight as a share of all).
        left_out: cohorts without responders, without non-responders or without the score.
    """

    estimate: float
    low: float
    high: float
    se: float
    n: int
    responders: int
    by_cohort: dict[str, tuple[float, float, float]]
    left_out: tuple[str, ...]

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval of a difference excludes no difference."""
        return self.low > 0.0 or self.high < 0.0


def _placements(score: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of the other class that each responder exceeds, and that exceeds each non-responder; ties count half."""
    a, b = score[positive], score[~positive]
    wins = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    return wins.mean(axis=1), wins.mean(axis=0)


def _checked(score: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    score, positive = np.asarray(score, dtype=float), np.asarray(positive)
    if score.shape != positive.shape:
        raise InputError("score and response differ in length", value=(score.shape, positive.shape))
    if not np.isin(positive, (0, 1)).all():
        raise InputError("a response that is neither yes nor no", field="response", valid="True or False, 1 or 0")
    return score, positive.astype(bool)


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the receiver operating characteristic, ties half; NaN when one class is empty.

    `score` (patient,) without NaN, `positive` (patient,) responders.
    """
    score, positive = _checked(score, positive)
    if positive.all() or not positive.any():
        return float("nan")
    return float(_placements(score, positive)[0].mean())


def _difference_variance(first: np.ndarray, second: np.ndarray | None, positive: np.ndarray) -> tuple[float, float]:
    """AUC of `first` (minus that of `second`) and its DeLong variance on the same patients."""
    r, n = _placements(first, positive)
    if second is not None:
        r2, n2 = _placements(second, positive)
        r, n = r - r2, n - n2
    value = float(r.mean())
    # With one responder the spread between responders cannot be seen; the largest it could be stands in.
    var_r = float(r.var(ddof=1)) if len(r) > 1 else 0.25
    var_n = float(n.var(ddof=1)) if len(n) > 1 else 0.25
    return value, var_r / len(r) + var_n / len(n)


def _null_variance(theta: float, a: int, b: int) -> float:
    """Variance of an AUC whose true value is `theta` with `a` responders and `b` non-responders (Newcombe 2006)."""
    half = 0.5 * (a + b) - 1.0
    return theta * (1.0 - theta) * (1.0 + half * (1.0 - theta) / (2.0 - theta) + half * theta / (1.0 + theta)) / (a * b)


def auc_interval(score: np.ndarray, positive: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """AUC of one cohort with low and high of its interval: all true values that the observed one does not contradict.

    The ends solve |AUC - theta| = z sqrt(V(theta)) (method 5 of Newcombe 2006, doi:10.1002/sim.2324; from memory, not
    looked up), so they stay within 0 and 1 and a small cohort that is perfectly separated gives no certainty.
    """
    score, positive = _checked(score, positive)
    if positive.all() or not positive.any():
        return float("nan"), float("nan"), float("nan")
    value = float(_placements(score, positive)[0].mean())
    a, b, z = int(positive.sum()), int((~positive).sum()), float(ndtri(0.5 + level / 2.0))
    ends = []
    for far in (0.0, 1.0):
        inside, outside = value, far
        for _ in range(60):
            middle = 0.5 * (inside + outside)
            if abs(value - middle) <= z * math.sqrt(_null_variance(middle, a, b)):
                inside = middle
            else:
                outside = middle
        ends.append(inside)
    return value, ends[0], ends[1]


def pooled_difference(
    first: np.ndarray,
    second: np.ndarray | None,
    positive: np.ndarray,
    cohort: Sequence[str] | np.ndarray,
    level: float = 0.95,
) -> PooledAuc:
    """Pooled AUC of `first` minus that of `second`, on the patients that have both; alone when `second` is None.

    All arguments (patient,). Normal interval from the weighted DeLong variances: sum w_c^2 V_c / (sum w_c)^2.
    """
    first, positive = _checked(first, positive)
    names = np.asarray(cohort, dtype=object)
    ok = np.isfinite(first)
    if second is not None:
        second = np.asarray(second, dtype=float)
        ok &= np.isfinite(second)
    found: dict[str, tuple[float, float, float]] = {}
    left_out, n, responders = [], 0, 0
    for name in dict.fromkeys(names):
        here = (names == name) & ok
        y = positive[here]
        if not y.any() or y.all():
            left_out.append(str(name))
            continue
        value, variance = _difference_variance(first[here], None if second is None else second[here], y)
        found[str(name)] = (value, math.sqrt(variance), float(y.sum() * (~y).sum() / (len(y) + 1.0)))
        n, responders = n + len(y), responders + int(y.sum())
    if not found:
        nan = float("nan")
        return PooledAuc(nan, nan, nan, nan, 0, 0, {}, tuple(left_out))
    total = sum(w for _, _, w in found.values())
    estimate = sum(w * v for v, _, w in found.values()) / total
    se = math.sqrt(sum((w * s) ** 2 for _, s, w in found.values())) / total
    half = float(ndtri(0.5 + level / 2.0)) * se
    by_cohort = {name: (v, s, w / total) for name, (v, s, w) in found.items()}
    return PooledAuc(estimate, estimate - half, estimate + half, se, n, responders, by_cohort, tuple(left_out))


def pooled_auc(
    score: np.ndarray, positive: np.ndarray, cohort: Sequence[str] | np.ndarray, level: float = 0.95
) -> PooledAuc:
    """AUC within each cohort, pooled; patients without the score take no part. All arguments (patient,)."""
    return pooled_difference(score, None, positive, cohort, level)
