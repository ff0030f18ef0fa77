"""Regulatory T cells, helper T cells and NK cells in the tumor."""

from __future__ import annotations

from typing import NamedTuple

import jax

from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill


class LymphoidRates(NamedTuple):
    """Recruitment per site and day; the others per cell and day."""

    recruit_treg: jax.Array
    treg_die: jax.Array
    helper_to_treg: jax.Array
    recruit_nk: jax.Array
    nk_die: jax.Array


def rates(local: Local, lymphocytes: jax.Array, p: Params) -> LymphoidRates:
    """Return the rates of Treg and NK cells; `lymphocytes` is the host's count relative to normal.

    Treg come by CCL22/CCR4, expand with IL-2 and kynurenine, arise from helper cells under TGF-beta (0.022 per day,
    Robertson-Tessi 2012); CTLA-4 antibodies with Fc function deplete them (treg_depletion).
    """
    feed = 1.0 + p.il2_signal + 0.3 * hill(local.kynurenine, 1.0) + 0.3 * hill(local.mdsc, p.suppressor_half)
    return LymphoidRates(
        recruit_treg=p.treg_recruitment * local.ccl22 * feed * lymphocytes * hill(local.perfusion, p.access_half),
        treg_die=p.treg_death + p.treg_depletion,
        helper_to_treg=p.treg_conversion * hill(local.tgfb, 0.5),
        recruit_nk=p.nk_recruitment
        * lymphocytes
        * hill(local.perfusion, p.access_half)
        * (0.5 + hill(local.cxcl9_10, 1.0)),
        nk_die=p.nk_death,
    )
