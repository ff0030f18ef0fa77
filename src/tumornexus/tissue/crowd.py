"""Crowding: dividing cells push their neighbors aside.

A cell that divides takes one of the 2 ndim directions along the axes at random. It needs an empty site
within `reach` sites ahead; the cells up to there move on by one, and the daughter takes the site beside her mother.
The directions are worked through one after the other. Within one direction every unbroken run of occupied sites ends at
an empty site of its own, so that runs cannot disturb each other: each elects the wish of highest priority that is
within reach of its end, and no loop over cells is needed.

The direction is blind on purpose. Choosing among the directions with room, or the nearest empty site, was tried in 2D:
it grows diamonds (mean of r^4 cos 4 theta over mean of r^4 is 0.15 and 0.33 at 12 000 cells and a reach of 10, against
0.01 +- 0.01 of blind choice, 0 for a disk), because cells under a tip find room most easily. In 3D blind choice leaves
a bulge along the axes: mean of (sum of x^4 over the axes - 3/5 r^4) over mean of r^4 is 0.05 at 8000 cells and a reach
of 4, 0.07 at a reach of 8, where a ball has 0 and an octahedron 0.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tumornexus.errors import SimulationError

MAX_REACH = 254  # distances are held in one byte
_FAR = 255  # no empty site within reach

# What stands on a site, in one word. From _WISH on a cell that wants to divide: its priority, and its direction in the
# three lowest bits (_NOWHERE: a push that the cells ahead withstood).
_EMPTY, _IDLE, _MOTHER, _DAUGHTER, _WISH = (jnp.uint32(n) for n in (0, 1, 2, 3, 8))
_DIRECTION, _NOWHERE = jnp.uint32(7), jnp.uint32(7)


class DivisionDraws(NamedTuple):
    """Random numbers of the divisions of one step."""

    order: jax.Array  # (2 ndim,) int32: the directions in the order they are worked through; 2 axis + (1 backward)
    priority: jax.Array  # (*shape) uint32; the highest wish of a run divides
    direction: jax.Array  # (*shape) uint8: the direction that a dividing cell on this site takes
    strength: jax.Array  # (*shape) f32 in [0, 1): a push succeeds below the product of (1 - resist) on its way


class Division(NamedTuple):
    """Who stands where after the divisions of one step; all (*shape) but `births`."""

    source: jax.Array  # int32 flat index: site i holds what stood on source[i]; for a daughter her mother's old site
    newborn: jax.Array  # bool, at new sites: daughters
    mothers: jax.Array  # bool, at new sites: cells that have divided
    blocked: jax.Array  # bool, at new sites: cells that wanted to divide and could not
    left: jax.Array  # uint8, at old sites: cells from there that left over an open border, daughters included
    births: jax.Array  # int32 scalar: divisions, those whose daughter left at once included


def draw_divisions(key: jax.Array, shape: Sequence[int]) -> DivisionDraws:
    """Return the random numbers for the divisions of one step on a lattice of `shape`.

    Under `jax.vmap` over replicates let all share one order: different orders make every pass compute all directions.
    """
    shape = tuple(shape)
    many = 2 * len(shape)
    of_order, of_site, of_strength = jax.random.split(key, 3)
    words = jax.random.bits(of_site, (2, *shape), jnp.uint32)
    direction = words[1] % many if many & (many - 1) else words[1] & (many - 1)  # of 2^32 words: even to 1e-9
    return DivisionDraws(
        jax.random.permutation(of_order, many).astype(jnp.int32),
        words[0],
        direction.astype(jnp.uint8),
        jax.random.uniform(of_strength, shape, jnp.float32),
    )


class _Way(NamedTuple):
    """A direction along the axes."""

    axis: int
    back: bool

    def look(self, x: jax.Array, far: int, outside: object = 0) -> Callable[[int], jax.Array]:
        """Return the function k -> what stands k sites ahead of each site, for 0 <= k <= far."""
        n = x.shape[self.axis]
        wide = [(0, 0, 0)] * x.ndim
        wide[self.axis] = (far, 0, 0) if self.back else (0, far, 0)
        padded = lax.pad(x, jnp.asarray(outside, x.dtype), wide)

        def ahead(k: int) -> jax.Array:
            start = far - k if self.back else k
            return lax.slice_in_dim(padded, start, start + n, axis=self.axis)

        return ahead

    def gap(self, empty: jax.Array, reach: int) -> jax.Array:
        """Return the distance to the first empty site ahead (uint8), 0 if none is within reach; outside is a wall."""
        far = jnp.uint8(_FAR)

        def wider(gap: jax.Array, there: jax.Array, shift: jax.Array) -> jax.Array:
            return jnp.minimum(gap, jnp.where(there < far, there + shift.astype(jnp.uint8), far))

        one = jnp.where(self.look(empty, 1, outside=False)(1), jnp.uint8(1), far)
        gap = self.double(one, reach, wider, outside=far)
        return jnp.where(gap < far, gap, 0)

    def double(
        self, x: jax.Array, reach: int, join: Callable[[jax.Array, jax.Array, jax.Array], jax.Array], outside: object
    ) -> jax.Array:
        """Return what `join` makes of x on the `reach` sites from each on ahead, its own included.

        `join` takes what has been gathered here, what has been gathered `shift` sites ahead, and the shift; windows of
        1, 2, 4, ... sites, of which the last may overlap. In a loop, as the compiler would work out every window anew
        for each that it is part of.
        """
        shifts, covered = [], 1
        while covered < reach:
            shifts.append(min(covered, reach - covered))
            covered += shifts[-1]
        if not shifts:
            return x
        n, far = x.shape[self.axis], max(shifts)
        wide = [(0, 0, 0)] * x.ndim
        wide[self.axis] = (far, 0, 0) if self.back else (0, far, 0)

        def one(found: jax.Array, shift: jax.Array) -> tuple[jax.Array, None]:
            padded = lax.pad(found, jnp.asarray(outside, x.dtype), wide)
            there = lax.dynamic_slice_in_dim(padded, far - shift if self.back else shift, n, axis=self.axis)
            return join(found, there, shift), None

        return lax.scan(one, x, jnp.asarray(shifts, jnp.int32))[0]

    def before_wall(self, shape: tuple[int, ...], reach: int) -> np.ndarray:
        """Return the sites with fewer than `reach` sites between them and the border, (n,) along the axis."""
        n = shape[self.axis]
        place = np.arange(n) if self.back else n - 1 - np.arange(n)
        return (place < reach).reshape([n if k == self.axis else 1 for k in range(len(shape))])


def divide(
    occupied: jax.Array, wants: jax.Array, draws: DivisionDraws, reach: int,
    resist: jax.Array | float | None = None, open_border: bool = False,
) -> Division:  # fmt: skip
    """Return who stands where after the cells in `wants` have divided as far as there is room.

    occupied, wants: (*shape) bool; wishes of empty sites are ignored
    draws: of `draw_divisions`
    reach: longest distance to an empty site, in sites: 1 divides only into a neighboring site
    resist: (*shape) or number in [0, 1], chance that the cell on a site withstands a push; a daughter at distance k
        from the empty site moves k - 1 cells and needs all of them to give way. Taken from the start of the step
    open_border: cells pushed over the border leave; otherwise it is a wall, and a cell with nothing but cells between
        itself and the wall in its direction turns around

    The occupied sites grow by births - sum(left); every old cell appears once in `source`, mothers also under their
    daughters; nobody moves by more than one site per direction. An old site never falls empty: its cell stays or the
    next one follows. Raises SimulationError when `reach` is not within 1 to 254 sites.
    """
    if not 1 <= reach <= MAX_REACH:
        raise SimulationError(
            "no push of this length", field="reach", value=reach, valid=f"1 to {MAX_REACH} sites, a whole number"
        )
    shape, ndim = occupied.shape, occupied.ndim
    ways = [_Way(axis, back) for axis in range(ndim) for back in (False, True)]
    opposite = [number ^ 1 for number in range(2 * ndim)]
    direction = draws.direction.astype(jnp.uint32)
    if not open_border:
        turned = direction
        for number, way in enumerate(ways):
            stuck = (way.gap(~occupied, reach) == 0) & way.before_wall(shape, reach)
            turned = jnp.where((direction == number) & stuck, jnp.uint32(opposite[number]), turned)
        direction = turned
    if resist is not None:
        withstood = jnp.zeros(shape, bool)
        give = 1.0 - jnp.broadcast_to(jnp.asarray(resist, jnp.float32), shape)
        for number, way in enumerate(ways):
            # Empty sites and what lies beyond them give way to nothing and are never asked.
            ahead, full = way.look(give, reach - 1, outside=1.0), way.look(occupied, reach - 1, outside=False)
            chance, unbroken = jnp.ones(shape, jnp.float32), jnp.ones(shape, bool)
            for k in range(1, reach):
                unbroken &= full(k)
                chance = jnp.where(unbroken, chance * ahead(k), chance)
            withstood |= (direction == number) & (draws.strength >= chance)
        direction = jnp.where(withstood, _NOWHERE, direction)
    word = jnp.maximum(draws.priority & ~_DIRECTION, _WISH) | direction
    word = jnp.where(occupied, jnp.where(wants, word, _IDLE), _EMPTY)
    source = jnp.arange(occupied.size, dtype=jnp.int32).reshape(shape)
    left = jnp.zeros(occupied.size, jnp.uint8)

    def push(number: int) -> Callable:
        way, behind_way = ways[number], ways[opposite[number]]
        beyond = [(0, 0, 0)] * ndim
        beyond[way.axis] = (1, 0, 0) if way.back else (0, 1, 0)

        def one(state: tuple) -> tuple:
            source, word, left, births = state
            if open_border:  # one layer of empty sites takes those who leave
                source, word = (lax.pad(x, jnp.zeros((), x.dtype), beyond) for x in (source, word))
            gap = way.gap(word == _EMPTY, reach)
            wish = jnp.where((word >= _WISH) & ((word & _DIRECTION) == number) & (gap > 0), word, 0)
            # At each empty site: the distance of the highest wish behind it, 0 if none; the nearest of equal ones.
            gap_behind, wish_behind = behind_way.look(gap, reach), behind_way.look(wish, reach)
            best, mother = jnp.zeros_like(word), jnp.zeros(word.shape, jnp.uint8)
            for k in range(1, reach + 1):
                here = jnp.where(gap_behind(k) == k, wish_behind(k), 0)
                mother = jnp.where(here > best, jnp.uint8(k), mother)
                best = jnp.maximum(best, here)

            # A site m before an empty one receives its neighbor if the mother is farther back than itself.
            # How much farther back: m less than the mother's distance from there, where that is positive.
            def nearer(still: jax.Array, there: jax.Array, shift: jax.Array) -> jax.Array:
                step = shift.astype(jnp.uint8)
                return jnp.maximum(still, jnp.where(there > step, there - step, 0))

            still = way.double(mother, reach, nearer, outside=0)
            moved, born = still > 0, still == 1
            divided = way.look(born, 1, outside=False)(1)
            source = jnp.where(moved, behind_way.look(source, 1)(1), source)
            word = jnp.where(moved, behind_way.look(word, 1)(1), word)
            word = jnp.where(born, _DAUGHTER, jnp.where(divided, _MOTHER, word))
            births = births + jnp.sum(born, dtype=jnp.int32)
            if open_border:
                n, outside = shape[way.axis], 0 if way.back else shape[way.axis]
                gone = [lax.index_in_dim(x, outside, way.axis, keepdims=False) for x in (source, moved)]
                left = left.at[gone[0].reshape(-1)].add(gone[1].reshape(-1).astype(jnp.uint8))
                inside = 1 if way.back else 0
                source, word = (lax.slice_in_dim(x, inside, inside + n, axis=way.axis) for x in (source, word))
            return source, word, left, births

        return one

    pushes = [push(number) for number in range(2 * ndim)]
    start = (source, word, left, jnp.zeros((), jnp.int32))
    (source, word, left, births), _ = lax.scan(lambda s, n: (lax.switch(n, pushes, s), None), start, draws.order)
    return Division(source, word == _DAUGHTER, word == _MOTHER, word >= _WISH, left.reshape(shape), births)
