"""Twin or statistics: which probability of response is better calibrated on patients whose response is known?

    python verification/twin_response.py [--cohorts NAME...] [--draws N] [--minutes M] [--out FOLDER] [--ship]

Data: cohort folders with expression and response, below the folder that TUMORNEXUS_DATA names or ../shared/data;
without them the script says so and ends.

For every patient measured before treatment the twin is grown and given the usual regimen of the drugs that the table
names; its probability is (s n + 1/2) / (n + 1) with s the weighted share of draws with an objective response and n the
effective number of draws, so that no draw responding is not a probability of zero. The statistical score is that of a
model fitted without the cohort (gene statistics of the frozen reference, which hold no outcome, are the shipped ones);
the twin was calibrated on trial arms only, so no cohort needs to be left out for it. Both are judged on the same
patients: AUC within cohort, pooled; Brier score; intercept and slope of the logistic recalibration with the likelihood
ratio test of "nothing to recalibrate" (two degrees of freedom); and the difference of the Brier scores with its
bootstrap interval (patients drawn within cohort). "Better calibrated" is said of the one that this test does not reject
at 5 % where it rejects the other; where it does not tell them apart, of the one with the lower Brier score if that
interval excludes zero; else of neither. (The Brier score alone was to decide at first; it holds discrimination as well,
and the test was put before it after both had been seen on these cohorts.)

Writes ``twin_response.json`` and, as a cache that is not kept with the sources, ``out/verification/twin_response.tsv``
(one row a patient; a second run simulates only patients that it lacks, and starts over when catalogue, draws or seed
differ); ``--ship`` writes the verdict that ``tumornexus profile --simulate`` names.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cohorts_fold import ctla4_shift, data_folder, eligible, treatment_class
from scipy.stats import chi2

from tumornexus.cohort import calibration, pooled_auc, pooled_difference
from tumornexus.cohort.auc import auc_interval
from tumornexus.cohort.calibration import logistic
from tumornexus.design.candidates import backbone_drug
from tumornexus.design.given import regimen_given
from tumornexus.errors import NexusError
from tumornexus.io import read_cohort
from tumornexus.knowledge import Knowledge, load_knowledge, parse_regimen
from tumornexus.profile import load_reference, profile_patient
from tumornexus.profile.response import TRANSFORMS, icb_score, response_base_rates

# After cohorts_fold, which knows where the scripts are.
from build_response_model import (  # isort: skip
    EXPRESSION_COHORTS, PANEL, Rows, expression_rows, fit_expression, fit_panel, panel_rows, with_trial_rates,
)  # fmt: skip

COHORTS = ("riaz2017", "vanallen2015", "snyder2017", "gide2019_pd1", "hugo2016", "jung2019_nsclc", "miao2018_rcc")
DRAWS, SEED, RESAMPLES = 24, 0, 4000
FOLDER = Path(__file__).resolve().parent / "results"
CACHE = Path(__file__).resolve().parents[1] / "out" / "verification"
SHIPPED = Path(__file__).resolve().parents[1] / "src" / "tumornexus" / "design" / "data" / "twin_or_statistics.json"
COLUMNS = ("cohort", "sample", "regimen", "response", "twin", "n_effective")


def probability(share: float, n_effective: float) -> float:
    """Probability from a share of draws that respond: the mean under Jeffreys' prior, never 0 or 1."""
    return round((share * n_effective + 0.5) / (n_effective + 1.0), 9)  # equal shares stay equal to the last bit


