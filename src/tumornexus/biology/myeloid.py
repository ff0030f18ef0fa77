"""Neutrophils, MDSC and tumor-associated macrophages: recruitment, polarization, loss."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill


class MyeloidRates(NamedTuple):
    """Recruitment per site and day; the others per cell and day."""

    recruit_neutrophil: jax.Array
    neutrophil_die: jax.Array
    recruit_mdsc: jax.Array
    mdsc_die: jax.Array
    recruit_tam: jax.Array
    tam_die: jax.Array
    m1_to_m2: jax.Array
    m2_to_m1: jax.Array


def rates(local: Local, p: Params) -> MyeloidRates:
    """Return the rates of myeloid cells.

    Neutrophils come by CXCR2 ligands and live about a day. MDSC come by CXCR2 ligands (which hypoxia raises) and CCL2;
    lactate and IL-6 amplify (Essa 2026, sections 3.3.2 and 3.4.1). Macrophages come by CCL2 and need CSF-1R to survive.
    Polarization towards M2 by IL-10, TGF-beta, lactate and bacteria (Pushalkar 2018); towards M1 by IFN-gamma and CD40
    (m1_repolarization). Rates 0.25 and 0.045 per day and death 0.02 per day from published models.
    """
    granulocytic = hill(local.cxcr2_ligand, 1.0)
    inputs = granulocytic + p.mdsc_ccl2_share * hill(local.ccl2, 1.0)
    lactic = hill(local.lactate, p.lactate_half)
    amplify = p.mdsc_floor + p.mdsc_amplification * (hill(local.il6, 1.0) + lactic)
    mapk = 1.0 - p.mdsc_mapk_share * p.mapk_inhibition * jnp.minimum(p.mapk_output, 1.0)
    to_m2 = p.m2_polarization * (
        p.m2_floor + hill(local.il10, 1.0) + hill(local.tgfb, 1.0) + lactic + p.bacteria_m2 * local.bacteria
    )
    survive = p.tam_csf1_independence + (1.0 - p.tam_csf1_independence) * p.csf1r_signal
    attracted = (p.tam_recruitment_floor + hill(local.ccl2, 1.0)) * (p.tam_recruitment_floor + hill(local.csf1, 1.0))
    return MyeloidRates(
        recruit_neutrophil=p.neutrophil_recruitment * granulocytic * hill(local.perfusion, p.access_half),
        neutrophil_die=p.neutrophil_death,
        recruit_mdsc=p.mdsc_recruitment * inputs * amplify * mapk,
        mdsc_die=p.mdsc_death + p.mdsc_depletion,
        recruit_tam=p.tam_recruitment * attracted,
        tam_die=p.tam_death / survive,
        m1_to_m2=to_m2,
        m2_to_m1=p.m2_to_m1_rate * (1.0 + p.m1_ifng_gain * hill(local.ifng, 1.0)) + p.m1_repolarization,
    )
