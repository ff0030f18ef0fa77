"""Concentrations in space: diffusion against local loss and gain, at quasi-steady state.

The balance of a signal at the host scale, c = gain / loss, becomes in space

    0 = L^2 lap(c) - loss(x) c + gain(x),    L^2 = D / k,

where `loss` is dimensionless, in units of the rate k, and `gain` has the unit of the concentration. L is how far a
molecule diffuses before it is lost where loss = 1. In a uniform tissue the answer is that of the host scale. Nothing
flows through the borders.

Finite volumes, one unknown in the middle of each voxel, 2 ndim + 1 points, second order. The matrix is an M-matrix:
with gain >= 0 the exact solution is non-negative, and it lies between the smallest and the largest gain / loss.

* `direct`, for loss = 1 everywhere: exact. Cosines diagonalize the operator axis by axis. The transforms are dense
  matrix products, split into even and odd cosines, which halves them: on one core they are faster than fast Fourier
  transforms up to 500 voxels an axis.
* `exchange`, for any loss: conjugate gradients from a guess, with a cycle of `multigrid` as preconditioner. Each
  iteration takes the residual down four- to tenfold whatever the lengths and however uneven the loss. (`direct` with
  the mean loss as preconditioner was tried: several times as many where tissue without loss is wider than L.) Three
  or four are enough from the answer of an hour before, eight from nothing: `verification/fields.py`.
* `relax`, for slow molecules: one implicit Euler step, which is the same problem with more loss and gain.

Arrays are (field, *grid.shape) in float32 or float64, and answers have the type of `gain`. Totals are added up in
float64 whatever the type, by switching 64 bits on around those lines alone.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tumornexus.errors import SimulationError
from tumornexus.tissue.multigrid import apply, cycle, hierarchy, laplacian, per_field

__all__ = ["Grid", "Solved", "direct", "exchange", "laplacian", "relax"]

_EXACT = jax.lax.Precision.HIGHEST  # accelerators would round the factors of products to fewer digits


@dataclass(frozen=True)
class Grid:
    """A regular grid of voxels; static, so that it may be closed over or be a static argument.

    `shape` is the number of voxels of each axis, (ny, nx) or (nz, ny, nx); `spacing_um` is the edge of a voxel. Raises
    SimulationError where an axis is empty or the edge is not a positive length.
    """

    shape: tuple[int, ...]
    spacing_um: float

    def __post_init__(self) -> None:
        if not self.shape or any(int(n) != n or n < 1 for n in self.shape):
            raise SimulationError(
                "a grid needs at least one voxel on each axis", field="shape", value=self.shape, valid="integers >= 1"
            )
        if not (math.isfinite(self.spacing_um) and self.spacing_um > 0.0):
            raise SimulationError(
                "the edge of a voxel must be a length", field="spacing_um", value=self.spacing_um, valid="> 0 um"
            )


class Solved(NamedTuple):
    """Concentrations (field, *shape), and for each field how well they obey the equation.

    `residual` is |gain + L^2 lap(c) - loss c| / |gain| (root mean squares); `balance` is
    (total gain - total loss) / total gain, which is zero where nothing is made or lost unnoticed.
    """

    values: jax.Array
    residual: jax.Array
    balance: jax.Array


def direct(gain: jax.Array, length_um: jax.Array, grid: Grid) -> jax.Array:
    """Return the concentrations of fields that are lost everywhere at the same rate: 0 = L^2 lap(c) - c + gain.

    `gain` >= 0 is (field, *shape); `length_um` is (field,) or one for all. Exact but for rounding: non-negative, and
    the total of c is that of `gain`.
    """
    _check(grid, gain=gain)
    c = _screened(gain, _reach(length_um, gain, grid), jnp.ones_like(gain[:, :1], shape=gain.shape[:1]), grid)
    return _balanced(c, gain, jnp.ones_like(gain))


def exchange(
    gain: jax.Array, loss: jax.Array, length_um: jax.Array, guess: jax.Array, grid: Grid, iterations: int
) -> Solved:
    """Return the concentrations where loss differs from place to place: 0 = L^2 lap(c) - loss(x) c + gain.

    `gain`, `loss` >= 0 and `guess` are (field, *shape), `length_um` is (field,) or one for all; each field needs some
    loss somewhere, or there is no steady state. `guess` is any array, best the answer of the step before. The number
    of iterations is fixed so that the program has no branches that depend on data; `residual` tells whether it was
    enough.

    Conjugate gradients stop short of the answer, so that the iterate may undershoot zero and miss the balance by a
    little. It is cut at zero and scaled such that total loss equals total gain: scaling, unlike adding a constant,
    keeps it non-negative.
    """
    _check(grid, gain=gain, loss=loss, guess=guess)
    levels = hierarchy(loss.astype(gain.dtype), _reach(length_um, gain, grid))
    loss = levels[0].loss

    def one(_: int, carried: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        c, r, direction, before = carried
        z = cycle(levels, r)
        rho = _total(r * z)
        direction = z + per_field(_ratio(rho, before), c) * direction
        through = apply(levels[0], direction)
        along = per_field(_ratio(rho, _total(direction * through)), c)
        return c + along * direction, r - along * through, direction, rho

    c = guess.astype(gain.dtype)
    start = (c, gain - apply(levels[0], c), jnp.zeros_like(c), jnp.zeros_like(c, shape=c.shape[:1]))
    c = _balanced(jax.lax.fori_loop(0, iterations, one, start)[0], gain, loss)
    r = gain - apply(levels[0], c)
    # The difference is taken before the sum, where it is right to the last digits of a single voxel.
    balance = _ratio(_total(gain - loss * c), _total(gain))
    return Solved(c, jnp.sqrt(_ratio(_total(r * r), _total(gain * gain))), balance)


def relax(
    previous: jax.Array,
    gain: jax.Array,
    loss: jax.Array,
    length_um: jax.Array,
    steps_per_lifetime: jax.Array,
    grid: Grid,
    iterations: int,
) -> Solved:
    """Return the concentrations one time step after `previous`, for molecules too slow to be at steady state.

    tau dc/dt = L^2 lap(c) - loss(x) c + gain by implicit Euler: loss and gain of `exchange` grow by
    s = tau / dt and s previous. `steps_per_lifetime` is s, (field,) or one for all; `previous` is the guess. Stable,
    non-negative and balanced at any step: tau times the change of the total is total gain less total loss.
    `residual` and `balance` are those of the enlarged problem.
    """
    s = per_field(jnp.broadcast_to(jnp.asarray(steps_per_lifetime, gain.dtype), gain.shape[:1]), gain)
    return exchange(gain + s * previous, loss + s, length_um, previous, grid, iterations)


@functools.lru_cache(maxsize=64)
def _cosines(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the orthonormal cosines of even and of odd order on the first half of n voxels, and their eigenvalues.

    Row k is cos(pi k (i + 1/2) / n), with eigenvalue 2 - 2 cos(pi k / n) of minus the Laplacian. Even orders are
    symmetric about the middle and odd ones antisymmetric, so one half says all; a middle voxel belongs to the even.
    """
    k, i = np.arange(n)[:, None], np.arange(n)[None, :]
    cosines = np.cos(np.pi * k * (2 * i + 1) / (2 * n)) * np.where(k == 0, math.sqrt(1.0 / n), math.sqrt(2.0 / n))
    eigenvalues = 4.0 * np.sin(np.pi * k[:, 0] / (2 * n)) ** 2
    return cosines[::2, : n - n // 2], cosines[1::2, : n // 2], np.append(eigenvalues[::2], eigenvalues[1::2])


def _to_cosines(x: jax.Array) -> jax.Array:
    """Return the cosine coefficients along the last axis, even orders before odd ones."""
    n = x.shape[-1]
    half = n // 2
    even, odd, _ = _cosines(n)
    left, right = x[..., :half], x[..., n - half :][..., ::-1]
    sums = jnp.concatenate([left + right, x[..., half : n - half]], axis=-1)
    coefficients = [jnp.matmul(sums, even.T.astype(x.dtype), precision=_EXACT)]
    if half:
        coefficients.append(jnp.matmul(left - right, odd.T.astype(x.dtype), precision=_EXACT))
    return jnp.concatenate(coefficients, axis=-1)


def _from_cosines(y: jax.Array) -> jax.Array:
    """Return what `_to_cosines` was given."""
    n = y.shape[-1]
    half = n // 2
    even, odd, _ = _cosines(n)
    symmetric = jnp.matmul(y[..., : n - half], even.astype(y.dtype), precision=_EXACT)
    if not half:
        return symmetric
    skew = jnp.matmul(y[..., n - half :], odd.astype(y.dtype), precision=_EXACT)
    left, right = symmetric[..., :half] + skew, symmetric[..., :half] - skew
    return jnp.concatenate([left, symmetric[..., half:], right[..., ::-1]], axis=-1)


def _screened(rhs: jax.Array, reach: jax.Array, loss: jax.Array, grid: Grid) -> jax.Array:
    """Return the solution of (loss - reach lap) c = rhs; `reach` (voxel^2) and `loss` are (field,)."""
    ndim = len(grid.shape)
    y = _to_cosines(rhs)
    for _ in range(ndim - 1):  # turn the axes round, so that every product runs along contiguous numbers
        y = _to_cosines(jnp.moveaxis(y, -1, 1))
    lap = functools.reduce(np.add.outer, [_cosines(n)[2] for n in (*grid.shape[1:], grid.shape[0])])
    y = y / (per_field(loss, y) + per_field(reach, y) * lap.astype(rhs.dtype))
    for _ in range(ndim - 1):
        y = jnp.moveaxis(_from_cosines(y), 1, -1)
    return _from_cosines(y)


def _total(x: jax.Array) -> jax.Array:
    """Return the sum of each field, added up in float64."""
    with jax.enable_x64(True):
        return jnp.sum(x.astype(jnp.float64), axis=tuple(range(1, x.ndim))).astype(x.dtype)


def _ratio(a: jax.Array, b: jax.Array) -> jax.Array:
    """Return a / b, and 0 where b is 0."""
    return jnp.where(b == 0.0, 0.0, a / jnp.where(b == 0.0, 1.0, b))


def _balanced(c: jax.Array, gain: jax.Array, loss: jax.Array) -> jax.Array:
    """Return c cut at zero and scaled such that the total of loss c is that of gain."""
    c = jnp.maximum(c, 0.0)
    return c + c * per_field(_ratio(_total(gain - loss * c), _total(loss * c)), c)


def _reach(length_um: jax.Array, gain: jax.Array, grid: Grid) -> jax.Array:
    """Return L^2 in units of the square of a voxel, (field,)."""
    return jnp.broadcast_to((jnp.asarray(length_um, gain.dtype) / grid.spacing_um) ** 2, gain.shape[:1])


def _check(grid: Grid, **arrays: jax.Array) -> None:
    first = next(iter(arrays.values())).shape
    for name, array in arrays.items():
        if array.shape[1:] != grid.shape or array.shape != first:
            raise SimulationError(
                "the array does not fit the grid",
                field=name,
                value=array.shape,
                valid=f"(field, *{grid.shape}), one field count for all",
            )
