"""Diffusion with loss on a grid of voxels, and a cheap approximate inverse of it by coarser and coarser grids.

The operator is A c = loss(x) c - reach lap(c), with reach = L^2 in squares of a voxel and without flux at borders.
`cycle` is one V-cycle of multigrid: two damped Jacobi sweeps on each grid remove what is rough, and grids of half as
many voxels an axis, down to a single voxel, remove what is smooth (Trottenberg, Oosterlee and Schuller, Multigrid,
2001; from memory, not looked up). Loss is averaged over the voxels that are joined, so that places without loss and
vessels with much of it are seen on every grid. It is linear, symmetric and positive definite, as a preconditioner of
conjugate gradients must be.

Two choices are for the compiler. Sweeps stand in loops, because it would otherwise melt sweeps, grids and transfers
into one expression that computes each stencil many times over. Values go between grids as constants over the voxels
joined: linear interpolation converges a little better for each cycle and worse for each millisecond.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Level(NamedTuple):
    """One grid: `loss` (field, *shape), `reach` by axis, each (field,), and 1 / diagonal of A (field, *shape)."""

    loss: jax.Array
    reach: tuple[jax.Array, ...]
    inverse_diagonal: jax.Array


def laplacian(c: jax.Array, weights: tuple[jax.Array, ...] | None = None) -> jax.Array:
    """Return the sum over axes of the differences to both neighbors, without flux at borders; c is (field, *shape).

    In voxel lengths: divide by the square of the spacing for one per square micrometre. `weights` are for each axis
    one number a field. The total of each field is zero.
    """
    out = jnp.zeros_like(c)
    for axis in range(1, c.ndim):
        flux = jnp.diff(c, axis=axis)
        if weights is not None:
            flux = per_field(weights[axis - 1], c) * flux
        low, high = [[(0, 0)] * c.ndim for _ in range(2)]
        low[axis], high[axis] = (1, 0), (0, 1)
        out = out + jnp.pad(flux, high) - jnp.pad(flux, low)
    return out


def apply(level: Level, c: jax.Array) -> jax.Array:
    """Return A c."""
    return level.loss * c - laplacian(c, level.reach)


def hierarchy(loss: jax.Array, reach: jax.Array) -> list[Level]:
    """Return the grids from that of `loss` (field, *shape) down to a single voxel; `reach` is (field,)."""
    axes = range(1, loss.ndim)
    by_axis = (reach,) * (loss.ndim - 1)
    levels = []
    while True:
        neighbors = sum(2.0 * r for r, n in zip(by_axis, loss.shape[1:], strict=True) if n > 1)
        diagonal = loss + per_field(neighbors + jnp.zeros_like(reach), loss)
        levels.append(
            Level(loss, by_axis, jnp.where(diagonal > 0.0, 1.0 / jnp.where(diagonal > 0.0, diagonal, 1.0), 0.0))
        )
        if max(loss.shape[1:]) == 1:
            return levels
        by_axis = tuple(r / 4.0 if n > 1 else r for r, n in zip(by_axis, loss.shape[1:], strict=True))
        for axis in axes:
            loss = _joined(loss, axis)


def cycle(levels: list[Level], residual: jax.Array) -> jax.Array:
    """Return an approximation of the inverse of A, times `residual` (field, *shape of the first of `levels`)."""
    level, coarser = levels[0], levels[1:]
    if not coarser:
        return residual * level.inverse_diagonal
    shape = residual.shape
    weights = jnp.asarray(_sweeps(sum(n > 1 for n in shape[1:])), residual.dtype)

    def swept(c: jax.Array) -> jax.Array:
        def sweep(i: int, c: jax.Array) -> jax.Array:
            return c + weights[i] * level.inverse_diagonal * (residual - apply(level, c))

        return jax.lax.fori_loop(0, len(weights), sweep, c)

    c = swept(jnp.zeros_like(residual))
    remaining = residual - apply(level, c)
    for axis in range(1, len(shape)):
        remaining = _joined(remaining, axis)
    correction = cycle(coarser, remaining)
    for axis in range(1, len(shape)):
        if shape[axis] > 1:
            correction = jax.lax.slice_in_dim(jnp.repeat(correction, 2, axis=axis), 0, shape[axis], axis=axis)
    return swept(c + correction)


def per_field(x: jax.Array, like: jax.Array) -> jax.Array:
    """Return x, (field,), with as many axes as `like`."""
    return x.reshape(x.shape + (1,) * (like.ndim - 1))


def _sweeps(ndim: int) -> tuple[float, float]:
    """Return the two damping factors that remove best what the next grid cannot hold.

    Such shapes alternate along one axis at least: their eigenvalues of A over its diagonal lie in [1 / ndim, 2]. The
    best factors are one over the roots of the Chebyshev polynomial of degree two on that interval.
    """
    center, half = 1.0 + 0.5 / ndim, 1.0 - 0.5 / ndim
    return 1.0 / (center + half * math.sqrt(0.5)), 1.0 / (center - half * math.sqrt(0.5))


def _joined(x: jax.Array, axis: int) -> jax.Array:
    """Return the means of pairs of voxels along `axis`; a last one without partner is joined with nothing (0)."""
    n = x.shape[axis]
    if n == 1:
        return x
    if n % 2:
        pad = [(0, 0)] * x.ndim
        pad[axis] = (0, 1)
        x = jnp.pad(x, pad)
    return 0.5 * (
        jax.lax.slice_in_dim(x, 0, None, stride=2, axis=axis) + jax.lax.slice_in_dim(x, 1, None, stride=2, axis=axis)
    )
