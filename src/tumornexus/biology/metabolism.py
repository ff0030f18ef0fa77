"""Metabolic competition: oxygen, glucose, lactate, pH, arginine, kynurenine and adenosine at quasi-steady state.

These equilibrate within minutes to hours, so at the host scale they are algebraic. Each balances supply by perfusion
with consumption by the cells present.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tumornexus.biology.environment import Cells, Local
from tumornexus.biology.params import Params, hill


class Balance(NamedTuple):
    """Supply of a substance and what takes it away, per unit of level; in a well-mixed piece the level is gain / loss.

    In units of the blood exchange of a well-vascularized tumor. The tissue scale adds diffusion between both.
    """

    gain: jax.Array
    loss: jax.Array


def perfusion(cells: Cells, p: Params) -> jax.Array:
    """Return the perfused fraction of a well-vascularized tumor's blood supply (dimensionless).

    perfusion = vessels / (1 + vessel_compression * matrix + vessel_abnormality * VEGF drive): solid stress of a dense
    matrix closes vessels, and vessels grown under excess VEGF are leaky and tortuous. The drive is the cancer cells'
    VEGF output without its hypoxic part, so that perfusion, oxygen and VEGF form no algebraic loop.
    Source: Jain 2005, Jain 2014; sizes assumed, see parameters.
    """
    drive = p.vegf_signal * p.vegf_production * (cells.cancer + cells.persister + cells.tam_m2)
    return cells.vessels / (1.0 + p.vessel_compression * cells.matrix + p.vessel_abnormality * drive)


def oxygen_balance(cells: Cells, perfused: jax.Array, p: Params) -> Balance:
    """Return supply and demand of oxygen; their ratio is its tension in mmHg.

    O2 = O2_blood * perfusion / (perfusion + oxygen_consumption * cellularity), supply against demand; a region
    without perfusion has no oxygen. Normal tissue lies near 40 mmHg, tumors near 10 mmHg (biology facts, hypoxia).
    """
    others = p.oxygen_stroma * (cells.tam_m2 + cells.caf_matrix)
    demand = p.oxygen_consumption * (cells.cancer + p.persister_metabolism * cells.persister + others)
    return Balance(p.oxygen_blood * perfused, perfused + demand + 1e-6)


def oxygen_mmhg(cells: Cells, perfused: jax.Array, p: Params) -> jax.Array:
    """Return the oxygen tension of a well-mixed piece of tissue in mmHg, from `oxygen_balance`."""
    gain, loss = oxygen_balance(cells, perfused, p)
    return gain / loss


def hypoxia_fraction(oxygen: jax.Array, p: Params) -> jax.Array:
    """Return the hypoxic response (HIF activity) in [0, 1 x hif_gain]: half-maximal at `oxygen_half`, Hill 2."""
    return p.hif_gain / (1.0 + (oxygen / p.oxygen_half) ** 2)


def glucose_balance(cells: Cells, perfused: jax.Array, hypoxia: jax.Array, p: Params) -> Balance:
    """Return supply and uptake of glucose (level in mM): blood against glycolysis, which hypoxia raises."""
    takers = cells.cancer + p.glucose_tam * cells.tam_m2 + p.glucose_mdsc * cells.mdsc
    uptake = p.glycolysis_rate * (1.0 + hypoxia) * takers
    return Balance(p.glucose_blood * perfused, perfused + p.glucose_uptake * uptake + 1e-6)


def lactate_balance(cells: Cells, perfused: jax.Array, hypoxia: jax.Array, p: Params) -> Balance:
    """Return export and washout of lactate (level in mM above that of blood): glycolytic cells against perfusion."""
    made = p.glycolysis_rate * p.lactate_export * (1.0 + hypoxia) * (cells.cancer + p.lactate_caf * cells.caf_cytokine)
    return Balance(p.lactate_production * made, perfused + p.lactate_washout)


def extracellular_ph(lactate: jax.Array, p: Params) -> jax.Array:
    """Return the pH of the space between the cells (dimensionless).

    pH = ph_normal - max(lactate - lactate_blood, 0) / ph_buffering: each lactate ion leaves with a proton, perfusion
    washes both out, and buffers take up ph_buffering mM per unit of pH. Rauen 1967 and 1968 found this straight line in
    rat tumors between pH 7.1 and 6; normal tissue as in Silva 2009. Nothing else acidifies: not carbon dioxide.
    """
    return p.ph_normal - jnp.maximum(lactate - p.lactate_blood, 0.0) / p.ph_buffering


def lactate_uptake(local: Local, p: Params) -> jax.Array:
    """Return how much lactate cancer cells burn, per site, in units of what one well-oxygenated cell can take up.

    uptake = cancer * lactate / (lactate_uptake_half + lactate) * O2 / (oxygen_growth_half + O2): MCT1 carries lactate
    of hypoxic cells and fibroblasts into oxygenated cancer cells, which respire it (Sonveaux 2008); affinity of MCT1
    as tabulated by Felmlee 2020. Lactate export in `lactate_balance` is net of it.
    """
    oxidized = hill(local.lactate, p.lactate_uptake_half) * hill(local.oxygen, p.oxygen_growth_half)
    return (local.cancer + p.persister_metabolism * local.persister) * oxidized


def arginine_balance(cells: Cells, p: Params) -> Balance:
    """Return supply and consumption of arginine (level relative to blood, in (0, 1]): arginase of MDSC, neutrophils and
    macrophages takes it."""
    consumers = cells.mdsc + p.arginase_tam * cells.tam_m2 + p.arginase_neutrophil * cells.neutrophil
    consumed = 1.0 + p.arginase_activity * consumers / p.arginase_half
    return Balance(jnp.ones_like(consumed), consumed)


def kynurenine_level(ifng: jax.Array, p: Params) -> jax.Array:
    """Return kynurenine and related AHR ligands in units of their half-effect on T cells.

    IDO1 follows IFN-gamma; TDO2, IL4I1 and other sources (`kynurenine_other`) do not, which is why blocking IDO1
    alone leaves signalling (Sadik 2020, cited in the parameters).
    """
    return p.ido_activity * hill(ifng, 1.0) + p.kynurenine_other


def adenosine_level(cells: Cells, hypoxia: jax.Array, p: Params) -> jax.Array:
    """Return adenosine in units of its half-effect on T cells: ATP release by dying and hypoxic tissue, via
    CD39/CD73."""
    return p.adenosine_production * (hypoxia + hill(cells.dead_antigen, p.dead_antigen_half))


def tcell_fitness(local: Local, p: Params) -> jax.Array:
    """Return the factor in (0, 1] by which metabolites limit T-cell function.

    fitness = glucose term * lactate term * arginine term / (1 + kynurenine) / (1 + adenosine), each saturating.
    Sources: Chang 2015 and Ho 2015 (glucose), Brand 2016 (lactate); half-effects in the parameters.
    """
    lactic = 1.0 / (1.0 + (local.lactate / p.lactate_half) ** 2)
    return (
        hill(local.glucose, p.glucose_half)
        * lactic
        * hill(local.arginine, p.arginine_half)
        / (1.0 + p.kynurenine_effect * local.kynurenine)
        / (1.0 + p.adenosine_effect * local.adenosine)
    )
