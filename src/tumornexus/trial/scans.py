"""How lesions are seen: when scans are made, which lesions are measured, and with what error a diameter is read.

A lesion is a sphere, d = (6 V / pi)^(1/3). A reader who follows a patient reads

    measured = d exp(bias b + s(d) e),   s(d)^2 = relative_error^2 + (error_mm / d)^2,   b, e standard normal,

with one b a patient and lesion, and one e a lesion and scan. The bias is what this reader makes of this lesion's
border; it is in every scan and leaves relative changes of a single lesion untouched. See `Reader` for the sources.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tumornexus.errors import InputError
from tumornexus.trial.luck import normals, uniforms

WEEK_DAYS = 7
# Of the lesion axis, 0 to 2 are found by imaging before treatment; any further one is an occult metastasis.
MEASURED_LESIONS = 3
# Smallest lesion that counts as measurable on CT (RECIST 1.1, section 3.1.1), and so the size at which an occult one
# is seen.
MEASURABLE_MM = 10.0
NODE_MM = 15.0  # short axis from which a lymph node is a target (RECIST 1.1, section 3.1.1); 10 to 15 mm: non-target
MOST_TARGETS = 5  # RECIST 1.1, section 3.2
MOST_TARGETS_AN_ORGAN = 2  # same
LONGEST_INTERVAL_WEEKS = 52
_PLACES = 1 << 20  # more days than any trial has: places of one lesion in a patient's stream of reading errors


@dataclass(frozen=True)
class Reader:
    """What a reader of CT makes of a diameter.

    Attributes:
        relative_error: standard deviation of ln diameter from scan to scan, of a large lesion. Two CT within 15
            minutes, read side by side by the same reader, differ with a standard deviation of 2.4 mm: 1.7 mm a reading,
            4 % of the 4 cm that the authors take as example (Oxnard 2011, J Clin Oncol, PMC3157977). One reader twice
            on one scan, not side by side, has limits of agreement of -17.8 to 16.1 %, 6 % a reading (meta-analysis,
            Yoon 2016, doi:10.1016/j.ejca.2015.10.014); in trials a scan is read beside the earlier ones.
        error_mm: part of the error that does not shrink with the lesion. Percent error is larger in small lesions
            (Oxnard 2011; McErlean 2013, Radiology). 0.6 mm makes 6.2 % at 12 mm and 4.2 % at 50 mm, which is the
            scatter of serial diameters about the line between their neighbors in five atezolizumab trials, 6.0 % and
            3.7 % (1,461 lesions of Ghaffari Laleh 2022, doi:10.1371/journal.pcbi.1009822; a test compares).
        bias: standard deviation between readers of ln diameter of the same lesion. Limits of agreement between readers
            of -22.1 to 25.4 % against -17.8 to 16.1 % within one (Yoon 2016): sqrt(12.1^2 - 8.6^2) / sqrt(2) = 6.0 %.
        smallest_mm: a lesion that is seen but smaller is recorded at this size (RECIST 1.1, section 4.3: 5 mm).
        visible_mm: a lesion of a true diameter below this is not seen and recorded as 0 (assumed: slices of 5 mm lose
            what is smaller than about half of their thickness).
    """

    relative_error: float = 0.04
    error_mm: float = 0.6
    bias: float = 0.06
    smallest_mm: float = 5.0
    visible_mm: float = 2.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not np.isfinite(value) or value < 0.0:
                raise InputError("a reader's error must be a number of at least 0", field=name, value=value,
                                 valid="0 or more")  # fmt: skip
        if self.visible_mm > self.smallest_mm:
            raise InputError("a lesion cannot be invisible at a size that is measured", field="visible_mm",
                             value=self.visible_mm, valid=f"at most smallest_mm, {self.smallest_mm:g}")  # fmt: skip


CENTRAL_READER = Reader()
PERFECT_READER = Reader(0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class ScanPlan:
    """When a trial scans and what its protocol asks of a response.

    Attributes:
        first_weeks, every_weeks: weeks from start of treatment to the first scan, and between scans; 6 to 12 in most
            trials of checkpoint inhibitors.
        later_every_weeks: interval between scans after `later_from_weeks`, None where it does not change.
        confirm: whether CR and PR need a second scan.
        confirm_after_days: at least so long after the first (RECIST 1.1, section 4.6: 4 weeks).
        stable_from_days: stable disease counts from a scan so late on (RECIST 1.1, section 4.6, leaves it to the
            protocol and names 6 to 8 weeks).
        window_days: a scan is made up to so long before or after its day, evenly (a week either way is what protocols
            allow, from memory, not looked up; that patients use it evenly is assumed), and never by more than a quarter
            of the interval, so that scans keep their order.
        reader: who reads; one central reader follows a patient from baseline to the end.
    """

    first_weeks: float = 8
    every_weeks: float = 8
    later_every_weeks: float | None = None
    later_from_weeks: float = 52
    confirm: bool = True
    confirm_after_days: int = 28
    stable_from_days: int = 42
    window_days: float = 7.0
    reader: Reader = field(default=CENTRAL_READER)

    def __post_init__(self) -> None:
        for name in ("first_weeks", "every_weeks", "later_every_weeks"):
            weeks = getattr(self, name)
            if weeks is not None and not 1 <= weeks <= LONGEST_INTERVAL_WEEKS:
                raise InputError("an interval between scans is not one", field=name, value=weeks,
                                 valid=f"1 to {LONGEST_INTERVAL_WEEKS} weeks (6 to 12 in most trials)")  # fmt: skip
        if not self.window_days >= 0.0:
            raise InputError("the window of a scan is not a time", field="window_days", value=self.window_days,
                             valid="0 or more days")  # fmt: skip

    @property
    def shift_days(self) -> float:
        """Largest shift of a scan in days: the window, at most a quarter of the shortest interval."""
        return min(self.window_days, 0.25 * WEEK_DAYS * min(self.first_weeks, self.every_weeks))

    def days(self, last_day: float) -> np.ndarray:
        """Return the planned days of scans after baseline up to `last_day`, (scan,).

        Raises:
            InputError: the first scan lies beyond `last_day`.
        """
        later = self.later_every_weeks or self.every_weeks
        weeks = [float(self.first_weeks)]
        while (
            following := weeks[-1] + (self.every_weeks if weeks[-1] < self.later_from_weeks else later)
        ) * WEEK_DAYS <= last_day:
            weeks.append(following)
        if weeks[0] * WEEK_DAYS > last_day:
            first = f"{self.first_weeks:g} weeks"
            raise InputError("no scan falls within the observed time", field="time_days", value=float(last_day),
                             valid=f"at least {first}, when the first scan is made")  # fmt: skip
        return np.array(weeks) * WEEK_DAYS


@dataclass(frozen=True)
class Scans:
    """What the reader wrote down, and which lesions are what.

    Attributes:
        days: on which the scans after baseline were made, (member, scan).
        base_mm, at_mm: measured diameters at baseline (member, lesion) and at the scans (member, lesion, scan).
        target: lesions that are measured for the sum, (member, lesion).
        seen: lesions that were seen at baseline, targets included, (member, lesion).
        failed: members whose simulation failed (NaN), (member,).
        plan: the protocol.
    """

    days: np.ndarray
    base_mm: np.ndarray
    at_mm: np.ndarray
    target: np.ndarray
    seen: np.ndarray
    failed: np.ndarray
    plan: ScanPlan

    @property
    def base_sum_mm(self) -> np.ndarray:
        """Sum of target diameters at baseline, (member,)."""
        return np.where(self.target, self.base_mm, 0.0).sum(axis=1)

    @property
    def sum_mm(self) -> np.ndarray:
        """Sum of target diameters at each scan, (member, scan)."""
        return np.where(self.target[..., None], self.at_mm, 0.0).sum(axis=1)


def diameter_mm(volume_ml: np.ndarray) -> np.ndarray:
    """Return the diameter in mm of a sphere of `volume_ml`: d = (6 V / pi)^(1/3)."""
    return 10.0 * np.cbrt(6.0 * np.maximum(volume_ml, 0.0) / np.pi)


def by_lesion(volume_ml: np.ndarray) -> np.ndarray:
    """Return volumes (member, lesion, time); a total is one lesion.

    Raises:
        InputError: neither (member, lesion, time) nor (member, time).
    """
    volume = np.asarray(volume_ml, dtype=float)
    if volume.ndim not in (2, 3):
        raise InputError("volumes have the wrong number of axes", field="volume_ml", value=volume.shape,
                         valid="(member, lesion, time), or (member, time) for a total")  # fmt: skip
    return volume[:, None, :] if volume.ndim == 2 else volume


def occult_lesions(base_mm: np.ndarray) -> np.ndarray:
    """Return which lesions no imaging finds before treatment, (member, lesion)."""
    return np.broadcast_to(np.arange(base_mm.shape[1]) >= MEASURED_LESIONS, base_mm.shape)


def roles(
    base_mm: np.ndarray, organ: np.ndarray | None = None, node: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return which lesions, shape (member, lesion), are targets and which can be seen at baseline.

    Targets are the largest of the imaged lesions of at least `MEASURABLE_MM` (`NODE_MM` for nodes), at most
    `MOST_TARGETS` and `MOST_TARGETS_AN_ORGAN`; where none is that large, the largest of them, all where several are
    equal. `organ` (member, lesion) numbers organs; without it every lesion has its own. `node` (member, lesion) tells
    lymph nodes. Source: Eisenhauer 2009, sections 3.1 and 3.2.
    """
    occult = occult_lesions(base_mm)
    least = np.full(base_mm.shape, MEASURABLE_MM) if node is None else np.where(node, NODE_MM, MEASURABLE_MM)
    measurable = ~occult & (base_mm >= least)
    target = measurable if organ is None and base_mm.shape[1] <= MOST_TARGETS else _largest(base_mm, measurable, organ)
    target = target.copy()
    none = np.flatnonzero(~target.any(axis=1))
    imaged = np.where(occult, -1.0, base_mm)[none]
    target[none] = (imaged == imaged.max(axis=1, keepdims=True)) & (imaged > 0.0)
    target[none, imaged.argmax(axis=1)] = True
    seen = target | (base_mm >= MEASURABLE_MM) | (~occult & (base_mm > 0.0))
    return target, seen


