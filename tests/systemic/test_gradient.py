"""Derivatives through eight weeks of treatment: automatic ones agree with differences of two runs."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simulated import Tumors, rows, usual
from tumornexus.knowledge import Knowledge
from tumornexus.systemic.ode import Patient
from tumornexus.systemic.solver import Lesions, _last, _luck, _treat, patients_of, setting_of
from tumornexus.systemic.state import members_last

pytestmark = pytest.mark.simulation

CHANGED = ("growth_rate", "cd8_entry", "effector_proliferation", "site_density", "treg_recruitment", "dose")
MEMBERS = 2
DIFFERENCE = 1e-4  # of ln parameter


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def test_gradients_agree_with_central_differences(tumors: Tumors, knowledge: Knowledge):
    treatment = usual(knowledge, "nivolumab").until(56)
    which = np.zeros(MEMBERS, int)
    with jax.enable_x64(True):
        patient = patients_of(tumors.values[""][:MEMBERS], Lesions.single(MEMBERS), [treatment], which)
        state = members_last(rows(tumors.state[""], np.arange(MEMBERS)))
        tables = (treatment.bolus, treatment.input_rate, treatment.deposits)
        bolus, rate, cells = (jnp.asarray(_last(np.stack([t] * MEMBERS))) for t in tables)
        luck, setting = _luck(None, np.arange(MEMBERS), 1), setting_of(tumors.names, treatment)
        places = np.array([tumors.names.index(name) for name in CHANGED[:-1]])

        def ln_volume(logs: jax.Array) -> jax.Array:
            """Return the sum of ln volume over members; `logs` are changes of ln parameters and of ln dose."""
            factor = jnp.ones(len(tumors.names)).at[places].set(jnp.exp(logs[:-1]))
            changed = Patient(
                jnp.asarray(patient.values) * factor[:, None], patient.lesion_factors, patient.acts, patient.kinetics,
                patient.first_dose_day,
            )  # fmt: skip
            schedule = (bolus * jnp.exp(logs[-1]), rate, cells)
            _, seen = _treat(changed, state, schedule, luck, setting, 1, ("tumor_volume",))
            return jnp.sum(jnp.log(seen.observables["tumor_volume"][-1]))

        here = jnp.zeros(len(CHANGED))
        automatic = np.asarray(jax.jit(jax.grad(ln_volume))(here))
        run = jax.jit(ln_volume)
        steps = DIFFERENCE * jnp.eye(len(CHANGED))
        differences = np.array([float(run(s) - run(-s)) / (2.0 * DIFFERENCE) for s in steps])
    assert np.isfinite(automatic).all()
    assert (np.abs(differences) > 1e-6).all(), dict(zip(CHANGED, differences.tolist(), strict=True))
    np.testing.assert_allclose(automatic, differences, rtol=1e-3, atol=1e-9, err_msg=str(CHANGED))
