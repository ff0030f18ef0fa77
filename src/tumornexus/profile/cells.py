"""How single cells and slides of a patient enter the profile: as expression, as facts of biomarkers, as a phenotype.

What was measured for the purpose goes before what cells tell beside it: bulk RNA before a pseudobulk, a fact of the
clinical table before a share of cells, a pathologist's call before the slide's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from tumornexus.io.patient import Patient
from tumornexus.profile.single_cell import CellFact, cell_record, profile_single_cells, total_expression, treg_fact
from tumornexus.profile.slide import profile_slide, slide_facts, slide_phenotype, slide_record

CALLS = ("inflamed", "excluded", "desert")


class Call(NamedTuple):
    """An immune phenotype and who called it."""

    name: str
    by: str


def cell_facts(patient: Patient) -> dict[str, CellFact]:
    """Return the facts that cells of a patient tell, by the names that biomarkers ask for.

    A slide goes before single cells: dissociation loses some types more than others.
    """
    found = {} if patient.single_cell is None else treg_fact(patient.single_cell, "from single cells")
    return found if patient.slide is None else {**found, **slide_facts(patient.slide)}


def called_phenotype(patient: Patient) -> Call | None:
    """Return the immune phenotype that a pathologist called, else the one that the slide shows, else None."""
    stated = str(patient.clinical.get("immune_phenotype", "")).lower()
    if stated in CALLS:
        return Call(stated, "a pathologist")
    shown = slide_phenotype(patient.slide) if patient.slide is not None else None
    return None if shown is None else Call(shown, "the cells of the slide")


def with_pseudobulk(patient: Patient) -> tuple[Patient, list[str]]:
    """Return the patient with the total pseudobulk as expression where no bulk RNA was measured, and notes."""
    notes = []
    if patient.slide is not None:
        found = profile_slide(patient.slide)
        notes += [f"slide: {n}" for n in found.notes]
        stated = str(patient.clinical.get("immune_phenotype", "")).lower()
        if stated in CALLS and found.phenotype is not None and found.phenotype.name not in (stated, "undefined"):
            notes.append(f"the slide shows {found.phenotype.name} ({found.phenotype.reason}); a pathologist called the "
                         f"tumor {stated}, which counts")  # fmt: skip
    if patient.single_cell is None:
        return patient, notes
    cells = patient.single_cell
    notes += [f"single cells: {n}" for n in profile_single_cells(cells).notes]
    if patient.expression is not None:
        notes.append("expression is that of the bulk; the pseudobulk of the single cells was not scored")
        return patient, notes
    notes.append(f"expression is the pseudobulk of {len(cells)} single cells, in counts per million")
    return replace(patient, expression=total_expression(cells), expression_scale="counts"), notes


def cells_record(patient: Patient) -> dict[str, Any]:
    """Return what single cells and slide say, ready for JSON; empty for a patient without them."""
    found: dict[str, Any] = {}
    if patient.single_cell is not None:
        found["single_cell"] = cell_record(profile_single_cells(patient.single_cell))
    if patient.slide is not None:
        found["slide"] = slide_record(profile_slide(patient.slide))
    return found
