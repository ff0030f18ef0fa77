"""How well do cell fractions and marker scores from bulk expression agree with the truth?

    python verification/deconvolution.py [--data DATA] [--flow FOLDER] [--out out/verification]

1. Simulated mixtures, with known fractions. Profiles of a patient are those of TIL10 with every gene of every cell type
   off by a log-normal factor (standard deviation 0.8 log2, assumed), a tenth to two thirds of the cells are immune, the
   rest expresses three in ten of the signature's genes a little (median 2 TPM), and the total is off as between
   cohorts. Nothing was fitted to them. Errors of the matrix itself, such as tumor states that no blood cell has, are
   not simulated: expect less on real samples.
2. Flow cytometry of four melanoma metastases in lymph nodes (GSE93722, Racle et al. 2017, doi:10.7554/eLife.26476), not
   among the data here: FOLDER holds expression.tsv (gene x sample, TPM) and fractions.tsv (sample, cell_type,
   true_fraction with B cell, T cell CD4+, T cell CD8+, NK cell).
3. Other measurements of the same tumors: T-cell fraction by sequencing of T-cell receptors (riaz2017, snyder2017),
   PD-L1 on immune cells and the pathologist's phenotype (imvigor210, marker scores only: its panel lacks two thirds).

Intervals of rank correlations and areas are 95 %, percentile bootstrap over patients (2000 draws).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.activities import named_generator
from tumornexus.io import read_cohort
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.profile import load_reference
from tumornexus.profile.deconvolution import (
    LEAST_WIDTH,
    WIDTH,
    Composition,
    composition,
    deconvolve,
    load_signature,
)
from tumornexus.profile.measure import score_sample

MIXTURES = 400
PROFILE_SD_LOG2 = 0.8
TOTAL_SD = 0.28
IMMUNE = (1.5, 3.0)  # Beta parameters of the immune share: mean 1/3, mostly 0.06 to 0.68; assumed
EVENNESS = 0.6  # Dirichlet parameter of each type within it: some types rare, some dominant; assumed
SEEDS = (1, 2)
DRAWS = 2000


def mixtures(seed: int, n: int = MIXTURES) -> tuple[np.ndarray, np.ndarray]:
    """Return true fractions (mixture, cell) and TPM of the signature's genes (mixture, gene)."""
    signature = load_signature()
    rng = named_generator(seed, "deconvolution", "mixtures")
    genes, cells = signature.profiles.shape
    truth = rng.beta(*IMMUNE, n)[:, None] * rng.dirichlet(np.full(cells, EVENNESS), n)
    profiles = signature.profiles * 2.0 ** (PROFILE_SD_LOG2 * rng.standard_normal((n, genes, cells)))
    rna = truth * signature.rna_content
    rna *= (truth.sum(axis=1) / rna.sum(axis=1))[:, None]
    rest = (
        (1.0 - truth.sum(axis=1))[:, None]
        * (rng.random((n, genes)) < 0.3)
        * 2.0
        * np.exp(1.5 * rng.standard_normal((n, genes)))
    )
    total = np.exp(TOTAL_SD * rng.standard_normal(n))[:, None]
    return truth, total * (np.einsum("ngc,nc->ng", profiles, rna) + rest)


def simulated(seed: int) -> dict[str, dict[str, float]]:
    """Error, correlation and coverage by cell type over the mixtures of one seed."""
    signature = load_signature()
    truth, tpm = mixtures(seed)
    solved = [deconvolve(row, signature) for row in tpm]
    share, error = np.array([s for s, _ in solved]), np.array([e for _, e in solved])
    half = np.maximum(WIDTH * error, LEAST_WIDTH)
    found = {}
    for i, name in enumerate(signature.cells):
        off = share[:, i] - truth[:, i]
        held = np.abs(off) <= half[:, i]
        found[name] = {
            "rmse": float(np.sqrt((off**2).mean())), "bias": float(off.mean()),
            "spread_of_truth": float(truth[:, i].std()),
            "r": float(np.corrcoef(share[:, i], truth[:, i])[0, 1]), "coverage": float(held.mean()),
            "median_width": float(np.median(2.0 * half[:, i])),
        }  # fmt: skip
    found["all"] = {k: float(np.mean([row[k] for row in found.values()])) for k in found[signature.cells[0]]}
    return found


