"""Association of each score with response and survival, in strata, with multiple testing handled.

One row of the table is one patient: `sample`, a column for each score (mechanism activities, for instance), the columns
that name the strata (`cohort`, `cancer_type`, `treatment_class`), `response` (1, 0 or missing), and days and event of
PFS and OS. Within a stratum

    log odds(response) = a + b z,   z = (score - mean) / standard deviation in the stratum

with a weak normal prior on b (standard deviation 2.5), without which a separated stratum has no odds ratio. What cannot
be said (too few patients, no spread) is a row with NaN and its reason in `note`, never a missing row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtr

from tumornexus.cohort.auc import auc_interval
from tumornexus.cohort.meta import random_effects
from tumornexus.cohort.survival import FEWEST_EVENTS, hazard_ratio
from tumornexus.errors import InputError, near_misses

PRIOR_SD = 2.5  # log odds per standard deviation: an odds ratio beyond 12 is not expected of any score
FEWEST_PER_CLASS = 3
Z975 = 1.959963984540054


def benjamini_hochberg(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Smallest false discovery rate at which each test is called, shape (test,); NaN stays NaN and is not counted.

    q_(i) = min over j >= i of m p_(j) / j, for the m ordered p values.
    """
    values = np.asarray(p, dtype=float)
    q = np.full(len(values), np.nan)
    known = np.flatnonzero(np.isfinite(values))
    if len(known):
        order = known[np.argsort(values[known], kind="stable")]
        raw = values[order] * len(order) / np.arange(1, len(order) + 1)
        q[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return q


def log_odds_per_sd(score: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """Log odds ratio of response per standard deviation of the score, and its standard error; both (patient,)."""
    z = (score - score.mean()) / score.std()
    design = np.column_stack([np.ones(len(z)), z])
    prior, b, hessian = np.diag([1e-4, 1.0 / PRIOR_SD**2]), np.zeros(2), np.eye(2)
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ b, -30, 30)))
        hessian = (design * (p * (1.0 - p))[:, None]).T @ design + prior
        step = np.linalg.solve(hessian, design.T @ (positive - p) - prior @ b)
        b = b + np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < 1e-10:
            break
    return float(b[1]), math.sqrt(float(np.linalg.inv(hessian)[1, 1]))


def _strata(
    table: pd.DataFrame, by: Sequence[str], scores: Sequence[str]
) -> list[tuple[tuple[str, ...], pd.DataFrame]]:
    for column in (*by, *scores):
        if column not in table.columns:
            raise InputError(
                "the table lacks a column", field=column, valid=near_misses(column, [str(c) for c in table.columns])
            )
    if not by:
        return [((), table)]
    keys = table[list(by)].astype(object).where(table[list(by)].notna(), "not given").astype(str)
    groups = table.groupby([keys[c] for c in by], sort=True)
    return [((name if isinstance(name, tuple) else (name,)), part) for name, part in groups]


def associate_response(
    table: pd.DataFrame, scores: Sequence[str], by: Sequence[str] = ("cohort", "cancer_type", "treatment_class")
) -> pd.DataFrame:
    """AUC and odds ratio per standard deviation of each score in each stratum, p and q (Benjamini-Hochberg in it).

    Columns: those of `by`, `score, n, responders, auc, auc_low, auc_high, log_or, se, odds_ratio, or_low, or_high, p,
    q, note`. Intervals 95 %. p is of the odds ratio (Wald).
    """
    rows = []
    for name, part in _strata(table, by, scores):
        for score in scores:
            known = part[[score, "response"]].dropna()
            x, y = known[score].to_numpy(dtype=float), known["response"].to_numpy(dtype=float) > 0.5
            row = {**dict(zip(by, name, strict=True)), "score": score, "n": len(x), "responders": int(y.sum())}
            note = ""
            if min(y.sum(), (~y).sum()) < FEWEST_PER_CLASS:
                note = f"fewer than {FEWEST_PER_CLASS} responders or non-responders"
            elif x.std() < 1e-9:
                note = "the score does not vary"
            found = [float("nan")] * 8
            if not note:
                b, se = log_odds_per_sd(x, y.astype(float))
                spread = [math.exp(v) for v in (b, b - Z975 * se, b + Z975 * se)]
                found = [*auc_interval(x, y), b, se, *spread]
            names = ("auc", "auc_low", "auc_high", "log_or", "se", "odds_ratio", "or_low", "or_high")
            row |= dict(zip(names, found, strict=True))
            row["p"] = 2.0 * float(ndtr(-abs(found[3] / found[4]))) if not note else float("nan")
            rows.append({**row, "note": note})
    return _with_q(pd.DataFrame(rows), by)


