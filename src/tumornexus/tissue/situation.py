"""What the laws say of a tissue as it stands: drugs at each place, signals, surroundings, rates of all cells."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from tumornexus.biology import cart, killing, mediators, transport, vasculature
from tumornexus.biology.environment import Local, Signals
from tumornexus.biology.params import Params
from tumornexus.tissue import host as around_it
from tumornexus.tissue.census import Census, Seen, count, per_voxel, recognize
from tumornexus.tissue.fields import Grid, direct, exchange
from tumornexus.tissue.lattice import (
    Geometry,
    Sites,
    apart,
)
from tumornexus.tissue.rates import Blood, Fates, Flow, of_cells
from tumornexus.tissue.state import Fixed, Setting, Tissue

ITERATIONS = 5  # of conjugate gradients a step, from the fields of the step before


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


def vessels_here(now: Situation, g: Geometry) -> jax.Array:
    """Return the vessels of each place over those of its surroundings: where cells come out of blood."""
    return jnp.ones(()) if g.stirred else now.census.cells.vessels / jnp.maximum(now.local.vessels, 1e-3)
