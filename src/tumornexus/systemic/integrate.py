"""Exponential integrators for production and per-capita loss.

Every state obeys dx/dt = P(x) - d(x) x. Taking the loss of the start of a step into the exponential leaves a remainder
that is small and smooth, so that fast losses (dendritic cells, dying cells, drug kill) need no small steps. Implicit
methods were rejected because they need Jacobians of two hundred states for every patient; explicit ones because they
become unstable when drugs kill fast.

* `exponential_trapezoid`, order 2 and positive at any step: for untreated growth in long steps, and for ensembles.
* `exponential_rk4`, order 4: for treatment where a volume should be right to a thousandth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tumornexus.systemic.dynamics import Flux


def _phi(z: jax.Array, exp_z: jax.Array) -> jax.Array:
    # Near 0 the difference of exp(z) and 1 loses digits: the series takes over where its error is 1e-16.
    small = jnp.abs(z) < 1e-3
    safe = jnp.where(small, 1.0, z)
    series = 1.0 + z * (0.5 + z * (1.0 / 6.0 + z * (1.0 / 24.0 + z / 120.0)))
    return jnp.where(small, series, (exp_z - 1.0) / safe)


def frozen(x: jax.Array, gain: jax.Array, loss: jax.Array, dt: jax.Array) -> jax.Array:
    """Return x after `dt` with gain and loss frozen: x exp(-d h) + P h phi(-d h), phi(z) = (exp(z) - 1)/z."""
    z = -loss * dt
    grown = jnp.exp(z)
    return x * grown + gain * dt * _phi(z, grown)


def _stages(x: Any, flux: Callable[[jax.Array, Any], Flux], half_steps: Sequence[int], stage: Callable) -> tuple:
    """Return what `stage(number, y, rates, carried)` leaves after one stage for each of `half_steps`.

    The stages are a loop around one right-hand side, because writing it out for each stage compiles several times as
    long and, with thousands of operations in one piece, runs slower too.
    """
    shapes = jax.eval_shape(lambda y: stage(0, y, flux(jnp.asarray(0), y), None), x)
    start = (x, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes[1]))

    def one(carry: tuple, at: tuple[jax.Array, jax.Array]) -> tuple[tuple, None]:
        number, when = at
        y, carried = carry
        return stage(number, y, flux(when, y), carried), None

    at = (jnp.arange(len(half_steps)), jnp.asarray(half_steps))
    return jax.lax.scan(one, start, at)[0]


def exponential_trapezoid(x: Any, flux: Callable[[jax.Array, Any], Flux], dt: jax.Array) -> tuple[Any, Flux]:
    """Return the pytree `x` after `dt` days, and its rates at the start; `flux` as for `exponential_rk4`.

    Freezing P and d over a step has the exact solution x exp(-d h) + P h phi(-d h), phi(z) = (exp(z) - 1)/z, positive
    by construction. Doing it with P, d at the start and then with the mean of start and predicted end gives order two
    (exponential trapezoidal rule; Hochbruck and Ostermann 2010, section 2).
    """

    def stage(number: jax.Array, _: Any, rates: Flux, first: Flux | None) -> tuple[Any, Flux]:
        if first is None:
            return x, rates
        first = jax.tree.map(lambda old, new: jnp.where(number == 0, new, old), first, rates)
        mean = jax.tree.map(lambda a, b: 0.5 * (a + b), first, rates)
        return jax.tree.map(lambda x, g, d: frozen(x, g, d, dt), x, mean.gain, mean.loss), first

    return _stages(x, flux, (0, 2), stage)


_SERIES = 10  # terms; below |z| = 0.5 they leave an error of 1e-14


def _phis(z: jax.Array, exp_z: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return phi_1, phi_2, phi_3 of z: phi_k = (phi_(k-1) - 1/(k-1)!)/z, by series near 0."""
    near = jnp.abs(z) < 0.5
    small, large = jnp.where(near, z, 0.0), jnp.where(near, 1.0, z)
    third = jnp.zeros_like(z)
    for k in reversed(range(_SERIES)):
        third = third * small + 1.0 / math.factorial(k + 3)
    one = (jnp.where(near, 1.0, exp_z) - 1.0) / large
    two = (one - 1.0) / large
    second_near = 0.5 + small * third
    return (
        jnp.where(near, 1.0 + small * second_near, one),
        jnp.where(near, second_near, two),
        jnp.where(near, third, (two - 0.5) / large),
    )


class _Kept(NamedTuple):
    """What the stages of `exponential_rk4` hand on."""

    first: Flux
    middle: Any  # the state at the first midpoint
    at_middle: Any  # sum of the remainders at both midpoints
    last: Any  # the latest remainder


def exponential_rk4(x: Any, flux: Callable[[jax.Array, Any], Flux], dt: jax.Array) -> tuple[Any, Flux]:
    """Return the pytree `x` after `dt` days, and its rates at the start.

    `flux(half_steps, x)` gives production and loss at the start (0), middle (1) and end (2) of the step. The method is
    that of Cox and Matthews 2002, equations 26-29, with the loss of the start as the linear part. Its remainder can be
    negative, so a state that is wiped out within a step is cut at zero.
    """

    def stage(number: jax.Array, y: Any, rates: Flux, kept: _Kept | None) -> tuple[Any, _Kept]:
        if kept is None:
            return x, _Kept(rates, x, x, x)
        first = jax.tree.map(lambda old, new: jnp.where(number == 0, new, old), kept.first, rates)
        # Production less the loss that the exponential does not hold.
        n = jax.tree.map(lambda y, g, d, d0: g - (d - d0) * y, y, rates.gain, rates.loss, first.loss)

        def half(x: jax.Array, a: jax.Array, n: jax.Array, n0: jax.Array, d: jax.Array) -> jax.Array:
            z = -0.5 * d * dt
            grown = jnp.exp(z)
            base, drive = jnp.where(number == 2, a, x), jnp.where(number == 2, 2.0 * n - n0, n)
            return jnp.maximum(grown * base + 0.5 * dt * _phi(z, grown) * drive, 0.0)

        after = jax.tree.map(half, x, kept.middle, n, first.gain, first.loss)
        middle = jax.tree.map(lambda old, new: jnp.where(number == 0, new, old), kept.middle, after)
        inner = (number == 1) | (number == 2)
        return after, _Kept(
            first, middle, jax.tree.map(lambda s, n: s + jnp.where(inner, n, 0.0), kept.at_middle, n), n
        )

    def whole(x: jax.Array, d: jax.Array, n0: jax.Array, middle: jax.Array, last: jax.Array) -> jax.Array:
        z = -d * dt
        grown = jnp.exp(z)
        one, two, three = _phis(z, grown)
        ends = (one - 3.0 * two + 4.0 * three) * n0 + (4.0 * three - two) * last
        return jnp.maximum(grown * x + dt * (ends + (2.0 * two - 4.0 * three) * middle), 0.0)

    _, kept = _stages(x, flux, (0, 1, 1, 2), stage)
    return jax.tree.map(whole, x, kept.first.loss, kept.first.gain, kept.at_middle, kept.last), kept.first
