"""Room for cells and vessels on a lattice: packing, pressure, how many sites vessels take."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tumornexus.biology import mechanics, vasculature
from tumornexus.biology.params import Params


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def p(names: tuple[str, ...], typical: np.ndarray) -> Params:
    return Params.of(jnp.asarray(typical), names)


def test_tissue_filled_to_its_packing_holds_the_cells_per_ml_of_the_host_scale(p):
    edge = mechanics.site_um(float(p.packing), float(p.site_density))
    assert 12.0 < edge < 20.0
    assert float(p.packing) / edge**3 * 1e12 == pytest.approx(1e6 * float(p.site_density))


def test_division_is_free_up_to_the_packing_and_stops_in_full_tissue(p):
    brake = np.asarray(
        mechanics.pressure_brake(jnp.array([0.0, float(p.packing), 0.5 * (1 + float(p.packing)), 1.0]), p)
    )
    np.testing.assert_allclose(brake, [1.0, 1.0, 0.5, 0.0], atol=1e-12)


def test_a_packing_of_one_leaves_division_free_until_nothing_is_left(names, typical):
    full = np.where(np.array(names) == "packing", 1.0, typical)
    brake = np.asarray(mechanics.pressure_brake(jnp.array([0.5, 1.0]), Params.of(jnp.asarray(full), names)))
    np.testing.assert_array_equal(brake, [1.0, 0.0])


def test_random_lines_take_the_share_of_sites_that_stereology_says(p):
    """Straight vessels in random places and directions through a block, traced finely."""
    edge, block = mechanics.site_um(float(p.packing), float(p.site_density)), 64
    side = block * edge
    length_per_volume = 2.0 * float(p.vessel_density) * 1e-6
    generator = np.random.Generator(np.random.PCG64(2))
    taken, length = np.zeros((block, block, block), bool), 0.0
    while length < length_per_volume * side**3:
        way = generator.normal(size=3)
        way /= np.linalg.norm(way)
        # Uniform among all lines that meet the ball around the block.
        radius = 0.5 * np.sqrt(3.0) * side
        aside = np.linalg.svd(way[None])[2][1:]
        angle, far = generator.uniform(0.0, 2.0 * np.pi), radius * np.sqrt(generator.random())
        through = 0.5 * side + far * (np.cos(angle) * aside[0] + np.sin(angle) * aside[1])
        points = through + np.arange(-radius, radius, 0.02 * edge)[:, None] * way
        points = points[((points >= 0.0) & (points < side)).all(axis=1)]
        length += 0.02 * edge * len(points)
        taken[tuple((points / edge).astype(int).T)] = True
    expected = float(vasculature.vessel_share(edge, 3, p))
    # Lines share a few sites where they meet: share s of random ones leaves 1 - exp(-s).
    assert taken.mean() == pytest.approx(1.0 - np.exp(-expected), rel=0.05)


def test_profiles_on_a_plane_are_counted_per_area(p):
    edge = 16.0
    share = float(vasculature.vessel_share(edge, 2, p))
    assert share / (edge * 1e-3) ** 2 == pytest.approx(float(p.vessel_density))
    assert 0.005 < share < 0.08  # 4 % of the area of colorectal carcinomas (Uribarrena 2009)
    assert float(vasculature.vessel_share(1e4, 2, p)) == 1.0
