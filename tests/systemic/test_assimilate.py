"""Readings weigh draws: agreement counts, order does not, wider errors say less, and nothing degenerates in silence."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tumornexus.errors import InputError
from tumornexus.systemic.assimilate import assimilate, effective, temper, weigh
from tumornexus.systemic.readings import (
    CTDNA,
    DIAMETER,
    ErrorModel,
    Followed,
    Track,
    _advance,
    at_days,
    follow,
    forecast,
)

DAYS = np.array([0.0, 42.0, 84.0, 126.0])
PLAIN = ErrorModel(
    offset_sd=0.5, reading_sd=0.05, reading_abs=0.0, walk_sd=0.004, start_sd=0.001, drift_sd=0.0005, drift_days=80.0,
    leap_sd=0.0, leap_days=np.inf, floor=5.0, below=2.5,
)  # fmt: skip


def ensemble(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return growth rates a day (draw,) and courses in mm (draw, reading), 40 mm at the start."""
    rate = np.random.default_rng(seed).normal(0.0, 0.004, n)
    return rate, 40.0 * np.exp(rate[:, None] * DAYS)


def even(n: int) -> np.ndarray:
    return np.full(n, 1.0 / n)


def track(values: np.ndarray, course: np.ndarray, error: ErrorModel = PLAIN, days: np.ndarray = DAYS) -> Track:
    return Track("diameter", days, values, course, error)


@pytest.mark.parametrize("error", [PLAIN, DIAMETER])
def test_readings_that_agree_with_a_draw_raise_its_weight(error):
    _, course = ensemble()
    for draw in (0, 57, 211):
        posterior = weigh(even(300), [track(course[draw], course, error)])
        assert posterior.weights[draw] > 1.2 / 300
        assert posterior.weights.sum() == pytest.approx(1.0)
        assert posterior.n_readings == 4


def test_without_readings_nothing_changes():
    twin = SimpleNamespace(weights=even(20), n_draws=20, notes=())
    none = Track("diameter", np.zeros(0), np.zeros(0), np.zeros((20, 0)), PLAIN)
    for tracks in ([], [none]):
        same, posterior = assimilate(twin, tracks)  # type: ignore[arg-type]
        assert same is twin, "bit for bit: it is the same object"
        assert (posterior.temperature, posterior.n_readings) == (1.0, 0)


@pytest.mark.parametrize("error", [PLAIN, DIAMETER])
def test_the_order_of_readings_is_irrelevant(error):
    _, course = ensemble()
    values = np.array([40.0, 4.0, 33.0, 5.0])  # two of them at the floor
    straight = weigh(even(300), [track(values, course, error)])
    mixed = np.array([2, 0, 3, 1])
    other = weigh(even(300), [track(values[mixed], course[:, mixed], error, DAYS[mixed])])
    np.testing.assert_array_equal(straight.weights, other.weights)


def test_wider_errors_leave_more_of_the_prior():
    rate, course = ensemble()
    values = 40.0 * np.exp(-0.006 * DAYS)
    effectives, means = [], []
    for factor in (1.0, 3.0, 30.0):
        posterior = weigh(even(300), [track(values, course, PLAIN.wider(factor))])
        effectives.append(posterior.n_effective)
        means.append(abs(float(np.sum(posterior.weights * rate)) - float(rate.mean())))
    assert effectives == sorted(effectives)
    assert means == sorted(means, reverse=True)


