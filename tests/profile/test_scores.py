"""Scores of one sample: R GSVA's values, a plain twin, and what must not matter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumornexus.profile.scores import contrast, log_expression, protocol_coordinates, ssgsea, standardize

STORED = json.loads((Path(__file__).parent / "data" / "gsva_ssgsea.json").read_text())


@pytest.mark.parametrize("sample", sorted(STORED["expression"]))
def test_agrees_with_gsva(sample):
    genes = STORED["genes"]
    values = np.array(STORED["expression"][sample])
    for name, expected in zip(STORED["set_order"], STORED["raw"][sample], strict=True):
        members = np.array([genes.index(g) for g in STORED["sets"][name]])
        assert ssgsea(values, members, STORED["alpha"]) == pytest.approx(expected, abs=1e-9), name


def plain_ssgsea(values: np.ndarray, members: set[int], alpha: float) -> float:
    """The definition, step by step: sort, walk, add up the difference of two running sums."""
    n = len(values)
    ranks = [int(sum(v < x for v in values) + (sum(v == x for v in values) + 1) / 2) for x in values]
    walk = sorted(range(n), key=lambda i: -ranks[i])
    total = sum(ranks[i] ** alpha for i in members)
    inside = outside = score = 0.0
    for i in walk:
        if i in members:
            inside += ranks[i] ** alpha / total
        else:
            outside += 1.0 / (n - len(members))
        score += inside - outside
    return score


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=5, max_size=25), st.data())
def test_closed_form_equals_the_walk(values, data):
    members = data.draw(st.sets(st.integers(0, len(values) - 1), min_size=1, max_size=len(values) - 1))
    expected = plain_ssgsea(np.array(values, dtype=float), members, 0.25)
    assert ssgsea(np.array(values, dtype=float), np.array(sorted(members))) == pytest.approx(expected, abs=1e-9)


def test_empty_set_and_whole_universe_say_nothing():
    assert np.isnan(ssgsea(np.arange(5.0), np.array([], dtype=int)))
    assert np.isnan(ssgsea(np.arange(5.0), np.arange(5)))


def test_sequencing_depth_does_not_matter():
    rng = np.random.default_rng(0)
    values, stable = rng.lognormal(2, 1, 100), np.arange(40)
    level = np.log2(np.median(values)) + np.zeros(40)
    a, shift_a = log_expression(values, stable, level)
    b, shift_b = log_expression(values * 8.0, stable, level)
    np.testing.assert_allclose(a, b, atol=1e-12)
    assert shift_b - shift_a == pytest.approx(3.0)


def test_too_few_stable_genes_refuse_to_normalize():
    values = np.full(100, np.nan)
    values[:10] = 5.0
    assert log_expression(values, np.arange(40), np.zeros(40))[0] is None


def test_contrast_uses_measured_genes_only():
    z = np.array([1.0, 3.0, np.nan, 2.0])
    score, up, down = contrast(z, np.array([0, 1, 2]), np.array([3]))
    assert (score, list(up), list(down)) == (0.0, [0, 1], [3])


def test_protocol_axes_are_recovered_and_shrink_without_markers():
    rng = np.random.default_rng(1)
    slopes, location = rng.normal(0, 1, (2, 3000)), rng.normal(5, 1, 3000)
    weight = np.full(3000, 0.1)
    truth = np.array([1.2, -0.7])
    log2 = location + truth @ slopes + 0.5 * rng.standard_normal(3000)
    np.testing.assert_allclose(protocol_coordinates(log2, location, slopes, weight), truth, atol=0.05)
    few = np.where(np.arange(3000) < 3, log2, np.nan)
    assert np.all(np.abs(protocol_coordinates(few, location, slopes, weight)) < 0.8)
    none = np.full(3000, np.nan)
    np.testing.assert_array_equal(protocol_coordinates(none, location, slopes, weight), [0.0, 0.0])


def test_one_gene_cannot_dominate():
    assert standardize(np.array([100.0, 0.0]), np.zeros(2), np.ones(2)).max() == 5.0
