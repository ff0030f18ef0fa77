"""What a serial reading says about each draw, and which readings each draw foretells.

A reading is compared with what each draw shows on its day, on the natural logarithm:

    ln reading = ln course(day) + a(day) + e,   e ~ N(0, reading_sd^2 + (reading_abs / reading)^2)
    da = g dt + walk_sd dW + leaps N(0, leap_sd^2) once in `leap_days`,   a(0) ~ N(0, offset_sd^2)
    dg = -g dt / drift_days + noise,   g(0) ~ N(0, start_sd^2), in the long run N(0, drift_sd^2)

`a` is what the model gets wrong about this patient: its size or shedding at the start (`offset_sd`), what treatment
does at once (`start_sd`), and a course that strays from the simulated one, little by little (`walk_sd`, `drift_sd`) or
by leaps (`leap_sd`). Without it a handful of exact readings would leave one draw alive and a forecast far too sure of
itself. Each draw carries a Kalman filter of (a, g); between two readings there was a leap or none, and both are weighed
and joined to one mean and covariance. The likelihood of a draw is that of its filter, and the forecast is the mixture
of the filters' normal distributions. A reading at or below `floor` says only that the value is at most that; its update
matches mean and variance of the truncated normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_ndtr, ndtr

from tumornexus.errors import InputError

SMALLEST = 1e-6  # of a simulated course, in the unit of the reading, so that its logarithm exists


@dataclass(frozen=True)
class ErrorModel:
    """Errors of one kind of reading and of the model about it, on the natural logarithm.

    `offset_sd` of the patient's level; `reading_sd` of one reading, relative; `reading_abs` of one reading, in its
    unit; `walk_sd` per square root of a day; drift per day, `start_sd` at the start of treatment and `drift_sd` in the
    long run, forgotten over `drift_days`; `leap_sd` of a sudden change, one in `leap_days` on average; `floor`: value
    at or below which a reading says only that (its unit); `below`: smallest value that a simulated course is followed
    to.
    """

    offset_sd: float
    reading_sd: float
    reading_abs: float
    walk_sd: float
    start_sd: float
    drift_sd: float
    drift_days: float
    leap_sd: float
    leap_days: float
    floor: float
    below: float

    def wider(self, factor: float) -> ErrorModel:
        """Return the model with the error of a reading `factor` times as large."""
        return replace(self, reading_sd=factor * self.reading_sd, reading_abs=factor * self.reading_abs)

    def leaps(self, days: np.ndarray) -> np.ndarray:
        """Return the probability of a leap within some days."""
        return -np.expm1(-np.asarray(days) / self.leap_days)

    def variance(self, value: np.ndarray) -> np.ndarray:
        """Return the variance of the logarithm of one reading near `value`."""
        return self.reading_sd**2 + (self.reading_abs / np.maximum(value, self.floor)) ** 2


# Sum of target diameters, mm. Estimated on 1,449 target lesions of five trials (verification/serial.py, `shipped`), one
# lesion a patient; a sum of several is read more exactly, so intervals are too wide rather than too narrow there.
# Published: single readers repeat a diameter within about 17 %, two readers agree within about 24 % (95 % limits, Yoon
# 2016, doi 10.1016/j.ejca.2015.10.014), which are standard deviations of one reading of 0.06 and 0.085. `offset_sd` is
# assumed: only the change from baseline is compared, because the burden was matched from the same diameters.
DIAMETER = ErrorModel(
    offset_sd=1.0, reading_sd=0.028, reading_abs=0.73, walk_sd=0.0033, start_sd=0.0053, drift_sd=0.00054,
    drift_days=75.0, leap_sd=0.63, leap_days=212.0, floor=5.0, below=2.5,
)  # fmt: skip
# Tumor DNA in plasma, haploid genome equivalents per mL. All assumed, no cohort with both was at hand: shedding differs
# several-fold between patients, so only the change counts (`offset_sd`); assay and draw together repeat within a factor
# of 1.4; the model is off by a factor of 1.8 after half a year.
CTDNA = ErrorModel(
    offset_sd=2.0, reading_sd=0.35, reading_abs=0.5, walk_sd=0.045, start_sd=0.01, drift_sd=0.001, drift_days=90.0,
    leap_sd=1.0, leap_days=400.0, floor=0.01, below=0.001,
)  # fmt: skip
# DNA of other cells in plasma, genome equivalents per mL, that turns a fraction into a concentration. Assumed: 5 ng/mL
# at 3.3 pg a haploid genome; an error in it is one of level, which `offset_sd` holds.
BACKGROUND_GE_PER_ML = 1500.0


@dataclass(frozen=True)
class Track:
    """Readings of one kind and what each draw shows there.

    `days` (reading,) from the start of treatment; `values` (reading,) and `course` (draw, reading) in one unit; `label`
    names the kind in messages.
    """

    label: str
    days: np.ndarray
    values: np.ndarray
    course: np.ndarray
    error: ErrorModel


@dataclass(frozen=True)
class Followed:
    """What the readings leave of each draw: log-likelihood (draw,), and at `day` (draw,) mean (draw, 2) and covariance
    (draw, 3: aa, ag, gg) of discrepancy and its drift. `seen` (reading, draw): probability of a smaller reading before
    it was read, in the order of days; where it was at the floor, half of that of one at the floor."""

    day: np.ndarray
    log_likelihood: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    seen: np.ndarray
    gains: np.ndarray  # (reading, draw) log-likelihood of each


def at_days(course: np.ndarray, time_days: np.ndarray, days: np.ndarray, below: float) -> np.ndarray:
    """Return `course` (draw, time) at `days` by interpolation of its logarithm, (draw, day); NaN stays NaN.

    Raises:
        InputError: a day lies before or beyond what was simulated.
    """
    days = np.asarray(days, dtype=float)
    if days.size and (days.min() < time_days[0] or days.max() > time_days[-1]):
        raise InputError(
            "a day that was not simulated", field="day", value=float(days[np.argmax(np.abs(days))]),
            valid=f"{time_days[0]:g} to {time_days[-1]:g}",
        )  # fmt: skip
    log = np.log(np.maximum(course, max(below, SMALLEST)))
    place = np.clip(np.searchsorted(time_days, days, side="right") - 1, 0, len(time_days) - 2)
    part = (days - time_days[place]) / (time_days[place + 1] - time_days[place])
    return np.exp(log[:, place] * (1.0 - part) + log[:, place + 1] * part)


def _advance(
    mean: np.ndarray, cov: np.ndarray, dt: np.ndarray | float, error: ErrorModel
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (row, 2) and covariance (row, 3) of (a, g) `dt` days later, one or (row,), exactly, so that steps may
    be cut anywhere."""
    tau, noise = error.drift_days, error.drift_sd**2
    dt = np.asarray(dt, dtype=float)
    if np.isinf(tau):
        keep, run, aa_noise, ag_noise = 1.0, dt, 0.0, 0.0
    else:
        keep = np.exp(-dt / tau)
        run = tau * (1.0 - keep)
        aa_noise = 2.0 * noise * tau * (dt - 2.0 * run + 0.5 * tau * (1.0 - keep**2))
        ag_noise = noise * tau * (1.0 - keep) ** 2
    aa, ag, gg = cov.T
    moved = np.stack([mean[:, 0] + run * mean[:, 1], keep * mean[:, 1]], axis=1)
    return moved, np.stack(
        [
            aa + 2.0 * run * ag + run**2 * gg + aa_noise + error.walk_sd**2 * dt,
            keep * (ag + run * gg) + ag_noise,
            keep**2 * gg + noise * (1.0 - keep**2),
        ],
        axis=1,
    )


