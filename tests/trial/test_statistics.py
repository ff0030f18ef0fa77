"""Statistics by their defining laws and against simulations whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumornexus.errors import InputError
from tumornexus.trial.statistics import (
    disease_control_rate,
    effective,
    hazard_ratio,
    kaplan_meier,
    log_rank_p,
    response_rate,
    restricted_mean,
    restricted_mean_difference,
    share,
    weighted_quantile,
)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3)), min_size=1, max_size=40), st.floats(0.0, 1.0))
def test_a_weighted_quantile_splits_the_weight(pairs, q):
    values, weights = np.array(pairs).T
    got = float(weighted_quantile(values, weights, q)[0])
    assert got in values
    total = weights.sum()
    assert weights[values <= got].sum() / total >= q - 1e-9
    assert weights[values < got].sum() / total <= q + 1e-9


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(1, 5))
def test_equal_weights_are_no_weights_and_a_weight_of_two_is_a_copy(values, copies):
    v = np.array(values)
    q = (0.05, 0.5, 0.95)
    np.testing.assert_array_equal(
        weighted_quantile(v, np.full(len(v), float(copies)), q),
        weighted_quantile(np.repeat(v, copies), np.ones(len(v) * copies), q),
    )


def test_quantiles_rise_with_q_and_ignore_values_without_weight():
    values, weights = np.array([3.0, -99.0, 1.0, 2.0]), np.array([1.0, 0.0, 1.0, 1.0])
    assert weighted_quantile(values, weights, (0.01, 0.5, 0.99)).tolist() == [1.0, 2.0, 3.0]


def test_exact_interval_of_a_share():
    """Two published values: 0 of 10 has the upper limit 1 - 0.025^(1/10); 8 of 40 by beta quantiles."""
    none = share(np.zeros(10, bool))
    assert (none.estimate, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(100.0 * (1.0 - 0.025**0.1))
    some = share(np.arange(40) < 8)
    from scipy.stats import beta

    assert some.low == pytest.approx(100.0 * beta.ppf(0.025, 8, 33))
    assert some.high == pytest.approx(100.0 * beta.ppf(0.975, 9, 32))


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 4))
def test_an_interval_holds_its_share_and_equal_weights_are_none(flags, weight):
    flags = np.array(flags)
    plain, weighted = share(flags), share(flags, np.full(len(flags), float(weight)))
    assert plain.low <= plain.estimate <= plain.high
    for name in ("estimate", "low", "high"):
        assert getattr(weighted, name) == pytest.approx(getattr(plain, name), abs=1e-6)


def test_unequal_weights_widen_the_interval():
    flags = np.arange(60) % 3 == 0
    uneven = np.where(np.arange(60) < 30, 1.0, 0.1)
    wide, narrow = share(flags, uneven), share(flags)
    assert wide.estimate == pytest.approx(narrow.estimate)
    assert wide.high - wide.low > narrow.high - narrow.low
    assert effective(uneven, 60).sum() < 60


def test_rates_count_patients_who_were_not_evaluable():
    best = np.array(["CR", "PR", "SD", "PD", "NE"])
    assert response_rate(best).estimate == 40.0
    assert disease_control_rate(best).estimate == 60.0
    assert response_rate(np.array(["iCR", "iCPD"])).estimate == 50.0


def exponential(n: int, rate: float, censored: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    days = np.random.default_rng(seed).exponential(1.0 / rate, n)
    return np.minimum(days, censored), days <= censored


def test_kaplan_meier_recovers_an_exponential_law():
    days, event = exponential(4000, 0.01, 200.0, 1)
    curve = kaplan_meier(days, event)
    median = curve.quantile()
    assert median.low <= np.log(2.0) / 0.01 <= median.high
    assert median.high - median.low < 8.0
    for day in (30.0, 100.0, 190.0):
        found = curve.at(day)
        assert found.low <= 100.0 * np.exp(-0.01 * day) <= found.high
    assert curve.quantile(0.05).estimate == np.inf  # 13.5 % are left at the end
    assert np.isnan(curve.at(201.0).estimate)


def test_kaplan_meier_by_hand():
    curve = kaplan_meier(np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, False, True]))
    assert [curve.at(d).estimate for d in (0.5, 1.0, 2.0, 3.0, 9.0)] == pytest.approx([100.0, 75.0, 50.0, 0.0, 0.0])
    assert curve.quantile().estimate == 2.0
    assert curve.at_risk.tolist() == [4.0, 4.0, 3.0, 1.0]


def test_a_weight_of_two_is_a_second_patient_in_the_curve():
    days, event = exponential(50, 0.01, 150.0, 2)
    twice = np.where(np.arange(50) < 10, 2.0, 1.0)
    copied = np.concatenate([np.arange(50), np.arange(10)])
    weighted, plain = kaplan_meier(days, event, twice), kaplan_meier(days[copied], event[copied])
    np.testing.assert_allclose(weighted.survival, plain.survival)


def test_hazard_ratio_of_two_exponential_arms():
    parts = [exponential(1500, rate, 300.0, seed) for rate, seed in ((0.005, 3), (0.01, 4))]
    days, event = (np.concatenate(x) for x in zip(*parts, strict=True))
    treated = np.repeat([True, False], 1500)
    found = hazard_ratio(days, event, treated)
    assert found.low < 0.5 < found.high
    assert found.high / found.low < 1.2
    assert found.p < 1e-20
    inverse = hazard_ratio(days, event, ~treated)
    assert inverse.estimate == pytest.approx(1.0 / found.estimate, rel=1e-4)
    weighted = hazard_ratio(days, event, treated, np.full(3000, 2.5))
    assert weighted.estimate == pytest.approx(found.estimate, rel=1e-4)
    heavy = np.random.default_rng(0).uniform(0.01, 1.0, 3000) ** 4
    uneven = hazard_ratio(days, event, treated, heavy)
    assert uneven.low < 0.5 < uneven.high
    assert uneven.high / uneven.low > found.high / found.low


def test_equal_arms_have_a_ratio_around_one_and_too_few_events_none():
    days, event = exponential(400, 0.01, 300.0, 5)
    treated = np.arange(400) % 2 == 0
    equal = hazard_ratio(days, event, treated)
    assert equal.low < 1.0 < equal.high
    assert equal.p > 0.01
    few = np.arange(400) < 3
    assert np.isnan(hazard_ratio(days, event & few, treated).estimate)
    assert np.isnan(log_rank_p(days, event, np.ones(400, bool)))


def test_restricted_mean_of_an_exponential_law():
    days, event = exponential(4000, 0.01, 200.0, 6)
    found = restricted_mean(days, event, 150.0)
    assert found.low <= 100.0 * (1.0 - np.exp(-1.5)) <= found.high
    difference = restricted_mean_difference(days, event, np.arange(4000) % 2 == 0, 150.0)
    assert difference.low <= 0.0 <= difference.high


@pytest.mark.parametrize(
    ("days", "event", "weights", "field"),
    [
        ([], [], None, "days"),
        ([1.0, np.nan], [True, True], None, "days"),
        ([1.0, -2.0], [True, True], None, "days"),
        ([1.0, 2.0], [True, True], [1.0], "weights"),
        ([1.0, 2.0], [True, True], [0.0, 0.0], "weights"),
        ([1.0, 2.0], [True, True], [1.0, -1.0], "weights"),
    ],
)
def test_what_are_no_times_or_weights_is_refused(days, event, weights, field):
    with pytest.raises(InputError, match=field):
        kaplan_meier(np.array(days), np.array(event, dtype=bool), None if weights is None else np.array(weights))