def test_one_draw_is_the_textbook_normal():
    """With one draw and no leap the filter is a linear normal model: compared with its covariance written out."""
    error = replace(PLAIN, start_sd=0.002, drift_sd=0.002)
    values, course = np.array([40.0, 36.0, 39.0, 35.0]), np.full((1, 4), 38.0)
    t = DAYS
    tau, s = error.drift_days, error.drift_sd

    def drift(a: float, b: float) -> float:
        """Return the covariance of the integral of a stationary Ornstein-Uhlenbeck process to a and to b."""
        low = min(a, b)
        part = 2.0 * low / tau + np.exp(-a / tau) + np.exp(-b / tau) - 1.0 - np.exp(-abs(a - b) / tau)
        return s**2 * tau**2 * part

    cov = error.offset_sd**2 + error.walk_sd**2 * np.minimum.outer(t, t)
    cov = cov + np.array([[drift(a, b) for b in t] for a in t]) + error.reading_sd**2 * np.eye(4)
    off = np.log(values) - np.log(38.0)
    expected = -0.5 * (off @ np.linalg.solve(cov, off) + np.linalg.slogdet(2.0 * np.pi * cov)[1])
    assert follow(track(values, course, error)).log_likelihood[0] == pytest.approx(expected, rel=1e-9)


def test_steps_may_be_cut_anywhere():
    start = np.array([[0.1, 0.002]]), np.array([[0.2, 0.001, 4e-6]])
    for error in (PLAIN, DIAMETER, replace(PLAIN, drift_days=np.inf)):
        once = _advance(*start, 90.0, error)
        twice = _advance(*_advance(*start, 31.0, error), 59.0, error)
        for a, b in zip(once, twice, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9)


def test_a_reading_at_the_floor_excludes_what_is_large():
    course = np.array([[40.0, 40.0], [40.0, 4.0], [40.0, 1.0]])
    days = DAYS[:2]
    zero = weigh(even(3), [track(np.array([40.0, 0.0]), course, PLAIN, days)], fewest=1.0).weights
    five = weigh(even(3), [track(np.array([40.0, 5.0]), course, PLAIN, days)], fewest=1.0).weights
    np.testing.assert_array_equal(zero, five)
    assert zero[0] < 1e-3 < zero[1] < zero[2]


def surrogate(seed: int, error: ErrorModel, n: int = 200) -> tuple[float, np.ndarray]:
    """Draw a truth of the model's own kind, read it four times, and return where its fifth reading falls in the
    forecast, and the quantile of its growth rate in the posterior."""
    stream = np.random.default_rng([seed, 1])
    rate, course = ensemble(n, seed)
    later = np.array([210.0])
    days = np.concatenate([DAYS, later])
    true_rate = stream.normal(0.0, 0.004)
    a, g, log = stream.normal(0.0, error.offset_sd), stream.normal(0.0, error.start_sd), []
    step = 0.5
    for i in range(int(later[0] / step) + 1):
        if i * step in days:
            log.append(np.log(40.0) + true_rate * i * step + a)
        a += g * step + stream.normal(0.0, error.walk_sd * step**0.5)
        a += stream.normal(0.0, error.leap_sd) if stream.random() < step / error.leap_days else 0.0
        keep = np.exp(-step / error.drift_days)
        g = keep * g + stream.normal(0.0, error.drift_sd * (1.0 - keep**2) ** 0.5)
    spread = np.sqrt(error.variance(np.exp(log)))
    read = np.exp(log + spread * stream.standard_normal(5))
    posterior = weigh(even(n), [track(read[:4], course, error)])
    found = forecast(40.0 * np.exp(rate[:, None] * later), later, posterior.followed[0], posterior.weights, error)
    return float(found.cdf(np.log(read[4:]))[0, 0]), np.sum(posterior.weights[rate < true_rate])


@pytest.mark.parametrize("error", [PLAIN, replace(DIAMETER, reading_abs=0.0, offset_sd=0.3)])
def test_the_posterior_covers_the_truth_at_the_nominal_rate(error):
    n = 300
    places = np.array([surrogate(seed, error) for seed in range(n)])
    for column in places.T:
        for mass in (0.5, 0.9):
            share = float(np.mean(np.abs(column - 0.5) <= mass / 2.0))
            # Three standard errors, and what 200 draws, floored readings and joined leaps cost.
            assert abs(share - mass) < 3.0 * (mass * (1.0 - mass) / n) ** 0.5 + 0.02


