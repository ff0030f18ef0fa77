"""Fit the small model of response to PD-1 blockade and write its coefficients with their provenance.

    python scripts/build_response_model.py DATA_FOLDER [--out src/tumornexus/profile/data/response_model.json]

DATA_FOLDER holds one cohort folder each. What ships are coefficients; no value of a patient and no name of a cohort
enters a score.

1. Panel: patients with clinical facts and mutational burden, without expression. Logistic regression by maximum a
   posteriori: an intercept for each tumor type around the response rate of trials of one PD-1 or PD-L1 antibody
   (standard deviation of those trials; 15 % and wide where there is none), an intercept for each source cohort around
   zero (STUDY_SD), slopes around zero (PRIOR_SD), the drug combination as a covariate that is not kept.
   Missing facts are set to the mean.
2. Expression cohorts: logistic regression with a free intercept for each cohort; the slopes start from those of the
   panel with their covariance plus HETEROGENEITY_SD^2 (a slope differs between studies), the inflamed score around zero
   (PRIOR_SD). Cohorts weigh by the square root of their size, so that one large panel-sequenced cohort does not decide
   alone.
3. Base rates: those of trials of one PD-1 or PD-L1 antibody, because the panel mixes combinations, lines and
   definitions of response; the panel's where no trial is known.

The three standard deviations are assumed and were not tuned. Of the forms of burden tried on the training part of the
panel (Chowell_train, cross-validated AUC, mean of ten times five folds) the plain logarithm did worst (0.696); an
offset of 10 per Mb (0.708, or 0.705 relative to the tumor type) came near burden itself limited to 50 (0.711).
``verification/cohorts.py`` fits by the same functions with whole cohorts left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tumornexus.io import Patient, read_cohort
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.profile.measure import score_sample
from tumornexus.profile.reference import Reference, load_reference
from tumornexus.profile.response import (
    TRANSFORMS,
    ResponseModel,
    pack_model,
    response_base_rates,
    response_features,
    unknown_base,
)

EXPRESSION_COHORTS = (
    "gide2019_pd1", "riaz2017", "vanallen2015", "hugo2016", "imvigor210", "jung2019_nsclc", "snyder2017",
    "miao2018_rcc", "nathanson2017",
)  # fmt: skip
PANEL = "loris_clinical_panel"
PANEL_FEATURES = ("log2_tmb", "log2_nlr", "albumin", "age", "prior_therapy", "msi_high")
PRIOR_SD = 0.5  # log odds per unit of a feature
STUDY_SD = 0.35  # log odds between studies of one tumor type; trials of the catalogue spread by 0.25 and more
HETEROGENEITY_SD = 0.15  # of a slope between studies
# Cancer types of the panel that are a tumor type of the catalogue; the others keep their own name and do not ship.
PANEL_TUMORS = {
    "Bladder": "urothelial", "Gastric": "gastric", "Head & Neck": "hnscc", "Melanoma": "melanoma", "NSCLC": "nsclc",
    "Pancreatic": "pdac", "Renal": "rcc", "CNS": "gbm",
}  # fmt: skip
OTHER_TMB_MEDIAN = 4.0  # per Mb, where the catalogue has no such type; moves only that type's intercept


class Rows(NamedTuple):
    """Patients ready for a fit: features (patient, feature) with NaN, response, cohort, tumor type, combination."""

    x: np.ndarray
    y: np.ndarray
    cohort: np.ndarray
    tumor: np.ndarray
    combination: np.ndarray


def panel_rows(path: Path, knowledge: Knowledge) -> Rows:
    """Read the panel of clinical facts: patients treated with a checkpoint inhibitor whose response is known."""
    table = pd.read_csv(path / "clinical.tsv.gz", sep="\t", dtype=str)
    table = table[table["response_binary"].isin(["R", "NR"])]
    number = pd.DataFrame({
        name: pd.to_numeric(table[column], errors="coerce")
        for name, column in (
            ("tmb_per_mb", "TMB"), ("nlr", "NLR"), ("albumin_g_dl", "Albumin"), ("age_year", "Age"),
            ("prior_systemic_therapy", "Systemic_therapy_history"), ("msi_high", "MSI"), ("drug", "Drug"),
        )
    })  # fmt: skip
    x, tumors = [], []
    for i, word in enumerate(table["CancerType"]):
        facts: dict[str, object] = {k: float(v) for k, v in number.iloc[i].items() if np.isfinite(v)}
        for flag in ("prior_systemic_therapy", "msi_high"):
            if flag in facts:
                facts[flag] = bool(facts[flag])
        if word == "Colorectal":
            tumor = "crc_msi_h" if facts.pop("msi_high", False) else "crc_mss"
        else:
            tumor = PANEL_TUMORS.get(word, word)
        median = knowledge.tumors[tumor].tmb_median if tumor in knowledge.tumors else OTHER_TMB_MEDIAN
        found = response_features(float("nan"), facts, median)
        x.append([found.get(name, np.nan) for name in PANEL_FEATURES])
        tumors.append(tumor)
    return Rows(
        np.array(x), (table["response_binary"] == "R").to_numpy(dtype=float), table["cohort"].to_numpy(dtype=object),
        np.array(tumors, dtype=object), number["drug"].to_numpy() == 1.0,
    )  # fmt: skip


def expression_rows(cohorts: Mapping[str, Iterable[Patient]], reference: Reference, knowledge: Knowledge) -> Rows:
    """Patients of expression cohorts before treatment whose response is known, on a frozen reference."""
    x, y, cohort, tumors = [], [], [], []
    for name, patients in cohorts.items():
        for patient in patients:
            label, when = patient.clinical.get("response_binary"), patient.clinical.get("timepoint", "pre")
            if label not in ("R", "NR") or patient.expression is None or when != "pre":
                continue
            sample = score_sample(patient.expression, reference)
            found = response_features(
                float("nan") if sample is None else sample.inflamed,
                patient.clinical,
                knowledge.tumors[patient.tumor].tmb_median,
            )
            x.append([found.get(n, np.nan) for n in TRANSFORMS])
            y.append(label == "R")
            cohort.append(name)
            tumors.append(patient.tumor)
    no = np.zeros(len(y), dtype=bool)
    return Rows(
        np.array(x), np.array(y, dtype=float), np.array(cohort, dtype=object), np.array(tumors, dtype=object), no
    )


def map_logistic(
    design: np.ndarray, y: np.ndarray, mean: np.ndarray, precision: np.ndarray, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Logistic regression with a normal prior N(mean, precision^-1): mode (column,) and covariance (column, column)."""
    weight = np.ones(len(y)) if weight is None else weight
    b, hessian = mean.copy(), precision
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ b, -30, 30)))
        hessian = (design * (weight * p * (1.0 - p))[:, None]).T @ design + precision
        step = np.linalg.solve(hessian, design.T @ (weight * (y - p)) - precision @ (b - mean))
        b = b + step
        if float(np.abs(step).max()) < 1e-10:
            break
    return b, np.linalg.inv(hessian)


