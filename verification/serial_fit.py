"""Error of a reading and discrepancy of the model, estimated on the studies that are not tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp
from serial_data import Lesion
from serial_laws import FLOOR_MM
from serial_population import Population

from tumornexus.systemic.readings import ErrorModel, Track, at_days, follow, follow_rows

SMALLEST_MM = 2.5  # to which a simulated course is followed: the model says nothing about the last cells
OFFSET_SD = 1.0  # a lesion's own size is known from its readings only; any wide value gives the same
PATIENTS, COURSES = 200, 100  # of a fit; more changes the estimates less than leaving out a study does
NAMES = ("reading_sd", "reading_abs", "walk_sd", "start_sd", "drift_sd", "drift_days", "leap_sd", "leap_days")
START = np.log([0.03, 1.5, 0.005, 0.005, 0.002, 80.0, 0.4, 400.0])
LOWEST = np.log([0.01, 0.05, 1e-4, 1e-5, 1e-5, 15.0, 0.05, 50.0])
HIGHEST = np.log([0.4, 5.0, 0.1, 0.03, 0.02, 2000.0, 2.0, 1e5])


def error_model(log_values: np.ndarray) -> ErrorModel:
    """Return the error model of numbers in the order of `NAMES`."""
    values = dict(zip(NAMES, np.exp(log_values).tolist(), strict=True))
    return ErrorModel(offset_sd=OFFSET_SD, floor=FLOOR_MM, below=SMALLEST_MM, **values)


def flat() -> Population:
    """Return a population of one lesion that never changes: the discrepancy alone, without mechanisms."""
    days = np.array([0.0, 7.0, 728.0])
    return Population("none", "none", days, np.ones((1, 3)), np.ones(1), np.zeros(1, dtype=int))


def track_of(lesion: Lesion, population: Population, n: int, error: ErrorModel) -> Track:
    """Return the first `n` readings of a lesion, baseline included, beside each course scaled to its baseline."""
    # Scaled: a course keeps its shape and starts at the measured baseline.
    scale = lesion.mm[0] / population.diameter_mm[:, :1]
    course = at_days(population.diameter_mm * scale, population.days, lesion.days[:n], SMALLEST_MM)
    return Track("diameter", lesion.days[:n], lesion.mm[:n], course, error)


@dataclass(frozen=True)
class Rows:
    """Readings of lesions beside the courses they are compared with, one row a pair; (row, reading), NaN where a lesion
    has fewer; `lesion` (row,) counts lesions, `log_weight` (row,) those of its courses."""

    days: np.ndarray
    values: np.ndarray
    course: np.ndarray
    lesion: np.ndarray
    log_weight: np.ndarray


def rows_of(lesions: Sequence[Lesion], populations: Mapping[tuple[str, str], Population]) -> Rows:
    """Return the rows of lesions, each beside all courses of its population."""
    longest, parts = max(len(x.days) for x in lesions), []
    for i, lesion in enumerate(lesions):
        population = populations[lesion.tumor, lesion.treatment]
        course = track_of(lesion, population, len(lesion.days), error_model(START)).course
        pad = ((0, 0), (0, longest - len(lesion.days)))
        own = [np.broadcast_to(x, course.shape) for x in (lesion.days, lesion.mm)]
        padded = [np.pad(x, pad, constant_values=c) for x, c in ((own[0], 0.0), (own[1], np.nan), (course, 1.0))]
        parts.append((*padded, np.full(len(course), i), np.log(population.weights)))
    return Rows(*(np.concatenate(x) for x in zip(*parts, strict=True)))


def evidence(log_values: np.ndarray, rows: Rows) -> float:
    """Return the mean log-likelihood of a lesion's readings over its population."""
    gains = follow_rows(rows.days, rows.values, rows.course, error_model(log_values)).log_likelihood + rows.log_weight
    starts = np.flatnonzero(np.diff(rows.lesion, prepend=-1))
    return float(np.mean(np.logaddexp.reduceat(gains, starts)))


def fit(
    lesions: Sequence[Lesion], populations: Mapping[tuple[str, str], Population], control: Population | None = None,
    start: ErrorModel | None = None, seed: int = 1,
) -> tuple[ErrorModel, float]:  # fmt: skip
    """Return the error model under which the readings of the training lesions are most probable, and their mean
    log-likelihood; `start` is where the search begins."""
    stream = np.random.default_rng(seed)
    some = [lesions[i] for i in np.sort(stream.permutation(len(lesions))[:PATIENTS])]
    fewer = {}
    for key, p in populations.items():
        kept = np.sort(stream.choice(len(p.weights), min(COURSES, len(p.weights)), replace=False, p=p.weights))
        equal = np.full(len(kept), 1.0 / len(kept))
        fewer[key] = Population(p.tumor, p.regimen, p.days, p.diameter_mm[kept], equal, p.patient[kept])

    rows = rows_of(some, dict.fromkeys(populations, control) if control else fewer)

    def loss(x: np.ndarray) -> float:
        inside = np.clip(x, LOWEST, HIGHEST)
        return -evidence(inside, rows) + float(np.sum((x - inside) ** 2))

    begin = START if start is None else np.log([getattr(start, name) for name in NAMES])
    corners = np.vstack([begin, begin + (0.7 if start is None else 0.4) * np.eye(len(begin))])
    options = {"maxfev": 400 if start is None else 120, "xatol": 0.05, "fatol": 1e-3, "initial_simplex": corners}
    found = minimize(loss, begin, method="Nelder-Mead", options=options)
    return error_model(np.clip(found.x, LOWEST, HIGHEST)), -float(found.fun)


def believed(
    lesions: Sequence[Lesion], populations: Mapping[tuple[str, str], Population], error: ErrorModel, seed: int = 2
) -> dict[str, dict[str, float]]:
    """Return the mean log-likelihood of lesions if only a share of each simulated change of ln diameter took place.

    0 is a lesion that never changes, 1 the course as simulated: where the readings prefer less than 1, the population
    changes more, or more differently, than the measured lesions do.
    """
    stream, out = np.random.default_rng(seed), {}
    for (tumor, treatment), p in populations.items():
        mine = [x for x in lesions if (x.tumor, x.treatment) == (tumor, treatment)]
        mine = [mine[i] for i in stream.permutation(len(mine))[:PATIENTS]]
        kept = stream.choice(len(p.weights), COURSES, p=p.weights)
        start, change = p.diameter_mm[kept, :1], p.diameter_mm[kept] / p.diameter_mm[kept, :1]
        found = {}
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            scaled = start * np.maximum(change, 1e-3) ** share
            some = Population(tumor, treatment, p.days, scaled, np.full(COURSES, 1.0 / COURSES), kept)
            log = [follow(track_of(x, some, len(x.days), error)).log_likelihood for x in mine]
            found[str(share)] = round(float(np.mean([logsumexp(g) - np.log(COURSES) for g in log])), 3)
        out[f"{tumor} {treatment}"] = found
    return out
