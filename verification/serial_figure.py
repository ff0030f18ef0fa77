"""The figure of docs/serial.md: four courses over their forecast, and the score by landmark beside other methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from serial_data import Lesion
from serial_fit import SMALLEST_MM, track_of
from serial_population import Population

from tumornexus.systemic.assimilate import weigh
from tumornexus.systemic.readings import ErrorModel, at_days, forecast

KNOWN = 3  # readings with the baseline that the examples are weighted on
BLUE, GRAY, INK = "#1f4e79", "#8b97a3", "#17212b"
# Shown and in this color; the others stand in docs/serial.md and in the results.
SHOWN = {
    "simulated, assimilated": BLUE,
    "no mechanism": "#c75000",
    "last value": INK,
    "Bertalanffy": "#00856a",
    "exponential, all": "#b0517f",
    "population": GRAY,
}


def examples(lesions: Sequence[Lesion]) -> list[tuple[str, Lesion]]:
    """Return the lesion with most readings of each kind of course: grew, shrank and stayed, shrank and grew, and one
    under docetaxel that shrank; chosen by rule, not by how well they are forecast."""

    def last(x: Lesion) -> float:
        return float(x.log[-1] - x.log[0])

    def nadir(x: Lesion) -> float:
        return float(x.log.min() - x.log[0])

    kinds = (
        ("grew", lambda x: x.treatment == "atezolizumab" and last(x) > 0.2 and nadir(x) > -0.05),
        ("shrank and stayed", lambda x: x.treatment == "atezolizumab" and last(x) < -0.5 and last(x) - nadir(x) < 0.1),
        ("shrank and grew", lambda x: x.treatment == "atezolizumab" and nadir(x) < -0.3 and last(x) - nadir(x) > 0.4),
        ("under docetaxel", lambda x: x.treatment == "docetaxel" and len(x.days) >= 6),
    )
    return [
        (name, max((x for x in lesions if fits(x)), key=lambda x: (len(x.days), x.patient))) for name, fits in kinds
    ]


def draw(
    result: Mapping[str, Any], lesions: Sequence[Lesion], populations: Mapping[tuple[str, str], Population],
    error: ErrorModel, path: Path,
) -> None:  # fmt: skip
    """Write the figure."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    fig, axes = plt.subplots(2, 4, figsize=(12.5, 6.2), layout="constrained", height_ratios=[1.0, 1.1])
    for ax, (name, lesion) in zip(axes[0], examples(lesions), strict=True):
        _course(ax, name, lesion, populations[lesion.tumor, lesion.treatment], error)
    axes[0, 0].set_ylabel("Longest diameter, mm")
    panels = [(t, w) for t in ("atezolizumab", "docetaxel") for w in ("next", "later")]
    for ax, (treatment, target) in zip(axes[1], panels, strict=True):
        _scores(ax, result["scores"], treatment, target)
    axes[1, 0].set_ylabel("CRPS of ln diameter (lower is better)")
    handles, labels = axes[1, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=len(SHOWN), frameon=False)
    fig.savefig(path, dpi=110)
    plt.close(fig)


def _course(ax: Any, name: str, lesion: Lesion, population: Population, error: ErrorModel) -> None:
    scale = lesion.mm[0] / population.diameter_mm[:, :1]
    days = np.arange(lesion.days[KNOWN - 1] + 1.0, lesion.days[-1] + 1.0, 5.0)
    posterior = weigh(population.weights, [track_of(lesion, population, KNOWN, error)])
    course = at_days(population.diameter_mm * scale, population.days, days, SMALLEST_MM)
    found = forecast(course, days, posterior.followed[0], posterior.weights, error)
    low, low50, middle, high50, high = found.quantile([0.05, 0.25, 0.5, 0.75, 0.95])
    ax.fill_between(days, low, high, color=BLUE, alpha=0.15, lw=0)
    ax.fill_between(days, low50, high50, color=BLUE, alpha=0.3, lw=0)
    ax.plot(days, middle, color=BLUE, lw=1.8)
    known = np.arange(len(lesion.days)) < KNOWN
    ax.plot(lesion.days[known], lesion.mm[known], "o", color=INK, ms=5)
    ax.plot(lesion.days[~known], lesion.mm[~known], "o", mec=INK, mfc="white", ms=5)
    ax.set_title(f"{lesion.trial}: {name}", fontsize=9, loc="left")
    ax.set_ylim(0.0, min(2.0 * lesion.mm.max(), 1.1 * max(high.max(), lesion.mm.max())))
    ax.set_xlabel("Days from start of treatment")


def _scores(ax: Any, scores: Sequence[Mapping[str, Any]], treatment: str, target: str) -> None:
    n = {}
    for method, color in SHOWN.items():
        rows = sorted(
            (r for r in scores if (r["treatment"], r["target"], r["method"]) == (treatment, target, method)),
            key=lambda r: r["landmark"],
        )
        n = {r["landmark"]: r["n"] for r in rows}
        ax.plot([r["landmark"] for r in rows], [r["crps"] for r in rows], "o-", color=color, label=method, lw=1.5, ms=4)
    ax.set_xticks(list(n), [f"{k}\nn = {v}" for k, v in n.items()])
    ax.set_ylim(0.0)
    ax.set_xlabel("Readings on treatment")
    said = "next reading" if target == "next" else "all later readings"
    ax.set_title(f"{treatment}, {said}", fontsize=9, loc="left")
