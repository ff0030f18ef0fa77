"""Pharmacology: exact linear pharmacokinetics over a step, occupancy, and the act of drugs on parameters."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tumornexus.biology.params import Params


class Acts(eqx.Module):
    """What the drugs in play do, vectorized over drug slots and parameters; a new regimen is new values, not new code.

    Shapes: (slot,) and (slot, acted), where `acted` runs over the parameters that any therapy of the catalogue
    addresses
    (a quarter of all), in the order of `Modulation.index`. An empty slot has no dose and neutral acts.
    """

    k_elim: jax.Array  # 1/day, clearance over central volume
    k_out: jax.Array  # 1/day, central to peripheral
    k_in: jax.Array  # 1/day, peripheral to central
    nm_per_unit: jax.Array  # plasma concentration (nM, or dose units) per unit in the central compartment
    penetration_rate: jax.Array  # 1/day, equilibration of tumor with plasma
    ec50: jax.Array
    hill: jax.Array
    tumor_to_plasma: jax.Array
    multiply: jax.Array  # value at full effect, 1 = neutral
    add: jax.Array  # added at full effect, 0 = neutral
    saturate: jax.Array  # value moved towards
    saturates: jax.Array  # 1 where `saturate` applies


class Propagator(NamedTuple):
    """Exact solution of the two-compartment system over one step: next amounts and mean amounts, (slot, 2, 2)."""

    step: jax.Array
    mean: jax.Array


def propagator(k_elim: jax.Array, k_out: jax.Array, k_in: jax.Array, dt: jax.Array) -> Propagator:
    """Return the matrices that carry (central, peripheral) amounts over `dt` days and average them over the step.

    dA1/dt = -(k_elim + k_out) A1 + k_in A2;  dA2/dt = k_out A1 - k_in A2, solved by its two real eigenvalues
    (k_in > 0 keeps the matrix invertible), so drugs with half-lives of minutes need no small steps.
    """
    a = -(k_elim + k_out)
    d = -k_in
    m = 0.5 * (a + d)
    q = jnp.sqrt(jnp.maximum(m * m - k_elim * k_in, 1e-20))
    up, down = jnp.exp((m + q) * dt), jnp.exp((m - q) * dt)
    # sinh(q dt)/q by expm1: the difference of the two exponentials would lose all digits where the eigenvalues meet.
    cosh, sinhc = 0.5 * (up + down), -up * jnp.expm1(-2.0 * q * dt) / (2.0 * q)
    k = jnp.stack([jnp.stack([a, k_in], -1), jnp.stack([k_out, d], -1)], -2)
    eye = jnp.eye(2)
    step = cosh[..., None, None] * eye + sinhc[..., None, None] * (k - m[..., None, None] * eye)
    det = k_elim * k_in
    inverse = jnp.stack([jnp.stack([d, -k_in], -1), jnp.stack([-k_out, a], -1)], -2) / det[..., None, None]
    return Propagator(step=step, mean=inverse @ (step - eye) / dt)


def occupancy(concentration: jax.Array, ec50: jax.Array, hill: jax.Array) -> jax.Array:
    """Return the effect in [0, 1): C^h / (EC50^h + C^h)."""
    ratio = jnp.maximum(concentration, 0.0) / ec50
    powered = jnp.where(ratio > 0.0, jnp.maximum(ratio, 1e-30) ** hill, 0.0)
    return powered / (1.0 + powered)


class Modulation(NamedTuple):
    """Which parameters drugs act on: positions in the parameter vector, 1 where they act in the tumor, else 0, and
    the upper bound (1 for parameters that live in [0, 1], else infinity)."""

    index: np.ndarray
    in_tumor: np.ndarray
    upper: np.ndarray


def modulate(p: Params, acts: Acts, plasma: jax.Array, tumor: jax.Array, where: Modulation) -> Params:
    """Return the parameters under the drugs present.

    `plasma`, `tumor`: effect in [0, 1] of each slot in either place, (slot,); parameters of node, blood and gut follow
    plasma, the others the tumor. Laws combine as independent actions: products of 1 + (value - 1) effect, sums of
    value * effect, and a pull towards a value.
    """
    before = p.values[where.index]
    effect = jnp.where(where.in_tumor[None, :] > 0, tumor[:, None], plasma[:, None])
    values = before * jnp.prod(1.0 + (acts.multiply - 1.0) * effect, axis=0) + jnp.sum(acts.add * effect, axis=0)
    weight = acts.saturates * effect
    kept = jnp.prod(1.0 - weight, axis=0)
    pulled = jnp.sum(acts.saturate * weight, axis=0) / jnp.maximum(jnp.sum(weight, axis=0), 1e-12)
    # Two drugs of one class can add up beyond what a bounded parameter means.
    values = jnp.clip(values * kept + pulled * (1.0 - kept), 0.0, where.upper)
    return Params(p.values.at[where.index].set(values), p.names)
