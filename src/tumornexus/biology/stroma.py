"""Fibroblasts and matrix: activation, two states, deposition, stiffness feedback."""

from __future__ import annotations

from typing import NamedTuple

import jax

from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill


class StromaRates(NamedTuple):
    """Recruitment per site and day; others per cell (or per unit of matrix) and day."""

    recruit_matrix: jax.Array
    recruit_cytokine: jax.Array
    caf_die: jax.Array
    matrix_to_cytokine: jax.Array
    cytokine_to_matrix: jax.Array
    deposit: jax.Array  # matrix units per day
    degrade: jax.Array  # per day


def stiffness(matrix: jax.Array, p: Params) -> jax.Array:
    """Return the elastic modulus of the tissue relative to normal tissue: 1 + stiffness_gain * matrix.

    `matrix`: density, 1 = typical carcinoma. Source: Samani 2007 (breast carcinomas 3 to 6 times, up to 13 times, as
    stiff as the gland); that stiffness follows density in proportion is assumed.
    """
    return 1.0 + p.stiffness_gain * matrix


def rates(local: Local, p: Params) -> StromaRates:
    """Return the rates of fibroblasts and matrix.

    TGF-beta and stiffness turn fibroblasts into the matrix-depositing state; IL-1/IL-6-like signals
    into the cytokine state (Ohlund 2017, Biffi 2019). Stiffness keeps depositing matrix when TGF-beta is blocked
    (mechanosignalling), so blockade acts slowly and in part. Matrix finds no room beyond `matrix_capacity`:
    net deposition = deposit (1 - matrix / matrix_capacity), its second part counted with degradation.
    """
    tumor = local.cancer + local.persister
    stiff = p.stiffness_feedback * hill(stiffness(local.matrix, p) - 1.0, p.stiffness_half)
    drive = p.caf_activation * tumor
    growth_factor = hill(local.tgfb, p.tgfb_half)
    inflammatory = hill(local.il6, 1.0)
    deposit = p.matrix_deposition * local.caf_matrix / p.caf_half * (p.deposition_floor + growth_factor + stiff)
    return StromaRates(
        recruit_matrix=drive * (p.caf_matrix_floor + growth_factor + stiff),
        recruit_cytokine=drive * (p.caf_cytokine_floor + inflammatory) * p.caf_cytokine_output,
        caf_die=p.caf_death + p.caf_depletion,
        matrix_to_cytokine=p.caf_switch * inflammatory,
        cytokine_to_matrix=p.caf_switch * growth_factor,
        deposit=deposit,
        degrade=p.matrix_degradation * (1.0 + p.m1_proteolysis * hill(local.tam_m1, p.suppressor_half))
        + deposit / p.matrix_capacity,
    )
