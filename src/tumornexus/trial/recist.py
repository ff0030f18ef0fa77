"""RECIST 1.1 on measured scans, and on noise-free ones; SITC categories of resistance.

Rules of one scan (Eisenhauer et al. 2009, Eur J Cancer 45:228), in `find`; what they make of a patient, with and
without a second scan that confirms, in `assess`; the noise-free reading of simulated volumes in `recist`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tumornexus.trial.scans import MEASURABLE_MM, PERFECT_READER, ScanPlan, Scans, measure

SCAN_EVERY_WEEKS = 8  # imaging interval of most checkpoint trials is 6 to 12 weeks
MONTH_DAYS = 30.4375
LABELS = ("CR", "PR", "SD", "PD")
BEST = (*LABELS, "NE")
REASONS = ("none", "target", "new lesion", "non-target", "numerical failure", "death")
RESISTANCE = ("none", "primary", "secondary")
CR, PR, SD, PD, NE = range(5)
# A lymph-node-sized rest below 10 mm counts as gone (RECIST 1.1, section 4.3.1).
COMPLETE_BELOW_MM = 10.0
PROGRESSION_RATIO = 1.2
PROGRESSION_MM = 5.0
RESPONSE_RATIO = 0.7
# RECIST 1.1 (section 4.3.4) calls 73 % more volume, the same as 20 % more diameter, unequivocal where nothing else can
# be measured. Beside target lesions it only asks for substantial worsening; the same limit is assumed there.
NON_TARGET_RATIO = 1.73 ** (1.0 / 3.0)
STABLE_MONTHS = 6.0  # SITC: stable disease at least this long was a benefit (Kluger 2020)
NOISE_FREE = ScanPlan(SCAN_EVERY_WEEKS, SCAN_EVERY_WEEKS, confirm=False, window_days=0.0, reader=PERFECT_READER)


@dataclass(frozen=True)
class Found:
    """What each scan shows on its own and against the scans before it.

    Attributes:
        by_reason: progression, (reason, member, scan), in the order of `REASONS` from ``target`` to ``non-target``.
        response: sum of targets at least 30 % below baseline, (member, scan).
        complete: a response with every lesion seen at baseline gone, (member, scan).
    """

    by_reason: np.ndarray
    response: np.ndarray
    complete: np.ndarray

    @property
    def progression(self) -> np.ndarray:
        """Whether anything shows progression, (member, scan)."""
        return self.by_reason.any(axis=0)


@dataclass(frozen=True)
class Assessment:
    """RECIST 1.1 of each member, (member,) each.

    Attributes:
        best: best overall response, confirmed where the plan asks for it, index into `BEST`.
        best_unconfirmed: the same with one scan enough.
        progression_day: day of the scan that showed progression, infinite without.
        reason: what showed it, index into `REASONS`.
        response_day: day of the scan on which the response of `best` began, NaN without one.
        last_scan_day: day of the last scan made, 0 where none was.
        change_percent: best change of the sum from baseline before progression, else that of the first scan; NaN
            without a scan.
        at_scan: response at each scan, index into `BEST`, NE where none was made, (member, scan). A response stays one
            until progression (the RECIST working group, recist.eortc.org, on sums that change slightly). After a
            progression each scan is judged alone, so that a later shrinkage shows.
    """

    best: np.ndarray
    best_unconfirmed: np.ndarray
    progression_day: np.ndarray
    reason: np.ndarray
    response_day: np.ndarray
    last_scan_day: np.ndarray
    change_percent: np.ndarray
    at_scan: np.ndarray


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
        return self.best <= PR

    @property
    def resistance(self) -> np.ndarray:
        """Return the category of resistance, index into `RESISTANCE`; see `resistance`."""
        return resistance(self.best, self.pfs_months, self.progressed)


def resistance(best: np.ndarray, pfs_months: np.ndarray, progressed: np.ndarray) -> np.ndarray:
    """Return the category of resistance, index into `RESISTANCE`, (member,).

    Primary: progression as best response, or after stable disease of less than `STABLE_MONTHS`. Secondary (acquired):
    progression after a response or after longer stable disease. None: no progression seen. The first scan, at 6 to 12
    weeks, does not lie before the 6 weeks of treatment that SITC asks for; its confirming scan is left out. Source:
    Kluger et al. 2020, J Immunother Cancer 8:e000398.
    """
    benefit = (best <= PR) | ((best == SD) & (pfs_months >= STABLE_MONTHS))
    return np.where(progressed, np.where(benefit, 2, 1), 0)


def smallest_before(base: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return, for every scan (last axis), the smallest value at baseline and at the scans before it."""
    return np.minimum.accumulate(np.concatenate([base[..., None], at], axis=-1), axis=-1)[..., :-1]


