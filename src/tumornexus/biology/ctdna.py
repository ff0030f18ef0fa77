"""Tumor DNA in plasma, from cells that die."""

from __future__ import annotations

import math

import jax

from tumornexus.biology.params import Params


def plasma_copies(dying: jax.Array, p: Params) -> jax.Array:
    """Return tumor DNA in plasma, in haploid genome equivalents per mL, from `dying` cells in Mcell per day.

    copies = ctdna_shedding * dying * 1e6 / (k * plasma_volume), k = ln 2 / ctdna_half_life: what dying cells shed is
    cleared within hours, so that it is in balance with their death (Avanzini 2020). A clonal heterozygous mutation of a
    diploid cell has half as many mutant copies.
    """
    clearance = math.log(2.0) / p.ctdna_half_life
    return p.ctdna_shedding * dying * 1e6 / (clearance * p.plasma_volume)
