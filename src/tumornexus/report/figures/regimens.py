"""Ranked regimens: predicted response with its interval, and benefit against toxicity."""

from __future__ import annotations

import math
from typing import Any

from tumornexus.report import words
from tumornexus.report.figures.nodes import empty_scene
from tumornexus.report.rows import RegimenRow, View
from tumornexus.report.scene import Axis, Scene, nice_ticks
from tumornexus.report.style import CRIMSON, FAINT, INK, MUTED, NAVY, NAVY_TINT, PAPER, RULE, TRACK, shorten, text_width

DIRECTION = {
    "smaller": "direction only: smaller tumor",
    "larger": "direction only: larger tumor",
    "unclear": "direction only: no clear change",
}


def tier_fill(tier: str) -> tuple[str, str, str | None]:
    """Fill, stroke and dash that say how solid a prediction is."""
    if tier == "trial-calibrated":
        return NAVY, NAVY, None
    if tier == "class-extrapolated":
        return NAVY_TINT, NAVY, None
    return PAPER, NAVY, "2 2"


def shape(
    scene: Scene,
    x: float,
    y: float,
    cost: int,
    tier: str,
    *,
    r: float,
    black: bool = False,
    tip: str = "",
    key: str = "",
) -> None:
    """Draw a mark: circle, square, diamond, triangle for cost tiers 1 to 4; fill by tier of evidence."""
    fill, stroke, dash = (INK, INK, None) if black else tier_fill(tier)
    look: dict[str, Any] = {"fill": fill, "stroke": stroke, "width": 1.5, "dash": dash, "tip": tip, "key": key}
    if cost <= 1:
        scene.circle(x, y, r, **look)
    elif cost == 2:
        scene.rect(x - r * 0.9, y - r * 0.9, 1.8 * r, 1.8 * r, **look)
    elif cost == 3:
        s = r * 1.28
        scene.poly([(x, y - s), (x + s, y), (x, y + s), (x - s, y)], closed=True, **look)
    else:
        s = r * 1.3
        scene.poly([(x, y - s), (x + s * 0.95, y + s * 0.75), (x - s * 0.95, y + s * 0.75)], closed=True, **look)


def marker(scene: Scene, x: float, y: float, cost: int, row: RegimenRow, r: float = 7.0, tip: str = "") -> None:
    """Draw the mark of a regimen; the standard that others are compared with is black."""
    shape(scene, x, y, cost, row.tier, r=r, black=row.standard, tip=tip, key=row.key)


def arrow(scene: Scene, x: float, y: float, direction: str, row: RegimenRow, length: float = 34.0) -> None:
    """Draw the direction of a hypothesis: right is benefit, left is harm, a bar is no clear change."""
    tip = f"{row.regimen}: {DIRECTION[direction]} than under the reference"
    if direction == "unclear":
        scene.line(x - length / 2, y, x + length / 2, y, stroke=NAVY, width=1.6, dash="3 3", tip=tip, key=row.key)
        return
    sign = 1 if direction == "smaller" else -1
    color = NAVY if sign > 0 else CRIMSON
    scene.line(
        x - sign * length / 2, y, x + sign * length / 2, y, stroke=color, width=1.8, dash="4 3", tip=tip, key=row.key
    )
    head = x + sign * length / 2
    scene.poly(
        [(head - sign * 6, y - 5), (head + sign * 2, y), (head - sign * 6, y + 5)], stroke=color, width=1.8, tip=tip
    )


def shown_first(view: View, n: int = 6) -> list[RegimenRow]:
    """The best regimens for the first screen; the standard is always among them."""
    rows = list(view.regimens[:n])
    standard = view.standard
    if standard is not None and standard not in rows:
        rows = [*rows[: n - 1], standard]
    return rows


