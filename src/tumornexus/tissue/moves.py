"""Cells that take other places: daughters beside their mothers, and those that walk."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from tumornexus.biology import motility
from tumornexus.biology.params import Params, hill
from tumornexus.systemic.state import CLONES
from tumornexus.tissue.census import is_any
from tumornexus.tissue.crowd import divide
from tumornexus.tissue.lattice import (
    KIND,
    MOVING,
    Geometry,
    Sites,
    upsample,
)
from tumornexus.tissue.motion import MoveDraws, carry, wander
from tumornexus.tissue.situation import Situation
from tumornexus.tissue.state import Draws, Fixed

PUSH = 16  # sites: longest row of cells that a dividing cell can push aside


def divided(lattice: Sites, wants: jax.Array, draws: Draws, g: Geometry) -> tuple[Sites, jax.Array, jax.Array]:
    """Return the lattice after divisions, which cells are daughters, and how many wishes found no room. Mother and
    daughter are young; the daughter starts without hits."""
    occupied = lattice.kind != 0
    if g.stirred:
        # Places mean nothing: the n-th daughter takes the n-th empty site.
        flat_want, flat_empty = wants.ravel(), ~occupied.ravel()
        mothers = jnp.cumsum(flat_want) * flat_want
        room = jnp.cumsum(flat_empty) * flat_empty
        n = jnp.minimum(jnp.sum(flat_want), jnp.sum(flat_empty))
        here = jnp.arange(g.n_sites, dtype=jnp.int32)
        mother_of = jnp.zeros(g.n_sites + 1, jnp.int32).at[jnp.where(flat_want, mothers, 0)].set(here)
        newborn = flat_empty & (room <= n) & (n > 0)
        source = jnp.where(newborn, mother_of[room], here).reshape(g.shape)
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


def mutated(lattice: Sites, newborn: jax.Array, chance: jax.Array, p: Params) -> Sites:
    """Return the lattice with daughters of the wild type that escape: each other clone at `escape_mutation_rate`."""
    wild = newborn & (lattice.kind == KIND["cancer"]) & (lattice.clone == 0)
    clone = lattice.clone
    for index in range(1, len(CLONES)):
        low = (index - 1) * p.escape_mutation_rate
        chosen = wild & (chance >= low) & (chance < low + p.escape_mutation_rate)
        clone = jnp.where(chosen, index, clone).astype(jnp.uint8)
    return eqx.tree_at(lambda s: s.clone, lattice, clone)


def walked(lattice: Sites, now: Situation, draws: MoveDraws, fixed: Fixed, g: Geometry) -> Sites:
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
