"""Inflamed, excluded or desert, from where the CD8 T cells are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from tumornexus.spatial.border import Border, border_distance, nest_share
from tumornexus.spatial.points import Array

# CD8 T cells per mm^2 in resected head and neck carcinoma (doi:10.1136/jitc-2024-009550, legend of figure 2 read):
# infiltrated above 100 in the tumor center (nests and stroma together), fully infiltrated above 82.8 in the nests (the
# median of 29 tumors), otherwise restricted to stroma; with 100 or less in the center, excluded above 200 in the
# invasive margin, otherwise desert. There is no consensus (Tiwari et al. 2023, doi:10.3389/fimmu.2023.1084887), and a
# count per mm^2 grows with the thickness of the section: thresholds belong to an assay, hence arguments.
TISSUE_PER_MM2 = 100.0
NEST_PER_MM2 = 82.8
MARGIN_PER_MM2 = 200.0
MARGIN_UM = 500.0  # width of the invasive margin; usual in digital pathology, from memory, not looked up
# Nests with less than this part of the density of the stroma beside them are excluded however many cells they hold: in
# a dense infiltrate a few percent of the T cells lie within one smoothing length of the border by chance alone.
# Assumed (0.1 to 0.35); moves 4 of the 15 compartmentalized tumors of Keren 2018 to excluded, no mixed one.
EXCLUSION_RATIO = 0.2


class Phenotype(NamedTuple):
    """The immune phenotype and the numbers that it rests on.

    Attributes:
        name: ``inflamed``, ``excluded`` or ``desert``; ``undefined`` where there is no nest of tumor cells.
        nest_per_mm2, margin_per_mm2, tissue_per_mm2: CD8 T cells per mm^2 in nests, stroma near nests, all tissue.
        inside: share of all CD8 T cells that lie in nests.
        reason: the comparison that decided, in words.
    """

    name: str
    nest_per_mm2: float
    margin_per_mm2: float
    tissue_per_mm2: float
    inside: float
    reason: str


def classify(
    xy: Array,
    is_tumor: Array,
    is_cd8: Array,
    *,
    border: Border | None = None,
    frame: tuple[Array, Array] | None = None,
    tissue_per_mm2: float = TISSUE_PER_MM2,
    nest_per_mm2: float = NEST_PER_MM2,
    margin_per_mm2: float = MARGIN_PER_MM2,
    margin_um: float = MARGIN_UM,
    exclusion_ratio: float = EXCLUSION_RATIO,
) -> Phenotype:
    """Return the immune phenotype of a tissue: inflamed, excluded or desert (Chen & Mellman 2017, Mariathasan 2018).

    Inflamed: more than `tissue_per_mm2` CD8 T cells per mm^2 of tissue, more than `nest_per_mm2` in nests, and there at
    least `exclusion_ratio` of the density in the stroma within `margin_um`. Excluded: enough in the tissue but not in
    the nests, or more than `margin_per_mm2` in that stroma. Desert: neither. Compartments as in `border_distance`; give
    `border` if it is known already, else `frame`.

    Raises:
        InputError: malformed coordinates or labels, as in `border_distance`.
    """
    is_cd8 = np.asarray(is_cd8, bool)
    border = border if border is not None else border_distance(xy, is_tumor, frame=frame)
    share = nest_share(border, is_cd8)
    margin = _margin_density(border, is_cd8, margin_um)
    numbers = (share.nest_per_mm2, margin, share.tissue_per_mm2, share.inside)
    if not border.image.any():
        return Phenotype("undefined", *numbers, "no nest of tumor cells")
    nest_words = f"{share.nest_per_mm2:.0f} CD8 T cells per mm2 in nests"
    if share.tissue_per_mm2 > tissue_per_mm2:
        if share.nest_per_mm2 < exclusion_ratio * margin:  # never true where there is no stroma: margin is NaN
            return Phenotype("excluded", *numbers, f"{nest_words}, {margin:.0f} per mm2 of stroma beside them")
        inflamed = share.nest_per_mm2 > nest_per_mm2
        sign = "above" if inflamed else "not above"
        reason = f"{nest_words}, {sign} {nest_per_mm2:g}, with {share.tissue_per_mm2:.0f} in all tissue"
        return Phenotype("inflamed" if inflamed else "excluded", *numbers, reason)
    if margin > margin_per_mm2:
        return Phenotype("excluded", *numbers, f"{nest_words}, but {margin:.0f} per mm2 of stroma beside them")
    return Phenotype(
        "desert", *numbers, f"{share.tissue_per_mm2:.0f} CD8 T cells per mm2, not above {tissue_per_mm2:g}"
    )


def _margin_density(border: Border, is_cd8: Array, margin_um: float) -> float:
    """Return cells per mm^2 in the stroma within a distance of nests; NaN where there is none."""
    if not border.image.any() or border.image.all():
        return float("nan")
    near = ndimage.distance_transform_edt(~border.image) * border.pixel_um <= margin_um
    area = float((border.tissue & ~border.image & near).sum()) * border.unit_mm2
    cells = int((is_cd8 & ~border.in_nest & (border.distance <= margin_um)).sum())
    return cells / area if area > 0 else float("nan")
