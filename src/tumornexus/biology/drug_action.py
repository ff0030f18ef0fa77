"""What drugs do to parameters: occupancy gives an effect in [0, 1], and acts turn effects into changed parameters."""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp

from tumornexus.biology.params import Params


@dataclass(frozen=True)
class Acted:
    """Which parameters any therapy of the catalogue addresses by each law, and their upper bounds: static, so that a
    new regimen is new values and no new code."""

    multiply: tuple[str, ...]
    add: tuple[str, ...]
    saturate: tuple[str, ...]
    upper: tuple[tuple[str, float], ...]


class Acts(eqx.Module):
    """What the drugs in play do. Shapes (slot, batch), or (slot, acted, batch) in the order of `Acted`.

    An empty slot is neutral: multiply 1, add 0, saturates 0.
    """

    penetration_rate: jax.Array  # 1/day, equilibration of tumor with plasma; 0 where it takes hours only
    ec50: jax.Array
    hill: jax.Array
    tumor_to_plasma: jax.Array
    hazard: jax.Array  # ln-scale risk of a grade >= 3 event over the toxicity window at full effect
    stops: jax.Array  # 1 where such an event ends the drug for good, 0 where it pauses it
    multiply: jax.Array
    add: jax.Array
    saturate: jax.Array  # value moved towards
    saturates: jax.Array  # 1 where `saturate` applies


def occupancy(concentration: jax.Array, ec50: jax.Array, hill: jax.Array, *, hill_is_one: bool = False) -> jax.Array:
    """Return the effect in [0, 1): C^h / (EC50^h + C^h). `hill_is_one` spares the powers where all exponents are 1."""
    ratio = jnp.maximum(concentration, 0.0) / ec50
    if not hill_is_one:
        ratio = jnp.where(ratio > 0.0, jnp.maximum(ratio, 1e-30) ** hill, 0.0)
    return ratio / (1.0 + ratio)


def modulate(p: Params, acts: Acts, effect: jax.Array, acted: Acted) -> Params:
    """Return the parameters under the drugs present.

    `effect`: (slot, batch) or (slot, lesion, batch). Laws combine as independent actions: products of
    1 + (value - 1) effect, sums of value * effect, and a pull towards a value. Bounded parameters are clipped: two
    drugs of one class can add up beyond what the parameter means.
    """
    lesions = effect.ndim == 3
    slots = effect.shape[0]

    def size(table: jax.Array, slot: int) -> jax.Array:
        return table[slot][:, None, :] if lesions else table[slot]

    changed: dict[str, jax.Array] = {}
    if acted.multiply:
        factor = 1.0
        for s in range(slots):
            factor = factor * (1.0 + (size(acts.multiply, s) - 1.0) * effect[s])
        changed |= {name: getattr(p, name) * factor[j] for j, name in enumerate(acted.multiply)}
    if acted.add:
        added = 0.0
        for s in range(slots):
            added = added + size(acts.add, s) * effect[s]
        changed |= {name: changed.get(name, getattr(p, name)) + added[j] for j, name in enumerate(acted.add)}
    if acted.saturate:
        kept, weight, pulled = 1.0, 0.0, 0.0
        for s in range(slots):
            w = size(acts.saturates, s) * effect[s]
            kept, weight, pulled = kept * (1.0 - w), weight + w, pulled + w * size(acts.saturate, s)
        target = pulled / jnp.maximum(weight, 1e-12)
        for j, name in enumerate(acted.saturate):
            changed[name] = changed.get(name, getattr(p, name)) * kept[j] + target[j] * (1.0 - kept[j])
    upper = dict(acted.upper)
    return p.replaced({name: jnp.clip(value, 0.0, upper.get(name)) for name, value in changed.items()})
