"""Laws of discrimination: pairs, symmetry, invariance, coverage of the intervals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from tumornexus.cohort import auc, auc_interval, pooled_auc, pooled_difference
from tumornexus.errors import InputError


def sample(seed: int, n: int = 40, effect: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.4
    y[:2] = (True, False)
    return np.round(rng.normal(size=n) + effect * y, 1), y  # rounded, so that ties occur


@settings(deadline=None)  # the first call loads scipy.stats
@given(st.integers(0, 10_000))
def test_auc_counts_pairs_and_is_mann_whitney(seed):
    x, y = sample(seed)
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in itertools.product(x[y], x[~y])]
    assert auc(x, y) == pytest.approx(np.mean(pairs))
    assert auc(x, y) == pytest.approx(mannwhitneyu(x[y], x[~y]).statistic / (y.sum() * (~y).sum()))


@settings(deadline=None)  # the first call loads scipy.stats
@given(st.integers(0, 10_000))
def test_flipping_mirrors_and_what_keeps_the_order_changes_nothing(seed):
    x, y = sample(seed)
    assert auc(-x, y) == pytest.approx(1.0 - auc(x, y))
    assert auc(x, ~y) == pytest.approx(1.0 - auc(x, y))
    for same in (x + 7.0, 3.0 * x, np.exp(x)):
        assert auc(same, y) == auc(x, y)
    value, low, high = auc_interval(x, y)
    mirrored = auc_interval(-x, y)
    assert (value, low, high) == pytest.approx((1 - mirrored[0], 1 - mirrored[2], 1 - mirrored[1]))


def test_the_interval_holds_its_level():
    """Against the exact AUC of two normal distributions: 95 % intervals hold it about 95 times of a hundred."""
    rng, inside, pooled_inside = np.random.default_rng(3), 0, 0
    truth = 0.7602  # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt 2)
    names = np.repeat(["a", "b", "c"], (20, 30, 60))
    for _ in range(300):
        y = rng.random(len(names)) < 0.4
        x = rng.normal(size=len(names)) + y
        first = names == "a"
        if y[first].any() and not y[first].all():
            _, low, high = auc_interval(x[first], y[first])
            inside += low <= truth <= high
        else:
            inside += 1
        found = pooled_auc(x, y, names)
        pooled_inside += found.low <= truth <= found.high
    assert 0.91 <= inside / 300 <= 1.0
    assert 0.90 <= pooled_inside / 300 <= 0.99


def test_a_separated_cohort_gives_no_certainty():
    _, low, high = auc_interval(np.arange(9.0), np.arange(9) >= 5)
    assert 0.4 < low < 0.9
    assert high == 1.0


def test_pooling_weighs_by_the_rule_and_keeps_cohorts_apart():
    """Shifting a cohort moves nothing, and the pooled figure is the weighted mean written out."""
    x, y = sample(5, 60)
    names = np.repeat(["a", "b", "c"], 20)
    shifted = x + np.repeat([0.0, 100.0, -50.0], 20)
    found = pooled_auc(shifted, y, names)
    areas = [auc(x[names == n], y[names == n]) for n in "abc"]
    weights = [y[names == n].sum() * (~y[names == n]).sum() / 21 for n in "abc"]
    assert found.estimate == pytest.approx(np.average(areas, weights=weights))
    assert sum(w for _, _, w in found.by_cohort.values()) == pytest.approx(1.0)


def test_one_cohort_pooled_is_itself_and_no_difference_is_none():
    x, y = sample(9)
    names = np.full(len(x), "only")
    assert pooled_auc(x, y, names).estimate == pytest.approx(auc(x, y))
    none = pooled_difference(x, x, y, names)
    assert (none.estimate, none.low, none.high) == (0.0, 0.0, 0.0)
    assert not none.excludes_zero
    rng = np.random.default_rng(1)
    other = rng.normal(size=len(x))
    there, back = pooled_difference(x, other, y, names), pooled_difference(other, x, y, names)
    assert there.estimate == pytest.approx(-back.estimate)
    assert there.se == pytest.approx(back.se)


def test_standard_error_agrees_with_the_bootstrap():
    x, y = sample(12, 80, 1.0)
    rng = np.random.default_rng(4)
    a, b = np.flatnonzero(y), np.flatnonzero(~y)
    drawn = []
    for _ in range(1000):
        rows = np.concatenate([rng.choice(a, len(a)), rng.choice(b, len(b))])
        drawn.append(auc(x[rows], y[rows]))
    assert pooled_auc(x, y, np.full(80, "c")).se == pytest.approx(np.std(drawn), rel=0.15)


def test_missing_scores_and_one_sided_cohorts_are_left_out_and_named():
    x, y = sample(2, 40)
    names = np.repeat(["a", "b"], 20)
    y[20:] = False
    x[0] = np.nan
    found = pooled_auc(x, y, names)
    assert found.left_out == ("b",)
    assert found.n == 19
    assert np.isnan(pooled_auc(x[20:], y[20:], names[20:]).estimate)


def test_a_response_that_is_neither_is_refused():
    with pytest.raises(InputError, match="neither yes nor no"):
        auc(np.arange(3.0), np.array([0.0, 1.0, 2.0]))
    with pytest.raises(InputError, match="differ in length"):
        auc(np.arange(3.0), np.array([0.0, 1.0]))
