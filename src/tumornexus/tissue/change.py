"""What becomes of the occupant of every site within a step: fates, hits, arrivals, levels, vessels."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tumornexus.biology import contacts, motility, vasculature
from tumornexus.biology.params import Params
from tumornexus.systemic.integrate import frozen
from tumornexus.tissue.arrivals import settle
from tumornexus.tissue.census import is_any, per_voxel
from tumornexus.tissue.fields import Grid, direct
from tumornexus.tissue.lattice import (
    KIND,
    Geometry,
    Sites,
)
from tumornexus.tissue.rates import ARRIVING, LOCAL, OTHER, REMAINS, SWITCH, Fates
from tumornexus.tissue.situation import Situation, vessels_here
from tumornexus.tissue.state import Draws, Fixed, Setting

# Fibroblasts arise from precursors in stroma (resident fibroblasts, pericytes), which a signal reaches over about the
# length of TGF-beta and PDGF; assumed, 50 to 200 um. Among cancer cells precursors are rare; assumed, 0 to 0.1.
STROMA_UM = 100.0
PRECURSORS = 0.02


class Outcome(NamedTuple):
    """What happens to the cell of each site in a step."""

    die: jax.Array
    switch: jax.Array
    other: jax.Array
    divide: jax.Array


def decide(fates: Fates, chance: jax.Array, which: jax.Array, dt: jax.Array) -> Outcome:
    """Return at most one event for each cell.

    It dies, switches or leaves with the probability 1 - exp(-loss dt), `loss` the sum of these rates, and in proportion
    to them; else it divides, with the probability exp(-loss dt) (exp(divide dt) - 1), at most exp(-loss dt). So the
    mean number of cells that stay what they are grows by exactly exp((divide - loss) dt), whatever the step, as long as
    divide dt is at most ln 2.
    """
    loss = fates.die + fates.switch + fates.other
    stays = jnp.exp(-loss * dt)
    goes = chance < 1.0 - stays
    aim = which * loss
    die = goes & (aim < fates.die)
    switch = goes & ~die & (aim < fates.die + fates.switch)
    divide = ~goes & (chance < 1.0 - stays + stays * jnp.minimum(jnp.expm1(fates.divide * dt), 1.0))
    return Outcome(die, switch, goes & ~die & ~switch, divide)


def strike(
    hits: jax.Array, attack: jax.Array, fixed: Fixed, chance: jax.Array, which: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the hits that each cancer cell carries after a step, and which cells they kill (see `contacts`).

    Hits heal one by one, then new ones come on top, a Poisson number of the mean that kills at the rate `attack`.
    """
    carried = hits
    heal = fixed.hits.heal
    for k in range(contacts.MOST_HITS - 1):
        # Cut anew from one uniform number: what is left of it after each comparison is uniform again.
        healed = which < heal
        which = jnp.where(healed, which / jnp.maximum(heal, 1e-6), (which - heal) / jnp.maximum(1.0 - heal, 1e-6))
        carried = jnp.where((hits > k) & healed, carried - 1, carried)
    mean = contacts.hits_in_step(attack, fixed.hits)
    term = below = jnp.exp(-mean)
    new = jnp.zeros(hits.shape, jnp.int32)
    for k in range(contacts.MOST_HITS):
        new = new + (chance >= below)
        term = term * mean / (k + 1)
        below = below + term
    total = jnp.where(attack > 0.0, carried.astype(jnp.int32) + new, carried.astype(jnp.int32))
    killed = total >= jnp.round(jnp.clip(fixed.bare.hits_to_kill, 1.0, contacts.MOST_HITS)).astype(jnp.int32)
    return jnp.where(killed, 0, total).astype(jnp.uint8), killed


def _becomes(kind: jax.Array, table: dict[str, str], where: jax.Array) -> jax.Array:
    after = kind
    for name, to in table.items():
        after = jnp.where(where & (kind == KIND[name]), jnp.asarray(KIND[to], kind.dtype), after)
    return after


class Changed(NamedTuple):
    """The tissue after fates, arrivals and levels, before divisions and walks; sites in blocks."""

    sites: Sites
    divide: jax.Array  # which cells want to
    deaths: jax.Array  # scalars, as in `Tally`
    killed: jax.Array
    vanished: jax.Array
    arrived: jax.Array
    refused: jax.Array
    emigrated: jax.Array


