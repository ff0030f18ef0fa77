"""Restricted mean survival time: days alive (or without progression) up to a horizon, where hazards may cross.

    RMST(tau) = integral from 0 to tau of S(t) dt,   S after Kaplan and Meier
    Var       = sum over event times t_j <= tau of  A_j^2 d_j / (n_j (n_j - d_j)),   A_j = integral from t_j to tau of S

with d_j events among n_j at risk. A hazard ratio is an average over time whose weights hang on censoring when hazards
are not proportional; a difference of restricted means is in days and needs no such assumption (Royston and Parmar 2013,
doi:10.1186/1471-2288-13-152; from memory, not looked up).
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from tumornexus.cohort.survival import FEWEST_EVENTS, lifelines
from tumornexus.errors import InputError


@dataclass(frozen=True)
class Rmst:
    """A restricted mean or a difference of two, in days, with standard error and 95 % interval; `n` patients."""

    estimate: float
    se: float
    n: int

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.estimate - float(ndtri(0.975)) * self.se

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.estimate + float(ndtri(0.975)) * self.se

    @property
    def p(self) -> float:
        """Two-sided p of no difference (normal)."""
        return 2.0 * float(ndtr(-abs(self.estimate) / self.se)) if self.se > 0 else float("nan")


def _known(*values: np.ndarray) -> tuple[np.ndarray, ...]:
    arrays = [np.asarray(v, dtype=float) for v in values]
    ok = np.all([np.isfinite(a) for a in arrays], axis=0)
    return tuple(a[ok] for a in arrays)


def longest_horizon(days: np.ndarray, event: np.ndarray) -> float:
    """Latest horizon at which the curve is known: the last time, or any horizon if that was an event; days."""
    days, event = _known(days, event)
    if not len(days):
        return 0.0
    last = float(days.max())
    return math.inf if bool(event[days == last].all()) else last


def survival_curve(days: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Distinct event times, Kaplan-Meier survival just after each, number at risk and events at each; (time,)."""
    days, event = _known(days, event)
    times = np.unique(days[event > 0.5])
    at_risk = len(days) - np.searchsorted(np.sort(days), times, side="left")
    dying = np.sort(days[event > 0.5])
    died = np.searchsorted(dying, times, side="right") - np.searchsorted(dying, times, side="left")
    return times, np.cumprod(1.0 - died / at_risk), at_risk.astype(float), died.astype(float)


def rmst(days: np.ndarray, event: np.ndarray, horizon: float) -> Rmst:
    """Restricted mean up to `horizon` days of one group, (patient,) each; missing rows take no part.

    Raises:
        InputError: the horizon lies beyond the last observation of a group in which it was censored.
    """
    days, event = _known(days, event)
    if not len(days):
        return Rmst(float("nan"), float("nan"), 0)
    latest = longest_horizon(days, event)
    if not 0.0 < horizon <= latest:
        raise InputError(
            "the horizon of a restricted mean lies where the curve is not known",
            field="horizon", value=horizon, valid=f"above 0 and at most {latest:g} days",
        )  # fmt: skip
    times, survival, at_risk, died = survival_curve(days, event)
    inside = times < horizon
    times, survival, at_risk, died = (v[inside] for v in (times, survival, at_risk, died))
    edges = np.concatenate([[0.0], times, [horizon]])
    areas = np.diff(edges) * np.concatenate([[1.0], survival])
    after = areas[::-1].cumsum()[::-1][1:]  # from each event time to the horizon
    left = at_risk - died
    variance = float((after[left > 0] ** 2 * died[left > 0] / (at_risk[left > 0] * left[left > 0])).sum())
    return Rmst(float(areas.sum()), math.sqrt(variance), len(days))


def rmst_difference(
    days: np.ndarray,
    event: np.ndarray,
    treated: np.ndarray,
    horizon: float,
    stratum: Sequence[str] | np.ndarray | None = None,
) -> Rmst:
    """Restricted mean under treatment minus that under control, within strata, weighted by their patients.

    All (patient,). A stratum with an empty arm takes no part.
    """
    names = (
        np.full(len(np.asarray(days)), "all", dtype=object) if stratum is None else np.asarray(stratum, dtype=object)
    )
    arrays = [np.asarray(v, dtype=float) for v in (days, event, treated)]
    ok = np.all([np.isfinite(a) for a in arrays], axis=0)
    total, estimate, variance = 0, 0.0, 0.0
    for name in dict.fromkeys(names[ok]):
        here = ok & (names == name)
        arms = [here & (arrays[2] == side) for side in (1.0, 0.0)]
        if not all(a.any() for a in arms):
            continue
        one, two = (rmst(arrays[0][a], arrays[1][a], horizon) for a in arms)
        n = one.n + two.n
        total += n
        estimate += n * (one.estimate - two.estimate)
        variance += n**2 * (one.se**2 + two.se**2)
    if not total:
        return Rmst(float("nan"), float("nan"), 0)
    return Rmst(estimate / total, math.sqrt(variance) / total, total)


def contrast(first: Rmst, second: Rmst) -> Rmst:
    """Difference of two independent (differences of) restricted means: the interaction in days."""
    return Rmst(first.estimate - second.estimate, math.hypot(first.se, second.se), first.n + second.n)


def proportional_hazards_p(
    treated: np.ndarray, days: np.ndarray, event: np.ndarray, stratum: Sequence[str] | np.ndarray | None = None
) -> float:
    """p of proportional hazards of the treatment: scaled Schoenfeld residuals against time (Grambsch and Therneau).

    By lifelines, with its Kaplan-Meier transform of time. NaN with fewer than five events in an arm.
    """
    names = (
        np.full(len(np.asarray(days)), "all", dtype=object) if stratum is None else np.asarray(stratum, dtype=object)
    )
    table = pd.DataFrame({"treated": treated, "days": days, "event": event}, dtype=float).assign(stratum=names).dropna()
    counts = table.groupby("treated")["event"].sum()
    if len(counts) < 2 or float(counts.min()) < FEWEST_EVENTS:
        return float("nan")
    table["days"] = table["days"].clip(lower=0.5)
    package = lifelines()
    statistics = importlib.import_module("lifelines.statistics")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = package.CoxPHFitter().fit(table, "days", "event", strata=["stratum"])
        found = statistics.proportional_hazard_test(model, table, time_transform="km")
    return float(np.ravel(found.p_value)[0])
