"""Chance in small clones: births and deaths of few cells are counted, not averaged.

Below `FEW` cells a clone follows a birth-death process in steps of one time step (tau-leaping): births and deaths are
Poisson with the rates of the deterministic equations frozen over the step, deaths at most the cells there. The error of
leaping is of the order of (birth + death rate) * step, below 10 % of the variance at one day and the rates of this
model; extinction and spread are compared with the exact process in the tests. Above `FEW` cells, the relative scatter
of a step is below 1 % and the equations take over.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

FEW = 100.0  # cells
TERMS = 24  # of the Poisson distribution; means stay below about 12 at FEW cells, beyond which the normal takes over
NORMAL_FROM = 10.0


def poisson(uniform: jax.Array, mean: jax.Array) -> jax.Array:
    """Return Poisson counts by inversion of `uniform` in (0, 1): exact sum below a mean of `NORMAL_FROM`, then normal.

    One uniform gives one count, monotonic in the mean, so that two treatments of one patient share their luck.
    """
    small = jnp.minimum(mean, NORMAL_FROM)
    term = jnp.exp(-small)
    below, count = term, jnp.zeros_like(mean)
    for k in range(1, TERMS):
        count = count + (uniform > below)
        term = term * small / k
        below = below + term
    normal = jnp.round(mean + jnp.sqrt(mean) * jax.scipy.special.ndtri(uniform))
    return jnp.where(mean <= NORMAL_FROM, count, jnp.maximum(normal, 0.0))


def uniforms(keys: jax.Array, step: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return uniform numbers of shape (*shape, batch): one stream per member, addressed by `step`."""
    draw = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, step), shape, dtype=float), out_axes=-1)
    # Away from 0 and 1, where the inverse normal is infinite.
    return jnp.clip(draw(keys), 1e-12, 1.0 - 1e-12)


def leap(
    before: jax.Array, after: jax.Array, birth: jax.Array, death: jax.Array, arrival: jax.Array, dt: jax.Array,
    uniform: jax.Array,
) -> jax.Array:  # fmt: skip
    """Return clone sizes after a step: counted where a clone had fewer than `FEW` cells, deterministic elsewhere.

    `before`, `after`: million cells, `after` by the deterministic step; `birth`, `death` per cell and day; `arrival`
    million cells per day (mutants, seeds); `uniform` (3, ...).
    """
    n = before * 1e6
    # A clone that has just become small holds a fraction of a cell too many or too few: rounded at random.
    whole = jnp.floor(n) + (uniform[0] < n - jnp.floor(n))
    born = poisson(uniform[1], jnp.minimum((birth * whole + arrival * 1e6) * dt, 1e6))
    died = jnp.minimum(poisson(uniform[2], jnp.minimum(death * whole * dt, 1e6)), whole)
    return jnp.where(n < FEW, (whole + born - died) * 1e-6, after)