def _indicators(names: np.ndarray, levels: Sequence[str]) -> np.ndarray:
    return (names[:, None] == np.array(levels, dtype=object)).astype(float)


def fit_panel(rows: Rows, rates: Mapping[str, tuple[float, float]]) -> ResponseModel:
    """Step 1; intercepts are those of the panel's own tumor types."""
    center, sd = np.nanmean(rows.x, axis=0), np.nanstd(rows.x, axis=0)
    x = np.nan_to_num(rows.x - center)
    tumors, cohorts = sorted(set(rows.tumor)), sorted(set(rows.cohort))
    k, c = x.shape[1], len(cohorts)
    base = [rates.get(name) or unknown_base() for name in tumors]
    design = np.column_stack(
        [x, rows.combination.astype(float), _indicators(rows.tumor, tumors), _indicators(rows.cohort, cohorts)]
    )
    mean = np.concatenate([np.zeros(k + 1), [m for m, _ in base], np.zeros(c)])
    deviation = np.concatenate([np.full(k + 1, PRIOR_SD), [s for _, s in base], np.full(c, STUDY_SD)])
    b, covariance = map_logistic(design, rows.y, mean, np.diag(1.0 / deviation**2))
    intercepts = {
        name: (float(b[k + 1 + i]), float(np.sqrt(covariance[k + 1 + i, k + 1 + i]))) for i, name in enumerate(tumors)
    }
    return ResponseModel(PANEL_FEATURES, b[:k], covariance[:k, :k], center, sd, intercepts, STUDY_SD)


def with_trial_rates(model: ResponseModel, rates: Mapping[str, tuple[float, float]]) -> ResponseModel:
    """Step 3."""
    return replace(model, intercepts={**model.intercepts, **rates})


