"""OAK and POPLAR as one cohort folder that the profile reads, and the markers taken from it. Used by `predictive`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from tumornexus.io import read_cohort
from tumornexus.knowledge import Knowledge
from tumornexus.profile import profile_cohort

COHORT = "oak_poplar_nsclc"
# Genomic target of the assay of both trials, Mb (doi:10.1038/s41591-022-01754-x); the burden is a count of variants.
ASSAY_MB = 1.1
BURDEN_CUT = 16.0  # variants; the population of the primary endpoint of BFAST cohort C (doi:10.1038/s41591-022-01933-w)
ENOUGH_DNA = 0.01  # highest allele fraction from which that assay counts burden (doi:10.1038/s41591-022-01754-x)
GENES = ("STK11", "KEAP1", "KRAS", "TP53", "EGFR")
# A synonymous variant changes no protein; of EGFR and KRAS only variants that the assay's report knows or deems likely.
ONCOGENES = ("KRAS", "EGFR")
COVARIATES = ("ecog_1", "squamous", "many_sites", "lesion_sum")


def profiled(folder: Path, knowledge: Knowledge) -> pd.DataFrame:
    """Activity of every mechanism that was measured, and the response score, one row a patient.

    The folder's own files are left alone. A copy of the clinical table states what its columns mean: burden per Mb from
    the count in blood, and that all had had chemotherapy (the trials took patients after platinum).
    """
    clinical = pd.read_csv(folder / "clinical.tsv", sep="\t", dtype=str, keep_default_na=False)
    burden = pd.to_numeric(clinical["blood_TMB"]) / ASSAY_MB
    stated = clinical.assign(
        tmb_per_mb=burden.map(lambda v: "" if np.isnan(v) else f"{v:.4f}"), prior_systemic_therapy="yes"
    )
    with tempfile.TemporaryDirectory() as place:
        there = Path(place)
        stated.to_csv(there / "clinical.tsv", sep="\t", index=False)
        name = "mutations_ctdna.tsv.gz"
        (there / name).write_bytes((folder / name).read_bytes())
        (there / "cohort.toml").write_text(f'mutations = "{name}"\nmutation_assay = "ctdna"\n', encoding="utf-8")
        profiles = profile_cohort(read_cohort(there, knowledge), knowledge)
    rows = []
    for p in profiles:
        measured = {n: a.mean for n, a in p.activities.by_mechanism.items() if a.origin == "measured"}
        known = "log2_tmb" in p.icb.features
        rows.append({
            "sample": p.sample, **{f"mechanism:{n}": v for n, v in measured.items()},
            "icb_response_score": p.icb.score, "score_with_burden": p.icb.score if known else np.nan,
        })  # fmt: skip
    return pd.DataFrame(rows)


def variants(folder: Path) -> pd.DataFrame:
    """1 or 0 for a protein-changing variant of each gene in plasma; a row for each sequenced patient."""
    table = pd.read_csv(folder / "mutations_ctdna.tsv.gz", sep="\t", dtype={"sample": str})
    changed = table[table["consequence"] != "synonymous"]
    found = pd.DataFrame(index=pd.Index(table["sample"].unique(), name="sample"))
    for gene in GENES:
        own = changed[changed["gene"] == gene]
        if gene in ONCOGENES:
            own = own[own["status"].isin(["known", "likely"])]
        found[f"{gene}_plasma"] = found.index.isin(own["sample"]).astype(float)
    found["stk11_or_keap1_plasma"] = found[["STK11_plasma", "KEAP1_plasma"]].max(axis=1)
    return found.reset_index()


def patients(folder: Path, knowledge: Knowledge) -> pd.DataFrame:
    """One row a randomized patient: arm, trial, outcomes, markers as measured, mechanisms, covariates."""
    clinical = pd.read_csv(folder / "clinical.tsv", sep="\t", dtype={"sample": str})
    table = clinical.merge(variants(folder), on="sample", how="left").merge(profiled(folder, knowledge), on="sample")
    best = table["response"]
    yes_no = {"TC3 or IC3": 1.0, "TC0/1/2 and IC0/1/2": 0.0}
    any_no = {"TC1/2/3 or IC1/2/3": 1.0, "TC0 and IC0": 0.0}
    return table.assign(
        treated=(table["treatment"] == "atezolizumab").astype(float),
        best=best,
        # Not evaluable counts as no response, as in the trials' analysis by intention to treat.
        response=best.isin(["CR", "PR"]).astype(float),
        burden=np.log2(1.0 + table["blood_TMB"]),
        burden_high=(table["blood_TMB"] >= BURDEN_CUT).astype(float).where(table["blood_TMB"].notna()),
        shed=np.log2(0.001 + table["MSAF"]),
        pd_l1_high=table["PDL1_TC3IC3"].map(yes_no),
        pd_l1_any=table["PDL1_TC1IC1"].map(any_no),
        lesion_sum=np.log2(table["SLD_baseline_mm"]),
        ecog_1=(table["ECOG"] == 1).astype(float),
        squamous=(table["histology"] == "SQUAMOUS").astype(float),
        many_sites=(table["n_met_sites"] >= 3).astype(float),
        never_smoked=(table["smoking"] == "NEVER").astype(float),
        egfr_tissue=table["EGFR"].map({"NEGATIVE": 0.0, "POSITIVE": 1.0, "T790M": 1.0}),
        # First end of the PFS clock: a death on the very day of "progression" came without a progression seen before.
        end=np.where(
            table["PFS_event"] == 0,
            0,
            np.where((table["OS_event"] == 1) & (table["OS_days"] <= table["PFS_days"]), 2, 1),
        ),
    )  # fmt: skip


MARKERS = {
    "burden": "blood TMB, log2(1 + count)",
    "burden_high": "blood TMB ≥ 16",
    "shed": "ctDNA burden, log2 of highest allele fraction",
    "STK11_plasma": "STK11 variant",
    "KEAP1_plasma": "KEAP1 variant",
    "stk11_or_keap1_plasma": "STK11 or KEAP1 variant",
    "KRAS_plasma": "KRAS driver variant",
    "TP53_plasma": "TP53 variant",
    "EGFR_plasma": "EGFR driver variant (plasma)",
    "egfr_tissue": "EGFR mutation (tissue record)",
    "pd_l1_any": "PD-L1 TC or IC ≥ 1 % (OAK)",
    "pd_l1_high": "PD-L1 TC ≥ 50 % or IC ≥ 10 % (OAK)",
    "lesion_sum": "lesion sum, log2 mm",
    "squamous": "squamous histology",
    "never_smoked": "never smoked",
    "score_with_burden": "icb_response_score (burden known)",
}


def markers_of(table: pd.DataFrame) -> dict[str, str]:
    """Column and name of every marker: those measured, and each mechanism that differs between patients."""
    mechanisms = [c for c in table.columns if c.startswith("mechanism:")]
    varying = [c for c in mechanisms if table[c].nunique() > 1]
    return MARKERS | {c: f"mechanism {c.removeprefix('mechanism:')}" for c in varying}
