"""How far do activities move when genes are missing?

    python verification/missing_genes.py [--data DATA] [--out out/verification] [--cohorts NAME ...]

Of every sample of the expression cohorts 10 % of the measured genes are taken away at random, and the profile is made
again. Asked, over pairs of sample and mechanism that expression speaks to (mutations, clinical facts and HLA types are
left out, as they do not change):

1. How often does the new activity lie within the 90 % interval of the complete sample? Target: at least 90 %.
2. How wide are these intervals? Target: a median of at most 0.3.
3. How far does the activity move, and is it still measured?

One draw a sample; cohorts are pooled by pairs and printed one by one. Intervals of shares are Wilson's, over samples
(pairs of one sample are not independent): the share is taken within samples and its spread over samples counts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.activities import named_generator
from tumornexus.io import read_cohort
from tumornexus.io.patient import Patient
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.profile import Profile, profile_patient

COHORTS = ("gide2019_pd1", "riaz2017", "vanallen2015", "hugo2016", "imvigor210", "jung2019_nsclc", "snyder2017",
           "miao2018_rcc", "nathanson2017")  # fmt: skip
SHARE = 0.1
SHARE_WITHIN, WIDTH = 0.90, 0.30  # targets
COLUMNS = ["cohort", "sample", "mechanism", "before", "after", "low", "high"]


def expression_alone(patient: Patient) -> Patient:
    """Return the patient with nothing but tumor type and expression."""
    return replace(patient, clinical={}, mutations=None, copy_number=None, hla=None, microbiome=None, notes=())


def without_genes(patient: Patient, share: float, seed: int) -> Patient:
    """Return the patient with this share of its measured genes taken away at random."""
    assert patient.expression is not None
    measured = patient.expression.dropna()
    generator = named_generator(seed, "missing genes", patient.sample)
    kept = np.sort(generator.permutation(len(measured))[round(share * len(measured)) :])
    return replace(patient, expression=measured.iloc[kept])


def pairs(cohort: str, before: Profile, after: Profile) -> list[tuple[Any, ...]]:
    """One row a measured mechanism: activity before and after (NaN where no longer measured), interval before."""
    rows = []
    for name, activity in before.activities.by_mechanism.items():
        if activity.origin == "measured":
            again = after.activities.by_mechanism[name]
            value = again.mean if again.origin == "measured" else float("nan")
            rows.append((cohort, before.sample, name, activity.mean, value, *activity.interval()))
    return rows


def compare(patients: Sequence[Patient], cohort: str, knowledge: Knowledge, seed: int = 0) -> pd.DataFrame:
    """Profile every patient with and without the genes; one row a sample and measured mechanism."""
    rows: list[tuple[Any, ...]] = []
    for patient in patients:
        bare = expression_alone(patient)
        after = profile_patient(without_genes(bare, SHARE, seed), knowledge)
        rows += pairs(cohort, profile_patient(bare, knowledge), after)
    return pd.DataFrame(rows, columns=COLUMNS)


def summarize(table: pd.DataFrame) -> dict[str, float]:
    """Shares and widths of a table of pairs; intervals over samples (95 %, normal)."""
    kept = table.dropna(subset=["after"])
    inside = (kept["after"] >= kept["low"]) & (kept["after"] <= kept["high"])
    by_sample = inside.groupby([kept["cohort"], kept["sample"]]).mean()
    error = 1.96 * float(by_sample.std(ddof=1)) / np.sqrt(len(by_sample)) if len(by_sample) > 1 else float("nan")
    moved = (kept["after"] - kept["before"]).abs()
    width = table["high"] - table["low"]
    active = table["before"] >= 0.25
    return {
        "samples": float(len(by_sample)),
        "pairs": float(len(table)),
        "lost": float(table["after"].isna().mean()),
        "inside": float(inside.mean()),
        "inside_low": float(inside.mean()) - error,
        "inside_high": min(1.0, float(inside.mean()) + error),
        "inside_active": float(inside[active].mean()) if active.any() else float("nan"),
        "median_width": float(width.median()),
        "median_width_active": float(width[active].median()) if active.any() else float("nan"),
        "median_shift": float(moved.median()),
        "shift_95": float(moved.quantile(0.95)),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TUMORNEXUS_DATA", "data")))
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    parser.add_argument("--cohorts", nargs="+", default=list(COHORTS))
    options = parser.parse_args(arguments)
    knowledge = load_knowledge()
    tables = []
    for name in options.cohorts:
        if not (options.data / name).is_dir():
            print(f"  {name}: not under {options.data}; skipped (set TUMORNEXUS_DATA)")
            continue
        patients = [p for p in read_cohort(options.data / name, knowledge) if p.expression is not None]
        tables.append(compare(patients, name, knowledge))
    if not tables:
        print("skipped: no cohort found")
        return 0
    table = pd.concat(tables, ignore_index=True)
    found = {"all": summarize(table), **{str(n): summarize(t) for n, t in table.groupby("cohort", sort=False)}}
    print(
        f"knowledge {knowledge.digest}; {100 * SHARE:.0f} % of genes taken away, 90 % intervals of the whole sample\n"
    )
    print(f"  {'cohort':<18}{'samples':>8}{'pairs':>8}{'inside':>8}{'(95 %)':>16}{'width':>7}{'active: inside':>16}"
          f"{'width':>7}{'shift':>7}{'95th':>6}{'lost':>7}")  # fmt: skip
    for name, s in found.items():
        print(
            f"  {name:<18}{s['samples']:>8.0f}{s['pairs']:>8.0f}{s['inside']:>8.3f}"
            f"{s['inside_low']:>9.3f}-{s['inside_high']:.3f}{s['median_width']:>8.2f}{s['inside_active']:>16.3f}"
            f"{s['median_width_active']:>7.2f}{s['median_shift']:>7.3f}{s['shift_95']:>6.2f}{s['lost']:>7.3f}"
        )
    whole = found["all"]
    met = "met" if whole["inside"] >= SHARE_WITHIN else "MISSED"
    print(f"\n  within the interval in at least {SHARE_WITHIN:.0%}: {met}")
    print(f"  median width at most {WIDTH}: {'met' if whole['median_width'] <= WIDTH else 'MISSED'}")
    options.out.mkdir(parents=True, exist_ok=True)
    record = {"knowledge_digest": knowledge.digest, "share": SHARE, "targets": [SHARE_WITHIN, WIDTH], "found": found}
    (options.out / "missing_genes.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
