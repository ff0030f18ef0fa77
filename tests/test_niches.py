"""Laws of resistant niches and of spots: planted ones are found, chance is not, motions and order change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import Delaunay, cKDTree

from tumornexus.errors import InputError
from tumornexus.spatial import resistant_niches
from tumornexus.spatial.niches import FEWEST_SUPPRESSORS, LEAST_SHARE, NICHE_UM
from tumornexus.spatial.spots import smoothed, spacing, together


def tissue(seed: int = 1, n: int = 1500, side: float = 500.0):
    """Cells at random, CD8 T cells and suppressors independent of each other."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, side, (n, 2))
    kind = rng.choice(3, n, p=[0.7, 0.1, 0.2])
    return xy, kind == 1, kind == 2


def planted(seed: int = 1):
    """Few suppressors but in one place, where every cell is one or a CD8 T cell."""
    xy, cd8, suppressor = tissue(seed)
    suppressor &= np.arange(len(xy)) % 4 == 0
    near = np.hypot(*(xy - 250).T) < 60
    inner = near & (np.arange(len(xy)) % 3 == 0)
    return xy, np.where(near, inner, cd8), np.where(near, ~inner, suppressor)


def rng():
    return np.random.default_rng(0)


def plainly(xy, cd8, suppressor):
    """Enclosed cells by the definition in words: a point in the hull of its suppressors."""
    found = np.zeros(len(xy), bool)
    for i in np.flatnonzero(cd8):
        near = np.array([j for j in cKDTree(xy).query_ball_point(xy[i], NICHE_UM) if not cd8[j]], int)
        around = near[suppressor[near]]
        if len(around) >= max(FEWEST_SUPPRESSORS, LEAST_SHARE * len(near)):
            found[i] = Delaunay(xy[around]).find_simplex(xy[i]) >= 0
    return found


def test_enclosed_is_inside_the_hull_of_the_suppressors_around():
    for case in (tissue(2), planted(3)):
        np.testing.assert_array_equal(resistant_niches(*case, rng(), n_permutations=1).enclosed, plainly(*case))


def test_a_planted_niche_is_found_and_chance_is_not():
    found = resistant_niches(*planted(), rng())
    assert found.count >= 1
    assert found.p <= 0.01
    assert found.share > 2 * found.expected
    at = planted()[0][found.niche == 0]
    assert (np.hypot(*(at - 250).T) < 60).all()


def test_p_of_chance_is_uniform():
    p = [resistant_niches(*tissue(s, n=500, side=290), rng(), n_permutations=39).p for s in range(60)]
    # Not below what chance gives: the test holds its level, also where counts are small and tie.
    assert np.mean(np.array(p) <= 0.1) <= 0.22
    assert np.mean(np.array(p) <= 0.5) <= 0.72


def test_strata_keep_a_shared_compartment_from_being_a_finding():
    rng_ = np.random.default_rng(4)
    xy = rng_.uniform(0, 500, (2000, 2))
    stroma = xy[:, 0] < 150
    kind = rng_.choice(3, 2000, p=[0.35, 0.3, 0.35])
    cd8, suppressor = stroma & (kind == 1), stroma & (kind == 2)
    naive = resistant_niches(xy, cd8, suppressor, rng())
    honest = resistant_niches(xy, cd8, suppressor, rng(), strata=stroma)
    assert naive.p <= 0.01
    assert honest.p > 0.05


def test_motions_change_nothing():
    xy, cd8, suppressor = planted()
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    a = resistant_niches(xy, cd8, suppressor, rng())
    b = resistant_niches(xy @ turn + 1000.0, cd8, suppressor, rng())
    np.testing.assert_array_equal(a.enclosed, b.enclosed)
    assert (a.count, a.p) == (b.count, b.p)


def test_groups_without_cells():
    xy, cd8, suppressor = tissue()
    nobody = np.zeros(len(xy), bool)
    assert np.isnan(resistant_niches(xy, nobody, suppressor, rng()).share)
    alone = resistant_niches(xy, cd8, nobody, rng())
    assert (alone.share, alone.count) == (0.0, 0)
    assert np.isnan(alone.p)
    with pytest.raises(InputError, match="both"):
        resistant_niches(xy, cd8, cd8, rng())
    with pytest.raises(InputError, match="section"):
        resistant_niches(np.c_[xy, xy[:, 0]], cd8, suppressor, rng())


# ---- spots ----


def hexagonal(n: int = 20, step: float = 100.0) -> np.ndarray:
    row, column = np.divmod(np.arange(n * n), n)
    return np.c_[(column + 0.5 * (row % 2)) * step, row * step * np.sqrt(3) / 2]


def test_smoothing_is_the_mean_of_a_spot_and_its_six_neighbors():
    xy = hexagonal()
    assert spacing(xy) == pytest.approx(100.0)
    values = np.random.default_rng(1).random((400, 2))
    got = smoothed(xy, values, 150.0)
    inner = 10 * 20 + 10
    near = np.hypot(*(xy - xy[inner]).T) < 101
    assert near.sum() == 7
    np.testing.assert_allclose(got[inner], values[near].mean(axis=0))
    np.testing.assert_allclose(smoothed(xy, np.full(400, 0.3), 150.0), 0.3)


def test_what_goes_together_is_told_from_chance_in_spite_of_smoothing():
    xy = hexagonal()
    draw = np.random.default_rng(2)
    wave = np.sin(xy[:, 0] / 300)
    noise = draw.normal(0, 1, (2, 400))
    same = together(xy, wave + noise[0], wave + noise[1], rng(), radius=150.0)
    apart = together(xy, wave + noise[0], noise[1] - wave, rng(), radius=150.0)
    assert same.rho > 0.4
    assert apart.rho < -0.4
    assert max(same.p, apart.p) < 0.02
    chance = [together(xy, draw.normal(size=400), draw.normal(size=400), rng(), radius=150.0, n_permutations=39).p
              for _ in range(40)]  # fmt: skip
    assert np.mean(np.array(chance) <= 0.1) <= 0.25
