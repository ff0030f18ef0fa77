"""A slide of the forty images carried forward ten days by the tissue simulator, without treatment.

Each image starts a lattice of its own cells; what it does not show (clones, levels, blood) is that of one virtual
patient with triple-negative breast cancer, the same for all images, so that what differs between the results is the
arrangement. Lattices come in four sizes, because each size is compiled once.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from tumornexus.io.slide import Slide
from tumornexus.knowledge import load_knowledge
from tumornexus.systemic.treatment import untreated
from tumornexus.tissue.from_slide import place
from tumornexus.tissue.lattice import KIND, Geometry
from tumornexus.tissue.patient import VirtualPatient, virtual_patient
from tumornexus.tissue.simulate import prepare_tissue
from tumornexus.tissue.start import assemble, composition, scalars

DAYS = 10
STEPS_PER_DAY = 24
SIZES = (72, 88, 104, 128)  # sites per edge of an image; the fewest in which the densest part of it fits
NAME_OF = {  # name in the images of each kind of the model; the dying are not seen there
    "cancer": "Tumor", "persister": "Tumor", "infected": "Tumor", "cd8_progenitor": "CD8_T", "cd8_effector": "CD8_T",
    "cd8_terminal": "CD8_T", "cd4_helper": "CD4_T", "treg": "Treg", "nk": "NK", "gamma_delta": "CD3_T", "b_cell": "B",
    "car_t": "CD3_T", "dendritic": "DC", "neutrophil": "Neutrophil", "mdsc": "Mono_neutrophil", "tam_m1": "Macrophage",
    "tam_m2": "Macrophage", "caf_matrix": "Mesenchyme", "caf_cytokine": "Mesenchyme",
}  # fmt: skip


@cache
def patient() -> VirtualPatient:
    """Return the virtual patient in whom all images stand."""
    return virtual_patient("tnbc", load_knowledge(), seed=1)


def carried_forward(slide: Slide, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict]:
    """Return coordinates (um), names and the upper corner of the cells after `DAYS`, and facts about the run."""
    who = patient()
    kinds = slide.kinds(composition(who.state), rng=rng)
    edge = float((slide.high - slide.low).max())
    free = place(slide.x_um, slide.y_um, kinds.kind, kinds.vessel, low=slide.low, high=slide.high)
    size = next((n for n in SIZES if edge / n <= free.site_um * 1.001), SIZES[-1])
    site = edge / size
    put = place(
        slide.x_um, slide.y_um, kinds.kind, kinds.vessel, low=slide.low, high=slide.high, site_um=site,
        shape=(size, size),
    )  # fmt: skip
    geometry = Geometry((size, size), site)
    bare = scalars(who.values, who.names)
    start = assemble(put.kind, put.vessel if put.vessel.any() else None, who.state, bare, geometry, rng)
    knowledge = load_knowledge()
    simulation = prepare_tissue(
        who, untreated(knowledge, DAYS + 1), geometry, seed=int(rng.integers(2**31)), start=start
    )
    *_, (tissue, _) = simulation.run(DAYS * STEPS_PER_DAY, STEPS_PER_DAY)
    kind, vessel = np.asarray(tissue.sites.kind), np.asarray(tissue.sites.vessel) > 0
    names = np.full(kind.shape, "", dtype=object)
    for name, shown in NAME_OF.items():
        names[kind == KIND[name]] = shown
    cells, vessels = np.argwhere(names != ""), np.argwhere(vessel)
    at = np.concatenate([cells, vessels])[:, ::-1]
    xy = slide.low + (at + 0.5) * site
    called = np.concatenate([names[names != ""].astype(str), np.full(len(vessels), "Endothelial")])
    about = {"site_um": site, "cells_at_start": int((put.kind > 0).sum()), "cells_after": len(cells)}
    return xy, called, slide.low + np.array([size, size]) * site, about
