"""Courses over time: tumor volume and the sum of target diameters under each regimen, and immune readouts."""

from __future__ import annotations

import numpy as np

from tumornexus.report import words
from tumornexus.report.figures.nodes import empty_scene
from tumornexus.report.figures.regimens import tier_fill
from tumornexus.report.rows import Course, View
from tumornexus.report.scene import Axis, Scene, nice_ticks
from tumornexus.report.simulated import FLOOR, UNTREATED
from tumornexus.report.style import CRIMSON, FAINT, INK, MUTED, NAVY, RULE, shorten, wrap

READOUT_COLORS = (NAVY, INK, "#8b97a3")
PROGRESSION, RESPONSE = 20.0, -30.0  # percent change of the sum of diameters from baseline (RECIST 1.1)
HIGHEST = 200.0  # percent; what lies above is drawn at the edge


def _ticks_log(low: float, high: float) -> list[float]:
    return [t for t in (0.001, 0.01, 0.1, 1.0, 10.0, 100.0) if low <= t <= high]


def _label(t: float) -> str:
    return f"≤{FLOOR:g}" if t <= FLOOR else f"×{t:g}"


def _range(view: View) -> tuple[float, float]:
    """Lowest and highest relative volume shown: what the bands need, at least a tenth of baseline."""
    highs = [float(np.nanmax(c.high90)) for c in view.courses if np.isfinite(c.high90).any()]
    lows = [float(np.nanmin(c.low90)) for c in view.courses if np.isfinite(c.low90).any()]
    return max(min([0.15, *lows]) * 0.6, FLOOR * 0.8), min(120.0, max([4.0, *highs]) * 1.3)


def _months(day: np.ndarray) -> np.ndarray:
    return day / words.DAYS_PER_MONTH


def _band(
    scene: Scene, x: Axis, y: Axis, course: Course, low: np.ndarray, high: np.ndarray, fill: str, opacity: float
) -> None:
    t = _months(course.day)
    good = np.isfinite(low) & np.isfinite(high)
    if not good.any():
        return
    up = [(x(a), y(b)) for a, b in zip(t[good], high[good], strict=True)]
    down = [(x(a), y(b)) for a, b in zip(t[good][::-1], low[good][::-1], strict=True)]
    scene.poly(up + down, closed=True, fill=fill, opacity=opacity)


def _curve(
    scene: Scene,
    x: Axis,
    y: Axis,
    course: Course,
    color: str,
    width: float,
    dash: str | None = None,
    tip: str | None = None,
    key: str | None = None,
) -> None:
    t, good = _months(course.day), np.isfinite(course.median)
    if good.any():
        points = [(x(a), y(b)) for a, b in zip(t[good], course.median[good], strict=True)]
        scene.poly(points, stroke=color, width=width, dash=dash, tip=tip, key=key)


def _thresholds(scene: Scene, x: Axis, y: Axis) -> None:
    for value in (PROGRESSION, RESPONSE):
        scene.line(x.start, y(value), x.stop, y(value), stroke=CRIMSON if value > 0 else MUTED, width=0.9, dash="4 3")


def _percent(value: float) -> str:
    """Print a change with its sign, in typographic characters."""
    said = f"{value:+.0f}%"
    return "0%" if said in ("+0%", "-0%") else said.replace("-", "−")


