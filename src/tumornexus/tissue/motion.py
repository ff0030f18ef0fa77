"""Cells that walk: neighbors swap places in many short rounds, without conflicts and without a loop over cells.

A round draws one axis and one parity. They tile the lattice with disjoint pairs of neighbors (dominoes), and each pair
swaps its occupants or not. No site belongs to two pairs, so nothing is lost, doubled or decided twice.

Rate. A pair (a, b) swaps at the rate, per day,

    rate = ease_ab (speed_a yield_b + speed_b yield_a) bias,    bias = 2 / (1 + exp(-gain)),

where `gain` is what the two gain together by the swap, each in the potential of its own group: a cell is moved up its
gradient by itself and by others alike, so that cohesive cells close ranks behind one that has squeezed past.
`ease_ab` is the smaller ease of the two sites: a site nobody can pass is then a wall, while the mean of the two would
let cells hop onto it at half speed. A site meets each of its 2 ndim
neighbors in one of 2 ndim rounds on average, so a lone walker in the open hops `speed` times a day and its mean
squared displacement grows by `speed` site^2 per day, summed over the axes.

Probability. With h the length of a round, forward the rate above and back the rate of the reverse swap,

    p = forward h / max(1, forward h / MOST, back h / MOST),    MOST = 3/4.

The usual 1 - exp(-forward h) was rejected: swaps can be undone within a round, so that it slows walkers (by speed h /
2) and makes fast ones blind to gradients (both directions end at 1). With the form above p(forward) / p(back) =
exp(gain) at any h. So cells settle in proportion to exp(sum of U) exactly, and the mean squared displacement is exact
while speed h <= MOST (with a bias: while speed h bias <= MOST). Beyond, a walker hops MOST times a round: `rounds`
should be at least 4/3 of the hops of the fastest cells in a step. The limit is below 1 because walkers on sites of
equal parity are sent the same way: if all hopped in every round they would march in lockstep. With chance p the
correlation of their parities falls by the factor (1 - 2p)^2 in a round on an axis, which is a quarter at the limit.

Order of the rounds. Each block of ndim rounds visits every axis once, in random order, and each round draws its
parity anew. Rounds drawn one by one would give one axis more rounds than another, the same for all walkers: of 12
rounds in 2D, 6 +- 1.7 on an axis. A permutation of all 2 ndim (axis, parity) classes was rejected too: a walker that
hopped in the first class of an axis meets the site beyond in the second, so that it goes on in the same direction, and
its mean squared displacement becomes 1 + speed h times as large. With independent parities every visit to an axis is a
fair choice between its two neighbors whatever happened before, so both faults are absent.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from tumornexus.errors import SimulationError

MOST = 0.75  # swaps of a pair in a round
GROUPS = 16  # of chemotaxis, the indifferent group 0 included; what a word per occupant has room for


class MoveDraws(NamedTuple):
    """Random numbers of the rounds of one step."""

    order: jax.Array  # (round,) int32: 2 axis + parity
    bits: jax.Array  # (round, sites / 2) uint16: one number a pair


def draw_moves(key: jax.Array, rounds: int, shape: Sequence[int]) -> MoveDraws:
    """Return the random numbers for `rounds` rounds on a lattice of `shape`.

    Two rounds share one 32-bit word per pair. Under `jax.vmap` over replicates draw the order once and map over the
    bits only: an order that differs between replicates makes every round compute all classes.
    """
    ndim, pairs = len(shape), math.prod(shape) // 2
    of_axis, of_parity, of_pair = jax.random.split(key, 3)
    blocks = -(-rounds // ndim)
    axis = jax.vmap(lambda key: jax.random.permutation(key, ndim))(jax.random.split(of_axis, blocks))
    parity = jax.random.bits(of_parity, (rounds,), jnp.uint32) & 1  # same numbers at any precision
    order = 2 * axis.reshape(-1)[:rounds].astype(jnp.int32) + parity.astype(jnp.int32)
    words = jax.random.bits(of_pair, (-(-rounds // 2), pairs), jnp.uint32)
    halves = jnp.stack([words, words >> 16], axis=1).astype(jnp.uint16)
    return MoveDraws(order, halves.reshape(-1, pairs)[:rounds])


# Planes. The lattice is held as (2, ..., 2, n_0 / 2, ...), by the parity of each coordinate: the two members of every
# pair then lie in two planes at the same place, or one apart, and all reads run along memory.


def _planes(x: jax.Array, ndim: int) -> jax.Array:
    lead = x.ndim - ndim
    every = (slice(None),) * lead
    parts = [x[every + tuple(slice(p, None, 2) for p in parity)] for parity in itertools.product(range(2), repeat=ndim)]
    half = tuple(n // 2 for n in x.shape[lead:])
    return jnp.stack(parts, axis=lead).reshape(x.shape[:lead] + (2,) * ndim + half)


def _lattice(planes: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    ndim = len(shape)
    return planes.transpose([axis for k in range(ndim) for axis in (ndim + k, k)]).reshape(shape)


# Occupant. Speed, yield and group travel in one word: 20 bits of a float without sign (relative error 2^-13), 8 and 4.


def _pack(hops: jax.Array, yields: jax.Array, follows: jax.Array) -> jax.Array:
    word = lax.bitcast_convert_type(jnp.maximum(hops, 0.0).astype(jnp.float32), jnp.uint32) << 1
    word = (word + jnp.uint32(0x800)) & jnp.uint32(0xFFFFF000)
    level = jnp.round(jnp.clip(yields, 0.0, 1.0) * 255.0).astype(jnp.uint32)
    return word | (level << 4) | follows.astype(jnp.uint32)


def _unpack(word: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    hops = lax.bitcast_convert_type((word & jnp.uint32(0xFFFFF000)) >> 1, jnp.float32)
    yields = ((word >> 4) & jnp.uint32(0xFF)).astype(jnp.int32).astype(jnp.float32) * jnp.float32(1.0 / 255.0)
    return hops, yields, word & jnp.uint32(0xF)


def _swaps(a: jax.Array, b: jax.Array, rise: jax.Array, ease: jax.Array, bits: jax.Array) -> jax.Array:
    """Return which pairs of occupants `a`, `b` (words) swap; `rise` (group from 1, ...) is half of U_b - U_a."""
    hops_a, yield_a, group_a = _unpack(a)
    hops_b, yield_b, group_b = _unpack(b)
    rise_a, rise_b = jnp.zeros_like(hops_a), jnp.zeros_like(hops_b)
    for group in range(1, rise.shape[0] + 1):
        rise_a = jnp.where(group_a == group, rise[group - 1], rise_a)
        rise_b = jnp.where(group_b == group, rise[group - 1], rise_b)
    # bias = 1 + tanh(gain / 2), with the opposite sign for the reverse: forward = total + net, back = total - net.
    total = ease * (hops_a * yield_b + hops_b * yield_a)
    net = total * jnp.tanh(rise_a - rise_b)
    # The middle of each of 2^16 steps, so that no chance is certain or excluded by rounding alone.
    uniform = (bits.astype(jnp.int32).astype(jnp.float32) + 0.5) * jnp.float32(2.0**-16)
    return uniform * jnp.maximum(1.0, (total + jnp.abs(net)) * jnp.float32(1.0 / MOST)) < total + net


def _check(shape: tuple[int, ...], groups: int) -> None:
    if any(n < 4 or n % 2 for n in shape):
        valid = "even axes of 4 sites or more"
        raise SimulationError("pairs of sites do not tile this lattice", field="shape", value=shape, valid=valid)
    if groups > GROUPS:
        valid = f"1 to {GROUPS}, group 0 included"
        raise SimulationError("too many groups of chemotaxis", field="potential", value=groups, valid=valid)


def wander(
    speed: jax.Array, follows: jax.Array, yields: jax.Array, potential: jax.Array, ease: jax.Array,
    dt: jax.Array | float, draws: MoveDraws,
) -> jax.Array:  # fmt: skip
    """Return where the occupant of each site stood before, after `dt` days of walking: int32 flat index, (*shape).

    A permutation: what stood on site source[i] stands on site i now, empty sites included. `carry` applies it.

    speed: (*shape) hops per day of the occupant in the open, 0 for what does not move by itself and for empty sites
    follows: (*shape) uint8, group of chemotaxis of the occupant, 0 for none
    yields: (*shape) in [0, 1], how readily the occupant lets a mover take its place: 1 for empty sites
    potential: (group, *shape) dimensionless attraction, sensitivity included; group 0 is not read
    ease: (axis, *shape) in [0, 1], of the ground along each axis: matrix, direction of fibers
    draws: of `draw_moves`; their number of rounds divides `dt`

    Speeds are rounded to 13 bits, yields to 8, chances to 2^-16 (a rate below 2^-17 rounds per day never acts).
    Raises SimulationError when an axis is odd or below 4, or for more than 16 groups.
    """
    shape, ndim, groups = speed.shape, speed.ndim, potential.shape[0]
    _check(shape, groups)
    half = tuple(n // 2 for n in shape)
    hops = speed * (jnp.asarray(dt, jnp.float32) / draws.order.shape[0])
    words = _planes(_pack(hops, yields, follows), ndim)
    index = _planes(jnp.arange(math.prod(shape), dtype=jnp.int32).reshape(shape), ndim)
    tops, easy = _planes(potential[1:], ndim), _planes(ease, ndim)

    def pairing(axis: int, parity: int) -> Callable:
        low, high = parity, 1 - parity
        many = half[axis] - parity  # odd sites pair with the even ones beyond: the first and the last stay alone

        def cut(x: jax.Array, plane: int, start: int) -> jax.Array:
            lead = x.ndim - 2 * ndim
            x = lax.slice_in_dim(x, plane, plane + 1, axis=lead + axis)
            return lax.slice_in_dim(x, start, start + many, axis=lead + ndim + axis)

        def put(x: jax.Array, y: jax.Array, plane: int, start: int) -> jax.Array:
            at = [0] * (2 * ndim)
            at[axis], at[ndim + axis] = plane, start
            return lax.dynamic_update_slice(x, y, at)

        def meet(state: tuple[jax.Array, jax.Array], bits: jax.Array) -> tuple[jax.Array, jax.Array]:
            words, index = state
            bits = bits.reshape(tuple(1 if k == axis else 2 for k in range(ndim)) + half)
            a, b = cut(words, low, 0), cut(words, high, parity)
            i, j = cut(index, low, 0), cut(index, high, parity)
            rise = 0.5 * (cut(tops, high, parity) - cut(tops, low, 0))
            lesser = jnp.minimum(cut(easy[axis], low, 0), cut(easy[axis], high, parity))
            swap = _swaps(a, b, rise, lesser, lax.slice_in_dim(bits, 0, many, axis=ndim + axis))
            words = put(put(words, jnp.where(swap, b, a), low, 0), jnp.where(swap, a, b), high, parity)
            index = put(put(index, jnp.where(swap, j, i), low, 0), jnp.where(swap, i, j), high, parity)
            return words, index

        return meet

    pairings = [pairing(axis, parity) for axis in range(ndim) for parity in range(2)]

    def one_round(state: tuple[jax.Array, jax.Array], draw: MoveDraws) -> tuple[tuple[jax.Array, jax.Array], None]:
        return lax.switch(draw.order, pairings, state, draw.bits), None

    (_, index), _ = lax.scan(one_round, (words, index), draws)
    return _lattice(index, shape)


def carry(tree: Any, source: jax.Array) -> Any:
    """Return `tree` with every array (*shape) gathered: site i receives what stood on site source[i] (flat index)."""
    flat = source.reshape(-1)
    return jax.tree.map(lambda x: x.reshape(-1).at[flat].get(mode="promise_in_bounds").reshape(source.shape), tree)
