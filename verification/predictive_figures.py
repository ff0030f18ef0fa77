"""Figures of `predictive`: interactions, survival by arm and burden, decision curves."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from tumornexus.cohort.decision import DecisionCurve
from tumornexus.cohort.figures import GREY, STRONG, WARM, Line, forest
from tumornexus.cohort.rmst import survival_curve

mpl.use("Agg")
import matplotlib.pyplot as plt

MONTH = 30.4375
COLORS = {"treat all": GREY, "same for all": "#444444", "blood TMB": WARM, "blood TMB ≥ 16": "#d99a2b",
          "response score": STRONG, "STK11 or KEAP1": "#4a8f5b"}  # fmt: skip


def interactions(found: pd.DataFrame, path: Path) -> None:
    """Ratio of treatment effects per unit of each marker, one panel an endpoint; those with q below 0.1 in color."""
    order = found.loc[found["endpoint"] == "PFS"].sort_values("p")["marker"].tolist()
    titles = {
        "PFS": "ratio of hazard ratios, PFS",
        "OS": "ratio of hazard ratios, OS",
        "response": "ratio of odds ratios",
    }
    figure, axes = plt.subplots(1, 3, figsize=(16.5, 0.27 * len(order) + 1.4))
    for ax, (endpoint, title) in zip(axes, titles.items(), strict=True):
        rows = found[found["endpoint"] == endpoint].set_index("marker")
        lines = []
        for marker in order:
            r = rows.loc[marker]
            if not np.isfinite(r["interaction"]):
                lines.append(Line(r["name"], *[np.nan] * 3, 0.0, "too few events or no spread"))
                continue
            low, high = max(r["interaction_low"], 0.05), min(r["interaction_high"], 20.0)
            text = f"{r['interaction']:.2f} ({r['interaction_low']:.2f}–{r['interaction_high']:.2f}), q {r['q']:.2f}"
            lines.append(
                Line(r["name"], r["interaction"], low, high, 0.2, text, False, WARM if r["q"] < 0.1 else STRONG)
            )
        forest(ax, lines, zero=1.0, label=f"{title} (yes or per SD)", log=True)
        ax.set_title({"PFS": "Progression-free survival", "OS": "Overall survival", "response": "Response"}[endpoint],
                     fontsize=10, loc="left")  # fmt: skip
        if ax is not axes[0]:
            ax.set_yticklabels([])
    figure.text(
        0.01, 0.005, "Hazards: below 1 the drug does more where the marker is high. Response: above 1.", fontsize=8
    )
    figure.tight_layout(w_pad=6, rect=(0, 0.03, 1, 1))
    figure.savefig(path, dpi=120, bbox_inches="tight")
    plt.close(figure)


def survival(table: pd.DataFrame, spans: pd.DataFrame, path: Path) -> None:
    """Kaplan-Meier curves by arm in all, below and at or above the cut of burden; PFS above, OS below."""
    groups = {
        "all patients": ("", "all", table),
        "blood TMB below 16": ("burden_high", "no", table[table["burden_high"] == 0]),
        "blood TMB 16 or more": ("burden_high", "yes", table[table["burden_high"] == 1]),
    }
    figure, axes = plt.subplots(2, 3, figsize=(12, 6.6), sharey=True)
    for row, endpoint in zip(axes, ("PFS", "OS"), strict=True):
        for ax, (title, (marker, group, part)) in zip(row, groups.items(), strict=True):
            for arm, color in (("atezolizumab", WARM), ("docetaxel", STRONG)):
                own = part[part["treatment"] == arm]
                times, curve, _, _ = survival_curve(
                    own[f"{endpoint}_days"].to_numpy(), own[f"{endpoint}_event"].to_numpy()
                )
                last = float(own[f"{endpoint}_days"].max())
                x, y = np.concatenate([[0.0], times, [last]]), np.concatenate([[1.0], curve, curve[-1:]])
                ax.step(x / MONTH, y, where="post", color=color, lw=1.4, label=f"{arm} (n {len(own)})")
            found = spans[
                (spans["marker"] == marker) & (spans["group"] == group) & (spans["endpoint"] == endpoint)
            ].iloc[0]
            ax.axvline(found["horizon_days"] / MONTH, color=GREY, lw=0.7, ls=":")
            ax.set_title(
                f"{title}\ngain {found['days_gained']:.0f} days ({found['low']:.0f} to {found['high']:.0f}) by month "
                f"{found['horizon_days'] / MONTH:.0f}; proportional hazards p {found['proportional_p']:.2g}",
                fontsize=8,
            )
            ax.set(ylim=(0, 1.02), xlim=(0, 27), xlabel="months")
            ax.spines[["top", "right"]].set_visible(False)
            ax.legend(frameon=False, fontsize=7)
        row[0].set_ylabel({"PFS": "progression-free", "OS": "alive"}[endpoint])
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def decisions(curves: dict[str, DecisionCurve], path: Path) -> None:
    """Net benefit of each rule, and what it gains over giving all the drug, with 95 % bands."""
    figure, axes = plt.subplots(2, len(curves), figsize=(5.6 * len(curves), 7.2), sharex=True, squeeze=False)
    words = {"OS": "death by month 12", "PFS": "progression or death by month 6"}
    for column, (endpoint, curve) in zip(axes.T, curves.items(), strict=True):
        for name, (estimate, _, _) in curve.rules.items():
            style = "--" if name in ("treat all", "same for all") else "-"
            column[0].plot(100 * curve.thresholds, 100 * estimate, style, color=COLORS[name], lw=1.5, label=name)
            if name in ("treat all", "same for all"):
                continue
            estimate, low, high = curve.over_all[name]
            column[1].plot(100 * curve.thresholds, 100 * estimate, color=COLORS[name], lw=1.5)
            column[1].fill_between(100 * curve.thresholds, 100 * low, 100 * high, color=COLORS[name], alpha=0.12, lw=0)
        for ax in column:
            ax.axhline(0.0, color=GREY, lw=0.8, ls=":")
            ax.spines[["top", "right"]].set_visible(False)
        column[0].set_title(f"{words[endpoint]}, n {curve.n}", fontsize=10)
        column[0].set_ylabel("net benefit, per 100 patients (nobody: 0)", fontsize=8)
        column[1].set_ylabel("minus atezolizumab for all, per 100", fontsize=8)
        column[1].set_xlabel("smallest fall in risk worth atezolizumab, percentage points", fontsize=8)
        column[0].legend(frameon=False, fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
