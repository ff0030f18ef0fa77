"""Figures of `cohorts`: forest plots over scores and cohorts, calibration, mechanisms, Kaplan-Meier curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

from tumornexus.cohort.calibration import Calibration
from tumornexus.cohort.figures import GREY, STRONG, WARM, Line, calibration_curve, forest, kaplan_meier

mpl.use("Agg")
import matplotlib.pyplot as plt


def scores(areas: pd.DataFrame, summary: dict[str, Any], order: list[str], names: dict[str, str], path: Path) -> None:
    """Left: pooled AUC of every score, with and without the largest cohort; right: ours, GEP and TMB by cohort."""
    lines = []
    ranked = sorted(order, key=lambda s: -summary[s]["all"]["estimate"])
    for score in ranked:
        own = score in ("tumornexus", "inflamed_tmb", "mechanisms", "inflamed") or score.startswith("burden_")
        for label, tone in (("all", WARM if own else STRONG), ("without_largest", GREY)):
            v = summary[score][label]
            text = f"{v['estimate']:.2f} ({v['low']:.2f} to {v['high']:.2f}), n {v['n']}"
            word = names[score] if label == "all" else ""
            lines.append(Line(word, v["estimate"], v["low"], v["high"], 0.2, text, label == "all", tone))
    figure, axes = plt.subplots(1, 2, figsize=(15, 0.23 * len(lines) + 1.6), width_ratios=[1, 0.9])
    forest(axes[0], lines, zero=0.5, label="pooled AUC (grey: without the largest cohort)")
    axes[0].set_title("Every score, whole cohorts left out", fontsize=10, loc="left")
    by = []
    chosen = {"tumornexus": WARM, "gep": STRONG, "tmb": GREY}
    cohorts = [c for c in dict.fromkeys(areas["cohort"]) if not c.startswith("pooled")]
    for cohort in cohorts:
        by.append(Line(cohort, *[np.nan] * 3))
        for score, tone in chosen.items():
            row = areas[(areas["cohort"] == cohort) & (areas["score"] == score)].iloc[0]
            text = f"{row['auc']:.2f} ({row['low']:.2f} to {row['high']:.2f}), {row['responders']}/{row['n']}"
            short = {"tumornexus": "tumornexus", "gep": "GEP", "tmb": "TMB"}[score]
            text = text if row["n"] else "not measured"
            by.append(Line(short, row["auc"], row["low"], row["high"], min(row["n"] / 250, 1.0), text, False, tone))
    forest(axes[1], by, zero=0.5, label="AUC, 95 % interval; responders/patients at the right")
    axes[1].set_title("By cohort", fontsize=10, loc="left")
    figure.tight_layout(w_pad=3)
    figure.savefig(path, dpi=130, bbox_inches="tight")
    plt.close(figure)


def calibrations(expression: Calibration, panel: Calibration, path: Path) -> None:
    """Calibration on the expression cohorts and on the clinical panel."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.6))
    calibration_curve(axes[0], expression, title="Expression cohorts, left out")
    calibration_curve(axes[1], panel, title="Clinical panel, source left out")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def mechanisms(pooled: dict[str, pd.DataFrame], path: Path) -> None:
    """Pooled association of every mechanism with response, PFS and OS."""
    order = pooled["response"].dropna(subset=["estimate"]).sort_values("estimate")["score"].tolist()
    figure, axes = plt.subplots(1, 3, figsize=(16, 0.22 * len(order) + 1.5))
    labels = {"response": "odds ratio of response", "PFS": "hazard ratio of progression", "OS": "hazard ratio of death"}
    for ax, (outcome, table) in zip(axes, pooled.items(), strict=True):
        by = table.set_index("score")
        lines = []
        for score in order:
            row = by.loc[score] if score in by.index else None
            if row is None or not np.isfinite(row["estimate"]):
                lines.append(Line(score, *[np.nan] * 3, 0.0, "not estimable"))
                continue
            low, high = max(row["low"], 0.2), min(row["high"], 5.0)
            text = f"{row['estimate']:.2f}, q {row['q']:.2f}, k {int(row['k'])}"
            lines.append(Line(score, row["estimate"], low, high, 0.2, text, False, WARM if row["q"] < 0.1 else STRONG))
        forest(ax, lines, zero=1.0, label=f"{labels[outcome]} per SD, random effects", log=True)
        for tick in ax.get_yticklabels():
            tick.set_fontweight("normal")
        if ax is not axes[0]:
            ax.set_yticklabels([])
    figure.tight_layout(w_pad=4)
    figure.savefig(path, dpi=130, bbox_inches="tight")
    plt.close(figure)


def curves(table: pd.DataFrame, pooled: pd.DataFrame, path: Path, show: int = 6) -> None:
    """Kaplan-Meier curves of PFS by the mechanisms with the smallest p over three cohorts or more.

    Split at the median of their own cohort; the title gives the meta-analysis, not a test of the split, because these
    mechanisms were picked for their p.
    """
    known = table[table["PFS_days"].notna() & table["PFS_event"].notna()]
    chosen = pooled[pooled["k"] >= 3].dropna(subset=["p"]).sort_values("p").head(show)
    figure, axes = plt.subplots(2, (show + 1) // 2, figsize=(11, 6.4))
    for ax, (_, row) in zip(axes.flat, chosen.iterrows(), strict=False):
        name = row["score"]
        own = known[name] - known.groupby("cohort")[name].transform("median")
        days, event = (known[c].to_numpy(dtype=float) for c in ("PFS_days", "PFS_event"))
        kaplan_meier(ax, own.to_numpy(dtype=float), days, event, name=name.replace("_", " "), endpoint="PFS", cut=0.0)
        ax.set_title(
            f"{name.replace('_', ' ')}\npooled hazard ratio {row['estimate']:.2f} ({row['low']:.2f} to "
            f"{row['high']:.2f}), q {row['q']:.2f}", fontsize=8,
        )  # fmt: skip
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)
