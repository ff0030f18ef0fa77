"""Every arm of the catalogue against its trial: fitted and held out, beside two predictions without a tumor model.

Simulates each cohort (tumor type and criteria) once under every regimen of its trials, 500 virtual patients with the
shipped calibration, and writes the table, the figure and the numbers of docs/validation.md. The simulation goes on
where it was broken off. "Held out" means not fitted: outcomes of trials are public, and people who wrote the records
knew them.

Usage: python verification/trials.py [--out out/verification] [--patients 500] [--calibration FILE]
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import norm
from trials_baselines import Ridge, fit_ridge, nearest

from tumornexus.activities import named_generator
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.machine import keep_compiled
from tumornexus.provenance import installed_version
from tumornexus.trial.calibration import Calibration, load_calibration, none, shipped
from tumornexus.trial.design import MONTH_DAYS
from tumornexus.trial.partition_folder import read_table
from tumornexus.trial.partitions import run_partitions
from tumornexus.trial.pool import FittedArm, arms_of
from tumornexus.trial.simulate import SIZE, Task, run_partition
from tumornexus.trial.statistics import kaplan_meier
from tumornexus.trial.summary import DEFAULT_TRIAL_SD, predicted_rate, predicted_ratio, survival_endpoints

Z95 = 1.959964
FIGURES = (("orr", "%"), ("pfs_median", "months"), ("os_12", "%"), ("ae3", "%"))
# Digitised curves of trials in the catalogue: data set, trial, arm of the catalogue by its label in the data.
CURVES = (
    ("KEYNOTE024_1A", "keynote_024", "pfs", {"pembrolizumab": "pembro", "chemo": "platinum doublet"}),
    ("KEYNOTE024_2", "keynote_024", "os", {"pembrolizumab": "pembro", "chemo": "platinum doublet"}),
    ("Checkmate017_2B", "checkmate_017", "pfs", {"nivolumab": "nivo", "d1": "docetaxel"}),
    ("Checkmate017_1", "checkmate_017", "os", {"nivolumab": "nivo", "d1": "docetaxel"}),
)


def simulate(
    knowledge: Knowledge, calibration: Calibration, out: Path, patients: int, workers: int
) -> tuple[list[FittedArm], pd.DataFrame]:
    """Simulate fitted and held-out cohorts; return the arms and all patients, column `trial` naming the cohort."""
    arms: list[FittedArm] = []
    tables = []
    for use in ("fit", "held_out"):
        found, designs = arms_of(knowledge, use)
        tasks = {
            f"{use}-{cohort}-{i:02d}": Task(design, i, SIZE, 77, calibration)
            for i in range(-(-patients // SIZE)) for cohort, design in designs.items()
        }  # fmt: skip
        identity = {
            "what": "trials of the catalogue", "use": use, "patients": patients,
            "calibration": calibration.simulated_digest(), "knowledge": knowledge.digest,
            "cohorts": {c: d.digest() for c, d in designs.items()},
        }  # fmt: skip
        folder = out / f"trials_{use}"
        run = run_partitions(
            run_partition, tasks, folder, identity=identity, workers=workers,
            progress=lambda _: print(".", end="", flush=True),
        )  # fmt: skip
        print(f" {use}: {run.computed} partitions computed, {run.kept} kept")
        table = read_table(folder, "patients").assign(use=use)
        arms += found
        tables.append(table)
    return arms, pd.concat(tables, ignore_index=True)


def predictions(arms: list[FittedArm], patients: pd.DataFrame, calibration: Calibration) -> pd.DataFrame:
    """Return one row an arm: published and predicted figures with 95 % prediction intervals for its size."""
    sd = {**DEFAULT_TRIAL_SD, **calibration.trial_sd}
    rows = []
    groups = patients.groupby(["use", "trial", "arm"], sort=False)
    for arm in arms:
        table = groups.get_group((arm.trial.use, arm.cohort, arm.regimen))
        n, draw = int(arm.arm.n or 30), table["draw"].to_numpy()
        own: dict[str, Any] = {
            "trial": arm.trial.id, "name": arm.trial.name, "arm": arm.arm.name, "use": arm.trial.use,
            "tumor": arm.arm.tumor or arm.trial.tumor, "regimen": arm.regimen, "n": n,
        }  # fmt: skip
        generator = named_generator(1, "trials", arm.trial.id, arm.arm.name)
        found = {
            "orr": predicted_rate(table["best"].isin(("CR", "PR")).to_numpy(), draw, n, sd["rate"], generator),
            "ae3": predicted_rate(np.isfinite(table["ae3_day"].to_numpy(float)), draw, n, sd["toxicity"], generator),
        }
        for name in ("pfs", "os"):
            days, event = table[f"{name}_days"].to_numpy(), table[f"{name}_event"].to_numpy(bool)
            found |= survival_endpoints(name, days, event, draw, n, sd["hazard"], 728.0)
        for key, _ in FIGURES:
            own |= {f"{key}_{k}": v for k, v in found[key].items()} | {key: getattr(arm.arm.outcome, key)}
        own |= {"pfs_hr": arm.arm.outcome.pfs_hr, "os_hr": arm.arm.outcome.os_hr}
        control = next((a for a in arms if a.trial is arm.trial and a.arm.control), None)
        if control is not None and control is not arm:
            other = groups.get_group((control.trial.use, control.cohort, control.regimen))
            for name in ("pfs", "os"):
                ratio = predicted_ratio(table, other, name, n, sd["ratio"])
                own |= {f"{name}_hr_{k}": v for k, v in ratio.items()}
        rows.append(own)
    return pd.DataFrame(rows)


def interval_score(y: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the interval score of 95 % intervals (Gneiting and Raftery 2007): width plus 40 times the miss."""
    return high - low + 40.0 * (np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0))