def test_collapse_is_tempered_and_told():
    rate, course = ensemble(400)
    exact = replace(PLAIN, reading_sd=0.0005, walk_sd=1e-6, drift_sd=1e-8, start_sd=1e-8, offset_sd=1e-3)
    twin = SimpleNamespace(weights=even(400), n_draws=400, notes=("before",))
    posterior = weigh(twin.weights, [track(course[np.argmax(rate)] * 1.2, course, exact)])
    assert posterior.n_effective_untempered < 3.0
    assert posterior.temperature < 1.0
    assert posterior.n_effective == pytest.approx(20.0, rel=0.01)
    assert posterior.surprise < 0.01, "and the course is unusual"


def test_temper_keeps_what_needs_no_tempering():
    prior = even(50)
    weights, temperature, bare = temper(prior, np.zeros(50))
    np.testing.assert_allclose(weights, prior)
    assert (temperature, bare) == (1.0, pytest.approx(50.0))
    few, temperature, _ = temper(even(6), np.array([0.0, -50, -50, -50, -50, -np.inf]), fewest=20.0)
    assert effective(few) == pytest.approx(2.5, rel=1e-3), "half of what the five usable draws can give"
    assert few[-1] == 0.0, "a failed draw gets nothing at any temperature"
    assert temperature < 1.0


def test_failed_draws_are_excluded_and_all_of_them_are_an_error():
    _, course = ensemble(40)
    course[:10] = np.nan
    posterior = weigh(even(40), [track(np.full(4, 40.0), course)])
    assert np.all(posterior.weights[:10] == 0.0)
    assert np.isfinite(posterior.weights).all()
    with pytest.raises(InputError, match="every draw failed"):
        weigh(even(40), [track(np.full(4, 40.0), np.full((40, 4), np.nan))])


def test_a_usual_course_is_not_called_unusual():
    _, course = ensemble()
    assert weigh(even(300), [track(course[3], course)]).surprise > 0.05
    gone = np.array([40.0, 12.0, 0.0, 0.0])  # shrinks as draws do that vanish; zero is no surprise then
    vanish = np.concatenate([course, np.tile([40.0, 12.0, 3.0, 3.0], (100, 1))])
    assert weigh(even(400), [track(gone, vanish)]).surprise > 0.01


def test_tracks_add_up():
    _, course = ensemble()
    size, dna = track(course[9], course), track(course[9] ** 3, course**3, CTDNA)
    both = weigh(even(300), [size, dna], fewest=1.0)
    first = weigh(even(300), [size], fewest=1.0).weights * np.exp(follow(dna).log_likelihood)
    np.testing.assert_allclose(both.weights, first / first.sum(), rtol=1e-9)


def test_courses_between_weeks_and_outside():
    weeks = np.array([0.0, 7.0, 14.0])
    course = np.array([[40.0, 20.0, 10.0], [10.0, 10.0, 0.0]])
    found = at_days(course, weeks, np.array([3.5, 14.0]), 2.5)
    np.testing.assert_allclose(found[0], [40.0 * 2.0**-0.5, 10.0])
    assert found[1, 1] == 2.5, "followed no further down"
    with pytest.raises(InputError, match="not simulated"):
        at_days(course, weeks, np.array([15.0]), 2.5)


def test_forecast_quantiles_are_where_its_distribution_says():
    rate, course = ensemble()
    posterior = weigh(even(300), [track(course[5], course, DIAMETER)])
    followed: Followed = posterior.followed[0]
    days = np.array([150.0, 400.0])
    found = forecast(40.0 * np.exp(rate[:, None] * days), days, followed, posterior.weights, DIAMETER)
    q = found.quantile([0.05, 0.5, 0.95])
    for j in range(2):
        np.testing.assert_allclose(found.cdf(np.log(q[:, j]))[j], [0.05, 0.5, 0.95], atol=1e-3)
    assert np.all(q[2] / q[0] >= 1.0)
    assert q[2, 1] / q[0, 1] > q[2, 0] / q[0, 0], "further ahead is wider"
