"""Dendritic cells and T-cell priming (cycle steps 1 to 3)."""

from __future__ import annotations

from typing import NamedTuple

import jax

from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill
from tumornexus.biology.presentation import antigen_breadth


class DendriticRates(NamedTuple):
    """Recruitment per site and day; maturation-and-emigration and death per cell and day."""

    recruit: jax.Array
    emigrate: jax.Array
    die: jax.Array


def restraint(local: Local, p: Params) -> jax.Array:
    """Return the factor >= 1 by which IL-6, VEGF and IL-10 slow maturation of dendritic cells (Essa 2026, 3.2.1)."""
    return 1.0 + p.dc_suppression * (p.dc_il6_share * local.il6 + p.dc_vegf_share * local.vegf + local.il10)


def dendritic(local: Local, microbiome: jax.Array, p: Params) -> DendriticRates:
    """Return the rates of conventional dendritic cells in the tumor.

    recruit = dc_recruitment * CCL4 term (Spranger 2015; NK-derived XCL1/CCL5, Bottcher 2018);
    emigrate = maturation driven by dying cells (antigen, danger), type I IFN and
    microbial signals, restrained by IL-6, VEGF and IL-10 (Essa 2026, sections 3.2.1 and 4.1.1).
    """
    danger = hill(local.dead_antigen * p.antigen_release_gain, p.dead_antigen_half) + local.type1_ifn
    # CSF-1R signalling also sustains part of the dendritic cells.
    sustain = 1.0 - p.dc_csf1_share * (1.0 - p.csf1r_signal)
    recruit = p.dc_recruitment * hill(local.ccl4, p.ccl4_half) * (p.dc_nk_floor + hill(local.nk, p.nk_half)) * sustain
    gut = p.microbiome_priming * (p.microbiome_floor + microbiome)
    return DendriticRates(
        recruit=recruit,
        emigrate=p.dc_maturation * danger * gut / restraint(local, p),
        die=p.dc_death,
    )


def activation(dendritic_node: jax.Array, treg: jax.Array, helper: jax.Array, p: Params) -> jax.Array:
    """Return the activation rate per naive tumor-specific T cell and day in the draining node.

    rate = priming_rate * breadth * DC/(DC + half) * costimulation / (1 + ctla4_brake (1 + Treg)) * helper term; CTLA-4
    competes for B7 (van der Merwe 1997). MEK inhibition impairs priming while present (Dushyanthen 2017).
    """
    braked = p.costimulation / (1.0 + p.ctla4_brake * (1.0 + treg))
    helped = p.helper_floor + hill(helper, p.helper_half)
    harmed = 1.0 - p.mapk_tcell_harm * p.mapk_inhibition
    dose = hill(dendritic_node, p.dc_node_half)
    return p.priming_rate * antigen_breadth(p) * dose * braked * helped * p.tcell_fitness * harmed


def anergy(treg: jax.Array, mature: jax.Array, p: Params) -> jax.Array:
    """Return the share of naive T cells meeting antigen in the node that do so without costimulation, in [0, 1].

    Such cells become anergic instead of dividing (Appleman and Boussiotis 2003). share = 1 - mature * B7 for CD28,
    B7 for CD28 = costimulation / (costimulation + ctla4_brake (1 + Treg)), which is `activation`'s brake where
    costimulation is 1; a share must stay below 1, a rate need not.
    `mature` is the share of dendritic cells not kept immature, the mean of 1 / `restraint` over the lesions. Nothing
    follows from the share but what `activation` already says: anergic cells are not kept as a population.
    """
    free = p.costimulation / (p.costimulation + p.ctla4_brake * (1.0 + treg) + 1e-9)
    return 1.0 - mature * free


def burst(p: Params) -> jax.Array:
    """Return the daughters per activated cell: clonal expansion, raised by IL-2 and lowered by steroids."""
    return p.tcell_expansion * (1.0 + p.il2_signal) * (1.0 - p.steroid_effect * p.steroid_exposure)


class MemoryRates(NamedTuple):
    """Central-memory CD8 T cells: production (Mcell per day) and loss (per day)."""

    form: jax.Array
    lose: jax.Array


def memory(blood_cd8: jax.Array, dendritic_node: jax.Array, p: Params) -> MemoryRates:
    """Return the rates of tumor-specific central-memory CD8 T cells.

    form = memory_share * blood_cd8_decay * circulating cells / (1 + DC / memory_antigen_half): a part of the cells that
    leave the blood pool survives as memory (Kaech and Wherry 2007), few while antigen persists in the node (Wherry
    2004); lose = memory_loss.
    """
    rested = 1.0 / (1.0 + dendritic_node / p.memory_antigen_half)
    return MemoryRates(form=p.memory_share * p.blood_cd8_decay * blood_cd8 * rested, lose=p.memory_loss)


def recall(memory: jax.Array, p: Params) -> jax.Array:
    """Return the factor >= 1 by which memory cells raise priming: 1 + memory_recall * M/(M + memory_half).

    They are precursors beside the naive ones, so that a tumor that grows back after a response meets more of them.
    Bounded, because memory cells compete for survival cytokines.
    """
    return 1.0 + p.memory_recall * hill(memory, p.memory_half)
