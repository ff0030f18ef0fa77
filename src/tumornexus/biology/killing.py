"""Killing of cancer cells by CD8 T cells, NK cells, macrophages and CAR-T cells (cycle step 7).

Equation: rate per cancer cell = kill_rate * E / (cancer + E + contact_half) * recognition * function,
kills per killer bounded by kill_rate, per target bounded as killers crowd (double saturation).
"""

from __future__ import annotations

import jax

from tumornexus.biology import checkpoints, metabolism
from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill


def suppression(local: Local, p: Params) -> jax.Array:
    """Return the fraction of T-cell function left by Treg, MDSC, M2 macrophages and TGF-beta, in (0, 1]."""
    return 1.0 / (
        (1.0 + p.treg_suppression * local.treg / p.suppressor_half)
        * (1.0 + p.mdsc_suppression * local.mdsc / p.suppressor_half)
        * (1.0 + p.tam_suppression * local.tam_m2 / p.suppressor_half)
        * (1.0 + p.tgfb_effect * local.tgfb)
    )


def function(local: Local, p: Params) -> jax.Array:
    """Return overall T-cell function in (0, 1]: checkpoints, suppressors, metabolites and systemic steroids."""
    return (
        checkpoints.brake(local, p)
        * suppression(local, p)
        * metabolism.tcell_fitness(local, p)
        * (1.0 - p.steroid_effect * p.steroid_exposure)
        * (1.0 - p.mapk_tcell_harm * p.mapk_inhibition)
    )


def contact(killers: jax.Array, local: Local, p: Params) -> jax.Array:
    """Return killers per cancer cell in reach, in [0, 1): mass action saturating in both partners."""
    return killers / (local.cancer + local.persister + killers + p.contact_half)


def cd8_rate(local: Local, recognized: jax.Array, p: Params) -> jax.Array:
    """Return the death rate per cancer cell and day of each clone by CD8 T cells and redirected T cells, (..., clone).

    Kill rate 2-16 targets a CTL and day in vivo (Halle 2016); terminal cells keep a small part of it.
    """
    killers = local.cd8_effector + 0.2 * local.cd8_progenitor + p.terminal_killing * local.cd8_terminal
    potency = contact(killers, local, p) * function(local, p)
    redirected = p.redirected_kill * contact(killers + local.cd4_helper, local, p) * function(local, p)
    return (p.cd8_kill_rate * potency)[..., None] * recognized + redirected[..., None]


def nk_rate(local: Local, mhc1: jax.Array, p: Params) -> jax.Array:
    """Return the death rate per cancer cell and day of each clone by NK cells, (..., clone).

    Missing self: cells without MHC-I lose the inhibitory signal (Karre 1986); TGF-beta and lactate impair NK cells.
    """
    impaired = 1.0 / (1.0 + local.tgfb) / (1.0 + (local.lactate / p.lactate_half) ** 2)
    return (p.nk_kill_rate * contact(local.nk, local, p) * impaired)[..., None] * (1.0 - 0.9 * mhc1)


def macrophage_rate(local: Local, p: Params) -> jax.Array:
    """Return the death rate per cancer cell and day by phagocytosis of M1-like macrophages."""
    return p.m1_kill_rate * contact(local.tam_m1, local, p) / (1.0 + local.il10)


def car_t_rate(local: Local, recognized: jax.Array, p: Params) -> jax.Array:
    """Return the death rate per cancer cell and day of each clone by CAR-T cells, (..., clone), independent of
    MHC-I."""
    return (p.cart_kill_rate * contact(local.car_t, local, p) * function(local, p))[..., None] * recognized


def infiltrate_access(local: Local, p: Params) -> jax.Array:
    """Return the fraction of T cells in the lesion that reach cancer-cell nests rather than stroma, in (0, 1].

    The host scale's closure for exclusion: matrix, TGF-beta and CXCL12 hold T cells in the stroma (Mariathasan 2018,
    Salmon 2012, Feig 2013).
    """
    barrier = p.matrix_exclusion * (local.matrix + 0.5 * local.tgfb + 0.5 * hill(local.cxcl12, 1.0) * local.matrix)
    return 1.0 / (1.0 + barrier)
