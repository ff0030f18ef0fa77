"""What was found: activities with intervals, barriers per cycle step, immune phenotype."""

from __future__ import annotations

from tumornexus.report.rows import View
from tumornexus.report.scene import Axis, Scene
from tumornexus.report.style import (
    CATEGORY_WORDS,
    CRIMSON,
    FAINT,
    INK,
    MUTED,
    PAPER,
    PHENOTYPE,
    RULE,
    TRACK,
    barrier_color,
    category_color,
    shorten,
)


def activity_figure(view: View) -> Scene:
    """Activities by category, strongest first: dot at the mean, line over the 90 % interval, hatch if not measured."""
    pitch, left, right, head = 23.0, 318.0, 564.0, 30.0
    groups = [(c, [m for m in view.mechanisms if m.category == c]) for c in CATEGORY_WORDS]
    groups += [
        (c, [m for m in view.mechanisms if m.category == c])
        for c in sorted({m.category for m in view.mechanisms} - set(CATEGORY_WORDS))
    ]
    groups = [(c, rows) for c, rows in groups if rows]
    height = 30 + sum(head + pitch * len(rows) + 8 for _, rows in groups) + 30
    desc = "; ".join(
        f"{m.name} {m.mean:.2f} ({m.low:.2f} to {m.high:.2f})" if m.measured else f"{m.name} not measured"
        for m in view.mechanisms
    )
    scene = Scene(760, height, "fig-activities", "Activity of each mechanism with its 90% interval", desc)
    axis = Axis(0.0, 1.0, left, right)

    def ticks(y: float) -> None:
        for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
            scene.text(axis(tick), y, f"{tick:g}", size=10.5, anchor="middle", fill=MUTED)

    ticks(18)
    scene.text(right + 18, 18, "mean (90% interval)", size=10.5, fill=MUTED)
    scene.text(right + 148, 18, "steps", size=10.5, fill=MUTED)
    y = 26.0
    for category, rows in groups:
        color = category_color(category)
        scene.text(8, y + 18, CATEGORY_WORDS.get(category, category), size=12.5, bold=True, fill=color)
        y += head
        for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
            scene.line(axis(tick), y - 4, axis(tick), y + pitch * len(rows), stroke=RULE, width=0.8)
        for m in sorted(rows, key=lambda m: (not m.measured, -m.mean, m.id)):
            middle = y + pitch / 2
            badge = view.badge_of(m.id)
            if badge:
                scene.badge(16, middle, str(badge), fill=color, r=7.6)
            name = shorten(m.name, 12.5, 250 if m.kind == "state" else 276, m.active)
            scene.text(30, middle + 4, name, size=12.5, bold=m.active, fill=INK if m.measured else MUTED, tip=m.claim)
            if m.kind == "state":
                scene.text(left - 14, middle + 4, "state", size=10, anchor="end", fill=FAINT, italic=True, halo=True)
            tip = f"{m.name}: {m.mean:.2f}, 90% interval {m.low:.2f} to {m.high:.2f}"
            if m.measured:
                scene.line(axis(m.low), middle, axis(m.high), middle, stroke=color, width=2.4, tip=tip)
                scene.circle(axis(m.mean), middle, 5.0, fill=color, stroke=PAPER, width=1.0, tip=tip)
                scene.text(right + 18, middle + 4, f"{m.mean:.2f} ({m.low:.2f}–{m.high:.2f})", size=11.5, fill=INK)
            else:
                tip = f"{m.name}: not measured; the hatched range is its prevalence in this cancer type"
                wide = max(axis(m.high) - axis(m.low), 6.0)
                scene.hatch(axis(m.low), middle - 5, wide, 10, stroke=FAINT)
                scene.rect(axis(m.low), middle - 5, wide, 10, stroke=FAINT, width=0.9, dash="2 3", tip=tip)
                scene.text(right + 18, middle + 4, "not measured", size=11.5, fill=MUTED, italic=True)
            steps = ", ".join(str(s) for s in m.steps) or "–"
            broken = view.broken_step in m.steps
            scene.text(right + 148, middle + 4, steps, size=11.5, fill=CRIMSON if broken else MUTED, bold=broken)
            y += pitch
        y += 8
    ticks(y + 10)
    scene.text((left + right) / 2, y + 26, "Activity (0 absent, 1 full)", size=11, anchor="middle", fill=MUTED)
    return scene


