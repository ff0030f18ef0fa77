"""What each place of the tissue sees: densities of cells around it, and the levels they carry.

A rate law takes the densities of its surroundings. Around a voxel these are counted in the box of voxels that touch it,
relative to what densely packed tissue holds; killing by contact counts the cells of the voxel alone (`touching`).
Stirred, everywhere in the whole piece, relative to the cells there, which
is the average that the host scale works with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from tumornexus.biology import presentation
from tumornexus.biology.environment import Cells, Local
from tumornexus.biology.params import Params
from tumornexus.biology.presentation import CloneTraits
from tumornexus.cellkinds import KINDS
from tumornexus.tissue.lattice import CANCER_KINDS, KIND, T_CELLS, Geometry, Ground, Sites, traits_of

REACH = 1  # voxels on each side: with voxels of two sites, cells within about 50 um
# Voxels on each side over which crowding is felt: tissue hands solid stress on, so that division feels the mean of
# about 140 um around. In smaller boxes chance alone crowds some places, which brakes division where there is room on
# average (boxes of 36 sites: mean brake 0.87 at the packing of dense tumor; of 324 sites: 0.96). Assumed, 2 to 8.
STRESS_REACH = 4


CONTACT = (
    "cancer", "persister", "cd8_progenitor", "cd8_effector", "cd8_terminal", "cd4_helper", "nk", "gamma_delta", "car_t",
    "tam_m1",
)  # fmt: skip
"""Kinds that meet in killing: killers and their targets."""


class Census(NamedTuple):
    """Voxel arrays (scalars when stirred), but those said to be of sites, (place in voxel, *voxels)."""

    cells: Cells  # vessels as seen from a distance are put in later
    occupied: jax.Array  # cells per voxel
    crowding: jax.Array  # share of the sites within `STRESS_REACH` that hold a cell
    counts: dict[str, jax.Array]  # cells per voxel of each kind
    own: Cells  # the same surroundings with the levels that the occupant of each site carries
    traits: CloneTraits  # of sites
    weight: jax.Array  # of sites: 1 for cycling cancer cells


def box_sum(x: jax.Array, reach: int) -> jax.Array:
    """Return the sum over the box of `reach` voxels on each side, cut off at the borders."""
    for axis in range(x.ndim):
        pad = [(reach, reach) if a == axis else (0, 0) for a in range(x.ndim)]
        wide = jnp.pad(x, pad)
        n = x.shape[axis]
        x = jax.lax.slice_in_dim(wide, 0, n, axis=axis)
        for k in range(1, 2 * reach + 1):
            x = x + jax.lax.slice_in_dim(wide, k, k + n, axis=axis)
    return x


def around(x: jax.Array, geometry: Geometry) -> jax.Array:
    """Return the sum of a voxel array over the surroundings of each voxel; of everything when stirred."""
    return jnp.sum(x) if geometry.stirred else box_sum(x, REACH)


def per_voxel(of_sites: jax.Array) -> jax.Array:
    """Return sums over the sites of each voxel."""
    return jnp.sum(of_sites, 0, dtype=jnp.float32)


def is_any(kind: jax.Array, names: tuple[str, ...]) -> jax.Array:
    """Return whether each site holds one of some kinds."""
    found = kind == KIND[names[0]]
    for name in names[1:]:
        found = found | (kind == KIND[name])
    return found


def all_around(arrays: Mapping[str, jax.Array], geometry: Geometry) -> dict[str, jax.Array]:
    """Return `around` of several voxel arrays, worked out together."""
    found = jax.vmap(lambda x: around(x, geometry))(jnp.stack(list(arrays.values())))
    return {name: found[i] for i, name in enumerate(arrays)}


def weighted_mean(of_sites: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """Return the mean over weighted sites around each voxel, 0 where no weight is."""
    total = around(per_voxel(of_sites * weight), geometry)
    return total / jnp.maximum(around(per_voxel(jnp.broadcast_to(weight, of_sites.shape)), geometry), 1e-6)


def count(sites: Sites, ground: Ground, packing: jax.Array, vessel_share: jax.Array, geometry: Geometry) -> Census:
    """Return the census of `sites` in blocks.

    `packing`: share of sites that dense tissue fills; `vessel_share`: share of sites with a vessel at vessel density 1.
    """
    counts = {name: per_voxel(sites.kind == k) for name, k in KIND.items() if name != "empty"}
    occupied = per_voxel(sites.kind != 0)
    n_around = around(jnp.full(geometry.voxels, float(geometry.sites_per_voxel), jnp.float32), geometry)
    if geometry.stirred:
        full = jnp.maximum(jnp.sum(occupied), 1.0)
        vessels = jnp.sum(sites.vessel) / (vessel_share * geometry.n_sites)
    else:
        full = n_around * packing
        vessels = per_voxel(sites.vessel) / (vessel_share * geometry.sites_per_voxel)
    cancerous = is_any(sites.kind, CANCER_KINDS)
    # The mean of a level over the carriers around each voxel; where none is, over all sites.
    slight = 1e-4
    carriers = {"of_cancer": cancerous, "of_any": sites.kind != 0, "of_t_cells": is_any(sites.kind, T_CELLS)}
    weights = {name: is_one.astype(jnp.float32) + slight for name, is_one in carriers.items()}
    carried_by = {
        "mhc1": "of_cancer", "silencing": "of_cancer", "car_antigen": "of_cancer", "pdl1": "of_any",
        "alt_checkpoint": "of_t_cells",
    }  # fmt: skip
    sums = {name: per_voxel(getattr(sites, name) * weights[who]) for name, who in carried_by.items()}
    found = all_around(
        {**counts, "occupied": occupied, **sums, **{who: per_voxel(w) for who, w in weights.items()}}, geometry
    )
    levels = {name: found[name] / found[who] for name, who in carried_by.items()}
    cells = Cells(
        **{name: found[name] / full for name in counts},
        **levels,
        vessels=vessels,
        matrix=ground.matrix,
        tls=ground.tls,
        bacteria=ground.bacteria,
    )
    own = eqx.tree_at(
        lambda c: (c.mhc1, c.silencing, c.car_antigen), cells, (sites.mhc1, sites.silencing, sites.car_antigen)
    )
    if geometry.stirred:
        crowding = found["occupied"] / n_around
    else:
        room = jnp.full(geometry.voxels, float(geometry.sites_per_voxel), jnp.float32)
        crowding = box_sum(occupied, STRESS_REACH) / box_sum(room, STRESS_REACH)
    weight = (sites.kind == KIND["cancer"]).astype(jnp.float32)
    return Census(cells, occupied, crowding, counts, own, traits_of(sites.clone), weight)


class Seen(NamedTuple):
    """What killers see of the cancer cell on each site, and on average around each voxel."""

    recognized: jax.Array  # of sites, in [0, 1]
    mhc1: jax.Array  # of sites
    mhc2: jax.Array  # of sites
    car: jax.Array  # of sites
    recognized_mean: jax.Array
    mhc1_mean: jax.Array


def touching(local: Local, census: Census, p: Params, geometry: Geometry) -> Local:
    """Return the surroundings with killers and their targets counted within reach of a contact: in the voxel itself.

    Over the box of a law a killer held at the border of a nest would kill in it three sites deep. Everything else, such
    as suppression and signals, is as in `local`; stirred, all is.
    """
    if geometry.stirred:
        return local
    full = geometry.sites_per_voxel * p.packing
    return eqx.tree_at(
        lambda x: tuple(getattr(x.cells, name) for name in CONTACT), local,
        tuple(census.counts[name] / full for name in CONTACT),
    )  # fmt: skip


def recognize(census: Census, p: Params, geometry: Geometry) -> Seen:
    """Return how visible the cancer cell of each site is, by its clone and the levels that it carries."""
    own, traits = census.own, census.traits
    recognized = presentation.recognition(own, traits, p)
    mhc1 = presentation.mhc1_of_clone(own.mhc1, traits, p)
    return Seen(
        recognized=recognized,
        mhc1=mhc1,
        mhc2=presentation.mhc2_of_clone(own.mhc1, traits, p),
        car=presentation.car_recognition(own, traits, p),
        recognized_mean=weighted_mean(recognized, census.weight, geometry),
        mhc1_mean=weighted_mean(mhc1, census.weight, geometry),
    )


assert set(KINDS) - {"empty"} <= set(Cells.__dataclass_fields__)
