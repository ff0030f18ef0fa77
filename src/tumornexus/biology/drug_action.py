"""What drugs do to parameters: occupancy gives an effect in [0, 1], and acts turn effects into changed parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    local: jax.Array  # 1 where the drug is given on the spot and reaches only the first lesion
    hazard: jax.Array  # weight on the drug's effect, such that its usual regimen gives the recorded risk of an event
    checkpoint: jax.Array  # 1 where the drug releases PD-1 or CTLA-4
    stops: jax.Array  # 1 where such an event ends the drug for good, 0 where it pauses it
    multiply: jax.Array
    add: jax.Array
    saturate: jax.Array  # value moved towards
    saturates: jax.Array  # 1 where `saturate` applies
    used: jax.Array | None = None  # how many slots hold a drug, a scalar; None: work through all


def occupancy(concentration: jax.Array, ec50: jax.Array, hill: jax.Array, *, hill_is_one: bool = False) -> jax.Array:
    """Return the effect in [0, 1): C^h / (EC50^h + C^h). `hill_is_one` spares the powers where all exponents are 1."""
    ratio = jnp.maximum(concentration, 0.0) / ec50
    if not hill_is_one:
        ratio = jnp.where(ratio > 0.0, jnp.maximum(ratio, 1e-30) ** hill, 0.0)
    return ratio / (1.0 + ratio)


def over_slots(used: jax.Array | None, slots: int, add: Callable[[Any, Any], Any], start: Any) -> Any:
    """Return `start` after `add(slot, carried)` for each slot in use.

    A count known only at run time (`used`) makes a loop, so that empty slots cost nothing and a regimen with more drugs
    compiles nothing. Without it all slots are written out, as reverse differentiation and the export need.
    """
    if used is None:
        return functools.reduce(lambda carried, s: add(s, carried), range(slots), start)
    return jax.lax.fori_loop(0, used, add, start)


def modulate(p: Params, acts: Acts, effect: jax.Array, acted: Acted) -> Params:
    """Return the parameters under the drugs present.

    `effect`: (slot, batch) or (slot, lesion, batch). Laws combine as independent actions: products of
    1 + (value - 1) effect, sums of value * effect, and a pull towards a value. Bounded parameters are clipped: two
    drugs of one class can add up beyond what the parameter means.
    """
    lesions = effect.ndim == 3

    def size(table: jax.Array, slot: Any) -> jax.Array:
        return table[slot][:, None, :] if lesions else table[slot]

    def one_drug(slot: Any, so_far: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        factor, added, kept, weight, pulled = so_far
        here = effect[slot]
        w = size(acts.saturates, slot) * here
        return (
            factor * (1.0 + (size(acts.multiply, slot) - 1.0) * here),
            added + size(acts.add, slot) * here,
            kept * (1.0 - w),
            weight + w,
            pulled + w * size(acts.saturate, slot),
        )

    def full(value: float, names: tuple[str, ...]) -> jax.Array:
        return jnp.full((len(names), *effect.shape[1:]), value, effect.dtype)

    start = (full(1.0, acted.multiply), full(0.0, acted.add),
             full(1.0, acted.saturate), full(0.0, acted.saturate), full(0.0, acted.saturate))  # fmt: skip
    factor, added, kept, weight, pulled = over_slots(acts.used, effect.shape[0], one_drug, start)

    changed = {name: getattr(p, name) * factor[j] for j, name in enumerate(acted.multiply)}
    changed |= {name: changed.get(name, getattr(p, name)) + added[j] for j, name in enumerate(acted.add)}
    target = pulled / jnp.maximum(weight, 1e-12)
    for j, name in enumerate(acted.saturate):
        changed[name] = changed.get(name, getattr(p, name)) * kept[j] + target[j] * (1.0 - kept[j])
    upper = dict(acted.upper)
    return p.replaced({name: jnp.clip(value, 0.0, upper.get(name)) for name, value in changed.items()})
