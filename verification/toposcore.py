"""TOPOSCORE on the authors' own patients: are the published calls reproduced, and do they go with survival?

    python verification/toposcore.py [--out FOLDER] [--published-table FILE]

Data: stools of 499 patients with lung cancer before PD-1 blockade (Derosa et al. 2024, Cell,
doi:10.1016/j.cell.2024.05.029) and 83 with kidney cancer, in the folder `microbiome_derosa2024_nsclc` below the folder
that TUMORNEXUS_DATA names or below ../shared/data. Without them, or without lifelines, the script says so and ends.

1. Score, category, Akkermansia trichotomy and call of each patient by this program against those in the published
   clinical table, in all and by cohort. `--published-table` gives the abundance table that the authors released with
   the paper (DS2_oncology_microbiome_data.csv at commit 3ae516e of their repository, samples x species): the folder's
   table is a later release of theirs, in which more of the species are present.
2. The published table against itself: does the rule, applied to its own score and trichotomy, give its own call?
3. Overall survival: Kaplan-Meier, log-rank, Cox models stratified by cohort, by themselves and adjusted for
   antibiotics (and ECOG), for the call, Akkermansia, diversity and the activity of `gut_dysbiosis`. The cut-offs were
   chosen on the discovery cohort, so that only the other patients test them.
4. Response: area under the curve of the score.

Writes ``toposcore.tsv`` (one row a patient), ``toposcore.json`` (all numbers) and ``toposcore_os.png``.
"""

from __future__ import annotations

import argparse
import json
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from scipy.stats import rankdata

from tumornexus.io import read_cohort
from tumornexus.io.datasets import local_folder
from tumornexus.io.microbiome import read_microbiome
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import profile_cohort
from tumornexus.profile.microbiome import (
    AKKERMANSIA_HIGH,
    SIG1_AT_MOST,
    SIG2_AT_LEAST,
    alpha_diversity,
    toposcore,
)

mpl.use("Agg")
import matplotlib.pyplot as plt

COHORT = "microbiome_derosa2024_nsclc"
CALLS = {"SIG1+": "NR", "SIG2+": "R"}  # the published table writes the expected response
COLORS = {"SIG1+": "#c0392b", "SIG2+": "#1f6fb2"}
MONTH = 365.25 / 12.0
TICKS = (0, 12, 24, 36, 48, 60)


