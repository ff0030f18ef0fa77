"""Clinical facts and files of a patient, as the header of a report lists them."""

from __future__ import annotations

import math
from typing import Any

from tumornexus.report.values import get, scalar_text

_FACTS = (
    ("synthetic", "Synthetic patient", ""),
    ("patient", "Patient", ""),
    ("timepoint", "Time point", ""),
    ("treatment", "Treatment", ""),
    ("age_year", "Age", "years"),
    ("sex", "Sex", ""),
    ("tmb_per_mb", "Tumor mutational burden", "mutations/Mb"),
    ("msi_high", "MSI-high", ""),
    ("braf_v600", "BRAF V600", ""),
    ("pd_l1_percent", "PD-L1", "% of cells"),
    ("pd_l1_ic", "PD-L1 on immune cells", ""),
    ("stage", "Stage", ""),
    ("ecog", "ECOG", ""),
    ("ldh_uln_ratio", "LDH", "× upper limit of normal"),
    ("nlr", "Neutrophil-to-lymphocyte ratio", ""),
    ("albumin_g_dl", "Albumin", "g/dL"),
    ("lesion_sum_mm", "Sum of lesion diameters", "mm"),
    ("tumor_volume_ml", "Tumor volume", "mL"),
    ("weight_kg", "Weight", "kg"),
    ("steroids", "Steroids", ""),
    ("antibiotics_60d", "Antibiotics within 60 days", ""),
    ("ppi", "Proton-pump inhibitor", ""),
    ("liver_metastases", "Liver metastases", ""),
)


def _plain_number(value: Any) -> str:
    """Print a clinical fact, a measured number with three significant digits."""
    return (
        (f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}") if isinstance(value, float) else scalar_text(value)
    )


def patient_facts(patient: Any) -> tuple[tuple[str, str], ...]:
    """Clinical facts that the model or a reader uses, and which files were there; recorded outcomes stay out."""
    clinical = dict(get(patient, "clinical", {}))
    if get(patient, "patient"):
        clinical.setdefault("patient", patient.patient)
    out = []
    for key, label, unit in _FACTS:
        value = clinical.get(key)
        if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
            continue
        out.append((label, f"{_plain_number(value)} {unit}".strip()))
    for name, label, unit in (
        ("expression", "Expression", "genes"),
        ("mutations", "Mutations", "calls"),
        ("hla", "HLA types", "alleles"),
        ("copy_number", "Copy number", "segments or genes"),
    ):
        value = get(patient, name)
        out.append((label, "not measured" if value is None else f"{len(value):,} {unit}"))
    methylation = get(patient, "methylation")
    if methylation is not None:
        out.append(("Promoter methylation", f"{len(methylation):,} genes"))
    stool = get(patient, "microbiome")
    out.append(("Stool metagenome", "not measured" if stool is None else f"{len(stool.abundance):,} species"))
    cells, slide = get(patient, "single_cell"), get(patient, "slide")
    out.append(("Single cells", "not measured" if cells is None else f"{len(cells):,} cells"))
    out.append(("Slide with typed cells", "not measured" if slide is None else f"{len(slide.cell_type):,} cells"))
    return tuple(out)
