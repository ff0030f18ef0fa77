"""Where a tissue begins: the composition of the patient, cancer cells in nests, others as the closure has it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from tumornexus.activities import named_generator
from tumornexus.cellkinds import KINDS
from tumornexus.systemic.state import CLONES, HOST
from tumornexus.tissue.lattice import KIND, Geometry
from tumornexus.tissue.patient import VirtualPatient
from tumornexus.tissue.start import (
    LEVELS,
    NEST_KINDS,
    NEST_UM,
    STROMA_KINDS,
    assemble,
    composition,
    from_rule,
    lay_out,
    nests,
    scalars,
)

FLAT, SOLID = Geometry((96, 96), 17.0), Geometry((20, 24, 28), 17.0)
shares_of = st.lists(st.floats(0.01, 1.0), min_size=len(KINDS) - 1, max_size=len(KINDS) - 1)


def only(**shares: float) -> dict[str, float]:
    """Return the shares of all kinds, none of those not named."""
    return {name: shares.get(name, 0.0) for name in KINDS[1:]}


def generator(seed: int) -> np.random.Generator:
    return named_generator(seed, "test", "layout")


@settings(max_examples=20, deadline=None)
@given(weights=shares_of, filled=st.floats(0.3, 1.0), inside=st.floats(0.0, 1.0), seed=st.integers(0, 1000))
def test_the_layout_has_the_composition_asked_for(weights: list[float], filled: float, inside: float, seed: int):
    geometry = Geometry((24, 28), 17.0)
    shares = {name: w / sum(weights) for name, w in zip(KINDS[1:], weights, strict=True)}
    kind = lay_out(geometry, shares, filled, inside, generator(seed))
    counts = np.bincount(kind.ravel(), minlength=len(KINDS))
    short = 0
    for name, share in shares.items():
        wanted = filled * share * geometry.n_sites
        # Each number is rounded up or down; rounding up many may leave the last ones without a site.
        short += max(np.floor(wanted) - counts[KIND[name]], 0)
        assert counts[KIND[name]] <= np.ceil(wanted)
    assert short <= (len(shares) if filled > 0.95 else 0)


def test_rare_cells_have_the_right_mean_over_seeds():
    geometry = Geometry((12, 12), 17.0)
    rare = 0.3 / (0.8 * 144)
    shares = only(cancer=0.9, nk=0.1 - rare, car_t=rare)
    n = [int((lay_out(geometry, shares, 0.8, 0.5, generator(s)) == KIND["car_t"]).sum()) for s in range(400)]
    assert np.mean(n) == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 400))


@pytest.mark.parametrize("geometry", [FLAT, SOLID])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_nests_have_their_share_and_their_size(geometry: Geometry, share: float):
    mask = nests(geometry, share, generator(1))
    assert mask.mean() == pytest.approx(share, abs=1e-3)
    # Sites much nearer than the size of a nest are of one sort far more often than by chance.
    step = int(0.15 * NEST_UM / geometry.site_um)
    alike = (mask[step:] == mask[:-step]).mean()
    by_chance = share**2 + (1 - share) ** 2
    assert alike > by_chance + 0.6 * (1 - by_chance)


@pytest.mark.parametrize("geometry", [FLAT, SOLID])
def test_cancer_cells_stand_in_nests_and_fibroblasts_between(geometry: Geometry):
    shares = only(cancer=0.5, dead_antigen=0.05, cd8_effector=0.1, tam_m2=0.1, caf_matrix=0.25)
    kind = lay_out(geometry, shares, 0.85, 0.4, generator(2))
    tumor = np.isin(kind, [KIND[n] for n in NEST_KINDS])
    stroma = np.isin(kind, [KIND[n] for n in STROMA_KINDS])
    smooth = ndimage.uniform_filter(tumor.astype(float), 3) / np.maximum(
        ndimage.uniform_filter((kind > 0) * 1.0, 3), 1e-9
    )
    # The share of tumor around tumor cells and around fibroblasts.
    assert smooth[tumor].mean() > 0.75
    assert smooth[stroma].mean() < 0.3


@pytest.mark.parametrize(("inside", "low", "high"), [(0.0, 0.0, 0.0), (0.4, 0.35, 0.45), (1.0, 0.95, 1.05)])
def test_immune_cells_enter_nests_as_far_as_the_closure_lets_them(inside: float, low: float, high: float):
    """Relative to standing anywhere at random."""
    shares = only(cancer=0.5, nk=0.2, caf_matrix=0.3)
    ratio = []
    for seed in range(4):
        kind = lay_out(FLAT, shares, 0.85, inside, generator(seed))
        crowd = (kind == KIND["cancer"]).sum()
        # In nests: among the cells that fill the same sites as cancer cells, found by the smoothed density of them.
        tumor = ndimage.uniform_filter((kind == KIND["cancer"]).astype(float), 3)
        stroma = ndimage.uniform_filter((kind == KIND["caf_matrix"]).astype(float), 3)
        within = ((kind == KIND["nk"]) & (tumor > stroma)).sum() / (kind == KIND["nk"]).sum()
        ratio.append(within / (crowd / (kind != 0).sum()))
    # Cells right at the border are told apart by their neighbors only: 0.2 of slack.
    assert low - 0.2 <= np.mean(ratio) <= high + 0.2


@pytest.mark.simulation
@pytest.mark.parametrize("geometry", [FLAT, SOLID, Geometry((96, 96), 17.0, stirred=True)])
def test_a_tissue_starts_as_its_patient(patient: VirtualPatient, geometry: Geometry):
    bare = scalars(patient.values, patient.names)
    tissue, million = from_rule(patient.state, bare, geometry, 5)
    kind = np.asarray(tissue.sites.kind)
    cells = (kind != 0).sum()
    assert cells == pytest.approx(float(bare.packing) * geometry.n_sites, abs=len(KINDS))
    expected = composition(patient.state)
    assert sum(expected.values()) == pytest.approx(1.0, abs=1e-5)
    for name, share in expected.items():
        assert abs((kind == KIND[name]).sum() - share * float(bare.packing) * geometry.n_sites) <= 1.0, name
    # All cells together stand for all lesions of the patient.
    amounts = [np.asarray(getattr(patient.state, n)).sum() for n in expected]
    assert million * cells == pytest.approx(sum(amounts), rel=1e-5)
    for name in HOST:
        value = np.asarray(getattr(patient.state, name))[0]
        assert float(getattr(tissue.host.compartments, name)) == pytest.approx(
            0.0 if name == "toxicity_hazard" else value
        )
    for name in LEVELS:
        level = np.asarray(getattr(tissue.sites, name))
        assert np.ptp(level) == 0.0
        assert 0.0 <= level.flat[0] <= 1.0 + 1e-6
    tumor = np.isin(kind, [KIND[n] for n in ("cancer", "persister", "infected")])
    assert not np.asarray(tissue.sites.clone)[~tumor].any()
    vessels = np.asarray(tissue.sites.vessel).mean()
    assert 0.0 < vessels < 0.3
    fields = tissue.signals.oxygen.shape
    assert fields == tissue.ground.matrix.shape == (() if geometry.stirred else geometry.voxels)


@pytest.mark.simulation
def test_clones_have_the_shares_of_the_patient(patient: VirtualPatient):
    state = patient.state
    bare = scalars(patient.values, patient.names)
    kind = np.full(FLAT.shape, KIND["cancer"], np.uint8)
    tissue, _ = assemble(kind, None, state, bare, FLAT, generator(3))
    amounts = np.asarray(state.cancer).sum((0, 2)) + np.asarray(state.persister).sum((0, 2))
    share = amounts / amounts.sum()
    found = np.bincount(np.asarray(tissue.sites.clone).ravel(), minlength=len(CLONES)) / kind.size
    assert (np.abs(found - share) <= 4 * np.sqrt(share * (1 - share) / kind.size) + 1e-9).all()


@pytest.mark.simulation
def test_given_vessels_stay_where_they_are(patient: VirtualPatient):
    vessel = generator(4).random(FLAT.shape) < 0.2
    kind = np.full(FLAT.shape, KIND["cancer"], np.uint8)
    tissue, _ = assemble(kind, vessel, patient.state, scalars(patient.values, patient.names), FLAT, generator(3))
    np.testing.assert_array_equal(np.asarray(tissue.sites.vessel) > 0, vessel)