def ridge_interval(ridge: Ridge, arm: FittedArm, knowledge: Knowledge, n: int) -> tuple[float, float, float]:
    """Return the ridge's response in percent with a 95 % prediction interval."""
    center, sd = ridge.predict(arm, knowledge)
    p = 1.0 / (1.0 + np.exp(-center))
    generator = named_generator(1, "ridge", arm.trial.id, arm.arm.name)
    draws = 1.0 / (1.0 + np.exp(-(center + sd * generator.standard_normal(4000))))
    seen = 100.0 * generator.binomial(n, draws) / n
    return 100.0 * p, *np.quantile(seen, [0.025, 0.975])


def _logit(percent: float, n: int) -> float:
    share = (percent / 100.0 * n + 0.5) / (n + 1.0)
    return float(np.log(share / (1.0 - share)))


def difference(a: np.ndarray, b: np.ndarray, trials: np.ndarray) -> tuple[float, float, float]:
    """Return mean(a) - mean(b) with a 95 % interval by drawing whole trials with replacement."""
    names = np.unique(trials)
    rows = {t: np.flatnonzero(trials == t) for t in names}
    generator = np.random.default_rng(3)
    found = []
    for _ in range(4000):
        index = np.concatenate([rows[t] for t in generator.choice(names, len(names))])
        found.append(a[index].mean() - b[index].mean())
    return float(a.mean() - b.mean()), *map(float, np.quantile(found, [0.025, 0.975]))


def response_scores(table: pd.DataFrame, arms: list[FittedArm], knowledge: Knowledge) -> dict[str, Any]:
    """Return how well response is predicted on fitted and held-out arms, beside both baselines.

    The baselines see fitted arms only; on fitted arms they are made without the arm's own trial.
    """
    have = [i for i, a in enumerate(arms) if a.arm.outcome.orr is not None]
    fitted = [arms[i] for i in have if arms[i].trial.use == "fit"]

    def ridge_of(train: list[FittedArm]) -> Ridge:
        values = [_logit(float(a.arm.outcome.orr or 0.0), int(a.arm.n or 30)) for a in train]
        weights = [1.0 / (0.3 + 4.0 / int(a.arm.n or 30)) for a in train]
        return fit_ridge(train, values, weights, knowledge)

    full = ridge_of(fitted)
    out: dict[str, Any] = {}
    for use in ("fit", "held_out"):
        rows = [i for i in have if arms[i].trial.use == use]
        part = table.iloc[rows]
        y = part["orr"].to_numpy(float)
        near, ridge = [], []
        for i in rows:
            train = [a for a in fitted if a.trial.id != arms[i].trial.id] if use == "fit" else fitted
            near.append(nearest(arms[i], train, lambda a: a.arm.outcome.orr, knowledge))
            model = ridge_of(train) if use == "fit" else full
            ridge.append(ridge_interval(model, arms[i], knowledge, int(arms[i].arm.n or 30)))
        ridge = np.array(ridge)
        model_error = np.abs(part["orr_estimate"].to_numpy(float) - y)
        ridge_error, near_error = np.abs(ridge[:, 0] - y), np.abs(np.array(near) - y)
        low, high = part["orr_low"].to_numpy(float), part["orr_high"].to_numpy(float)
        trials = part["trial"].to_numpy(str)
        out[use] = {
            "arms": len(y), "trials": len(set(trials)),
            "model": {
                "mean": model_error.mean(), "median": np.median(model_error),
                "covered": 100.0 * np.mean((y >= low - 1e-9) & (y <= high + 1e-9)),
                "interval_score": interval_score(y, low, high).mean(),
            },
            "nearest": {"mean": near_error.mean(), "median": np.median(near_error)},
            "ridge": {
                "mean": ridge_error.mean(), "median": np.median(ridge_error),
                "covered": 100.0 * np.mean((y >= ridge[:, 1]) & (y <= ridge[:, 2])),
                "interval_score": interval_score(y, ridge[:, 1], ridge[:, 2]).mean(),
            },
            "model_minus_ridge": difference(model_error, ridge_error, trials),
            "model_minus_nearest": difference(model_error, near_error, trials),
        }  # fmt: skip
    return out


