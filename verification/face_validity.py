"""Face validity of calibrated virtual patients: what every oncologist would check first, from tables of a run alone.

    python verification/face_validity.py FOLDER [FOLDER ...] [--out verification/results]

FOLDER: a partitioned run (pool of the calibration, `trials_fit` and `trials_held_out` of verification/trials.py, or the
`partitions` of a virtual trial), finished or not; patients of all are put together. What can be said from such tables:

* *Order of response by tumor type* under PD-1 or PD-L1 blockade alone. Expected: melanoma and instable colorectal
  cancer (and Hodgkin lymphoma, which RECIST does not judge) above pancreatic, prostate, brain and stable colorectal
  tumors.
* *PD-L1 and TMB*: odds ratio of response of high against low (PD-L1 of 50 % or more against below 1 %; TMB of 10 per
  Mb or more against below), within cohorts (Mantel-Haenszel with the interval of Robins, Breslow and Greenland), so
  that the order of tumor types does not make it. One regimen a cohort: the same patients are in all.
* *Pseudo-progression*: progression by RECIST that a later scan took back. Expected: below 10 %.
* *Hyper-progression* (growth under treatment at least twice that before): growth before treatment is not in the tables.
  A run with an `untreated` arm holds the same patients without treatment, which stands for it: rates of growth of the
  volume, 3 ln(sum at first scan / baseline) / days, of patients whose best response is progression. Otherwise it is
  said to be not computable. Expected: present, and rare.
* *Tail after CTLA-4 blockade*: share of responders free of progression at 24 months (day 715, after which no virtual
  scan comes), beside other classes of drugs. Expected: most of them, and more than after BRAF and MEK inhibitors.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import beta

from tumornexus.errors import RegimenError
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.regimen import parse_regimen
from tumornexus.trial.design import UNTREATED
from tumornexus.trial.partition_folder import read_table
from tumornexus.trial.statistics import kaplan_meier

HIGH, LOW = ("melanoma", "crc_msi_h"), ("pdac", "prostate", "gbm", "crc_mss")
PD1 = frozenset({"anti_pd1", "anti_pdl1"})
TAIL_DAY = 715.0
TWICE = 2.0  # ratio of growth rates that counts as hyper-progression
RARE = 0.10
COLUMNS = [
    "trial",
    "arm",
    "patient",
    "draw",
    "tumor",
    "best",
    "pfs_days",
    "pfs_event",
    "pseudo",
    "pd_l1",
    "tmb",
    "base_mm",
]


def regimens_of(folder: Path) -> dict[tuple[str, str], str]:
    """Return the regimen of each arm of a virtual trial; elsewhere an arm's name is its regimen."""
    design = folder.parent / "trial.json"
    if not design.is_file():
        return {}
    record = json.loads(design.read_text("utf-8"))
    return {(record["id"], a["name"]): a["regimen"] for a in record["arm"] if "regimen" in a}


def therapies(regimen: str, knowledge: Knowledge) -> frozenset[str]:
    """Return the therapies of a regimen; none for the untreated and for what is no regimen."""
    if regimen == UNTREATED:
        return frozenset()
    try:
        drugs = parse_regimen(regimen, knowledge).drugs
    except RegimenError:
        return frozenset()
    return frozenset(t for d in drugs for t in knowledge.drugs[d].therapy)


