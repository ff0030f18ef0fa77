"""CAR-T cells: expansion on antigen, contraction, memory, loss of antigen by trogocytosis."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill


class CarTRates(NamedTuple):
    """Per CAR-T cell and day."""

    expand: jax.Array
    contract: jax.Array
    recall: jax.Array  # memory back to effector, per memory cell and day


def rates(antigen_load: jax.Array, car_t_total: jax.Array, p: Params) -> CarTRates:
    """Return expansion, contraction and recall of CAR-T cells.

    expand = cart_expansion * antigen / (antigen + half) * (1 - cells / cart_ceiling), not below zero; contraction
    leaves the share `cart_memory_share` as memory, which declines slowly and is recalled by antigen. Tisagenlecleucel:
    3900-fold in 9.3 days = 0.89 per day, contraction 0.16 per day, memory decline 0.0032 per day (Stein 2019).
    `antigen_load` and `car_t_total` in million cells.
    """
    room = jnp.maximum(1.0 - car_t_total / p.cart_ceiling, 0.0)
    stimulated = hill(antigen_load, p.cart_antigen_half)
    return CarTRates(
        expand=p.cart_expansion * stimulated * room,
        contract=p.cart_contraction * (1.0 - p.cart_survival_gain * stimulated),
        recall=p.cart_recall * stimulated,
    )


def trogocytosis(local: Local, p: Params) -> jax.Array:
    """Return the loss of CAR antigen from cancer cells per day: CAR-T cells strip it on contact, reversibly.

    trogocytosis_rate * CAR-T / (CAR-T + cancer). Source: Hamieh 2019 (antigen falls within hours of contact and
    returns when CAR-T cells are gone).
    """
    return p.trogocytosis_rate * local.car_t / (local.car_t + local.cancer + local.persister + p.contact_half)