def overview_figure(view: View) -> Scene:
    """Median tumor volume under every regimen on one log scale; the best, the standard and no treatment are named."""
    title = "Median tumor volume under every regimen"
    if not view.courses:
        return empty_scene("fig-overview", title, "No trajectory was simulated.", 760)
    horizon = view.horizon_months or 24.0
    desc = "; ".join(
        f"{c.short}: median at {horizon:.0f} months {words.fold(float(c.median[-1]))} of baseline, "
        f"90% range {words.significant(float(c.low90[-1]))} to {words.significant(float(c.high90[-1]))}"
        for c in view.courses
        if np.isfinite(c.median[-1])
    )
    scene = Scene(1160, 400, "fig-overview", title, desc)
    left, right, top, bottom = 78.0, 868.0, 16.0, 350.0
    x, y = Axis(0.0, horizon, left, right), Axis(*_range(view), bottom, top, log=True)
    for t in _ticks_log(y.low, y.high):
        scene.line(left, y(t), right, y(t), stroke=RULE, width=0.8)
        scene.text(left - 8, y(t) + 1 if view.burden_ml else y(t) + 4, _label(t), size=11, anchor="end", fill=MUTED)
        if view.burden_ml:
            scene.text(
                left - 8, y(t) + 13, f"{words.significant(view.burden_ml * t)} mL", size=9.5, anchor="end", fill=FAINT
            )
    for m in range(0, int(horizon + 0.1) + 1, 3):
        scene.line(x(m), bottom, x(m), bottom + 5, stroke=MUTED)
        scene.text(x(m), bottom + 18, str(m), size=11, anchor="middle", fill=MUTED)
    scene.text(
        (left + right) / 2, bottom + 38, "Months from start of treatment", size=11.5, anchor="middle", fill=MUTED
    )
    scene.text(
        18, (top + bottom) / 2, "Tumor volume relative to baseline", size=11.5, anchor="middle", fill=MUTED, rotate=-90
    )
    ranked = {r.regimen: r for r in view.regimens}
    labels: list[tuple[float, str, str, bool, str]] = []
    ends: list[tuple[float, str]] = []
    for course in reversed(view.courses):
        row = ranked.get(course.regimen)
        none = course.regimen.strip().lower() in UNTREATED
        top_row = row is not None and (row.rank <= 5 or row.standard)
        color = INK if row is not None and row.standard else NAVY if top_row else FAINT
        dash = "2 3" if none else (tier_fill(row.tier)[2] and "5 3") if row is not None else None
        width = 2.4 if top_row else 1.3 if not none else 1.8
        tip = f"{course.regimen}: median at {horizon:.0f} months {words.fold(float(course.median[-1]))} of baseline"
        if row is not None and row.standard:
            _band(scene, x, y, course, course.low50, course.high50, INK, 0.07)
        _curve(scene, x, y, course, MUTED if none else color, width, dash, tip, course.key)
        if (top_row or none) and np.isfinite(course.median[-1]):
            said = course.short if row is None else f"{row.rank} {course.short}"
            labels.append(
                (
                    y(float(course.median[-1])),
                    said + (" (reference)" if row is not None and row.standard else ""),
                    MUTED if none else color,
                    bool(top_row),
                    course.key,
                )
            )
            ends.append((y(float(course.median[-1])), course.key))
    labels.sort(key=lambda item: item[0])
    spots = spread([item[0] for item in labels], 15.0, top, bottom)
    for (end, said, color, bold, key), spot in zip(labels, spots, strict=True):
        scene.poly([(right + 2, end), (right + 46, spot), (right + 56, spot)], stroke=color, width=0.8, opacity=0.7)
        scene.text(
            right + 60,
            spot + 4,
            shorten(said, 11.5, 1160 - right - 64, bold),
            size=11.5,
            bold=bold,
            fill=color,
            key=key,
        )
    return scene


def spread(wanted: list[float], gap: float, low: float, high: float) -> list[float]:
    """Move sorted positions apart to at least `gap`, staying between `low` and `high` where that is possible."""
    out: list[float] = []
    for value in wanted:
        out.append(max(value, out[-1] + gap) if out else max(value, low))
    over = (out[-1] - high) if out else 0.0
    if over > 0:
        out[-1] -= over
        for i in range(len(out) - 2, -1, -1):
            out[i] = min(out[i], out[i + 1] - gap)
    return out


