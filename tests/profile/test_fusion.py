"""Laws of combining evidence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumornexus.profile.fusion import Extent, Soft, beta_from_moments, clonal_fraction, fuse, overlap, second_hit

P = st.floats(0.02, 0.9)


def posterior(prevalence=0.3, soft=(), rho=0.0, hard=(), extent=(), clonal=False):
    return fuse(prevalence, 0.3, soft, rho, hard, extent, clonal)[0]


@given(P)
def test_without_evidence_the_prior_stays_and_is_called_sampled(p):
    activity = posterior(p)
    assert activity.origin == "sampled"
    assert activity.presence == pytest.approx(p)
    assert activity.alpha / (activity.alpha + activity.beta) == pytest.approx(5 / 7, abs=0.01)


@settings(deadline=None)
@given(P, st.floats(-2, 3), st.floats(0.1, 1.0), st.floats(0.5, 2.0))
def test_a_higher_score_never_speaks_less_for_the_mechanism(p, z, step, separation):
    low, high = posterior(p, [Soft(z, separation)]), posterior(p, [Soft(z + step, separation)])
    assert high.presence >= low.presence - 1e-3
    assert high.origin == "measured"


def test_the_same_measurement_twice_counts_once():
    one = posterior(soft=[Soft(1.5, 1.2)])
    two = posterior(soft=[Soft(1.5, 1.2)] * 2, rho=1.0)
    independent = posterior(soft=[Soft(1.5, 1.2)] * 2, rho=0.0)
    assert two.presence == pytest.approx(one.presence, abs=1e-9)
    assert independent.presence > one.presence


def test_the_posterior_averages_to_the_prior_over_the_reference_mixture():
    rng = np.random.default_rng(3)
    p, d = 0.3, 1.4
    from tumornexus.profile.fusion import LEVEL_PRIOR, class_noise

    present = rng.random(4000) < p
    level = rng.beta(*LEVEL_PRIOR, 4000) / (5 / 7)
    z = -p * d + d * level * present + class_noise(d, p, LEVEL_PRIOR) * rng.standard_normal(4000)
    assert z.std() == pytest.approx(1.0, abs=0.04)
    mean = np.mean([fuse(p, p, [Soft(v, d)], 0.0, [], [], False)[0].presence for v in z])
    assert mean == pytest.approx(p, abs=0.02)


def test_hard_evidence_outweighs_expression():
    activity = posterior(0.05, soft=[Soft(-1.0, 0.8)], hard=[math.log(100.0)])
    assert activity.presence > 0.6
    assert posterior(0.5, hard=[math.log(0.04)]).presence < 0.05


def test_overlapping_calls_are_not_counted_twice():
    assert overlap([math.log(40), math.log(40)]) == pytest.approx(1.5 * math.log(40))
    assert overlap([2.0, -1.0]) == pytest.approx(1.0)
    assert overlap([100.0]) == pytest.approx(math.log(1000))
    assert overlap([]) == 0.0


def test_one_outlier_does_not_decide():
    for z in (30.0, -30.0):
        _, contributions = fuse(0.3, 0.3, [Soft(z, 1.5)], 0.0, [], [], False)
        assert abs(contributions[0]) < math.log(200.0)


def test_direct_evidence_moves_and_narrows_the_extent():
    prior, measured = posterior(hard=[3.0]), posterior(hard=[3.0], extent=[Extent(0.3, 0.003)])
    assert measured.mean < prior.mean
    assert measured.alpha + measured.beta > prior.alpha + prior.beta


@given(st.floats(0.0, 1.0), st.floats(0.0, 0.5))
def test_shapes_stay_proper(mean, variance):
    alpha, beta = beta_from_moments(mean, variance)
    assert alpha > 0
    assert beta > 0
    assert math.isfinite(alpha + beta)


def test_clonal_fraction_needs_purity_to_be_sharp():
    unknown, known = clonal_fraction(0.2, 200, None), clonal_fraction(0.2, 200, 0.4)
    assert known.mean == pytest.approx(0.95, abs=0.08)
    assert known.variance < unknown.variance
    assert clonal_fraction(0.05, 200, 0.8).mean == pytest.approx(0.125, abs=0.02)
    assert clonal_fraction(0.6, 200, 0.6, copies_mutated=2.0).mean == pytest.approx(0.95, abs=0.06)


def test_second_hit_by_allele_fraction():
    assert second_hit(0.7, 200, None)
    assert not second_hit(0.45, 200, None)
    assert second_hit(0.45, 300, 0.5)
    assert not second_hit(0.25, 300, 0.5)


@settings(deadline=None, max_examples=30)
@given(P, st.floats(-2, 3), st.lists(st.floats(-3, 3), max_size=3))
def test_interval_contains_the_median_and_stays_in_bounds(p, z, hard):
    activity = posterior(p, [Soft(z, 1.2)], hard=hard)
    low, high = activity.interval()
    assert 0.0 <= low <= activity.quantile(0.5) <= high <= 1.0