def of_patients(folder: Path) -> pd.DataFrame:
    """One row a patient with lung cancer: what this program says, what was published, and the outcome."""
    knowledge = load_knowledge()
    cohort = read_cohort(folder, knowledge)
    names = pd.read_csv(folder / "clinical.tsv", sep="\t", dtype=str).set_index("sample")["cohort"]  # not a fact
    cohorts = {sample: name.removeprefix("Derosa2024:") for sample, name in names.items()}
    rows = []
    for profile in profile_cohort(cohort, knowledge):
        patient = profile.patient
        if patient.microbiome is None:
            continue
        topo, facts = toposcore(patient.microbiome.abundance), patient.clinical
        dysbiosis = profile.activities.by_mechanism["gut_dysbiosis"]
        rows.append({
            "sample": patient.sample, "cohort": cohorts[patient.sample], **vars(topo),
            "shannon": alpha_diversity(patient.microbiome.abundance)["shannon"], "dysbiosis": dysbiosis.mean,
            "antibiotics": facts.get("antibiotics_60d"), "ecog": facts.get("x_ECOGPS"),
            "published_score": float(facts["x_SCORE"]) if "x_SCORE" in facts else np.nan,
            "published_category": _word(facts.get("x_SIGCAT")), "published_akk": _word(facts.get("x_AKK_TRICHO")),
            "published_call": facts.get("x_PRED_TOPO"), "response": facts.get("response_binary"),
            "os_months": facts["OS_days"] / MONTH, "died": int(float(facts["OS_event"])),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _word(cell: object) -> str | None:
    """One spelling of a published word: the table writes Gray, Grey and grey, Zero and zero."""
    return None if cell is None else str(cell).strip().capitalize().replace("Grey", "Gray").replace("Sig", "SIG")


def agreement(table: pd.DataFrame) -> dict[str, Any]:
    """Share of patients in whom this program says what was published."""
    scored = table.dropna(subset="published_score")
    difference = (scored["score"] - scored["published_score"]).abs()
    same = table["call"].map(CALLS) == table["published_call"]
    why = table[~same]
    of_akk = why["trichotomy"] != why["published_akk"]
    of_score = why["category"] != why["published_category"]
    return {
        "patients": len(table),
        "same_call": int(same.sum()),
        "same_category": _count(table, "category", "published_category"),
        "same_trichotomy": _count(table, "trichotomy", "published_akk"),
        "score_published": len(scored),
        "score_equal_to_1e-5": int((difference < 1e-5).sum()),
        "score_median_difference": float(difference.median()) if len(scored) else None,
        "other_call_from_score_only": int((of_score & ~of_akk).sum()),
        "other_call_from_akkermansia_only": int((of_akk & ~of_score).sum()),
        "other_call_from_both": int((of_akk & of_score).sum()),
        "other_call_unexplained": int((~of_akk & ~of_score).sum()),
    }


def _count(table: pd.DataFrame, ours: str, theirs: str) -> str:
    given = table.dropna(subset=theirs)
    return f"{int((given[ours] == given[theirs]).sum())} of {len(given)}"


def self_consistency(table: pd.DataFrame) -> str:
    """How often the published rule, applied to the published score and trichotomy, gives the published call."""
    given = table.dropna(subset=["published_score", "published_akk", "published_call"])
    score = given["published_score"]
    call = np.where(
        score <= SIG1_AT_MOST,
        "NR",
        np.where((score >= SIG2_AT_LEAST) | (given["published_akk"] == "Low"), "R", "NR"),
    )
    return f"{int((call == given['published_call']).sum())} of {len(given)}"


def from_published_table(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Score the same patients on another abundance table (samples x species, percent)."""
    wide = pd.read_csv(path, index_col=0)
    wide = wide[~wide.index.duplicated()].reindex(table["sample"])
    other = table.copy()
    scores = [toposcore(row[row > 0.0] / 100.0) for _, row in wide.iterrows()]
    for name in vars(scores[0]):
        other[name] = [getattr(s, name) for s in scores]
    return other


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Chance that a positive has a higher score than a negative, ties half."""
    n = int(positive.sum())
    rank = rankdata(score)
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))


def cox(table: pd.DataFrame, columns: list[str], report: str) -> dict[str, Any]:
    """Hazard ratio of `report` for death with 95 % interval, in a Cox model stratified by cohort."""
    from lifelines import CoxPHFitter

    used = table[["os_months", "died", "cohort", *columns]].dropna()
    used = used.astype(dict.fromkeys(columns, float))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lifelines warns of deprecated pandas calls, not of the fit
        fit = CoxPHFitter().fit(used, "os_months", "died", strata=["cohort"])
    row = fit.summary.loc[report]
    return {
        "n": len(used), "deaths": int(used["died"].sum()), "hr": float(row["exp(coef)"]),
        "low": float(row["exp(coef) lower 95%"]), "high": float(row["exp(coef) upper 95%"]), "p": float(row["p"]),
    }  # fmt: skip


def survival(table: pd.DataFrame) -> dict[str, Any]:
    """Log-rank test and Cox models of one group of patients."""
    from lifelines import KaplanMeierFitter
    from lifelines.statistics import logrank_test, proportional_hazard_test

    table = table.assign(
        sig1=table["call"] == "SIG1+", akk_zero=table["trichotomy"] == "Zero",
        akk_high=table["trichotomy"] == "High", ecog2=_poor(table["ecog"]),
        shannon_sd=-(table["shannon"] - table["shannon"].mean()) / table["shannon"].std(),
        score_sd=-(table["score"] - table["score"].mean()) / table["score"].std(),
        dysbiosis_sd=(table["dysbiosis"] - table["dysbiosis"].mean()) / table["dysbiosis"].std(),
    )  # fmt: skip
    bad, good = table[table["sig1"]], table[~table["sig1"]]
    found: dict[str, Any] = {
        "n": len(table), "n_sig1": len(bad), "deaths": int(table["died"].sum()),
        "logrank_p": float(logrank_test(bad["os_months"], good["os_months"], bad["died"], good["died"]).p_value),
        "median_os_sig1": float(KaplanMeierFitter().fit(bad["os_months"], bad["died"]).median_survival_time_),
        "median_os_sig2": float(KaplanMeierFitter().fit(good["os_months"], good["died"]).median_survival_time_),
        "sig1": cox(table, ["sig1"], "sig1"),
    }  # fmt: skip
    if table["antibiotics"].notna().to_numpy().any():
        found["sig1_adjusted_antibiotics"] = cox(table, ["sig1", "antibiotics"], "sig1")
        found["antibiotics"] = cox(table, ["antibiotics"], "antibiotics")
        found["antibiotics_adjusted_sig1"] = cox(table, ["sig1", "antibiotics"], "antibiotics")
    if table["ecog2"].notna().to_numpy().any():
        found["sig1_adjusted_antibiotics_ecog"] = cox(table, ["sig1", "antibiotics", "ecog2"], "sig1")
    found["score_per_sd_lower"] = cox(table, ["score_sd"], "score_sd")
    found["akkermansia_absent"] = cox(table, ["akk_zero", "akk_high"], "akk_zero")
    found["akkermansia_high"] = cox(table, ["akk_zero", "akk_high"], "akk_high")
    found["shannon_per_sd_lower"] = cox(table, ["shannon_sd"], "shannon_sd")
    if table["dysbiosis"].notna().to_numpy().any():
        found["dysbiosis_activity_per_sd"] = cox(table, ["dysbiosis_sd"], "dysbiosis_sd")
    found["proportional_hazards_p"] = _proportional(table, proportional_hazard_test)
    return found


def _proportional(table: pd.DataFrame, test: Any) -> float:
    from lifelines import CoxPHFitter

    used = table[["os_months", "died", "sig1"]].astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(test(CoxPHFitter().fit(used, "os_months", "died"), used).p_value[0])


def _poor(ecog: pd.Series) -> pd.Series:
    """ECOG 2 or more as 1, below as 0, NaN where the table has no number."""
    number = pd.to_numeric(ecog, errors="coerce")
    return (number >= 2).astype(float).where(number.notna())


def of_kidney(folder: Path) -> pd.DataFrame:
    """One row a patient with kidney cancer."""
    stools = read_microbiome(folder / "abundance_rcc.tsv.gz")
    clinical = pd.read_csv(folder / "clinical_rcc.tsv", sep="\t", dtype={"sample": str}).set_index("sample")
    rows = [
        {
            "sample": s, "cohort": "RCC", **vars(toposcore(m.abundance)),
            "shannon": alpha_diversity(m.abundance)["shannon"], "dysbiosis": np.nan, "antibiotics": np.nan,
            "ecog": np.nan, "published_akk": clinical.loc[s, "AKK_TRICHO"],
            "os_months": clinical.loc[s, "OS_days"] / MONTH, "died": int(clinical.loc[s, "Death"]),
        }
        for s, m in stools.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def draw(groups: dict[str, pd.DataFrame], results: dict[str, Any], path: Path) -> None:
    """Kaplan-Meier curves of each group and a forest plot of hazard ratios."""
    from lifelines import KaplanMeierFitter

    figure = plt.figure(figsize=(11.0, 9.4), constrained_layout=True)
    axes = [a for row in np.ravel(figure.subfigures(2, 1)) for a in row.subplots(1, 2)]
    for axis, (name, table) in zip(axes, groups.items(), strict=False):
        found = results[name]
        for call, color in COLORS.items():
            part = table[table["call"] == call]
            label = f"{call} (median {part_median(part)})"
            KaplanMeierFitter(label=label).fit(part["os_months"], part["died"]).plot_survival_function(
                ax=axis, color=color, ci_alpha=0.15, show_censors=True, censor_styles={"ms": 3, "marker": "|"}
            )
        hazard = found["sig1"]
        at_risk = "\n".join(
            f"at risk, {c}: "
            + ", ".join(str(int(((table["call"] == c) & (table["os_months"] >= m)).sum())) for m in TICKS)
            for c in COLORS
        )
        axis.set(
            title=f"{name}\nHR {hazard['hr']:.2f} ({hazard['low']:.2f} to {hazard['high']:.2f}), log-rank p "
            f"{found['logrank_p']:.2g}",
            xlabel=f"months\n{at_risk}", ylabel="alive", ylim=(0, 1.02), xlim=(0, TICKS[-1]), xticks=TICKS,
        )  # fmt: skip
        axis.legend(frameon=False, fontsize=8)
    axis = axes[-1]
    lines = []
    for name, found in results.items():
        for key, words in (
            ("sig1", "SIG1+"), ("sig1_adjusted_antibiotics", "SIG1+, adjusted for antibiotics"),
            ("antibiotics_adjusted_sig1", "antibiotics, adjusted for SIG1+"),
            ("dysbiosis_activity_per_sd", "activity of gut_dysbiosis, per SD"),
        ):  # fmt: skip
            if key in found:
                lines.append((f"{words}\n{name}", found[key]))
    for i, (_, value) in enumerate(reversed(lines)):
        axis.plot([value["low"], value["high"]], [i, i], color="#444444", lw=1.4)
        axis.plot(value["hr"], i, "s", color="#222222", ms=5)
    axis.axvline(1.0, color="#999999", lw=0.8)
    axis.set(xscale="log", xlabel="hazard ratio for death, 95 % interval", title="Cox, stratified by cohort")
    axis.set_yticks(range(len(lines)), [label for label, _ in reversed(lines)], fontsize=7)
    axis.set_xticks([0.5, 1, 2, 3], ["0.5", "1", "2", "3"])
    axis.minorticks_off()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def part_median(part: pd.DataFrame) -> str:
    """Median survival in words."""
    from lifelines import KaplanMeierFitter

    value = KaplanMeierFitter().fit(part["os_months"], part["died"]).median_survival_time_
    return f"{value:.1f} months" if np.isfinite(value) else "not reached"


def main() -> None:
    """Compare, print and write."""
    parser = argparse.ArgumentParser(description="TOPOSCORE on the patients of Derosa et al. 2024")
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    parser.add_argument("--published-table", type=Path, default=None)
    options = parser.parse_args()
    root = local_folder()
    folder = (root if root is not None else Path("../shared/data")) / COHORT
    if not folder.is_dir():
        print(f"{COHORT} was not found; TUMORNEXUS_DATA names the folder that holds it")
        return
    try:
        import lifelines  # noqa: F401  # asked for before an hour of work, not after it
    except ImportError:
        print("lifelines is not installed: pip install lifelines")
        return
    table = of_patients(folder)
    print(
        f"Akkermansia is high from {100 * AKKERMANSIA_HIGH:.3f} %; SIG1 up to {SIG1_AT_MOST}, SIG2 from {SIG2_AT_LEAST}"
    )
    results: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(), "knowledge_digest": load_knowledge().digest,
        "agreement": {"all": agreement(table)},
    }  # fmt: skip
    for name, part in table.groupby("cohort"):
        results["agreement"][str(name)] = agreement(part)
    results["published_rule_on_published_values"] = self_consistency(table)
    if options.published_table is not None:
        other = from_published_table(options.published_table, table)
        results["agreement_on_the_papers_table"] = {"all": agreement(other)}
        for name, part in other.groupby("cohort"):
            results["agreement_on_the_papers_table"][str(name)] = agreement(part)
    discovery = table["cohort"].str.endswith("Disc")
    kidney = of_kidney(folder)
    groups = {
        "lung, discovery (cut-offs chosen here)": table[discovery],
        "lung, all other cohorts": table[~discovery],
        "kidney": kidney,
    }
    results["kidney_same_trichotomy"] = _count(kidney, "trichotomy", "published_akk")
    results["survival"] = {name: survival(part) for name, part in groups.items()}
    known = table.dropna(subset="response")
    responded = (known["response"] == "R").to_numpy()
    results["response_auc"] = {
        "n": len(known), "responders": int(responded.sum()), "score": auc(known["score"].to_numpy(), responded),
        "call": auc((known["call"] == "SIG2+").to_numpy(dtype=float), responded),
        "less_dysbiosis_activity": auc(-known["dysbiosis"].to_numpy(), responded),
    }  # fmt: skip
    options.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out / "toposcore.tsv", sep="\t", index=False)
    (options.out / "toposcore.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    draw(groups, results["survival"], options.out / "toposcore_os.png")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