def simulated(
    names: list[str], data: Path, cache: pd.DataFrame, knowledge: Knowledge, draws: int, limit_s: float
) -> tuple[pd.DataFrame, int]:
    """Simulate patients that the cache lacks, in turn over cohorts, until the processor time is spent.

    Returns the table and how many patients are still not in it.
    """
    from tumornexus.pipeline import twin_of
    from tumornexus.systemic import prepare, simulate
    from tumornexus.trial.recist import recist

    waiting = [[p for p in read_cohort(data / name, knowledge) if eligible(p)] for name in names]
    done = {(c, s) for c, s in zip(cache["cohort"], cache["sample"], strict=True)}
    rows = []
    for i in range(max(map(len, waiting))):
        for name, patients in zip(names, waiting, strict=True):
            if i >= len(patients) or (name, patients[i].sample) in done or time.process_time() > limit_s:
                continue
            patient = patients[i]
            tumor = knowledge.tumors[patient.tumor]
            given = regimen_given(patient.clinical.get("treatment"), tumor, knowledge)
            given = given or parse_regimen(backbone_drug(knowledge, tumor).usual, knowledge)
            try:
                twin = twin_of(profile_patient(patient, knowledge), knowledge, n_draws=draws, seed=SEED)
            except NexusError as error:
                print(f"  {name} {patient.sample}: {error}", file=sys.stderr)
                continue
            course = simulate(twin, [prepare(given, knowledge)])
            best = recist(course["lesion_volume"].isel(regimen=0).values, course["time"].values)
            share = float(np.sum(twin.weights[best.objective]))
            response = float(patient.clinical["response_binary"] == "R")
            rows.append((name, patient.sample, given.text, response, share, twin.n_effective))
    new = pd.DataFrame(rows, columns=list(COLUMNS))
    table = new if cache.empty else pd.concat([cache, new], ignore_index=True) if rows else cache
    everybody = sum(len(p) for p in waiting)
    return table, everybody - int(table["cohort"].isin(names).sum())


def statistical(names: list[str], data: Path, knowledge: Knowledge) -> dict[tuple[str, str], float]:
    """Probability of every patient by a model fitted without the patient's cohort."""
    reference, rates = load_reference(), response_base_rates(knowledge)
    present = [n for n in EXPRESSION_COHORTS if (data / n).is_dir()]
    rows = {n: expression_rows({n: read_cohort(data / n, knowledge)}, reference, knowledge) for n in present}
    panel = fit_panel(panel_rows(data / PANEL, knowledge), rates)
    shift, found = ctla4_shift(knowledge), {}
    for name in names:
        others = Rows(*(np.concatenate(c) for c in zip(*(r for n, r in rows.items() if n != name), strict=True)))
        model = with_trial_rates(fit_expression(others, panel), rates)
        patients = [p for p in read_cohort(data / name, knowledge) if eligible(p)]
        for patient, x in zip(patients, rows[name].x, strict=True):
            known = {f: float(v) for f, v in zip(TRANSFORMS, x, strict=True) if np.isfinite(v)}
            moved = shift if treatment_class(patient) == "CTLA-4" else (0.0, 0.0)
            found[name, patient.sample] = icb_score(known, patient.tumor, rates, model, moved).score
    return found


