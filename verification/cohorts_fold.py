"""One cohort left out: reference rebuilt, model fitted on the others, the cohort scored. Used by `cohorts`."""

from __future__ import annotations

import contextlib
import io
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from build_reference import biomarker_references, gene_statistics
from build_response_model import (
    OTHER_TMB_MEDIAN,
    PANEL_FEATURES,
    Rows,
    expression_rows,
    fit_expression,
    fit_panel,
    map_logistic,
    with_trial_rates,
)

from tumornexus.cohort import pooled_auc, score_cohort
from tumornexus.io import Cohort, Patient
from tumornexus.io.datasets import local_folder
from tumornexus.knowledge import Knowledge
from tumornexus.profile.profile import profile_patient
from tumornexus.profile.reference import Reference
from tumornexus.profile.response import CTLA4_AGENTS, HIGH_TMB, PD1_AGENTS, TRANSFORMS, icb_score, response_base_rates

# Jung et al. and the Shim cohort of the panel come from one hospital and disease: the same patients may be in both.
MAY_SHARE_PATIENTS = {"jung2019_nsclc": ("Shim_NSCLC",)}
OURS, PLAIN, BOTH = "tumornexus", "inflamed_tmb", "gep_tmb"
# Precision of a mechanism's coefficient; chosen within the training cohorts.
FORMS = ("log2", "linear")  # of burden, beside the one that ships: how much hangs on that choice
RIDGES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


def with_burden_form(rows: Rows, form: str, column: int, knowledge: Knowledge) -> Rows:
    """The same patients with another form of burden: `log2` over the type's median, or `linear` up to 50 per Mb."""
    medians = [knowledge.tumors[t].tmb_median if t in knowledge.tumors else OTHER_TMB_MEDIAN for t in rows.tumor]
    median = np.array(medians)
    burden = np.maximum(2.0 ** rows.x[:, column] * (median + HIGH_TMB) - HIGH_TMB, 0.1)
    x = rows.x.copy()
    plain = np.clip(np.log2(burden / median), -2.5, 2.5)
    x[:, column] = plain if form == "log2" else (np.minimum(burden, 50.0) - median) / 10.0
    return rows._replace(x=x)


class Fold(NamedTuple):
    """One cohort left out: its table of scores and activities, and which penalty the training cohorts chose."""

    table: pd.DataFrame
    ridge: float


