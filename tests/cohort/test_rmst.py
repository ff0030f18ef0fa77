"""Restricted mean survival: closed forms, honest standard errors, where the curve is not known."""

from __future__ import annotations

import numpy as np
import pytest

from tumornexus.cohort.rmst import (
    contrast,
    longest_horizon,
    proportional_hazards_p,
    rmst,
    rmst_difference,
)
from tumornexus.errors import InputError


def exponential(rng: np.random.Generator, n: int, mean: float, censor: float) -> tuple[np.ndarray, np.ndarray]:
    days, end = rng.exponential(mean, n), rng.uniform(0.5 * censor, censor, n)
    return np.minimum(days, end), (days <= end).astype(float)


def test_exponential_has_its_closed_form():
    """RMST of an exponential: mean (1 - exp(-tau / mean)), with a fifth of the patients censored before."""
    days, event = exponential(np.random.default_rng(1), 20000, 200.0, 900.0)
    found = rmst(days, event, 365.0)
    assert found.estimate == pytest.approx(200.0 * (1 - np.exp(-365.0 / 200.0)), abs=3.5 * found.se)
    assert found.se < 1.2


def test_without_censoring_it_is_the_mean_of_the_shorter_time_and_its_error():
    days = np.random.default_rng(2).exponential(100.0, 400)
    found = rmst(days, np.ones(400), 150.0)
    cut = np.minimum(days, 150.0)
    assert found.estimate == pytest.approx(cut.mean())
    assert found.se == pytest.approx(cut.std() / 20.0), "Greenwood's form is then the variance of a mean"


def test_mean_agrees_with_lifelines():
    lifelines = pytest.importorskip("lifelines")
    utils = pytest.importorskip("lifelines.utils")
    days, event = exponential(np.random.default_rng(3), 300, 200.0, 900.0)
    days = np.ceil(days)  # ties
    fit = lifelines.KaplanMeierFitter().fit(days, event)
    assert rmst(days, event, 400.0).estimate == pytest.approx(utils.restricted_mean_survival_time(fit, t=400.0))


def test_intervals_hold_their_level():
    truth = 200.0 * (1 - np.exp(-1.5))
    inside = 0
    for seed in range(300):
        found = rmst(*exponential(np.random.default_rng(seed), 80, 200.0, 700.0), 300.0)
        inside += found.low <= truth <= found.high
    assert 0.90 <= inside / 300 <= 0.99


def test_difference_is_within_strata_and_a_later_start_of_all_changes_it_not_at_all():
    rng = np.random.default_rng(4)
    parts = [(*exponential(rng, 400, mean, 900.0), arm, name) for name, means in (("a", (100, 200)), ("b", (300, 500)))
             for arm, mean in zip((0.0, 1.0), means, strict=True)]  # fmt: skip
    days, event = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
    arm, name = np.repeat([p[2] for p in parts], 400), np.repeat([p[3] for p in parts], 400)
    found = rmst_difference(days, event, arm, 365.0, name)
    truth = np.mean(
        [m1 * (1 - np.exp(-365 / m1)) - m0 * (1 - np.exp(-365 / m0)) for m0, m1 in ((100, 200), (300, 500))]
    )
    assert found.estimate == pytest.approx(truth, abs=3.5 * found.se)
    swapped = rmst_difference(days, event, 1.0 - arm, 365.0, name)
    assert swapped.estimate == pytest.approx(-found.estimate)
    assert contrast(found, found).estimate == 0.0
    assert contrast(found, swapped).se == pytest.approx(np.hypot(found.se, swapped.se))


def test_a_horizon_beyond_what_was_seen_is_refused():
    days, event = np.array([5.0, 10.0, 20.0]), np.array([1.0, 1.0, 0.0])
    assert longest_horizon(days, event) == 20.0
    assert rmst(days, event, 20.0).n == 3
    with pytest.raises(InputError, match="at most 20 days"):
        rmst(days, event, 21.0)
    assert rmst(days, np.ones(3), 100.0).estimate == pytest.approx(days.mean())


def test_crossing_hazards_are_seen_and_proportional_ones_are_not():
    pytest.importorskip("lifelines")
    rng = np.random.default_rng(5)
    n = 1500
    arm = np.repeat([0.0, 1.0], n // 2)
    early = rng.exponential(60.0, n)
    # Under treatment a third die at once, the others hardly: the hazard ratio falls from above to below 1.
    mixed = np.where(rng.random(n) < 0.4, rng.exponential(20.0, n), rng.exponential(400.0, n))
    crossing = np.where(arm == 1, mixed, early)
    assert proportional_hazards_p(arm, crossing, np.ones(n)) < 1e-6
    p = [
        proportional_hazards_p(arm[::5], rng.exponential(np.where(arm[::5] == 1, 90.0, 60.0)), np.ones(n // 5))
        for _ in range(20)
    ]
    assert np.mean(np.array(p) < 0.05) <= 0.25
    assert np.isnan(proportional_hazards_p(np.ones(20), np.arange(1.0, 21.0), np.ones(20)))
