"""How cells move in tissue: random walk, guidance by chemokines and fibers, passing others, arrest at targets.

A cell walks at random with a motility coefficient M in square micrometers per minute: after a time t much longer than
its persistence its mean square displacement is 2 ndim M t. On a lattice of edge a that is a jump to a neighboring site
at the rate 2 ndim M / a^2. Guidance is a potential U without unit: of two opposite jumps the one up the potential is
favored by exp(U difference).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill
from tumornexus.cellkinds import KINDS

MINUTES_PER_DAY = 1440.0

WALKERS: Mapping[str, str] = MappingProxyType({
    "cancer": "cancer_cell", "persister": "cancer_cell", "infected": "cancer_cell",
    "cd8_progenitor": "t_cell", "cd8_effector": "t_cell", "cd8_terminal": "t_cell", "cd4_helper": "t_cell",
    "treg": "t_cell", "gamma_delta": "t_cell", "car_t": "t_cell", "nk": "nk_cell", "b_cell": "b_cell",
    "dendritic": "dendritic_cell", "neutrophil": "neutrophil", "mdsc": "mdsc", "tam_m1": "macrophage",
    "tam_m2": "macrophage", "caf_matrix": "fibroblast", "caf_cytokine": "fibroblast",
})  # fmt: skip
"""Field of `Motility` by kind of cell. `dead_antigen` is not listed: the dead do not move."""

GUIDED: Mapping[str, str] = MappingProxyType({
    "cd8_progenitor": "t_cell", "cd8_effector": "t_cell", "cd8_terminal": "t_cell", "cd4_helper": "t_cell",
    "gamma_delta": "t_cell", "nk": "t_cell", "treg": "treg", "car_t": "car_t", "dendritic": "dendritic_cell",
    "neutrophil": "neutrophil", "mdsc": "mdsc", "tam_m1": "macrophage", "tam_m2": "macrophage",
    "cancer": "cancer_cell", "persister": "cancer_cell", "infected": "cancer_cell", "dead_antigen": "cancer_cell",
    "caf_matrix": "fibroblast", "caf_cytokine": "fibroblast",
})  # fmt: skip
"""Field of `Guidance` by kind of cell; a kind that is not listed follows nothing in the model."""


class Motility(NamedTuple):
    """Random motility coefficient in um^2 per minute, by the kinds of `WALKERS`."""

    t_cell: jax.Array
    nk_cell: jax.Array
    b_cell: jax.Array
    dendritic_cell: jax.Array
    neutrophil: jax.Array
    mdsc: jax.Array
    macrophage: jax.Array
    fibroblast: jax.Array
    cancer_cell: jax.Array


class Guidance(NamedTuple):
    """Potential of chemotaxis (dimensionless, never negative), by the kinds of `GUIDED`."""

    t_cell: jax.Array
    treg: jax.Array
    car_t: jax.Array
    dendritic_cell: jax.Array
    neutrophil: jax.Array
    mdsc: jax.Array
    macrophage: jax.Array
    fibroblast: jax.Array
    cancer_cell: jax.Array


def matrix_drag(matrix: jax.Array, p: Params) -> jax.Array:
    """Return the factor in (0, 1] by which matrix slows a cell: 1 / (1 + matrix_slowing matrix).

    T cells move actively in loose and poorly in dense matrix (Salmon 2012). A factor on speed; the motility
    coefficient goes with its square. Where speed varies from place to place, cells that keep their direction for a time
    gather in proportion to 1 / speed (Schnitzer 1993, from memory, not looked up). On a lattice that asks for jumps at
    a rate of one factor of the place that is left and one of both places alike.
    """
    return 1.0 / (1.0 + p.matrix_slowing * matrix)


def motility(local: Local, p: Params) -> Motility:
    """Return the random motility coefficient of each kind of cell, um^2 per minute.

    M = M_loose * matrix_drag^2: speed^2 * persistence time / ndim, with the coefficient in loose tissue as the
    parameter. Shape: that of `local.matrix`.
    """
    ease = matrix_drag(local.matrix, p) ** 2
    return Motility(
        t_cell=p.tcell_motility * ease,
        nk_cell=p.nk_motility * ease,
        b_cell=p.b_cell_motility * ease,
        dendritic_cell=p.dendritic_motility * ease,
        neutrophil=p.neutrophil_motility * ease,
        mdsc=p.mdsc_motility * ease,
        macrophage=p.macrophage_motility * ease,
        fibroblast=p.fibroblast_motility * ease,
        cancer_cell=p.cancer_motility * ease,
    )


def hop_rate(coefficient: jax.Array, site_um: float | jax.Array, ndim: int) -> jax.Array:
    """Return jumps per day from a site to any of its 2 ndim neighbors, 1440 * 2 ndim M / site_um^2.

    Args:
        coefficient: random motility, um^2 per minute.
        site_um: edge of a site, um.
        ndim: number of dimensions of the lattice.
    """
    return MINUTES_PER_DAY * 2.0 * ndim * coefficient / (site_um * site_um)


def in_nest(local: Local) -> jax.Array:
    """Return how far a place lies in a nest, in [0, 1]: 2 cancer cells / max(all cells, 1/2), at most 1.

    1 where at least half of the cells around are cancer cells, infiltrated or not. A share of cells and not a density:
    that would draw cancer cells from the voids within the nest as well, and pack nests beyond the density of tissue.
    Where cells fill less than half of the room of packed tissue, they lose touch.
    """
    cells = sum(getattr(local, name) for name in KINDS if name != "empty")
    return jnp.minimum(2.0 * (local.cancer + local.persister) / jnp.maximum(cells, 0.5), 1.0)


def guidance(local: Local, p: Params) -> Guidance:
    """Return the potential up which each kind of cell is drawn (dimensionless).

    U = chemotaxis * weighted receptor occupancy c / (1 + c), c in half-effect units. T and NK cells: CXCL9/10 through
    CXCR3, which TGF-beta lowers as it does at entry (Gunderson 2020), and CXCL12 through CXCR4, which holds them where
    fibroblasts make it (Feig 2013) and matrix presents it, as in `killing.infiltrate_access`: where fibroblasts abound,
    dissolved CXCL12 saturates CXCR4 in nests as well and shows no way. Regulatory T cells also CCL22. CAR-T cells
    answer CXCL9/10 less, as at entry. T, NK and CAR-T cells hold on to cancer cells, U = nest_adhesion * `in_nest`,
    less so under TGF-beta, which keeps T cells from nests (Mariathasan 2018): by the factor that it puts on CXCR3.
    Dendritic cells: CCL4 (Spranger 2015). Neutrophils: CXCR2 ligands. MDSC: CXCR2 ligands and CCL2, macrophages:
    CCL2 and CSF-1, with the weights of their recruitment. Fibroblasts walk up stiffness, here matrix (Lo 2000, from
    memory, not looked up). Cancer cells hold together, U = cohesion * `in_nest`: cells with adhesion of their own
    sort out from others (Steinberg 1963; Foty 2005).
    """
    answer = 1.0 / (1.0 + p.entry_tgfb * local.tgfb)
    inflamed = hill(local.cxcl9_10, 1.0) * answer
    held = p.cxcl12_pull * hill(local.cxcl12, 1.0) * local.matrix
    granulocytic, monocytic = hill(local.cxcr2_ligand, 1.0), hill(local.ccl2, 1.0)
    strength = p.chemotaxis
    nest = in_nest(local)
    bound = p.nest_adhesion * nest * answer
    return Guidance(
        t_cell=strength * (inflamed + held) + bound,
        treg=strength * (inflamed + held + p.ccl22_pull * hill(local.ccl22, 1.0)),
        car_t=strength * ((1.0 - p.cart_unguided_entry) * inflamed + held) + bound,
        dendritic_cell=strength * hill(local.ccl4, 1.0),
        neutrophil=strength * granulocytic,
        mdsc=strength * (granulocytic + p.mdsc_ccl2_share * monocytic) / (1.0 + p.mdsc_ccl2_share),
        macrophage=strength * 0.5 * (monocytic + hill(local.csf1, 1.0)),
        fibroblast=strength * hill(local.matrix, 1.0),
        cancer_cell=p.cohesion * nest,
    )


def alignment(matrix: jax.Array, p: Params) -> jax.Array:
    """Return the factor in (0, 1] on jumps across aligned fibers, 1 / (1 + fiber_barrier matrix); along them 1.

    Aligned fibers around vessels and tumor islets set the direction of T cells and keep them out (Salmon 2012).
    """
    return 1.0 / (1.0 + p.fiber_barrier * matrix)


def squeezing(p: Params) -> jax.Array:
    """Return the share of its free motility, in [0, 1], that a cell keeps where another cell has to let it pass.

    T cells of human carcinomas move among packed cancer cells, faster than in dense stroma (Bougherara 2015).
    """
    return p.cell_passing


def arrest(recognized: jax.Array, p: Params) -> jax.Array:
    """Return the factor in [0, 1] on the motility of a T cell that touches a target which it recognizes.

    factor = 1 - contact_arrest * recognized, recognized in [0, 1] as by `presentation.recognition`: T cells stop at
    cells with their antigen and move where it is absent or its bearers are dead (Boissonnas 2007).
    """
    return jnp.maximum(1.0 - p.contact_arrest * recognized, 0.0)
