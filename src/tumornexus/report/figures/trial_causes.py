"""Why patients of a virtual trial progress, and what treatment costs them: causes of resistance, toxicity."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tumornexus.report.figures.nodes import empty_scene
from tumornexus.report.figures.trial_parts import WIDE, arm_mark, months_axis, tint
from tumornexus.report.figures.trial_survival import axis_ticks, interval_mark, rate_axis
from tumornexus.report.scene import Axis, Scene, nice_ticks
from tumornexus.report.style import INK, MUTED, RULE, shorten, text_width
from tumornexus.report.trial_view import RESISTANCE, TrialView, with_interval
from tumornexus.report.words import DAYS_PER_MONTH

SHOWN = 10  # causes with a row of their own
NO_CAUSE, OTHERS = "no single cause", "other mechanisms"
LIGHT = 0.4  # how much of the arm's color acquired resistance has
_COLUMNS = 4


def cause_rows(view: TrialView) -> list[tuple[str, list[str]]]:
    """Return name and mechanism ids of each row: the most frequent causes over all arms, the others, none."""
    counts = pd.concat([arm.resistant() for arm in view.arms]).sum(axis=1).groupby(level=0).sum()
    named = counts[counts.index != ""].sort_index().sort_values(ascending=False, kind="stable")
    rows = [(view.cause(ident), [ident]) for ident in named.index[:SHOWN]]
    if len(named) > SHOWN:
        rows.append((f"{OTHERS} ({len(named) - SHOWN})", list(named.index[SHOWN:])))
    return rows + ([(NO_CAUSE, [""])] if counts.get("", 0) else [])


def cause_figure(view: TrialView) -> Scene:
    """Mechanism that dominates at progression, as a share of each arm's patients: primary, then acquired resistance."""
    title = "Cause of resistance at progression"
    rows = cause_rows(view)
    if not rows:
        return empty_scene("fig-causes", title, "No patient progressed.", WIDE)
    tables = [arm.resistant() for arm in view.arms]
    shares = [[[int(table.reindex(ids, fill_value=0)[kind].sum()) for kind in RESISTANCE] for _, ids in rows]
              for table in tables]  # fmt: skip
    highest = max(100.0 * sum(cell) / max(arm.n, 1) for arm, s in zip(view.arms, shares, strict=True) for cell in s)
    columns = min(len(view.arms), _COLUMNS)
    left, gap, pitch, head = 262.0, 26.0, 21.0, 50.0
    width = min((WIDE - left - gap * (columns - 1)) / columns, 420.0)
    block = head + pitch * len(rows) + 34
    lines = -(-len(view.arms) // columns)
    desc = "; ".join(f"{a.name}: {_kinds(t)}" for a, t in zip(view.arms, tables, strict=True))
    scene = Scene(WIDE, block * lines + 30, "fig-causes", title, desc)
    for line in range(lines):
        for row, (name, _) in enumerate(rows):
            y = block * line + head + pitch * (row + 0.5)
            said = name if text_width(name, 11) <= left - 16 else name.split(" (")[0]
            scene.text(left - 12, y + 4, shorten(said, 11, left - 16), size=11, anchor="end", tip=name,
                       fill=MUTED if name == NO_CAUSE or name.startswith(OTHERS) else INK)  # fmt: skip
    for i, (arm, table) in enumerate(zip(view.arms, tables, strict=True)):
        x0, top = left + (i % columns) * (width + gap), block * (i // columns)
        axis = Axis(0.0, max(highest * 1.02, 1.0), x0, x0 + width - 26)  # room for the count beside the longest bar
        arm_mark(scene, x0, top + 20, arm, 12.0, width, lines=2)
        scene.text(x0, top + 41, _kinds(table), size=10.5, fill=MUTED)
        base = top + head + pitch * len(rows)
        for tick in nice_ticks(0.0, axis.high, 3 if width < 260 else 5):
            scene.line(axis(tick), top + head, axis(tick), base, stroke=RULE, width=0.8)
            scene.text(axis(tick), base + 14, f"{tick:g}%", size=10, anchor="middle", fill=MUTED)
        for row, counts in enumerate(shares[i]):
            y, start = top + head + pitch * row, 0.0
            for kind, count in zip(RESISTANCE, counts, strict=True):
                stop = start + 100.0 * count / max(arm.n, 1)
                if count:
                    tip = f"{arm.name}, {rows[row][0]}: {count} of {arm.n}, {_word(kind)}"
                    fill = arm.color if kind == "primary" else tint(arm.color, LIGHT)
                    scene.rect(axis(start), y + 3.5, axis(stop) - axis(start), pitch - 7, fill=fill, tip=tip,
                               key=f"{kind}-{arm.key}")  # fmt: skip
                start = stop
            scene.text(axis(start) + 5, y + pitch / 2 + 4, str(sum(counts)), size=10.5, fill=MUTED)
    y = block * lines + 18
    for x, share, kind in ((left, 1.0, "primary"), (left + 150, LIGHT, "secondary")):
        scene.rect(x, y - 9, 11, 11, fill=tint(view.arms[0].color, share))
        scene.text(x + 17, y, f"{_word(kind)} resistance", size=11)
    scene.text(left + 370, y, "length: share of the arm's patients; number: patients", size=11, fill=MUTED)
    return scene


def _word(kind: str) -> str:
    return {"primary": "primary", "secondary": "acquired (secondary)"}[kind]


def _kinds(table: pd.DataFrame) -> str:
    first, second = (int(table[kind].sum()) for kind in RESISTANCE)
    return f"{first} primary, {second} acquired"


def toxicity_figure(view: TrialView) -> Scene:
    """Patients with a treatment-related event of grade 3 or more: predicted rate, and when the first one comes."""
    title = "Treatment-related events of grade 3 or more"
    pitch, top = 30.0, 34.0
    bottom = max(top + pitch * len(view.arms), 220.0)
    base = top + pitch * len(view.arms)
    desc = "; ".join(f"{a.name}: {with_interval(a.estimate('ae3'), 0, '%', 'not told')}" for a in view.arms)
    scene = Scene(WIDE, bottom + 42, "fig-toxicity", title, desc)
    told = [arm.estimate("ae3") for arm in view.arms]
    axis = rate_axis(told, 240.0)
    scene.text(240, 16, "Predicted rate", size=12, bold=True)
    axis_ticks(scene, axis, top, base)
    for i, arm in enumerate(view.arms):
        y = top + pitch * (i + 0.5)
        arm_mark(scene, 8, y + 4, arm, 12.0, 225, lines=2)
        interval_mark(scene, axis, y, arm, told[i])
        scene.text(axis.stop + 12, y + 4, with_interval(told[i], 0, "%", "not told"), size=11, key=arm.key)
    left, right = 610.0, 1140.0
    scene.text(left, 16, "Simulated patients with a first event so far", size=12, bold=True)
    curves = [np.sort(arm.table["ae3_day"].to_numpy(float)) / DAYS_PER_MONTH for arm in view.arms]
    final = [100.0 * np.isfinite(c).sum() / max(arm.n, 1) for arm, c in zip(view.arms, curves, strict=True)]
    x, y = Axis(0.0, view.horizon, left, right), Axis(0.0, max(*final, 5.0) * 1.08, bottom, top)
    for tick in nice_ticks(0.0, y.high, 4):
        scene.line(left, y(tick), right, y(tick), stroke=RULE, width=0.8)
        scene.text(left - 8, y(tick) + 4, f"{tick:g}%", size=10.5, anchor="end", fill=MUTED)
    months_axis(scene, x, bottom, "months from start of treatment")
    grid = np.linspace(0.0, view.horizon, int(right - left) + 1)
    for arm, curve in reversed(list(zip(view.arms, curves, strict=True))):
        share = 100.0 * np.searchsorted(curve, grid, side="right") / max(arm.n, 1)
        points = [(x(0.0), y(0.0))]
        for month, value in zip(grid, share, strict=True):
            if abs(y(value) - points[-1][1]) >= 0.3 or month == grid[-1]:
                points += [(x(month), points[-1][1]), (x(month), y(value))]
        scene.poly(points, stroke=arm.color, width=2.2, dash=arm.dash, key=arm.key, tip=arm.name)
    return scene