def barrier_figure(view: View) -> Scene:
    """Barrier at each of the seven steps with its 90 % interval and what raises it."""
    pitch, left, right = 46.0, 16.0, 384.0
    desc = "; ".join(
        f"step {b.step} {b.full_name}: {b.mean:.2f} ({b.low:.2f} to {b.high:.2f})"
        if b.measured
        else f"step {b.step} {b.full_name}: not measured"
        for b in view.barriers
    )
    scene = Scene(400, 22 + pitch * 7 + 22, "fig-barriers", "Barrier at each step of the cycle", desc)
    axis = Axis(0.0, 1.0, left, right)
    for i, b in enumerate(view.barriers):
        y = 16 + pitch * i
        ink = CRIMSON if b.broken else INK
        scene.text(
            left,
            y,
            f"{b.step}  {b.name}" + ("  (broken)" if b.broken else ""),
            size=12.5,
            bold=b.broken,
            fill=ink,
            tip=b.full_name,
        )
        said = f"{b.mean:.2f} ({b.low:.2f}–{b.high:.2f})" if b.measured else "not measured"
        scene.text(right, y, said, size=11.5, anchor="end", fill=ink if b.measured else MUTED, italic=not b.measured)
        scene.rect(left, y + 6, right - left, 9, fill=TRACK, radius=2)
        if b.measured:
            scene.rect(left, y + 6, axis(b.mean) - left, 9, fill=barrier_color(b.mean), radius=2)
            scene.line(axis(b.low), y + 10.5, axis(b.high), y + 10.5, stroke=INK, width=1.4)
            for v in (b.low, b.high):
                scene.line(axis(v), y + 7, axis(v), y + 14, stroke=INK, width=1.4)
        else:
            scene.hatch(left, y + 6, right - left, 9, stroke=FAINT)
        if b.by and b.measured:
            scene.text(
                left,
                y + 26,
                shorten("by " + ", ".join(b.by), 10.5, right - left),
                size=10.5,
                fill=MUTED,
                tip=", ".join(b.by),
            )
    y = 16 + pitch * 7 + 4
    scene.text(left, y, "0 open", size=10.5, fill=MUTED)
    scene.text(right, y, "1 closed", size=10.5, fill=MUTED, anchor="end")
    return scene


def phenotype_figure(view: View) -> Scene:
    """Probabilities of the immune phenotypes as one bar."""
    desc = "; ".join(f"{name} {p:.2f}" for name, p in view.phenotypes)
    scene = Scene(400, 78, "fig-phenotype", "Immune phenotype probabilities", desc)
    left, right, x = 16.0, 384.0, 16.0
    total = sum(p for _, p in view.phenotypes)
    if total <= 0 or view.phenotype is None:
        scene.hatch(left, 26, right - left, 24, stroke=FAINT)
        typical = "; in this cancer: " + ", ".join(f"{n} {p:.2f}" for n, p in view.phenotypes) if total > 0 else ""
        scene.text(left, 17, "not measured" + typical, size=11.5, fill=MUTED, italic=True)
        return scene
    for i, (name, p) in enumerate(view.phenotypes):
        w = (right - left) * p / total
        scene.rect(x, 26, w, 24, fill=PHENOTYPE[name], stroke=PAPER, tip=f"{name}: {p:.2f}")
        anchor, at = (("start", left), ("middle", 200.0), ("end", right))[i]
        bold = name == view.phenotype
        scene.text(at, 17, f"{name} {p:.2f}", size=12, bold=bold, anchor=anchor, fill=INK)
        x += w
    note = "bulk RNA separates the three classes with accuracy about 0.7"
    scene.text(left, 67, note, size=10.5, fill=MUTED)
    return scene
