"""Landmark: response that does nothing shows no effect, and the comparison from the first day on shows one."""

from __future__ import annotations

import numpy as np
import pytest

from tumornexus.cohort.landmark import landmark, landmark_effect, naive_effect, time_dependent_effect
from tumornexus.errors import InputError


def idle_response(n: int = 3000, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A response comes by lot to those who live to see it and changes nothing."""
    rng = np.random.default_rng(seed)
    days, onset = rng.exponential(200.0, n), rng.exponential(150.0, n)
    seen = np.minimum(days, 600.0)
    return seen, (days < 600.0).astype(float), np.where(onset < seen, onset, np.inf)


def real_response(n: int = 3000, ratio: float = 0.4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A response on day 60 for some; the hazard falls to `ratio` of it from then on."""
    rng = np.random.default_rng(2)
    days, responds = rng.exponential(200.0, n), rng.random(n) < 0.4
    longer = responds & (days > 60.0)
    days = np.where(longer, 60.0 + (days - 60.0) / ratio, days)
    return days, np.ones(n), np.where(longer, 60.0, np.inf)


def test_immortal_time_makes_an_effect_and_the_landmark_takes_it_away():
    pytest.importorskip("lifelines")
    data = idle_response()
    assert naive_effect(*data).high < 0.6, "from the first day on an idle response seems to save lives"
    for day in (50.0, 100.0, 200.0):
        found = landmark_effect(landmark(*data, day))
        assert abs(found.log) < 3.0 * found.se
    dependent = time_dependent_effect(*data)
    assert abs(dependent.log) < 3.0 * dependent.se


def test_a_true_effect_stays():
    pytest.importorskip("lifelines")
    data = real_response()
    for found in (landmark_effect(landmark(*data, 61.0)), time_dependent_effect(*data)):
        assert found.log == pytest.approx(np.log(0.4), abs=3.5 * found.se)


def test_with_nobody_lost_it_is_the_plain_comparison():
    pytest.importorskip("lifelines")
    rng = np.random.default_rng(3)
    days, group = 1.0 + rng.exponential(100.0, 300), rng.random(300) < 0.5
    onset = np.where(group, 0.0, np.inf)
    found = landmark(days, np.ones(300), onset, 0.0)
    assert (found.ended, found.later, found.missing) == (0, 0, 0)
    assert (found.days == days).all()
    assert (found.group == group).all()
    plain = naive_effect(days, np.ones(300), onset)
    assert landmark_effect(found).log == pytest.approx(plain.log)
    assert time_dependent_effect(days, np.ones(300), onset).log == pytest.approx(plain.log, abs=1e-3)


def test_everybody_is_accounted_for():
    days = np.array([10.0, 50.0, 90.0, 120.0, 200.0, np.nan])
    onset = np.array([np.inf, 20.0, 60.0, 110.0, np.inf, np.inf])
    found = landmark(days, np.array([1.0, 1.0, 1.0, 0.0, 1.0, 1.0]), onset, 80.0)
    assert found.index.tolist() == [2, 3, 4]
    assert found.group.tolist() == [True, False, False]
    assert found.days.tolist() == [10.0, 40.0, 120.0]
    assert (found.ended, found.later, found.missing) == (2, 1, 1)


def test_impossible_input_is_named():
    with pytest.raises(InputError, match="after the end of observation"):
        landmark(np.array([10.0]), np.array([1.0]), np.array([20.0]), 5.0)
    with pytest.raises(InputError, match="no day"):
        landmark(np.array([10.0]), np.array([1.0]), np.array([5.0]), -1.0)
