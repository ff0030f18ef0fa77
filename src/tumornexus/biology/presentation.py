"""Antigen processing and presentation: what a T cell can see of a cancer cell (cycle step 6; step 2 at its source).

Equation: visibility of a clone = breadth term * processing * (1 - silencing) * MHC-I of that clone.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tumornexus.biology.environment import Cells, Local
from tumornexus.biology.params import Params, hill


class CloneTraits(NamedTuple):
    """What distinguishes a clone, each in [0, 1]; broadcasts against the cells.

    Host scale: (clone, 1, 1); on a lattice, where each site holds one clone, the shape of the lattice. mhc1: carries
    B2M and HLA (0 after B2M loss); ifn: responds to interferon (0 after JAK1/2 loss); car_antigen: carries the CAR
    target; targeted: depends on the inhibited driver pathway.
    """

    mhc1: jax.Array
    ifn: jax.Array
    car_antigen: jax.Array
    targeted: jax.Array


def antigen_breadth(p: Params, clonality: jax.Array | float = 1.0) -> jax.Array:
    """Return the probability in [0, 1] that a presented peptide set contains one that the repertoire sees.

    a = antigenicity * clonality * hla_breadth * (1 + vaccine_antigen); breadth = a^n / (antigenicity_half^n + a^n) with
    n = antigenicity_power. Antigenicity 1 stands for a tumor of 17 mutations per Mb: the quantity, which is what dying
    cells release and prime with. `clonality`: the share of it that a given cell carries, relative to a typical tumor
    (McGranahan 2016: what all cells carry counts). A vaccine broadens the repertoire, here at once instead of over
    weeks. A power above one says that a response holds better when several epitopes are seen at once.
    """
    seen = p.antigenicity * clonality * p.hla_breadth * (1.0 + p.vaccine_antigen)
    return hill(seen, p.antigenicity_half, p.antigenicity_power)


def mhc1_of_clone(mhc1: jax.Array, clone: CloneTraits, p: Params) -> jax.Array:
    """Return MHC-I of each clone in [0, 1]: basal without interferon signalling, induced with it, none without B2M."""
    return clone.mhc1 * (p.mhc1_basal + (1.0 - p.mhc1_basal) * mhc1 * clone.ifn)


def mhc2_of_clone(mhc1: jax.Array, clone: CloneTraits, p: Params) -> jax.Array:
    """Return MHC class II of each clone in [0, 1]: p.mhc2_inducible times interferon induction.

    CIITA follows IFN-gamma as MHC-I does but needs no B2M, so a clone without MHC-I can still be seen by CD4 T cells
    (Johnson 2016: melanomas with HLA-DR respond better to PD-1 blockade).
    """
    return p.mhc2_inducible * mhc1 * clone.ifn


def recognition(cells: Cells, clone: CloneTraits, p: Params) -> jax.Array:
    """Return the recognition of each clone by CD8 T cells in [0, 1]."""
    breadth = antigen_breadth(p, p.antigen_clonality)
    return breadth * p.antigen_processing * (1.0 - cells.silencing) * mhc1_of_clone(cells.mhc1, clone, p)


def mhc1_target(local: Local, p: Params) -> jax.Array:
    """Return the MHC-I induction that the environment drives towards, in [0, 1].

    IFN-gamma and type I IFN induce it, hypoxia lowers it (Sethumadhavan 2017), MAPK inhibition raises it (Boni 2010).
    """
    silenced = p.mapk_inhibition * jnp.minimum(p.mapk_output, 1.0)
    drive = p.ifng_response * local.ifng + local.type1_ifn + p.mapk_mhc1 * silenced
    return hill(drive, p.mhc1_ifng_half) / (1.0 + p.hypoxia_mhc1_loss * local.hypoxia)


def pdl1_target(local: Local, p: Params) -> jax.Array:
    """Return the PD-L1 level that the environment drives towards, in [0, 1]: constitutive plus IFN-gamma-induced."""
    drive = p.ifng_response * local.ifng + p.pdl1_type1_share * local.type1_ifn
    induced = p.pdl1_induction * hill(drive, p.pdl1_ifng_half)
    constitutive = p.pdl1_constitutive * (1.0 + p.pdl1_hypoxia * local.hypoxia)
    return 1.0 - (1.0 - jnp.clip(constitutive, 0.0, 0.95)) / (1.0 + induced)


def car_recognition(cells: Cells, clone: CloneTraits, p: Params) -> jax.Array:
    """Return recognition of each clone by CAR-T cells in [0, 1]: antigen density with a threshold, no MHC involved.

    Hill 2 in density: below a few thousand molecules a cell activation collapses (Walker 2017, Majzner 2020).
    Trogocytosis has left the fraction `car_antigen` of it (Hamieh 2019).
    """
    return hill(p.car_antigen_density * cells.car_antigen * clone.car_antigen, p.car_density_half, 2.0)
