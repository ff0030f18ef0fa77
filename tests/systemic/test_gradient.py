"""Derivatives through eight weeks of treatment: automatic ones agree with differences of two runs.

In forward mode, which suits few parameters and many outputs; reverse mode through the loop over days needs minutes and
gigabytes to compile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simulated import Tumors, rows, usual
from tumornexus.biology.params import Params
from tumornexus.knowledge import Knowledge
from tumornexus.systemic.ode import Body, Patient, Tissue, apply_dose
from tumornexus.systemic.solver import Lesions, _advance, _counted, _last, patients_of, setting_of
from tumornexus.systemic.state import LESIONS, members_last, volume_ml

pytestmark = [
    pytest.mark.simulation,
    pytest.mark.skipif(
        not os.environ.get("TUMORNEXUS_SLOW"), reason="compiles for minutes: TUMORNEXUS_SLOW=1, as `make verify` sets"
    ),
]

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
        patient = jax.tree.map(jnp.asarray, _counted(patient, 1))
        state = members_last(rows(tumors.state[""], np.arange(MEMBERS)))
        tables = (treatment.bolus, treatment.input_rate, treatment.deposits)
        bolus, rate, cells = (jnp.asarray(_last(np.stack([t] * MEMBERS))) for t in tables)
        setting = setting_of(tumors.names, treatment)
        places = np.array([tumors.names.index(name) for name in CHANGED[:-1]])

        def ln_volume(logs: jax.Array) -> jax.Array:
            """Return the sum of ln volume over members; `logs` are changes of ln parameters and of ln dose."""
            factor = jnp.ones(len(tumors.names)).at[places].set(jnp.exp(logs[:-1]))
            changed = replace(patient, values=jnp.asarray(patient.values) * factor[:, None])
            return jnp.sum(jnp.log(end_volume(changed, bolus * jnp.exp(logs[-1]))))

        def end_volume(patient: Patient, bolus: jax.Array) -> jax.Array:
            """Return the total volume after the last day: the steps of `treat` without observables and chance."""
            slots, batch = bolus.shape[1:]
            body = Body(Tissue(state, jnp.zeros((slots, LESIONS, batch))), jnp.zeros((slots, 2, batch)))

            def one_day(body: Body, inputs: tuple) -> tuple[Body, None]:
                day, doses, rates, deposits = inputs
                body = apply_dose(body, doses, deposits)
                return _advance(body, day, jnp.asarray(1.0), rates, patient, setting, True)[0], None

            days = jnp.arange(len(bolus), dtype=float)
            body, _ = jax.lax.scan(one_day, body, (days, bolus, rate, cells))
            density = Params.of(patient.values, setting.names).site_density
            return jnp.sum(volume_ml(body.tissue.state, density), 0)

        here = jnp.zeros(len(CHANGED))
        along = jax.jit(lambda direction: jax.jvp(ln_volume, (here,), (direction,))[1])
        automatic = np.array([float(along(direction)) for direction in jnp.eye(len(CHANGED))])
        run = jax.jit(ln_volume)
        steps = DIFFERENCE * jnp.eye(len(CHANGED))
        differences = np.array([float(run(s) - run(-s)) / (2.0 * DIFFERENCE) for s in steps])
    assert np.isfinite(automatic).all()
    assert (np.abs(differences) > 1e-6).all(), dict(zip(CHANGED, differences.tolist(), strict=True))
    np.testing.assert_allclose(automatic, differences, rtol=1e-3, atol=1e-9, err_msg=str(CHANGED))
