"""Survival within cohorts: hazard ratio of a score (Cox) and concordance with the order of events.

    concordance = (pairs in which the higher score lives longer + half of the ties) / comparable pairs

A pair is comparable when the shorter time ended in an event. Pairs are made within a cohort only and pooled over
cohorts. Intervals come from patients drawn with replacement within cohorts, the same draws for every score.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

# Beyond this a log hazard ratio or its error has no finite maximum: all events lie on one side of the score.
NO_MAXIMUM = 15.0
FEWEST_EVENTS = 5  # below this a Cox model of one covariate says nothing


@dataclass(frozen=True)
class Concordance:
    """Concordance of one score (or the difference of two), pooled over cohorts.

    Attributes:
        estimate, low, high: 95 % interval by bootstrap within cohorts.
        pairs: comparable pairs; n: patients.
        by_cohort: cohort to (estimate, comparable pairs).
    """

    estimate: float
    low: float
    high: float
    pairs: int
    n: int
    by_cohort: dict[str, tuple[float, int]]


def lifelines() -> Any:
    """Return lifelines, imported when it is first needed (it takes about a second) and without its types."""
    return importlib.import_module("lifelines")


def hazard_ratio(score: np.ndarray, days: np.ndarray, event: np.ndarray) -> tuple[float, float, int, int]:
    """Log hazard ratio per unit of `score`, its standard error, patients and events; Cox model by lifelines.

    All (patient,); rows with a missing value take no part. NaN where fewer than five events or no spread is left, or
    where the likelihood has no maximum.
    """
    table = pd.DataFrame({"score": score, "days": days, "event": event}, dtype=float).dropna()
    n, events = len(table), int(table["event"].sum())
    if events < FEWEST_EVENTS or float(table["score"].std()) < 1e-9:
        return float("nan"), float("nan"), n, events
    package = lifelines()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = package.CoxPHFitter().fit(table.assign(days=table["days"].clip(lower=0.5)), "days", "event")
        except (package.exceptions.ConvergenceError, np.linalg.LinAlgError):
            return float("nan"), float("nan"), n, events
    b, se = float(model.params_["score"]), float(model.standard_errors_["score"])
    if not abs(b) < NO_MAXIMUM or not se < NO_MAXIMUM:
        return float("nan"), float("nan"), n, events
    return b, se, n, events


def _pairs(days: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Comparable pairs (i, j): i had its event before the time of j, or at the time at which j was still observed."""
    earlier = days[:, None] < days[None, :]
    same = (days[:, None] == days[None, :]) & ~event.astype(bool)[None, :]
    return (event.astype(bool)[:, None] & (earlier | same)).astype(float)


def _agreeing(score: np.ndarray) -> np.ndarray:
    """1 where the second of a pair scores higher, one half where equal."""
    return (score[:, None] < score[None, :]) + 0.5 * (score[:, None] == score[None, :])


def concordance_difference(
    first: np.ndarray,
    second: np.ndarray | None,
    days: np.ndarray,
    event: np.ndarray,
    cohort: Sequence[str] | np.ndarray,
    *,
    draws: int = 1000,
    seed: int = 1,
) -> Concordance:
    """Concordance of `first` minus that of `second` on patients that have both; of `first` alone without `second`.

    All (patient,). Higher scores are meant to live longer.
    """
    names = np.asarray(cohort, dtype=object)
    values = [np.asarray(first, dtype=float)] + ([] if second is None else [np.asarray(second, dtype=float)])
    days, event = np.asarray(days, dtype=float), np.asarray(event, dtype=float)
    ok = np.isfinite(days) & np.isfinite(event)
    for v in values:
        ok &= np.isfinite(v)
    rng = np.random.default_rng(seed)
    by_cohort: dict[str, tuple[float, int]] = {}
    top, bottom, n = np.zeros(draws + 1), np.zeros(draws + 1), 0
    for name in dict.fromkeys(names):
        here = np.flatnonzero(ok & (names == name))
        counts = np.vstack(
            [np.ones(len(here)), rng.multinomial(len(here), np.full(len(here), 1.0 / max(len(here), 1)), size=draws)]
            if len(here)
            else np.zeros((draws + 1, 0))
        )
        comparable = _pairs(days[here], event[here])
        if comparable.sum() == 0:
            continue
        agree = _agreeing(values[0][here]) - (_agreeing(values[1][here]) if second is not None else 0.0)
        won = np.einsum("bi,ij,bj->b", counts, comparable * agree, counts, optimize=True)
        seen = np.einsum("bi,ij,bj->b", counts, comparable, counts, optimize=True)
        by_cohort[str(name)] = (float(won[0] / seen[0]), int(seen[0]))
        top, bottom, n = top + won, bottom + seen, n + len(here)
    if bottom[0] == 0:
        return Concordance(float("nan"), float("nan"), float("nan"), 0, 0, {})
    ratio = top / bottom
    low, high = np.quantile(ratio[1:], (0.025, 0.975))
    return Concordance(float(ratio[0]), float(low), float(high), int(bottom[0]), n, by_cohort)


def concordance(
    score: np.ndarray,
    days: np.ndarray,
    event: np.ndarray,
    cohort: Sequence[str] | np.ndarray,
    *,
    draws: int = 1000,
    seed: int = 1,
) -> Concordance:
    """Concordance of one score; see `concordance_difference`."""
    return concordance_difference(score, None, days, event, cohort, draws=draws, seed=seed)
