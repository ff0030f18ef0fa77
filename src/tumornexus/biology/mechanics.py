"""Room: how densely cells fill tissue, and how lack of room holds division back."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from tumornexus.biology.params import Params


def site_um(packing: float, site_density: float) -> float:
    """Return the edge of a site in micrometers: tissue filled to `packing` then holds `site_density` Mcell per mL.

    edge = (1e12 um^3 per mL * packing / cells per mL)^(1/3).
    """
    return (1e12 * packing / (1e6 * site_density)) ** (1.0 / 3.0)


def pressure_brake(occupied: jax.Array, p: Params) -> jax.Array:
    """Return the factor in [0, 1] by which lack of room holds division back.

    factor = (1 - occupied) / (1 - packing), at most 1: free up to the packing of dense tumor, none where every site is
    taken. `occupied` is the share of sites around a cell that hold a cell, in [0, 1]. Solid stress stops the growth of
    tumor spheroids reversibly (Helmlinger 1997). The host scale has no such limit: there a tumor makes room by growing.
    """
    room = (1.0 - occupied) / jnp.maximum(1.0 - p.packing, 1e-6)
    return jnp.clip(room, 0.0, 1.0)
