"""Laws of the meta-analysis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumornexus.cohort import random_effects
from tumornexus.cohort.meta import between_variance

numbers = st.lists(st.floats(-3, 3), min_size=2, max_size=9)


@given(st.floats(-3, 3), st.integers(2, 9))
def test_equal_effects_are_returned(effect, k):
    errors = np.linspace(0.1, 0.5, k)
    found = random_effects(np.full(k, effect), errors)
    assert found.estimate == pytest.approx(effect)
    assert found.tau == 0.0
    assert found.i2 == 0.0
    assert found.se == pytest.approx(1.0 / np.sqrt((1.0 / errors**2).sum()))


@given(numbers)
def test_between_the_extremes_symmetric_and_moves_with_a_constant(effects):
    y = np.array(effects)
    s = np.linspace(0.2, 0.6, len(y))
    found, flipped, moved = random_effects(y, s), random_effects(-y, s), random_effects(y + 1.5, s)
    assert y.min() - 1e-9 <= found.estimate <= y.max() + 1e-9
    assert found.low <= found.estimate <= found.high
    assert (flipped.estimate, flipped.p) == pytest.approx((-found.estimate, found.p), abs=1e-9)
    assert moved.estimate == pytest.approx(found.estimate + 1.5)
    assert moved.tau == pytest.approx(found.tau, abs=1e-6)


@given(numbers)
def test_the_between_variance_solves_its_equation(effects):
    y, v = np.array(effects), np.linspace(0.04, 0.3, len(effects))
    tau2 = between_variance(y, v)
    w = 1.0 / (v + tau2)
    q = (w * (y - (w * y).sum() / w.sum()) ** 2).sum()
    assert q == pytest.approx(len(y) - 1, rel=1e-6) if tau2 > 0 else q <= len(y) - 1


def test_the_interval_holds_its_level_with_five_cohorts():
    rng = np.random.default_rng(8)
    inside = 0
    for _ in range(400):
        s = rng.uniform(0.2, 0.5, 5)
        y = 0.4 + rng.normal(0, 0.3, 5) + rng.normal(0, s)
        found = random_effects(y, s)
        inside += found.low <= 0.4 <= found.high
    assert inside / 400 > 0.92


def test_what_is_not_finite_takes_no_part():
    some = random_effects(np.array([0.5, np.nan, 0.7]), np.array([0.2, 0.2, np.inf]))
    assert (some.k, some.estimate) == (1, pytest.approx(0.5))
    assert random_effects(np.array([np.nan]), np.array([0.1])).k == 0
