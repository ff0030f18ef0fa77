"""What the cells of one section say: phenotype, mixing, depth, neighborhoods, resistant niches, shares of cells.

Takes a `Slide` (io) and the statistics of `tumornexus.spatial`; gives a `SlideProfile`, and hands its phenotype and
shares of cells to the biomarkers that ask for them.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.activities import named_generator
from tumornexus.errors import InputError
from tumornexus.io.slide import Slide, read_slide
from tumornexus.profile.cell_states import CD8, FIBROBLAST, is_of
from tumornexus.profile.estimate import Estimate, share, share_draws
from tumornexus.profile.single_cell import (
    KEY,
    CellFact,
    TypeShare,
    composition,
    composition_record,
    estimate_record,
    treg_fact,
    treg_of_cd4,
)
from tumornexus.spatial import (
    CONTACT_UM,
    Depth,
    Mixing,
    Niches,
    Phenotype,
    border_distance,
    classify,
    infiltration_depth,
    mixing_score,
    nearest_distance,
    neighborhood_enrichment,
    resistant_niches,
)

Array = np.ndarray
NEIGHBORS_UM = 30.0
PERMUTATIONS = 200
SMALL_MM2 = 1.0  # assumed: a field this small shows one place of a tumor, not the tumor
SUPPRESSORS = {"treg": {"treg"}, "mdsc": {"mdsc"}, "caf": FIBROBLAST}
FEWEST_CELLS = 100  # of a marker's denominator; 100 tumor cells are what a PD-L1 score needs (from memory, TPS scoring)
# Which cells a biomarker counts the positive ones among, and the name of its fact.
POSITIVE_OF = {
    "pd_l1": ("pd_l1_percent", "tumor", "tumor cells"),
    "hla_class_i": ("hla_class_i_percent", "tumor", "tumor cells"),
    "lag3": ("lag3_percent", "immune", "immune cells"),
    "vista": ("vista_percent", "immune", "immune cells"),
}


@dataclass(frozen=True)
class SlideProfile:
    """What one section says.

    Attributes:
        sample: id; cells: how many; per_mm2: over the field of view.
        composition: types with shares, most cells first.
        phenotype: as `tumornexus.spatial.classify` calls it; None where the types tell no CD8 T cells.
        mixing: score of Keren 2018 and its architecture; contacts by centers within 10 um.
        depth: of CD8 T cells in nests, um; nearest_um: median distance of a CD8 T cell to the nearest tumor cell.
        neighbors: z score of how often two types are neighbors within 30 um, by pair of names.
        niches: where suppressors enclose CD8 T cells; None without CD8 T cells or suppressors among the types.
        suppressors: which kinds of suppressor the slide tells; the niches know no others.
        positive: share of positive cells by fact, such as ``pd_l1_percent``.
        treg_of_cd4: Treg among Treg and other CD4 T cells; None where the types tell not both.
        notes: what limits the reading, in words.
        border_um: signed distance of each cell to the border of the nests, um (cell,), negative inside.
    """

    sample: str
    cells: int
    per_mm2: float
    composition: tuple[TypeShare, ...]
    phenotype: Phenotype | None
    mixing: Mixing
    depth: Depth
    nearest_um: float
    neighbors: Mapping[tuple[str, str], float]
    niches: Niches | None
    suppressors: tuple[str, ...]
    positive: Mapping[str, Estimate]
    treg_of_cd4: Estimate | None
    notes: tuple[str, ...]
    border_um: Array


_PROFILED: weakref.WeakKeyDictionary[Slide, SlideProfile] = weakref.WeakKeyDictionary()


def profile_slide(slide: Slide) -> SlideProfile:
    """Profile one section; shuffles are drawn from a stream of their own, so that equal slides give equal numbers."""
    if slide not in _PROFILED:
        _PROFILED[slide] = _profile(slide)
    return _PROFILED[slide]


def _where(slide: Slide, kinds: set[str]) -> Array:
    return np.isin(slide.cell_type, [n for n, r in slide.names.items() if is_of(r, kinds)])


def _profile(slide: Slide) -> SlideProfile:
    xy, tumor, immune = slide.xy, slide.group("tumor"), slide.group("immune")
    cd8 = _where(slide, CD8)
    tells_cd8 = any(is_of(r, CD8) for r in slide.names.values())
    frame = (slide.low, slide.high)
    border = border_distance(xy, tumor, frame=frame)
    notes = list(slide.notes)
    area = float(np.prod(slide.high - slide.low)) / 1e6
    if area < SMALL_MM2:
        notes.append(f"the field of view is {area:.2g} mm2; the thresholds of the phenotype were set on whole "
                     "sections, which a small field may not stand for")  # fmt: skip
    if not tells_cd8:
        notes.append("no type of the slide is CD8 T cells only: phenotype, depth and niches are not told")
    names = np.array([slide.names[n].name for n in slide.cell_type.tolist()])
    # Shuffles run over cells in the order of their places, so that the order of rows changes nothing.
    order = np.lexsort((xy[:, 1], xy[:, 0]))
    enrichment = neighborhood_enrichment(
        xy[order], names[order], NEIGHBORS_UM, PERMUTATIONS, named_generator(0, "slide", slide.sample, "neighbors")
    )
    told = tuple(k for k, kinds in SUPPRESSORS.items() if any(is_of(r, kinds) for r in slide.names.values()))
    suppressor = np.logical_or.reduce([_where(slide, SUPPRESSORS[k]) for k in told] or [np.zeros(len(slide), bool)])
    if "pd_l1" in slide.positive:
        told = ("pd_l1", *told)
        suppressor = suppressor | (slide.positive["pd_l1"] & ~cd8)
    niches = None
    if tells_cd8 and told:
        found = resistant_niches(
            xy[order], cd8[order], suppressor[order], named_generator(0, "slide", slide.sample, "niches"),
            strata=border.in_nest[order], n_permutations=PERMUTATIONS,
        )  # fmt: skip
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        niches = found._replace(enclosed=found.enclosed[back], niche=found.niche[back])
    nearest = nearest_distance(xy[cd8], xy[tumor])
    return SlideProfile(
        sample=slide.sample,
        cells=len(slide),
        per_mm2=slide.per_mm2,
        composition=composition(slide),
        phenotype=classify(xy, tumor, cd8, border=border) if tells_cd8 else None,
        mixing=mixing_score(xy, tumor, immune, CONTACT_UM, area_mm2=area),
        depth=infiltration_depth(border, cd8),
        nearest_um=float(np.median(nearest)) if len(nearest) else float("nan"),
        neighbors={
            (a, b): float(enrichment.z[i, j])
            for i, a in enumerate(enrichment.types)
            for j, b in enumerate(enrichment.types)
            if i <= j
        },
        niches=niches,
        suppressors=told,
        positive={
            fact: share(int((slide.positive[m] & slide.group(group)).sum()), int(slide.group(group).sum()))
            for m, (fact, group, _) in POSITIVE_OF.items()
            if m in slide.positive
        },
        treg_of_cd4=treg_of_cd4(slide),
        notes=tuple(notes),
        border_um=border.distance,
    )


def slide_facts(slide: Slide) -> dict[str, CellFact]:
    """Return the facts of a slide by the names that biomarkers ask for, each with its posterior in percent."""
    found = dict(treg_fact(slide, "from the slide"))
    profile = profile_slide(slide)
    for fact, _, words in POSITIVE_OF.values():
        estimate = profile.positive.get(fact)
        if estimate is not None and estimate.cells >= FEWEST_CELLS:
            positive = round(estimate.value * estimate.cells)
            note = f"from the slide: {positive} of {estimate.cells} {words}"
            found[fact] = CellFact(100 * estimate.value, 100 * share_draws(positive, estimate.cells), note)
    return found


def slide_phenotype(slide: Slide) -> str | None:
    """Return the immune phenotype that the slide shows; None where it has no CD8 type or no nest of tumor cells."""
    found = profile_slide(slide).phenotype
    return None if found is None or found.name == "undefined" else found.name


def slide_record(found: SlideProfile) -> dict[str, Any]:
    """Return everything read from a slide, ready for JSON."""

    def plain(values: Mapping[str, Any]) -> dict[str, Any]:
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}

    niches = found.niches
    return {
        "cells": found.cells,
        "cells_per_mm2": found.per_mm2,
        "composition": composition_record(found.composition),
        "phenotype": plain(found.phenotype._asdict()) if found.phenotype else None,
        "mixing": plain(found.mixing._asdict()),
        "cd8_depth_um": plain(found.depth._asdict()),
        "cd8_to_tumor_um": None if math.isnan(found.nearest_um) else found.nearest_um,
        "neighbors_z": {f"{a} | {b}": z for (a, b), z in found.neighbors.items() if math.isfinite(z)},
        "resistant_niches": None
        if niches is None
        else plain({"count": niches.count, "cd8_enclosed": int(niches.enclosed.sum()), "share": niches.share,
                    "expected": niches.expected, "p": niches.p, "suppressors": list(found.suppressors)}),
        "positive_percent": {k: estimate_record(v) for k, v in found.positive.items()},
        "treg_of_cd4": estimate_record(found.treg_of_cd4),
        "notes": list(found.notes),
    }  # fmt: skip


def score_slide(data: Any, *, copy: bool = True, **how: Any) -> Any:
    """Return the AnnData of one section with numbers of each cell in ``obsm["tumornexus"]``; all else untouched.

    Columns: ``border_um`` (signed distance to the border of the nests, negative inside), ``enclosed`` (1 for a CD8 T
    cell that suppressors enclose) and ``niche`` (its number, -1 for none). ``uns["tumornexus"]`` holds the record of
    the section as JSON. `how` are the keywords of `read_slide`. `copy`: leave the given object as it is.
    """
    from tumornexus import __version__
    from tumornexus.provenance import to_json

    slide = read_slide(data, **how)
    if len(slide) != data.n_obs:
        raise InputError("the object holds several samples", file="AnnData", field="sample", value=data.n_obs,
                         valid="the cells of one section: adata[adata.obs['sample'] == ...]")  # fmt: skip
    found = profile_slide(slide)
    none = np.full(len(slide), -1)
    columns = {
        "border_um": found.border_um,
        "enclosed": (none > 0 if found.niches is None else found.niches.enclosed).astype(float),
        "niche": (none if found.niches is None else found.niches.niche).astype(float),
    }
    given = data.copy() if copy else data
    given.obsm[KEY] = pd.DataFrame(columns, index=given.obs_names)
    given.uns[KEY] = {"tumornexus": __version__, "record": to_json(slide_record(found))}
    return given
