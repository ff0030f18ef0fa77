"""Predictive or prognostic: markers and mechanisms against atezolizumab or docetaxel, in two randomized trials.

    python verification/predictive.py [--out FOLDER] [--draws N]

Data: OAK and POPLAR (1,137 patients with lung cancer after chemotherapy; Gandara et al. 2018), in the folder
`oak_poplar_nsclc` below the folder that TUMORNEXUS_DATA names or below ../shared/data. Without it, or without
lifelines, the script says so and ends.

1. Treatment x marker interaction on PFS, OS and response, for all that the profile reads there, as measured and as the
   activity of a mechanism; trials as strata, Benjamini-Hochberg over the markers of an endpoint; again with covariates.
2. Proportional hazards of the treatment (Schoenfeld residuals) and the difference in restricted mean survival by group.
3. Competing risks: progression, and death without progression seen before, are told apart by their dates.
4. Landmarks against immortal time: progression has a date; response has none in these data, which is said; and a sham
   response, drawn by lot on the real survival times, shows what the naive comparison makes of nothing.
5. Decision curves of choosing the drug by a marker, the rule fitted on one trial and judged on the other, against
   giving all the same; and of the response score for whom to treat.

Writes ``predictive.tsv`` (interactions), ``predictive_rmst.tsv``, ``predictive_decision.tsv``, ``predictive.json`` (all
numbers) and figures ``predictive_interaction.png``, ``predictive_survival.png``, ``predictive_decision.png``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import predictive_figures as figures
from predictive_data import COHORT, COVARIATES, MARKERS, markers_of, patients
from predictive_decision import beats, decisions, score_in_arms

from tumornexus.cohort import benjamini_hochberg, hazard_ratio
from tumornexus.cohort.competing import cumulative_incidence
from tumornexus.cohort.interaction import Effect, associate_interaction, survival_interaction
from tumornexus.cohort.landmark import landmark, landmark_effect, naive_effect, time_dependent_effect
from tumornexus.cohort.rmst import contrast, proportional_hazards_p, rmst_difference
from tumornexus.errors import InputError
from tumornexus.io.datasets import local_folder
from tumornexus.knowledge import load_knowledge
from tumornexus.provenance import installed_version

ENDPOINTS = ("PFS", "OS", "response")
HORIZON = {"PFS": 365.0, "OS": 548.0}  # days: twelve and eighteen months
LANDMARKS = (42.0, 90.0, 180.0)  # the first scan was due after six weeks


def ratio(effect: Effect) -> dict[str, float]:
    """Plain data of an effect."""
    return {k: round(float(getattr(effect, k)), 4) for k in ("ratio", "low", "high", "p")}


def interactions(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Interaction of every marker with the treatment on every endpoint; `adjusted_*` with covariates beside."""
    parts = []
    for endpoint in ENDPOINTS:
        found = associate_interaction(table, list(names), endpoint)
        again = []
        for marker in names:
            rest = [c for c in COVARIATES if c != marker]
            again.append(associate_interaction(table, [marker], endpoint, covariates=rest).iloc[0])
        own = pd.DataFrame(again).reset_index(drop=True)
        for column in ("interaction", "interaction_low", "interaction_high", "p"):
            found[f"adjusted_{column}"] = own[column]
        parts.append(found)
    whole = pd.concat(parts, ignore_index=True)
    whole.insert(1, "name", whole["marker"].map(names))
    return whole


def groups_of(table: pd.DataFrame, marker: str) -> dict[str, pd.Series]:
    """Low and high group of a marker: no and yes, else up to and above the median of all patients."""
    x = table[marker].astype(float)
    if x.nunique() == 2:
        return {"no": x == x.min(), "yes": x == x.max()}
    return {"up to median": x <= x.median(), "above median": x > x.median()}


