"""RECIST 1.1 on simulated lesions, SITC categories of resistance, progression-free time and grade >= 3 toxicity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge

SCAN_EVERY_WEEKS = 8  # imaging interval of most checkpoint trials is 6 to 12 weeks
MONTH_DAYS = 30.4375
LABELS = ("CR", "PR", "SD", "PD")
REASONS = ("none", "target", "new lesion", "non-target", "numerical failure")
RESISTANCE = ("none", "primary", "secondary")
PD1_AXIS = ("anti_pd1", "anti_pdl1")
# CheckMate-067 (Larkin 2015): 55 % against 16.3 % and 27.3 % of the parts; -ln(0.45) / (-ln(0.837) - ln(0.727)) = 1.6.
CTLA4_PD1_INTERACTION = 1.6
# Of the lesion axis, 0 to 2 are found by imaging before treatment; any further one is an occult metastasis.
MEASURED_LESIONS = 3
# Smallest lesion that counts as measurable on CT (RECIST 1.1, section 3.1.1), and so the size at which an occult one
# is seen.
MEASURABLE_MM = 10.0
# A lymph-node-sized rest below 10 mm counts as gone (RECIST 1.1, section 4.3.1).
COMPLETE_BELOW_MM = 10.0
PROGRESSION_RATIO = 1.2
PROGRESSION_MM = 5.0
RESPONSE_RATIO = 0.7
# RECIST 1.1 (section 4.3.4) calls 73 % more volume, the same as 20 % more diameter, unequivocal where nothing else can
# be measured. Beside target lesions it only asks for substantial worsening; the same limit is assumed there.
NON_TARGET_RATIO = 1.73 ** (1.0 / 3.0)
STABLE_MONTHS = 6.0  # SITC: stable disease at least this long was a benefit (Kluger 2020)


@dataclass(frozen=True)
class Response:
    """RECIST outcome per member, each of shape (member,).

    Attributes:
        best: best response before progression, index into `LABELS`.
        pfs_months: time to progression or to the end of observation, months.
        progressed: whether progression was seen.
        change_percent: best change of the sum of target diameters from baseline, percent.
        reason: what showed the progression, index into `REASONS`; where several did on one scan, the first of them.
    """

    best: np.ndarray
    pfs_months: np.ndarray
    progressed: np.ndarray
    change_percent: np.ndarray
    reason: np.ndarray

    @property
    def objective(self) -> np.ndarray:
        """True for a complete or partial response."""
        return self.best <= 1

    @property
    def resistance(self) -> np.ndarray:
        """Return the category of resistance, index into `RESISTANCE`.

        Primary: progression as best response, or after stable disease of less than `STABLE_MONTHS`. Secondary
        (acquired): progression after a response or after longer stable disease. None: no progression seen. The first
        scan, at 8 weeks, lies beyond the 6 weeks of treatment that SITC asks for; its confirming scan is left out
        because simulated diameters carry no reading error. Source: Kluger et al. 2020, J Immunother Cancer 8:e000398.
        """
        benefit = self.objective | ((self.best == 2) & (self.pfs_months >= STABLE_MONTHS))
        return np.where(self.progressed, np.where(benefit, 2, 1), 0)


def diameter_mm(volume_ml: np.ndarray) -> np.ndarray:
    """Return the diameter in mm of a sphere of `volume_ml`: d = (6 V / pi)^(1/3)."""
    return 10.0 * np.cbrt(6.0 * np.maximum(volume_ml, 0.0) / np.pi)


def _roles(base_mm: np.ndarray, occult: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which lesions, shape (member, lesion), are targets and which can be seen at baseline.

    Targets are the imaged lesions of at least `MEASURABLE_MM`; where none is that large, the largest of them, all
    where several are equal.
    """
    target = ~occult & (base_mm >= MEASURABLE_MM)
    none = np.flatnonzero(~target.any(axis=1))
    imaged = np.where(occult, -1.0, base_mm)[none]
    target[none] = (imaged == imaged.max(axis=1, keepdims=True)) & (imaged > 0.0)
    target[none, imaged.argmax(axis=1)] = True
    seen = target | (base_mm >= MEASURABLE_MM) | (~occult & (base_mm > 0.0))
    return target, seen


def _by_lesion(volume_ml: np.ndarray) -> np.ndarray:
    """Return volumes (member, lesion, time); a total is one lesion."""
    volume = np.asarray(volume_ml, dtype=float)
    if volume.ndim not in (2, 3):
        raise InputError("volumes have the wrong number of axes", field="volume_ml", value=volume.shape,
                         valid="(member, lesion, time), or (member, time) for a total")  # fmt: skip
    return volume[:, None, :] if volume.ndim == 2 else volume


def _occult(base_mm: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.arange(base_mm.shape[1]) >= MEASURED_LESIONS, base_mm.shape)


def sum_of_diameters(volume_ml: np.ndarray) -> np.ndarray:
    """Return what RECIST 1.1 follows, the sum of the longest diameters of target lesions in mm, (member, time).

    `volume_ml` as in `recist`, which judges this sum; lesions are taken as spheres, and new ones are not in it.
    """
    d = diameter_mm(_by_lesion(volume_ml))
    target, _ = _roles(d[..., 0], _occult(d[..., 0]))
    return np.where(target[..., None], d, 0.0).sum(axis=1)


