"""Soluble mediators at quasi-steady state: who secretes what, and how much of it there is.

Unit: each cytokine and chemokine is expressed in multiples of its own half-effect concentration (1 = half-maximal
effect), because secretion and half-effect share one identifiable ratio; TGF-beta and VEGF likewise. Oxygen is in mmHg,
glucose and lactate in mM. Each signal is the balance of a gain and a loss. Well mixed, that is their ratio; at the
tissue scale diffusion spreads it (`Spread`), and who secretes, takes up and calls for what is said once, here.
"""

from __future__ import annotations

from typing import Protocol

import jax
import jax.numpy as jnp

from tumornexus.biology import metabolism, presentation
from tumornexus.biology.environment import Cells, Local, Signals
from tumornexus.biology.params import Params, hill


class Spread(Protocol):
    """How a signal distributes around its sources: level of `name` where it is made at `gain` and lost at `loss`.

    `gain` and `loss` broadcast with the cells; `loss` is relative to that of the signal alone, 1 where not given. A
    uniform piece of tissue must get gain / loss.
    """

    def __call__(self, name: str, gain: jax.Array, loss: jax.Array | None = None, /) -> jax.Array: ...


def well_mixed(name: str, gain: jax.Array, loss: jax.Array | None = None) -> jax.Array:
    """Return gain / loss: the level without any distance between sources and sinks."""
    return gain if loss is None else gain / loss


def interstitial_pressure(cells: Cells, vegf: jax.Array, p: Params) -> jax.Array:
    """Return interstitial fluid pressure relative to a typical carcinoma (= 1): leaky vessels in a dense matrix."""
    return p.interstitial_pressure * cells.matrix * (p.pressure_floor + hill(vegf, 1.0))


def vegf_level(cells: Cells, hypoxia: jax.Array, p: Params) -> jax.Array:
    """Return free VEGF: secreted by cancer cells (more under hypoxia and MAPK activity), M2 macrophages and MDSC."""
    mapk = p.mapk_output * (1.0 - p.mapk_inhibition)
    tumor = cells.cancer + cells.persister
    secreted = tumor * (p.vegf_floor + hypoxia + p.vegf_mapk * mapk) + cells.tam_m2 + p.vegf_mdsc * cells.mdsc
    return p.vegf_signal * p.vegf_production * secreted


def access_to_drugs(perfused: jax.Array, pressure: jax.Array, p: Params) -> jax.Array:
    """Return the accessible fraction of the tumor in [0, 1): perfusion brings a drug, interstitial pressure holds it
    off."""
    return hill(perfused, p.access_half) / (1.0 + p.pressure_barrier * pressure)


def drug_access(cells: Cells, p: Params) -> jax.Array:
    """Return `access_to_drugs` of a piece of tissue without computing its other signals."""
    perfused = metabolism.perfusion(cells, p)
    hypoxia = metabolism.hypoxia_fraction(metabolism.oxygen_mmhg(cells, perfused, p), p)
    return access_to_drugs(perfused, interstitial_pressure(cells, vegf_level(cells, hypoxia, p), p), p)


