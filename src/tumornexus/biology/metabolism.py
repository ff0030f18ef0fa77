"""Metabolic competition: oxygen, glucose, lactate, arginine, kynurenine and adenosine at quasi-steady state.

These equilibrate within minutes to hours, so at the host scale they are algebraic. Each balances supply by perfusion
with consumption by the cells present.
"""

from __future__ import annotations

import jax

from tumornexus.biology.environment import Cells, Local
from tumornexus.biology.params import Params, hill


def perfusion(cells: Cells, p: Params) -> jax.Array:
    """Return the perfused fraction of a well-vascularized tumor's blood supply (dimensionless).

    perfusion = vessels / (1 + vessel_compression * matrix + vessel_abnormality * VEGF drive): solid stress of a dense
    matrix closes vessels, and vessels grown under excess VEGF are leaky and tortuous. The drive is the cancer cells'
    VEGF output without its hypoxic part, so that perfusion, oxygen and VEGF form no algebraic loop.
    Source: Jain 2005, Jain 2014; sizes assumed, see parameters.
    """
    drive = p.vegf_signal * p.vegf_production * (cells.cancer + cells.persister + cells.tam_m2)
    return cells.vessels / (1.0 + p.vessel_compression * cells.matrix + p.vessel_abnormality * drive)


def oxygen_mmhg(cells: Cells, perfused: jax.Array, p: Params) -> jax.Array:
    """Return tissue oxygen tension in mmHg.

    O2 = O2_blood * perfusion / (perfusion + oxygen_consumption * cellularity), supply against demand; a region
    without perfusion has no oxygen. Normal tissue lies near 40 mmHg, tumors near 10 mmHg (biology facts, hypoxia).
    """
    others = p.oxygen_stroma * (cells.tam_m2 + cells.caf_matrix)
    demand = p.oxygen_consumption * (cells.cancer + p.persister_metabolism * cells.persister + others)
    return p.oxygen_blood * perfused / (perfused + demand + 1e-6)


def hypoxia_fraction(oxygen: jax.Array, p: Params) -> jax.Array:
    """Return the hypoxic response (HIF activity) in [0, 1 x hif_gain]: half-maximal at `oxygen_half`, Hill 2."""
    return p.hif_gain / (1.0 + (oxygen / p.oxygen_half) ** 2)


def glucose_mm(cells: Cells, perfused: jax.Array, hypoxia: jax.Array, p: Params) -> jax.Array:
    """Return tissue glucose in mM: blood supply against glycolytic uptake, which hypoxia raises."""
    takers = cells.cancer + p.glucose_tam * cells.tam_m2 + p.glucose_mdsc * cells.mdsc
    uptake = p.glycolysis_rate * (1.0 + hypoxia) * takers
    return p.glucose_blood * perfused / (perfused + p.glucose_uptake * uptake + 1e-6)


def lactate_mm(cells: Cells, perfused: jax.Array, hypoxia: jax.Array, p: Params) -> jax.Array:
    """Return tissue lactate in mM: blood level plus export by glycolytic cells, washed out by perfusion."""
    made = p.glycolysis_rate * p.lactate_export * (1.0 + hypoxia) * (cells.cancer + p.lactate_caf * cells.caf_cytokine)
    return p.lactate_blood + p.lactate_production * made / (perfused + p.lactate_washout)


def extracellular_ph(lactate: jax.Array, p: Params) -> jax.Array:
    """Return the pH of the fluid around the cells; `lactate` in mM.

    pH = ph_blood - ph_per_lactate * (lactate - lactate_blood). Seen, not felt: the laws of T and NK cells take lactate,
    with which acidity rises. Source: Engin 1995 (electrodes in 67 tumors); carbonic acid and buffers are left out.
    """
    return p.ph_blood - p.ph_per_lactate * (lactate - p.lactate_blood)


def arginine_level(cells: Cells, p: Params) -> jax.Array:
    """Return arginine relative to blood, in (0, 1]: consumed by arginase of MDSC, neutrophils and macrophages."""
    consumers = cells.mdsc + p.arginase_tam * cells.tam_m2 + p.arginase_neutrophil * cells.neutrophil
    return 1.0 / (1.0 + p.arginase_activity * consumers / p.arginase_half)


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
