"""Statistics of virtual patients: shares, survival curves, hazard ratios and restricted means, each with an interval.

Survival models come from lifelines, restricted means from `cohort.rmst`. Weights (of calibrated patients) are scaled to
their effective number, (sum w)^2 / sum w^2, so that an interval tells how many patients stand behind an estimate. Times
go in and come out in days; shares are percent. A median that is not reached is infinite, what cannot be known is NaN.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumornexus.errors import InputError

if TYPE_CHECKING:
    from tumornexus.trial.recist import Response

MASS = 0.95
LEAST_DAYS = 0.5  # a time of 0 (censored without a scan) has no place on a scale of ratios


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class HazardRatio(Estimate):
    """A hazard ratio, with the p of the log-rank test of equal hazards."""

    p: float


@dataclass(frozen=True)
class Curve:
    """A Kaplan-Meier curve with its pointwise 95 % interval (log-log), (time,) each.

    Attributes:
        days: 0 and the distinct times of events and censoring.
        survival, low, high: fraction free of events just after each.
        at_risk: patients (effective, where weighted) at risk just before each.
        last_event: whether the last time of all is an event, so that the curve is known beyond it.
    """

    days: np.ndarray
    survival: np.ndarray
    low: np.ndarray
    high: np.ndarray
    at_risk: np.ndarray
    last_event: bool

    def quantile(self, share: float = 0.5) -> Estimate:
        """Return the day on which the curve falls to `share` (default: the median), infinite where it does not."""

        def falls(curve: np.ndarray) -> float:
            below = np.flatnonzero(curve <= share + 1e-9)
            return float(self.days[below[0]]) if below.size else np.inf

        return Estimate(falls(self.survival), falls(self.low), falls(self.high))

    def at(self, day: float) -> Estimate:
        """Return the percent free of events at `day`; NaN beyond the last observation where that was censored."""
        if day > self.days[-1] and not self.last_event:
            return Estimate(np.nan, np.nan, np.nan)
        k = int(np.searchsorted(self.days, day, side="right")) - 1
        return Estimate(*(100.0 * float(curve[k]) for curve in (self.survival, self.low, self.high)))


def effective(weights: np.ndarray | None, n: int) -> np.ndarray:
    """Return weights (n,) scaled so that they sum to their effective number; ones where there are none.

    Raises:
        InputError: another number of weights than patients, or a weight that is negative or not a number, or all 0.
    """
    if weights is None:
        return np.ones(n)
    w = np.asarray(weights, dtype=float)
    if w.shape != (n,) or not np.isfinite(w).all() or (w < 0.0).any() or not w.sum() > 0.0:
        raise InputError("weights do not fit the patients", field="weights", value=w.shape,
                         valid=f"{n} numbers of at least 0, one of them above 0")  # fmt: skip
    return w * w.sum() / np.square(w).sum()


def share(flags: np.ndarray, weights: np.ndarray | None = None) -> Estimate:
    """Return the percent of true flags (patient,) with the exact interval of Clopper and Pearson.

    Quantiles of beta distributions, Beta(k, n - k + 1) and Beta(k + 1, n - k), k of n; with weights, both are effective
    numbers. NaN without patients.
    """
    from scipy.special import betaincinv

    flags = np.asarray(flags, dtype=bool)
    if not flags.size:
        return Estimate(np.nan, np.nan, np.nan)
    w = effective(weights, len(flags))
    n, k = float(w.sum()), float(w[flags].sum())
    tail = (1.0 - MASS) / 2.0
    low = float(betaincinv(k, n - k + 1.0, tail)) if k > 0.0 else 0.0
    high = float(betaincinv(k + 1.0, n - k, 1.0 - tail)) if n - k > 1e-9 else 1.0
    return Estimate(100.0 * k / n, 100.0 * low, 100.0 * high)


def response_rate(best: Sequence[str] | np.ndarray, weights: np.ndarray | None = None) -> Estimate:
    """Return the percent with an objective response (CR or PR) of all patients, not evaluable ones included."""
    return share(np.isin(np.asarray(best, dtype=str), ("CR", "PR", "iCR", "iPR")), weights)


def disease_control_rate(best: Sequence[str] | np.ndarray, weights: np.ndarray | None = None) -> Estimate:
    """Return the percent with CR, PR or SD of all patients, not evaluable ones included."""
    return share(np.isin(np.asarray(best, dtype=str), ("CR", "PR", "SD", "iCR", "iPR", "iSD")), weights)


def kaplan_meier(days: np.ndarray, event: np.ndarray, weights: np.ndarray | None = None) -> Curve:
    """Return the Kaplan-Meier curve of `days` (patient,) that end in an event where `event` is true.

    Raises:
        InputError: no patient, or a time that is not a number.
    """
    days, event = _times(days, event)
    lifelines = importlib.import_module("lifelines")
    with warnings.catch_warnings():
        # lifelines advises against weights that are not whole numbers because of its variance; see `effective`.
        warnings.simplefilter("ignore")
        fit = lifelines.KaplanMeierFitter(alpha=1.0 - MASS).fit(days, event, weights=effective(weights, len(days)))
    survival = fit.survival_function_.iloc[:, 0].to_numpy()
    # Where nobody is left, the interval has no value of its own: it keeps the last.
    bounds = fit.confidence_interval_.ffill().fillna(1.0).to_numpy()
    last = bool(event[days == days.max()].all())
    return Curve(fit.survival_function_.index.to_numpy(), survival, bounds[:, 0], bounds[:, 1],
                 fit.event_table["at_risk"].to_numpy(dtype=float), last)  # fmt: skip


def hazard_ratio(
    days: np.ndarray, event: np.ndarray, treated: np.ndarray, weights: np.ndarray | None = None
) -> HazardRatio:
    """Return the hazard ratio of the treated against the control patients, by a Cox model, and the log-rank p.

    All (patient,). Ties after Efron; with weights, the variance is robust. The two arms of a virtual trial share their
    luck, so that the ratio is nearer to its expectation than the interval of independent arms tells; the interval is
    that of a trial. NaN with fewer than five events in all, with an empty arm, or without a finite maximum.
    """
    from tumornexus.cohort import survival as cox

    days, event = _times(days, event)
    treated = np.asarray(treated, dtype=bool)
    p = log_rank_p(days, event, treated, weights)
    if weights is None:
        b, se, _, _ = cox.hazard_ratio(treated.astype(float), np.maximum(days, LEAST_DAYS), event)
    else:
        b, se = _weighted_cox(np.maximum(days, LEAST_DAYS), event, treated, effective(weights, len(days)))
    if not (np.isfinite(b) and abs(b) < cox.NO_MAXIMUM and se < cox.NO_MAXIMUM):
        return HazardRatio(np.nan, np.nan, np.nan, p)
    return HazardRatio(*(float(np.exp(b + z * se)) for z in (0.0, -1.959964, 1.959964)), p)


def _weighted_cox(days: np.ndarray, event: np.ndarray, treated: np.ndarray, w: np.ndarray) -> tuple[float, float]:
    from tumornexus.cohort import survival as cox

    pandas, package = importlib.import_module("pandas"), cox.lifelines()
    if event[w > 0].sum() < cox.FEWEST_EVENTS or len(np.unique(treated[w > 0])) < 2:
        return np.nan, np.nan
    table = pandas.DataFrame({"treated": treated.astype(float), "days": days, "event": event, "w": w})[w > 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = package.CoxPHFitter().fit(table, "days", "event", weights_col="w", robust=True)
        except (package.exceptions.ConvergenceError, np.linalg.LinAlgError):
            return np.nan, np.nan
    return float(fit.params_["treated"]), float(fit.standard_errors_["treated"])


def log_rank_p(days: np.ndarray, event: np.ndarray, treated: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the two-sided p of the log-rank test between the treated and the others, NaN with an empty arm."""
    days, event = _times(days, event)
    treated = np.asarray(treated, dtype=bool)
    if not event.any() or len(np.unique(treated)) < 2:
        return np.nan
    w = effective(weights, len(days))
    tests = importlib.import_module("lifelines.statistics")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = tests.logrank_test(days[treated], days[~treated], event[treated], event[~treated],
                                   weights_A=w[treated], weights_B=w[~treated])  # fmt: skip
    return float(found.p_value)


