"""Fibroblasts and matrix: activation, two states, deposition, stiffness and what it signals."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

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


def stiffness_kpa(matrix: jax.Array, p: Params) -> jax.Array:
    """Return the elastic (Young's) modulus of the tissue in kPa from its matrix density.

    E = stiffness_normal + stiffness_matrix matrix^stiffness_power: soft without extra matrix, a typical carcinoma at
    matrix = 1 (Paszek 2005), between and beyond as collagen gels of rising concentration (Bohringer 2024).
    Cross-linking at the same density is not told apart.
    """
    # A floor keeps the derivative finite without matrix.
    return p.stiffness_normal + p.stiffness_matrix * jnp.maximum(matrix, 1e-6) ** p.stiffness_power


def mechanosignaling(stiffness: jax.Array, p: Params) -> jax.Array:
    """Return how far stiffness switches on integrin, FAK, Rho and YAP signaling of cancer cells, in [0, 1].

    A reading only: what fibroblasts feel is the matrix itself, in `rates`. signal = E / (mechano_half + E):
    proliferation of liver cancer cells is 2.7 times as high on 12 as on 1 kPa (Schrader 2011). In three dimensions part
    of it does without YAP (Lee 2019).
    """
    return hill(stiffness, p.mechano_half)


def rates(local: Local, p: Params) -> StromaRates:
    """Return the rates of fibroblasts and matrix.

    TGF-beta and stiffness (matrix itself) turn fibroblasts into the matrix-depositing state; IL-1/IL-6-like signals
    into the cytokine state (Ohlund 2017, Biffi 2019). Stiffness keeps depositing matrix when TGF-beta is blocked
    (mechanosignalling), so blockade acts slowly and in part. Matrix finds no room beyond `matrix_capacity`:
    net deposition = deposit (1 - matrix / matrix_capacity), its second part counted with degradation.
    """
    tumor = local.cancer + local.persister
    stiff = p.stiffness_feedback * hill(local.matrix, p.matrix_half)
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
