"""Statistics of cells in space, the same for a patient's slide and for a simulated lattice.

Input everywhere: coordinates in um, shape (cell, axis) with two or three axes, and a boolean or a label per cell.
`site_centers` turns a lattice into such coordinates. Two rules hold for every function:

* malformed input (coordinates that are not finite, wrong shapes, a radius that is not positive) raises `InputError`;
* a statistic of a group that has no cells is NaN, never an error and never zero: a simulated tissue may lose its last
  T cell at any step, and "no CD8 T cells" is not "a depth of 0 um".
"""

from tumornexus.spatial.border import Border, Depth, Share, border_distance, infiltration_depth, nest_share
from tumornexus.spatial.contacts import (
    COLD_IMMUNE_CELLS,
    COMPARTMENTALIZED_BELOW,
    CONTACT_UM,
    Enrichment,
    Mixing,
    cross_k,
    mixing_score,
    nearest_distance,
    neighborhood_enrichment,
)
from tumornexus.spatial.lattice import HYPOXIC_MMHG, clone_diversity, hypoxic_fraction
from tumornexus.spatial.niches import NICHE_UM, Niches, resistant_niches
from tumornexus.spatial.phenotype import Phenotype, classify
from tumornexus.spatial.points import coordinates, pairs_within, site_centers

__all__ = [
    "COLD_IMMUNE_CELLS", "COMPARTMENTALIZED_BELOW", "CONTACT_UM", "HYPOXIC_MMHG", "NICHE_UM", "Border", "Depth",
    "Enrichment", "Mixing", "Niches", "Phenotype", "Share", "border_distance", "classify", "clone_diversity",
    "coordinates", "cross_k", "hypoxic_fraction", "infiltration_depth", "mixing_score", "nearest_distance",
    "neighborhood_enrichment", "nest_share", "pairs_within", "resistant_niches", "site_centers",
]  # fmt: skip
