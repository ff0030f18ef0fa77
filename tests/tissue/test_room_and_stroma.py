"""What keeps nests, stroma and untreated tissue as they are: cohesion, precursors, layout of matrix and vessels."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from tumornexus.biology import motility
from tumornexus.biology.environment import Cells, Local, Signals
from tumornexus.cellkinds import KINDS
from tumornexus.knowledge import load_knowledge
from tumornexus.systemic.treatment import no_treatment
from tumornexus.tissue import start
from tumornexus.tissue.host import drugs_of
from tumornexus.tissue.lattice import KIND, Geometry


def place(**cells: float) -> Local:
    zero = jnp.zeros(())
    return Local(
        Cells(**{n: jnp.asarray(cells.get(n, 0.0)) for n in Cells.__dataclass_fields__}),
        Signals(**dict.fromkeys(Signals.__dataclass_fields__, zero)),
    )


def test_cohesion_asks_who_the_neighbors_are_and_not_how_dense_they_stand():
    packed, loose = (float(motility.in_nest(place(cancer=0.6 * d, caf_matrix=0.6 * d))) for d in (1.0, 1.6))
    assert packed == pytest.approx(loose) == pytest.approx(1.0)
    mixed = [float(motility.in_nest(place(cancer=c, caf_matrix=1.0 - c))) for c in (0.0, 0.1, 0.3, 0.5, 1.0)]
    assert mixed == pytest.approx([0.0, 0.2, 0.6, 1.0, 1.0])
    # A few cells in the open are no nest.
    assert float(motility.in_nest(place(cancer=0.05))) == pytest.approx(0.2)


def test_no_treatment_is_a_regimen_of_no_days():
    drugs, acted = drugs_of(no_treatment())
    assert drugs.bolus.shape[0] == 1
    assert not np.any(drugs.bolus)
    assert not np.any(drugs.input_rate)
    assert acted.multiply == acted.add == acted.saturate == ()


def halves(geometry: Geometry) -> np.ndarray:
    kind = np.full(geometry.shape, KIND["cancer"], np.uint8)
    kind[:, geometry.shape[1] // 2 :] = KIND["caf_matrix"]
    return kind


def test_nests_are_found_whatever_stands_among_their_cells():
    geometry = Geometry((32, 32), 16.0)
    kind = halves(geometry)
    kind[::4, ::4] = KIND["cd8_effector"]
    found = start.nests_of(kind, geometry)
    assert found[:, :14].all()
    assert not found[:, 18:].any()


@pytest.mark.parametrize("mean", [0.3, 1.5])
def test_matrix_lies_with_fibroblasts_and_keeps_the_mean_of_the_host(mean: float):
    geometry = Geometry((32, 32), 16.0)
    parameters = load_knowledge().parameters
    bare = start.scalars(np.array([parameters["matrix_capacity"].value]), ("matrix_capacity",))
    cells = place(matrix=mean).cells
    matrix = np.asarray(start._matrix(halves(geometry), cells, geometry, bare))
    assert matrix.mean() == pytest.approx(mean, rel=1e-3)
    assert matrix.max() <= float(bare.matrix_capacity) * (1 + 1e-6)
    assert matrix[:, :4].max() < 0.1 * matrix[:, 12:].min()


def test_every_kind_counts_as_a_neighbor():
    for name in KINDS[1:]:
        share = float(motility.in_nest(place(cancer=0.2, **({name: 0.8} if name != "cancer" else {}))))
        assert share == pytest.approx(0.4 if name not in ("cancer", "persister") else share)
        if name == "persister":
            assert share == 1.0