def grown(at: np.ndarray, nadir: np.ndarray, ratio: float) -> np.ndarray:
    """Return where diameters exceed the smallest so far by `ratio` and by `PROGRESSION_MM`."""
    return (at >= ratio * nadir) & (at - nadir >= PROGRESSION_MM)


def find(scans: Scans) -> Found:
    """Return what each scan shows.

    Of the sum of target diameters, PR: at least 30 % below baseline; PD: at least 20 % and 5 mm above the smallest so
    far; CR: a PR with every target, and every other lesion seen at baseline, below `COMPLETE_BELOW_MM` (without the PR,
    shrinkage from 10.1 to 9.9 mm would be complete); SD: none of these. PD also: a lesion not seen at baseline reaches
    `MEASURABLE_MM`; or a lesion seen but no target grows from its smallest by `NON_TARGET_RATIO` and 5 mm to at least
    `MEASURABLE_MM` (the two limits in mm are assumed). A member that failed numerically (NaN) counts as PD.
    """
    base, at, target, seen = scans.base_mm, scans.at_mm, scans.target, scans.seen
    base_sum, sums = scans.base_sum_mm, scans.sum_mm
    with np.errstate(invalid="ignore"):  # inf - inf of a failed member
        lesion_grown = grown(at, smallest_before(base, at), NON_TARGET_RATIO)
        target_pd = grown(sums, smallest_before(base_sum, sums), PROGRESSION_RATIO)
    visible = at >= MEASURABLE_MM
    new = (visible & ~seen[..., None]).any(axis=1)
    non_target = (visible & lesion_grown & (seen & ~target)[..., None]).any(axis=1)
    by_reason = np.stack([target_pd, new, non_target])  # in the order of REASONS[1:4]
    by_reason[:, scans.failed, 0] = True
    response = sums <= RESPONSE_RATIO * base_sum[:, None]
    gone = ((at < COMPLETE_BELOW_MM) | ~seen[..., None]).all(axis=1)
    measurable = (target & (base >= MEASURABLE_MM)).any(axis=1, keepdims=True)
    return Found(by_reason, response, response & gone & measurable)


def first_of(flag: np.ndarray) -> np.ndarray:
    """Return the index of the first true scan (last axis), the number of scans where there is none."""
    return np.where(flag.any(axis=-1), flag.argmax(axis=-1), flag.shape[-1])


def confirmed(flag: np.ndarray, days: np.ndarray, after_days: float) -> np.ndarray:
    """Return the day on which the first confirmed run of true scans began, (member,), infinite where none is.

    `flag` and `days` (member, scan). A run is confirmed by a scan in it at least `after_days` after its first; any scan
    without the response ends it.
    """
    begins = flag & ~np.concatenate([np.zeros_like(flag[:, :1]), flag[:, :-1]], axis=1)
    start = np.maximum.accumulate(np.where(begins, np.arange(flag.shape[1]), 0), axis=1)
    began = np.take_along_axis(days, start, axis=1)
    return np.where(flag & (days - began >= after_days), began, np.inf).min(axis=1)


def reason_of(found: Found, first: np.ndarray, failed: np.ndarray) -> np.ndarray:
    """Return what showed progression at the scan `first` (member,), index into `REASONS`."""
    scans = found.response.shape[1]
    at_first = found.by_reason[:, np.arange(len(first)), np.minimum(first, scans - 1)]
    seen = 1 + at_first.argmax(axis=0)
    return np.where(first < scans, np.where(failed, REASONS.index("numerical failure"), seen), 0)


