"""Forecasts of one lesion without a mechanistic model: last value, extrapolation and laws of growth fitted to it.

Each gives one value a day; its distribution comes from the errors that the same method makes in other studies, at the
same number of readings and a similar distance (`Errors`). That is more than such fits usually get, so that the
comparison is about the forecast and not about who stated an interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

FLOOR_MM = 5.0  # RECIST 1.1: a lesion too small to measure counts as 5 mm (Eisenhauer 2009)
LARGEST_MM = 400.0  # of an extrapolation
DISTANCES_DAYS = (60.0, 120.0, 240.0)  # limits between classes of distance from the last reading to the day forecast
Law = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _log(mm: np.ndarray) -> np.ndarray:
    return np.log(np.clip(mm, FLOOR_MM, LARGEST_MM))


def last_value(days: np.ndarray, mm: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Return the last diameter for every later day."""
    del days
    return np.full(len(later), _log(mm[-1:])[0])


def last_two(days: np.ndarray, mm: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Return exponential extrapolation through the last two readings."""
    y = _log(mm[-2:])
    return _bound(y[1] + (later - days[-1]) * (y[1] - y[0]) / max(days[-1] - days[-2], 1.0))


def exponential(days: np.ndarray, mm: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Return exponential growth or decay fitted to all readings: ln d = a + k t, by least squares."""
    slope, level = np.polyfit(days, _log(mm), 1)
    return _bound(level + slope * later)


def _bound(log_mm: np.ndarray) -> np.ndarray:
    return np.clip(log_mm, np.log(FLOOR_MM), np.log(LARGEST_MM))


def _fitted(curve: Callable, start: list[list[float]], low: list[float], high: list[float]) -> Law:
    """Return a law fitted by least squares of ln diameter from several starts; the best of them counts."""

    def law(days: np.ndarray, mm: np.ndarray, later: np.ndarray) -> np.ndarray:
        y = _log(mm)

        def off(p: np.ndarray) -> np.ndarray:
            return _bound(curve(p, days)) - y

        fits = [
            least_squares(off, [y[0], *s], bounds=([np.log(2.0), *low], [np.log(300.0), *high]), max_nfev=40)
            for s in start
        ]
        return _bound(curve(min(fits, key=lambda f: f.cost).x, later))

    return law


def _gompertz(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return ln d of d' = k exp(-b t) d: growth or decay that slows."""
    return p[0] + p[1] * -np.expm1(-p[2] * t) / p[2]


def _bertalanffy(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return ln d of von Bertalanffy's V' = a V^(2/3) - b V, in diameters d' = (D - d) b / 3."""
    size = np.exp(p[1]) + (np.exp(p[0]) - np.exp(p[1])) * np.exp(-p[2] * t)
    return np.log(np.maximum(size, 1.0))


def _biexponential(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return ln d of the sum of a part that shrinks and one that grows: d0 (exp(-s t) + exp(g t) - 1).

    Source: Stein et al. 2008, as used for atezolizumab by Chan et al. 2021, doi 10.1002/psp4.12686.
    """
    return p[0] + np.log(np.maximum(np.exp(-p[1] * t) + np.exp(p[2] * t) - 1.0, 1e-3))


LAWS: dict[str, Law] = {
    "last value": last_value,
    "exponential, last two": last_two,
    "exponential, all": exponential,
    "Gompertz": _fitted(_gompertz, [[-0.003, 0.01], [0.003, 0.01]], [-0.05, 1e-4], [0.05, 0.1]),
    "Bertalanffy": _fitted(_bertalanffy, [[2.0, 0.005], [4.0, 0.005]], [0.0, 1e-4], [np.log(LARGEST_MM), 0.1]),
    "biexponential": _fitted(_biexponential, [[0.005, 0.001], [0.001, 0.003]], [0.0, 0.0], [0.1, 0.03]),
}


@dataclass
class Errors:
    """Errors of a method in studies other than the one tested, by number of readings and class of distance."""

    found: dict[tuple[int, int], np.ndarray]

    @classmethod
    def of(cls, readings: np.ndarray, distance: np.ndarray, error: np.ndarray) -> Errors:
        """Collect errors (observed minus forecast, natural log) of many forecasts."""
        place = np.digitize(distance, DISTANCES_DAYS)
        return cls({
            (int(k), int(c)): np.sort(error[(readings == k) & (place == c)])
            for k, c in {*zip(readings.tolist(), place.tolist(), strict=True)}
        })  # fmt: skip

    def at(self, readings: int, distance: float) -> np.ndarray:
        """Return the errors to add to a forecast; those of the nearest class where there are fewer than 20."""
        c = int(np.digitize(distance, DISTANCES_DAYS))
        ranked = sorted(self.found, key=lambda key: (key[0] != readings, abs(key[1] - c), abs(key[0] - readings)))
        return next(self.found[key] for key in ranked if len(self.found[key]) >= 20)
