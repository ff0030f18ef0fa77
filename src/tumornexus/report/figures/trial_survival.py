"""Survival in a virtual trial: Kaplan-Meier curves with numbers at risk, and a forest plot over arms."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tumornexus.report.figures.trajectories import spread
from tumornexus.report.figures.trial_parts import WIDE, arm_mark, fits, months_axis, months_ticks
from tumornexus.report.scene import Axis, Scene, nice_ticks
from tumornexus.report.style import FAINT, INK, MUTED, RULE, TRACK, shorten
from tumornexus.report.trial_view import TrialArm, TrialView, hazard_ratio, with_interval
from tumornexus.report.words import DAYS_PER_MONTH
from tumornexus.trial.statistics import kaplan_meier

Told = tuple[float | None, float | None, float | None]  # estimate, low, high
NAMES = {"pfs": "Progression-free survival", "os": "Overall survival"}
HAZARDS = {"pfs": "Hazard ratio, progression or death", "os": "Hazard ratio, death"}
LANDMARKS = (6, 12, 24)
_CROWD = 4  # more arms than this, and the bars of landmarks would hide each other
_CENSORED = 60  # more than this, and their ticks would be a band


def survival_at(days: np.ndarray, event: np.ndarray, at_months: np.ndarray) -> np.ndarray:
    """Return the Kaplan-Meier estimate (share without an event) at some times, in months."""
    curve = kaplan_meier(days, event)
    index = np.searchsorted(curve.days, at_months * DAYS_PER_MONTH, side="right") - 1
    return curve.survival[index]


def at_risk(days: np.ndarray, months: float) -> int:
    """Return how many are followed without an event up to a time."""
    return int((np.asarray(days, float) >= months * DAYS_PER_MONTH).sum())


def survival_figure(view: TrialView, name: str) -> Scene:
    """Kaplan-Meier curves of all arms for "pfs" or "os", predicted landmarks with intervals, numbers at risk."""
    title = NAMES[name]
    desc = "; ".join(f"{a.name}: median {with_interval(a.estimate(f'{name}_median'), 1)} months" for a in view.arms)
    left, right, top, bottom = 232.0, 850.0, 16.0, 262.0
    lines = 1 if all(fits(arm, 11.5, left - 34) for arm in view.arms) else 2
    pitch = 17.0 if lines == 1 else 28.0
    scene = Scene(WIDE, bottom + 72 + pitch * len(view.arms), f"fig-{name}", title, desc)
    x, y = Axis(0.0, view.horizon, left, right), Axis(0.0, 1.0, bottom, top)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        scene.line(left, y(share), right, y(share), stroke=FAINT if share == 0.5 else RULE, width=0.8,
                   dash="4 3" if share == 0.5 else None)  # fmt: skip
        scene.text(left - 8, y(share) + 4, f"{100 * share:.0f}%", size=10.5, anchor="end", fill=MUTED)
    scene.text(left - 52, (top + bottom) / 2, title, size=11, anchor="middle", fill=MUTED, rotate=-90)
    months_axis(scene, x, bottom, "months from start of treatment")
    grid = np.linspace(0.0, view.horizon, 2 * int(right - left) + 1)
    ends: list[tuple[float, float, TrialArm]] = []
    for i, arm in reversed(list(enumerate(view.arms))):
        known = arm.table.dropna(subset=[f"{name}_days"])
        days, event = known[f"{name}_days"].to_numpy(float), known[f"{name}_event"].to_numpy(bool)
        if not len(known):
            continue
        last = float(days.max()) / DAYS_PER_MONTH
        ends.append((*_steps(scene, x, y, arm, np.append(grid[grid < last], last), days, event), arm))
        if (~event).sum() <= _CENSORED:
            _censored(scene, x, y, arm, days, event)
        if len(view.arms) <= _CROWD:
            _landmarks(scene, x, y, arm, name, 4.0 * (i - (len(view.arms) - 1) / 2))
    _end_labels(scene, ends, right, top, bottom)
    _risk_table(scene, view, name, x, bottom + 58, lines, pitch)
    return scene


def _steps(
    scene: Scene, x: Axis, y: Axis, arm: TrialArm, at: np.ndarray, days: np.ndarray, event: np.ndarray
) -> tuple[float, float]:
    """Draw a curve, leaving out steps too small to see; return where it ends."""
    share = survival_at(days, event, at)
    points = [(x(0.0), y(1.0))]
    for month, value in zip(at, share, strict=True):
        if abs(y(value) - points[-1][1]) >= 0.3 or month == at[-1]:
            points += [(x(month), points[-1][1]), (x(month), y(value))]
    scene.poly(points, stroke=arm.color, width=2.2, dash=arm.dash, key=arm.key, tip=arm.name)
    return points[-1]


def _end_labels(
    scene: Scene, ends: list[tuple[float, float, TrialArm]], right: float, top: float, bottom: float
) -> None:
    """Name each curve beside its end."""
    ends = sorted(ends, key=lambda item: (item[1], item[2].key))
    spots = spread([y for _, y, _ in ends], 15.0, top, bottom)
    for (x, y, arm), spot in zip(ends, spots, strict=True):
        if x > right - 60:  # from a curve that ends long before, a line would cross the others
            scene.poly([(x + 4, y), (right + 26, spot), (right + 34, spot)], stroke=arm.color, width=0.8, opacity=0.7,
                       key=arm.key)  # fmt: skip
        scene.text(right + 38, spot + 4, shorten(arm.name, 11.5, WIDE - right - 42, True), size=11.5, bold=True,
                   fill=arm.color, tip=arm.name, key=arm.key)  # fmt: skip


def _censored(scene: Scene, x: Axis, y: Axis, arm: TrialArm, days: np.ndarray, event: np.ndarray) -> None:
    at = np.sort(days[~event]) / DAYS_PER_MONTH
    for month, value in zip(at, survival_at(days, event, at), strict=True):
        scene.line(x(month), y(value) - 4, x(month), y(value) + 4, stroke=arm.color, width=1.1, key=arm.key)


def _landmarks(scene: Scene, x: Axis, y: Axis, arm: TrialArm, name: str, shift: float) -> None:
    for month in LANDMARKS:
        value, low, high = arm.estimate(f"{name}_{month}")
        if value is None or low is None or high is None or month > x.high:
            continue
        at = min(max(x(month) + shift, x.start), x.stop)
        tip = f"{arm.name}: {with_interval((value, low, high), 0, '%')} at {month} months"
        scene.line(at, y(low / 100), at, y(high / 100), stroke=arm.color, width=1.6, opacity=0.75, tip=tip, key=arm.key)
        for end in (low, high):
            scene.line(
                at - 3, y(end / 100), at + 3, y(end / 100), stroke=arm.color, width=1.6, opacity=0.75, key=arm.key
            )


def _risk_table(scene: Scene, view: TrialView, name: str, x: Axis, y: float, lines: int, pitch: float) -> None:
    scene.text(8, y - 8, "Number at risk", size=11, fill=MUTED)
    medians = [with_interval(arm.estimate(f"{name}_median"), 1, missing="NR") for arm in view.arms]
    meant = " (NR: not reached)" if any("NR" in said for said in medians) else ""
    scene.text(885, y - 8, f"Median, months{meant}", size=11, fill=MUTED)
    if view.reference:
        scene.text(1062, y - 8, "Hazard ratio", size=11, fill=MUTED)
    scene.line(8, y - 2, WIDE, y - 2, stroke=RULE, width=0.8)
    for i, arm in enumerate(view.arms):
        row = y + pitch * (i + 0.5) + 3.5
        arm_mark(scene, 8, row, arm, 11.5, x.start - 34, lines)
        for month in months_ticks(x.high, x.stop - x.start):
            count = at_risk(arm.table[f"{name}_days"].to_numpy(), month)
            scene.text(x(month), row, f"{count:,}", size=10.5, anchor="middle", fill=INK, key=arm.key)
        scene.text(885, row, medians[i], size=11, key=arm.key)
        if view.reference:
            said = "reference" if arm.reference else hazard_ratio(arm.ratio(name))
            scene.text(1062, row, said, size=11, fill=MUTED if arm.reference else INK, key=arm.key)


def arms_forest_figure(view: TrialView) -> Scene:
    """Response rate and hazard ratios of each arm with 95 % prediction intervals; hazards against the last arm."""
    title = "Response and hazard ratios of the arms"
    pitch, top = 30.0, 34.0
    bottom = top + pitch * len(view.arms)
    desc = "; ".join(f"{a.name}: response {with_interval(a.estimate('orr'), 0, '%')}" for a in view.arms)
    width = WIDE if view.reference else 540.0
    scene = Scene(width, bottom + 42, "fig-forest-arms", title, desc)
    for i, arm in enumerate(view.arms):
        y = top + pitch * i
        if i % 2 == 0:
            scene.rect(0, y, width, pitch, fill="#f7f9fa")
        arm_mark(scene, 8, y + 19, arm, 12.0, 225, lines=2)
    columns = [("orr", "Objective response")]
    if view.reference:
        columns += [(name, HAZARDS[name]) for name in ("pfs", "os")]
    ratios = [a.ratio(name) for a in view.arms for name in ("pfs", "os")]  # both on one scale, to be compared
    for i, (name, label) in enumerate(columns):
        left = 240.0 + i * 310.0
        told = [a.estimate("orr") if name == "orr" else a.ratio(name) for a in view.arms]
        axis = rate_axis(told, left) if name == "orr" else _ratio_axis(ratios, left)
        scene.text(left, 16, label, size=12, bold=True)
        axis_ticks(scene, axis, top, bottom)
        for row, (arm, value) in enumerate(zip(view.arms, told, strict=True)):
            y = top + pitch * (row + 0.5)
            if name == "orr":
                said = with_interval(value, 0, "%", "not estimable")
            else:
                said = "reference" if arm.reference else hazard_ratio(value)
            interval_mark(scene, axis, y, arm, value)
            scene.text(axis.stop + 12, y + 4, said, size=11, key=arm.key, fill=INK if said[0].isdigit() else MUTED)
    if view.reference:
        scene.text(550, bottom + 34, f"below 1: less often than under {view.reference.name}", size=10.5, fill=MUTED)
    return scene


def rate_axis(told: Sequence[Told], left: float) -> Axis:
    high = max([v for t in told for v in t if v is not None] or [0.0])
    return Axis(
        0.0, next(h for h in (10.0, 20.0, 40.0, 60.0, 80.0, 100.0) if high <= h or h == 100.0), left, left + 168
    )


def _ratio_axis(told: Sequence[Told], left: float) -> Axis:
    """Return a logarithmic axis around 1; what lies beyond a tenth or tenfold is drawn with an arrow."""
    seen = [v for t in told for v in t if v is not None and v > 0]
    low = max(0.1, min([0.5, *seen]) * 0.92)
    high = min(10.0, max([1.5, *seen]) * 1.08)
    return Axis(low, high, left, left + 168, log=True)


def axis_ticks(scene: Scene, axis: Axis, top: float, bottom: float) -> None:
    if axis.log:
        fine = axis.high / axis.low < 8
        marks = [t for t in ((0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0) if fine else (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0))
                 if axis.inside(t)]  # fmt: skip
    else:
        marks = list(nice_ticks(axis.low, axis.high, 4))
    for tick in marks:
        strong = axis.log and tick == 1.0
        scene.line(axis(tick), top, axis(tick), bottom, stroke=MUTED if strong else RULE, width=1.1 if strong else 0.8)
        said = f"{tick:g}" if axis.log else f"{tick:g}%"
        scene.text(axis(tick), bottom + 15, said, size=10.5, anchor="middle", fill=MUTED)


def interval_mark(
    scene: Scene, axis: Axis, y: float, arm: TrialArm, told: tuple[float | None, float | None, float | None]
) -> None:
    """Draw an estimate with its interval; an end that is not on the axis is an arrow."""
    value, low, high = told
    if value is None:
        return
    start, stop = (axis.low if low is None else low), (axis.high if high is None else high)
    scene.line(axis(start), y, axis(stop), y, stroke=arm.color, width=2.2, key=arm.key)
    for end, at, sign in ((low, axis.low, -1), (high, axis.high, 1)):
        if end is None or (end < axis.low * (1 - 1e-9) if sign < 0 else end > axis.high * (1 + 1e-9)):
            tip = axis(at) + 3 * sign
            scene.poly([(tip, y), (tip - 6 * sign, y - 4), (tip - 6 * sign, y + 4)], closed=True, fill=arm.color,
                       key=arm.key)  # fmt: skip
    if math.isfinite(value) and axis.inside(value):
        scene.circle(axis(value), y, 5.0, fill=arm.color, stroke=TRACK, width=0.8, key=arm.key, tip=arm.name)