def _largest(base_mm: np.ndarray, measurable: np.ndarray, organ: np.ndarray | None) -> np.ndarray:
    """Return the targets among measurable lesions: largest first, the earlier of equal ones, within both limits."""
    members, lesions = base_mm.shape
    place = np.broadcast_to(np.arange(lesions), base_mm.shape) if organ is None else np.asarray(organ)
    target = np.zeros(base_mm.shape, dtype=bool)
    each = np.arange(members)
    for lesion in np.argsort(-np.where(measurable, base_mm, -1.0), axis=1, kind="stable").T:
        here = (target & (place == place[each, lesion][:, None])).sum(axis=1)
        room = (here < MOST_TARGETS_AN_ORGAN) & (target.sum(axis=1) < MOST_TARGETS)
        target[each, lesion] = measurable[each, lesion] & room
    return target


def sum_of_diameters(volume_ml: np.ndarray) -> np.ndarray:
    """Return what RECIST 1.1 follows, the sum of the longest diameters of target lesions in mm, (member, time).

    `volume_ml` as in `recist.recist`, which judges this sum; lesions are taken as spheres, new ones are not in it, and
    the reader makes no error.
    """
    d = diameter_mm(by_lesion(volume_ml))
    target, _ = roles(d[..., 0])
    return np.where(target[..., None], d, 0.0).sum(axis=1)


