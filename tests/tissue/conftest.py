"""Fixtures of the tissue's tests: one virtual patient and its tissue in each geometry, compiled once."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest

from simulated import keep_compiled
from tissue.scenes import REGIMEN, SHAPES
from tumornexus.knowledge import Knowledge, load_knowledge, parse_regimen
from tumornexus.systemic.treatment import prepare
from tumornexus.tissue.lattice import Geometry
from tumornexus.tissue.patient import VirtualPatient, virtual_patient
from tumornexus.tissue.simulate import Simulation, prepare_tissue


@pytest.fixture(autouse=True)
def single_precision() -> Iterator[None]:
    """Random numbers differ by precision, so that of another test must not last into these."""
    with jax.enable_x64(False):
        yield


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load_knowledge()


@pytest.fixture(scope="session")
def patient(knowledge: Knowledge, pytestconfig: pytest.Config) -> VirtualPatient:
    """A typical patient with an inflamed melanoma."""
    keep_compiled(pytestconfig)
    return virtual_patient("melanoma", knowledge, phenotype="inflamed", seed=1)


@pytest.fixture(scope="session")
def simulations(knowledge: Knowledge, patient: VirtualPatient) -> dict[str, Simulation]:
    """Simulations under drugs in the geometries of `SHAPES`, with steps of six hours so that much happens in each."""
    treatment = prepare(parse_regimen(REGIMEN, knowledge), knowledge, 30)
    return {
        name: prepare_tissue(patient, treatment, Geometry(shape, 17.0, 2, name == "stirred"), dt_hours=6.0, seed=3)
        for name, shape in SHAPES.items()
    }
