"""Geometry and state of a piece of tissue.

One site holds one cell. Signals, matrix and densities live on voxels of `coarse` sites per edge. Site arrays have
two layouts: as the *lattice* (one axis a dimension) where cells move, and as *blocks* (place within the voxel first,
then the voxel axes) where laws are evaluated, so that what a voxel sees broadcasts to its sites.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp

from tumornexus.biology.presentation import CloneTraits
from tumornexus.cellkinds import KINDS
from tumornexus.systemic.state import CLONES, clone_traits

Made = TypeVar("Made")

KIND = {name: index for index, name in enumerate(KINDS)}
CANCER_KINDS = ("cancer", "persister", "infected")
T_CELLS = ("cd8_progenitor", "cd8_effector", "cd8_terminal", "cd4_helper", "treg", "gamma_delta", "car_t")


@dataclass(frozen=True)
class Geometry:
    """Size of the lattice; hashable, because shapes are compiled in.

    `shape`: sites per axis, two or three axes, each a multiple of `coarse`; `site_um`: edge of a site;
    `stirred`: every place sees the average of the whole, as at the host scale, and nothing moves.
    """

    shape: tuple[int, ...]
    site_um: float
    coarse: int = 2
    stirred: bool = False

    @property
    def voxels(self) -> tuple[int, ...]:
        """Voxels per axis."""
        return tuple(n // self.coarse for n in self.shape)

    @property
    def voxel_um(self) -> float:
        return self.site_um * self.coarse

    @property
    def n_sites(self) -> int:
        return math.prod(self.shape)

    @property
    def sites_per_voxel(self) -> int:
        return self.coarse ** len(self.shape)


class Sites(eqx.Module):
    """What stands on each site, and what it carries; all of one shape."""

    kind: jax.Array  # uint8, index in KINDS; 0: empty
    clone: jax.Array  # uint8, index in CLONES; of cancer cells
    hits: jax.Array  # uint8, sublethal hits not yet repaired
    age: jax.Array  # days since birth, arrival or the last division
    mhc1: jax.Array  # levels as in `biology.environment.Cells`
    pdl1: jax.Array
    silencing: jax.Array
    car_antigen: jax.Array
    alt_checkpoint: jax.Array
    vessel: jax.Array  # 1 where a vessel passes; it stays when cells move


MOVING = tuple(name for name in Sites.__dataclass_fields__ if name != "vessel")


class Ground(eqx.Module):
    """What does not move with cells, on voxels; scalars when stirred."""

    matrix: jax.Array
    tls: jax.Array
    bacteria: jax.Array
    virus: jax.Array  # infectious units per cell


def apart(work: Callable[[], Made], number: jax.Array) -> Made:
    """Return work(), computed once, in a part of the program of its own.

    For the compiler alone. It melts what is cheap in operations into everything that reads it, so that a result with
    ten readers is worked out ten times, and large programs take minutes to compile; its own barriers against this are
    dropped on CPUs. Here the work is a branch, always taken, which the compiler cannot know: `number`, a scalar known
    only at run time, is never negative.
    """
    nothing = jax.eval_shape(work)
    return jax.lax.cond(number >= 0, work, lambda: jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), nothing))


def to_blocks(x: jax.Array, coarse: int) -> jax.Array:
    """Return a lattice array as blocks, (coarse**ndim, *voxels)."""
    split = [part for n in x.shape for part in (n // coarse, coarse)]
    inner = range(1, 2 * x.ndim, 2)
    outer = range(0, 2 * x.ndim, 2)
    return x.reshape(split).transpose(*inner, *outer).reshape(-1, *(n // coarse for n in x.shape))


def to_lattice(x: jax.Array, coarse: int) -> jax.Array:
    """Return blocks as a lattice array: the inverse of `to_blocks`."""
    ndim = x.ndim - 1
    split = x.reshape(*[coarse] * ndim, *x.shape[1:])
    order = [axis for d in range(ndim) for axis in (ndim + d, d)]
    return split.transpose(order).reshape([n * coarse for n in x.shape[1:]])


def upsample(x: jax.Array, coarse: int) -> jax.Array:
    """Return a voxel array on the lattice, each value on all sites of its voxel."""
    return to_lattice(jnp.broadcast_to(x, (coarse**x.ndim, *x.shape)), coarse)


def traits_of(clone: jax.Array) -> CloneTraits:
    """Return what distinguishes the clone of each site, in the shape of `clone`."""
    table = clone_traits()

    def lookup(column: jax.Array) -> jax.Array:
        values = column.ravel()
        found = jnp.full(clone.shape, values[0])
        for index in range(1, len(CLONES)):
            found = jnp.where(clone == index, values[index], found)
        return found

    return CloneTraits(*(lookup(column) for column in table))
