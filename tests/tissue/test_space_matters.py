"""What only space shows, each with what makes it switched off: hypoxia as a field, and the architecture of nests."""

from __future__ import annotations

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from simulated import keep_compiled, untreated
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.tissue.lattice import Geometry
from tumornexus.tissue.patient import VirtualPatient, virtual_patient
from tumornexus.tissue.simulate import Simulation, prepare_tissue
from tumornexus.tissue.start import from_rule, scalars
from tumornexus.tissue.state import Tissue
from tumornexus.tissue_pipeline import COUNTED, summary_row

GEOMETRY = Geometry((64, 64), 15.7)
NOTHING = dict.fromkeys(COUNTED, 0.0)
pytestmark = pytest.mark.simulation


@pytest.fixture(scope="module")
def knowledge(pytestconfig: pytest.Config) -> Knowledge:
    keep_compiled(pytestconfig)
    return load_knowledge()


@pytest.fixture(scope="module")
def patient(knowledge: Knowledge) -> VirtualPatient:
    return virtual_patient("melanoma", knowledge, phenotype="inflamed", seed=1)


def with_value(patient: VirtualPatient, name: str, value: float) -> VirtualPatient:
    values = patient.values.copy()
    values[patient.names.index(name)] = value
    return replace(patient, values=values)


def run(
    patient: VirtualPatient, knowledge: Knowledge, start: tuple[Tissue, float], days: int
) -> tuple[Tissue, Simulation]:
    simulation = prepare_tissue(patient, untreated(knowledge), GEOMETRY, dt_hours=2.0, seed=3, start=start)
    *_, (tissue, _) = simulation.run(12 * days, 12)
    return tissue, simulation


def test_hypoxia_is_a_field_that_consumption_makes(patient: VirtualPatient, knowledge: Knowledge):
    """Where vessels are missing oxygen falls below the threshold of hypoxia, a few hundred um from the next vessel;
    with cells that take up none, it falls nowhere."""
    tissue, million = from_rule(patient.state, scalars(patient.values, patient.names), GEOMETRY, 1)
    half = jnp.arange(64)[None, :] < 32
    bare = eqx.tree_at(lambda t: t.sites.vessel, tissue, jnp.where(half, tissue.sites.vessel, 0.0))
    after, simulation = run(patient, knowledge, (bare, million), 1)
    oxygen = np.asarray(after.signals.oxygen)
    assert oxygen[:, :8].mean() > 1.5 * oxygen[:, -8:].mean()
    across = oxygen.mean(0)
    assert (np.diff(across[15:]) < 0.1).all(), "oxygen falls with the distance from vessels"
    row = summary_row(after, NOTHING, simulation)
    assert 0.1 < row["hypoxic_fraction"] < 0.9
    none = with_value(patient, "oxygen_consumption", 0.0)
    without, simulation = run(none, knowledge, (bare, million), 1)
    assert summary_row(without, NOTHING, simulation)["hypoxic_fraction"] == 0.0


def test_nests_are_held_by_cohesion(patient: VirtualPatient, knowledge: Knowledge):
    """With cohesion cancer cells stay together; without it they wander into the stroma and mix with all others."""
    start = from_rule(patient.state, scalars(patient.values, patient.names), GEOMETRY, 1)

    def touching(tissue: Tissue) -> float:
        """Share of the neighbors of cancer cells that are cancer cells, among neighbors that are cells."""
        kind = np.asarray(tissue.sites.kind)
        pairs = [(kind[:, :-1], kind[:, 1:]), (kind[:-1], kind[1:])]
        same = sum(int(((a == 1) & (b == 1)).sum()) for a, b in pairs)
        other = sum(int(((a == 1) & (b > 1)).sum() + ((a > 1) & (b == 1)).sum()) for a, b in pairs)
        return 2 * same / max(2 * same + other, 1)

    found = {}
    for cohesion in (float(knowledge.parameters["cohesion"].value), 0.0):
        tissue, simulation = run(with_value(patient, "cohesion", cohesion), knowledge, start, 21)
        found[cohesion] = (touching(tissue), summary_row(tissue, NOTHING, simulation)["mixing_score"])
    (held, held_score), (loose, loose_score) = found.values()
    assert held > loose + 0.03
    assert loose_score > held_score
