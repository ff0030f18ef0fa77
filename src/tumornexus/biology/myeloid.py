"""MDSC and tumor-associated macrophages: recruitment, polarization, loss."""

from __future__ import annotations

from typing import NamedTuple

import jax

from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill


class MyeloidRates(NamedTuple):
    """Recruitment per site and day; the others per cell and day."""

    recruit_mdsc: jax.Array
    mdsc_die: jax.Array
    recruit_tam: jax.Array
    tam_die: jax.Array
    m1_to_m2: jax.Array
    m2_to_m1: jax.Array


def rates(local: Local, p: Params) -> MyeloidRates:
    """Return the rates of myeloid cells.

    MDSC come by CXCR2 ligands and CCL2; lactate, hypoxia and IL-6 amplify (Essa 2026, sections 3.3.2 and 3.4.1).
    Macrophages come by
    CCL2
    and need CSF-1R to survive. Polarization towards M2 by IL-10, TGF-beta, lactate, hypoxia; towards M1 by IFN-gamma
    and CD40 (m1_repolarization). Rates 0.25 and 0.045 per day and death 0.02 per day from published models.
    """
    inputs = hill(local.cxcr2_ligand, 1.0) + 0.7 * hill(local.ccl2, 1.0)
    amplify = 0.5 + 0.5 * hill(local.il6, 1.0) + 0.5 * hill(local.lactate, p.lactate_half) + 0.5 * local.hypoxia
    mapk = 1.0 - 0.5 * p.mapk_inhibition * p.mapk_dependence
    to_m2 = p.m2_polarization * (
        0.3 + hill(local.il10, 1.0) + hill(local.tgfb, 1.0) + hill(local.lactate, p.lactate_half)
    )
    survive = 0.2 + 0.8 * p.csf1r_signal
    return MyeloidRates(
        recruit_mdsc=p.mdsc_recruitment * inputs * amplify * mapk,
        mdsc_die=p.mdsc_death + p.mdsc_depletion,
        recruit_tam=p.tam_recruitment * (0.3 + hill(local.ccl2, 1.0)) * (0.3 + hill(local.csf1, 1.0)),
        tam_die=p.tam_death / survive,
        m1_to_m2=to_m2,
        m2_to_m1=p.m2_to_m1_rate * (1.0 + 5.0 * hill(local.ifng, 1.0)) + p.m1_repolarization,
    )
