"""Growth of cancer cells, drug killing and switching to the persister state (feeds cycle step 1)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill
from tumornexus.biology.presentation import CloneTraits


class GrowthRates(NamedTuple):
    """Per cancer cell and day, shape (..., clone) unless said."""

    divide: jax.Array
    die: jax.Array  # turnover without therapy or immunity
    drug_kill: jax.Array
    to_persister: jax.Array
    from_persister: jax.Array  # shape (...)
    persister_die: jax.Array  # shape (...)


def rates(local: Local, clone: CloneTraits, p: Params) -> GrowthRates:
    """Return growth and death of cancer cells.

    divide = growth_rate * growth_unmasking * pathway * cytostasis * oxygen term * (1 - targeted) + turnover;
    die = turnover;  drug_kill = cytotoxic + radiation +
    targeted kill of pathway-dependent clones. Proliferation needs oxygen; persisters arise under drug kill, TGF-beta
    and
    CAF cytokines and return when these are gone (Sharma 2010, Hata 2016). A persister does not divide and largely
    resists drugs.
    """
    inhibited = p.mapk_inhibition * p.mapk_dependence
    pathway = p.pi3k_growth
    # TGF-beta holds tumor growth back; blocking the receptor gives this up (direction from the literature on TGF-beta
    # as a tumor suppressor).
    cytostasis = 1.0 / (1.0 + p.tgfb_cytostasis * local.tgfb)
    oxygen = hill(local.oxygen, p.oxygen_growth_half)
    targeted = inhibited[..., None] * clone.targeted
    net = (p.growth_rate * p.growth_unmasking * pathway * cytostasis * oxygen)[..., None] * (1.0 - targeted)
    protected = 1.0 / (1.0 + p.stroma_protection * hill(local.caf_cytokine, p.caf_half))
    exposed = (p.cytotoxic_kill * protected + p.radiation_kill * (0.5 + 0.5 * hill(local.oxygen, 3.0)))[..., None]
    drug_kill = exposed + p.mapk_kill_rate[..., None] * targeted
    stress = 0.1 * (local.tgfb + local.hypoxia) + hill(local.caf_cytokine, p.caf_half) * 0.1
    to_persister = (p.persister_switch_on * stress)[..., None] + p.persister_per_kill[..., None] * drug_kill
    return GrowthRates(
        divide=net + p.cancer_turnover[..., None],
        die=jnp.broadcast_to(p.cancer_turnover[..., None], net.shape),
        drug_kill=drug_kill,
        to_persister=to_persister,
        from_persister=p.persister_switch_off / (1.0 + 2.0 * stress),
        persister_die=p.cancer_turnover * 0.5 + 0.1 * exposed[..., 0],
    )