def restricted_mean(days: np.ndarray, event: np.ndarray, horizon_days: float) -> Estimate:
    """Return the mean of days without an event within `horizon_days`, by `cohort.rmst.rmst`.

    Raises:
        InputError: the horizon lies beyond the last observation and that was censored.
    """
    from tumornexus.cohort.rmst import rmst

    found = rmst(*_times(days, event), horizon_days)
    return Estimate(found.estimate, found.low, found.high)


def restricted_mean_difference(
    days: np.ndarray, event: np.ndarray, treated: np.ndarray, horizon_days: float
) -> Estimate:
    """Return the restricted mean of the treated minus that of the others, days; see `restricted_mean`."""
    from tumornexus.cohort.rmst import rmst_difference

    found = rmst_difference(*_times(days, event), np.asarray(treated, dtype=float), horizon_days)
    return Estimate(found.estimate, found.low, found.high)


def _times(days: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    days, event = np.asarray(days, dtype=float), np.asarray(event, dtype=bool)
    if not days.size or days.shape != event.shape or not np.isfinite(days).all() or (days < 0.0).any():
        raise InputError("these are not times of patients", field="days", value=days.shape,
                         valid="finite days of at least 0, one a patient, and an event flag for each")  # fmt: skip
    return days, event


def weighted_quantile(values: np.ndarray, weights: np.ndarray, q: Sequence[float] | float) -> np.ndarray:
    """Return weighted quantiles of one-dimensional `values`: the smallest value whose cumulative weight reaches q."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order]) / np.sum(weights)
    index = np.searchsorted(cumulative, np.atleast_1d(q) - 1e-12)
    return np.asarray(values)[order][np.minimum(index, len(values) - 1)]


def median_pfs(response: Response, weights: np.ndarray) -> float | None:
    """Return the median progression-free time in months, None when fewer than half progressed within the horizon."""
    value = float(weighted_quantile(response.pfs_months, weights, 0.5)[0])
    seen = float(np.sum(weights[response.progressed]) / np.sum(weights))
    return value if seen >= 0.5 else None
