"""One step of the tissue: a pure function of the state and of random numbers drawn beforehand.

Order: drugs at each place, signals from where cells stand, rates of all cells, what happens to each (death, hits,
change of kind, division), arrivals, walking, then levels, matrix, vessels and the host. Signals, killing and division
see the tissue as it is at the start of the step.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from tumornexus.biology import cart, contacts, killing, mediators, motility, transport, vasculature
from tumornexus.biology.dissemination import vesicles
from tumornexus.biology.drug_action import Acted
from tumornexus.biology.environment import Local, Signals
from tumornexus.biology.params import Params, hill
from tumornexus.systemic.dynamics import Exchange
from tumornexus.systemic.integrate import frozen
from tumornexus.systemic.state import CLONES
from tumornexus.tissue import host as around_it
from tumornexus.tissue.arrivals import settle
from tumornexus.tissue.census import Census, Seen, count, is_any, per_voxel, recognize
from tumornexus.tissue.crowd import DivisionDraws, divide, draw_divisions
from tumornexus.tissue.fields import Grid, direct, exchange
from tumornexus.tissue.host import Drugs, Host
from tumornexus.tissue.lattice import (
    KIND,
    MOVING,
    Geometry,
    Ground,
    Sites,
    apart,
    to_blocks,
    to_lattice,
    upsample,
)
from tumornexus.tissue.motion import MoveDraws, carry, draw_moves, wander
from tumornexus.tissue.rates import ARRIVING, LOCAL, OTHER, REMAINS, SWITCH, Blood, Fates, Flow, of_cells

ITERATIONS = 5  # of conjugate gradients a step, from the fields of the step before
# Fibroblasts arise from precursors in stroma (resident fibroblasts, pericytes), which a signal reaches over about the
# length of TGF-beta and PDGF; assumed, 50 to 200 um. Among cancer cells precursors are rare; assumed, 0 to 0.1.
STROMA_UM = 100.0
PRECURSORS = 0.02
PUSH = 16  # sites: longest row of cells that a dividing cell can push aside


class Setting(NamedTuple):
    """What is compiled in."""

    geometry: Geometry
    names: tuple[str, ...]
    acted: Acted
    hill_is_one: bool
    rounds: int  # of walking a step


class Tissue(eqx.Module):
    """Everything that changes."""

    sites: Sites  # on the lattice
    ground: Ground  # on voxels
    signals: Signals  # on voxels, of the last step
    host: Host
    step: jax.Array  # number of the next step


class Fixed(eqx.Module):
    """What is constant over a run."""

    bare: Params  # scalars, without drugs
    drugs: Drugs
    million_per_site: jax.Array
    dt: jax.Array  # days
    hits: contacts.HitTable


class Draws(NamedTuple):
    """Random numbers of one step; of sites (place in voxel, *voxels) unless said."""

    event: jax.Array  # uniform in [0, 1)
    which: jax.Array
    hit: jax.Array
    vessel: jax.Array
    mutate: jax.Array
    divisions: DivisionDraws  # on the lattice
    moves: MoveDraws  # on the lattice


class Tally(NamedTuple):
    """What happened in a step, cells unless said; scalars."""

    births: jax.Array  # of cancer cells
    divisions: jax.Array  # of cells of any kind
    deaths: jax.Array  # of cancer cells
    killed: jax.Array  # of these, by hits of immune cells
    vanished: jax.Array  # cells that left an empty site: dead without remains, remains that were cleared, emigrated
    arrived: jax.Array
    refused: jax.Array  # arrivals that found no room
    blocked: jax.Array  # divisions that found no room
    emigrated: jax.Array  # dendritic cells that left for the node
    seeds: jax.Array  # founder cells of metastases, expected
    field_residual: jax.Array  # largest relative residual of the fields
    fastest: jax.Array  # largest rate of any cell, per day


def draw(key: jax.Array, step: jax.Array, setting: Setting) -> Draws:
    """Return the random numbers of a step: streams by name and step from one key."""
    g = setting.geometry
    blocks = (g.sites_per_voxel, *g.voxels)
    at = jax.random.fold_in(key, step)
    of = [jax.random.fold_in(at, stream) for stream in range(7)]
    return Draws(
        event=jax.random.uniform(of[0], blocks),
        which=jax.random.uniform(of[1], blocks),
        vessel=jax.random.uniform(of[2], blocks),
        mutate=jax.random.uniform(of[3], blocks),
        divisions=draw_divisions(of[4], g.shape),
        hit=jax.random.uniform(of[6], blocks),
        moves=draw_moves(of[5], max(setting.rounds, 1), g.shape),
    )


class Diffusion:
    """How signals spread on the voxels of a step (see `mediators.Spread`); remembers the worst residual."""

    def __init__(self, before: Signals, p: Params, geometry: Geometry) -> None:
        # What spreads is the lactate above that of blood (see `mediators.quasi_steady`).
        self._before = eqx.tree_at(lambda b: b.lactate, before, before.lactate - p.lactate_blood)
        self._grid = Grid(geometry.voxels, geometry.voxel_um)
        self._lengths = transport.lengths_um(p)._asdict()
        # Vessels are felt as far as what they bring: where a law reads perfusion, it means the tissue between vessels.
        self._lengths["perfusion"] = p.oxygen_length
        self.residual = jnp.zeros(())

    def __call__(self, name: str, gain: jax.Array, loss: jax.Array | None = None) -> jax.Array:
        gain = jnp.broadcast_to(gain, self._grid.shape)[None]
        length = self._lengths[name]
        if loss is None:
            return direct(gain, length, self._grid)[0]
        guess = getattr(self._before, name)[None]
        loss = jnp.broadcast_to(loss, self._grid.shape)[None]
        solved = exchange(gain, loss, length, guess, self._grid, ITERATIONS)
        self.residual = jnp.maximum(self.residual, solved.residual[0])
        return solved.values[0]


def drug_access(census: Census, before: Signals, p: Params, geometry: Geometry) -> tuple[jax.Array, jax.Array]:
    """Return what reaches each voxel of antibodies and of small molecules, over that of typical tumor.

    Vessels let through what the host scale's law says for the tissue around them; from there it diffuses.
    """
    access = mediators.access_to_drugs(before.perfusion, before.pressure, p) / p.access_typical
    if geometry.stirred:
        return access, access
    grid = Grid(geometry.voxels, geometry.voxel_um)
    lengths = transport.lengths_um(p)
    vessels = census.cells.vessels
    seen = direct(vessels[None], p.oxygen_length, grid)[0]
    source = access * vessels / jnp.maximum(seen, 1e-3)
    both = jnp.stack([source, source])
    values = direct(both, jnp.stack([lengths.antibody, lengths.small_molecule]), grid)
    return values[0], values[1]


class Situation(NamedTuple):
    """What the laws say of the tissue as it stands."""

    local: Local
    census: Census
    seen: Seen
    fates: Fates
    flow: Flow
    blood: Blood
    p: Params
    h: Params
    car_antigen: jax.Array  # that CAR-T cells meet, Mcell
    residual: jax.Array


def situation(tissue: Tissue, sites: Sites, fixed: Fixed, setting: Setting) -> Situation:
    """Return the surroundings and rates of all cells; `sites` in blocks."""
    g, bare = setting.geometry, fixed.bare
    share = vasculature.vessel_share(g.site_um, len(g.shape), bare)
    at = tissue.step
    census = apart(lambda: count(sites, tissue.ground, bare.packing, share, g), at)
    access = drug_access(census, tissue.signals, bare, g)
    p, h = around_it.under_drugs(bare, tissue.host, fixed.drugs, access, setting.acted, setting.hill_is_one)
    seen = apart(lambda: recognize(census, p, g), at)

    def signals() -> tuple[Local, jax.Array]:
        if g.stirred:
            return mediators.quasi_steady(census.cells, seen.recognized_mean, p), jnp.zeros(())
        spread = Diffusion(tissue.signals, p, g)
        spread_level = mediators.quasi_steady(census.cells, seen.recognized_mean, p, spread)
        # From here on vessels are those of the surroundings, not of the voxel alone.
        felt = spread("perfusion", census.cells.vessels)
        return eqx.tree_at(lambda x: x.cells.vessels, spread_level, felt), spread.residual

    local, residual = apart(signals, at)
    c = tissue.host.compartments
    occupied = jnp.sum(census.occupied)
    lesion = jnp.maximum(occupied * fixed.million_per_site, 1e-9)
    volume = lesion / bare.site_density
    access_car = killing.infiltrate_access(local, p) if g.stirred else 1.0
    car_antigen = jnp.sum(per_voxel(seen.car * census.weight) * access_car) * fixed.million_per_site
    car_total = c.blood_car_t + c.blood_car_memory + jnp.sum(census.counts["car_t"]) * fixed.million_per_site
    ca = cart.rates(car_antigen, car_total, h)
    blood = Blood(
        cd8=c.blood_cd8,
        helper=c.blood_helper,
        car_t=c.blood_car_t,
        car_expand=ca.expand,
        car_contract=ca.contract,
        microbiome=c.microbiome,
        lymphocytes=c.lymphocytes,
        antiviral=c.antiviral,
        lesion=lesion,
        supply=volume / (volume + bare.entry_half_volume),
        room=jnp.maximum(1.0 - volume / bare.max_volume, 0.0),
    )
    fates, flow = apart(lambda: of_cells(sites.kind, local, census, seen, tissue.ground, blood, p, g), at)
    return Situation(local, census, seen, fates, flow, blood, p, h, car_antigen, residual)


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


def vessels_here(now: Situation, g: Geometry) -> jax.Array:
    """Return the vessels of each place over those of its surroundings: where cells come out of blood."""
    return jnp.ones(()) if g.stirred else now.census.cells.vessels / jnp.maximum(now.local.vessels, 1e-3)


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
        divided, newborn, blocked = _divide(lattice, wants, draws, g)
        divided = _mutate(divided, newborn, to_lattice(draws.mutate, g.coarse), fixed.bare)
        births = jnp.sum(newborn & is_any(divided.kind, REMAINS), dtype=jnp.float32)
        return divided, births, jnp.sum(newborn, dtype=jnp.float32), blocked

    divided, births, divided_all, blocked = apart(divisions, at)
    if not g.stirred and setting.rounds:
        divided = apart(lambda: _walk(divided, now, draws.moves, fixed, g), at)

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
    return Tissue(divided, ground, now.local.signals, host, at + 1), tally


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


def _divide(lattice: Sites, wants: jax.Array, draws: Draws, g: Geometry) -> tuple[Sites, jax.Array, jax.Array]:
    """Return the lattice after divisions, which cells are daughters, and how many wishes found no room. Mother and
    daughter are young; the daughter starts without hits."""
    occupied = lattice.kind != 0
    if g.stirred:
        # Places mean nothing: the n-th daughter takes the n-th empty site.
        flat_want, flat_empty = wants.ravel(), ~occupied.ravel()
        mothers = jnp.cumsum(flat_want) * flat_want
        room = jnp.cumsum(flat_empty) * flat_empty
        n = jnp.minimum(jnp.sum(flat_want), jnp.sum(flat_empty))
        mother_of = jnp.zeros(g.n_sites + 1, jnp.int32).at[jnp.where(flat_want, mothers, 0)].set(jnp.arange(g.n_sites))
        newborn = flat_empty & (room <= n) & (n > 0)
        source = jnp.where(newborn, mother_of[room], jnp.arange(g.n_sites)).reshape(g.shape)
        newborn = newborn.reshape(g.shape)
        mothers = wants & (mothers <= n).reshape(g.shape)
        blocked = jnp.sum(flat_want) - n
    else:
        done = divide(occupied, wants, draws.divisions, PUSH)
        source, newborn, mothers, blocked = done.source, done.newborn, done.mothers, jnp.sum(done.blocked)
    moving = carry({name: getattr(lattice, name) for name in MOVING}, source)
    moving["age"] = jnp.where(newborn | mothers, 0.0, moving["age"])
    moving["hits"] = jnp.where(newborn, 0, moving["hits"]).astype(jnp.uint8)
    return Sites(**moving, vessel=lattice.vessel), newborn, blocked.astype(jnp.float32)


def _mutate(lattice: Sites, newborn: jax.Array, chance: jax.Array, p: Params) -> Sites:
    """Return the lattice with daughters of the wild type that escape: each other clone at `escape_mutation_rate`."""
    wild = newborn & (lattice.kind == KIND["cancer"]) & (lattice.clone == 0)
    clone = lattice.clone
    for index in range(1, len(CLONES)):
        low = (index - 1) * p.escape_mutation_rate
        chosen = wild & (chance >= low) & (chance < low + p.escape_mutation_rate)
        clone = jnp.where(chosen, index, clone).astype(jnp.uint8)
    return eqx.tree_at(lambda s: s.clone, lattice, clone)


def _walk(lattice: Sites, now: Situation, draws: MoveDraws, fixed: Fixed, g: Geometry) -> Sites:
    """Return the lattice after the walks of all cells."""
    p, local, ndim = now.p, now.local, len(g.shape)
    # One factor of matrix goes with the place that is left, one with both places of a jump (see `matrix_drag`).
    drag = motility.matrix_drag(local.matrix, p)
    coefficient = {walk: m / drag for walk, m in motility.motility(local, p)._asdict().items()}
    arrest = motility.arrest(now.seen.recognized_mean * hill(local.cancer + local.persister, 0.1), p)
    kind = lattice.kind
    speed, follows = jnp.zeros(g.shape, jnp.float32), jnp.zeros(g.shape, jnp.uint8)
    fields = motility.Guidance._fields
    by_walk: dict[str, list[str]] = {}
    for name, walk in motility.WALKERS.items():
        by_walk.setdefault(walk, []).append(name)
    hunters = ("cd8_effector", "cd8_progenitor", "cd8_terminal", "car_t")
    for walk, names in by_walk.items():
        rate = upsample(jnp.broadcast_to(motility.hop_rate(coefficient[walk], g.site_um, ndim), g.voxels), g.coarse)
        speed = jnp.where(is_any(kind, tuple(names)), rate, speed)
    speed = jnp.where(is_any(kind, hunters), speed * upsample(jnp.broadcast_to(arrest, g.voxels), g.coarse), speed)
    for index, field in enumerate(fields):
        names = tuple(name for name, to in motility.GUIDED.items() if to == field)
        follows = jnp.where(is_any(kind, names), jnp.asarray(index + 1, jnp.uint8), follows)
    guidance = motility.guidance(local, p)
    potential = jnp.stack(
        [jnp.zeros(g.shape, jnp.float32)]
        + [upsample(jnp.broadcast_to(u, g.voxels), g.coarse).astype(jnp.float32) for u in guidance]
    )
    ease = jnp.stack(_across(now, g)) * upsample(drag, g.coarse).astype(jnp.float32)
    yields = jnp.where(kind == 0, 1.0, motility.squeezing(p)).astype(jnp.float32)
    source = wander(speed, follows, yields, potential, ease, fixed.dt, draws)
    moving = carry({name: getattr(lattice, name) for name in MOVING}, source)
    return Sites(**moving, vessel=lattice.vessel)


def _across(now: Situation, g: Geometry) -> list[jax.Array]:
    """Return for each axis how easily cells step along it: fibers run along the border of nests and bar the way in.

    The factor of `motility.alignment` weighs the part of a step that goes along the gradient of cancer cells.
    """
    nests = now.local.cancer + now.local.persister
    slopes = [jnp.gradient(nests, axis=a) if n > 1 else jnp.zeros_like(nests) for a, n in enumerate(nests.shape)]
    steep = sum(s * s for s in slopes)
    barred = 1.0 - motility.alignment(now.local.matrix, now.p)
    # Where no border is near, fibers have no direction.
    border = hill(jnp.sqrt(steep), 0.1)
    return [
        upsample(1.0 - barred * border * s * s / jnp.maximum(steep, 1e-8), g.coarse).astype(jnp.float32) for s in slopes
    ]


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