def diameter_figure(view: View) -> Scene:
    """Small multiples of what RECIST reads, the percent change of the sum of target diameters: median, 50 % and 90 %
    bands, the standard's median in each."""
    title = "Sum of target diameters under each regimen"
    courses = view.diameters
    if not courses:
        return empty_scene("fig-diameters", title, "No trajectory was simulated.", 760)
    columns, w, h, head = 4, 290.0, 186.0, 40.0
    horizon = view.horizon_months or 24.0
    rows = -(-len(courses) // columns)
    desc = "; ".join(
        f"{c.short}: median {_percent(float(c.median[-1]))} at {horizon:.0f} months"
        for c in courses
        if np.isfinite(c.median[-1])
    )
    scene = Scene(columns * w, rows * h + 26, "fig-diameters", title, desc)
    ranked = {r.regimen: r for r in view.regimens}
    standard = next((c for c in courses if ranked.get(c.regimen) is not None and ranked[c.regimen].standard), None)
    highs = [float(np.nanmax(c.high90)) for c in courses if np.isfinite(c.high90).any()]
    low, high = -100.0, min(HIGHEST, max([50.0, *highs]))
    for i, course in enumerate(courses):
        ox, oy = (i % columns) * w, (i // columns) * h
        row = ranked.get(course.regimen)
        x, y = Axis(0.0, horizon, ox + 46, ox + w - 12), Axis(low, high, oy + h - 14, oy + head)
        said = course.short if row is None else f"{row.rank} {course.short}"
        refuted = row is not None and row.refuted
        lines = wrap(said, 12, w - 58)
        for k, line in enumerate(lines):
            scene.text(
                ox + 46,
                oy + head - 8 - 14 * (len(lines) - 1 - k),
                line,
                size=12,
                bold=True,
                fill=CRIMSON if refuted else INK,
                tip=course.regimen,
                key=course.key,
            )
        scene.rect(x.start, y.stop, x.stop - x.start, y.start - y.stop, fill="#fafbfc")
        for t in np.arange(low, high + 1.0, 50.0):
            scene.line(x.start, y(t), x.stop, y(t), stroke=RULE, width=0.7)
            said = f"≥{_percent(t)}" if t == HIGHEST else _percent(t)
            scene.text(x.start - 5, y(t) + 3.5, said, size=9.5, anchor="end", fill=MUTED)
        _thresholds(scene, x, y)
        is_standard = row is not None and row.standard
        none = course.regimen.strip().lower() in UNTREATED
        color = INK if is_standard else MUTED if none else NAVY
        guess = row is not None and row.hypothesis
        tip = (
            f"{course.regimen}: at {horizon:.0f} months median {_percent(float(course.median[-1]))}, "
            f"90% {_percent(float(course.low90[-1]))} to {_percent(float(course.high90[-1]))}"
        )
        _band(scene, x, y, course, course.low90, course.high90, color, 0.07 if guess else 0.13)
        _band(scene, x, y, course, course.low50, course.high50, color, 0.13 if guess else 0.25)
        if standard is not None and not is_standard:
            _curve(scene, x, y, standard, INK, 1.1, "1.5 2.5")
        _curve(scene, x, y, course, color, 2.0, "5 3" if guess and not is_standard else None, tip, course.key)
        note = (
            ""
            if row is None
            else "reference of the comparisons"
            if is_standard
            else "refuted by a randomized trial"
            if refuted
            else "hypothesis: read the direction only"
            if guess
            else row.tier
        )
        scene.text(x.start + 6, y.start - 6, note, size=10, fill=CRIMSON if refuted else MUTED, halo=True)
        for m in range(0, int(horizon + 0.1) + 1, 6):
            scene.line(x(m), y.start, x(m), y.start + 3, stroke=MUTED, width=0.8)
            if i // columns == rows - 1 or i + columns >= len(courses):
                scene.text(x(m), y.start + 15, str(m), size=9.5, anchor="middle", fill=MUTED)
    scene.text(columns * w / 2, rows * h + 20, "Months from start of treatment", size=11, anchor="middle", fill=MUTED)
    return scene


def readout_figure(view: View) -> Scene:
    """Immune readouts under the best regimen, the standard and no treatment: median and 50 % band."""
    title = "Immune readouts"
    if not view.readouts:
        return empty_scene("fig-readouts", title, "No immune readout was simulated.", 760)
    columns, w, h = 3, 386.0, 190.0
    rows = -(-len(view.readouts) // columns)
    desc = "; ".join(
        f"{r.name}: " + ", ".join(f"{c.short} {words.significant(float(c.median[-1]))}" for c in r.courses)
        for r in view.readouts
    )
    scene = Scene(columns * w, 26 + rows * h + 22, "fig-readouts", title, desc)
    offset = 46.0
    for course, color in zip(view.readouts[0].courses, READOUT_COLORS, strict=False):
        scene.line(offset, 10, offset + 22, 10, stroke=color, width=2.4)
        said = shorten(course.short, 11.5, 260)
        scene.text(offset + 28, 14, said, size=11.5, fill=MUTED)
        offset += 60 + len(said) * 6.4
    horizon = view.horizon_months or 24.0
    for i, readout in enumerate(view.readouts):
        ox, oy = (i % columns) * w, 26 + (i // columns) * h
        tops = [float(np.nanmax(c.high50)) for c in readout.courses if np.isfinite(c.high50).any()]
        lows = [float(np.nanmin(c.low50)) for c in readout.courses if np.isfinite(c.low50).any()]
        high, low = max(tops, default=1.0), min(0.0, min(lows, default=0.0))
        high = high * 1.08 if high > low else low + 1.0
        x, y = Axis(0.0, horizon, ox + 46, ox + w - 16), Axis(low, high, oy + h - 16, oy + 26)
        scene.text(ox + 46, oy + 17, readout.name + (f" ({readout.unit})" if readout.unit else ""), size=12, bold=True)
        for t in nice_ticks(low, high, 4):
            scene.line(x.start, y(t), x.stop, y(t), stroke=RULE, width=0.7)
            scene.text(x.start - 5, y(t) + 3.5, f"{t:.3g}", size=9.5, anchor="end", fill=MUTED)
        for course, color in reversed(list(zip(readout.courses, READOUT_COLORS, strict=False))):
            _band(scene, x, y, course, course.low50, course.high50, color, 0.16)
        for course, color in reversed(list(zip(readout.courses, READOUT_COLORS, strict=False))):
            _curve(scene, x, y, course, color, 2.0, None, course.regimen, course.key)
        for m in range(0, int(horizon + 0.1) + 1, 6):
            scene.line(x(m), y.start, x(m), y.start + 3, stroke=MUTED, width=0.8)
            scene.text(x(m), y.start + 14, str(m), size=9.5, anchor="middle", fill=MUTED)
    scene.text(
        columns * w / 2, 26 + rows * h + 16, "Months from start of treatment", size=11, anchor="middle", fill=MUTED
    )
    return scene