def fit_expression(rows: Rows, panel: ResponseModel, features: Sequence[str] = tuple(TRANSFORMS)) -> ResponseModel:
    """Step 2: slopes of all features; the intercepts of tumor types stay those of the panel."""
    names = [n for n in TRANSFORMS if n in features]
    columns = [list(TRANSFORMS).index(n) for n in names]
    at = {n: i for i, n in enumerate(panel.features)}
    center = np.array([panel.center[at[n]] if n in at else 0.0 for n in names])
    own = rows.x[:, columns]
    x = own - center
    for name in set(rows.cohort):
        # A fact that was not measured is set to the mean of its cohort, so that it moves nothing.
        here = rows.cohort == name
        known = np.isfinite(x[here]).any(axis=0)
        means = np.where(known, np.nanmean(np.where(known, x[here], 0.0), axis=0), 0.0)
        x[here] = np.where(np.isfinite(x[here]), x[here], means)
    k = len(names)
    sd = np.maximum(np.nanstd(own, axis=0), 0.5)
    mean, covariance = np.zeros(k), np.eye(k) * PRIOR_SD**2
    known = [j for j, n in enumerate(names) if n in at]
    source = [at[names[j]] for j in known]
    mean[known] = panel.coefficients[source]
    covariance[np.ix_(known, known)] = (
        panel.covariance[np.ix_(source, source)] + np.eye(len(known)) * HETEROGENEITY_SD**2
    )
    sd[known] = panel.sd[source]
    cohorts = sorted(set(rows.cohort))
    size = {name: int((rows.cohort == name).sum()) for name in cohorts}
    usual = float(np.median(list(size.values())))
    weight = np.array([np.sqrt(usual / size[name]) for name in rows.cohort])
    design = np.column_stack([x, _indicators(rows.cohort, cohorts)])
    precision = np.zeros((k + len(cohorts), k + len(cohorts)))
    precision[:k, :k] = np.linalg.inv(covariance)
    precision[k:, k:] = np.eye(len(cohorts)) * 0.05
    b, found = map_logistic(design, rows.y, np.concatenate([mean, np.zeros(len(cohorts))]), precision, weight)
    return replace(panel, features=tuple(names), coefficients=b[:k], covariance=found[:k, :k], center=center, sd=sd)


def main() -> int:
    """Fit on all cohorts and write the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of cohort folders")
    default = Path(__file__).resolve().parent.parent / "src" / "tumornexus" / "profile" / "data" / "response_model.json"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    knowledge, reference = load_knowledge(), load_reference()
    rates = response_base_rates(knowledge)
    panel_data = panel_rows(options.data / PANEL, knowledge)
    panel = fit_panel(panel_data, rates)
    cohorts = {name: read_cohort(options.data / name, knowledge) for name in EXPRESSION_COHORTS}
    data = expression_rows(cohorts, reference, knowledge)
    model = with_trial_rates(fit_expression(data, panel), rates)
    kept = {name: pair for name, pair in model.intercepts.items() if name in knowledge.tumors}
    provenance = {
        "script": "scripts/build_response_model.py",
        "panel": {"patients": len(panel_data.y), "responders": int(panel_data.y.sum()),
                  "source": "Chang et al. 2024, doi:10.1038/s43018-023-00694-7"},
        "expression": {"patients": len(data.y), "responders": int(data.y.sum()),
                       "cohorts": {n: int((data.cohort == n).sum()) for n in EXPRESSION_COHORTS}},
        "base_rates": "trials of one PD-1 or PD-L1 antibody marked for fitting; the panel where there is none",
        "assumed": {"prior_sd": PRIOR_SD, "study_sd": STUDY_SD, "heterogeneity_sd": HETEROGENEITY_SD},
        "knowledge_digest": knowledge.digest,
        "reference_digest": reference.digest,
        "content": "coefficients and covariance; no patient values",
    }  # fmt: skip
    model = replace(model, intercepts=kept, provenance=provenance)
    for j, name in enumerate(model.features):
        start = panel.coefficients[panel.features.index(name)] if name in panel.features else float("nan")
        print(
            f"  {name}: {model.coefficients[j]:+.2f} +- {np.sqrt(model.covariance[j, j]):.2f} per unit "
            f"(panel alone {start:+.2f}), center {model.center[j]:.2f}, sd {model.sd[j]:.2f}"
        )
    for name, (logit, sd) in sorted(kept.items()):
        print(f"  {name}: base {100 / (1 + np.exp(-logit)):.0f} % (log odds {logit:+.2f} +- {sd:.2f})")
    temporary = options.out.with_suffix(".partial")
    temporary.write_text(json.dumps(pack_model(model), indent=1) + "\n", encoding="utf-8")
    temporary.replace(options.out)
    print(f"{options.out.name}: {len(data.y)} patients with expression, {len(panel_data.y)} of the panel")
    return 0


if __name__ == "__main__":
    sys.exit(main())
