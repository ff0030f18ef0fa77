"""How far trials lie from the calibrated model, measured on the arms it was fitted to: what prediction intervals add.

A normal deviation of zero mean on the logit scale of rates and of progression-free shares, the log scale of hazard
ratios and the logit scale of severe events. Its standard deviation is the one under which the published figures of
fitted arms are most likely, chance of trial and simulation taken off. It holds what the model misses, not only what
trials differ in; held-out arms have no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tumornexus.trial.calibrate import Target, flags_of
from tumornexus.trial.pool import FittedArm, require_fit
from tumornexus.trial.statistics import hazard_ratio

Z95 = 1.959964
GRID = np.linspace(0.0, 2.5, 251)


def likeliest_sd(residual: np.ndarray, variance: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the sd of a deviation N(0, sd^2) under which residuals with known variance of chance are most likely."""
    w = np.ones(len(residual)) if weight is None else weight
    total = GRID[:, None] ** 2 + variance[None, :]
    return float(GRID[int(np.argmax(np.sum(w * (-0.5 * np.log(total) - 0.5 * residual**2 / total), axis=1)))])


def _rate(flag: np.ndarray, published: float, n: float) -> tuple[float, float]:
    """Return the gap between logits of a published share and a simulated one, and the variance that chance gives it."""
    p = (flag.sum() + 0.5) / (len(flag) + 1.0)
    inside = (published * n + 0.5) / (n + 1.0)
    return float(np.log(inside / (1.0 - inside)) - np.log(p / (1.0 - p))), (1.0 / n + 1.0 / len(flag)) / (p * (1.0 - p))


def deviations(
    arms: Sequence[FittedArm], targets: Sequence[Target], pool: Mapping[tuple[str, str], pd.DataFrame]
) -> dict[str, float]:
    """Return the deviation by sort: ``rate``, ``hazard`` (survival at a time), ``ratio`` (log PFS hazard ratio) and
    ``toxicity``.

    `pool` holds patients simulated with calibrated parameters. Each arm counts once.

    Raises:
        InputError: an arm of a held-out trial.
    """
    for arm in arms:
        require_fit(arm.trial)
    out = {}
    for sort in ("rate", "hazard"):
        own = [t for t in targets if t.sort == sort]
        found = [_rate(flags_of(pool[t.arm.cohort, t.arm.regimen], t)[1], t.observed, t.n) for t in own]
        weight = np.array([1.0 / sum(u.arm is t.arm for u in own) for t in own])
        out[sort] = likeliest_sd(*np.array(found).T, weight)
    ratios, events = [], []
    for arm in arms:
        table, n = pool[arm.cohort, arm.regimen], float(arm.arm.n or 30)
        if arm.arm.outcome.ae3 is not None:
            flag = np.isfinite(table["ae3_day"].to_numpy(float))
            events.append(_rate(flag, arm.arm.outcome.ae3 / 100.0, n))
        control = next((a for a in arms if a.trial is arm.trial and a.arm.control and a is not arm), None)
        if arm.arm.outcome.pfs_hr is None or control is None:
            continue
        other = pool[control.cohort, control.regimen]
        days, event = (np.concatenate([table[c], other[c]]) for c in ("pfs_days", "pfs_event"))
        ratio = hazard_ratio(days, event, np.arange(len(days)) < len(table))
        if np.isfinite(ratio.estimate) and ratio.estimate > 0.0:
            error = (np.log(ratio.high) - np.log(ratio.low)) / (2.0 * Z95)
            gap = np.log(arm.arm.outcome.pfs_hr) - np.log(ratio.estimate)
            ratios.append((gap, error**2 * (1.0 + len(table) / n)))
    out["ratio"] = likeliest_sd(*np.array(ratios).T)
    out["toxicity"] = likeliest_sd(*np.array(events).T)
    return out