def ratio_scores(table: pd.DataFrame, arms: list[FittedArm], knowledge: Knowledge) -> dict[str, Any]:
    """Return how well PFS hazard ratios are predicted, beside the mean of fitted arms with the same drug class."""
    have = [
        i for i in range(len(arms)) if pd.notna(table["pfs_hr"].iloc[i]) and pd.notna(table["pfs_hr_estimate"].iloc[i])
    ]
    fitted = [arms[i] for i in have if arms[i].trial.use == "fit"]
    out: dict[str, Any] = {}
    probability, label, use_of = [], [], []
    for use in ("fit", "held_out"):
        rows = [i for i in have if arms[i].trial.use == use]
        if not rows:
            continue
        part = table.iloc[rows]
        y = np.log(part["pfs_hr"].to_numpy(float))
        model = np.log(part["pfs_hr_estimate"].to_numpy(float))
        same = []
        for i in rows:
            train = [a for a in fitted if a.trial.id != arms[i].trial.id]
            same.append(
                nearest(
                    arms[i], train, lambda a: np.log(a.arm.outcome.pfs_hr) if a.arm.outcome.pfs_hr else None, knowledge
                )
            )
        sd = (np.log(part["pfs_hr_high"].to_numpy(float)) - np.log(part["pfs_hr_low"].to_numpy(float))) / (2.0 * Z95)
        probability += list(norm.cdf((np.log(0.8) - model) / sd))
        label += list(part["pfs_hr"].to_numpy(float) < 0.8)
        use_of += [use] * len(rows)
        out[use] = {
            "arms": len(rows), "model": float(np.abs(model - y).mean()),
            "nearest_class": float(np.abs(np.array(same) - y).mean()),
            "covered": float(100.0 * np.mean(np.abs(model - y) <= Z95 * sd)),
            "difference": difference(np.abs(model - y), np.abs(np.array(same) - y), part["trial"].to_numpy(str)),
        }  # fmt: skip
    p, b, u = np.array(probability), np.array(label), np.array(use_of)

    def auc(rows: np.ndarray) -> dict[str, float]:
        pos, neg = p[rows & b], p[rows & ~b]
        if not len(pos) or not len(neg):
            return {"auc": float("nan"), "benefit": len(pos), "none": len(neg)}
        wins = (pos[:, None] > neg[None, :]).mean() + 0.5 * (pos[:, None] == neg[None, :]).mean()
        return {"auc": float(wins), "benefit": len(pos), "none": len(neg)}

    out["benefit"] = {"held_out": auc(u == "held_out"), "fit": auc(u == "fit"), "all": auc(np.ones(len(u), bool))}
    return out