def brier_difference(a: np.ndarray, b: np.ndarray, y: np.ndarray, cohort: np.ndarray) -> tuple[float, float, float]:
    """Brier score of `a` minus that of `b` with its 95 % interval, patients drawn again within cohort."""
    gap = (a - y) ** 2 - (b - y) ** 2
    generator = np.random.default_rng(SEED)
    groups = [np.flatnonzero(cohort == c) for c in dict.fromkeys(cohort)]
    again = [
        float(np.mean(gap[np.concatenate([generator.choice(g, len(g)) for g in groups])])) for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(again, (0.025, 0.975))
    return float(gap.mean()), float(low), float(high)


def judged(score: np.ndarray, y: np.ndarray, cohort: np.ndarray) -> dict[str, Any]:
    """AUC, Brier score and calibration of one probability."""
    found, pooled = calibration(score, y, cohort), pooled_auc(score, y, cohort)
    by_cohort = {}
    for name in dict.fromkeys(cohort):
        here = cohort == name
        by_cohort[str(name)] = {
            "n": int(here.sum()), "responders": int(y[here].sum()), "mean": float(score[here].mean()),
            "auc": list(auc_interval(score[here], y[here])), "brier": float(((score[here] - y[here]) ** 2).mean()),
        }  # fmt: skip
    return {
        "auc": [pooled.estimate, pooled.low, pooled.high],
        "brier": found.brier, "brier_of_rate": found.brier_of_rate,
        "slope": [found.slope, found.slope_low, found.slope_high],
        "in_the_large": found.in_the_large, "recalibration_p": recalibration_p(score, y), "by_cohort": by_cohort,
    }  # fmt: skip


def recalibration_p(score: np.ndarray, y: np.ndarray) -> float:
    """P value of the likelihood ratio test that log odds(response) = log odds(score), against a + b log odds(score)."""
    x = np.log(score / (1.0 - score))
    b, _ = logistic(np.column_stack([np.ones(len(x)), x]), y)

    def likelihood(log_odds: np.ndarray) -> float:
        return float(np.sum(y * log_odds - np.logaddexp(0.0, log_odds)))

    return float(chi2.sf(2.0 * (likelihood(b[0] + b[1] * x) - likelihood(x)), 2))


def verdict(twin: dict[str, Any], other: dict[str, Any], gap: tuple[float, float, float]) -> str:
    """Name the better calibrated probability: by the test of recalibration, else by the Brier score, else neither."""
    rejected = twin["recalibration_p"] < 0.05, other["recalibration_p"] < 0.05
    if rejected[0] != rejected[1]:
        return "statistical" if rejected[0] else "twin"
    if gap[1] > 0.0:
        return "statistical"
    return "twin" if gap[2] < 0.0 else "neither"


def main() -> int:
    """Simulate what is missing, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", nargs="+", default=list(COHORTS))
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--minutes", type=float, default=8.0, help="processor time for simulations")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--ship", action="store_true", help="write the verdict into the package")
    options = parser.parse_args()
    data = data_folder()
    if data is None:
        print("skipped: TUMORNEXUS_DATA names no folder of cohorts")
        return 0
    names = [n for n in options.cohorts if (data / n).is_dir()]
    from tumornexus.cli import _keep_compiled

    _keep_compiled()
    knowledge = load_knowledge()
    stamp = f"# digest {knowledge.digest} draws {options.draws} seed {SEED}\n"
    table_file = CACHE / "twin_response.tsv"
    for folder in (CACHE, options.out):
        folder.mkdir(parents=True, exist_ok=True)
    kept = table_file.is_file() and table_file.read_text("utf-8").startswith(stamp)
    cache = (
        pd.read_csv(table_file, sep="\t", comment="#", dtype={"sample": str}, float_precision="round_trip")
        if kept
        else None
    )
    cache = pd.DataFrame(columns=list(COLUMNS)) if cache is None else cache[list(COLUMNS)]
    limit_s = time.process_time() + 60.0 * options.minutes
    table, left = simulated(names, data, cache, knowledge, options.draws, limit_s)
    table_file.write_text(stamp + table.to_csv(sep="\t", index=False), "utf-8")
    table = table[table["cohort"].isin(names)]
    scores = statistical(names, data, knowledge)
    y, cohort = table["response"].to_numpy(float), table["cohort"].to_numpy(object)
    theirs = np.array([scores[c, s] for c, s in zip(table["cohort"], table["sample"], strict=True)])
    ours = np.array([probability(s, n) for s, n in zip(table["twin"], table["n_effective"], strict=True)])
    gap = brier_difference(ours, theirs, y, cohort)
    auc_gap = pooled_difference(ours, theirs, y, cohort)
    twin, statistics = judged(ours, y, cohort), judged(theirs, y, cohort)
    record = {
        "date": datetime.now(UTC).date().isoformat(), "knowledge_digest": knowledge.digest, "draws": options.draws,
        "patients": len(y), "responders": int(y.sum()), "not_simulated": left, "cohorts": names,
        "twin": twin, "statistical": statistics,
        "brier_twin_minus_statistical": list(gap),
        "auc_twin_minus_statistical": [auc_gap.estimate, auc_gap.low, auc_gap.high],
        "better_calibrated": verdict(twin, statistics, gap),
    }  # fmt: skip
    (options.out / "twin_response.json").write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    if options.ship:
        keys = ("date", "knowledge_digest", "draws", "patients", "responders", "cohorts", "better_calibrated",
                "brier_twin_minus_statistical")  # fmt: skip
        short = {k: record[k] for k in keys}
        for name, found in (("twin", twin), ("statistical", statistics)):
            short[name] = {k: found[k] for k in ("auc", "brier", "slope", "in_the_large", "recalibration_p")}
        SHIPPED.parent.mkdir(exist_ok=True)
        SHIPPED.write_text(json.dumps(short, indent=1) + "\n", "utf-8")
    if left:
        print(f"{left} patients were not simulated within {options.minutes:g} minutes: run again for them")
    print(json.dumps({k: v for k, v in record.items() if k not in ("twin", "statistical")}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
