"""Figures of cohort results: forest plots, Kaplan-Meier curves by a score, calibration curves.

Each function draws into axes that it is given and returns them, so that figures can be put together; matplotlib and
lifelines are loaded when a figure is drawn.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tumornexus.cohort.calibration import Calibration
from tumornexus.cohort.survival import lifelines
from tumornexus.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, GREY, STRONG, WARM = "#222222", "#8a8a8a", "#1f5fa8", "#b5482a"


class Line(NamedTuple):
    """One line of a forest plot: label, estimate with interval, weight of the mark (0 to 1), text at the right.

    A line of NaN without text is a heading, one with text says why it is empty. `pooled` draws a diamond.
    """

    label: str
    estimate: float
    low: float
    high: float
    weight: float = 0.5
    text: str = ""
    pooled: bool = False
    color: str = STRONG


def forest(axes: Axes, lines: Sequence[Line], *, zero: float, label: str, log: bool = False) -> Axes:
    """Forest plot: one line a study, squares by weight, diamonds for pooled effects, a rule at no effect (`zero`)."""
    top = len(lines)
    finite = [v for line in lines for v in (line.low, line.high) if math.isfinite(v)]
    if log:
        axes.set_xscale("log")
    axes.axvline(zero, color=GREY, lw=0.8, ls=":")
    for i, line in enumerate(lines):
        y = top - i
        known = math.isfinite(line.estimate)
        if known and line.pooled:
            x = [line.low, line.estimate, line.high, line.estimate]
            axes.fill(x, [y, y + 0.32, y, y - 0.32], color=line.color, zorder=3)
        elif known:
            axes.plot([line.low, line.high], [y, y], color=line.color, lw=1.1, zorder=2)
            axes.scatter(
                [line.estimate], [y], s=14 + 90 * max(line.weight, 0.0), marker="s", color=line.color, zorder=3
            )
        axes.annotate(
            line.text, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=7.5, color=INK,
            annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks([top - i for i in range(top)], [line.label for line in lines], fontsize=8)
    for tick, line in zip(axes.get_yticklabels(), lines, strict=True):
        tick.set_fontweight("bold" if line.pooled or not (line.text or math.isfinite(line.estimate)) else "normal")
    axes.set_ylim(0.3, top + 0.7)
    if finite:
        low, high = min(*finite, zero), max(*finite, zero)
        axes.set_xlim((low / 1.1, high * 1.1) if log else (low - 0.02, high + 0.02))
        if log:
            ticks = [t for t in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0) if low / 1.1 <= t <= high * 1.1]
            axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
            axes.minorticks_off()
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel(label, fontsize=9)
    return axes


def kaplan_meier(
    axes: Axes,
    score: np.ndarray,
    days: np.ndarray,
    event: np.ndarray,
    *,
    name: str,
    endpoint: str,
    cut: float | None = None,
) -> tuple[Axes, float]:
    """Kaplan-Meier curves above and up to the median of a score (or `cut`), with the log-rank p; lifelines.

    All (patient,); rows with a missing value take no part. Returns the axes and p. A split at the median is for the
    eye; the Cox model on the continuous score is the analysis.
    """
    package: Any = lifelines()
    statistics = importlib.import_module("lifelines.statistics")
    ok = np.isfinite(score) & np.isfinite(days) & np.isfinite(event)
    x, t, e = score[ok], days[ok] / 30.4375, event[ok]
    high = x > (float(np.median(x)) if cut is None else cut)
    if not high.any() or high.all():
        raise InputError("the score does not split the patients", field=name, value=f"{int(ok.sum())} patients")
    for side, color, word in ((high, WARM, "high"), (~high, STRONG, "low")):
        fit = package.KaplanMeierFitter().fit(t[side], e[side])
        curve, band = fit.survival_function_.iloc[:, 0], fit.confidence_interval_
        axes.step(curve.index, curve, where="post", color=color, lw=1.4, label=f"{word} (n {int(side.sum())})")
        axes.fill_between(band.index, band.iloc[:, 0], band.iloc[:, 1], step="post", color=color, alpha=0.12, lw=0)
    p = float(statistics.logrank_test(t[high], t[~high], e[high], e[~high]).p_value)
    axes.set(ylim=(0, 1.02), xlabel="months", ylabel=endpoint)
    axes.set_title(f"{name}\nlog-rank p = {p:.2g}", fontsize=8)
    axes.legend(frameon=False, fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    return axes, p


def calibration_curve(axes: Axes, found: Calibration, *, title: str) -> Axes:
    """Observed share of responders against the predicted one, in groups of equal size, with Wilson intervals."""
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":")
    for predicted, observed, low, high, _ in found.bins:
        axes.plot([predicted, predicted], [low, high], color=STRONG, lw=1.1)
        axes.scatter([predicted], [observed], color=STRONG, s=22, zorder=3)
    edge = min(1.0, max(max(h for *_, h, _ in found.bins), max(b[0] for b in found.bins)) + 0.05)
    axes.set(xlim=(0, edge), ylim=(0, edge), xlabel="predicted probability of response", ylabel="observed share")
    axes.set_title(
        f"{title} (n {found.n})\nslope {found.slope:.2f} ({found.slope_low:.2f} to {found.slope_high:.2f}), "
        f"Brier {found.brier:.3f} against {found.brier_of_rate:.3f}",
        fontsize=8,
    )
    axes.set_aspect("equal")
    axes.spines[["top", "right"]].set_visible(False)
    return axes
