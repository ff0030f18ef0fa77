"""The figure of calibration_recovery.py: six panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import binom

BLUE, ORANGE, GRAY = "#0072b2", "#d55e00", "#8a8a8a"


def draw(result: Mapping[str, Any], replicates: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the emulator's calibration curve, ranks, coverage, widths, truth against found, halves of the pool."""
    planted = result["planted"]
    names = list(planted["parameters"])
    own = [planted["parameters"][n] for n in names]
    figure, axes = plt.subplots(2, 3, figsize=(15, 9.5), constrained_layout=True)

    ax, curve = axes[0, 0], result["emulator"]["curve"]
    x, y, n = (np.array(curve[k], dtype=float) for k in ("emulated", "seen", "n"))
    ax.plot([0, 1], [0, 1], color="black", lw=0.8)
    ax.errorbar(x, y, yerr=1.96 * np.sqrt(y * (1 - y) / n), fmt="o", color=BLUE, ms=5)
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="emulated probability", ylabel="share of unseen patients")
    ax.set_title("Emulator on the half of the pool it did not see", loc="left")
    ax.text(0.04, 0.93, "95 % bars as if patients and targets were independent", fontsize=8, transform=ax.transAxes)

    ax, counts = axes[0, 1], np.array(planted["rank_histogram"])
    total = counts.sum()
    low, high = binom.ppf([0.025, 0.975], total, 0.1)
    ax.axhspan(low, high, color="#dddddd", zorder=0)
    ax.bar(np.arange(10) / 10 + 0.05, counts, width=0.095, color=BLUE)
    ax.set(xlabel="rank of the planted shift in its posterior", ylabel="parameters and replicates")
    ax.set_title("Ranks: flat if the inference is right", loc="left")
    ax.text(0.02, 0.02, "gray: 95 % if ranks were independent", fontsize=8, transform=ax.transAxes, color="white")

    ax, rows = axes[0, 2], np.arange(len(names))[::-1]
    for q, tint in (("50%", ORANGE), ("90%", BLUE)):
        nominal, k = float(q[:-1]) / 100, planted["replicates"]
        ax.axvspan(*(binom.ppf([0.025, 0.975], k, nominal) / k), color=tint, alpha=0.12, lw=0)
        ax.axvline(nominal, color=tint, lw=0.8)
        pooled = planted[f"covered_{q}"]
        ax.plot([p[f"covered_{q}"] for p in own], rows, "o", ms=4, color=tint, label=f"{q}: {pooled:.0%} over all")
    ax.set_yticks(rows, names, fontsize=7)
    ax.set(xlim=(0, 1.03), xlabel="share of intervals that hold the truth")
    ax.legend(frameon=False, loc="lower left", fontsize=8)
    ax.set_title("Coverage", loc="left")

    ax = axes[1, 0]
    width = [p["width_90%_over_prior"] for p in own]
    ax.barh(rows, width, color=BLUE, height=0.7)
    ax.axvline(1.0, color="black", lw=0.8)
    ax.set_yticks(rows, names, fontsize=7)
    ax.set(xlabel="width of the 90 % interval over that of the prior", xlim=(0, 1.15))
    ax.set_title("What the trials inform", loc="left")

    ax = axes[1, 1]
    order = list(result["parameter_order"])
    for name, tint in zip(names[:4], (BLUE, ORANGE, "#009e73", "#cc79a7"), strict=False):
        j = order.index(name)
        truth, mean = ([r[k][j] for r in replicates] for k in ("truth", "mean"))
        ax.plot(truth, mean, "o", ms=4, color=tint, label=name)
    ends = ax.get_xlim()
    ax.plot(ends, ends, color="black", lw=0.8)
    ax.set(xlabel="planted shift", ylabel="mean of the posterior")
    ax.legend(frameon=False, fontsize=8)
    ax.set_title("The four best informed", loc="left")

    ax, halves = axes[1, 2], result["simulator"]
    for i, h in enumerate(halves):
        at = len(halves) - 1 - i
        tint = BLUE if h["half"] == "above" else ORANGE
        ax.plot([h["low_90%"], h["high_90%"]], [at, at], color=tint, lw=2)
        ax.plot(h["mean"], at, "o", color=tint)
        ax.plot(h["truth"], at, "|", color="black", ms=14, mew=2)
    ax.axvline(0.0, color=GRAY, lw=0.8)
    labels = [f"{h['parameter']}, {h['half']}" for h in halves]
    ax.set_yticks(np.arange(len(halves))[::-1], labels, fontsize=7)
    ax.set(xlabel="shift: posterior mean and 90 %, black: mean of the half")
    ax.set_title("Halves of the simulated pool taken for trials", loc="left")
    figure.savefig(path, dpi=120)
    plt.close(figure)
