"""From the patients table of a virtual trial to its endpoints with prediction intervals.

An interval is that of a new trial of `n` patients: it holds what is not known of the parameters (patients of one draw
of the calibration resemble each other), the deviation that every trial has of its own, the chance of `n` patients, and
that of the simulated ones. Rates live on the logit scale; times are read where the curve crosses the band of survival
around one half.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.activities import named_generator
from tumornexus.trial.calibration import Calibration
from tumornexus.trial.design import MONTH_DAYS
from tumornexus.trial.statistics import hazard_ratio, kaplan_meier

Z95 = 1.959964
SAMPLES = 4000  # of the predictive distribution
# Spread of trials around a model that is right on average, where no calibration has estimated it: nivolumab in
# first-line melanoma had 34 to 44 % in trials alone, 0.4 on the logit scale between the ends. Assumed.
DEFAULT_TRIAL_SD = {"rate": 0.25, "hazard": 0.15, "ratio": 0.2, "toxicity": 0.35}
TIMES = ((6, "6"), (12, "12"), (24, "24"))


def _logit(p: np.ndarray | float) -> Any:
    return np.log(p) - np.log1p(-np.asarray(p))


def between_draws(flag: np.ndarray, draw: np.ndarray) -> float:
    """Return the standard deviation between draws of the calibration of the logit of a rate.

    One-way analysis of variance of `flag` (patient,) by `draw`, not below 0, divided by p (1 - p).
    """
    flag = np.asarray(flag, dtype=float)
    _, group, size = np.unique(draw, return_inverse=True, return_counts=True)
    k, n = len(size), len(flag)
    p = float(np.clip(flag.mean(), 0.5 / n, 1.0 - 0.5 / n))
    if k < 2 or n <= k:
        return 0.0
    means = np.bincount(group, flag) / size
    between = np.sum(size * (means - flag.mean()) ** 2) / (k - 1)
    within = np.sum((flag - means[group]) ** 2) / (n - k)
    typical = (n - np.sum(size**2) / n) / (k - 1)
    return float(np.sqrt(max(between - within, 0.0) / typical) / (p * (1.0 - p)))


def predicted_rate(
    flag: np.ndarray, draw: np.ndarray, n: int, trial_sd: float, generator: np.random.Generator
) -> dict[str, float | None]:
    """Return a rate in percent with the 95 % prediction interval for a trial of `n` patients.

    logit p = logit of the simulated rate + N(0, sd^2), sd^2 of draws, trials and simulated patients; then binomial.
    """
    flag = np.asarray(flag, dtype=bool)
    if not len(flag):
        return {"estimate": None, "low": None, "high": None}
    count = len(flag)
    p = (flag.sum() + 0.5) / (count + 1.0)
    sd = np.sqrt(between_draws(flag, draw) ** 2 + trial_sd**2 + 1.0 / (count * p * (1.0 - p)))
    center = _logit(p) + sd * generator.standard_normal(SAMPLES)
    seen = generator.binomial(n, 1.0 / (1.0 + np.exp(-center))) / n
    low, high = np.quantile(seen, [0.025, 0.975])
    estimate = 100.0 * flag.mean()
    return {"estimate": estimate, "low": min(100.0 * low, estimate), "high": max(100.0 * high, estimate)}


def _band(survival: float, sd: float) -> tuple[float, float]:
    center = _logit(np.clip(survival, 1e-3, 1.0 - 1e-3))
    return tuple(1.0 / (1.0 + np.exp(-(center + s * Z95 * sd))) for s in (-1.0, 1.0))


def _uncertainty(days: np.ndarray, event: np.ndarray, draw: np.ndarray, at: float, n: int, trial_sd: float) -> float:
    """Return the predictive standard deviation of the logit of survival at a time."""
    gone = event & (days <= at)
    p = float(np.clip(gone.mean(), 0.02, 0.98))
    chance = 1.0 / (p * (1.0 - p))
    return float(np.sqrt(between_draws(gone, draw) ** 2 + trial_sd**2 + chance / n + chance / len(days)))


def survival_endpoints(
    name: str,
    days: np.ndarray,
    event: np.ndarray,
    draw: np.ndarray,
    n: int,
    trial_sd: float,
    horizon_days: float,
    times: tuple[tuple[int, str], ...] = TIMES,
) -> dict[str, dict[str, float | None]]:
    """Return median (months) and survival at fixed times (percent) with 95 % prediction intervals.

    A median that is not reached within what was simulated is None, and so is a bound of it.
    """
    nothing = {"estimate": None, "low": None, "high": None}
    out: dict[str, dict[str, float | None]] = {f"{name}_median": dict(nothing)}
    if not len(days):
        return out | {f"{name}_{t}": dict(nothing) for _, t in times}
    curve = kaplan_meier(days, event)

    def when(level: float) -> float | None:
        below = np.flatnonzero(curve.survival <= level + 1e-9)  # a product of fractions misses one half by a bit
        return float(curve.days[below[0]]) / MONTH_DAYS if len(below) else None

    middle = when(0.5)
    at = horizon_days if middle is None else middle * MONTH_DAYS
    low, high = _band(0.5, _uncertainty(days, event, draw, at, n, trial_sd))
    out[f"{name}_median"] = {"estimate": middle, "low": when(high), "high": when(low)}
    for month, label in times:
        day = month * MONTH_DAYS
        if day > horizon_days + 3.5:
            out[f"{name}_{label}"] = dict(nothing)
            continue
        value = float(curve.survival[np.searchsorted(curve.days, day, side="right") - 1])
        bounds = _band(value, _uncertainty(days, event, draw, day, n, trial_sd))
        out[f"{name}_{label}"] = {
            "estimate": 100.0 * value, "low": 100.0 * min(bounds[0], value), "high": 100.0 * max(bounds[1], value),
        }  # fmt: skip
    return out


def predicted_ratio(
    arm: pd.DataFrame, control: pd.DataFrame, name: str, n: int, trial_sd: float
) -> dict[str, float | None]:
    """Return the hazard ratio of an arm against the control with its 95 % prediction interval.

    Between draws: log ratios of ten groups of draws, their spread beyond what chance explains.
    """

    def ratio(a: pd.DataFrame, c: pd.DataFrame) -> tuple[float, float]:
        days = np.concatenate([a[f"{name}_days"], c[f"{name}_days"]])
        event = np.concatenate([a[f"{name}_event"], c[f"{name}_event"]]).astype(bool)
        found = hazard_ratio(days, event, np.arange(len(days)) < len(a))
        if not np.isfinite(found.estimate) or found.estimate <= 0.0:
            return float("nan"), float("nan")
        return float(np.log(found.estimate)), float((np.log(found.high) - np.log(found.low)) / (2.0 * Z95))

    log, error = ratio(arm, control)
    if not np.isfinite(log):
        return {"estimate": None, "low": None, "high": None}
    draws = np.unique(arm["draw"])
    groups = np.array_split(draws, min(10, len(draws)))
    parts = (
        [ratio(arm[arm["draw"].isin(g)], control[control["draw"].isin(g)]) for g in groups] if len(groups) > 2 else []
    )
    parts = [p for p in parts if np.isfinite(p[0]) and np.isfinite(p[1])]
    between = 0.0
    if len(parts) > 2:
        logs, errors = np.array(parts).T
        # Each group averages over its draws, so that the spread of one draw is larger by their number. Patients and
        # luck are shared between the arms, so that chance is at most that of independent arms: the estimate is low.
        between = max(float(np.var(logs, ddof=1) - np.mean(errors**2)), 0.0) * max(len(draws) / len(groups), 1.0)
    scale = len(arm) / n
    sd = float(np.sqrt(error**2 * scale + error**2 + between + trial_sd**2))
    return {"estimate": float(np.exp(log)), "low": float(np.exp(log - Z95 * sd)), "high": float(np.exp(log + Z95 * sd))}


def endpoints(
    patients: pd.DataFrame, arms: tuple[str, ...], calibration: Calibration, *, n: int, seed: int, months: int
) -> dict[str, Any]:
    """Return the endpoints of every arm and the hazard ratios against the last one, in the layout of endpoints.json.

    Rates in percent, times in months; None where a median is not reached.
    """
    sd: Mapping[str, float] = {**DEFAULT_TRIAL_SD, **calibration.trial_sd}
    horizon = months * MONTH_DAYS
    arms_found: dict[str, Any] = {}
    tables = {arm: patients[patients["arm"] == arm] for arm in arms}
    for arm, table in tables.items():
        draw = table["draw"].to_numpy()
        best = table["best"].astype(str)
        own: dict[str, Any] = {}
        for key, words in (("orr", ("CR", "PR")), ("cr", ("CR",)), ("pd", ("PD",)), ("dcr", ("CR", "PR", "SD"))):
            generator = named_generator(seed, "prediction", arm, key)
            own[key] = predicted_rate(best.isin(words).to_numpy(), draw, n, sd["rate"], generator)
        for name in ("pfs", "os"):
            own |= survival_endpoints(
                name, table[f"{name}_days"].to_numpy(), table[f"{name}_event"].to_numpy(bool), draw, n, sd["hazard"],
                horizon,
            )  # fmt: skip
        kept = table[table["dor_days"].notna()]
        share = max(round(n * len(kept) / max(len(table), 1)), 1)
        own |= survival_endpoints(
            "dor", kept["dor_days"].to_numpy(), kept["dor_event"].to_numpy(bool), kept["draw"].to_numpy(), share,
            sd["hazard"], horizon, (),
        )  # fmt: skip
        own["ae3"] = predicted_rate(
            np.isfinite(table["ae3_day"].to_numpy(float)), draw, n, sd["toxicity"],
            named_generator(seed, "prediction", arm, "ae3"),
        )  # fmt: skip
        arms_found[arm] = {k: {key: _rounded(x) for key, x in v.items()} for k, v in own.items()}
    ratios: dict[str, Any] = {}
    for arm in arms[:-1]:
        pair = tables[arm], tables[arms[-1]]
        of = {name: predicted_ratio(*pair, name, n, sd["ratio"]) for name in ("pfs", "os")}
        ratios[arm] = {name: {k: _rounded(x, 3) for k, x in found.items()} for name, found in of.items()}
    return {"n": n, "seed": seed, "arms": arms_found, "hazard_ratios": ratios}


def _rounded(x: float | None, digits: int = 2) -> float | None:
    return None if x is None or not np.isfinite(x) else round(float(x), digits)
