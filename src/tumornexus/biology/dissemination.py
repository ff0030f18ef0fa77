"""Spread: vesicles of the tumor, the pre-metastatic niche they prepare, and seeding of new lesions."""

from __future__ import annotations

import jax

from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill


def vesicles(pdl1_load: jax.Array, p: Params) -> jax.Array:
    """Return circulating tumor vesicles in units of their half-effect.

    `pdl1_load`: cancer cells in million, weighted by their PD-L1. Released in proportion and cleared within hours, so
    in balance with the tumor (Chen 2018: PD-L1 on vesicles suppresses T cells in the draining node and rises with
    IFN-gamma).
    """
    return p.vesicle_production * pdl1_load


def node_suppression(vesicle: jax.Array, p: Params) -> jax.Array:
    """Return the share of priming that vesicles leave; their PD-L1 works through PD-1, so PD-1 blockade lifts it."""
    return 1.0 / (1.0 + p.vesicle_suppression * p.pd1_signal * vesicle)


def niche_target(vesicle: jax.Array, p: Params) -> jax.Array:
    """Return the level that the pre-metastatic niche moves towards, in [0, 1] (Kaplan 2005, Hoshino 2015)."""
    return hill(vesicle, p.niche_half)


def seeding_rate(local: Local, p: Params) -> jax.Array:
    """Return new metastatic founder cells per cancer cell and day, before establishment in the niche.

    dissemination_rate * (1 + neutrophil_dissemination * neutrophils/half): neutrophils and their traps help spread
    (Szczerba 2019).
    """
    helped = 1.0 + p.neutrophil_dissemination * hill(local.neutrophil, p.neutrophil_half)
    return p.dissemination_rate * helped


def establishment(niche: jax.Array, p: Params) -> jax.Array:
    """Return the factor by which the niche lets founder cells settle: niche_floor without it, up to one more with."""
    return p.niche_floor + niche
