"""One step agrees with its plain twin, decision by decision."""

from __future__ import annotations

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tissue import plain_step
from tissue.scenes import crowded, with_parameters
from tumornexus.biology.contacts import hit_table
from tumornexus.tissue.simulate import Simulation
from tumornexus.tissue.state import Tissue, draw

draws_of = jax.jit(draw, static_argnums=2)
ROUNDING = 2e-6  # of the chance of an event in single precision, relative; closer calls could go either way


def with_fields(tissue: Tissue, found: plain_step.After) -> Tissue:
    """Return the tissue with the twin's fields as first guess of the solver, so that its iterations end at rounding.

    Perfusion and pressure stay: those of the step before say what drugs reach.
    """
    kept = ("perfusion", "pressure")
    new = {n: x if n in kept else found.signals[n] for n, x in vars(tissue.signals).items()}
    signals = type(tissue.signals)(**{n: jnp.asarray(x, jnp.float32) for n, x in new.items()})
    return eqx.tree_at(lambda t: t.signals, tissue, signals)


@pytest.mark.simulation
@pytest.mark.parametrize("where", ["flat", "solid", "stirred"])
def test_a_step_agrees_with_the_plain_twin(simulations: dict[str, Simulation], where: str):
    simulation = with_parameters(simulations[where], escape_mutation_rate=0.1, hits_to_kill=3.0, growth_rate=2.0)
    fixed = simulation.fixed
    fixed = eqx.tree_at(lambda f: f.hits, fixed, hit_table(fixed.dt, fixed.bare))
    simulation = replace(simulation, fixed=fixed)
    tissue = crowded(simulation, seed=3)
    happened: dict[str, float] = {}
    for _ in range(3):
        draws = draws_of(simulation.key, tissue.step, simulation.setting)
        twin = plain_step.step(tissue, draws, fixed, simulation.setting)
        assert twin.closest > ROUNDING, "choose another seed: rounding may turn a decision"
        tissue, tally = simulation.advance(with_fields(tissue, twin), 1)
        for name in ("kind", "clone", "hits", "vessel"):
            np.testing.assert_array_equal(getattr(tissue.sites, name), twin.sites[name], err_msg=name)
        for name in ("age", "mhc1", "pdl1", "silencing", "car_antigen", "alt_checkpoint"):
            np.testing.assert_allclose(
                getattr(tissue.sites, name), twin.sites[name], rtol=2e-5, atol=1e-6, err_msg=name
            )
        for name, value in twin.ground.items():
            np.testing.assert_allclose(getattr(tissue.ground, name), value, rtol=2e-5, atol=1e-6, err_msg=name)
        for name, value in twin.signals.items():
            np.testing.assert_allclose(getattr(tissue.signals, name), value, rtol=2e-5, atol=1e-6, err_msg=name)
        for name, value in twin.compartments.items():
            np.testing.assert_allclose(getattr(tissue.host.compartments, name), value, rtol=2e-5, err_msg=name)
        np.testing.assert_allclose(tissue.host.amounts, twin.amounts, rtol=2e-5)
        np.testing.assert_allclose(tissue.host.soaked, twin.soaked, rtol=2e-5)
        for name, value in twin.tally.items():
            np.testing.assert_allclose(getattr(tally, name)[0], value, rtol=2e-5, err_msg=name)
            happened[name] = happened.get(name, 0.0) + value
    never = {name for name, total in happened.items() if total == 0.0}
    # Nothing is refused or blocked where a fifth of the sites is empty; stirred, there are no hits.
    assert never <= {"refused", "blocked", *(["killed"] if where == "stirred" else [])}, "not compared"