def forest_figure(view: View) -> Scene:
    """Predicted response of the best regimens and the standard, with 90 % intervals."""
    rows = shown_first(view)
    title = "Best regimens: predicted response"
    if not rows:
        return empty_scene("fig-forest", title, "No regimen was simulated.")
    parts = []
    for row in rows:
        if row.response is None:
            parts.append(f"{row.short}: {DIRECTION[row.direction]}")
        else:
            parts.append(f"{row.short}: {words.percent(row.response)} ({words.percent_range(row.low, row.high)})")
    scene = Scene(380, 404, "fig-forest", title, "; ".join(parts))
    left, right, top, pitch, bottom = 12.0, 266.0, 22.0, 55.0 if len(rows) > 5 else 60.0, 356.0
    axis = Axis(0.0, 1.0, left, right)
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0) if any(r.response is not None for r in rows) else ()
    for tick in ticks:
        scene.text(axis(tick), bottom + 14, f"{100 * tick:.0f}%", size=10.5, anchor="middle", fill=MUTED)
    standard = view.standard
    for i, row in enumerate(rows):
        y = top + pitch * i
        for tick in ticks:
            scene.line(axis(tick), y + 17, axis(tick), y + 34, stroke=RULE, width=0.9)
        if standard is not None and (standard.response is not None or not ticks):
            x = axis(standard.response if standard.response is not None else 0.3)
            scene.line(x, y + 15, x, y + 36, stroke=INK, width=1.2, dash="3 2", tip="Reference of the comparisons")
        ink = CRIMSON if row.refuted else INK
        note = (
            "standard of care"
            if row.accepted or row.standard
            else "refuted by a randomized trial"
            if row.refuted
            else row.tier
        )
        if row.response is None:
            value = ""
        else:
            value = f"{words.percent(row.response)} ({words.percent_range(row.low, row.high)})"
        name = shorten(f"{row.rank}  {row.short}", 12.5, 366 - text_width(note, 10.5), True)
        scene.text(2, y, name, size=12.5, bold=True, fill=ink, halo=True, tip=row.regimen, key=row.key)
        scene.text(376, y + 30, value, size=11.5, anchor="end")
        scene.text(376, y, note, size=10.5, anchor="end", fill=CRIMSON if row.refuted else MUTED)
        if row.response is None and row.standard:
            marker(scene, axis(0.3), y + 26, 1, row, r=5.6, tip=row.regimen)
            scene.text(axis(0.3) + 14, y + 30, "reference", size=10, fill=MUTED, halo=True)
        elif row.response is None:
            center = axis(standard.response if standard is not None and standard.response is not None else 0.3)
            offset = {"smaller": 24.0, "larger": -24.0, "unclear": 0.0}[row.direction]
            arrow(scene, center + offset, y + 26, row.direction, row)
            words_x, anchor = center + (offset + 26 if row.direction != "larger" else 8), "start"
            scene.text(words_x, y + 30, DIRECTION[row.direction], size=10, fill=MUTED, anchor=anchor, halo=True)
        else:
            color = INK if row.standard else NAVY
            tip = f"{row.regimen}: {words.percent(row.response)} ({words.percent_range(row.low, row.high)})"
            if row.low is not None and row.high is not None:
                scene.line(axis(row.low), y + 26, axis(row.high), y + 26, stroke=color, width=2.2, tip=tip, key=row.key)
            marker(scene, axis(row.response), y + 26, 1, row, r=5.6, tip=tip)
    label = "Probability of objective response, 90% interval; dashed: reference"
    scene.text(left, 390, label if ticks else "Direction against the reference; no probability", size=10.5, fill=MUTED)
    return scene


def _front(rows: list[RegimenRow]) -> list[RegimenRow]:
    """Regimens that no other beats on both response and toxicity."""
    out, best = [], -1.0
    for row in sorted(rows, key=lambda r: (r.ae3 or 0.0, -(r.response or 0.0))):
        if (row.response or 0.0) > best:
            out.append(row)
            best = row.response or 0.0
    return out


