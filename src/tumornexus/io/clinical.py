"""Clinical facts with types and units, from the many names under which tables hold them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tumornexus.errors import InputError
from tumornexus.io.tables import MISSING, to_flag, to_number

# Coding exome that variant callers cover, in Mb. Sources divide their counts by 30 to 67 Mb; a count of nonsynonymous
# variants over one fixed size is comparable between them (38 Mb: coding target of common capture kits).
EXOME_MB = 38.0

# fact: (columns in order of preference, lowest and highest value that can be, unit)
NUMBERS: dict[str, tuple[tuple[str, ...], float, float, str]] = {
    # A burden that a panel's own report states comes before one that somebody divided out of its list of variants:
    # such a list may hold only known drivers.
    "tmb_reported_per_mb": (
        ("tmb_per_mb", "x_FMOne_mutation_burden_per_MB", "TMB_perMb"),
        0.0,
        5000.0,
        "mutations per Mb",
    ),
    "nonsynonymous_count": (("nonsynonymous_count", "nsTMB"), 0.0, 200000.0, "variants"),
    "neoantigens_per_mb": (("neoantigens_per_mb", "x_Neoantigen_burden_per_MB"), 0.0, 5000.0, "neoantigens per Mb"),
    "age_year": (("age_year", "age"), 0.0, 120.0, "years"),
    "weight_kg": (("weight_kg", "weight"), 2.0, 400.0, "kg"),
    "bsa_m2": (("bsa_m2",), 0.2, 4.0, "m2"),
    "gfr_ml_min": (("gfr_ml_min",), 1.0, 250.0, "mL/min"),
    "ldh_uln_ratio": (("ldh_uln_ratio", "LDH_ULN_ratio"), 0.0, 100.0, "times the upper limit of normal"),
    "nlr": (("nlr", "NLR", "x_Baseline_neutrophil_to_lymphocyte_ratio"), 0.0, 500.0, "ratio"),
    "albumin_g_dl": (("albumin_g_dl", "albumin", "Albumin"), 0.5, 8.0, "g/dL"),
    "crp_mg_l": (("crp_mg_l", "CRP"), 0.0, 1000.0, "mg/L"),
    "pd_l1_percent": (
        ("pd_l1_percent", "PDL1_percent", "pdl1_tps", "pd_l1_tps", "pd_l1_cps"),
        0.0,
        100.0,
        "percent of cells",
    ),
    "ecog": (("ecog", "ECOG", "x_Baseline_ECOG_Score"), 0.0, 5.0, "ECOG performance status"),
    "tcr_clonality": (("tcr_clonality",), 0.0, 1.0, "0 for equal clones, 1 for a single one"),
    "tcr_richness": (("tcr_richness",), 0.0, 1e9, "clonotypes"),
    "lesion_sum_mm": (("lesion_sum_mm",), 0.0, 3000.0, "mm"),
    "lesion_count": (("lesion_count",), 1.0, 100.0, "lesions"),
    "tumor_volume_ml": (("tumor_volume_ml",), 0.0, 20000.0, "mL"),
    "purity": (("purity", "tumor_purity"), 0.01, 1.0, "fraction of cells"),
    "line": (("line", "treatment_line"), 1.0, 20.0, "line of therapy"),
    "antibiotics_days_before": (("antibiotics_days_before",), 0.0, 3650.0, "days"),
    "microbiome_diversity": (("microbiome_diversity", "alpha_diversity", "shannon"), 0.0, 20.0, "Shannon index"),
    "car_antigen_percent": (("car_antigen_percent",), 0.0, 100.0, "percent of cells"),
    "cd8_ki67_fold": (("cd8_ki67_fold",), 0.0, 100.0, "fold of the Ki-67+ share of PD-1+ CD8 T cells before treatment"),
    "lymphocytes_per_nl": (("lymphocytes_per_nl", "absolute_lymphocyte_count"), 0.0, 500.0, "1e9 per liter"),
    "fiber_g_day": (("fiber_g_day",), 0.0, 200.0, "grams per day"),
    "car_t_peak_per_ul": (("car_t_peak_per_ul",), 0.0, 100000.0, "CAR-T cells per microliter of blood"),
    "OS_days": (("OS_days",), 0.0, 20000.0, "days"),
    "PFS_days": (("PFS_days",), 0.0, 20000.0, "days"),
}
FLAGS: dict[str, tuple[str, ...]] = {
    "msi_high": ("msi_high", "MSI", "msi", "msi_status", "MSI_status"),
    "pd_l1_positive": ("pd_l1_positive", "x_pdl1_positive_1percent"),
    "liver_metastases": ("liver_metastases", "x_Liver_Mets"),
    "brain_metastases": ("brain_metastases",),
    "antibiotics_60d": ("antibiotics_60d", "antibiotics", "x_ATB"),  # x_ATB: two months (from memory)
    "ppi": ("ppi", "PPI"),
    "steroids": ("steroids", "corticosteroids"),
    "braf_v600": ("braf_v600",),
    "prior_systemic_therapy": ("prior_systemic_therapy", "Systemic_therapy_history"),
    "prior_anti_pd1": ("prior_anti_pd1",),
    "prior_anti_ctla4": ("prior_anti_ctla4",),
    "hla_loh": ("hla_loh",),
    "tumor_bacteria": ("tumor_bacteria",),
    "car_target_on_normal_tissue": ("car_target_on_normal_tissue",),
}
TEXTS: dict[str, tuple[str, ...]] = {
    "sex": ("sex",),
    "stage": ("stage", "x_M"),
    "treatment": ("treatment",),
    "timepoint": ("timepoint",),
    "regimen": ("regimen",),
    "treatment_start": ("treatment_start",),
    "response": ("response",),
    "response_binary": ("response_binary",),
    "immune_phenotype": ("immune_phenotype", "x_Immune_phenotype"),
    "pd_l1_ic": ("pd_l1_ic", "x_PD_L1", "x_IC_Level"),
    "smoking": ("smoking", "x_Smoking", "x_Tobacco_Use_History"),
}
# Chen and Mellman 2017: what a pathologist calls a tumor by where its CD8 cells are.
IMMUNE_PHENOTYPES = ("inflamed", "excluded", "desert")
FACTS = tuple(sorted({*NUMBERS, *FLAGS, *TEXTS, "tmb_per_mb", "ldh_elevated"}))
_LDH_WITH_LIMIT = re.compile(r"LDH_normal_(\d+)$")
RESERVED = frozenset({"sample", "patient", "cancer_type", "cohort"})


def typed_facts(row: Mapping[str, object], path: Path) -> tuple[dict[str, object], list[str]]:
    """Turn one row of a clinical table (or the facts of a patient file) into typed facts and notes.

    Numbers out of the range that their unit allows and text where a number belongs raise `InputError`. Facts that are
    not known are left out, so that a missing value is never a zero.
    """
    facts: dict[str, object] = {}
    notes: list[str] = []
    used: set[str] = set()
    for fact, (columns, low, high, unit) in NUMBERS.items():
        for column in columns:
            if column not in row:
                continue
            used.add(column)
            number = to_number(row[column], path, column, f"a number from {low:g} to {high:g} ({unit})")  # type: ignore[arg-type]
            if number is None or fact in facts:
                continue
            if not low <= number <= high:
                raise InputError(
                    "a value outside what is possible",
                    file=path,
                    field=column,
                    value=number,
                    valid=f"{low:g} to {high:g} ({unit})",
                )
            facts[fact] = number
    for fact, columns in FLAGS.items():
        for column in columns:
            if column in row:
                used.add(column)
                flag = to_flag(row[column], path, column)  # type: ignore[arg-type]
                if flag is not None and fact not in facts:
                    facts[fact] = flag
    for fact, columns in TEXTS.items():
        for column in columns:
            value = row.get(column)
            if value is not None and str(value).strip().lower() not in MISSING and fact not in facts:
                facts[fact] = str(value).strip()
                used.add(column)
                if fact == "immune_phenotype" and facts[fact].lower() not in IMMUNE_PHENOTYPES:
                    raise InputError(
                        "unknown immune phenotype", file=path, field=column, value=facts[fact],
                        valid=", ".join(IMMUNE_PHENOTYPES) + ", or empty",
                    )  # fmt: skip
    for column, value in row.items():
        match = _LDH_WITH_LIMIT.search(column)
        if match and "ldh_uln_ratio" not in facts:
            number = to_number(value, path, column, "LDH in U/L")  # type: ignore[arg-type]
            if number is not None:
                facts["ldh_uln_ratio"] = number / float(match[1])
    # A lone 0/1 LDH column says above or below the limit of normal, not how far.
    for column in ("ldh_elevated", "x_LDH"):
        if (
            column in row
            and "ldh_elevated" not in facts
            and str(row[column]) in {"0", "1", "0.0", "1.0", "true", "false", "True", "False"}
        ):
            facts["ldh_elevated"] = to_flag(row[column], path, column)  # type: ignore[arg-type]
            used.add(column)
    burden, note = tumor_mutational_burden(
        facts.pop("tmb_reported_per_mb", None),
        facts.get("nonsynonymous_count"),  # type: ignore[arg-type]
    )
    if burden is not None:
        facts["tmb_per_mb"] = burden
    if note:
        notes.append(note)
    for column, value in row.items():
        if column in used or column in RESERVED or column in facts or column in {"tmb_per_mb", "TMB_perMb", "nsTMB"}:
            continue
        if value is not None and str(value).strip().lower() not in MISSING:
            facts[column] = value
    return facts, notes


def tumor_mutational_burden(reported: float | None, count: float | None) -> tuple[float | None, str | None]:
    """Harmonize mutational burden to nonsynonymous mutations per Mb of coding exome, for one sample by itself.

    Rule: exactly zero means not measured (no adult solid tumor has none; sources fill gaps with 0). A nonsynonymous
        count is divided by 38 Mb and used where it agrees with the reported burden within a factor of three, because
        sources divide by capture sizes from 30 to 67 Mb; where it disagrees the count comes from a panel or another
        definition and the reported burden is used. A count without a reported burden is used when it is that of an
        exome.
    """
    zero = (reported == 0.0) or (count == 0.0)
    reported = reported or None
    count = count or None
    from_count = count / EXOME_MB if count is not None else None
    if from_count is not None and (reported is None or 1 / 3 <= from_count / reported <= 3):
        return from_count, None
    if reported is not None:
        return reported, None
    return None, "a mutational burden of exactly zero was read as not measured" if zero else None