def quasi_steady(cells: Cells, recognized: jax.Array, p: Params, spread: Spread = well_mixed) -> Local:
    """Return the local environment with all signals in balance with the cells.

    `recognized` is the mean recognition of cancer cells by T cells in [0, 1] (`presentation.recognition`): activated
    T cells secrete IFN-gamma, helper cells as far as antigen is broad. Signals that feed on each other are ordered so
    that no algebraic loop arises: hypoxia before chemokines, IFN-gamma before kynurenine. Infected cells make type I
    interferon, bacteria call for IL-6 (Pushalkar 2018). `spread` takes each signal from its sources to where it acts;
    what vessels supply enters where they are.
    """
    supplied = metabolism.perfusion(cells, p)
    perfused = spread("perfusion", supplied)
    oxygen = spread("oxygen", *metabolism.oxygen_balance(cells, supplied, p))
    hypoxia = metabolism.hypoxia_fraction(oxygen, p)
    glucose = spread("glucose", *metabolism.glucose_balance(cells, supplied, hypoxia, p))
    lactate = p.lactate_blood + spread("lactate", *metabolism.lactate_balance(cells, supplied, hypoxia, p))
    tumor = cells.cancer + cells.persister
    unsilenced = 1.0 - cells.silencing
    lactate_drive = hill(lactate, p.lactate_half)

    helpers = presentation.antigen_breadth(p) * cells.cd4_helper
    innate = p.ifng_innate_share * (helpers + cells.nk + cells.gamma_delta)
    resting = p.ifng_exhausted_share * (cells.cd8_progenitor + cells.cd8_terminal)
    engaged = cells.car_t * hill(p.car_antigen_density * cells.car_antigen, 1.0)
    secreting = recognized * (cells.cd8_effector + resting) + innate + engaged
    ifng = spread("ifng", p.ifng_production * secreting / p.ifng_half_density)
    type1_ifn = spread("type1_ifn", p.type1_ifn + p.virus_ifn * cells.infected)
    mapk = p.mapk_output * (1.0 - p.mapk_inhibition)
    vegf = spread("vegf", vegf_level(cells, hypoxia, p))
    il6 = spread(
        "il6",
        p.il6_signal
        * p.il6_production
        * (
            tumor * (p.il6_floor + mapk)
            + p.il6_caf * cells.caf_cytokine
            + cells.tam_m2
            + p.bacteria_il6 * cells.bacteria
        ),
    )
    il10_cells = cells.tam_m2 + cells.treg + p.il10_mdsc * cells.mdsc
    il10 = spread("il10", p.il10_production * il10_cells / p.suppressor_half)
    tgfb = spread(
        "tgfb",
        p.tgfb_signal
        * p.tgfb_production
        * (
            p.tgfb_cancer * tumor
            + p.tgfb_caf * cells.caf_matrix
            + p.tgfb_treg * cells.treg
            + cells.tam_m2
            + p.tgfb_mdsc * cells.mdsc
        ),
    )
    cxcl9_10 = spread(
        "cxcl9_10",
        p.cxcl9_10_production
        * unsilenced
        * (
            p.cxcl9_10_basal
            + hill(ifng, 1.0)
            + type1_ifn
            + p.dendritic_chemokine * hill(cells.dendritic, p.dendritic_half)
        ),
    )
    ccl4 = spread("ccl4", p.ccl4_production * unsilenced)
    cxcl12_cells = cells.caf_matrix + p.cxcl12_cytokine_caf * cells.caf_cytokine
    cxcl12 = spread("cxcl12", (p.cxcr4_signal * p.cxcl12_production * cxcl12_cells) / p.caf_half)
    # Blocking CSF-1R makes fibroblasts release granulocyte chemokines (Kumar 2017): (1 - csf1r_signal) feeds CXCL1/8.
    caf_total = cells.caf_matrix + cells.caf_cytokine
    cxcr2_ligand = spread(
        "cxcr2_ligand",
        p.cxcr2_signal
        * (
            p.cxcr2_ligand_floor
            + hypoxia
            + hill(il6, 1.0)
            + p.csf1r_escape * jnp.clip(1.0 - p.csf1r_signal, 0.0, 1.0) * hill(caf_total, p.caf_half)
        ),
    )
    # Without CXCR2 the niche fills with CCR2+ monocytes: compensation as extra CCL2 drive.
    ccl2_escape = p.cxcr2_escape * jnp.clip(1.0 - p.cxcr2_signal, 0.0, 1.0)
    ccl2 = spread("ccl2", p.ccr2_signal * (p.ccl2_floor + lactate_drive + ccl2_escape))
    csf1 = spread("csf1", p.csf1r_signal * (p.csf1_floor + lactate_drive + p.csf1_hypoxia * hypoxia))
    ccl22 = spread("ccl22", p.ccl22_floor + hypoxia + hill(cells.tam_m2, p.suppressor_half))
    pressure = interstitial_pressure(cells, vegf, p)
    signals = Signals(
        ifng=ifng,
        type1_ifn=type1_ifn,
        tgfb=tgfb,
        il6=il6,
        il10=il10,
        vegf=vegf,
        cxcl9_10=cxcl9_10,
        ccl4=ccl4,
        cxcl12=cxcl12,
        cxcr2_ligand=cxcr2_ligand,
        ccl2=ccl2,
        csf1=csf1,
        ccl22=ccl22,
        oxygen=oxygen,
        hypoxia=hypoxia,
        glucose=glucose,
        lactate=lactate,
        arginine=spread("arginine", *metabolism.arginine_balance(cells, p)),
        kynurenine=spread("kynurenine", metabolism.kynurenine_level(ifng, p)),
        adenosine=spread("adenosine", metabolism.adenosine_level(cells, hypoxia, p)),
        pressure=pressure,
        perfusion=perfused,
        drug_access=access_to_drugs(perfused, pressure, p),
    )
    return Local(cells=cells, signals=signals)
