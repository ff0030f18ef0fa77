"""Response on real cohorts: what the program predicts, next to the scores that people use, whole cohorts left out.

    python verification/cohorts.py [--out FOLDER] [--tidepy COMMAND]

Data: cohort folders below the folder that TUMORNEXUS_DATA names or below ../shared/data. Without them the script says
so and ends; a cohort that is absent is named and left out.

For each cohort the frozen reference is rebuilt without it, the model of response is fitted on the others (the panel of
clinical facts without the source that may hold the same patients), and the cohort is scored. No coefficient, scale or
penalty has seen the cohort that is scored; the form of the model was settled among a few whose figures had been seen,
all of them listed in docs/validation.md. Published scores are computed by the rules in ``tumornexus.cohort.published``;
most of those see the whole cohort, ours sees one patient at a time. AUC within cohort, pooled with weights
nR nNR / (n + 1), with and without the largest cohort; differences on the same patients, DeLong.

Writes ``cohorts.tsv`` (one row a score and cohort, pooled rows last), ``cohorts.json`` (everything),
``associations.tsv`` and ``associations_pooled.tsv`` (mechanisms), ``panel.tsv`` (clinical facts without expression),
``cohorts_forest.png``, ``calibration.png``, ``mechanisms_forest.png``, ``kaplan_meier.png``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import sys
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cohorts_figures as figures
import numpy as np
import pandas as pd
from cohorts_fold import BOTH, FORMS, OURS, PLAIN, data_folder, eligible, leave_out, run_tide
from cohorts_panel import clinical_panel, described

from tumornexus.cohort import (
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
)
from tumornexus.io import read_cohort
from tumornexus.knowledge import load_knowledge

# After cohorts_fold, which knows where the scripts are.
from build_reference import before_treatment  # isort: skip
from build_response_model import EXPRESSION_COHORTS, PANEL, panel_rows  # isort: skip

OWN = (OURS, PLAIN, "mechanisms", "inflamed", *(f"burden_{form}" for form in FORMS))
LARGEST = "imvigor210"
NAMES = {
    OURS: "tumornexus (inflamed, TMB, clinical facts)",
    PLAIN: "inflamed + TMB only",
    "inflamed": "frozen inflamed score only",
    "mechanisms": "inflamed + TMB + mechanisms (ridge)",
    BOTH: "GEP + TMB, equal weights",
    "burden_log2": "tumornexus with burden as plain logarithm",
    "burden_linear": "tumornexus with burden up to 50 per Mb",
}


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


def verdicts(
    summary: dict[str, Any], pfs: dict[str, Any], scale: Any, panel: dict[str, Any]
) -> list[tuple[str, bool, str]]:
    """Each target of the project, whether it is met, and the figure."""
    ours, gep, both = summary[OURS], summary["gep"]["ours_minus_all"], summary[BOTH]["ours_minus_all"]
    more = summary["mechanisms"]["increment_all"]
    worse = [n for n, v in pfs.items() if n not in OWN and v["ours_minus"] < 0]

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
    if importlib.util.find_spec("lifelines") is None:
        print("survival models need the package lifelines (pip install lifelines); skipped")
        return 0
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
    scores = [*OWN, BOTH, *published_scores()]
    scores = [s for s in scores if bool(table[f"score:{s}"].notna().to_numpy().any())]
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
    mechanisms = [c for c in table if c.startswith("mechanism:") and bool(table[c].notna().to_numpy().any())]
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
        print(f"  over inflamed + TMB ({label}): mechanisms {a['estimate']:+.3f} ({a['low']:+.3f} to "
              f"{a['high']:+.3f}), "
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
        for score in (
            "ours",
            "six_feature",
            "tmb",
            "burden_log2",
            "burden_linear",
            "ours_minus_six_feature",
            "ours_minus_tmb",
        ):
            v = found[score]
            pot = f", in one pot {v['one_pot']:.3f}" if "one_pot" in v else ""
            print(f"  {score:24s} {v['estimate']:+.3f} ({v['low']:+.3f} to {v['high']:+.3f}){pot}, n {v['n']}")
        c = found["calibration"]
        print(
            f"  calibration slope {c['slope']:.2f}, observed minus predicted {c['in_the_large']:+.3f}, "
            f"Brier {c['brier']:.3f}"
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
    sys.exit(main())
