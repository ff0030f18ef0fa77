"""Regulatory and gamma-delta T cells, NK cells, B cells and tertiary lymphoid structures in the tumor."""

from __future__ import annotations

from typing import NamedTuple

import jax

from tumornexus.biology import checkpoints
from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill


class LymphoidRates(NamedTuple):
    """Recruitment per site and day; the others per cell (or unit of structure) and day."""

    recruit_treg: jax.Array
    treg_die: jax.Array
    helper_to_treg: jax.Array
    recruit_nk: jax.Array
    nk_die: jax.Array
    recruit_gamma_delta: jax.Array
    gamma_delta_die: jax.Array
    gamma_delta_divide: jax.Array
    recruit_b_cell: jax.Array
    b_cell_die: jax.Array
    form_tls: jax.Array  # per day, towards 1
    lose_tls: jax.Array


def rates(local: Local, lymphocytes: jax.Array, mhc1: jax.Array, p: Params) -> LymphoidRates:
    """Return the rates of Treg, NK, gamma-delta T and B cells.

    `lymphocytes` is the host's count relative to normal, `mhc1` the mean MHC-I of cancer cells in [0, 1].

    Treg come by CCL22/CCR4, expand with IL-2, to which they answer at a hundredth of the dose of CD8 T cells, with
    kynurenine and MDSC and, carrying PD-1 themselves, under its blockade (Kamada 2019); they arise from helper cells
    under TGF-beta (0.022 per day, Robertson-Tessi 2012); CTLA-4 antibodies with Fc function deplete them
    (treg_depletion). Gamma-delta T cells follow CXCL9/10 and divide where cancer cells lack MHC-I and PD-1 lets them:
    divide = gamma_delta_division (1 - gamma_delta_self_inhibition MHC-I) / (1 + pd1_weight pd1_signal PD-L1)
    / (1 + density / gamma_delta_crowding) (de Vries 2023: more of them under PD-1 blockade in B2M-null tumors).
    CXCL13 of activated T cells and dendritic cells form tertiary lymphoid structures, which hold B cells (Cabrita 2020,
    Helmink 2020, Petitprez 2020).
    """
    brought = lymphocytes * hill(local.perfusion, p.access_half)
    feed = (
        1.0
        + p.treg_il2_gain * hill(p.il2_signal, p.treg_il2_half)
        + p.treg_kynurenine * hill(local.kynurenine, 1.0)
        + p.treg_mdsc * hill(local.mdsc, p.suppressor_half)
    )
    released = 1.0 + p.treg_pd1_release * (1.0 - p.pd1_signal)
    inflamed = p.nk_recruitment_floor + hill(local.cxcl9_10, 1.0)
    activated = hill(local.cd8_effector + local.cd8_progenitor + local.cd4_helper, p.tls_half)
    return LymphoidRates(
        recruit_treg=p.treg_recruitment * local.ccl22 * feed * released * brought,
        treg_die=p.treg_death + p.treg_depletion,
        helper_to_treg=p.treg_conversion * hill(local.tgfb, p.tgfb_half),
        recruit_nk=p.nk_recruitment * brought * inflamed,
        nk_die=p.nk_death,
        recruit_gamma_delta=p.gamma_delta_recruitment
        * brought
        * inflamed
        * (1.0 + p.gamma_delta_response * local.ifng),
        gamma_delta_die=p.gamma_delta_death,
        gamma_delta_divide=p.gamma_delta_division
        * (1.0 - p.gamma_delta_self_inhibition * mhc1)
        * checkpoints.pd1_release(local, p)
        / (1.0 + local.gamma_delta / p.gamma_delta_crowding),
        recruit_b_cell=p.b_cell_recruitment * brought * (p.b_cell_floor + local.tls),
        b_cell_die=p.b_cell_death,
        form_tls=p.tls_formation * activated * hill(local.dendritic, p.dendritic_half),
        lose_tls=p.tls_loss,
    )
