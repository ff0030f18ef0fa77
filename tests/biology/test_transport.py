"""How far signals reach: lengths against what distances were observed, and the balance in space against its law."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import solve_banded
from scipy.optimize import brentq
from scipy.special import k0

from tumornexus.biology import metabolism, transport
from tumornexus.biology.environment import Cells, Signals
from tumornexus.biology.params import Params

VESSEL_UM = 10.0  # radius of a tumor vessel
DERIVED = {"hypoxia", "pressure", "perfusion", "drug_access"}


@pytest.fixture(scope="module")
def value(names: tuple[str, ...], typical: np.ndarray) -> dict[str, float]:
    return dict(zip(names, typical.tolist(), strict=True))


@pytest.fixture(scope="module")
def lengths(names: tuple[str, ...], typical: np.ndarray) -> dict[str, float]:
    return {k: float(v) for k, v in transport.lengths_um(Params.of(jnp.asarray(typical), names))._asdict().items()}


def test_every_signal_that_diffuses_has_a_length_in_the_order_of_signals():
    diffuse = [name for name in Signals.__dataclass_fields__ if name not in DERIVED]
    assert list(transport.Lengths._fields) == [*diffuse, "antibody", "small_molecule"]


def test_lengths_lie_between_one_and_thirty_cells(lengths):
    for name, length in lengths.items():
        assert 15.0 < length < 600.0, name


def test_a_length_follows_its_parameter(names, typical, value):
    changed = np.array([300.0 if n == "chemokine_length" else v for n, v in value.items()])
    after = transport.lengths_um(Params.of(jnp.asarray(changed), names))
    moved = {n for n in after._fields if float(getattr(after, n)) == 300.0}
    assert moved == {"cxcl9_10", "ccl4", "cxcr2_ligand", "ccl2", "ccl22", "lactate"}  # lactate had 300 before


def reach(level: float, start: float, decay_um: float, shape: str) -> float:
    """Return the distance from a lone vessel at which first-order uptake leaves `level` of `start`: a plane, a cord."""
    if shape == "plane":
        return decay_um * np.log(start / level)
    wall = k0(VESSEL_UM / decay_um)
    return brentq(lambda r: start * k0(r / decay_um) / wall - level, VESSEL_UM, 50.0 * decay_um) - VESSEL_UM


@pytest.mark.parametrize("shape", ["plane", "cord"])
def test_tumor_around_a_lone_vessel_is_hypoxic_and_then_dies_where_pathologists_see_it(lengths, value, shape):
    """Thomlinson and Gray 1955: necrosis 100 to 200 um from vessels; a plane of vessels reaches a little further."""
    decay = lengths["oxygen"] / np.sqrt(value["oxygen_consumption"])
    hypoxic = reach(value["oxygen_half"], value["oxygen_blood"], decay, shape)
    necrotic = reach(value["necrosis_oxygen"], value["oxygen_blood"], decay, shape)
    assert 80.0 < hypoxic < necrotic
    assert 100.0 < necrotic < 250.0


def oxygen_of_cords(
    density_per_mm2: float, value: dict[str, float], length: float, perfusion: float
) -> tuple[float, float, float]:
    """Return (mean, highest, lowest) oxygen of tissue cylinders with a vessel each, by finite volumes.

    0 = length^2 laplacian(c) + supply (blood - c) - demand c; the supply is within the vessel and has a
    mean of `perfusion` over the cylinder.
    """
    outer = 1e3 / np.sqrt(np.pi * density_per_mm2)
    edges = np.linspace(0.0, outer, 2001)
    radius, width = 0.5 * (edges[1:] + edges[:-1]), edges[1]
    inside = radius < VESSEL_UM
    supply = perfusion * inside * np.sum(radius) / np.sum(radius[inside])
    demand = value["oxygen_consumption"]
    through = length**2 * edges[1:-1] / width**2
    bands = np.zeros((3, len(radius)))
    bands[0, 1:], bands[2, :-1] = -through, -through
    bands[1] = (supply + demand) * radius
    bands[1, :-1] += through
    bands[1, 1:] += through
    c = solve_banded((1, 1), bands, supply * value["oxygen_blood"] * radius)
    return float(np.sum(c * radius) / np.sum(radius)), float(c.max()), float(c.min())


def test_dense_vessels_give_the_oxygen_of_the_host_scale_and_sparse_ones_less(names, typical, value, lengths):
    """Each vessel supplies the same: a fifth of the vessels are a fifth of the perfusion."""
    with jax.enable_x64(True):
        zero = jnp.zeros(())
        cells = Cells(**dict.fromkeys(Cells.__dataclass_fields__, zero) | {"cancer": jnp.ones(())})
        p = Params.of(jnp.asarray(typical), names)
        law = {share: float(metabolism.oxygen_mmhg(cells, jnp.asarray(share), p)) for share in (1.0, 0.2)}
    density, length = value["vessel_density"], lengths["oxygen"]
    assert oxygen_of_cords(density, value, 50.0 * length, 1.0)[0] == pytest.approx(law[1.0], rel=1e-3)
    dense = oxygen_of_cords(density, value, length, 1.0)
    sparse = oxygen_of_cords(0.2 * density, value, length, 0.2)
    assert law[1.0] > dense[0] > 0.8 * law[1.0]
    assert law[0.2] > sparse[0] > 0.5 * law[0.2]
    assert dense[2] > value["oxygen_half"]  # nowhere hypoxic
    assert sparse[2] < value["necrosis_oxygen"] < sparse[1]  # dying between vessels, alive beside them


def test_cytokines_stay_in_niches_and_metabolites_spread(lengths):
    """Consumed by most cells: IFN-gamma (Centofanti 2023). Bound: CXCL12. Carried off by blood only: lactate."""
    assert 30.0 <= lengths["ifng"] <= 250.0
    assert lengths["cxcl12"] < lengths["cxcl9_10"] < lengths["glucose"] <= lengths["lactate"]
    assert lengths["oxygen"] < lengths["glucose"]
    assert lengths["antibody"] <= lengths["small_molecule"]
