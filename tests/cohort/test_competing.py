"""Competing risks: probabilities add up to one, closed form of two exponentials."""

from __future__ import annotations

import numpy as np
import pytest

from tumornexus.cohort.competing import cumulative_incidence
from tumornexus.cohort.decision import risk_by
from tumornexus.errors import InputError


def two_ends(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Two exponential ends of hazards 0.004 and 0.001 a day, censored between day 200 and 800."""
    rng = np.random.default_rng(seed)
    times = np.stack([rng.uniform(200, 800, n), rng.exponential(250.0, n), rng.exponential(1000.0, n)])
    return times.min(axis=0), times.argmin(axis=0)


def test_two_exponentials_have_their_closed_form():
    at = np.array([50.0, 150.0, 400.0])
    _, curves = cumulative_incidence(*two_ends(30000), at)
    whole = 1.0 - np.exp(-0.005 * at)
    assert curves[1] == pytest.approx(0.8 * whole, abs=0.01)
    assert curves[2] == pytest.approx(0.2 * whole, abs=0.01)


def test_causes_and_survival_add_up_to_one_with_ties():
    days, cause = two_ends(400)
    days = np.ceil(days / 20.0)
    times, curves = cumulative_incidence(days, cause)
    for i in range(0, len(times), 5):
        assert sum(c[i] for c in curves.values()) == pytest.approx(risk_by(days, (cause > 0).astype(float), times[i]))
    assert all((np.diff(c) >= 0).all() for c in curves.values())


def test_one_cause_alone_is_one_minus_kaplan_meier_and_two_are_below_it():
    days, cause = two_ends(500)
    at = np.array([180.0])
    alone = cumulative_incidence(days, np.minimum(cause, 1), at)[1][1][0]
    assert alone == pytest.approx(risk_by(days, (cause > 0).astype(float), 180.0))
    as_censored = risk_by(days, (cause == 1).astype(float), 180.0)
    assert cumulative_incidence(days, cause, at)[1][1][0] < as_censored


def test_impossible_causes_are_refused():
    with pytest.raises(InputError, match="do not agree"):
        cumulative_incidence(np.array([1.0, 2.0]), np.array([1.0, 0.5]))
