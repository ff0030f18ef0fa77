"""Growth of cancer cells, drug killing and switching to the persister state (feeds cycle step 1)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tumornexus.biology import vasculature
from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill
from tumornexus.biology.presentation import CloneTraits


class GrowthRates(NamedTuple):
    """Per cancer cell and day, shape of the clone traits broadcast with the cells."""

    divide: jax.Array
    die: jax.Array  # turnover and necrosis, without therapy or immunity
    drug_kill: jax.Array
    to_persister: jax.Array
    from_persister: jax.Array
    persister_divide: jax.Array  # shape of the cells
    persister_die: jax.Array  # shape of the cells


def starvation(local: Local, p: Params) -> jax.Array:
    """Return the death of cells without oxygen, per day: necrosis_rate / (1 + (O2 / necrosis_oxygen)^4)."""
    squared = (local.oxygen / p.necrosis_oxygen) ** 2
    return p.necrosis_rate / (1.0 + squared * squared)


def orphaned(local: Local, p: Params) -> jax.Array:
    """Return the death of cells whose vessel regresses, per day.

    cuff_death * (regression - sprouting per vessel, not below 0) / (1 + (O2 / oxygen_half)^2): where oxygen is scarce
    a vessel takes the cuff of cells around it along. Tumor cells die with the vessels that VEGF-receptor inhibitors
    take (Griffioen 2012), and blood flow after a month tells size after four (de Bazelaire 2008).
    """
    vessels = vasculature.rates(local, p)
    lost = jnp.maximum(vessels.regress - vessels.sprout / jnp.maximum(local.vessels, 1e-6), 0.0)
    return p.cuff_death * lost / (1.0 + (local.oxygen / p.oxygen_half) ** 2)


def rates(local: Local, clone: CloneTraits, p: Params) -> GrowthRates:
    """Return growth and death of cancer cells.

    divide = growth_rate * growth_unmasking * pathway * cytostasis * oxygen term * (1 - targeted) + turnover;
    die = turnover + `starvation` + `orphaned`: cells without oxygen or without their vessel die.
    drug_kill = cytotoxic * sensitivity + radiation + targeted kill of pathway-dependent clones; radiation needs oxygen
    (Alper and Howard-Flanders 1956) and bacteria inactivate nucleoside analogs (Geller 2017). Persisters arise under
    drug kill, TGF-beta, hypoxia and CAF cytokines and return, more slowly while any of the four lasts: cells return to
    cycling in drug-free medium (Sharma 2010, Hata 2016). They largely resist drugs and cycle rarely (Oren 2021).
    """
    inhibited = p.mapk_inhibition * p.mapk_dependence
    # TGF-beta holds tumor growth back; blocking the receptor gives this up.
    cytostasis = 1.0 / (1.0 + p.tgfb_cytostasis * local.tgfb)
    oxygen = hill(local.oxygen, p.oxygen_growth_half)
    targeted = inhibited * clone.targeted
    base = p.growth_rate * p.growth_unmasking * p.pi3k_growth * cytostasis * oxygen
    protected = 1.0 / (1.0 + p.stroma_protection * hill(local.caf_cytokine, p.caf_half))
    active = 1.0 / (1.0 + p.bacteria_drug_inactivation * local.bacteria)
    radiation = p.radiation_anoxic + (1.0 - p.radiation_anoxic) * hill(local.oxygen, p.radiation_oxygen_half)
    exposed = p.cytotoxic_kill * p.cytotoxic_sensitivity * protected * active + p.radiation_kill * radiation
    drug_kill = exposed + p.mapk_kill_rate * targeted
    stress = p.persister_stress * (local.tgfb + local.hypoxia + hill(local.caf_cytokine, p.caf_half))
    hungry = starvation(local, p) + orphaned(local, p)
    return GrowthRates(
        divide=base * (1.0 - targeted) + p.cancer_turnover,
        die=jnp.broadcast_to(p.cancer_turnover + hungry, drug_kill.shape),
        drug_kill=drug_kill,
        to_persister=p.persister_switch_on * stress + p.persister_per_kill * drug_kill,
        from_persister=p.persister_switch_off / (1.0 + p.persister_hold * stress + drug_kill / p.persister_drug_hold),
        persister_divide=p.persister_cycling * base,
        persister_die=p.cancer_turnover * p.persister_turnover + p.persister_drug_share * exposed + hungry,
    )