def data_folder() -> Path | None:
    """Return the folder of cohorts, or None."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return local_folder() or (beside if beside.is_dir() else None)


def eligible(patient: Patient) -> bool:
    """Measured before treatment, with a known response."""
    return (
        patient.expression is not None
        and patient.clinical.get("timepoint", "pre") == "pre"
        and patient.clinical.get("response_binary") in ("R", "NR")
    )


def reference_without(name: str, measured: Mapping[str, list[Patient]], knowledge: Knowledge) -> Reference:
    """Rebuild the frozen reference without one cohort."""
    others = {n: ps for n, ps in measured.items() if n != name}
    with contextlib.redirect_stdout(io.StringIO()):
        return biomarker_references(others, gene_statistics(others, knowledge), knowledge)


def treatment_class(patient: Patient) -> str:
    """PD-1, CTLA-4 or both, from the words before a comma or "after", which lead to earlier treatment."""
    words = re.split(r",|\bafter\b", str(patient.clinical.get("treatment", "")).lower())[0]
    ctla4 = any(a in words for a in (*CTLA4_AGENTS, "ctla"))
    pd1 = any(a in words for a in (*PD1_AGENTS, "pd-1", "pd-l1", "pd-(l)1"))
    return "PD-1 + CTLA-4" if ctla4 and pd1 else "CTLA-4" if ctla4 else "PD-1"


def ctla4_shift(knowledge: Knowledge) -> tuple[float, float]:
    """Log odds of response to CTLA-4 blockade alone over PD-1 blockade alone, from trials of the catalogue."""
    ours, theirs = response_base_rates(knowledge), response_base_rates(knowledge, CTLA4_AGENTS)
    shared = sorted(set(ours) & set(theirs))
    if not shared:
        return 0.0, 1.0
    shifts = [theirs[t][0] - ours[t][0] for t in shared]
    return float(np.mean(shifts)), float(np.mean([math.hypot(theirs[t][1], ours[t][1]) for t in shared]))


def mechanism_table(patients: list[Patient], reference: Reference, knowledge: Knowledge) -> pd.DataFrame:
    """Activities of all mechanisms, NaN where not measured; one row a patient, in order."""
    rows = []
    for patient in patients:
        activities = profile_patient(patient, knowledge, reference).activities.by_mechanism
        rows.append({n: a.mean if a.origin == "measured" else np.nan for n, a in activities.items()})
    return pd.DataFrame(rows)


def standardized(table: pd.DataFrame, like: pd.DataFrame) -> np.ndarray:
    """Activities in standard deviations of the training patients; missing ones at their mean."""
    mean, sd = like.mean(), like.std().clip(lower=1e-6)
    return np.nan_to_num(((table - mean) / sd).to_numpy(dtype=float), nan=0.0)


def fit_mechanisms(offset: np.ndarray, z: np.ndarray, y: np.ndarray, cohort: np.ndarray, ridge: float) -> np.ndarray:
    """Coefficients of the mechanisms beside a fixed score, with a free intercept for each cohort."""
    names = sorted(set(cohort))
    own = (cohort[:, None] == np.array(names, dtype=object)).astype(float)
    design = np.column_stack([z, offset, own])
    k = z.shape[1]
    mean = np.concatenate([np.zeros(k), [1.0], np.zeros(len(names))])
    precision = np.diag(np.concatenate([np.full(k, ridge), [100.0], np.full(len(names), 0.05)]))
    return map_logistic(design, y, mean, precision)[0][:k]


def mechanism_increment(
    train: pd.DataFrame, test: pd.DataFrame, columns: list[str], rows: Rows, plain: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, float]:
    """Score of the test cohort by inflamed + TMB plus a ridge on mechanisms, the penalty chosen by leaving out training
    cohorts in turn."""
    offset, offset_test = plain
    best, chosen = -1.0, RIDGES[-1]
    for ridge in RIDGES:
        inner = np.full(len(rows.y), np.nan)
        for name in set(rows.cohort):
            here = rows.cohort == name
            like = train.loc[~here, columns]
            b = fit_mechanisms(offset[~here], standardized(like, like), rows.y[~here], rows.cohort[~here], ridge)
            inner[here] = offset[here] + standardized(train.loc[here, columns], like) @ b
        found = pooled_auc(inner, rows.y, rows.cohort).estimate
        if found > best + 1e-9:
            best, chosen = found, ridge
    like = train[columns]
    b = fit_mechanisms(offset, standardized(like, like), rows.y, rows.cohort, chosen)
    return offset_test + standardized(test[columns], like) @ b, chosen


def linear_score(rows: Rows, model: Any) -> np.ndarray:
    """Log odds without the intercept, missing features at the center."""
    columns = [list(TRANSFORMS).index(n) for n in model.features]
    return np.nan_to_num(rows.x[:, columns] - model.center) @ model.coefficients


def leave_out(
    name: str, cohorts: Mapping[str, Cohort], measured: Mapping[str, list[Patient]], panel: Rows, knowledge: Knowledge,
    tide: pd.Series | None,
) -> Fold:  # fmt: skip
    """Everything about one cohort, with nothing learned from it."""
    reference = reference_without(name, measured, knowledge)
    rates, shift = response_base_rates(knowledge), ctla4_shift(knowledge)
    patients = {n: [p for p in c if eligible(p)] for n, c in cohorts.items()}
    others = {n: ps for n, ps in patients.items() if n != name}
    train = expression_rows(others, reference, knowledge)
    test = expression_rows({name: patients[name]}, reference, knowledge)
    kept = ~np.isin(panel.cohort, MAY_SHARE_PATIENTS.get(name, ()))
    start = fit_panel(Rows(*(v[kept] for v in panel)), rates)
    model = with_trial_rates(fit_expression(train, start), rates)
    plain = fit_expression(train, start, ("inflamed", "log2_tmb"))
    names = list(TRANSFORMS)
    records = []
    for i, patient in enumerate(patients[name]):
        given = treatment_class(patient)
        found = {n: float(v) for n, v in zip(names, test.x[i], strict=True) if np.isfinite(v)}
        icb = icb_score(found, patient.tumor, rates, model, shift if given == "CTLA-4" else (0.0, 0.0))
        facts = patient.clinical
        records.append(
            {
                "sample": patient.sample, "cohort": name, "cancer_type": patient.tumor, "treatment_class": given,
                "response": test.y[i], "predicted": icb.score, "low": icb.low, "high": icb.high,
                **{k: facts.get(k) for k in ("PFS_days", "PFS_event", "OS_days", "OS_event")},
                "tmb_known": "log2_tmb" in found,
            }
        )  # fmt: skip
    table = pd.DataFrame(records).set_index("sample", drop=False)
    table[["PFS_event", "OS_event"]] = table[["PFS_event", "OS_event"]].apply(pd.to_numeric, errors="coerce")
    table["score:inflamed"] = test.x[:, names.index("inflamed")]
    table[f"score:{OURS}"], table[f"score:{PLAIN}"] = table["predicted"], linear_score(test, plain)
    for form in FORMS:
        at, source = names.index("log2_tmb"), PANEL_FEATURES.index("log2_tmb")
        other = fit_panel(with_burden_form(Rows(*(v[kept] for v in panel)), form, source, knowledge), rates)
        fitted = fit_expression(with_burden_form(train, form, at, knowledge), other)
        table[f"score:burden_{form}"] = linear_score(with_burden_form(test, form, at, knowledge), fitted)
    linear = pd.DataFrame({p.sample: p.expression for p in patients[name]})
    burden = pd.Series({p.sample: p.clinical.get("tmb_per_mb") for p in patients[name]}, dtype=float)
    published = score_cohort(linear, reference, tmb=burden, external={} if tide is None else {"tide": tide})
    log_burden = np.log2(published["tmb"].clip(lower=0.1))
    z = [(v - v.mean()) / v.std() for v in (published["gep"], log_burden)]
    published[BOTH] = z[0] + (z[1].fillna(0.0) if z[1].notna().any() else 0.0)
    for column in published:
        table[f"score:{column}"] = published[column]
    flat = [p for ps in others.values() for p in ps]
    before, here = mechanism_table(flat, reference, knowledge), mechanism_table(patients[name], reference, knowledge)
    shared = before.notna().mean()
    columns = list(shared.index[shared.to_numpy() >= 0.8])
    table["score:mechanisms"], ridge = mechanism_increment(
        before, here, columns, train, (linear_score(train, plain), linear_score(test, plain))
    )
    for column in here:
        table[f"mechanism:{column}"] = here[column].to_numpy()
    return Fold(table, ridge)


def run_tide(command: str, linear: pd.DataFrame, tumor: str) -> pd.Series | None:
    """TIDE scores by the program tidepy, run apart; None where it refuses the cohort."""
    kind = {"melanoma": "Melanoma", "nsclc": "NSCLC"}.get(tumor, "Other")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.tsv", Path(folder) / "out.tsv"
        log2 = np.log2(linear + 1.0)
        log2.sub(log2.mean(axis=1), axis=0).to_csv(source, sep="\t")
        done = subprocess.run(
            [*command.split(), str(source), "-o", str(target), "-c", kind, "--ignore_norm"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode or not target.exists():
            print(f"  TIDE refused: {(done.stderr.strip().splitlines() or ['no message'])[-1][:160]}")
            return None
        found = pd.read_csv(target, sep="\t", index_col=0)
    return found["TIDE"].set_axis(found.index.astype(str))