def bootstrap(statistic: Callable[..., float], *columns: np.ndarray) -> tuple[float, float, float]:
    """Value and 95 % interval over patients."""
    rng = named_generator(0, "deconvolution", "bootstrap")
    n = len(columns[0])
    values = []
    for _ in range(DRAWS):
        chosen = rng.integers(0, n, n)
        values.append(statistic(*(c[chosen] for c in columns)))
    low, high = np.nanquantile(values, [0.025, 0.975])
    return statistic(*columns), float(low), float(high)


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation; NaN for a constant."""
    ra, rb = (pd.Series(x).rank().to_numpy() for x in (a, b))
    return float(np.corrcoef(ra, rb)[0, 1]) if ra.std() > 0.0 and rb.std() > 0.0 else float("nan")


def area(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the receiver operating characteristic; NaN with one class only."""
    ranks = pd.Series(score).rank().to_numpy()
    p = positive.astype(bool)
    if not p.any() or p.all():
        return float("nan")
    return float((ranks[p].sum() - p.sum() * (p.sum() + 1) / 2.0) / (p.sum() * (~p).sum()))


def compositions(folder: Path, knowledge: Knowledge) -> dict[str, tuple[Any, Composition]]:
    """Return sample to patient and composition, for samples whose expression could be normalized."""
    reference = load_reference()
    found = {}
    for patient in read_cohort(folder, knowledge):
        scored = score_sample(patient.expression, reference) if patient.expression is not None else None
        if scored is not None:
            found[patient.sample] = (patient, composition(patient.expression, scored, reference))
    return found


def values(found: Composition) -> dict[str, float]:
    """Fractions by group (with all T cells together) and marker scores as ``GROUP markers``, NaN where missing."""
    row = {c.group: np.nan if c.fraction is None else c.fraction for c in found.cells if c.group not in ("t_cell",)}
    row["t_cell"] = row["cd8"] + row["cd4_helper"] + row["treg"]
    markers = {f"{c.group} markers": np.nan if c.marker_score is None else c.marker_score for c in found.cells}
    return {k: float(v) for k, v in (row | markers).items()}


def against(table: pd.DataFrame, column: str, names: Sequence[str]) -> dict[str, tuple[float, float, float, int]]:
    """Rank correlation of scores with an independent measurement."""
    found = {}
    for name in names:
        both = table[[name, column]].dropna()
        if len(both) >= 8:
            found[name] = (*bootstrap(rank_correlation, both[name].to_numpy(), both[column].to_numpy()), len(both))
    return found


def t_cells_by_receptors(data: Path, knowledge: Knowledge) -> dict[str, Any]:
    """T-cell fraction by sequencing of receptors in the same tumors."""
    result: dict[str, Any] = {}
    names = ("t_cell", "cd8", "t_cell markers", "cd8 markers", "b_cell markers", "fibroblast markers")
    if (data / "riaz2017").is_dir():
        tcr = pd.read_csv(data / "riaz2017" / "tcr_metrics.tsv", sep="\t", dtype={"Patient": str})
        fraction = tcr.set_index(tcr["Patient"].str.lower())["fraction_productive_of_cells_mass_estimate_Pre"]
        rows = [
            values(c) | {"tcr": float(pd.to_numeric(fraction.get(p.patient.lower()), errors="coerce"))}
            for p, c in compositions(data / "riaz2017", knowledge).values()
            if p.clinical.get("timepoint", "pre") == "pre" and p.patient.lower() in fraction.index
        ]
        result["riaz2017"] = against(pd.DataFrame(rows), "tcr", names)
    if (data / "snyder2017").is_dir():
        tcr = pd.read_csv(data / "snyder2017" / "tcr.tsv", sep="\t", dtype={"patient": str})
        fraction = tcr[tcr["Sample Type"] == "Tumor"].groupby("patient")["T-cell fraction"].mean()
        rows = [
            values(c) | {"tcr": float(fraction[p.patient])}
            for p, c in compositions(data / "snyder2017", knowledge).values()
            if p.patient in fraction.index
        ]
        result["snyder2017"] = against(pd.DataFrame(rows), "tcr", names)
    return result