def at_days(volume_ml: np.ndarray, time_days: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Return volumes (member, lesion, scan) at `days` (member, scan): those saved, or linear between two saved days."""
    time_days = np.asarray(time_days, dtype=float)
    after = np.minimum(np.searchsorted(time_days, days), len(time_days) - 1)
    before = np.where(time_days[after] == days, after, np.maximum(after - 1, 0))
    span = np.where(after > before, time_days[after] - time_days[before], 1.0)
    share = (days - time_days[before]) / span
    low = np.take_along_axis(volume_ml, before[:, None, :], axis=-1)
    if not share.any():
        return low
    high = np.take_along_axis(volume_ml, after[:, None, :], axis=-1)
    with np.errstate(invalid="ignore"):  # inf - inf of a failed member
        return np.where(share[:, None, :] > 0.0, low + share[:, None, :] * (high - low), low)


def read_mm(diameter: np.ndarray, bias: np.ndarray, error: np.ndarray, reader: Reader) -> np.ndarray:
    """Return what a reader writes down for true diameters in mm; `bias`, `error` standard normal, of the same shape.

    See the equation of this module and `Reader` for what is too small to measure or to see. NaN stays NaN.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # what is nearly gone is not read at all
        spread = np.hypot(reader.relative_error, np.where(diameter > 0.0, reader.error_mm / diameter, 0.0))
        read = np.maximum(diameter * np.exp(reader.bias * bias + spread * error), reader.smallest_mm)
        return np.where(diameter < max(reader.visible_mm, np.finfo(float).tiny), 0.0, read)


def measure(
    volume_ml: np.ndarray,
    time_days: np.ndarray,
    plan: ScanPlan,
    *,
    seed: int = 0,
    patient: np.ndarray | None = None,
    organ: np.ndarray | None = None,
    node: np.ndarray | None = None,
) -> Scans:
    """Scan lesions as the plan says and return what its reader writes down.

    `volume_ml` (member, lesion, time), or (member, time) where only the total is known: then it is one target lesion.
    The first time is the baseline. `patient` (member,) numbers the patients (default: 0, 1, ...); a patient has the
    same errors and shifts at the same planned scan in every arm of the trial `seed`. `organ` and `node` as in `roles`;
    the sphere of a node has its diameter as short axis.

    Raises:
        InputError: the volumes have another number of axes, or no scan falls within the observed time.
    """
    volume = by_lesion(volume_ml)
    time_days = np.asarray(time_days, dtype=float)
    planned = plan.days(time_days[-1])
    patient = np.arange(len(volume)) if patient is None else patient
    days = np.broadcast_to(planned, (len(volume), len(planned)))
    if plan.shift_days > 0.0:
        shift = 2.0 * uniforms(seed, "visit", patient, _place(planned)) - 1.0
        days = np.minimum(planned + plan.shift_days * shift, time_days[-1])
    base, at = diameter_mm(volume[..., 0]), diameter_mm(at_days(volume, time_days, days))
    failed = ~(np.isfinite(at).all(axis=(1, 2)) & np.isfinite(base).all(axis=1))
    if plan.reader != PERFECT_READER:
        base, at = _read(base, at, planned, plan.reader, seed, patient)
    target, seen = roles(base, organ, node)
    return Scans(days, base, at, target, seen, failed, plan)


def _place(planned: np.ndarray) -> np.ndarray:
    """Return where in a patient's stream the luck of planned scans lies, by their days."""
    return np.round(planned).astype(np.int64)


def _read(
    base: np.ndarray, at: np.ndarray, planned: np.ndarray, reader: Reader, seed: int, patient: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    members, lesions, scans = at.shape
    bias = normals(seed, "reader bias", patient, lesions)
    when = np.concatenate([[0], _place(planned)])
    place = (np.arange(lesions)[:, None] * _PLACES + when).ravel()
    error = normals(seed, "reading error", patient, place).reshape(members, lesions, scans + 1)
    both = read_mm(np.concatenate([base[..., None], at], axis=-1), bias[..., None], error, reader)
    return both[..., 0], both[..., 1:]
