"""Competing risks: how many patients have met each of several ends by a day (Aalen and Johansen).

    F_k(t) = sum over event times t_j <= t of S(t_j-) d_kj / n_j,   sum over k of F_k(t) + S(t) = 1

One minus the Kaplan-Meier curve of one cause, with the other taken as censoring, is too high: it counts what would have
happened to the dead. Cause-specific hazard ratios come from `survival_interaction` with the event of one cause.
"""

from __future__ import annotations

import numpy as np

from tumornexus.errors import InputError


def cumulative_incidence(
    days: np.ndarray, cause: np.ndarray, at: np.ndarray | None = None
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Cumulative incidence of each cause.

    Args:
        days: (patient,) time to the first end.
        cause: (patient,) 0 for censored, 1, 2, ... for the end that came.
        at: (time,) days at which to read the curves; all distinct times of ends, if not given.

    Returns:
        The times (time,) and, by cause, the probability of having met it by then (time,).
    """
    days, cause = np.asarray(days, dtype=float), np.asarray(cause)
    if days.shape != cause.shape or not np.isfinite(days).all() or not np.isin(cause, range(20)).all():
        raise InputError("times and causes do not agree", field="cause", valid="one cause (0, 1, 2, ...) a finite time")
    times = np.unique(days[cause > 0])
    at_risk = len(days) - np.searchsorted(np.sort(days), times, side="left")
    counts = {}
    for k in np.unique(cause[cause > 0]):
        own = np.sort(days[cause == k])
        counts[int(k)] = np.searchsorted(own, times, side="right") - np.searchsorted(own, times, side="left")
    hazard = sum(counts.values(), np.zeros(len(times))) / np.maximum(at_risk, 1)
    before = np.concatenate([[1.0], np.cumprod(1.0 - hazard)[:-1]]) if len(times) else np.zeros(0)
    curves = {k: np.cumsum(before * d / at_risk) for k, d in counts.items()}
    if at is None:
        return times, curves
    at = np.asarray(at, dtype=float)
    place = np.searchsorted(times, at, side="right")
    return at, {k: np.concatenate([[0.0], v])[place] for k, v in curves.items()}
