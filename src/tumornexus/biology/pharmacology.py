"""Pharmacokinetics: amounts of drug in two compartments, exact over a step where their rates are constant."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp


class Kinetics(eqx.Module):
    """Plasma kinetics of the drugs in play: a central and a peripheral amount each, in dose units.

    Shapes (slot,), or (slot, B) where members have different regimens.

    dA1/dt = input - loss A1 + k_in A2,  dA2/dt = k_out A1 - k_in A2, with `loss` from `central_loss`. Concentration in
    plasma is `nm_per_unit` A1 (nM, or the unit of the drug's EC50). An empty slot has zeros; `cl_t50_day` and `km`
    divide and must be positive.
    """

    k_elim: jax.Array  # 1/day, clearance over central volume at the first dose
    k_out: jax.Array  # 1/day, central to peripheral
    k_in: jax.Array  # 1/day, peripheral to central; 0 for one compartment
    nm_per_unit: jax.Array
    cl_log_change: jax.Array  # ln of final over initial clearance; 0 where it stays
    cl_t50_day: jax.Array  # day of half that change
    cl_hill: jax.Array
    vmax: jax.Array  # dose units/day, saturable elimination beside the linear one
    km: jax.Array  # dose units in the central compartment at half of vmax


def _column(x: jax.Array) -> jax.Array:
    """Append the batch axis to (slot,); members with different regimens bring theirs as (slot, B)."""
    x = jnp.asarray(x)
    return x[:, None] if x.ndim == 1 else x


def central_loss(kinetics: Kinetics, amount_central: jax.Array, t: jax.Array, clearance_factor: jax.Array) -> jax.Array:
    """Return what leaves the central compartment per amount and day, exchange included, (slot, B).

    k_elim f exp(cl_log_change t^h / (t50^h + t^h)) + k_out + vmax / (km + A1)

    The change of clearance over time is the Emax form of Bajaj 2017 (nivolumab) and its successors. `amount_central`
    (slot, B); `t` days since the first dose, a scalar, or (slot, B) where drugs start on different days;
    `clearance_factor` f, the member's clearance over the typical one, (B,).
    """
    k = jax.tree.map(_column, kinetics)
    # A logistic in ln t is the same function; the floor keeps the derivative by the exponent finite at the first dose.
    progress = jax.nn.sigmoid(k.cl_hill * jnp.log(jnp.maximum(t, 1e-9) / k.cl_t50_day))
    linear = k.k_elim * clearance_factor * jnp.exp(k.cl_log_change * progress)
    return linear + k.k_out + k.vmax / (k.km + jnp.maximum(amount_central, 0.0))


_SERIES_BELOW = 0.5  # 14 terms of the series give full double precision up to here; beyond it nothing cancels
_TERMS = 14


def _phi(order: int, z: jax.Array) -> jax.Array:
    """Return phi_1(z) = (e^z - 1)/z or phi_2(z) = (phi_1(z) - 1)/z for z <= 0."""
    near = z > -_SERIES_BELOW
    small, large = jnp.where(near, z, 0.0), jnp.where(near, -1.0, z)
    series = jnp.zeros_like(z)
    for j in reversed(range(_TERMS)):
        series = series * small + 1.0 / math.factorial(j + order)
    first = jnp.expm1(large) / large
    return jnp.where(near, series, first if order == 1 else (first - 1.0) / large)


def _linear_step(
    loss: jax.Array, k_out: jax.Array, k_in: jax.Array, amounts: jax.Array, input_rate: jax.Array, dt: jax.Array | float
) -> tuple[jax.Array, jax.Array]:
    """Return (amounts after, mean amounts) of dA/dt = K A + (input, 0), exactly; shapes (slot, 2, B).

    With Z = K dt: after = e^Z A + dt phi_1(Z) u, mean = phi_1(Z) A + dt phi_2(Z) u. Each f(Z) is
    f(b) I + f[a, b] (Z - b I) with b <= a <= 0 the eigenvalues (Newton's form). All terms are non-negative, so amounts
    keep their sign and their relative precision. phi_1[a, b] = e[0, a, b] and phi_2[a, b] = e[0, 0, a, b] are divided
    differences of the exponential: by recurrence where |b| is large, by series where it is small (McCurdy, Ng and
    Parlett 1984), hence no division by a rate: those may be zero or equal.
    """
    middle, half_gap = -0.5 * (loss + k_in), 0.5 * (k_in - loss)
    # Equal eigenvalues have an infinite derivative of the root; a gap of the root of the rounding error is invisible.
    spread = k_in * k_out + jnp.finfo(amounts.dtype).eps * (1.0 + middle**2)
    q = jnp.sqrt(half_gap**2 + spread)
    low = middle - q
    high = k_in * (loss - k_out) / low  # product of the eigenvalues over one of them: their sum would cancel
    larger = q + jnp.abs(half_gap)
    above = jnp.where(half_gap >= 0.0, larger, spread / larger) * dt  # entry (1, 1) of Z - b I, then (2, 2)
    below = jnp.where(half_gap >= 0.0, spread / larger, larger) * dt
    a, b = high * dt, low * dt

    exp_ab = jnp.exp(a) * _phi(1, -2.0 * q * dt)
    near = b > -_SERIES_BELOW
    small_a, small_b, large = jnp.where(near, a, 0.0), jnp.where(near, b, 0.0), jnp.where(near, -1.0, b)
    power, complete, one, two = jnp.ones_like(b), jnp.ones_like(b), jnp.zeros_like(b), jnp.zeros_like(b)
    for j in range(_TERMS):
        one = one + complete * (1.0 / math.factorial(j + 2))
        two = two + complete * (1.0 / math.factorial(j + 3))
        power = power * small_b
        complete = complete * small_a + power
    one = jnp.where(near, one, (_phi(1, a) - exp_ab) / -large)
    two = jnp.where(near, two, (_phi(2, a) - one) / -large)

    x, y = amounts[:, 0], amounts[:, 1]
    gift = input_rate * dt
    to_x, to_y = above * x + k_in * dt * y, k_out * dt * x + below * y
    phi_1, phi_2 = _phi(1, b), _phi(2, b)
    after = jnp.stack([jnp.exp(b) * x + exp_ab * to_x + (phi_1 + one * above) * gift,
                       jnp.exp(b) * y + exp_ab * to_y + one * k_out * dt * gift], axis=1)  # fmt: skip
    mean = jnp.stack([phi_1 * x + one * to_x + (phi_2 + two * above) * gift,
                      phi_1 * y + one * to_y + two * k_out * dt * gift], axis=1)  # fmt: skip
    return after, mean


def propagate(
    kinetics: Kinetics,
    amounts: jax.Array,
    t: jax.Array,
    dt: jax.Array | float,
    input_rate: jax.Array,
    clearance_factor: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Carry the amounts of all drugs over one step; return (amounts after, mean amounts over the step), (slot, 2, B).

    The linear system is solved exactly, so drugs with half-lives of minutes need no small steps; its coefficients are
    those of the middle of the step: clearance at t + dt/2, saturable elimination at the amount predicted there. Exact
    at any `dt` for constant clearance without saturation, else of order 2. `amounts` (slot, 2, B) in dose units, after
    any bolus; `input_rate` (slot, B) dose units/day, constant over the step; `t`, `clearance_factor` as in
    `central_loss`.
    """
    k_out, k_in = (jnp.broadcast_to(_column(k), input_rate.shape) for k in (kinetics.k_out, kinetics.k_in))
    at_start = central_loss(kinetics, amounts[:, 0], t, clearance_factor)
    predicted, _ = _linear_step(at_start, k_out, k_in, amounts, input_rate, 0.5 * dt)
    loss = central_loss(kinetics, predicted[:, 0], t + 0.5 * dt, clearance_factor)
    return _linear_step(loss, k_out, k_in, amounts, input_rate, dt)
