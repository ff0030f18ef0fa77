"""Small tissues with some of everything, for tests of the step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from tumornexus.cellkinds import KINDS
from tumornexus.systemic.state import CLONES
from tumornexus.tissue.lattice import CANCER_KINDS, KIND, Ground, Sites
from tumornexus.tissue.simulate import Simulation
from tumornexus.tissue.state import Tissue

SHAPES = {"flat": (12, 12), "solid": (8, 8, 8), "stirred": (12, 12)}
# An antibody, a small molecule, a virus injected on the spot, and living cells of both kinds that are infused.
REGIMEN = (
    "pembrolizumab 200 mg q3w + dabrafenib 150 mg bid + t_vec 4e8 PFU q2w + car_t 1e8 cells once"
    " + nk_cells 1e9 cells q1w x3"
)


def crowded(simulation: Simulation, seed: int) -> Tissue:
    """Return a tissue with every kind of cell at random places, random levels, ground and drugs."""
    rng, shape = np.random.default_rng(seed), simulation.setting.geometry.shape
    shares = np.full(len(KINDS), 0.55 / (len(KINDS) - 2))
    shares[[0, KIND["cancer"]]] = 0.2, 0.25
    kind = rng.choice(len(KINDS), size=shape, p=shares / shares.sum()).astype(np.uint8)
    cancerous = np.isin(kind, [KIND[name] for name in CANCER_KINDS])
    clone = np.where(cancerous & (rng.random(shape) < 0.5), rng.integers(0, len(CLONES), shape), 0)
    hits = np.where(np.isin(kind, [KIND["cancer"], KIND["persister"]]), rng.integers(0, 3, shape), 0)
    uniform = lambda: jnp.asarray(rng.random(shape), jnp.float32)  # noqa: E731
    sites = Sites(
        kind=jnp.asarray(kind), clone=jnp.asarray(clone, jnp.uint8), hits=jnp.asarray(hits, jnp.uint8),
        age=5.0 * uniform(), mhc1=uniform(), pdl1=uniform(), silencing=uniform(), car_antigen=uniform(),
        alt_checkpoint=uniform(), vessel=jnp.asarray(rng.random(shape) < 0.1, jnp.float32),
    )  # fmt: skip
    start = simulation.start
    ground = Ground(*(jnp.asarray(rng.random(start.ground.matrix.shape), jnp.float32) for _ in range(4)))
    amounts = start.host.amounts + jnp.asarray(rng.random(start.host.amounts.shape), jnp.float32)
    soaked = jnp.asarray(100.0 * rng.random(start.host.soaked.shape), jnp.float32)
    compartments = type(start.host.compartments)(
        *(x + jnp.asarray(0.2 * rng.random(), jnp.float32) for x in start.host.compartments)
    )
    host = eqx.tree_at(lambda h: (h.compartments, h.amounts, h.soaked), start.host, (compartments, amounts, soaked))
    return Tissue(sites, ground, start.signals, host, jnp.asarray(0, jnp.int32))


def with_parameters(simulation: Simulation, **values: float) -> Simulation:
    """Return the simulation with some of the patient's parameters changed; nothing is compiled anew."""
    bare = simulation.fixed.bare
    changed = bare.replaced({name: jnp.asarray(v, jnp.float32) for name, v in values.items()})
    return replace(simulation, fixed=eqx.tree_at(lambda f: f.bare, simulation.fixed, changed))


def without_drugs(simulation: Simulation) -> Simulation:
    """Return the simulation with no dose given; nothing is compiled anew."""
    drugs = simulation.fixed.drugs
    none = (jnp.zeros_like(drugs.bolus), jnp.zeros_like(drugs.input_rate))
    fixed = eqx.tree_at(lambda f: (f.drugs.bolus, f.drugs.input_rate), simulation.fixed, none)
    return replace(simulation, fixed=fixed)


def changed(simulation: Simulation, **fields: Any) -> Simulation:
    """Return the simulation with fields of `Fixed` (`dt`, `million_per_site`) changed."""
    fixed = simulation.fixed
    values = tuple(jnp.asarray(v, jnp.float32) for v in fields.values())
    return replace(simulation, fixed=eqx.tree_at(lambda f: tuple(getattr(f, n) for n in fields), fixed, values))
