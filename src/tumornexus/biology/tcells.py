"""Division and death of T cells in the tumor (cycle steps 5 to 7)."""

from __future__ import annotations

from typing import NamedTuple

import jax

from tumornexus.biology import checkpoints, killing
from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill


class TCellRates(NamedTuple):
    """Per cell and day. Deaths include those by drugs."""

    progenitor_divide: jax.Array
    progenitor_die: jax.Array
    differentiate: jax.Array  # progenitors that become effectors, each `differentiation_burst` of them
    effector_divide: jax.Array
    effector_die: jax.Array
    exhaust: jax.Array  # effectors that become terminally exhausted
    terminal_die: jax.Array
    helper_die: jax.Array


def harm(p: Params) -> tuple[jax.Array, jax.Array]:
    """Return the death of lymphocytes in the tumor by drugs, per day: of the host's own, and of infused CAR-T cells.

    Cells in tissue divide less and see less drug than those in node and blood (tumor_lymphocyte_harm). Conditioning
    ends before CAR-T cells are infused: it takes the host's own lymphocytes only.
    """
    all_cells = p.tumor_lymphocyte_harm * p.lymphocyte_depletion
    return all_cells + p.tumor_lymphocyte_harm * p.conditioning, all_cells


def rates(local: Local, recognized: jax.Array, p: Params) -> TCellRates:
    """Return division, death and differentiation of tumor-specific CD8 and helper T cells.

    `recognized`: mean recognition of the cancer cells around, in [0, 1]. Division needs antigen and room among T cells,
    1 / (1 + density / tcell_crowding); that of effectors also function and IL-2. Survival needs antigen and cytokines
    shared by all T cells present, so that death grows with their density over tcell_capacity.
    """
    ex = checkpoints.rates(local, recognized, p)
    crowd = 1.0 / (1.0 + (local.cd8_progenitor + local.cd8_effector) / p.tcell_crowding)
    attrition = 1.0 + (local.cd8_progenitor + local.cd8_effector + local.cd8_terminal) / p.tcell_capacity
    own, _ = harm(p)
    return TCellRates(
        progenitor_divide=ex.renew * crowd,
        progenitor_die=p.progenitor_death * attrition + own,
        differentiate=ex.differentiate,
        effector_divide=p.effector_proliferation
        * recognized
        * killing.function(local, p)
        * (1.0 + p.il2_signal)
        * crowd,
        effector_die=p.effector_death * attrition + own,
        exhaust=ex.exhaust,
        terminal_die=p.terminal_death * attrition + own,
        helper_die=p.helper_death + own,
    )


def car_t_attrition(local: Local, p: Params) -> jax.Array:
    """Return the death of CAR-T cells in the tumor per day by drugs, TGF-beta, PD-L1 and hypoxia, besides contraction
    (`cart.rates`)."""
    worn = p.cart_exhaustion * (local.tgfb + hill(p.pd1_signal * local.pdl1, 1.0) + local.hypoxia)
    return harm(p)[1] + worn