def pathology(data: Path, knowledge: Knowledge) -> dict[str, Any]:
    """PD-L1 on immune cells and the phenotype of imvigor210 against marker scores."""
    rows = []
    for patient, found in compositions(data / "imvigor210", knowledge).values():
        level = str(patient.clinical.get("pd_l1_ic", ""))
        ic = float(level[2]) if level.startswith("IC") and level[2:3].isdigit() else np.nan
        rows.append(values(found) | {"ic": ic, "phenotype": str(patient.clinical.get("immune_phenotype", "")).lower()})
    table = pd.DataFrame(rows)
    names = [c for c in table.columns if c.endswith("markers") and table[c].notna().mean() > 0.5]
    areas = {}
    for positive, negative in (("inflamed", "desert"), ("excluded", "desert"), ("inflamed", "excluded")):
        part = table[table["phenotype"].isin([positive, negative])]
        for name in names:
            both = part[[name, "phenotype"]].dropna()
            truth = (both["phenotype"] == positive).to_numpy()
            areas[f"{positive} over {negative}: {name}"] = (
                *bootstrap(area, both[name].to_numpy(), truth), len(both),
            )  # fmt: skip
    return {"ic": against(table, "ic", names), "phenotype": areas}


def flow(folder: Path) -> pd.DataFrame:
    """Fractions against flow cytometry, one row a sample and cell type; CD4 holds regulatory T cells as there."""
    expression = pd.read_csv(folder / "expression.tsv", sep="\t", index_col=0)
    genes, reference = load_knowledge().genes, load_reference()
    expression.index = pd.Index([genes.approved(str(g)) or str(g) for g in expression.index])
    expression = expression[~expression.index.duplicated()]
    rows = []
    for sample in expression.columns:
        scored = score_sample(expression[sample], reference)
        if scored is None:
            continue
        by = {c.group: c for c in composition(expression[sample], scored, reference).cells}
        parts = {"B cell": ["b_cell"], "T cell CD4+": ["cd4_helper", "treg"], "T cell CD8+": ["cd8"], "NK cell": ["nk"]}
        for name, ids in parts.items():
            total = [min(1.0, sum(getattr(by[i], k) for i in ids)) for k in ("fraction", "low", "high")]
            rows.append((str(sample), name, *total))
    found = pd.DataFrame(rows, columns=["sample", "cell_type", "fraction", "low", "high"])
    truth = pd.read_csv(folder / "fractions.tsv", sep="\t", dtype={"sample": str})
    return found.merge(truth, on=["sample", "cell_type"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TUMORNEXUS_DATA", "data")))
    parser.add_argument("--flow", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    options = parser.parse_args(arguments)
    knowledge = load_knowledge()
    record: dict[str, Any] = {"knowledge_digest": knowledge.digest, "simulated": {}}
    for seed in SEEDS:
        record["simulated"][str(seed)] = simulated(seed)
    print(f"simulated mixtures, {MIXTURES} of each of seeds", *SEEDS)
    print(f"  {'cell type':<18}{'rmse':>7}{'bias':>8}{'spread':>8}{'r':>7}{'coverage':>10}{'width':>7}")
    for name in record["simulated"][str(SEEDS[0])]:
        rows = [record["simulated"][str(s)][name] for s in SEEDS]
        m = {k: float(np.mean([r[k] for r in rows])) for k in rows[0]}
        print(f"  {name:<18}{m['rmse']:>7.3f}{m['bias']:>+8.3f}{m['spread_of_truth']:>8.3f}{m['r']:>7.2f}"
              f"{m['coverage']:>10.2f}{m['median_width']:>7.2f}")  # fmt: skip
    if options.flow:
        table = flow(options.flow)
        record["flow"] = table.to_dict("records")
        held = ((table["true_fraction"] >= table["low"]) & (table["true_fraction"] <= table["high"])).mean()
        print("\nflow cytometry, four metastases\n" + table.round(3).to_string(index=False))
        off = table["fraction"] - table["true_fraction"]
        r = np.corrcoef(table["fraction"], table["true_fraction"])[0, 1]
        print(f"  root mean square error {np.sqrt((off**2).mean()):.3f}, r {r:.2f}, in their intervals {held:.2f}")
    if not options.data.is_dir():
        print(f"\ncohorts skipped: no folder {options.data} (set TUMORNEXUS_DATA)")
    else:
        record["receptors"] = t_cells_by_receptors(options.data, knowledge)
        record["pathology"] = pathology(options.data, knowledge) if (options.data / "imvigor210").is_dir() else {}
        for title, found in (*record["receptors"].items(), *record["pathology"].items()):
            print(f"\n{title}")
            for name, (value, low, high, n) in found.items():
                print(f"  {name:<48}{value:>6.2f} ({low:.2f} to {high:.2f})  n {n}")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "deconvolution.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