def read(folders: Sequence[Path], knowledge: Knowledge) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return patients and scans of all runs; `cohort` names run and trial, `regimen` and `therapies` the treatment."""
    patients, scans = [], []
    for i, folder in enumerate(folders):
        known = regimens_of(folder)
        for table, columns, found in (("patients", COLUMNS, patients), ("scans", None, scans)):
            own = read_table(folder, table, columns=columns, unfinished=True)
            arms = {k: known.get(k, k[1]) for k in own[["trial", "arm"]].drop_duplicates().itertuples(False, None)}
            pairs = list(zip(own["trial"], own["arm"], strict=True))
            own["regimen"] = [arms[p] for p in pairs]
            own["cohort"] = [f"{i}:{trial}" for trial, _ in pairs]
            found.append(own)
    people = pd.concat(patients, ignore_index=True)
    classes = {r: therapies(r, knowledge) for r in people["regimen"].unique()}
    people["therapies"] = people["regimen"].map(classes)
    people["response"] = people["best"].isin(("CR", "PR"))
    return people, pd.concat(scans, ignore_index=True)


def share(flags: np.ndarray | pd.Series) -> dict[str, float]:
    """Return a share with its exact 95 % interval (Clopper and Pearson 1934) and the number it rests on."""
    x, n = int(np.sum(flags)), len(flags)
    if n == 0:
        return {"share": float("nan"), "low": float("nan"), "high": float("nan"), "n": 0}
    low = beta.ppf(0.025, x, n - x + 1) if x else 0.0
    high = beta.ppf(0.975, x + 1, n - x) if x < n else 1.0
    return {"share": x / n, "low": float(low), "high": float(high), "n": n}


def one_regimen(patients: pd.DataFrame) -> pd.DataFrame:
    """Return the patients of the first regimen of every cohort: the same patients are in all."""
    first = patients.groupby("cohort", sort=False)["regimen"].transform("first")
    return patients[patients["regimen"] == first]


def odds_ratio(response: np.ndarray, high: np.ndarray, stratum: np.ndarray) -> dict[str, float]:
    """Return the odds ratio of Mantel and Haenszel over strata with its 95 % interval (Robins, Breslow, Greenland)."""
    r, s, pr, ps_qr, qs = 0.0, 0.0, 0.0, 0.0, 0.0
    for name in np.unique(stratum):
        at = stratum == name
        a, b = np.sum(response & high & at), np.sum(~response & high & at)
        c, d = np.sum(response & ~high & at), np.sum(~response & ~high & at)
        n = a + b + c + d
        if (a + b) * (c + d) == 0:
            continue
        p, q, ri, si = (a + d) / n, (b + c) / n, a * d / n, b * c / n
        r, s = r + ri, s + si
        pr, ps_qr, qs = pr + p * ri, ps_qr + p * si + q * ri, qs + q * si
    if r == 0.0 or s == 0.0:
        return {"odds_ratio": float("nan"), "low": float("nan"), "high": float("nan")}
    sd = np.sqrt(pr / (2 * r**2) + ps_qr / (2 * r * s) + qs / (2 * s**2))
    log = np.log(r / s)
    return {"odds_ratio": float(r / s), "low": float(np.exp(log - 1.96 * sd)), "high": float(np.exp(log + 1.96 * sd))}


def gradient(patients: pd.DataFrame, column: str, edges: Sequence[float]) -> dict[str, Any]:
    """Return response by class of a biomarker and the odds ratio of last against first class, within cohorts."""
    value = patients[column].to_numpy(float)
    group = np.digitize(value, edges)
    last = len(edges)
    words = [f"< {edges[0]:g}", *(f"{a:g}-{b:g}" for a, b in itertools.pairwise(edges)), f">= {edges[-1]:g}"]
    ends = patients[(group == 0) | (group == last)]
    high = group[(group == 0) | (group == last)] == last
    ratio = odds_ratio(ends["response"].to_numpy(bool), high, ends["cohort"].to_numpy(str))
    return {"classes": {w: share(patients["response"][group == i]) for i, w in enumerate(words)}, **ratio}


def growth_ratios(patients: pd.DataFrame, scans: pd.DataFrame) -> pd.DataFrame:
    """Return, per patient treated beside an untreated twin, the ratio of growth rates to the first scan.

    Rates are those of the volume per day, 3 ln(sum / baseline) / day, where both are known and the twin grows.
    """
    if patients.empty:
        return pd.DataFrame({c: [] for c in ("ratio", "rate", "rate_untreated", "best", "therapies")})
    first = scans[scans["sum_mm"] > 0].sort_values("day").groupby(["cohort", "arm", "patient"], as_index=False).first()
    both = patients.merge(first[["cohort", "arm", "patient", "day", "sum_mm"]], on=["cohort", "arm", "patient"])
    both = both[both["base_mm"] > 0]
    both["rate"] = 3.0 * np.log(both["sum_mm"] / both["base_mm"]) / both["day"]
    alone = both[both["regimen"] == UNTREATED][["cohort", "patient", "rate"]]
    pairs = both[both["regimen"] != UNTREATED].merge(alone, on=["cohort", "patient"], suffixes=("", "_untreated"))
    pairs = pairs[pairs["rate_untreated"] > 0].copy()
    pairs["ratio"] = pairs["rate"] / pairs["rate_untreated"]
    return pairs


def tail(patients: pd.DataFrame) -> dict[str, float]:
    """Return the share of responders free of progression on `TAIL_DAY` (Kaplan-Meier), percent, and their number."""
    own = patients[patients["response"]]
    if len(own) < 10:
        return {"percent": float("nan"), "low": float("nan"), "high": float("nan"), "responders": len(own)}
    curve = kaplan_meier(own["pfs_days"].to_numpy(float), own["pfs_event"].to_numpy(bool))
    k = int(np.searchsorted(curve.days, TAIL_DAY, side="right")) - 1
    percent, low, high = (100.0 * float(c[k]) for c in (curve.survival, curve.low, curve.high))
    return {"percent": percent, "low": low, "high": high, "responders": len(own)}


CLASSES: Mapping[str, Callable[[frozenset[str]], bool]] = {
    "CTLA-4 alone": lambda t: t == {"anti_ctla4"},
    "CTLA-4 and PD-1": lambda t: "anti_ctla4" in t and bool(t & PD1) and t <= PD1 | {"anti_ctla4"},
    "PD-1 or PD-L1 alone": lambda t: bool(t) and t <= PD1,
    "BRAF and MEK": lambda t: t == {"braf_mek_inhibitor"},
    "chemotherapy": lambda t: t == {"chemotherapy"},
}


def examine(patients: pd.DataFrame, scans: pd.DataFrame) -> dict[str, Any]:
    """Return all findings; see the top of this file. `checks` is true, false or None where nothing can be said."""
    alone = patients[[CLASSES["PD-1 or PD-L1 alone"](t) for t in patients["therapies"]]]
    single = one_regimen(alone)
    order = {str(t): share(own["response"]) for t, own in single.groupby("tumor")}
    high = [order[t]["share"] for t in HIGH if t in order]
    low = [order[t]["share"] for t in LOW if t in order]
    pd_l1, tmb = gradient(single, "pd_l1", (1.0, 50.0)), gradient(single, "tmb", (10.0,))
    immune = patients[[bool(t & (PD1 | {"anti_ctla4"})) for t in patients["therapies"]]]
    pseudo = {str(t): share(own["pseudo"].astype(bool)) for t, own in single.groupby("tumor")}
    overall = share(one_regimen(immune)["pseudo"].astype(bool))
    ratios = growth_ratios(patients[[c in set(patients["cohort"][patients["regimen"] == UNTREATED])
                                     for c in patients["cohort"]]], scans)  # fmt: skip
    treated = ratios[[bool(t & PD1) for t in ratios["therapies"]]] if len(ratios) else ratios
    hyper: dict[str, Any] | None = None
    if len(treated):
        hyper = share((treated["ratio"] >= TWICE) & (treated["best"] == "PD"))
        hyper["largest_ratio"] = float(treated["ratio"].max())
    tails = {name: tail(patients[[test(t) for t in patients["therapies"]]]) for name, test in CLASSES.items()}
    ctla4, braf = (tails[k]["percent"] for k in ("CTLA-4 and PD-1", "BRAF and MEK"))
    checks = {
        "order_of_tumor_types": bool(min(high) > max(low)) if high and low else None,
        "pd_l1_gradient": bool(pd_l1["low"] > 1.0) if np.isfinite(pd_l1["low"]) else None,
        "tmb_gradient": bool(tmb["low"] > 1.0) if np.isfinite(tmb["low"]) else None,
        "pseudo_progression_rare": bool(overall["share"] < RARE) if overall["n"] else None,
        "hyper_progression_possible_and_rare": None if hyper is None else bool(0.0 < hyper["share"] < 0.3),
        "tail_after_ctla4": bool(ctla4 > 50.0) if np.isfinite(ctla4) else None,
        "tail_longer_than_after_braf_mek": bool(ctla4 > braf) if np.isfinite([ctla4, braf]).all() else None,
    }
    return {
        "response_to_pd1_alone": dict(sorted(order.items(), key=lambda kv: -kv[1]["share"])),
        "without_an_arm": [t for t in (*HIGH, *LOW) if t not in order], "pd_l1": pd_l1, "tmb": tmb,
        "pseudo_progression": {"all": overall, "by_tumor": pseudo},
        "hyper_progression": hyper if hyper is not None else "not computable: no untreated arm with the same patients",
        "tail_of_responders": tails, "checks": checks,
    }  # fmt: skip


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw order, gradients, pseudo-progression and tails."""
    figure, axes = plt.subplots(1, 4, figsize=(17, 4.6), constrained_layout=True)

    def bars(ax: Any, rows: Mapping[str, Mapping[str, float]], key: str, scale: float, colors: Sequence[str]) -> None:
        at = np.arange(len(rows))[::-1]
        value, low, high = (scale * np.array([r[k] for r in rows.values()]) for k in (key, "low", "high"))
        ax.barh(at, value, color=colors, height=0.7)
        ax.errorbar(value, at, xerr=[value - low, high - value], fmt="none", ecolor="black", lw=1)
        count = [int(r.get("n", r.get("responders", 0))) for r in rows.values()]
        ax.set_yticks(at, [f"{name} ({n})" for name, n in zip(rows, count, strict=True)], fontsize=8)

    order = found["response_to_pd1_alone"]
    tint = ["#d55e00" if t in HIGH else "#0072b2" if t in LOW else "#8a8a8a" for t in order]
    bars(axes[0], order, "share", 100.0, tint)
    axes[0].set(xlabel="response, % (95 %)")
    axes[0].set_title("PD-1 or PD-L1 blockade alone (patients)", loc="left", fontsize=10)
    both = {f"PD-L1 {k} %": v for k, v in found["pd_l1"]["classes"].items()}
    both |= {f"TMB {k} / Mb": v for k, v in found["tmb"]["classes"].items()}
    bars(axes[1], both, "share", 100.0, ["#009e73"] * len(found["pd_l1"]["classes"]) + ["#cc79a7"] * 2)
    told = ", ".join(f"{n} {found[k]['odds_ratio']:.1f}" for n, k in (("PD-L1", "pd_l1"), ("TMB", "tmb")))
    axes[1].set(xlabel=f"response, %; odds ratio within cohorts: {told}")
    axes[1].set_title("Biomarkers", loc="left", fontsize=10)
    bars(axes[2], found["pseudo_progression"]["by_tumor"], "share", 100.0, ["#8a8a8a"])
    axes[2].axvline(100 * RARE, color="black", lw=0.8, ls=":")
    axes[2].set(xlabel="progression that a later scan took back, %")
    axes[2].set_title("Pseudo-progression", loc="left", fontsize=10)
    tails = {k: v for k, v in found["tail_of_responders"].items() if np.isfinite(v["percent"])}
    bars(axes[3], tails, "percent", 1.0, ["#0072b2"])
    axes[3].set(xlabel="responders free of progression at 24 months, %", xlim=(0, 100))
    axes[3].set_title("Tail (responders)", loc="left", fontsize=10)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results")
    options = parser.parse_args()
    knowledge = load_knowledge()
    patients, scans = read(options.folders, knowledge)
    found = examine(patients, scans)
    runs = [json.loads((f / "manifest.json").read_text("utf-8"))["identity"] for f in options.folders]
    told = [
        {k: r[k] for k in ("what", "use", "design", "knowledge", "knowledge_digest", "shifts", "calibration",
                           "calibration_digest") if k in r} for r in runs
    ]  # fmt: skip
    stamp = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "knowledge_digest": knowledge.digest, "runs": told}
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found, options.out / "face_validity.png")
    text = json.dumps(stamp | found, indent=1, default=float)
    (options.out / "face_validity.json").write_text(text + "\n", "utf-8")
    for name, own in found["response_to_pd1_alone"].items():
        print(f"{name:14s} {100 * own['share']:5.1f} % of {own['n']}")
    for name, passed in found["checks"].items():
        print(f"{name}: {'nothing can be said' if passed is None else 'as expected' if passed else 'NOT as expected'}")


if __name__ == "__main__":
    main()
