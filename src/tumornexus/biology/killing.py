"""Killing of cancer cells by CD8, CD4, gamma-delta T cells, NK cells, macrophages and CAR-T cells (cycle step 7).

Equation: rate per cancer cell = kill_rate * E / (cancer + E + contact_half) * recognition * function,
kills per killer bounded by kill_rate, per target bounded as killers crowd (double saturation).
"""

from __future__ import annotations

import jax

from tumornexus.biology import checkpoints, metabolism
from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill
from tumornexus.biology.presentation import antigen_breadth


def suppression(local: Local, p: Params) -> jax.Array:
    """Return the fraction of T-cell function left by Treg, MDSC, neutrophils, M2 macrophages, TGF-beta, in (0, 1]."""
    return 1.0 / (
        (1.0 + p.treg_suppression * local.treg / p.suppressor_half)
        * (1.0 + (p.mdsc_suppression * local.mdsc + p.neutrophil_suppression * local.neutrophil) / p.suppressor_half)
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
    """Return the death rate per cancer cell and day of each clone by CD8 T cells and redirected T cells.

    Kill rate 2-16 targets a CTL and day in vivo (Halle 2016); progenitor and terminal cells keep a small part of it.
    """
    killers = local.cd8_effector + p.progenitor_killing * local.cd8_progenitor + p.terminal_killing * local.cd8_terminal
    works = function(local, p)
    redirected = p.redirected_kill * contact(killers + local.cd4_helper, local, p) * works
    return p.cd8_kill_rate * contact(killers, local, p) * works * recognized + redirected


def cd4_rate(local: Local, mhc2: jax.Array, p: Params) -> jax.Array:
    """Return the death rate per cancer cell and day of each clone by cytotoxic CD4 T cells that see MHC class II.

    helper_kill_rate * contact(CD4) * breadth * MHC-II * function; needs no MHC-I (Oh 2020: cytotoxic CD4 T cells kill
    bladder cancer cells in an MHC-II-dependent way).
    """
    return p.helper_kill_rate * contact(local.cd4_helper, local, p) * antigen_breadth(p) * mhc2 * function(local, p)


def nk_rate(local: Local, mhc1: jax.Array, p: Params) -> jax.Array:
    """Return the death rate per cancer cell and day of each clone by NK cells.

    Missing self: cells without MHC-I lose the inhibitory signal (Karre 1986); TGF-beta and lactate impair NK cells.
    """
    impaired = 1.0 / (1.0 + local.tgfb) / (1.0 + (local.lactate / p.lactate_half) ** 2)
    return p.nk_kill_rate * contact(local.nk, local, p) * impaired * (1.0 - p.nk_self_inhibition * mhc1)


def gamma_delta_rate(local: Local, mhc1: jax.Array, p: Params) -> jax.Array:
    """Return the death rate per cancer cell and day of each clone by gamma-delta T cells.

    They need no MHC-I, carry NKG2D and killer-cell inhibitory receptors, and express PD-1: PD-1 blockade in B2M-null
    mismatch-repair-deficient tumors works through them (de Vries 2023).
    """
    released = checkpoints.pd1_release(local, p)
    spared = 1.0 - p.gamma_delta_self_inhibition * mhc1
    return p.gamma_delta_kill_rate * contact(local.gamma_delta, local, p) * released * suppression(local, p) * spared


def macrophage_rate(local: Local, p: Params) -> jax.Array:
    """Return the death rate per cancer cell and day by phagocytosis of M1-like macrophages, helped by antibody from
    tumor-resident B cells."""
    opsonized = 1.0 + p.b_cell_opsonization * hill(local.b_cell, p.b_cell_half)
    return p.m1_kill_rate * contact(local.tam_m1, local, p) * opsonized / (1.0 + local.il10)


def car_t_rate(local: Local, recognized: jax.Array, p: Params) -> jax.Array:
    """Return the death rate per cancer cell and day of each clone by CAR-T cells, independent of MHC-I."""
    return p.cart_kill_rate * contact(local.car_t, local, p) * function(local, p) * recognized


def infiltrate_access(local: Local, p: Params) -> jax.Array:
    """Return the fraction of T cells in the lesion that reach cancer-cell nests rather than stroma, in (0, 1].

    The host scale's closure for exclusion: matrix, TGF-beta and CXCL12 hold T cells in the stroma (Mariathasan 2018,
    Salmon 2012, Feig 2013).
    """
    held = p.exclusion_tgfb * local.tgfb + p.exclusion_cxcl12 * hill(local.cxcl12, 1.0) * local.matrix
    return 1.0 / (1.0 + p.matrix_exclusion * (local.matrix + held))
