"""Killing by several hits: how often a target has to be hit so that it dies at the rate of the killing laws.

A cancer cell of a solid tumor is seldom killed by one contact. Hits add up, and the damage of each heals by itself
(Weigelin 2021). The number of hits that a target carries is a chain: one more at the rate h, one less at the rate
k * repair while it carries k; with `hits_to_kill` hits it is dead. The laws of `killing` give rates of death; here
they become rates of hits of the same mean time to death. With one hit to kill, both are the same.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from tumornexus.biology.params import Params

MOST_HITS = 6
"""Largest `hits_to_kill` that the laws tell apart."""
_ROUNDS = 8  # Newton steps: quadratic from a start within a factor of 6 of the solution


def _time_and_slope(log_hits: jax.Array, p: Params) -> tuple[jax.Array, jax.Array]:
    """Return ln of the mean time to death and its derivative by ln of the rate of hits.

    The time from k to k + 1 hits is t_k = (1 + k repair t_(k-1)) / h. A number of hits that is not whole lies between
    its neighbors: the last step counts by its fraction.
    """
    h = jnp.exp(log_hits)
    step, step_slope = 1.0 / h, -1.0 / h
    total, slope = step, step_slope
    for k in range(1, MOST_HITS):
        step, step_slope = (
            (1.0 + k * p.damage_repair * step) / h,
            (k * p.damage_repair * (step_slope - step) - 1.0) / h,
        )
        counted = jnp.clip(p.hits_to_kill - k, 0.0, 1.0)
        total, slope = total + counted * step, slope + counted * step_slope
    return jnp.log(total), slope / total


def mean_time_to_death(hits_per_day: jax.Array, p: Params) -> jax.Array:
    """Return the mean days until a target without damage dies under a steady rate of hits.

    Mean first-passage time of the chain, sum over k below hits_to_kill of t_k with t_0 = 1/h and
    t_k = (1 + k repair t_(k-1)) / h. For 3 hits: 3/h + 3 repair/h^2 + 2 repair^2/h^3. Infinite without hits.
    """
    safe = jnp.maximum(hits_per_day, 1e-6)
    return jnp.where(hits_per_day > 0.0, jnp.exp(_time_and_slope(jnp.log(safe), p)[0]), jnp.inf)


def hit_rate(kill_rate: jax.Array, p: Params) -> jax.Array:
    """Return hits per target and day under which its mean time to death is 1 / kill_rate. Shape: that of kill_rate.

    Solves mean_time_to_death(h) = 1 / kill_rate. The logarithm of the time is convex in that of the rate, with slope
    between -hits_to_kill and -1, so that Newton's method converges from any start; it starts at the larger of the two
    rates that are exact for rare and for dense hits. No killing, no hits.
    """
    safe = jnp.maximum(kill_rate, 1e-9)
    target = -jnp.log(safe)
    number = jnp.clip(p.hits_to_kill, 1.0, MOST_HITS)
    # Dense hits: number / h. Rare hits: gamma(number) repair^(number - 1) / h^number.
    repair = jnp.log(jnp.maximum(p.damage_repair, 1e-9))
    rare = (jax.lax.lgamma(number) + (number - 1.0) * repair - target) / number
    x = jnp.maximum(jnp.log(number) - target, rare)
    for _ in range(_ROUNDS):
        value, slope = _time_and_slope(x, p)
        x = x - (value - target) / slope
    return jnp.where(kill_rate > 0.0, jnp.exp(x), 0.0)
