"""Simulate ensembles: grow each virtual tumor without treatment, then treat it with any regimen.

Everything is one compiled function for growth and one for treatment, over ensembles padded to `CHUNK` members; a
regimen is a table of doses and acts (`treatment.Treatment`), so a new regimen never recompiles. The same numbers come
out whatever the chunk or thread count, because members never interact.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from tumornexus.biology import mediators
from tumornexus.biology.params import Params
from tumornexus.biology.pharmacology import Acts, Modulation, modulate, occupancy, propagator
from tumornexus.errors import SimulationError
from tumornexus.systemic.dynamics import OBSERVABLES, flux, observe
from tumornexus.systemic.integrate import exponential_trapezoid
from tumornexus.systemic.state import CLONES, State, densities, total_cells, volume_ml
from tumornexus.systemic.treatment import DEPOSITS, SLOTS, Treatment

CHUNK = 256  # members of one compiled call; ensembles are padded to a multiple
GROWTH_STEPS = 700  # steps of the untreated phase
SEED_VOLUME_ML = 1.0  # where the untreated phase starts: about 12 mm across, near the smallest target lesion (10 mm)
SAVE_EVERY_DAYS = 7

# Parameters that act in node, blood or gut, where plasma rather than tumor concentration counts.
SYSTEMIC_PARAMETERS = (
    "ctla4_brake", "costimulation", "priming_rate", "tcell_expansion", "tcell_fitness", "naive_precursors",
    "helper_priming", "lymphocyte_depletion", "microbiome_setpoint", "steroid_exposure", "il2_signal",
    "vaccine_antigen", "cart_expansion", "microbiome_priming", "cxcr2_signal", "ccr2_signal",
)  # fmt: skip

STATUS = {0: "ok", 1: "controlled by the immune system before the target burden", 2: "numerical failure"}


def seed_state(p: Params) -> State:
    """Return a small, poorly infiltrated lesion: `SEED_VOLUME_ML` of mostly cancer cells with a little of
    everything."""
    n = SEED_VOLUME_ML * p.site_density
    rare = jnp.stack(
        [
            p.initial_fraction_b2m_loss,
            p.initial_fraction_jak_loss,
            p.initial_fraction_car_antigen_loss,
            p.initial_fraction_pathway_reactivated * p.mapk_dependence,
        ]
    )
    rare = jnp.clip(rare, 0.0, 1.0)
    # Clones add up to one: fractions above 1 in sum are scaled back, the rest is wild type.
    rare = rare / jnp.maximum(jnp.sum(rare), 1.0)
    fractions = jnp.concatenate([(1.0 - jnp.sum(rare))[None], rare])
    one = jnp.ones_like(n)
    return State(
        cancer=0.7 * n * fractions,
        persister=0.0 * fractions,
        cd8_progenitor=1e-3 * n,
        cd8_effector=1e-3 * n,
        cd8_terminal=1e-3 * n,
        cd4_helper=5e-3 * n,
        treg=5e-3 * n,
        nk=5e-3 * n,
        car_t=0.0 * n,
        dendritic=2e-3 * n,
        mdsc=5e-3 * n,
        tam_m1=1e-2 * n,
        tam_m2=1e-2 * n,
        caf_matrix=2e-2 * n,
        caf_cytokine=2e-2 * n,
        dead_antigen=5e-2 * n,
        vessels=0.6 * one,
        matrix=0.3 * one,
        mhc1=0.2 * one,
        pdl1=0.1 * one,
        alt_checkpoint=0.05 * one,
        silencing=jnp.clip(p.epigenetic_silencing, 0.0, 0.98),
        ln_dendritic=0.05 * one,
        ln_primed=0.1 * one,
        ln_helper=0.1 * one,
        blood_cd8=0.1 * one,
        blood_car_t=0.0 * one,
        microbiome=p.microbiome_setpoint,
        lymphocytes=one,
    )


def _finite(state: State) -> jax.Array:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(state)]))


def _grow_one(p: Params, target_ml: jax.Array) -> tuple[State, jax.Array, jax.Array]:
    """Grow to `target_ml`; the step follows the tumor's own doubling time so that all tumors use the same step
    count."""
    dt = jnp.minimum(jnp.log(2.0) / p.growth_rate / 40.0, 8.0)

    def step(carry: tuple[State, jax.Array], _: None) -> tuple[tuple[State, jax.Array], None]:
        state, days = carry
        arrived = volume_ml(state, p.site_density) >= target_ml
        new = exponential_trapezoid(state, lambda s: flux(s, p), dt)
        state = jax.tree.map(lambda a, b: jnp.where(arrived, a, b), state, new)
        return (state, days + jnp.where(arrived, 0.0, dt)), None

    (state, days), _ = jax.lax.scan(step, (seed_state(p), jnp.zeros_like(target_ml)), None, length=GROWTH_STEPS)
    arrived = volume_ml(state, p.site_density) >= target_ml
    status = jnp.where(_finite(state), jnp.where(arrived, 0, 1), 2)
    return state, days, status


def _exposure(acts: Acts, amount: jax.Array) -> jax.Array:
    return amount * acts.nm_per_unit


def _treat_one(
    p: Params, state: State, acts: Acts, doses: jax.Array, deposits: jax.Array, where: Modulation, *, steps_per_day: int
) -> tuple[State, dict[str, jax.Array], jax.Array, jax.Array]:
    """Treat for as many days as `doses` (day, slot) has rows; observables every `SAVE_EVERY_DAYS`.

    `deposits` (day, kind) are million cells added to blood. A daily amount is given in equal parts at each step for
    oral drugs and at the first step otherwise; `Treatment` has already laid out that choice as `doses` a step.
    """
    dt = jnp.asarray(1.0 / steps_per_day)
    carry_over = propagator(acts.k_elim, acts.k_out, acts.k_in, dt)

    def one_step(carry: tuple, dose_and_cells: tuple[jax.Array, jax.Array]) -> tuple[tuple, jax.Array]:
        state, amounts, tumor_conc, last = carry
        dose, cells = dose_and_cells
        amounts = amounts.at[:, 0].add(dose)
        mean_plasma = _exposure(acts, (carry_over.mean @ amounts[..., None])[:, 0, 0])
        amounts = (carry_over.step @ amounts[..., None])[..., 0]
        state = eqx.tree_at(
            lambda s: (s.blood_car_t, s.blood_cd8, s.nk),
            state,
            (state.blood_car_t + cells[0], state.blood_cd8 + cells[1], state.nk + cells[2]),
        )
        access = mediators.drug_access(densities(state), Params(last, p.names))
        # Penetration: the tumor follows plasma with a delay, up to the accessible fraction (relative to typical = 0.5).
        toward = acts.tumor_to_plasma * jnp.minimum(2.0 * access, 1.5) * mean_plasma
        tumor_conc = toward + (tumor_conc - toward) * jnp.exp(-acts.penetration_rate * dt)
        plasma_effect = occupancy(mean_plasma, acts.ec50, acts.hill)
        tumor_effect = occupancy(tumor_conc, acts.ec50, acts.hill)
        now = modulate(p, acts, plasma_effect, tumor_effect, where)
        state = exponential_trapezoid(state, lambda s: flux(s, now), dt)
        return (state, amounts, tumor_conc, now.values), mean_plasma

    def block(carry: tuple, inputs: tuple[jax.Array, jax.Array]) -> tuple[tuple, tuple]:
        carry, plasma = jax.lax.scan(one_step, carry, inputs)
        seen = observe(carry[0], Params(carry[3], p.names))
        return carry, (seen, plasma[-1])

    per_block = SAVE_EVERY_DAYS * steps_per_day
    n_blocks = doses.shape[0] // per_block
    shaped = doses[: n_blocks * per_block].reshape(n_blocks, per_block, -1)
    cells = deposits[: n_blocks * per_block].reshape(n_blocks, per_block, -1)
    start = (state, jnp.zeros((acts.ec50.shape[0], 2)), jnp.zeros_like(acts.ec50), p.values)
    (state, *_), (seen, plasma) = jax.lax.scan(block, start, (shaped, cells))
    first = observe(start[0], p)
    seen = {k: jnp.concatenate([first[k][None], v]) for k, v in seen.items()}
    plasma = jnp.concatenate([jnp.zeros_like(plasma[:1]), plasma])
    status = jnp.where(_finite(state), 0, 2)
    return state, seen, plasma, status


@functools.cache
def _compiled_growth(names: tuple[str, ...]) -> Callable:
    return jax.jit(lambda values, target: jax.vmap(lambda v, t: _grow_one(Params(v, names), t))(values, target))


@functools.cache
def _compiled_treatment(
    names: tuple[str, ...], acted: tuple[str, ...], upper: tuple[float, ...], steps_per_day: int
) -> Callable:
    where = Modulation(
        index=np.array([names.index(n) for n in acted]),
        in_tumor=np.array([0.0 if n in SYSTEMIC_PARAMETERS else 1.0 for n in acted]),
        upper=np.array(upper),
    )

    def run(values: jax.Array, state: State, acts: Acts, doses: jax.Array, deposits: jax.Array) -> tuple:
        one = functools.partial(_treat_one, where=where, steps_per_day=steps_per_day)
        return jax.vmap(lambda v, s, a, d, c: one(Params(v, names), s, a, d, c))(values, state, acts, doses, deposits)

    return jax.jit(run)


@dataclass(frozen=True)
class Grown:
    """Untreated tumors at their target burden: `state` has leading axis draw; `status` per draw (see `STATUS`)."""

    state: State
    days: np.ndarray
    status: np.ndarray


def _padded(n: int, chunk: int) -> int:
    return -(-n // chunk) * chunk


def _take(tree: object, index: np.ndarray) -> object:
    return jax.tree.map(lambda x: np.asarray(x)[index], tree)


def grow(
    values: np.ndarray, names: tuple[str, ...], target_ml: np.ndarray, *, progress: Callable[[int], None] | None = None
) -> Grown:
    """Grow each draw (row of `values`, shape (draw, parameter)) without treatment to `target_ml` (draw,)."""
    n = len(values)
    if n == 0:
        raise SimulationError("an ensemble needs at least one draw")
    parts = []
    with jax.enable_x64(True):
        fn = _compiled_growth(names)
        for start in range(0, n, CHUNK):
            index = np.minimum(np.arange(start, start + CHUNK), n - 1)
            part = jax.device_get(fn(jnp.asarray(values[index]), jnp.asarray(target_ml[index], dtype=float)))
            keep = min(CHUNK, n - start)
            parts.append(jax.tree.map(lambda x, k=keep: x[:k], part))
            if progress:
                progress(keep)
    state, days, status = jax.tree.map(lambda *xs: np.concatenate(xs), *parts)
    return Grown(state=state, days=days, status=status)


def treat(
    values: np.ndarray,
    names: tuple[str, ...],
    state: State,
    treatments: Sequence[Treatment],
    assignment: np.ndarray,
    *,
    steps_per_day: int = 1,
    keep: Sequence[str] = OBSERVABLES,
    progress: Callable[[int], None] | None = None,
) -> xr.Dataset:
    """Treat an ensemble and return its trajectories.

    Row i of `values` (member, parameter) and of `state` is treated with `treatments[assignment[i]]`. The result has
    dims (member, time) with time in days from the start of treatment, a variable for each observable, the plasma
    concentration of each drug slot, and `status` (member): 0 ok, 2 numerical failure (values of that member are NaN).
    """
    n = len(values)
    if n == 0:
        raise SimulationError("an ensemble needs at least one member")
    assignment = np.asarray(assignment)
    acts = jax.tree.map(lambda *xs: np.stack(xs), *[t.acts for t in treatments])
    doses = np.stack([t.step_doses(steps_per_day) for t in treatments])
    deposits = np.stack([t.step_deposits(steps_per_day) for t in treatments])
    parts = []
    with jax.enable_x64(True):
        fn = _compiled_treatment(names, treatments[0].acted, treatments[0].upper, steps_per_day)
        for start in range(0, n, CHUNK):
            index = np.minimum(np.arange(start, start + CHUNK), n - 1)
            which = assignment[index]
            _, seen, plasma, status = jax.device_get(
                fn(values[index], _take(state, index), _take(acts, which), doses[which], deposits[which])
            )
            m = min(CHUNK, n - start)
            kept = {name: seen[name][:m].astype(np.float32) for name in keep}
            parts.append((kept, plasma[:m], status[:m]))
            if progress:
                progress(m)
    seen, plasma, status = jax.tree.map(lambda *xs: np.concatenate(xs), *parts)
    days = np.arange(next(iter(seen.values())).shape[1]) * SAVE_EVERY_DAYS
    failed = status != 0
    variables = {k: (("member", "time"), np.where(failed[:, None], np.nan, v)) for k, v in seen.items()}
    data = xr.Dataset(variables, coords={"time": ("time", days, {"units": "day"})})
    data["plasma"] = (("member", "time", "slot"), plasma.astype(np.float32))
    data["status"] = (("member",), status.astype(np.int8))
    return data


__all__ = [
    "CHUNK",
    "CLONES",
    "DEPOSITS",
    "GROWTH_STEPS",
    "OBSERVABLES",
    "SAVE_EVERY_DAYS",
    "SLOTS",
    "STATUS",
    "Grown",
    "grow",
    "seed_state",
    "total_cells",
    "treat",
]  # fmt: skip
