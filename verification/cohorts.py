"""Response on real cohorts: what the program predicts, next to the scores that people use, whole cohorts left out.

    python verification/cohorts.py [--out FOLDER] [--tidepy COMMAND]

Data: cohort folders below the folder that TUMORNEXUS_DATA names or below ../shared/data. Without them the script says so
and ends; a cohort that is absent is named and left out.

For each cohort the frozen reference is rebuilt without it, the model of response is fitted on the others (the panel of
clinical facts without the source that may hold the same patients), and the cohort is scored. Nothing about the model was
chosen by looking at the cohort that is scored. Published scores are computed by the rules in
``tumornexus.cohort.published``; most of those see the whole cohort, ours sees one patient at a time. AUC within cohort,
pooled with weights nR nNR / (n + 1), with and without the largest cohort; differences on the same patients, DeLong.

Writes ``cohorts.tsv`` (one row a score and cohort, pooled rows last), ``cohorts.json`` (everything),
``associations.tsv`` and ``associations_pooled.tsv`` (mechanisms), ``panel.tsv`` (clinical facts without expression),
``cohorts_forest.png``, ``calibration.png``, ``mechanisms_forest.png``, ``kaplan_meier.png``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
import cohorts_figures as figures
from build_reference import before_treatment, biomarker_references, gene_statistics
from build_response_model import (
    EXPRESSION_COHORTS,
    PANEL,
    PANEL_FEATURES,
    Rows,
    expression_rows,
    fit_expression,
    fit_panel,
    map_logistic,
    panel_rows,
    with_trial_rates,
)

from tumornexus.cohort import (
    PooledAuc,
    associate_response,
    associate_survival,
    auc_interval,
    calibration,
    concordance,
    concordance_difference,
    pool_associations,
    pooled_auc,
    pooled_difference,
    published_scores,
    score_cohort,
)
from tumornexus.io import Cohort, Patient, read_cohort
from tumornexus.io.datasets import local_folder
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.profile.profile import profile_patient
from tumornexus.profile.reference import Reference
from tumornexus.profile.response import CTLA4_AGENTS, TRANSFORMS, icb_score, response_base_rates

LARGEST = "imvigor210"
# Jung et al. and the Shim cohort of the panel come from one hospital and disease: the same patients may be in both.
MAY_SHARE_PATIENTS = {"jung2019_nsclc": ("Shim_NSCLC",)}
# Sources of the panel that are one study, and those that are one hospital.
ONE_STUDY = {"Chowell_train": "Chowell", "Chowell_test": "Chowell"}
ONE_HOSPITAL = dict.fromkeys(("Chowell_train", "Chowell_test", "MSK1", "MSK2", "Vanguri_NSCLC"), "MSK")
OURS, PLAIN, BOTH = "tumornexus", "inflamed_tmb", "gep_tmb"
NAMES = {
    OURS: "tumornexus (inflamed, TMB, clinical facts)",
    PLAIN: "inflamed + TMB only",
    "inflamed": "frozen inflamed score only",
    "mechanisms": "inflamed + TMB + mechanisms (ridge)",
    BOTH: "GEP + TMB, equal weights",
}
RIDGES = (
    3.0,
    10.0,
    30.0,
    100.0,
    300.0,
    1000.0,
)  # precision of a mechanism's coefficient; chosen within the training cohorts


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


def reference_without(name: str, measured: dict[str, list[Patient]], knowledge: Knowledge) -> Reference:
    """Rebuild the frozen reference without one cohort."""
    others = {n: ps for n, ps in measured.items() if n != name}
    with contextlib.redirect_stdout(io.StringIO()):
        return biomarker_references(others, gene_statistics(others, knowledge), knowledge)


def treatment_class(patient: Patient) -> str:
    """PD-1, CTLA-4 or both, from the words of the treatment."""
    words = str(patient.clinical.get("treatment", "")).lower()
    ctla4 = any(a in words for a in (*CTLA4_AGENTS, "ctla"))
    pd1 = any(a in words for a in ("umab", "pd-1", "pd-l1")) and words.replace("ipilimumab", "").strip() != ""
    if ctla4 and not any(a in words for a in ("nivolumab", "pembrolizumab", "atezolizumab", "pd-1", "pd-l1")):
        return "CTLA-4"
    if "ipilimumab-" in words:  # what was given before, not now
        return "PD-1"
    return "PD-1 + CTLA-4" if ctla4 and pd1 else "PD-1"


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
    name: str, cohorts: dict[str, Cohort], measured: dict[str, list[Patient]], panel: Rows | None, knowledge: Knowledge,
    tide: pd.Series | None,
) -> Fold:  # fmt: skip
    """Everything about one cohort, with nothing learned from it."""
    reference = reference_without(name, measured, knowledge)
    rates, shift = response_base_rates(knowledge), ctla4_shift(knowledge)
    patients = {n: [p for p in c if eligible(p)] for n, c in cohorts.items()}
    others = {n: ps for n, ps in patients.items() if n != name}
    train = expression_rows(others, reference, knowledge)
    test = expression_rows({name: patients[name]}, reference, knowledge)
    if panel is not None:
        kept = ~np.isin(panel.cohort, MAY_SHARE_PATIENTS.get(name, ()))
        start = fit_panel(Rows(*(v[kept] for v in panel)), rates)
    else:
        raise SystemExit(f"{PANEL} is absent: the model of response starts from it")
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
    columns = [c for c in before if shared[c] >= 0.8]
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


def described(found: PooledAuc) -> dict[str, Any]:
    """Plain data of a pooled figure."""
    return {
        "estimate": round(found.estimate, 4), "low": round(found.low, 4), "high": round(found.high, 4), "n": found.n,
        "responders": found.responders, "cohorts": len(found.by_cohort), "left_out": list(found.left_out),
        "excludes_zero": found.excludes_zero,
    }  # fmt: skip


def discrimination(table: pd.DataFrame, scores: list[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """AUC of every score in every cohort and pooled; differences of ours to each, with and without the largest."""
    rows, summary = [], {}
    y, cohort = table["response"].to_numpy(), table["cohort"].to_numpy(dtype=object)
    small = cohort != LARGEST
    for score in scores:
        x = table[f"score:{score}"].to_numpy(dtype=float)
        for name in dict.fromkeys(cohort):
            here = (cohort == name) & np.isfinite(x)
            if not here.any():
                rows.append((score, name, 0, 0, *[np.nan] * 3))
                continue
            rows.append((score, name, int(here.sum()), int(y[here].sum()), *auc_interval(x[here], y[here])))
        pooled = {}
        for label, chosen in (("all", np.ones(len(y), bool)), ("without_largest", small)):
            found = pooled_auc(x[chosen], y[chosen], cohort[chosen])
            rows.append((score, f"pooled_{label}", found.n, found.responders, found.estimate, found.low, found.high))
            pooled[label] = described(found)
            pooled[f"ours_minus_{label}"] = described(
                pooled_difference(table[f"score:{OURS}"].to_numpy()[chosen], x[chosen], y[chosen], cohort[chosen])
            )
        for given in ("PD-1", "CTLA-4"):
            chosen = (table["treatment_class"] == given).to_numpy()
            if chosen.any():
                pooled[given] = described(pooled_auc(x[chosen], y[chosen], cohort[chosen]))
        summary[score] = pooled
    columns = ["score", "cohort", "n", "responders", "auc", "low", "high"]
    return pd.DataFrame(rows, columns=columns), summary


def survival(table: pd.DataFrame, scores: list[str]) -> dict[str, Any]:
    """Concordance with PFS and OS of every score, and of ours minus it on the same patients."""
    found: dict[str, Any] = {}
    cohort = table["cohort"].to_numpy(dtype=object)
    ours = table[f"score:{OURS}"].to_numpy(dtype=float)
    for endpoint in ("PFS", "OS"):
        days, event = (pd.to_numeric(table[f"{endpoint}_{k}"], errors="coerce").to_numpy() for k in ("days", "event"))
        for score in scores:
            x = table[f"score:{score}"].to_numpy(dtype=float)
            one = concordance(x, days, event, cohort)
            two = concordance_difference(ours, x, days, event, cohort)
            found.setdefault(endpoint, {})[score] = {
                "estimate": round(one.estimate, 4), "low": round(one.low, 4), "high": round(one.high, 4), "n": one.n,
                "pairs": one.pairs, "ours_minus": round(two.estimate, 4), "ours_minus_low": round(two.low, 4),
                "ours_minus_high": round(two.high, 4),
            }  # fmt: skip
    return found


def six_features(rows: Rows, raw: pd.DataFrame) -> np.ndarray:
    """The six published features, limited as published: age 85, TMB 50, NLR 25; prior therapy, albumin, cancer type.

    The limits are from memory of Chang et al. 2024, not looked up; TMB, age, NLR and albumin are standardized.
    """
    values = [
        pd.to_numeric(raw[c], errors="coerce").clip(upper=limit)
        for c, limit in (("Age", 85.0), ("TMB", 50.0), ("NLR", 25.0), ("Albumin", 10.0))
    ]
    numbers = [((v - v.mean()) / v.std()).fillna(0.0).to_numpy() for v in values]
    prior = pd.to_numeric(raw["Systemic_therapy_history"], errors="coerce")
    return np.column_stack(
        [*numbers, prior.fillna(prior.mean()).to_numpy(), pd.get_dummies(raw["CancerType"]).to_numpy()]
    )


def clinical_panel(folder: Path, knowledge: Knowledge) -> tuple[pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """Clinical facts and TMB without expression, leaving out sources; ours and the six-feature logistic regression."""
    rows = panel_rows(folder / PANEL, knowledge)
    raw = pd.read_csv(folder / PANEL / "clinical.tsv.gz", sep="\t", dtype=str)
    raw = raw[raw["response_binary"].isin(["R", "NR"])].reset_index(drop=True)
    rates, six = response_base_rates(knowledge), six_features(rows, raw)
    summary: dict[str, Any] = {}
    tables = []
    for label, groups in (("study", ONE_STUDY), ("hospital", ONE_HOSPITAL)):
        source = np.array([groups.get(n, n) for n in rows.cohort], dtype=object)
        ours, theirs, predicted = (np.full(len(rows.y), np.nan) for _ in range(3))
        for name in sorted(set(source)):
            here = source == name
            model = fit_panel(Rows(*(v[~here] for v in rows)), rates)
            for i in np.flatnonzero(here):
                features = {n: float(v) for n, v in zip(PANEL_FEATURES, rows.x[i], strict=True) if np.isfinite(v)}
                ours[i] = predicted[i] = icb_score(features, rows.tumor[i], rates, model).score
            design = np.column_stack([six[~here], np.ones((~here).sum())])
            b, _ = map_logistic(
                design, rows.y[~here], np.zeros(design.shape[1]), np.diag([1.0] * six.shape[1] + [1e-4])
            )
            theirs[here] = np.column_stack([six[here], np.ones(here.sum())]) @ b
        tmb = rows.x[:, PANEL_FEATURES.index("log2_tmb")]
        for score, x in (("ours", ours), ("six_feature", theirs), ("tmb", tmb)):
            found = pooled_auc(x, rows.y, source)
            summary.setdefault(label, {})[score] = described(found) | {
                "one_pot": round(float(pooled_auc(x, rows.y, np.full(len(x), "all")).estimate), 4)
            }
            for name in sorted(set(source)):
                here = (source == name) & np.isfinite(x)
                tables.append((label, score, name, int(here.sum()), int(rows.y[here].sum()),
                               *auc_interval(x[here], rows.y[here])))  # fmt: skip
            tables.append((label, score, "pooled", found.n, found.responders, found.estimate, found.low, found.high))
        for other, x in (("six_feature", theirs), ("tmb", tmb)):
            summary[label][f"ours_minus_{other}"] = described(pooled_difference(ours, x, rows.y, source))
        scale = calibration(predicted, rows.y, source)
        summary[label]["calibration"] = {k: v for k, v in vars(scale).items() if k != "bins"}
        if label == "study":
            kept = pd.DataFrame({"predicted": predicted, "response": rows.y, "cohort": source})
    columns = ["left_out", "score", "source", "n", "responders", "auc", "low", "high"]
    return pd.DataFrame(tables, columns=columns), summary, kept


def verdicts(
    summary: dict[str, Any], pfs: dict[str, Any], scale: Any, panel: dict[str, Any]
) -> list[tuple[str, bool, str]]:
    """Each target of the project, whether it is met, and the figure."""
    ours, gep, both = summary[OURS], summary["gep"]["ours_minus_all"], summary[BOTH]["ours_minus_all"]
    more = summary["mechanisms"]["increment_all"]
    worse = [n for n, v in pfs.items() if n not in (OURS, PLAIN, "mechanisms", "inflamed") and v["ours_minus"] < 0]

    def shown(v: dict[str, Any]) -> str:
        return f"{v['estimate']:+.3f} ({v['low']:+.3f} to {v['high']:+.3f})"

    return [
        ("pooled AUC at least 0.68", ours["all"]["estimate"] >= 0.68, f"{ours['all']['estimate']:.3f}"),
        ("at least 0.045 above GEP, interval above 0", gep["estimate"] >= 0.045 and gep["low"] > 0, shown(gep)),
        ("not worse than GEP + TMB by more than 0.01", both["estimate"] >= -0.01, shown(both)),
        ("stretch: pooled AUC 0.70", ours["all"]["estimate"] >= 0.70, f"{ours['all']['estimate']:.3f}"),
        ("mechanisms add to inflamed + TMB", more["low"] > 0, shown(more)),
        ("calibration slope 0.8 to 1.2", 0.8 <= scale.slope <= 1.2, f"{scale.slope:.2f}"),
        ("PFS concordance at least that of every comparator", not worse, "below: " + (", ".join(worse) or "none")),
        ("clinical facts without RNA: at least 0.70", panel["study"]["ours"]["estimate"] >= 0.70,
         f"{panel['study']['ours']['estimate']:.3f} pooled within, {panel['study']['ours']['one_pot']:.3f} in one pot"),
        ("the same, at least the six-feature regression", panel["study"]["ours_minus_six_feature"]["estimate"] >= 0,
         shown(panel["study"]["ours_minus_six_feature"])),
        ("stretch: clinical facts without RNA 0.72", panel["study"]["ours"]["estimate"] >= 0.72,
         f"{panel['study']['ours']['estimate']:.3f}"),
    ]  # fmt: skip


def main() -> int:
    """Score all cohorts and write tables and figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    parser.add_argument(
        "--tidepy", default=shutil.which("tidepy"), help="command of tidepy, run as a program of its own"
    )
    options = parser.parse_args()
    folder = data_folder()
    if folder is None:
        print("cohorts not found: TUMORNEXUS_DATA names the folder that holds riaz2017, vanallen2015, ...; skipped")
        return 0
    absent = [n for n in (*EXPRESSION_COHORTS, PANEL) if not (folder / n).is_dir()]
    if absent:
        print(f"absent and left out: {', '.join(absent)}")
    if PANEL in absent or len(set(EXPRESSION_COHORTS) - set(absent)) < 4:
        print("too little is left to fit on; skipped")
        return 0
    warnings.filterwarnings("ignore", "All-NaN|Mean of empty|Degrees of freedom", RuntimeWarning)
    started = time.process_time()
    knowledge = load_knowledge()
    cohorts = {n: read_cohort(folder / n, knowledge) for n in EXPRESSION_COHORTS if n not in absent}
    measured = {n: before_treatment(c) for n, c in cohorts.items()}
    panel = panel_rows(folder / PANEL, knowledge)
    if options.tidepy is None:
        print("TIDE is not scored: tidepy (GPL-3) is not installed; --tidepy names its command")
    folds = {}
    for name, cohort in cohorts.items():
        patients = [p for p in cohort if eligible(p)]
        tide = None
        if options.tidepy:
            tide = run_tide(options.tidepy, pd.DataFrame({p.sample: p.expression for p in patients}), patients[0].tumor)
        folds[name] = leave_out(name, cohorts, measured, panel, knowledge, tide)
        own = folds[name].table
        print(f"{name}: {len(own)} patients, {int(own['response'].sum())} responders, TMB known for "
              f"{int(own['tmb_known'].sum())} ({time.process_time() - started:.0f} s)", flush=True)  # fmt: skip
    table = pd.DataFrame([row for f in folds.values() for row in f.table.to_dict(orient="records")])
    scores = [OURS, PLAIN, "mechanisms", "inflamed", BOTH, *published_scores()]
    scores = [s for s in scores if table[f"score:{s}"].notna().any()]
    areas, summary = discrimination(table, scores)
    small = (table["cohort"] != LARGEST).to_numpy()
    for label, chosen in (("all", np.ones(len(table), bool)), ("without_largest", small)):
        part = table[chosen]
        arguments = part["response"].to_numpy(), part["cohort"].to_numpy(dtype=object)
        summary["mechanisms"][f"increment_{label}"] = described(
            pooled_difference(part["score:mechanisms"].to_numpy(), part[f"score:{PLAIN}"].to_numpy(), *arguments)
        )
        summary[OURS][f"clinical_facts_add_{label}"] = described(
            pooled_difference(part[f"score:{OURS}"].to_numpy(), part[f"score:{PLAIN}"].to_numpy(), *arguments)
        )
    summary["mechanisms"]["ridge"] = {n: f.ridge for n, f in folds.items()}
    follow = survival(table, scores)
    y, source = table["response"].to_numpy(), table["cohort"].to_numpy(dtype=object)
    scale = calibration(table["predicted"].to_numpy(), y, source)
    print(f"expression cohorts done ({time.process_time() - started:.0f} s)", flush=True)
    panel_table, panel_summary, panel_predicted = clinical_panel(folder, knowledge)
    mechanisms = [c for c in table if c.startswith("mechanism:") and table[c].notna().any()]
    flat = table.rename(columns={c: c.removeprefix("mechanism:") for c in mechanisms})
    ids = [c.removeprefix("mechanism:") for c in mechanisms]
    found = associate_response(flat, ids)
    pooled = {"response": pool_associations(found)}
    followed = {e: associate_survival(flat[flat[f"{e}_days"].notna()], ids, e) for e in ("PFS", "OS")}
    pooled |= {e: pool_associations(v, "log_hr") for e, v in followed.items()}

    options.out.mkdir(parents=True, exist_ok=True)
    areas.round(4).to_csv(options.out / "cohorts.tsv", sep="\t", index=False)
    panel_table.round(4).to_csv(options.out / "panel.tsv", sep="\t", index=False)
    parts = [found.assign(outcome="response"), *(v.assign(outcome=e) for e, v in followed.items())]
    pd.concat(parts).round(5).to_csv(options.out / "associations.tsv", sep="\t", index=False)
    whole = pd.concat([v.assign(outcome=e) for e, v in pooled.items()])
    whole.round(5).to_csv(options.out / "associations_pooled.tsv", sep="\t", index=False)
    lines = verdicts(summary, follow["PFS"], scale, panel_summary)
    record = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"), "knowledge_digest": knowledge.digest,
        "patients": len(table), "responders": int(y.sum()), "names": NAMES, "auc": summary, "concordance": follow,
        "calibration": vars(scale), "panel": panel_summary, "absent": absent, "tide": options.tidepy is not None,
        "targets": [{"target": t, "met": bool(m), "figure": f} for t, m, f in lines],
        "cpu_seconds": round(time.process_time() - started),
    }  # fmt: skip
    (options.out / "cohorts.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    names = NAMES | {n: s.name for n, s in published_scores().items()}
    figures.scores(areas, summary, scores, names, options.out / "cohorts_forest.png")
    figures.calibrations(scale, calibration(*(panel_predicted[c].to_numpy() for c in panel_predicted)),
                         options.out / "calibration.png")  # fmt: skip
    figures.mechanisms(pooled, options.out / "mechanisms_forest.png")
    figures.curves(flat, pooled["PFS"], options.out / "kaplan_meier.png")
    report(areas, summary, follow, scale, panel_summary, pooled, lines)
    print(f"{time.process_time() - started:.0f} CPU seconds; knowledge {knowledge.digest}; written to {options.out}")
    return 0


def report(
    areas: pd.DataFrame, summary: dict[str, Any], follow: dict[str, Any], scale: Any, panel: dict[str, Any],
    pooled: dict[str, pd.DataFrame], lines: list[tuple[str, bool, str]],
) -> None:  # fmt: skip
    """Print every result."""
    wide = areas.pivot(index="score", columns="cohort", values="auc").reindex(list(summary))
    order = [c for c in dict.fromkeys(areas["cohort"]) if not c.startswith("pooled")]
    print("\nAUC by cohort and pooled (higher: responders score higher)")
    print(wide[[*order, "pooled_all", "pooled_without_largest"]].round(3).to_string(na_rep="-"))
    print("\nours minus the other, same patients: all cohorts | without the largest")
    for score, found in summary.items():
        a, b = found["ours_minus_all"], found["ours_minus_without_largest"]
        print(f"  {score:14s} {a['estimate']:+.3f} ({a['low']:+.3f} to {a['high']:+.3f}), n {a['n']} | "
              f"{b['estimate']:+.3f} ({b['low']:+.3f} to {b['high']:+.3f})")  # fmt: skip
    for label in ("all", "without_largest"):
        a, b = summary["mechanisms"][f"increment_{label}"], summary[OURS][f"clinical_facts_add_{label}"]
        print(f"  over inflamed + TMB ({label}): mechanisms {a['estimate']:+.3f} ({a['low']:+.3f} to {a['high']:+.3f}), "
              f"clinical facts {b['estimate']:+.3f} ({b['low']:+.3f} to {b['high']:+.3f})")  # fmt: skip
    print(f"\ncalibration: slope {scale.slope:.2f} ({scale.slope_low:.2f} to {scale.slope_high:.2f}), within cohorts "
          f"{scale.slope_within:.2f} ({scale.within_low:.2f} to {scale.within_high:.2f}), observed minus predicted "
          f"{scale.in_the_large:+.3f}, Brier {scale.brier:.3f} (rate for all {scale.brier_of_rate:.3f})")  # fmt: skip
    for endpoint, found in follow.items():
        print(f"\n{endpoint} concordance (ours minus the other)")
        for score, v in found.items():
            print(f"  {score:14s} {v['estimate']:.3f} ({v['low']:.3f} to {v['high']:.3f}), n {v['n']}; "
                  f"{v['ours_minus']:+.3f} ({v['ours_minus_low']:+.3f} to {v['ours_minus_high']:+.3f})")  # fmt: skip
    for label, found in panel.items():
        print(f"\nclinical panel, one {label} left out at a time")
        for score in ("ours", "six_feature", "tmb", "ours_minus_six_feature", "ours_minus_tmb"):
            v = found[score]
            pot = f", in one pot {v['one_pot']:.3f}" if "one_pot" in v else ""
            print(f"  {score:24s} {v['estimate']:+.3f} ({v['low']:+.3f} to {v['high']:+.3f}){pot}, n {v['n']}")
        c = found["calibration"]
        print(
            f"  calibration slope {c['slope']:.2f}, observed minus predicted {c['in_the_large']:+.3f}, Brier {c['brier']:.3f}"
        )
    for outcome, v in pooled.items():
        print(
            f"\nmechanisms and {outcome}, random effects over cohorts (ratio per standard deviation), smallest p first"
        )
        print(
            v.sort_values("p")
            .head(8)[["score", "k", "estimate", "low", "high", "p", "q", "i2"]]
            .round(3)
            .to_string(index=False)
        )
    print("\ntargets")
    for target, met, figure in lines:
        print(f"  {'met    ' if met else 'NOT MET'} {target}: {figure}")


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    sys.exit(main())