def pareto_figure(view: View) -> Scene:
    """Response against grade >= 3 adverse events; hypotheses stand in a strip of their own, without a probability."""
    title = "Benefit against toxicity"
    if not view.regimens:
        return empty_scene("fig-pareto", title, "No regimen was simulated.", 1160)
    known = [r for r in view.regimens if r.response is not None and r.ae3 is not None]
    hypotheses = [r for r in view.regimens if r.hypothesis and r.ae3 is not None]
    desc = "; ".join(
        f"{r.rank} {r.short}: response {words.percent(r.response)}, grade >= 3 events {words.percent(r.ae3)}"
        for r in known
    )
    desc += "".join(
        f"; {r.rank} {r.short}: {DIRECTION[r.direction]}, adverse events {words.percent(r.ae3)}" for r in hypotheses
    )
    left, right, top, bottom = 112.0, 1146.0, 44.0, 330.0 if known else 44.0
    scene = Scene(1160, bottom + 170, "fig-pareto", title, desc)
    ae = [r.ae3 or 0.0 for r in [*known, *hypotheses]] or [0.0]
    x_axis = Axis(0.0, min(1.0, max(0.4, max(ae) * 1.06)), left, right)
    tops = [r.high if r.high is not None else (r.response or 0.0) for r in known] or [0.5]
    y_axis = Axis(0.0, min(1.0, math.ceil(max(tops) * 10.5) / 10), bottom, top)
    for tick in nice_ticks(0.0, y_axis.high, 5) if known else ():
        scene.line(left, y_axis(tick), right, y_axis(tick), stroke=RULE, width=0.8)
        scene.text(left - 8, y_axis(tick) + 4, f"{100 * tick:.0f}%", size=11, anchor="end", fill=MUTED)
    strip = bottom + 42.0
    rows_of_strip = ("smaller", "unclear", "larger")
    strip_y = {d: strip + 16 + 26 * i for i, d in enumerate(rows_of_strip)}
    scene.rect(left, strip, right - left, 84, fill=TRACK, radius=3)
    for d, label in zip(rows_of_strip, ("smaller tumor", "no clear change", "larger tumor"), strict=True):
        scene.text(left - 8, strip_y[d] + 4, label, size=10.5, anchor="end", fill=MUTED)
    scene.text(
        left, strip - 6, "Mechanistic hypotheses: direction against the reference, no probability", size=11, fill=MUTED
    )
    for tick in nice_ticks(0.0, x_axis.high, 6):
        if known:
            scene.line(x_axis(tick), top, x_axis(tick), bottom, stroke=RULE, width=0.8)
        scene.line(x_axis(tick), strip, x_axis(tick), strip + 84, stroke=PAPER, width=1.0)
        scene.text(x_axis(tick), strip + 100, f"{100 * tick:.0f}%", size=11, anchor="middle", fill=MUTED)
    if known:
        scene.line(left, bottom, right, bottom, stroke=MUTED)
        middle = (top + bottom) / 2
        scene.text(56, middle, "Objective response", size=11.5, anchor="middle", fill=MUTED, rotate=-90)
    scene.text(
        (left + right) / 2, strip + 120, "Grade 3 or higher adverse events", size=11.5, anchor="middle", fill=MUTED
    )

    front = list(_front([r for r in known if not r.refuted]))
    if len(front) > 1:
        points: list[tuple[float, float]] = []
        for row in front:
            x, y = x_axis(row.ae3 or 0.0), y_axis(row.response or 0.0)
            if points:
                points.append((x, points[-1][1]))
            points.append((x, y))
        scene.poly(points, stroke=FAINT, width=1.4, dash="5 4", tip="Pareto front: no regimen is better on both")
    taken: list[tuple[float, float, float, float]] = []
    for row in known:
        x, y = x_axis(row.ae3 or 0.0), y_axis(row.response or 0.0)
        if row.low is not None and row.high is not None:
            scene.line(
                x,
                y_axis(row.low),
                x,
                y_axis(row.high),
                stroke=INK if row.standard else NAVY,
                width=1.1,
                opacity=0.45,
                key=row.key,
            )
        taken.append((x - 8, y - 8, x + 8, y + 8))
    for row in known:
        x, y = x_axis(row.ae3 or 0.0), y_axis(row.response or 0.0)
        tip = (
            f"{row.rank}. {row.regimen}: response {words.percent(row.response)} "
            f"({words.percent_range(row.low, row.high)}), grade >= 3 events {words.percent(row.ae3)}, {row.tier}"
        )
        marker(scene, x, y, row.cost_tier or 1, row, tip=tip)
        if row.refuted:
            scene.line(x - 10, y + 10, x + 10, y - 10, stroke=CRIMSON, width=2.4, tip="Refuted by a randomized trial")
    for row in known:
        x, y = x_axis(row.ae3 or 0.0), y_axis(row.response or 0.0)
        named = row in front or row.standard or row.rank <= 3
        label = f"{row.rank} {row.short}" if named else str(row.rank)
        _label(scene, taken, x, y, shorten(label, 11, 240), named, right, row)
    seats: dict[str, list[float]] = {d: [] for d in rows_of_strip}
    for row in sorted(hypotheses, key=lambda r: r.ae3 or 0.0):
        x = x_axis(row.ae3 or 0.0)
        while any(abs(x - s) < 30 for s in seats[row.direction]):
            x += 4
        seats[row.direction].append(x)
        y = strip_y[row.direction]
        marker(
            scene, x, y, row.cost_tier or 1, row, r=6.0, tip=f"{row.rank}. {row.regimen}: {DIRECTION[row.direction]}"
        )
        scene.text(x + 10, y + 4, str(row.rank), size=11, bold=True, fill=CRIMSON if row.refuted else INK)

    x = left
    for tier, label in (
        ("trial-calibrated", "trial-calibrated"),
        ("class-extrapolated", "class-extrapolated"),
        ("mechanistic hypothesis", "hypothesis"),
    ):
        fill, stroke, dash = tier_fill(tier)
        scene.circle(x + 6, 16, 6, fill=fill, stroke=stroke, width=1.5, dash=dash)
        scene.text(x + 16, 20, label, size=11, fill=MUTED)
        x += 32 + len(label) * 5.6
    scene.circle(x + 6, 16, 6, fill=INK)
    scene.text(x + 16, 20, "reference", size=11, fill=MUTED)
    x += 92
    scene.text(x - 8, 20, "cost tier", size=11, fill=MUTED)
    x += 52
    for tier in (1, 2, 3, 4):
        shape(scene, x, 16, tier, "class-extrapolated", r=5.0)
        scene.text(x + 9, 20, str(tier), size=11, fill=MUTED)
        x += 31
    return scene


def _label(
    scene: Scene,
    taken: list[tuple[float, float, float, float]],
    x: float,
    y: float,
    label: str,
    bold: bool,
    right: float,
    row: RegimenRow,
) -> None:
    """Put a label at the first of a few places beside its mark where it meets nothing drawn before."""
    w, h = text_width(label, 11, bold), 12.0
    places = [
        (x + 11, y + 4),
        (x + 9, y - 8),
        (x - 11 - w, y + 4),
        (x + 9, y + 17),
        (x - 9 - w, y - 8),
        (x - w / 2, y - 13),
        (x - 9 - w, y + 17),
        (x - w / 2, y + 22),
        (x + 11, y - 20),
        (x + 11, y + 29),
    ]
    for px, py in places:
        box = (px, py - h + 2, px + w, py + 2)
        clash = any(box[0] < t[2] and box[2] > t[0] and box[1] < t[3] and box[3] > t[1] for t in taken)
        if not clash and px > 114 and px + w < right + 6:
            break
    else:
        px, py = places[0]
        box = (px, py - h + 2, px + w, py + 2)
    taken.append(box)
    scene.text(px, py, label, size=11, bold=bold, fill=CRIMSON if row.refuted else INK, halo=True, key=row.key)