def _read(
    course: np.ndarray, mean: np.ndarray, cov: np.ndarray, value: np.ndarray, error: ErrorModel
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return mean and covariance of (a, g) after a reading, its log-likelihood and the probability of a smaller one
    (of one at the floor: half of that), by row; `course` is the logarithm of what each draw shows."""
    expected = course + mean[:, 0]
    spread = cov[:, 0] + error.variance(value)
    sd = np.sqrt(spread)
    floored = value <= error.floor
    found = np.log(np.maximum(value, error.floor))
    z = (found - expected) / sd
    gain, below = -0.5 * z**2 - 0.5 * np.log(2.0 * np.pi * spread), ndtr(z)
    left = np.zeros_like(spread)
    if floored.any():
        at, y = log_ndtr(z[floored]), z[floored]
        hazard = np.exp(-0.5 * y**2 - 0.5 * np.log(2.0 * np.pi) - at)
        gain[floored], below[floored] = at, 0.5 * np.exp(at)
        found[floored] = expected[floored] - sd[floored] * hazard
        left[floored] = spread[floored] * np.clip(1.0 - y * hazard - hazard**2, 0.0, 1.0)
    to = cov[:, :2] / spread[:, None]
    lost = (spread - left)[:, None] * np.stack([to[:, 0] ** 2, to[:, 0] * to[:, 1], to[:, 1] ** 2], axis=1)
    return mean + to * (found - expected)[:, None], cov - lost, gain, below


def _join(ways: list[tuple]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return one mean and covariance with the moments of the mixture of `ways` (log-probability, then as `_read`)."""
    if len(ways) == 1:
        return ways[0][1:]
    logs = np.array([log + gain for log, _, _, gain, _ in ways])
    gain = np.logaddexp(*logs)
    share = np.exp(logs - gain)[..., None]
    mean = sum(w * m for w, (_, m, _, _, _) in zip(share, ways, strict=True))
    cov = np.zeros_like(ways[0][2])
    for w, (_, m, c, _, _) in zip(share, ways, strict=True):
        off = m - mean
        cov += w * (c + np.stack([off[:, 0] ** 2, off[:, 0] * off[:, 1], off[:, 1] ** 2], axis=1))
    below = np.sum([np.exp(log) * b for log, _, _, _, b in ways], axis=0)
    return mean, cov, gain, below


def follow_rows(days: np.ndarray, values: np.ndarray, course: np.ndarray, error: ErrorModel) -> Followed:
    """Return what readings leave of each row, where each has its own days and values; all (row, reading).

    Readings of a row are in the order of days; what lies after the last of a row that has fewer is NaN in `values`.
    `day` of the result is (row,).
    """
    n = len(course)
    mean = np.zeros((n, 2))
    cov = np.tile([error.offset_sd**2, 0.0, error.start_sd**2], (n, 1))
    log = np.log(np.maximum(course, error.below))
    day, seen, gains = np.zeros(n), [], []
    for j in range(course.shape[1]):
        read = np.isfinite(values[:, j])
        dt = days[read, j] - day[read]
        ahead = _advance(mean[read], cov[read], dt, error)
        leap = error.leaps(dt)
        ways = []
        with np.errstate(divide="ignore"):
            for probability, extra in ((np.log1p(-leap), 0.0), (np.log(leap), error.leap_sd**2)):
                if np.isfinite(probability).any():
                    wider = ahead[1] + np.array([extra, 0.0, 0.0])
                    ways.append((probability, *_read(log[read, j], ahead[0], wider, values[read, j], error)))
        gain, below = np.zeros(n), np.full(n, np.nan)
        mean[read], cov[read], gain[read], below[read] = _join(ways)
        day[read] = days[read, j]
        seen.append(below)
        gains.append(gain)
    every = np.array(gains).reshape(len(gains), n)
    return Followed(day, every.sum(axis=0), mean, cov, np.array(seen).reshape(len(seen), n), every)


def follow(track: Track) -> Followed:
    """Return what the readings of one track leave of each draw, whatever their order; failed draws (NaN) get -inf."""
    order = np.lexsort((track.values, track.days))
    failed = np.logical_not(np.isfinite(track.course).all(axis=1))
    shape = track.course.shape
    days, values = (np.broadcast_to(np.asarray(x, dtype=float)[order], shape) for x in (track.days, track.values))
    found = follow_rows(days, values, np.where(failed[:, None], 1.0, track.course)[:, order], track.error)
    return replace(found, log_likelihood=np.where(failed, -np.inf, found.log_likelihood))


@dataclass(frozen=True)
class Forecast:
    """Distribution of later readings: a mixture over draws, on the natural logarithm.

    `days` (day,); `mean`, `sd` and `weights` (part, day) of ln reading, two parts a draw: without and with a leap until
    then; `floor` as in `ErrorModel`.
    """

    days: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    weights: np.ndarray
    floor: float

    def cdf(self, log_value: np.ndarray) -> np.ndarray:
        """Return the probability of a reading at most exp(`log_value`), (day, value)."""
        z = (np.asarray(log_value)[None, :, None] - self.mean.T[:, None, :]) / self.sd.T[:, None, :]
        return np.einsum("dvp,pd->dv", ndtr(z), self.weights)

    def quantile(self, q: Sequence[float]) -> np.ndarray:
        """Return quantiles of the reading, (q, day), in its unit; values under the floor are given as the floor."""
        low = np.min(self.mean - 8.0 * self.sd, axis=0)
        high = np.max(self.mean + 8.0 * self.sd, axis=0)
        out = np.empty((len(q), len(self.days)))
        for i, wanted in enumerate(q):
            a, b = low.copy(), high.copy()
            for _ in range(50):
                middle = 0.5 * (a + b)
                under = np.sum(ndtr((middle - self.mean) / self.sd) * self.weights, axis=0) < wanted
                a, b = np.where(under, middle, a), np.where(under, b, middle)
            out[i] = np.exp(0.5 * (a + b))
        return np.maximum(out, self.floor)


def forecast(
    course: np.ndarray, days: np.ndarray, followed: Followed | None, weights: np.ndarray, error: ErrorModel,
    smallest_weight: float = 1e-6,
) -> Forecast:  # fmt: skip
    """Return the distribution of readings at later `days`; `course` (draw, day) is what each draw shows there.

    Without readings (`followed` None) it is that before any. Draws below `smallest_weight` in all are left out.
    """
    kept = (weights > smallest_weight / len(weights)) & np.isfinite(course).all(axis=1)
    log = np.log(np.maximum(course[kept], error.below))
    n = int(kept.sum())
    if followed is None:
        day, mean = np.zeros(n), np.zeros((n, 2))
        cov = np.tile([error.offset_sd**2, 0.0, error.start_sd**2], (n, 1))
    else:
        day, mean, cov = followed.day[kept], followed.mean[kept], followed.covariance[kept]
    middle, sd, share = np.empty((2 * n, len(days))), np.empty((2 * n, len(days))), np.empty((2 * n, len(days)))
    weight = weights[kept] / weights[kept].sum()
    for j, later in enumerate(days):
        dt = float(later) - day
        m, c = _advance(mean, cov, dt, error)
        leap = error.leaps(dt)
        expected = log[:, j] + m[:, 0]
        noise = c[:, 0] + error.variance(np.exp(np.minimum(expected, 30.0)))
        # More than one leap adds up; on average they are dt / leap_days / leap, given that there is one.
        many = np.divide(dt / error.leap_days, leap, out=np.ones(n), where=leap > 0.0)
        middle[:, j] = np.tile(expected, 2)
        sd[:, j] = np.sqrt(np.concatenate([noise, noise + many * error.leap_sd**2]))
        share[:, j] = np.concatenate([(1.0 - leap) * weight, leap * weight])
    return Forecast(np.asarray(days, dtype=float), middle, sd, share, error.floor)
