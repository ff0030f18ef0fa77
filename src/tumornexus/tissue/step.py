"""One step of the tissue: a pure function of the state and of random numbers drawn beforehand.

Order: drugs at each place, signals from where cells stand, rates of all cells, what happens to each (death, hits,
change of kind) with arrivals, levels and vessels, then divisions, walking, matrix and the host. Signals, killing and
division see the tissue as it is at the start of the step.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from tumornexus.biology.dissemination import vesicles
from tumornexus.systemic.dynamics import Exchange
from tumornexus.systemic.integrate import frozen
from tumornexus.tissue import host as around_it
from tumornexus.tissue.census import is_any
from tumornexus.tissue.change import Changed, change
from tumornexus.tissue.host import Host
from tumornexus.tissue.lattice import (
    Geometry,
    Ground,
    Sites,
    apart,
    to_blocks,
    to_lattice,
)
from tumornexus.tissue.moves import divided, mutated, walked
from tumornexus.tissue.rates import REMAINS
from tumornexus.tissue.situation import Situation, situation, vessels_here
from tumornexus.tissue.state import Draws, Fixed, Setting, Tally, Tissue


def step(tissue: Tissue, draws: Draws, fixed: Fixed, setting: Setting) -> tuple[Tissue, Tally]:
    """Return the tissue one step later, and what happened in it."""
    g, dt, at = setting.geometry, fixed.dt, tissue.step
    day = at * dt
    host, virus_given, nk_given = around_it.given(tissue.host, fixed.drugs, day, dt)
    occupied_before = jnp.maximum(jnp.sum(tissue.sites.kind != 0, dtype=jnp.float32), 1.0)
    virus_per_cell = virus_given / (occupied_before * fixed.million_per_site)
    ground = eqx.tree_at(lambda x: x.virus, tissue.ground, tissue.ground.virus + virus_per_cell)
    tissue = Tissue(tissue.sites, ground, tissue.signals, host, at)
    sites = jax.tree.map(lambda x: to_blocks(x, g.coarse), tissue.sites)
    now = situation(tissue, sites, fixed, setting)

    def changes() -> tuple[Sites, jax.Array, Changed]:
        changed = change(sites, now, draws, nk_given, fixed, setting)
        lattice = jax.tree.map(lambda x: to_lattice(x, g.coarse), changed.sites)
        return lattice, to_lattice(changed.divide, g.coarse), changed._replace(sites=None, divide=None)

    lattice, wants, changed = apart(changes, at)

    def divisions() -> tuple[Sites, jax.Array, jax.Array, jax.Array]:
        new, newborn, blocked = divided(lattice, wants, draws, g)
        new = mutated(new, newborn, to_lattice(draws.mutate, g.coarse), fixed.bare)
        births = jnp.sum(newborn & is_any(new.kind, REMAINS), dtype=jnp.float32)
        return new, births, jnp.sum(newborn, dtype=jnp.float32), blocked

    new, births, divided_all, blocked = apart(divisions, at)
    if not g.stirred and setting.rounds:
        new = apart(lambda: walked(new, now, draws.moves, fixed, g), at)

    ground = _ground(tissue.ground, now, dt, g)
    emigrated = changed.emigrated * fixed.million_per_site / dt
    host = apart(lambda: _host(tissue.host, now, ground, emigrated, fixed, setting, day), at)
    tally = Tally(
        births=births,
        divisions=divided_all,
        deaths=changed.deaths,
        killed=changed.killed,
        vanished=changed.vanished,
        arrived=changed.arrived,
        refused=changed.refused,
        blocked=blocked,
        emigrated=changed.emigrated,
        seeds=jnp.sum(now.flow.seeds * now.census.counts["cancer"]) * dt,
        field_residual=now.residual,
        fastest=jnp.max(sum(now.fates)),
    )
    return Tissue(new, ground, now.local.signals, host, at + 1), tally


def _ground(ground: Ground, now: Situation, dt: jax.Array, g: Geometry) -> Ground:
    """Return matrix, lymphoid structures, bacteria and virus one step later."""
    flow, p, census = now.flow, now.p, now.census
    infected = census.counts["infected"]
    if g.stirred:
        per_cell = jnp.sum(infected) / jnp.maximum(jnp.sum(census.occupied), 1.0)
    else:
        per_cell = now.local.infected
    return Ground(
        matrix=frozen(ground.matrix, flow.stroma.deposit, flow.stroma.degrade, dt),
        tls=frozen(ground.tls, flow.form_tls, flow.lose_tls + flow.form_tls, dt),
        bacteria=frozen(ground.bacteria, flow.bacteria.colonize, flow.bacteria.clear, dt),
        virus=frozen(ground.virus, p.virus_burst * p.virus_lysis * per_cell, flow.virus_clear, dt),
    )


def _host(
    host: Host, now: Situation, ground: Ground, emigrating: jax.Array, fixed: Fixed, setting: Setting, day: jax.Array
) -> Host:
    """Return the host one step later, given what the tissue took from it and sent to it.

    Cells leave blood where they are called to the tissue.
    """
    million, flow, census = fixed.million_per_site, now.flow, now.census
    weight = vessels_here(now, setting.geometry)
    occupied = jnp.maximum(jnp.sum(census.occupied), 1.0)

    def mean(rate: jax.Array) -> jax.Array:
        return jnp.sum(rate * census.occupied) / occupied

    pdl1 = jnp.sum(now.local.pdl1 * (census.counts["cancer"])) * million
    exchange = Exchange(
        emigrating=emigrating,
        cd8_entry=mean(flow.cd8_entry * weight),
        helper_entry=mean(flow.helper_entry * weight),
        car_entry=mean(flow.car_entry * weight),
        car_antigen=now.car_antigen,
        car_tumor=jnp.sum(census.counts["car_t"]) * million,
        virus=mean(ground.virus) * occupied * million,
        vesicles=vesicles(pdl1, now.h),
    )
    treg_share = jnp.sum(census.counts["treg"]) / occupied
    return around_it.advance(
        host, fixed.drugs, exchange, treg_share, fixed.bare, now.h, day, fixed.dt, setting.acted, setting.hill_is_one
    )