def associate_survival(
    table: pd.DataFrame,
    scores: Sequence[str],
    endpoint: str = "PFS",
    by: Sequence[str] = ("cohort", "cancer_type", "treatment_class"),
) -> pd.DataFrame:
    """Hazard ratio per standard deviation of each score in each stratum (Cox by lifelines), p and q within it.

    `endpoint` is PFS or OS; the table holds ``PFS_days`` and ``PFS_event``. Columns as in `associate_response`, with
    `log_hr, se, hazard_ratio, hr_low, hr_high, events`.
    """
    if endpoint not in ("PFS", "OS"):
        raise InputError("unknown endpoint", field="endpoint", value=endpoint, valid="PFS or OS")
    rows = []
    for name, part in _strata(table, by, [*scores, f"{endpoint}_days", f"{endpoint}_event"]):
        for score in scores:
            known = part[[score, f"{endpoint}_days", f"{endpoint}_event"]].astype(float).dropna()
            x = known[score].to_numpy()
            z = (x - x.mean()) / x.std() if len(x) and x.std() > 1e-9 else np.zeros(len(x))
            b, se, n, events = hazard_ratio(
                z, known[f"{endpoint}_days"].to_numpy(), known[f"{endpoint}_event"].to_numpy()
            )
            row = {**dict(zip(by, name, strict=True)), "score": score, "n": n, "events": events}
            note = ""
            if not math.isfinite(b):
                few = events < FEWEST_EVENTS
                note = f"fewer than {FEWEST_EVENTS} events" if few else "no spread, or the model did not converge"
            ratio = [math.exp(v) if math.isfinite(v) else v for v in (b, b - Z975 * se, b + Z975 * se)]
            row |= dict(zip(("log_hr", "se", "hazard_ratio", "hr_low", "hr_high"), (b, se, *ratio), strict=True))
            row["p"] = 2.0 * float(ndtr(-abs(b / se))) if math.isfinite(b) else float("nan")
            rows.append({**row, "note": note})
    return _with_q(pd.DataFrame(rows), by)


def _with_q(found: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Add q within each stratum, before the note."""
    q = np.full(len(found), np.nan)
    keys = [tuple(r) for r in found[list(by)].to_numpy()] if by else [()] * len(found)
    for key in dict.fromkeys(keys):
        rows = np.array([i for i, k in enumerate(keys) if k == key])
        q[rows] = benjamini_hochberg(found["p"].to_numpy()[rows])
    found.insert(len(found.columns) - 1, "q", q)
    return found


def pool_associations(found: pd.DataFrame, effect: str = "log_or") -> pd.DataFrame:
    """Random-effects meta-analysis of each score over the strata of an association table, q over the scores.

    `effect` is ``log_or`` or ``log_hr``. Columns `score, k, estimate, low, high, p, q, tau, i2, low_new, high_new` on
    the scale of the ratio (estimate, low, high, low_new, high_new) and of its logarithm (tau).
    """
    rows = []
    for score, part in found.groupby("score", sort=False):
        m = random_effects(part[effect].to_numpy(), part["se"].to_numpy())
        ratio = {k: float(np.exp(getattr(m, k))) for k in ("estimate", "low", "high", "low_new", "high_new")}
        rows.append({"score": score, "k": m.k, **ratio, "p": m.p, "tau": m.tau, "i2": m.i2})
    pooled = pd.DataFrame(rows)
    pooled["q"] = benjamini_hochberg(pooled["p"].to_numpy())
    return pooled
