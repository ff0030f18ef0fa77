"""Cells of a slide keep their number, their kinds and nearly their places on the lattice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumornexus.errors import InputError
from tumornexus.spatial import border_distance, mixing_score, nest_share
from tumornexus.tissue.from_slide import densest, place

LOW, HIGH = np.zeros(2), np.full(2, 600.0)


def hard_core(n: int, side: float, gap: float, draw: np.random.Generator) -> np.ndarray:
    """Return up to n points in a square that keep a distance, as cells do."""
    points = np.zeros((0, 2))
    for new in draw.uniform(0, side, (20 * n, 2)):
        if len(points) == n:
            break
        if not len(points) or ((points - new) ** 2).sum(1).min() > gap**2:
            points = np.vstack([points, new])
    return points


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 400), seed=st.integers(0, 999), crowd=st.floats(0.3, 1.0))
def test_every_cell_gets_one_site_of_its_own(n, seed, crowd):
    draw = np.random.default_rng(seed)
    xy = draw.uniform(0, 600 * crowd, (n, 2))
    kind = draw.integers(1, 20, n)
    found = place(*xy.T, kind, low=LOW, high=HIGH)
    assert len(np.unique(found.site, axis=0)) == n
    np.testing.assert_array_equal(found.kind[tuple(found.site.T)], kind)
    assert (found.kind > 0).sum() == n
    assert all(axis % 4 == 0 for axis in found.kind.shape)
    assert found.cells_per_mm2 == pytest.approx(n / 0.36)


def test_cells_on_a_lattice_stay_where_they_are():
    at = (np.argwhere(np.ones((40, 40))) + 0.5)[:, ::-1] * 15.0
    found = place(*at.T, np.ones(1600, int), low=LOW, high=HIGH, site_um=15.0, shape=(40, 40))
    assert found.displacement == (0.0, 0.0)
    np.testing.assert_array_equal((found.site[:, ::-1] + 0.5) * 15.0, at)


def test_axes_are_not_exchanged():
    """A cell to the right of a wide image lies in a high column of the lattice."""
    found = place(
        [395.0, 5.0, 205.0], [5.0, 5.0, 195.0], [1, 2, 3], low=LOW, high=np.array([400.0, 200.0]), site_um=10.0
    )
    assert found.kind.shape == (20, 40)
    assert (found.kind[0, 39], found.kind[0, 0], found.kind[19, 20]) == (1, 2, 3)


@pytest.mark.parametrize("pattern", ["halves", "disk", "random"])
def test_statistics_before_and_after_agree(pattern):
    draw = np.random.default_rng(4)
    xy = hard_core(2200, 600.0, 8.0, draw)
    inside = {
        "halves": xy[:, 0] < 300,
        "disk": np.linalg.norm(xy - 300, axis=1) < 180,
        "random": draw.uniform(size=len(xy)) < 0.5,
    }[pattern]
    cd8 = ~inside & (draw.uniform(size=len(xy)) < 0.3)
    if pattern != "random":
        cd8 |= inside & (draw.uniform(size=len(xy)) < 0.05)
    tumor, immune = inside & ~cd8, ~inside | cd8
    found = place(*xy.T, np.where(tumor, 1, 2), low=LOW, high=HIGH)
    after = (found.site[:, ::-1] + 0.5) * found.site_um
    for radius in (15.0, 30.0):
        before = mixing_score(xy, tumor, immune, radius).score
        assert mixing_score(after, tumor, immune, radius).score == pytest.approx(before, rel=0.1)
    if pattern != "random":
        share = [nest_share(border_distance(at, tumor, frame=(LOW, HIGH)), cd8) for at in (xy, after)]
        assert share[1].inside == pytest.approx(share[0].inside, abs=0.03)
        assert share[1].ratio == pytest.approx(share[0].ratio, rel=0.15)
    assert found.displacement[0] < 0.6
    assert found.fullest <= 1.0


def test_the_densest_square_decides_the_site():
    draw = np.random.default_rng(0)
    sparse = draw.uniform(0, 600, (400, 2))
    crowd = draw.uniform(0, 100, (150, 2)) + 300.0
    xy = np.vstack([sparse, crowd])
    found = place(*xy.T, np.ones(550, int), low=LOW, high=HIGH)
    assert densest(xy, LOW, HIGH) >= 150 / 1e4
    assert found.site_um**2 * densest(xy, LOW, HIGH) <= 0.95 + 1e-9
    assert found.site_um**2 * densest(xy, LOW, HIGH) > 0.80
    assert densest(xy, np.zeros(2), np.full(2, 1200.0)) == pytest.approx(densest(xy, LOW, HIGH))


def test_the_displacement_is_the_least_possible():
    """Against the dense solver of the same problem."""
    from scipy.optimize import linear_sum_assignment

    draw = np.random.default_rng(2)
    xy = draw.normal(60, 18, (50, 2)).clip(1, 119)
    found = place(*xy.T, np.ones(50, int), low=np.zeros(2), high=np.full(2, 120.0), site_um=10.0)
    centers = (np.argwhere(np.ones((12, 12)))[:, ::-1] + 0.5) * 10.0
    cost = ((xy[:, None] - centers) ** 2).sum(2)
    moved = ((xy - (found.site[:, ::-1] + 0.5) * 10.0) ** 2).sum()
    assert moved == pytest.approx(cost[linear_sum_assignment(cost)].sum())


def test_vessels_are_ground_and_unplaced_cells_leave_no_trace():
    xy = np.array([[5.0, 5.0], [15.0, 5.0], [15.0, 6.0], [25.0, 5.0], [35.0, 35.0]])
    vessel = np.array([False, True, True, False, False])
    found = place(*xy.T, np.array([1, 9, 9, 0, 2]), vessel, low=np.zeros(2), high=np.full(2, 40.0), site_um=10.0)
    assert found.vessel.sum() == 1
    assert found.vessel[0, 1] == 1
    assert found.vessels_merged == 1
    assert found.kind.sum() == 3
    assert (found.site[[1, 2, 3]] == -1).all()
    nobody = place(*xy.T, np.zeros(5, int), vessel, low=np.zeros(2), high=np.full(2, 40.0))
    assert nobody.kind.sum() == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"site_um": 200.0}, r"more cells than sites.*at most"),
        ({"site_um": -1.0}, r"not a size of a site"),
        ({"site_um": 10.0, "shape": (60, 40)}, r"does not hold.*\(60, 40\).*\(60, 60\)"),
        ({"site_um": 10.0, "shape": (61, 61)}, r"multiples of 4"),
        ({"high": np.full(2, 100.0)}, r"outside the field of view"),
        ({"low": np.full(2, 700.0)}, r"outside the field of view"),
    ],
)
def test_wrong_input_is_one_clear_error(options, words):
    xy = np.random.default_rng(0).uniform(0, 600, (500, 2))
    with pytest.raises(InputError, match=words):
        place(*xy.T, np.ones(500, int), **{"low": LOW, "high": HIGH, **options})
    with pytest.raises(InputError, match="a kind each"):
        place(*xy.T, np.ones(499, int))


def test_a_lattice_too_coarse_for_a_crowd_is_refused():
    crowd = np.random.default_rng(0).uniform(0, 60, (500, 2))
    with pytest.raises(InputError, match=r"move by .* sites in the median.*at most"):
        place(*crowd.T, np.ones(500, int), low=LOW, high=HIGH, site_um=20.0)