def _smallest_before(base: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return, for every scan (last axis), the smallest value at baseline and at the scans before it."""
    return np.minimum.accumulate(np.concatenate([base[..., None], at], axis=-1), axis=-1)[..., :-1]


def _grown(at: np.ndarray, nadir: np.ndarray, ratio: float) -> np.ndarray:
    """Return where diameters exceed the smallest so far by `ratio` and by `PROGRESSION_MM`."""
    return (at >= ratio * nadir) & (at - nadir >= PROGRESSION_MM)


def recist(volume_ml: np.ndarray, time_days: np.ndarray) -> Response:
    """Return RECIST 1.1 outcomes of lesion volumes that are scanned every `SCAN_EVERY_WEEKS`.

    `volume_ml` has shape (member, lesion, time), or (member, time) where only the total is known: then it is one target
    lesion. The first time is the baseline.

    Of the sum of target diameters, PR: at least 30 % below baseline; PD: at least 20 % and 5 mm above the smallest so
    far; CR: a PR with every target, and every other lesion seen at baseline, below `COMPLETE_BELOW_MM` (without the PR,
    shrinkage from 10.1 to 9.9 mm would be complete); SD: none of these. PD also: a lesion not seen at baseline reaches
    `MEASURABLE_MM`; or a lesion seen but no target grows from its smallest by `NON_TARGET_RATIO` and 5 mm to at least
    `MEASURABLE_MM` (the two limits in mm are assumed). Responses count until progression and need no second scan. A
    member that failed numerically (NaN) counts as PD at the first scan.

    Source: Eisenhauer et al. 2009, Eur J Cancer 45:228.

    Raises:
        InputError: the volumes have another number of axes, or no scan falls within the observed time.
    """
    volume = _by_lesion(volume_ml)
    scan = np.flatnonzero((time_days > 0) & (time_days % (7 * SCAN_EVERY_WEEKS) == 0))
    if not scan.size:
        every = f"{SCAN_EVERY_WEEKS} weeks"
        raise InputError("no scan falls within the observed time", field="time_days", value=float(time_days[-1]),
                         valid=f"at least {every}, with a time point every {every}")  # fmt: skip
    d = diameter_mm(volume)
    lesion_base, lesion_at = d[..., 0], d[..., scan]
    failed = ~(np.isfinite(lesion_at).all(axis=(1, 2)) & np.isfinite(lesion_base).all(axis=1))
    target, seen = _roles(lesion_base, _occult(lesion_base))
    total = sum_of_diameters(volume)
    base, at = total[:, 0], total[:, scan]
    with np.errstate(invalid="ignore"):  # inf - inf of a failed member
        lesion_grown = _grown(lesion_at, _smallest_before(lesion_base, lesion_at), NON_TARGET_RATIO)
        target_pd = _grown(at, _smallest_before(base, at), PROGRESSION_RATIO)
    visible = lesion_at >= MEASURABLE_MM
    new = (visible & ~seen[..., None]).any(axis=1)
    non_target = (visible & lesion_grown & (seen & ~target)[..., None]).any(axis=1)

    by_reason = np.stack([target_pd, new, non_target])  # in the order of REASONS[1:4]
    by_reason[:, failed, 0] = True
    pd = by_reason.any(axis=0)
    progressed = pd.any(axis=1)
    first = np.where(progressed, pd.argmax(axis=1), len(scan))
    at_first = by_reason[:, np.arange(len(pd)), np.minimum(first, len(scan) - 1)]
    reason = np.where(failed, 4, np.where(progressed, 1 + at_first.argmax(axis=0), 0))
    before = np.arange(len(scan))[None, :] < first[:, None]
    response = (at <= RESPONSE_RATIO * base[:, None]) & before
    gone = ((lesion_at < COMPLETE_BELOW_MM) | ~seen[..., None]).all(axis=1)
    measurable = (target & (lesion_base >= MEASURABLE_MM)).any(axis=1, keepdims=True)
    cr = (response & gone & measurable).any(axis=1)
    best = np.where(cr, 0, np.where(response.any(axis=1), 1, np.where(first == 0, 3, 2)))
    days = np.where(progressed, time_days[scan][np.minimum(first, len(scan) - 1)], time_days[-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        change = 100.0 * (np.where(before, at, np.inf).min(axis=1) / base - 1.0)
        change = np.where(np.isfinite(change), change, 100.0 * (at[:, 0] / base - 1.0))
    return Response(best, days / MONTH_DAYS, progressed, change, reason)


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


def grade3_percent_simulated(
    hazard: np.ndarray, event_day: np.ndarray, time_days: np.ndarray, weights: np.ndarray, by_day: float
) -> float:
    """Return the simulated percent of patients with a grade >= 3 event on or before `by_day`.

    100 (1 - exp(-H)), H the sum over time of the mean increase of `hazard` among members that have had no event yet:
    the cumulative hazard of the population (Nelson-Aalen, with each member's expected instead of its counted events).
    It has far less chance in it than counting events of 64 members, and, unlike the mean of exp(-hazard), is not too
    low because drugs of members with an event are held. `hazard` (member, time) cumulative; `event_day` (member,),
    infinite or NaN where there is none; `weights` (member,). Members with NaN count nowhere.
    """
    hazard = np.asarray(hazard, dtype=float)
    rise = np.diff(hazard, axis=1)
    free = np.where(np.isnan(event_day), np.inf, event_day)[:, None] > time_days[None, :-1]
    at_risk = np.where(free & np.isfinite(rise), np.asarray(weights)[:, None], 0.0)
    total = at_risk.sum(axis=0)
    mean = np.divide((at_risk * np.nan_to_num(rise)).sum(axis=0), total, out=np.zeros_like(total), where=total > 0.0)
    cumulative = np.concatenate([[0.0], np.cumsum(mean)])
    return float(-100.0 * np.expm1(-np.interp(by_day, time_days, cumulative)))