def best_change(scans: Scans, counted: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Return the best change of the sum in percent over the scans `counted`, else at the first, NaN where none made."""
    base, at = scans.base_sum_mm, scans.sum_mm
    with np.errstate(invalid="ignore", divide="ignore"):
        change = 100.0 * (np.where(counted, at, np.inf).min(axis=1) / base - 1.0)
        change = np.where(np.isfinite(change), change, 100.0 * (at[:, 0] / base - 1.0))
    return np.where(made[:, 0], change, np.nan)


def best_response(
    complete: np.ndarray, partial: np.ndarray, counted: np.ndarray, progressed: np.ndarray, scans: Scans
) -> np.ndarray:
    """Return the best overall response, index into `BEST`, (member,).

    `complete`, `partial` (member,): whether there was such a response; else SD with a counted scan late enough, else
    PD where progression was seen, else NE: no scan, or only one too early to call the disease stable.
    """
    stable = stable_disease(scans, counted)
    return np.select([complete, partial, stable, progressed], [CR, PR, SD, PD], NE)


def stable_disease(scans: Scans, counted: np.ndarray) -> np.ndarray:
    """Return whether a counted scan (member, scan) lies late enough to call the disease stable, (member,).

    A scan made early within its window is late enough where its planned day may be.
    """
    return (counted & (scans.days + scans.plan.shift_days >= scans.plan.stable_from_days)).any(axis=1)


def assess(scans: Scans, until_day: np.ndarray | float = np.inf, found: Found | None = None) -> Assessment:
    """Judge each member by RECIST 1.1 from the scans made up to `until_day` (member,): death, dropout or data cut.

    Responses count until progression. With `ScanPlan.confirm`, a CR or PR needs a further scan at least
    `confirm_after_days` later with every scan between them a response too (RECIST 1.1, section 4.6); a CR that the next
    scan shows as PR was a PR (note to its table 3). Without confirmation it is SD.
    """
    found = find(scans) if found is None else found
    days, plan = scans.days, scans.plan
    members, number = days.shape
    made = days <= np.broadcast_to(np.asarray(until_day, dtype=float), members)[:, None]
    pd = found.progression & made
    first = first_of(pd)
    progressed = first < number
    counted = made & (np.arange(number) < first[:, None])
    partial, complete = found.response & counted, found.complete & counted
    unconfirmed = best_response(complete.any(axis=1), partial.any(axis=1), counted, progressed, scans)
    wait = plan.confirm_after_days if plan.confirm else 0.0
    began = confirmed(partial, days, wait)
    best = best_response(np.isfinite(confirmed(complete, days, wait)), np.isfinite(began), counted, progressed, scans)
    at_scan = np.select([found.progression, found.complete, found.response], [PD, CR, PR], SD)
    # A response stays one until progression, although the sum may rise above 70 % of baseline again.
    at_scan = np.where(counted & (at_scan == SD) & (days > began[:, None]), PR, at_scan)
    return Assessment(
        best=best,
        best_unconfirmed=unconfirmed,
        progression_day=np.where(progressed, days[np.arange(members), np.minimum(first, number - 1)], np.inf),
        reason=reason_of(found, first, scans.failed),
        response_day=np.where(best <= PR, began, np.nan),
        last_scan_day=np.where(made, days, 0.0).max(axis=1),
        change_percent=best_change(scans, counted, made),
        at_scan=np.where(made, at_scan, NE),
    )


def recist(volume_ml: np.ndarray, time_days: np.ndarray) -> Response:
    """Return RECIST 1.1 outcomes of lesion volumes scanned every `SCAN_EVERY_WEEKS` by a reader without error.

    `volume_ml` has shape (member, lesion, time), or (member, time) where only the total is known: then it is one target
    lesion. The first time is the baseline. Rules as in `find`; responses need no second scan, everybody is followed to
    the end, and a member that failed numerically (NaN) counts as PD at the first scan.

    Raises:
        InputError: the volumes have another number of axes, or no scan falls within the observed time.
    """
    scans = measure(volume_ml, time_days, NOISE_FREE)
    a = assess(scans)
    progressed = np.isfinite(a.progression_day)
    days = np.where(progressed, a.progression_day, time_days[-1])
    return Response(a.best, days / MONTH_DAYS, progressed, a.change_percent, a.reason)