def restricted(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Difference in restricted mean (atezolizumab minus docetaxel) in all and by group of each marker."""
    rows = []
    for endpoint, horizon in HORIZON.items():
        sets: dict[str, dict[str, pd.Series]] = {"": {"all": pd.Series(True, index=table.index)}}
        sets |= {m: groups_of(table, m) for m in names}
        for marker, groups in sets.items():
            found = {}
            for group, chosen in groups.items():
                own = table[chosen]
                given = (own[c].to_numpy(dtype=float) for c in (f"{endpoint}_days", f"{endpoint}_event", "treated"))
                days, event, treated = given
                row = {"marker": marker, "name": names.get(marker, "all patients"), "endpoint": endpoint,
                       "group": group, "n": len(own), "horizon_days": horizon}  # fmt: skip
                p = proportional_hazards_p(treated, days, event, own["cohort"].to_numpy())
                try:
                    value = rmst_difference(days, event, treated, horizon, own["cohort"].to_numpy())
                except InputError as why:
                    rows.append({**row, "proportional_p": p, "note": str(why)})
                    continue
                found[group] = value
                rows.append({**row, "days_gained": value.estimate, "low": value.low, "high": value.high, "p": value.p,
                             "proportional_p": p, "note": ""})  # fmt: skip
            if len(found) == 2:
                low, high = found.values()
                value = contrast(high, low)
                rows.append({"marker": marker, "name": names[marker], "endpoint": endpoint, "group": "difference",
                             "n": value.n, "horizon_days": horizon, "days_gained": value.estimate, "low": value.low,
                             "high": value.high, "p": value.p, "note": ""})  # fmt: skip
    whole = pd.DataFrame(rows)
    whole["q"] = np.nan
    for endpoint in HORIZON:
        here = (whole["endpoint"] == endpoint) & (whole["group"] == "difference")
        whole.loc[here, "q"] = benjamini_hochberg(whole.loc[here, "p"].to_numpy())
    return whole


def by_trial(table: pd.DataFrame) -> dict[str, Any]:
    """Interaction on PFS and OS in each trial by itself, of burden and of the response score."""
    found = {}
    for trial, own in table.groupby("cohort"):
        for endpoint in ("PFS", "OS"):
            rows = associate_interaction(own, ["burden", "burden_high", "score_with_burden"], endpoint)
            for r in rows.to_dict(orient="records"):
                keys = ("n", "interaction", "interaction_low", "interaction_high", "p")
                found[f"{trial} {endpoint}: {r['marker']}"] = {k: round(float(r[k]), 4) for k in keys}
    return found


def treatment_effects(table: pd.DataFrame) -> dict[str, Any]:
    """Hazard ratio of atezolizumab over docetaxel by trial, to be held against what the trials reported."""
    found = {}
    for trial, own in table.groupby("cohort"):
        for endpoint in ("PFS", "OS"):
            b, se, n, events = hazard_ratio(
                *(own[c].to_numpy() for c in ("treated", f"{endpoint}_days", f"{endpoint}_event"))
            )
            found[f"{trial} {endpoint}"] = ratio(Effect(b, se)) | {"n": n, "events": events}
    return found


def competing(table: pd.DataFrame) -> dict[str, Any]:
    """Cumulative incidence of progression and of death without it, and cause-specific interactions of burden."""
    found: dict[str, Any] = {"ends": {k: int((table["end"] == v).sum()) for k, v in
                                      (("progression", 1), ("death", 2), ("censored", 0))}}  # fmt: skip
    at = np.array([90.0, 182.0, 365.0])
    for arm, own in table.groupby("treatment"):
        _, curves = cumulative_incidence(own["PFS_days"].to_numpy(), own["end"].to_numpy(), at)
        found[f"incidence_{arm}"] = {
            "days": at.tolist(), "progression": curves[1].round(4).tolist(), "death": curves[2].round(4).tolist()
        }  # fmt: skip
    for word, cause in (("progression", 1), ("death", 2)):
        event = (table["end"] == cause).astype(float).to_numpy()
        shared = table["PFS_days"].to_numpy(), event, table["cohort"].to_numpy()
        treated = table["treated"].to_numpy()
        for marker in ("burden", "burden_high", "stk11_or_keap1_plasma", "score_with_burden"):
            x = table[marker]
            z = ((x - x.mean()) / x.std(ddof=0) if x.nunique() > 2 else x).to_numpy()
            own = survival_interaction(z, treated, *shared)
            found[f"{word}: {marker}"] = {
                "n": own.n, "events": own.events, "note": own.note,
                **{k: ratio(getattr(own, k)) for k in ("interaction", "treatment_low", "treatment_high")},
            }  # fmt: skip
    return found


def landmarks(table: pd.DataFrame, draws: int = 100) -> dict[str, Any]:
    """Progression by a landmark, response without a date, and sham responses, within each arm, on overall survival."""
    found: dict[str, Any] = {}
    for arm, own in table.groupby("treatment"):
        days, event = own["OS_days"].to_numpy(dtype=float), own["OS_event"].to_numpy(dtype=float)
        progressed = np.where(own["end"] == 1, own["PFS_days"], np.inf)
        parts: dict[str, Any] = {
            "progression_ever_naive": ratio(naive_effect(days, event, progressed)),
            "progression_time_dependent": ratio(time_dependent_effect(days, event, progressed)),
        }
        responder = np.where(own["response"] == 1, 0.0, np.inf)
        parts["response_naive"] = ratio(naive_effect(days, event, responder)) | {"n": len(own)}
        for day in LANDMARKS:
            cut = landmark(days, event, progressed, day)
            parts[f"progression_by_{day:.0f}"] = ratio(landmark_effect(cut)) | {
                "n": len(cut.days), "progressed": int(cut.group.sum()), "dead_or_censored_before": cut.ended,
            }  # fmt: skip
            # Both sides alive and without progression on the day; whether the response had come by then is not known.
            free = (own["PFS_days"] > day).to_numpy()
            cut = landmark(days[free], event[free], responder[free], day)
            parts[f"response_ever_if_free_at_{day:.0f}"] = ratio(landmark_effect(cut)) | {
                "n": len(cut.days), "responders": int(cut.group.sum()),
            }  # fmt: skip
        rng, sham = np.random.default_rng(1), []
        for _ in range(draws):
            drawn = np.where(rng.random(len(days)) < 0.4, rng.uniform(0.0, 365.0, len(days)), np.inf)
            onset = np.where(drawn < days, drawn, np.inf)
            cut = landmark(days, event, onset, 180.0)
            every = naive_effect(days, event, onset), landmark_effect(cut), time_dependent_effect(days, event, onset)
            sham.append([e.log for e in every] + [float(e.p < 0.05) for e in every])
        mean = np.mean(sham, axis=0)
        for i, word in enumerate(("naive", "landmark_180", "time_dependent")):
            parts[f"sham_{word}"] = {
                "geometric_mean_ratio": round(float(np.exp(mean[i])), 3), "share_p_below_0.05": round(mean[3 + i], 3)
            }  # fmt: skip
        found[str(arm)] = parts
    return found


def main() -> int:
    """Run all five parts, write tables and figures, print every result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    parser.add_argument("--draws", type=int, default=500, help="bootstrap draws of the decision curves")
    options = parser.parse_args()
    root = local_folder()
    folder = (root if root is not None else Path("../shared/data")) / COHORT
    if not folder.is_dir():
        print(f"{COHORT} not found: TUMORNEXUS_DATA names the folder that holds it; skipped")
        return 0
    if importlib.util.find_spec("lifelines") is None:
        print("survival models need the package lifelines (pip install lifelines); skipped")
        return 0
    started, knowledge = time.process_time(), load_knowledge()
    table = patients(folder, knowledge)
    names = markers_of(table)
    found = interactions(table, names)
    spans = restricted(table, {k: v for k, v in names.items() if k in MARKERS})
    print(f"interactions and restricted means done ({time.process_time() - started:.0f} s)", flush=True)
    ends, marks = competing(table), landmarks(table)
    print(f"landmarks done ({time.process_time() - started:.0f} s)", flush=True)
    curves, score = decisions(table, options.draws), score_in_arms(table, options.draws)
    decision = pd.concat([c.table().assign(endpoint=e, day=c.day, n=c.n) for e, c in curves.items()])

    options.out.mkdir(parents=True, exist_ok=True)
    found.round(5).to_csv(options.out / "predictive.tsv", sep="\t", index=False)
    spans.round(4).to_csv(options.out / "predictive_rmst.tsv", sep="\t", index=False)
    decision.round(5).to_csv(options.out / "predictive_decision.tsv", sep="\t", index=False)
    record = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"), "knowledge_digest": knowledge.digest,
        "lifelines": installed_version("lifelines"), "patients": len(table),
        "by_arm": {str(k): int(v) for k, v in table["treatment"].value_counts().items()},
        "plasma_sequenced": int(table["blood_TMB"].notna().sum()), "markers": len(names),
        "smallest_q": {e: round(float(found.loc[found["endpoint"] == e, "q"].min()), 4) for e in ENDPOINTS},
        "treatment": treatment_effects(table), "by_trial": by_trial(table), "competing": ends,
        "landmark": marks, "score": score, "choosing_beats_all_and_nobody": beats(decision),
        "cpu_seconds": round(time.process_time() - started),
    }  # fmt: skip
    (options.out / "predictive.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    figures.interactions(found, options.out / "predictive_interaction.png")
    figures.survival(table, spans, options.out / "predictive_survival.png")
    figures.decisions(curves, options.out / "predictive_decision.png")
    report(found, spans, decision, record)
    print(f"{record['cpu_seconds']} CPU seconds; knowledge {knowledge.digest}; written to {options.out}")
    return 0


def report(found: pd.DataFrame, spans: pd.DataFrame, decision: pd.DataFrame, record: dict[str, Any]) -> None:
    """Print every result."""
    with pd.option_context("display.width", 250, "display.max_columns", 40, "display.max_rows", 500):
        columns = ["name", "n", "events", "interaction", "interaction_low", "interaction_high", "p", "q",
                   "adjusted_interaction", "adjusted_p", "under_control", "under_treatment", "treatment_low",
                   "treatment_high", "note"]  # fmt: skip
        for endpoint, part in found.groupby("endpoint", sort=False):
            print(f"\n{endpoint}: treatment x marker (atezolizumab against docetaxel)")
            print(part.sort_values("p")[columns].round(3).to_string(index=False, na_rep="-"))
        print("\nrestricted means, days gained by atezolizumab; p of proportional hazards in the group")
        print(spans.drop(columns="marker").round(3).to_string(index=False, na_rep="-"))
        print("\nnet benefit of rules, and that minus treating all with atezolizumab")
        shown = decision[
            np.isclose(decision["threshold"].to_numpy()[:, None], (-0.04, 0.0, 0.04, 0.1, 0.16)).any(axis=1)
        ]
        print(shown.round(4).to_string(index=False))
    for part in ("treatment", "by_trial", "competing", "landmark", "score", "choosing_beats_all_and_nobody"):
        print(f"\n{part}\n{json.dumps(record[part], indent=1)}")


if __name__ == "__main__":
    sys.exit(main())
