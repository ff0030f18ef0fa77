"""RECIST 1.1 on simulated volumes, progression-free time and grade >= 3 toxicity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tumornexus.knowledge import Knowledge

SCAN_EVERY_WEEKS = 8  # imaging interval of most checkpoint trials is 6 to 12 weeks
MONTH_DAYS = 30.4375
LABELS = ("CR", "PR", "SD", "PD")
PD1_AXIS = ("anti_pd1", "anti_pdl1")
# CheckMate-067 (Larkin 2015): 55 % against 16.3 % and 27.3 % of the parts; -ln(0.45) / (-ln(0.837) - ln(0.727)) = 1.6.
CTLA4_PD1_INTERACTION = 1.6
# A lymph-node-sized rest below 10 mm counts as gone (RECIST 1.1, section 4.3.1).
COMPLETE_BELOW_MM = 10.0


@dataclass(frozen=True)
class Response:
    """RECIST outcome per member: best response (index into `LABELS`), progression time in months, and whether seen."""

    best: np.ndarray
    pfs_months: np.ndarray
    progressed: np.ndarray
    change_percent: np.ndarray  # best change of diameter from baseline

    @property
    def objective(self) -> np.ndarray:
        """True for a complete or partial response."""
        return self.best <= 1


def diameter_mm(volume_ml: np.ndarray) -> np.ndarray:
    """Return the diameter in mm of a sphere of `volume_ml`: d = (6 V / pi)^(1/3)."""
    return 10.0 * np.cbrt(6.0 * np.maximum(volume_ml, 0.0) / np.pi)


def recist(volume_ml: np.ndarray, time_days: np.ndarray) -> Response:
    """Return RECIST 1.1 outcomes of volume trajectories, shape (member, time), scanned every `SCAN_EVERY_WEEKS`.

    PR: at least 30 % below baseline diameter; PD: at least 20 % and 5 mm above the smallest so far; CR: below
    `COMPLETE_BELOW_MM`; SD: neither at the first scan. Responses count until progression. One measured sum stands for
    all target lesions; new lesions are not simulated here. A member that failed numerically (NaN) counts as PD at the
    first scan.
    """
    scan = np.flatnonzero((time_days > 0) & (time_days % (7 * SCAN_EVERY_WEEKS) == 0))
    d = diameter_mm(np.asarray(volume_ml, dtype=float))
    base, at = d[:, :1], d[:, scan]
    so_far = np.minimum.accumulate(np.concatenate([base, at], axis=1), axis=1)[:, :-1]
    failed = ~np.isfinite(at).all(axis=1) | ~np.isfinite(base[:, 0])
    pd = (at >= 1.2 * so_far) & (at - so_far >= 5.0)
    pd[failed, 0] = True
    progressed = pd.any(axis=1)
    first = np.where(progressed, pd.argmax(axis=1), len(scan))
    before = np.arange(len(scan))[None, :] < first[:, None]
    pr = ((at <= 0.7 * base) & before).any(axis=1)
    cr = ((at < COMPLETE_BELOW_MM) & before & (base >= COMPLETE_BELOW_MM)).any(axis=1)
    best = np.where(cr, 0, np.where(pr, 1, np.where(first == 0, 3, 2)))
    days = np.where(progressed, time_days[scan][np.minimum(first, len(scan) - 1)], time_days[-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        change = 100.0 * (np.where(before, at, np.inf).min(axis=1, initial=np.inf) / base[:, 0] - 1.0)
    change = np.where(np.isfinite(change), change, 100.0 * (at[:, 0] / base[:, 0] - 1.0))
    return Response(best=best, pfs_months=days / MONTH_DAYS, progressed=progressed, change_percent=change)


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


def grade3_percent(drugs: Sequence[str], knowledge: Knowledge) -> tuple[float, float, float]:
    """Return the percent of patients with grade >= 3 treatment-related events of a combination, with its interval.

    Hazards add: 1 - prod(1 - p_i). Dual CTLA-4 and PD-1 blockade is the one sourced interaction: the parts (16 % and
    27 %) would give 39 %, CheckMate-067 saw 55 %, a hazard ratio of 1.6 over additivity, applied to that pair.
    """
    therapies = {t for d in drugs for t in knowledge.drugs[d].therapy}
    hazards, pair = np.zeros(3), np.zeros(3)
    for drug in drugs:
        tox = knowledge.drugs[drug].toxicity
        own = -np.log1p(-np.clip(np.array([tox.ae3_percent, tox.low, tox.high]) / 100.0, 0.0, 0.99))
        hazards += own
        if set(knowledge.drugs[drug].therapy) & {"anti_ctla4", *PD1_AXIS}:
            pair += own
    if "anti_ctla4" in therapies and therapies & set(PD1_AXIS):
        hazards += (CTLA4_PD1_INTERACTION - 1.0) * pair
    estimate, low, high = 100.0 * (1.0 - np.exp(-hazards))
    return float(estimate), float(low), float(high)