def curve_gaps(arms: list[FittedArm], patients: pd.DataFrame, data: Path) -> list[dict[str, Any]]:
    """Return the integrated absolute difference (percentage points, mean over time to 24 months at most) per curve."""
    file = data / "kmdata_trials" / "ipd.tsv.gz"
    if not file.exists():
        print(f"digitised curves: {file} is absent, not verified")
        return []
    ipd = pd.read_csv(file, sep="\t")
    out = []
    for dataset, trial, name, labels in CURVES:
        for label, arm_name in labels.items():
            arm = next(a for a in arms if a.trial.id == trial and a.arm.name.startswith(arm_name[:10]))
            own = ipd[(ipd["dataset"] == dataset) & (ipd["arm"] == label)]
            published = kaplan_meier(own["time"].to_numpy(float) * MONTH_DAYS, own["event"].to_numpy(bool))
            rows = patients[
                (patients["use"] == arm.trial.use)
                & (patients["trial"] == arm.cohort)
                & (patients["arm"] == arm.regimen)
            ]
            simulated = kaplan_meier(rows[f"{name}_days"].to_numpy(float), rows[f"{name}_event"].to_numpy(bool))
            end = min(float(own["time"].max()) * MONTH_DAYS, 720.0)
            grid = np.linspace(0.0, end, 200)
            step = [
                c.survival[np.maximum(np.searchsorted(c.days, grid, side="right") - 1, 0)]
                for c in (published, simulated)
            ]
            out.append({"trial": trial, "arm": arm.arm.name, "curve": name, "months": end / MONTH_DAYS,
                        "gap_points": float(100.0 * np.abs(step[0] - step[1]).mean()), "grid": grid / MONTH_DAYS,
                        "published": step[0], "simulated": step[1]})  # fmt: skip
    return out


def draw(table: pd.DataFrame, curves: list[dict[str, Any]], path: Path) -> None:
    """Draw predicted against published figures, and the digitised curves."""
    figure, axes = plt.subplots(2, 4, figsize=(15, 7.6), constrained_layout=True)
    color = {"fit": "#7a7a7a", "held_out": "#0072b2"}
    for ax, (key, unit) in zip(axes[0], FIGURES, strict=True):
        part = table[table[key].notna() & table[f"{key}_estimate"].notna()]
        for use, rows in part.groupby("use"):
            x, y = rows[key].to_numpy(float), rows[f"{key}_estimate"].to_numpy(float)
            low = np.nan_to_num(rows[f"{key}_low"].to_numpy(float), nan=0.0)
            high = rows[f"{key}_high"].to_numpy(float)
            high = np.where(np.isnan(high), y, high)
            ax.errorbar(x, y, yerr=[np.maximum(y - low, 0), np.maximum(high - y, 0)], fmt="o", ms=4, lw=0.7,
                        color=color[str(use)], alpha=0.8 if use == "held_out" else 0.35,
                        label="held out" if use == "held_out" else "fitted")  # fmt: skip
        top = float(max(part[key].max(), part[f"{key}_estimate"].max())) * 1.05
        ax.plot([0, top], [0, top], color="black", lw=0.8)
        name = {"orr": "Objective response", "pfs_median": "Median PFS", "os_12": "Alive at 12 months",
                "ae3": "Grade ≥ 3 events"}[key]  # fmt: skip
        ax.set(
            title=name, xlabel=f"published ({unit})", ylabel=f"predicted ({unit})", xlim=(0, top), ylim=(0, top * 1.2)
        )
    axes[0, 0].legend(frameon=False, loc="upper left")
    for ax in axes[1]:
        ax.set_visible(False)
    for ax, (dataset, trial, name, _) in zip(axes[1], CURVES, strict=True):
        own = [c for c in curves if c["trial"] == trial and c["curve"] == name]
        for c, tint in zip(own, ("#0072b2", "#d55e00"), strict=False):
            ax.step(c["grid"], c["published"], color=tint, lw=1.6, label=f"{c['arm'][:18]}, published")
            ax.step(c["grid"], c["simulated"], color=tint, lw=1.6, ls=":", label="simulated")
            ax.set_visible(True)
        ax.set(title=f"{dataset.split('_')[0]}, {name.upper()}", xlabel="months", ylabel="share", ylim=(0, 1.02))
        if own:
            ax.legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _cell(published: Any, estimate: Any, low: Any, high: Any, digits: int) -> str:
    """Return "published | predicted (low to high)" for a table; a median that is not reached is NR."""

    def text(x: Any) -> str:
        return "NR" if x is None or pd.isna(x) else f"{x:.{digits}f}"

    told = "" if published is None or pd.isna(published) else f"{published:.{digits}f}"
    if not told:
        return " | "
    return f"{told} | {text(estimate)} ({text(low)} to {text(high)})"


