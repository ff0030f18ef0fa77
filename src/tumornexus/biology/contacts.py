"""Killing by several hits: how often a target has to be hit so that it dies at the rate of the killing laws.

A cancer cell of a solid tumor is seldom killed by one contact. Hits add up, and the damage of each heals by itself
(Weigelin 2021). The number of hits that a target carries is a chain: one more at the rate h, one less at the rate
k * repair while it carries k; with `hits_to_kill` hits it is dead: after 1/h days on average for one hit, for three
after 3/h + 3 repair/h^2 + 2 repair^2/h^3. The laws of `killing` give rates of death; here they become hits of the same
mean time to death.

Damage heals within an hour, so a simulation whose steps are as long loses hits within a step. `hit_table` gives numbers
of hits per step that keep the mean time for the chain in steps, whatever their length.
"""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import gammainc

from tumornexus.biology.params import Params

MOST_HITS = 6
"""Largest `hits_to_kill` that the laws tell apart."""


class HitTable(NamedTuple):
    """Hits per step of one length: `log_kill` and `log_hits`, shape (node,), and the share `heal` of hits that heal."""

    log_kill: jax.Array  # ln of the rate of death per day
    log_hits: jax.Array  # ln of the mean number of hits per step
    heal: jax.Array


def mean_steps_to_death(hits: jax.Array, dt: float | jax.Array, p: Params) -> jax.Array:
    """Return the mean number of steps of `dt` days until a target without damage is dead.

    In a step each hit that the target carries heals with probability 1 - exp(-repair dt), then a Poisson number of mean
    `hits` comes on top; a total of hits_to_kill (rounded to a whole number) or more is death. States are eliminated
    from the last to the first without a subtraction (Grassmann, Taksar and Heyman 1985), so that rare death keeps its
    digits in single precision.
    """
    number = jnp.round(jnp.clip(p.hits_to_kill, 1.0, MOST_HITS))
    stay = jnp.exp(-p.damage_repair * dt)
    left = [
        [comb(k, j) * stay**j * (1.0 - stay) ** (k - j) if k else jnp.ones_like(stay) for j in range(k + 1)]
        for k in range(MOST_HITS)
    ]
    new = [jnp.exp(-hits)]
    for i in range(1, MOST_HITS):
        new.append(new[-1] * hits / i)
    fatal = [gammainc(jnp.maximum(number - j, 1.0), hits) for j in range(MOST_HITS)]
    move = [
        [jnp.where(i < number, sum(left[k][j] * new[i - j] for j in range(min(k, i) + 1)), 0.0)
         for i in range(MOST_HITS)]
        for k in range(MOST_HITS)
    ]  # fmt: skip
    die = [sum(left[k][j] * fatal[j] for j in range(k + 1)) for k in range(MOST_HITS)]
    spent = [jnp.ones_like(hits)] * MOST_HITS
    for s in range(MOST_HITS - 1, 0, -1):
        out = die[s] + sum(move[s][:s])
        for i in range(s):
            share = move[i][s] / out
            die[i] = die[i] + share * die[s]
            spent[i] = spent[i] + share * spent[s]
            move[i] = [move[i][j] + share * move[s][j] for j in range(s)]
    return spent[0] / die[0]


def hit_table(dt: float | jax.Array, p: Params, nodes: int = 256) -> HitTable:
    """Return the hits per step of `dt` days by rate of death; parameters are those of one patient (scalars).

    A rate of death r means 1 / (1 - exp(-r dt)) steps on average, as for every event that a step decides with
    probability 1 - exp(-r dt); the table pairs it with the mean number of hits that takes as long.
    """
    log_hits = jnp.linspace(jnp.log(1e-5), jnp.log(40.0), nodes)
    steps = mean_steps_to_death(jnp.exp(log_hits), dt, p)
    chance = jnp.minimum(1.0 / steps, 1.0 - 1e-6)
    return HitTable(jnp.log(-jnp.log1p(-chance) / dt), log_hits, 1.0 - jnp.exp(-p.damage_repair * dt))


def hits_in_step(kill_rate: jax.Array, table: HitTable) -> jax.Array:
    """Return the mean number of hits per target in a step under which it dies at `kill_rate` per day on average."""
    lowest = jnp.exp(table.log_kill[0])
    found = jnp.exp(jnp.interp(jnp.log(jnp.maximum(kill_rate, lowest)), table.log_kill, table.log_hits))
    return jnp.where(kill_rate < lowest, found * kill_rate / lowest, found)
