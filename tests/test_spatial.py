"""Laws of the statistics in space: known patterns, invariance, direct definitions, empty groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tumornexus.errors import InputError
from tumornexus.spatial import (
    border_distance,
    classify,
    clone_diversity,
    cross_k,
    hypoxic_fraction,
    infiltration_depth,
    mixing_score,
    nearest_distance,
    neighborhood_enrichment,
    nest_share,
    site_centers,
)

SITE = 10.0
FRAME = (np.zeros(2), np.full(2, 600.0))


def lattice(n: int = 60) -> np.ndarray:
    return site_centers(np.ones((n, n), bool), SITE)


def turned(xy: np.ndarray, angle: float, shift: np.ndarray) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return xy @ np.array([[c, -s], [s, c]]) + shift


# ---- mixing ----


def test_separation_scores_near_zero_and_a_checkerboard_high():
    xy = lattice()
    left = xy[:, 0] < 300
    apart = mixing_score(xy, left, ~left)
    # 60 contacts across one line; rows and columns of 30 x 60 sites inside
    assert (apart.tumor_immune, apart.immune_immune) == (60, 60 * 29 + 30 * 59)
    assert apart.architecture == "compartmentalized"
    board = (np.rint(xy / SITE - 0.5).sum(1) % 2).astype(bool)
    mixed = mixing_score(xy, board, ~board, radius=1.5 * SITE)
    assert mixed.architecture == "mixed"
    assert mixed.score > 1.9  # four tumor neighbors straight, four immune ones diagonal that are shared by two
    assert np.isnan(mixing_score(xy, board, ~board, radius=SITE).score)  # no two immune cells touch


def test_mixing_agrees_with_a_loop_over_all_pairs(rng):
    xy = rng.uniform(0, 150, (200, 2))
    label = rng.integers(0, 3, 200)
    across = within = 0
    for i in range(200):
        for j in range(i):
            if np.linalg.norm(xy[i] - xy[j]) <= 12.0:
                across += {label[i], label[j]} == {0, 1}
                within += label[i] == label[j] == 1
    found = mixing_score(xy, label == 0, label == 1, 12.0, area_mm2=1e-3)
    assert (found.tumor_immune, found.immune_immune) == (across, within)
    assert found.score == pytest.approx(across / within)


def test_few_immune_cells_are_cold_whatever_their_score():
    xy = lattice()
    few = np.arange(len(xy)) < 249
    assert mixing_score(xy, ~few, few).architecture == "cold"
    few = np.arange(len(xy)) < 250
    assert mixing_score(xy, ~few, few).architecture == "compartmentalized"
    assert mixing_score(xy, ~few, few, area_mm2=1.28).architecture == "cold"


@settings(max_examples=20)
@given(angle=st.floats(0, 6.3), dx=st.floats(-1e4, 1e4), seed=st.integers(0, 99))
def test_a_turned_and_moved_slide_and_another_order_say_the_same(angle, dx, seed):
    draw = np.random.default_rng(seed)
    xy = draw.uniform(0, 300, (300, 2))
    label = draw.integers(0, 3, 300)
    order = draw.permutation(300)
    a = mixing_score(xy, label == 0, label == 1, 15.0)
    b = mixing_score(turned(xy, angle, np.array([dx, -dx]))[order], (label == 0)[order], (label == 1)[order], 15.0)
    assert a.tumor_immune == pytest.approx(b.tumor_immune, abs=1)  # a pair on the very edge of the radius may flip
    assert a.immune_immune == pytest.approx(b.immune_immune, abs=1)
    near = nearest_distance(xy[label == 0], xy[label == 1])
    moved = turned(xy, angle, np.array([dx, -dx]))
    np.testing.assert_allclose(near, nearest_distance(moved[label == 0], moved[label == 1]), atol=1e-6)


# ---- enrichment ----


def test_enrichment_agrees_with_its_definition_on_dense_matrices(rng):
    xy = rng.uniform(0, 200, (150, 2))
    label = rng.choice(["a", "b", "c"], 150)
    found = neighborhood_enrichment(xy, label, 25.0, 40, np.random.default_rng(5))
    near = np.linalg.norm(xy[:, None] - xy[None], axis=2) <= 25.0
    np.fill_diagonal(near, False)

    def count(label: np.ndarray) -> np.ndarray:
        one = np.array([label == t for t in "abc"], float)
        return one @ near @ one.T

    again = np.random.default_rng(5)
    code = np.unique(label, return_inverse=True)[1]
    shuffled = np.array([count(np.array(list("abc"))[again.permutation(code)]) for _ in range(40)])
    np.testing.assert_array_equal(found.count, count(label))
    np.testing.assert_allclose(found.expected, shuffled.mean(0))
    np.testing.assert_allclose(found.z, (count(label) - shuffled.mean(0)) / shuffled.std(0))


def test_random_labels_are_not_enriched_and_clusters_are(rng):
    xy = rng.uniform(0, 600, (3000, 2))
    label = rng.choice(["a", "b", "c"], 3000)
    z = neighborhood_enrichment(xy, label, 20.0, 300, rng).z
    assert np.abs(z).max() < 4.0  # nine draws of a standard normal
    assert np.sqrt((z**2).mean()) < 2.0
    halves = np.where(xy[:, 0] < 300, "a", "b")
    z = neighborhood_enrichment(xy, halves, 20.0, 100, rng).z
    assert z[0, 0] > 20
    assert z[0, 1] < -20


def test_expected_counts_are_those_of_the_closed_form(rng):
    """Without structure a pair of positions holds types i, j with probability n_i n_j / n (n - 1)."""
    xy = rng.uniform(0, 300, (400, 2))
    label = rng.choice(["a", "b"], 400, p=[0.3, 0.7])
    found = neighborhood_enrichment(xy, label, 20.0, 2000, rng)
    n = np.array([(label == t).sum() for t in "ab"])
    share = (np.outer(n, n) - np.diag(n)) / (400 * 399)
    np.testing.assert_allclose(found.expected, found.count.sum() * share, rtol=0.02)


# ---- border ----


@pytest.mark.parametrize("axes", [2, 3])
def test_border_of_a_round_nest_lies_at_its_radius(axes):
    n, radius = (60, 200.0) if axes == 2 else (40, 120.0)
    xy = site_centers(np.ones((n,) * axes, bool), SITE)
    r = np.linalg.norm(xy - n * SITE / 2, axis=1)
    border = border_distance(xy, r < radius, frame=(np.zeros(axes), np.full(axes, n * SITE)), smooth_um=12.0)
    # A disk of sites is known to half a site on either side. Smoothing moves a curved border inwards by
    # sigma^2 (axes - 1) / (2 radius), 0.4 and 1.2 um.
    error = (border.distance - (r - radius))[np.abs(r - radius) < 80]
    assert np.abs(error).max() < SITE
    assert abs(error.mean()) < 2.0
    size = (np.pi * radius**2, 4 / 3 * np.pi * radius**3 / 17.0)[axes - 2] / 1e6
    assert border.nest_mm2 == pytest.approx(size, rel=0.06)
    assert border.nest_mm2 + border.stroma_mm2 == pytest.approx((n * SITE) ** axes / 1e6 / (1, 17.0)[axes - 2])


def test_depth_and_share_of_cells_placed_at_known_depth():
    xy = lattice()
    tumor = xy[:, 0] < 300
    cd8 = (np.abs(xy[:, 0] - 195) < 1) | (np.abs(xy[:, 0] - 405) < 1)  # one line 105 um deep, one outside
    border = border_distance(xy, tumor, frame=FRAME)
    depth = infiltration_depth(border, cd8)
    assert depth.cells == 60
    assert depth.mean == pytest.approx(105, abs=5)
    share = nest_share(border, cd8)
    assert share.inside == pytest.approx(0.5)
    assert share.ratio == pytest.approx(1.0, abs=0.05)
    assert share.nest_per_mm2 == pytest.approx(60 / 0.18, rel=0.03)


def test_an_infiltrated_nest_is_still_a_nest(rng):
    """Nine in ten cells of the nest are lymphocytes, none of the stroma is a tumor cell."""
    xy = lattice()
    left = xy[:, 0] < 300
    tumor = left & (rng.uniform(size=len(xy)) < 0.1)
    border = border_distance(xy, tumor, frame=FRAME, smooth_um=30.0)
    assert border.in_nest[left].mean() > 0.85
    assert border.in_nest[~left].mean() < 0.05


def test_ground_without_cells_is_no_tissue():
    xy = lattice()
    xy = xy[np.linalg.norm(xy - 300, axis=1) < 250]  # tissue reaches 1.28 smoothing lengths further: a tenth is left
    border = border_distance(xy, np.linalg.norm(xy - 300, axis=1) < 100, frame=FRAME)
    assert border.nest_mm2 + border.stroma_mm2 == pytest.approx(np.pi * (0.25 + 1.28 * 0.02) ** 2, rel=0.03)


# ---- other ----


def test_cross_k_of_independent_points_is_the_area_of_the_circle(rng):
    a, b = rng.uniform(0, 600, (2000, 2)), rng.uniform(0, 600, (3000, 2))
    radii = np.array([20.0, 50.0, 100.0])
    np.testing.assert_allclose(cross_k(a, b, radii, FRAME), np.pi * radii**2, rtol=0.05)
    beside = a + 5.0
    # One partner more for each than chance: 1 / density
    expected = np.pi * radii**2 + 605.0**2 / 2000
    np.testing.assert_allclose(cross_k(a, beside, radii, (np.zeros(2), np.full(2, 605.0))), expected, rtol=0.05)


def test_nearest_distance_is_that_of_a_grid():
    assert nearest_distance(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 0.0]])).tolist() == [0.0, 5.0]


@given(arrays(np.uint8, st.integers(1, 60), elements=st.integers(0, 4)))
def test_clone_diversity_is_the_chance_of_two_clones(clone):
    differ = np.mean(clone[:, None] != clone[None])
    assert clone_diversity(clone) == pytest.approx(differ)


def test_hypoxic_fraction_counts_occupied_places_only():
    oxygen = np.array([[1.0, 20.0], [1.0, 50.0]])
    assert hypoxic_fraction(oxygen) == 0.5
    assert hypoxic_fraction(oxygen, np.array([[True, True], [False, True]])) == pytest.approx(1 / 3)


# ---- phenotype ----


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize(("nest", "stroma", "name"), [(0.1, 0.1, "inflamed"), (0.0, 0.15, "excluded"),
                                                      (0.002, 0.15, "excluded"), (0.002, 0.004, "desert"),
                                                      (0.0, 0.0, "desert")])  # fmt: skip
def test_three_made_tissues_are_told_apart(axes, nest, stroma, name, rng):
    n = 60 if axes == 2 else 28
    xy = site_centers(np.ones((n,) * axes, bool), SITE)
    inside = np.linalg.norm(xy - n * SITE / 2, axis=1) < 0.35 * n * SITE
    cd8 = rng.uniform(size=len(xy)) < np.where(inside, nest, stroma)
    found = classify(xy, inside & ~cd8, cd8, frame=(np.zeros(axes), np.full(axes, n * SITE)))
    assert found.name == name, found
    if nest == stroma and nest:  # else cells of the stroma near the border count as well
        layers = 1 if axes == 2 else 17.0 / SITE
        assert found.nest_per_mm2 == pytest.approx(nest * layers / SITE**2 * 1e6, rel=0.5, abs=30)


def test_thresholds_are_those_given(rng):
    xy = lattice()
    cd8 = rng.uniform(size=len(xy)) < 0.05  # 500 per mm2 everywhere
    tumor = ~cd8 & (xy[:, 0] < 300)
    assert classify(xy, tumor, cd8, frame=FRAME).name == "inflamed"
    assert classify(xy, tumor, cd8, frame=FRAME, nest_per_mm2=1000).name == "excluded"
    assert classify(xy, tumor, cd8, frame=FRAME, tissue_per_mm2=1000, margin_per_mm2=1000).name == "desert"
    assert classify(xy, tumor & False, cd8, frame=FRAME).name == "undefined"


# ---- rules for every function ----


def test_empty_groups_give_nan_and_no_error():
    xy, none = lattice(8), np.zeros(64, bool)
    assert np.isnan(mixing_score(xy, none, none).score)
    border = border_distance(xy, none)
    assert np.isnan(border.distance).all()
    assert np.isnan(infiltration_depth(border, ~none).mean)
    assert np.isnan(nest_share(border, none).inside)
    assert np.isnan(nest_share(border, none).ratio)
    assert np.isnan(border_distance(xy, ~none).distance).all()  # nothing but nest: no border
    assert np.isnan(nearest_distance(xy, xy[:0])).all()
    assert nearest_distance(xy[:0], xy).shape == (0,)
    assert np.isnan(cross_k(xy, xy[:0], np.array([5.0]), (np.zeros(2), np.full(2, 80.0)))).all()
    assert np.isnan(clone_diversity(np.zeros(0)))
    assert np.isnan(hypoxic_fraction(np.zeros((2, 2)), np.zeros((2, 2), bool)))
    assert np.isnan(neighborhood_enrichment(xy, np.full(64, "a"), 15.0, 5, np.random.default_rng(0)).z).all()
    nobody = np.zeros((0, 2))
    assert border_distance(nobody, none[:0]).nest_mm2 == 0
    assert classify(nobody, none[:0], none[:0]).name == "undefined"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda xy, a: mixing_score(np.where(np.arange(64)[:, None] == 3, np.nan, xy), a, ~a), r"row 3"),
        (lambda xy, a: border_distance(xy[:, :1], a), r"two or three axes"),
        (lambda xy, a: mixing_score(xy, a[:-1], ~a[:-1]), r"differ in length"),
        (lambda xy, a: mixing_score(xy, a, a), r"both tumor and immune"),
        (lambda xy, a: mixing_score(xy, a, ~a, radius=-1.0), r"radius.*must be positive"),
        (lambda xy, a: border_distance(xy, a, frame=(np.zeros(2), np.ones(2))), r"outside the frame"),
        (lambda xy, a: neighborhood_enrichment(xy, a, 15.0, 1, np.random.default_rng(0)), r"too few permutations"),
    ],
)
def test_malformed_input_is_one_clear_error(change, word):
    xy = lattice(8)
    with pytest.raises(InputError, match=word):
        change(xy, xy[:, 0] < 40)


@pytest.fixture
def rng():
    return np.random.default_rng(20)