def page(table: pd.DataFrame, scores: dict[str, Any], path: Path) -> None:
    """Write the table of all arms as a page of the documentation."""
    columns = (
        ("orr", "response, %", 0),
        ("pfs_median", "median PFS, months", 1),
        ("os_12", "alive at 12 months, %", 0),
        ("pfs_hr", "PFS hazard ratio", 2),
        ("ae3", "grade >= 3, %", 0),
    )
    lines = [
        "# Every arm against its trial", "",
        f"Written by `verification/trials.py` on {scores['date']}: {scores['patients']} virtual patients an arm,",
        f"catalogue `{scores['knowledge_digest']}`, calibration `{scores['calibration_digest']}`. Published figure,",
        "then prediction with its 95 % interval for a trial of that size; NR: not reached within 24 months. *Held",
        "out* means not fitted: outcomes of trials are public. What the numbers add up to stands in",
        "[Validation](validation.md#virtual-trials).",
    ]  # fmt: skip
    head = "| trial | arm | tumor | n | " + " | ".join(f"{name} | predicted" for _, name, _ in columns) + " |"
    rule = "| --- | --- | --- | ---: |" + " ---: | --- |" * len(columns)
    for use, title in (("held_out", "Held out"), ("fit", "Fitted")):
        lines += ["", f"## {title}", "", head, rule]
        for row in table[table["use"] == use].to_dict("records"):
            ends = ("estimate", "low", "high")
            cells = " | ".join(_cell(row[k], *(row.get(f"{k}_{e}") for e in ends), d) for k, _, d in columns)
            arm = str(row["arm"]).replace("|", "/")
            lines.append(f"| {row['name']} | {arm} | {row['tumor']} | {row['n']} | {cells} |")
    path.write_text("\n".join(lines) + "\n", "utf-8")


def main() -> None:
    """Simulate, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    parser.add_argument("--patients", type=int, default=500)
    parser.add_argument("--page", type=Path, default=None, help="page of the documentation to write")
    parser.add_argument("--workers", type=int, default=2, help="processes of this machine")
    parser.add_argument("--calibration", type=Path, default=None, help="else the one that ships")
    parser.add_argument("--uncalibrated", action="store_true")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    keep_compiled()
    knowledge = load_knowledge()
    calibration = (
        shipped(knowledge) if options.calibration is None else load_calibration(options.calibration, knowledge)
    )
    if options.uncalibrated:
        calibration = none()
    options.out.mkdir(parents=True, exist_ok=True)
    arms, patients = simulate(knowledge, calibration, options.out, options.patients, options.workers)
    table = predictions(arms, patients, calibration)
    curves = curve_gaps(arms, patients, options.data)
    draw(table, curves, options.out / "trials.png")
    table.to_csv(options.out / "trials.tsv", sep="\t", index=False)
    scores = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"), "knowledge_digest": knowledge.digest,
        "calibration_digest": calibration.digest(), "patients": options.patients,
        "tumornexus": installed_version("tumornexus"), "response": response_scores(table, arms, knowledge),
        "pfs_hazard_ratio": ratio_scores(table, arms, knowledge),
        "curves": [{k: v for k, v in c.items() if k not in ("grid", "published", "simulated")} for c in curves],
    }  # fmt: skip
    (options.out / "trials.json").write_text(json.dumps(scores, indent=1, default=float) + "\n", "utf-8")
    if options.page is not None:
        page(table, scores, options.page)
    for use, own in scores["response"].items():
        model, ridge = own["model"], own["ridge"]
        told = ", ".join(f"{k} {own[k]['mean']:.1f} / {own[k]['median']:.1f}" for k in ("model", "ridge", "nearest"))
        print(f"response, {use}: {own['arms']} arms, mean / median error {told}")
        score = f"interval score {model['interval_score']:.0f} (ridge {ridge['interval_score']:.0f})"
        print(f"  covered {model['covered']:.0f} % (ridge {ridge['covered']:.0f} %), {score}")
    print(json.dumps(scores["pfs_hazard_ratio"], indent=1, default=float))
    for c in curves:
        print(f"{c['trial']} {c['arm'][:20]} {c['curve']}: {c['gap_points']:.1f} points over {c['months']:.0f} months")


if __name__ == "__main__":
    main()
