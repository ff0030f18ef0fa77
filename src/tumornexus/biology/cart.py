"""CAR-T cells: expansion on antigen, contraction, memory, loss of antigen by trogocytosis."""

from __future__ import annotations

from typing import NamedTuple

import jax

from tumornexus.biology.params import Params, hill


class CarTRates(NamedTuple):
    """Per CAR-T cell and day."""

    expand: jax.Array
    contract: jax.Array


def rates(antigen_load: jax.Array, car_t_total: jax.Array, p: Params) -> CarTRates:
    """Return expansion and contraction of CAR-T cells in blood and tumor.

    expand = cart_expansion * antigen / (antigen + half) while cells are below the homeostatic ceiling; contract to
    a slowly declining memory. Tisagenlecleucel: 3900-fold in 9.3 days = 0.89 per day, contraction 0.16 per day
    (Stein 2019). `antigen_load` and `car_t_total` in million cells.
    """
    room = 1.0 / (1.0 + car_t_total / p.cart_ceiling)
    stimulated = hill(antigen_load, p.cart_antigen_half)
    return CarTRates(
        expand=p.cart_expansion * stimulated * room, contract=p.cart_contraction * (1.0 - 0.5 * stimulated)
    )
