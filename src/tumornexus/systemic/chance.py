"""Chance in small clones: births and deaths of few cells are counted, not averaged.

Below `FEW` cells a clone follows a birth-death process in steps of one time step (tau-leaping): births and deaths are
Poisson with the rates of the deterministic equations frozen over the step, deaths at most the cells there. The error of
leaping is of the order of (birth + death rate) * step: 5 % of the variance at one day without drugs, up to a quarter in
the steps of untreated growth (five days) and under drugs that kill a clone within days. Extinction and spread are
compared with the exact process in the tests. Above `FEW` cells, where the relative scatter of a day is about 2 %, the
equations take over.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

FEW = 100.0  # cells
TERMS = 24  # of the Poisson distribution; means stay below about 12 at FEW cells, beyond which the normal takes over
NORMAL_FROM = 10.0


def poisson(uniform: jax.Array, mean: jax.Array) -> jax.Array:
    """Return Poisson counts by inversion of `uniform` in (0, 1): exact sum below a mean of `NORMAL_FROM`, then normal.

    One uniform gives one count that rises with the mean (but for one count where the normal takes over), so that two
    treatments of one patient share their luck.
    """
    mean = jnp.broadcast_to(mean, jnp.broadcast_shapes(mean.shape, uniform.shape))
    small = jnp.minimum(mean, NORMAL_FROM)

    # Most counts are small: the sum ends when no member needs another term, which changes no other member's count.
    def going(carry: tuple) -> jax.Array:
        k, _, below, _ = carry
        return (k < TERMS) & jnp.any(uniform > below)

    def term_of(carry: tuple) -> tuple:
        k, term, below, count = carry
        count = count + (uniform > below)
        term = term * small / k
        return k + 1.0, term, below + term, count

    first = jnp.exp(-small)
    *_, count = jax.lax.while_loop(going, term_of, (jnp.ones(()), first, first, jnp.zeros_like(mean)))

    def with_normal() -> jax.Array:
        normal = jnp.round(mean + jnp.sqrt(mean) * jax.scipy.special.ndtri(uniform))
        return jnp.where(mean <= NORMAL_FROM, count, jnp.maximum(normal, 0.0))

    return jax.lax.cond(jnp.any(mean > NORMAL_FROM), with_normal, lambda: count)


def _mix(z: jax.Array) -> jax.Array:
    z = (z ^ (z >> jnp.uint64(30))) * jnp.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> jnp.uint64(27))) * jnp.uint64(0x94D049BB133111EB)
    return z ^ (z >> jnp.uint64(31))


def uniforms(seeds: jax.Array, step: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return three uniform numbers for each place, (3, *shape, batch): one stream per member, addressed by `step`.

    `seeds` (batch,), unsigned 64-bit. Numbers are those of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA) at a
    position given by step and place: a few operations each, where JAX's own generator costs more than the whole
    right-hand side. The three are parts of one 64-bit word in steps of 5e-7, so that events rarer than once in two
    million steps come a little too often or not at all.
    """
    places = math.prod(shape)
    position = jnp.arange(places, dtype=jnp.uint64).reshape(*shape, 1) + jnp.uint64(places) * step.astype(jnp.uint64)
    word = _mix(_mix(seeds) + (position + jnp.uint64(1)) * jnp.uint64(0x9E3779B97F4A7C15))
    parts = jnp.stack([(word >> jnp.uint64(21 * k)) & jnp.uint64(2**21 - 1) for k in range(3)])
    # The middle of each step: never 0 or 1, where the inverse normal is infinite.
    return (parts.astype(float) + 0.5) / 2.0**21


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
    # Nothing is counted for large clones: a mean of 0 ends the sum at once.
    few = n < FEW
    born = poisson(uniform[1], jnp.where(few, jnp.minimum((birth * whole + arrival * 1e6) * dt, 1e6), 0.0))
    died = poisson(uniform[2], jnp.where(few, jnp.minimum(death * whole * dt, 1e6), 0.0))
    return jnp.where(few, (whole + born - jnp.minimum(died, whole)) * 1e-6, after)
