"""Cells that arrive: out of vessels, from fibroblasts on the spot, or as further daughters of a differentiating cell.

Each voxel has a demand, the number of new cells of each kind expected in this step. It is spread evenly over the empty
sites within `REACH` voxels, so that on average as many arrive as are demanded. Where no empty site is in reach, none
arrive: dense tissue keeps cells out.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from tumornexus.tissue.census import box_sum
from tumornexus.tissue.lattice import KIND, Geometry, apart

REACH = 2  # voxels on each side


def settle(
    kind: jax.Array, demand: Mapping[str, jax.Array], chance: jax.Array, which: jax.Array, geometry: Geometry
) -> tuple[jax.Array, jax.Array]:
    """Return the kinds after arrivals (place in voxel, *voxels), and the demand that found no room.

    `demand`: cells of each kind per voxel in this step. An empty site is taken with the probability min(s, 1), s its
    share of the demand: the mean number of arrivals is the demand less what is refused, for want of an empty site in
    reach or by the excess of s over 1. `chance`, `which`: uniform numbers in [0, 1) of each site.
    """
    empty = kind == 0
    room = jnp.sum(empty, 0, dtype=jnp.float32)
    many = jnp.stack([jnp.broadcast_to(d, room.shape) for d in demand.values()])
    total_room = jnp.sum(room)

    def shares() -> tuple[jax.Array, jax.Array]:
        """Return the shares of the demand of all kinds up to each (kind, *voxels), and what is refused."""
        if geometry.stirred:
            each = jnp.broadcast_to(
                (jnp.sum(many, range(1, many.ndim)) / jnp.maximum(total_room, 1.0)).reshape(-1, *[1] * room.ndim),
                many.shape,
            )
            refused = jnp.where(total_room < 1.0, jnp.sum(many), 0.0)
        else:
            in_reach = box_sum(room, REACH)
            open_ = in_reach > 0.5
            inverse = jnp.where(open_, 1.0 / jnp.maximum(in_reach, 1.0), 0.0)
            each = jax.vmap(lambda d: box_sum(d * inverse, REACH))(many)
            refused = jnp.sum(jnp.where(open_, 0.0, jnp.sum(many, 0)))
        upto = [each[0]]
        for share in each[1:]:
            upto.append(upto[-1] + share)
        return jnp.stack(upto), refused

    upto, refused = apart(shares, total_room)
    total = upto[-1]
    taken = empty & (chance < total)
    aim = which * total
    refused = refused + jnp.sum(jnp.where(empty, jnp.maximum(total - 1.0, 0.0), 0.0))
    # The last kind takes what rounding leaves of the interval.
    kinds = jnp.asarray([KIND[name] for name in demand], kind.dtype)
    if geometry.stirred:
        # Shares are the same everywhere. The search is a loop, which keeps the compiler from choosing again for every
        # array that is made from the kinds: two thirds of a stirred step.
        steps = upto[:-1].reshape(len(kinds) - 1, -1)[:, 0]
        arrived = kinds[jnp.searchsorted(steps, aim.ravel(), side="right").reshape(kind.shape)]
    else:
        arrived = jnp.broadcast_to(kinds[0], kind.shape)
        for index, low in enumerate(upto[:-1]):
            arrived = jnp.where(aim >= low, kinds[index + 1], arrived)
    return jnp.where(taken, arrived, kind), refused
