"""Activities: presence and extent as one distribution, drawn from streams that have an address."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumornexus.activities import Activities, Activity, named_generator

shape = st.floats(0.3, 20.0)
presence = st.floats(0.0, 1.0)


def activities(sample: str = "S1", **presences: float) -> Activities:
    return Activities(sample, "melanoma", {m: Activity(p, 3.0, 2.0, "measured") for m, p in presences.items()})


@given(presence, shape, shape, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_quantiles_rise_and_stay_between_none_and_complete(p, a, b, q1, q2):
    activity = Activity(p, a, b, "measured")
    low, high = (activity.quantile(q) for q in sorted((q1, q2)))
    assert 0.0 <= low <= high <= 1.0


@given(presence, shape, shape, st.floats(0.05, 0.95))
def test_the_interval_holds_its_mass_around_the_median(p, a, b, mass):
    activity = Activity(p, a, b, "measured")
    low, high = activity.interval(mass)
    assert low <= activity.quantile(0.5) <= high
    assert 0.0 <= low <= activity.mean <= high <= 1.0, "the number that is shown lies in its interval"
    for end, tail in ((low, 0.5 - mass / 2.0), (high, 0.5 + mass / 2.0)):
        assert abs(end - activity.quantile(tail)) < 0.01 + 1e-12 or abs(end - activity.mean) < 0.01 + 1e-12


def test_an_absent_mechanism_is_zero_and_nothing_else():
    activity = Activity(0.0, 2.0, 2.0, "sampled")
    assert activity.mean == 0.0
    assert activity.interval() == (0.0, 0.0)
    assert (activity.draws(100, named_generator(0, "x")) == 0.0).all()


def test_a_chance_of_a_clonal_loss_is_not_half_a_loss():
    """Presence 0.5 and extent near 1: half of the draws are 0, half near 1, none in between."""
    draws = Activity(0.5, 400.0, 4.0, "measured").draws(4000, named_generator(0, "x"))
    assert (draws == 0.0).mean() == pytest.approx(0.5, abs=0.03)
    assert (draws[draws > 0.0] > 0.9).all()


@pytest.mark.parametrize(("p", "a", "b"), [(1.0, 2.0, 5.0), (0.6, 4.0, 2.0), (0.2, 1.0, 1.0)])
def test_draws_follow_the_distribution_that_the_quantiles_describe(p, a, b):
    activity = Activity(p, a, b, "measured")
    draws = activity.draws(20000, named_generator(7, "law"))
    assert draws.mean() == pytest.approx(activity.mean, abs=0.01)
    for q in (0.1, 0.5, 0.85, 0.95):
        assert np.quantile(draws, q) == pytest.approx(activity.quantile(q), abs=0.03)


def test_streams_depend_on_seed_and_address_only():
    first = named_generator(1, "a", "b").random(5)
    np.testing.assert_array_equal(first, named_generator(1, "a", "b").random(5))
    for other in (
        named_generator(2, "a", "b"),
        named_generator(1, "ab"),
        named_generator(1, "b", "a"),
        named_generator(1, "a"),
    ):
        assert not np.array_equal(first, other.random(5))


def test_the_same_words_cut_differently_are_another_address():
    assert named_generator(0, "ab", "c").random() != named_generator(0, "a", "bc").random()


def test_a_sample_draws_the_same_numbers_alone_and_among_others():
    alone = activities("S1", hypoxia=0.7).draws(50, 3)
    activities("S2", hypoxia=0.7, treg=0.5).draws(50, 3)
    among = activities("S1", treg=0.2, hypoxia=0.7, mdsc=1.0).draws(50, 3)
    np.testing.assert_array_equal(alone["hypoxia"], among["hypoxia"])
    assert not np.array_equal(alone["hypoxia"], activities("S2", hypoxia=0.7).draws(50, 3)["hypoxia"])


def test_mechanisms_of_a_sample_draw_independently():
    draws = activities("S1", hypoxia=1.0, treg=1.0).draws(4000, 0)
    assert abs(np.corrcoef(draws["hypoxia"], draws["treg"])[0, 1]) < 0.06


def test_reading_a_profile_loads_no_simulator():
    code = "import sys, tumornexus.activities; assert not {'jax', 'equinox', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
