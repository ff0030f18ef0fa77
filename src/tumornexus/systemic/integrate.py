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
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tumornexus.systemic.dynamics import Flux


def _phi(z: jax.Array, exp_z: jax.Array) -> jax.Array:
    # Near 0 the difference of exp(z) and 1 loses digits: the series takes over where its error is 1e-16.
    small = jnp.abs(z) < 1e-3
    safe = jnp.where(small, 1.0, z)
    series = 1.0 + z * (0.5 + z * (1.0 / 6.0 + z * (1.0 / 24.0 + z / 120.0)))
    return jnp.where(small, series, (exp_z - 1.0) / safe)


def _frozen(x: jax.Array, gain: jax.Array, loss: jax.Array, dt: jax.Array) -> jax.Array:
    z = -loss * dt
    grown = jnp.exp(z)
    return x * grown + gain * dt * _phi(z, grown)


def exponential_trapezoid(x: Any, flux: Callable[[int, Any], Flux], dt: jax.Array) -> tuple[Any, Flux]:
    """Return the pytree `x` after `dt` days, and its rates at the start; `flux` as for `exponential_rk4`.

    Freezing P and d over a step has the exact solution x exp(-d h) + P h phi(-d h), phi(z) = (exp(z) - 1)/z, positive
    by construction. Doing it with P, d at the start and then with the mean of start and predicted end gives order two
    (exponential trapezoidal rule; Hochbruck and Ostermann 2010, section 2).
    """
    # Barriers keep the compiler from computing one stage again inside the next, which costs more than it saves.
    first = jax.lax.optimization_barrier(flux(0, x))
    predicted = jax.tree.map(lambda x, g, d: _frozen(x, g, d, dt), x, first.gain, first.loss)
    second = jax.lax.optimization_barrier(flux(2, jax.lax.optimization_barrier(predicted)))
    after = jax.tree.map(
        lambda x, g0, g1, d0, d1: _frozen(x, 0.5 * (g0 + g1), 0.5 * (d0 + d1), dt),
        x, first.gain, second.gain, first.loss, second.loss,
    )  # fmt: skip
    return after, first


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


def exponential_rk4(x: Any, flux: Callable[[int, Any], Flux], dt: jax.Array) -> tuple[Any, Flux]:
    """Return the pytree `x` after `dt` days, and its rates at the start.

    `flux(half_steps, x)` gives production and loss at the start (0), middle (1) and end (2) of the step. The method is
    that of Cox and Matthews 2002, equations 26-29, with the loss of the start as the linear part. Its remainder can be
    negative, so a state that is wiped out within a step is cut at zero.
    """
    first = jax.lax.optimization_barrier(flux(0, x))
    loss = first.loss

    def at(half_steps: int, y: Any) -> Any:
        """Return production less the loss that the exponential does not hold."""
        f = flux(half_steps, jax.lax.optimization_barrier(y))
        return jax.lax.optimization_barrier(jax.tree.map(lambda y, g, d, d0: g - (d - d0) * y, y, f.gain, f.loss, loss))

    def half(y: jax.Array, n: jax.Array, d: jax.Array) -> jax.Array:
        z = -0.5 * d * dt
        grown = jnp.exp(z)
        return jnp.maximum(grown * y + 0.5 * dt * _phi(z, grown) * n, 0.0)

    n0 = first.gain
    a = jax.tree.map(half, x, n0, loss)
    na = at(1, a)
    b = jax.tree.map(half, x, na, loss)
    nb = at(1, b)
    c = jax.tree.map(lambda a, nb, n0, d: half(a, 2.0 * nb - n0, d), a, nb, n0, loss)
    nc = at(2, c)

    def whole(y: jax.Array, d: jax.Array, n0: jax.Array, na: jax.Array, nb: jax.Array, nc: jax.Array) -> jax.Array:
        z = -d * dt
        grown = jnp.exp(z)
        one, two, three = _phis(z, grown)
        ends = (one - 3.0 * two + 4.0 * three) * n0 + (4.0 * three - two) * nc
        return jnp.maximum(grown * y + dt * (ends + (2.0 * two - 4.0 * three) * (na + nb)), 0.0)

    return jax.tree.map(whole, x, loss, n0, na, nb, nc), first
