"""Run a tissue through time: chunks of compiled steps, from any state, with the same numbers however often it stops."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tumornexus.biology.contacts import hit_table
from tumornexus.biology.motility import hop_rate
from tumornexus.biology.stroma import stiffness_kpa
from tumornexus.errors import SimulationError
from tumornexus.systemic.treatment import Treatment
from tumornexus.tissue.host import drugs_of
from tumornexus.tissue.lattice import Geometry, upsample
from tumornexus.tissue.patient import VirtualPatient
from tumornexus.tissue.start import from_rule, scalars
from tumornexus.tissue.state import Fixed, Setting, Tally, Tissue, draw
from tumornexus.tissue.step import step

HOPS_A_ROUND = 0.7  # of the fastest cells: below one, a walker's mean square displacement is exact
MOST_ROUNDS = 24
MOST_AT_ONCE = 256  # steps in one call of the compiled program


@functools.lru_cache(maxsize=8)
def _compiled(setting: Setting) -> Any:
    """Return the function that takes up to `MOST_AT_ONCE` steps.

    Their number is not compiled in: programs for different numbers round differently, so that a run would depend on
    where it was cut.
    """

    @jax.jit
    def run(tissue: Tissue, fixed: Fixed, key: jax.Array, steps: jax.Array) -> tuple[Tissue, Tally]:
        def one(tissue: Tissue) -> tuple[Tissue, Tally]:
            return step(tissue, draw(key, tissue.step, setting), fixed, setting)

        def on(number: jax.Array, carried: tuple[Tissue, Tally]) -> tuple[Tissue, Tally]:
            tissue, tally = one(carried[0])
            return tissue, jax.tree.map(lambda all_, new: all_.at[number].set(new), carried[1], tally)

        kept = jax.tree.map(lambda x: jnp.zeros((MOST_AT_ONCE, *x.shape), x.dtype), jax.eval_shape(one, tissue)[1])
        return jax.lax.fori_loop(0, steps, on, (tissue, kept))

    return run


@dataclass(frozen=True)
class Simulation:
    """A tissue under one regimen, ready to run. `advance` takes the state and gives the state."""

    fixed: Fixed
    setting: Setting
    start: Tissue
    key: jax.Array
    dt_hours: float

    def advance(self, tissue: Tissue, steps: int) -> tuple[Tissue, Tally]:
        """Return the tissue after `steps` steps, at least one, and what happened in each of them (step,)."""
        tallies = []
        for at in range(0, steps, MOST_AT_ONCE):
            many = min(MOST_AT_ONCE, steps - at)
            tissue, tally = _compiled(self.setting)(tissue, self.fixed, self.key, jnp.asarray(many, jnp.int32))
            tallies.append(jax.tree.map(lambda x, many=many: x[:many], tally))
        return tissue, jax.tree.map(lambda *parts: jnp.concatenate(parts), *tallies)

    def run(self, steps: int, chunk: int, tissue: Tissue | None = None) -> Iterator[tuple[Tissue, Tally]]:
        """Yield the tissue after every `chunk` steps until step number `steps`.

        Raises:
            SimulationError: a cell or field is no longer a number.
        """
        tissue = self.start if tissue is None else tissue
        while (at := int(tissue.step)) < steps:
            tissue, tally = self.advance(tissue, min(chunk, steps - at))
            if not bool(jnp.all(jnp.isfinite(tissue.signals.oxygen))) or not np.isfinite(float(tally.fastest[-1])):
                raise SimulationError(
                    "the tissue has become infinite or not a number", field="dt_hours", value=self.dt_hours,
                    valid="a shorter step, or parameters nearer to their usual values",
                )  # fmt: skip
            yield tissue, tally


def rounds_of(patient: VirtualPatient, geometry: Geometry, dt_hours: float) -> int:
    """Return how many rounds of walking a step needs, so that the fastest cells hop less than once a round."""
    bare = scalars(patient.values, patient.names)
    fastest = max(float(getattr(bare, n)) for n in bare.names if n.endswith("_motility"))
    hops = float(hop_rate(jnp.asarray(fastest), geometry.site_um, len(geometry.shape))) * dt_hours / 24.0
    return int(np.clip(np.ceil(hops / HOPS_A_ROUND), len(geometry.shape), MOST_ROUNDS))


def prepare_tissue(
    patient: VirtualPatient,
    treatment: Treatment,
    geometry: Geometry,
    *,
    dt_hours: float = 1.0,
    seed: int = 0,
    start: tuple[Tissue, float] | None = None,
    filled: float | None = None,
) -> Simulation:
    """Return a simulation of a patient's tissue under a treatment.

    `start`: a tissue and how many million cells each of its cells stands for (`start.from_rule` if not given);
    `filled`: share of sites that hold cells at the start.
    """
    bare = scalars(patient.values, patient.names)
    tissue, million = start or from_rule(patient.state, bare, geometry, seed, filled)
    drugs, acted = drugs_of(treatment)
    dt = jnp.asarray(dt_hours / 24.0, jnp.float32)
    fixed = Fixed(bare, drugs, jnp.asarray(million, jnp.float32), dt, hit_table(dt, bare))
    rounds = 0 if geometry.stirred else rounds_of(patient, geometry, dt_hours)
    setting = Setting(geometry, patient.names, acted, treatment.hill_is_one, rounds)
    return Simulation(fixed, setting, tissue, jax.random.key(seed), dt_hours)


def frame(tissue: Tissue, simulation: Simulation) -> dict[str, Any]:
    """Return a tissue as plain arrays: what files and pictures are made of."""
    geometry = simulation.setting.geometry

    def on_lattice(x: jax.Array) -> np.ndarray:
        return np.asarray(upsample(x, geometry.coarse))

    found: dict[str, Any] = {
        name: np.asarray(getattr(tissue.sites, name)) for name in tissue.sites.__dataclass_fields__
    }
    ground = {name: on_lattice(getattr(tissue.ground, name)) for name in tissue.ground.__dataclass_fields__}
    fields = {name: np.asarray(getattr(tissue.signals, name)) for name in tissue.signals.__dataclass_fields__}
    if not geometry.stirred:
        fields["stiffness"] = np.asarray(stiffness_kpa(tissue.ground.matrix, simulation.fixed.bare))
    return {**found, **ground, "fields": fields, "day": int(tissue.step) * simulation.dt_hours / 24.0}


def arrays_of(tissue: Tissue) -> dict[str, np.ndarray]:
    """Return all that changes as named plain arrays, for a checkpoint."""
    leaves, _ = jax.tree.flatten(tissue)
    return {f"leaf{i:03d}": np.asarray(leaf) for i, leaf in enumerate(leaves)}


def tissue_of(arrays: Mapping[str, np.ndarray], like: Tissue) -> Tissue:
    """Return the tissue that `arrays_of` took apart; `like`: any tissue of the same geometry."""
    leaves, tree = jax.tree.flatten(like)
    return jax.tree.unflatten(tree, [jnp.asarray(arrays[f"leaf{i:03d}"]) for i in range(len(leaves))])
