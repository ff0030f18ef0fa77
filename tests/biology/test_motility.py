"""Motion: orders of magnitude of crossing times, what slows, guides and stops a cell."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tumornexus.biology import motility
from tumornexus.biology.environment import Cells, Local, Signals
from tumornexus.biology.params import Params
from tumornexus.systemic.state import State

SITE_UM = 16.0


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def p(names: tuple[str, ...], typical: np.ndarray) -> Params:
    return Params.of(jnp.asarray(typical), names)


def place(**levels: float) -> Local:
    """Return a place without cells and signals but those named."""
    cells = {n: jnp.asarray(levels.get(n, 0.0)) for n in Cells.__dataclass_fields__}
    signals = {n: jnp.asarray(levels.get(n, 0.0)) for n in Signals.__dataclass_fields__}
    return Local(Cells(**cells), Signals(**signals))


def test_a_t_cell_crosses_100_um_of_loose_tissue_within_hours_and_a_cancer_cell_within_weeks(p):
    """Time at which the root of the mean square displacement in a plane is 100 um, 4 M t = 1e4."""
    loose = motility.motility(place(), p)
    hours = {name: 1e4 / (4.0 * float(value)) / 60.0 for name, value in loose._asdict().items()}
    assert 0.5 < hours["t_cell"] < 6.0
    assert 0.5 < hours["neutrophil"] < 6.0
    assert 14 * 24 < hours["cancer_cell"] < 365 * 24
    assert hours["t_cell"] < hours["dendritic_cell"] < hours["macrophage"] < hours["fibroblast"]


@pytest.mark.parametrize("ndim", [2, 3])
def test_jumps_spread_as_the_coefficient_says(ndim):
    """A random walk of as many jumps as `hop_rate` says has a mean square displacement of 2 ndim M t."""
    coefficient, days, walkers = 0.5, 0.25, 4000
    generator = np.random.Generator(np.random.PCG64(3))
    number = generator.poisson(float(motility.hop_rate(coefficient, SITE_UM, ndim)) * days, walkers)
    squares = []
    for n in number:
        axis, way = generator.integers(0, ndim, n), generator.choice([-1, 1], n)
        squares.append(sum(np.sum(way[axis == a]) ** 2 for a in range(ndim)))
    expected = 2.0 * ndim * coefficient * 1440.0 * days
    assert np.mean(squares) * SITE_UM**2 == pytest.approx(expected, rel=0.1)


def test_a_carcinoma_slows_and_dense_stroma_nearly_stops(p):
    still, loose, carcinoma, dense = (
        float(motility.motility(place(matrix=m), p).t_cell) for m in (20.0, 0.0, 1.0, 3.0)
    )
    assert loose > 2.0 * carcinoma > 4.0 * dense
    assert still < 0.01 * loose


def test_t_cells_are_faster_among_cancer_cells_than_in_the_stroma_of_a_carcinoma(p):
    """Bougherara 2015, lung and ovarian carcinomas."""
    islet = float(motility.motility(place(matrix=0.0), p).t_cell * motility.squeezing(p))
    assert islet > float(motility.motility(place(matrix=1.0), p).t_cell)


def test_walkers_and_guided_kinds_are_states_of_the_model():
    kinds = set(State.__dataclass_fields__)
    for table, fields in ((motility.WALKERS, motility.Motility), (motility.GUIDED, motility.Guidance)):
        assert set(table) <= kinds
        assert set(table.values()) == set(fields._fields)
    # The dead do not walk, but nests close around them.
    assert set(motility.GUIDED) - {"dead_antigen"} <= set(motility.WALKERS)


@pytest.mark.parametrize(
    ("kind", "follows"),
    [
        ("t_cell", {"cxcl9_10", "cxcl12"}),
        ("treg", {"cxcl9_10", "cxcl12", "ccl22"}),
        ("car_t", {"cxcl9_10", "cxcl12"}),
        ("dendritic_cell", {"ccl4"}),
        ("neutrophil", {"cxcr2_ligand"}),
        ("mdsc", {"cxcr2_ligand", "ccl2"}),
        ("macrophage", {"ccl2", "csf1"}),
    ],
)
def test_each_kind_follows_its_chemokines_and_no_other(p, kind, follows):
    nothing = float(getattr(motility.guidance(place(), p), kind))
    assert nothing == 0.0
    drawn = {
        s
        for s in Signals.__dataclass_fields__
        if float(getattr(motility.guidance(place(matrix=1.0, **{s: 1.0}), p), kind)) > 0
    }
    assert drawn == follows


def test_tgfb_takes_the_answer_to_cxcl9_10_and_not_to_cxcl12(p):
    free, held = (motility.guidance(place(cxcl9_10=2.0, tgfb=t), p) for t in (0.0, 3.0))
    assert float(held.t_cell) < float(free.t_cell)
    pulled = [float(motility.guidance(place(cxcl12=2.0, matrix=1.0, tgfb=t), p).t_cell) for t in (0.0, 3.0)]
    assert pulled[0] == pulled[1] > 0.0


def test_cxcl12_holds_t_cells_only_where_matrix_presents_it(p):
    held = [float(motility.guidance(place(cxcl12=2.0, matrix=m), p).t_cell) for m in (0.0, 1.0, 2.0)]
    assert held[0] == 0.0
    assert held[1] > 0.0
    assert held[2] == pytest.approx(2.0 * held[1])


def test_t_cells_hold_on_to_nests_less_than_cancer_cells_and_fibroblasts_follow_matrix(p):
    stroma, nest = (motility.guidance(place(cancer=c, caf_matrix=1.0 - c), p) for c in (0.0, 1.0))
    rise = {n: float(getattr(nest, n)) - float(getattr(stroma, n)) for n in ("t_cell", "car_t", "cancer_cell")}
    assert 0.0 < rise["t_cell"] == rise["car_t"] < rise["cancer_cell"]
    pull = [float(motility.guidance(place(matrix=m), p).fibroblast) for m in (0.0, 1.0, 3.0)]
    assert pull[0] == 0.0 < pull[1] < pull[2]


def test_a_gradient_over_one_chemokine_length_biases_jumps_by_a_tenth(p):
    """Chemotactic index tanh(dU / 2) of a T cell where CXCL9/10 falls from its half-effect over 100 um."""
    here, there = (float(motility.guidance(place(cxcl9_10=c), p).t_cell) for c in (1.0, np.exp(-SITE_UM / 100.0)))
    assert 0.02 < np.tanh(0.5 * (here - there)) < 0.3


def test_a_recognized_target_stops_a_t_cell_and_fibers_are_crossed_with_effort(p, names, typical):
    factor = np.asarray(motility.arrest(jnp.array([0.0, 0.5, 1.0]), p))
    assert factor[0] == 1.0
    assert (np.diff(factor) < 0.0).all()
    assert factor[2] == pytest.approx(1.0 - typical[names.index("contact_arrest")])
    across = np.asarray(motility.alignment(jnp.array([0.0, 1.0, 1e6]), p))
    assert across[0] == 1.0
    assert across[1] == pytest.approx(1.0 / (1.0 + typical[names.index("fiber_barrier")]))
    assert across[2] < 1e-5
