"""Crowding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

# What a site holds, in one word. From WISH on: a cell that wants to divide, priority above, direction in 3 bits.
EMPTY, IDLE, MOTHER, DAUGHTER, WISH = 0, 1, 2, 3, 8
MODE = "free"

class DivisionDraws(NamedTuple):
    priority: jax.Array  # (*shape) uint32
    choice: jax.Array  # (*shape) f32 in [0, 1)
    push: jax.Array # (*shape) f32
    order: jax.Array  # (direction,) int32


def draw_divisions(key, shape):
    a, b, c, d = jax.random.split(key, 4)
    return DivisionDraws(jax.random.bits(a, shape, jnp.uint32), jax.random.uniform(b, shape), jax.random.uniform(c, shape), jax.random.permutation(d, 2 * len(shape)).astype(jnp.int32))


class Division(NamedTuple):
    source: jax.Array
    newborn: jax.Array
    blocked: jax.Array
    left: jax.Array
    births: jax.Array


class Direction(NamedTuple):
    axis: int
    back: bool

    def view(self, x, ahead: int, behind: int = 0, fill=0):
        """Return a function k -> value k sites ahead"""
        n = x.shape[self.axis]
        before, after = (ahead, behind) if self.back else (behind, ahead)
        pad = [(0, 0, 0)] * x.ndim
        pad[self.axis] = (before, after, 0)
        wide = lax.pad(x, jnp.asarray(fill, x.dtype), pad)

        def at(k: int):
            start = before + (-k if self.back else k)
            return lax.slice_in_dim(wide, start, start + n, axis=self.axis)

        return at


def _gap(empty, direction, reach):
    at = direction.view(empty, reach)
    gap = jnp.zeros(empty.shape, jnp.uint8)
    for k in range(reach, 0, -1):
        gap = jnp.where(at(k), jnp.uint8(k), gap)
    return gap


def divide(occupied, wants, draws, reach, resist=None, open_border=False):
    shape, ndim = occupied.shape, occupied.ndim
    directions = [Direction(axis, back) for axis in range(ndim) for back in (False, True)]
    gaps = [_gap(~occupied, d, reach) for d in directions]
    if MODE == "plain":
        choice = (draws.choice * 2 * ndim).astype(jnp.uint32)
        possible = jnp.ones(shape, bool)
    elif MODE in ("free", "near"):
        if MODE == "near":
            best = jnp.min(jnp.stack([jnp.where(g > 0, g, 255) for g in gaps]), 0)
            ok = [(g > 0) & (g == best) for g in gaps]
        else:
            ok = [g > 0 for g in gaps]
        many = sum(o.astype(jnp.int32) for o in ok)
        pick = (draws.choice * many).astype(jnp.int32)
        choice = jnp.zeros(shape, jnp.uint32)
        seen = jnp.zeros(shape, jnp.int32)
        for d, o in enumerate(ok):
            choice = jnp.where(o & (seen == pick), jnp.uint32(d), choice)
            seen = seen + o
        possible = many > 0
    elif MODE in("w1", "w2"):
        w=[jnp.where(g>0, 1/jnp.maximum(g,1).astype(jnp.float32)**int(MODE[1]),0) for g in gaps]
        tot=sum(w); u=draws.choice*tot
        choice=jnp.zeros(shape,jnp.uint32); run=jnp.zeros(shape)
        for d,x in enumerate(w):
            choice=jnp.where((u>=run)&(x>0),jnp.uint32(d),choice); run=run+x
    word = (draws.priority & jnp.uint32(0xFFFFFFF8)) | choice
    word = jnp.where(wants, jnp.maximum(word, word | jnp.uint32(8)), jnp.uint32(IDLE))
    word = jnp.where(occupied, word, jnp.uint32(EMPTY))
    source = jnp.arange(occupied.size, dtype=jnp.int32).reshape(shape)

    def go(number):
        d = directions[number]
        def one(state):
            source, word = state
            gap = _gap(word == 0, d, reach)
            cand = jnp.where((word >= WISH) & ((word & 7) == number) & (gap > 0), word, jnp.uint32(0))
            behind_gap, behind = Direction(d.axis, not d.back).view(gap, reach), Direction(d.axis, not d.back).view(cand, reach)
            best = jnp.zeros(shape, jnp.uint32)
            who = jnp.zeros(shape, jnp.uint8)
            for k in range(1, reach + 1):
                c = jnp.where(behind_gap(k) == k, behind(k), jnp.uint32(0))
                who = jnp.where(c > best, jnp.uint8(k), who)
                best = jnp.maximum(best, c)
            ahead = d.view(who, reach)
            moved = jnp.zeros(shape, bool)
            born = jnp.zeros(shape, bool)
            for m in range(reach):
                moved |= ahead(m) > m
                born |= ahead(m) == m + 1
            back = Direction(d.axis, not d.back)
            mother = d.view(born, 1)(1)
            w = jnp.where(moved, back.view(word, 1)(1), word)
            w = jnp.where(born, jnp.uint32(DAUGHTER), jnp.where(mother, jnp.uint32(MOTHER), w))
            s = jnp.where(moved, back.view(source, 1)(1), source)
            return s, w
        return one
    branches = [go(n) for n in range(2 * ndim)]
    (source, word), _ = lax.scan(lambda s, o: (lax.switch(o, branches, s), None), (source, word), draws.order)
    return Division(source, word == DAUGHTER, word >= WISH, None, jnp.sum(word == DAUGHTER))