def change(sites: Sites, now: Situation, draws: Draws, nk_given: jax.Array, fixed: Fixed, setting: Setting) -> Changed:
    """Return what becomes of every site within a step; `nk_given`: NK cells infused, Mcell."""
    g, dt = setting.geometry, fixed.dt
    p, flow, census, kind = now.p, now.flow, now.census, sites.kind

    # Fates of cells.
    outcome = decide(now.fates, draws.event, draws.which, dt)
    remains = is_any(kind, REMAINS)
    if g.stirred:
        hits, killed = sites.hits, jnp.zeros(kind.shape, bool)
    else:
        hits, killed = strike(sites.hits, flow.attack, fixed, draws.hit, draws.which)
    gone = outcome.die | killed
    after = _becomes(kind, SWITCH, outcome.switch)
    after = _becomes(after, OTHER, outcome.other)
    after = jnp.where(gone, jnp.where(remains, KIND["dead_antigen"], 0).astype(kind.dtype), after)
    hits = jnp.where(is_any(after, ("cancer", "persister")), hits, 0).astype(jnp.uint8)

    # Arrivals: drawn for the sites that are empty now, of which those of this step's dead are part.
    demand = {name: flow.arrive[name] * census.occupied * dt for name in ARRIVING}
    if not g.stirred:
        from_stroma = _from_stroma([demand[name] for name in LOCAL], now, g)
        demand = {name: d * vessels_here(now, g) for name, d in demand.items()} | dict(
            zip(LOCAL, from_stroma, strict=True)
        )
    turned = per_voxel(outcome.switch & (kind == KIND["cd8_progenitor"]))
    extra = jnp.maximum(p.differentiation_burst - 1.0, 0.0) * turned
    infused = nk_given / fixed.million_per_site * census.occupied / jnp.maximum(jnp.sum(census.occupied), 1.0)
    demand |= {"cd8_effector": demand["cd8_effector"] + extra, "nk": demand["nk"] + infused}
    # Sites vacated in this very step stay empty until the next, so that their random numbers are used once.
    held = jnp.where((after == 0) & (kind != 0), jnp.asarray(255, kind.dtype), after)
    settled, refused = settle(held, demand, draws.event, draws.which, g)
    came = settled != held
    after = jnp.where(came, settled, after)

    def towards(level: jax.Array, target: jax.Array, rate: jax.Array) -> jax.Array:
        return frozen(level, rate * target, rate, dt)

    changed = Sites(
        kind=after,
        clone=jnp.where(came, 0, sites.clone).astype(jnp.uint8),
        hits=hits,
        age=jnp.where(came, 0.0, sites.age + dt),
        mhc1=towards(sites.mhc1, flow.mhc1, p.induction_rate),
        pdl1=towards(sites.pdl1, flow.pdl1, p.induction_rate),
        silencing=frozen(
            sites.silencing,
            p.silencing_rate * jnp.clip(p.epigenetic_silencing, 0.0, 0.98),
            p.silencing_rate + p.reopening_rate,
            dt,
        ),
        car_antigen=frozen(sites.car_antigen, p.car_antigen_recovery, p.car_antigen_recovery + flow.trogocytosis, dt),
        alt_checkpoint=towards(sites.alt_checkpoint, flow.alt_checkpoint, p.checkpoint_rate),
        vessel=_vessels(sites.vessel, now, draws.vessel, fixed.bare, dt, g),
    )
    return Changed(
        changed,
        outcome.divide & ~killed,
        deaths=jnp.sum(gone & remains, dtype=jnp.float32),
        killed=jnp.sum(killed, dtype=jnp.float32),
        vanished=jnp.sum((held == 255), dtype=jnp.float32),
        arrived=jnp.sum(came, dtype=jnp.float32),
        refused=refused,
        emigrated=jnp.sum(outcome.other & (kind == KIND["dendritic"]), dtype=jnp.float32),
    )


def _from_stroma(demand: list[jax.Array], now: Situation, g: Geometry) -> list[jax.Array]:
    """Return where the fibroblasts that cancer cells call for arise: in the stroma around the call, not in the nest.

    The call of each voxel reaches the precursors within `STROMA_UM`, which stand outside of nests, and thinly
    (`PRECURSORS`, relative to stroma) in them; places answer in proportion to their precursors. Total demand is kept,
    and in uniform tissue every place meets its own.
    """
    grid = Grid(g.voxels, g.voxel_um)
    stroma = 1.0 - motility.in_nest(now.local) + PRECURSORS
    reach = direct(stroma[None], jnp.asarray(STROMA_UM), grid)
    calls = jnp.stack(demand) / jnp.maximum(reach, 1e-6)
    return list(stroma * direct(calls, jnp.asarray(STROMA_UM), grid))


def _vessels(vessel: jax.Array, now: Situation, chance: jax.Array, p: Params, dt: jax.Array, g: Geometry) -> jax.Array:
    """Return vessels after sprouting and regression, each site by chance.

    The mean follows the law of the level: what sprouts comes to the sites that have no vessel yet.
    """
    share, rates = vasculature.vessel_share(g.site_um, len(g.shape), p), now.flow.vessels
    free = 1.0 - jnp.minimum(share * now.local.vessels, 0.9)
    lost = chance < -jnp.expm1(-rates.regress * dt)
    grown = chance < -jnp.expm1(-rates.sprout * share / free * dt)
    # The type of what came in: a weaker one would make every run compile its steps a second time.
    return jnp.where(vessel > 0.0, ~lost, grown).astype(vessel.dtype)
