"""What can stand on a site of the tissue: the kinds of cells, their names, groups, colors and Cell Ontology terms.

Shared by the simulator, which stores kinds as small numbers, by the files that name them and by the pictures that color
them. The order of `KINDS` is that of the numbers on the lattice and is never changed, only extended: files and
checkpoints hold these numbers. Names and terms are those of ``knowledge/data/cells.toml``; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass

KINDS = (
    "empty", "cancer", "persister", "infected", "cd8_progenitor", "cd8_effector", "cd8_terminal", "cd4_helper", "treg",
    "nk", "gamma_delta", "b_cell", "car_t", "dendritic", "neutrophil", "mdsc", "tam_m1", "tam_m2", "caf_matrix",
    "caf_cytokine", "dead_antigen",
)  # fmt: skip
"""Kind of a site, by its number; 0 is a site without a cell."""

EMPTY = 0

NAMES: dict[str, str] = {
    "empty": "No cell",
    "cancer": "Cancer cell",
    "persister": "Drug-tolerant persister cell",
    "infected": "Cancer cell infected by oncolytic virus",
    "cd8_progenitor": "Progenitor exhausted CD8 T cell",
    "cd8_effector": "Effector CD8 T cell",
    "cd8_terminal": "Terminally exhausted CD8 T cell",
    "cd4_helper": "CD4 helper T cell",
    "treg": "Regulatory T cell",
    "nk": "Natural killer cell",
    "gamma_delta": "Gamma-delta T cell",
    "b_cell": "B cell",
    "car_t": "CAR-T cell",
    "dendritic": "Dendritic cell",
    "neutrophil": "Neutrophil",
    "mdsc": "Myeloid-derived suppressor cell",
    "tam_m1": "M1-like macrophage",
    "tam_m2": "M2-like macrophage",
    "caf_matrix": "Matrix-producing cancer-associated fibroblast",
    "caf_cytokine": "Cytokine-secreting cancer-associated fibroblast",
    "dead_antigen": "Dying cell",
}

ONTOLOGY: dict[str, str | None] = {
    "empty": None,
    "cancer": "CL:0001064",
    "persister": None,  # a reversible state of the cancer cell, no type of the ontology
    "infected": None,  # same
    "cd8_progenitor": None,  # the ontology has no term for this state
    "cd8_effector": "CL:0001050",
    "cd8_terminal": "CL:0011025",
    "cd4_helper": "CL:0000492",
    "treg": "CL:0000815",
    "nk": "CL:0000623",
    "gamma_delta": "CL:0000798",
    "b_cell": "CL:0000236",
    "car_t": None,  # engineered
    "dendritic": "CL:0000451",
    "neutrophil": "CL:0000775",
    "mdsc": "CL:0000889",
    "tam_m1": "CL:0000863",
    "tam_m2": "CL:0000890",
    "caf_matrix": "CL:0000186",
    "caf_cytokine": "CL:0000057",
    "dead_antigen": None,
}
"""Cell Ontology term, or the nearest one; None where the ontology has none for the state."""


@dataclass(frozen=True)
class Group:
    """Kinds that a picture shows in one color.

    Attributes:
        id: a word for tables.
        label: plural, for a legend.
        color: sRGB in hexadecimal.
        kinds: members, of `KINDS`.
    """

    id: str
    label: str
    color: str
    kinds: tuple[str, ...]


# Chosen by hill climbing from hand-picked hues so that under normal vision and under simulated protanopia, deuteranopia
# and tritanopia (Machado 2009, severity 1) every two colors, white included, differ by at least MIN_DIFFERENCE in
# CIELAB; the test computes it again. Cancer cells are the quiet ground, CD8 T cells the strongest blue.
GROUPS = (
    Group("cancer", "Cancer cells", "#ead5ac", ("cancer",)),
    Group("persister", "Persister cells", "#874a2b", ("persister",)),
    Group("infected", "Virus-infected cells", "#c758b2", ("infected",)),
    Group("cd8", "CD8 T cells", "#0d65e2", ("cd8_progenitor", "cd8_effector")),
    Group("cd8_exhausted", "Exhausted CD8 T cells", "#082f52", ("cd8_terminal",)),
    Group("car_t", "CAR-T cells", "#11d7f2", ("car_t",)),
    Group("cd4_helper", "CD4 helper T cells", "#1aa667", ("cd4_helper",)),
    Group("treg", "Regulatory T cells", "#7a36a0", ("treg",)),
    Group("innate", "NK and γδ T cells", "#a097fa", ("nk", "gamma_delta")),
    Group("b_cell", "B cells", "#92cbc3", ("b_cell",)),
    Group("dendritic", "Dendritic cells", "#f3be08", ("dendritic",)),
    Group("tam_m1", "M1-like macrophages", "#fc974a", ("tam_m1",)),
    Group("suppressor", "M2-like macrophages, MDSC, neutrophils", "#be5708", ("tam_m2", "mdsc", "neutrophil")),
    Group("fibroblast", "Fibroblasts", "#93828c", ("caf_matrix", "caf_cytokine")),
    Group("dying", "Dying cells", "#484042", ("dead_antigen",)),
)
MIN_DIFFERENCE = 20.0  # CIELAB (1976) units; 2.3 is just noticeable (from memory, not looked up)
VESSEL_COLOR = "#9b1b3f"  # the report's crimson; drawn as a ring, so that shape tells it apart too

GROUP_OF: dict[str, Group] = {kind: group for group in GROUPS for kind in group.kinds}
"""Kind to its group; an empty site has none."""
