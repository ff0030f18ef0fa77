"""The cancer-immunity cycle as a wheel: how far each of its seven steps is closed."""

from __future__ import annotations

import math

from tumornexus.report import words
from tumornexus.report.rows import View
from tumornexus.report.scene import Scene, arc, ring_sector
from tumornexus.report.style import CRIMSON, FAINT, INK, MUTED, PAPER, RULE, TRACK, barrier_color, category_color

_INNER, _OUTER, _GAP = 58.0, 122.0, 3.2


def _place(cx: float, cy: float, radius: float, angle: float) -> tuple[float, float]:
    return cx + radius * math.sin(math.radians(angle)), cy - radius * math.cos(math.radians(angle))


def wheel_figure(view: View) -> Scene:
    """Draw the cycle: each sector fills outward with its barrier; the broken step is torn; nodes sit at their steps."""
    closed = next((b for b in view.barriers if b.broken), None)
    desc = "; ".join(
        f"step {b.step} {b.name} barrier {b.mean:.2f} ({b.low:.2f} to {b.high:.2f})"
        if b.measured
        else f"step {b.step} {b.name} not measured"
        for b in view.barriers
    )
    scene = Scene(476, 404, "fig-wheel", "Cancer-immunity cycle with the barrier at each step", desc)
    cx, cy, sweep = 238.0, 196.0, 360.0 / 7

    for barrier in view.barriers:
        middle = (barrier.step - 1) * sweep
        start, stop = middle - sweep / 2 + _GAP / 2, middle + sweep / 2 - _GAP / 2
        tip = f"Step {barrier.step}, {barrier.full_name}: " + (
            f"barrier {barrier.mean:.2f}, 90% interval {barrier.low:.2f} to {barrier.high:.2f}"
            if barrier.measured
            else "not measured"
        )
        out = 7.0 if barrier.broken else 0.0
        ox, oy = _place(cx, cy, out, middle)
        inner, outer = _INNER, _OUTER
        scene.poly(ring_sector(ox, oy, inner, outer, start, stop), closed=True, fill=TRACK, tip=tip)
        if barrier.measured:
            radius = inner + (outer - inner) * barrier.mean
            scene.poly(
                ring_sector(ox, oy, inner, radius, start, stop), closed=True, fill=barrier_color(barrier.mean), tip=tip
            )
            r0, r1 = inner + (outer - inner) * barrier.low, inner + (outer - inner) * barrier.high
            (x0, y0), (x1, y1) = _place(ox, oy, r0, middle), _place(ox, oy, r1, middle)
            scene.line(x0, y0, x1, y1, stroke=INK, width=1.5, tip=tip)
            for r in (r0, r1):
                half = math.degrees(4.0 / r)
                scene.poly(arc(ox, oy, r, middle - half, middle + half, 4), stroke=INK, width=1.5)
        else:
            for share in (0.2, 0.4, 0.6, 0.8):
                scene.poly(
                    arc(ox, oy, inner + (outer - inner) * share, start, stop), stroke=FAINT, width=0.9, dash="2 4"
                )
            x, y = _place(ox, oy, (inner + outer) / 2, middle)
            scene.text(x, y + 6, "?", size=17, anchor="middle", fill=MUTED, bold=True, halo=True, tip=tip)
        if barrier.broken:
            scene.poly(ring_sector(ox, oy, inner, outer, start, stop), closed=True, stroke=CRIMSON, width=2.0)
        # The flow from this step to the next: an open chevron, torn where this step is broken.
        edge = middle + sweep / 2
        tip_x, tip_y = _place(cx, cy, _INNER - 9, edge + 5)
        a, b = _place(cx, cy, _INNER - 4.5, edge - 3), _place(cx, cy, _INNER - 13.5, edge - 3)
        scene.poly([a, (tip_x, tip_y), b], stroke=RULE if barrier.broken else MUTED, width=1.6)

    for barrier in view.barriers:
        middle = (barrier.step - 1) * sweep
        x, y = _place(cx, cy, 164.0 if barrier.step not in (1,) else 160.0, middle)
        side = math.sin(math.radians(middle))
        anchor = "middle" if abs(side) < 0.3 else "start" if side > 0 else "end"
        if abs(side) >= 0.3:
            x, _ = _place(cx, cy, 150.0 + (7.0 if barrier.broken else 0.0), middle)
        if abs(side) >= 0.9:
            x += 2 * (1 if side > 0 else -1)
        ink = CRIMSON if barrier.broken else INK
        lines = words_of(barrier.name) if abs(side) >= 0.3 else [barrier.name]
        top = y - 6.5 * (len(lines) - 1)
        scene.text(x, top, f"{barrier.step}  {lines[0]}", size=12.5, anchor=anchor, bold=barrier.broken, fill=ink)
        for i, line in enumerate(lines[1:]):
            scene.text(x, top + 14 * (i + 1), line, size=12.5, anchor=anchor, bold=barrier.broken, fill=ink)
        below = top + 14 * len(lines)
        said = f"{barrier.mean:.2f} ({barrier.low:.2f}–{barrier.high:.2f})" if barrier.measured else "not measured"
        if barrier.broken:
            scene.text(x, below, f"broken step  {said}", size=10.5, anchor=anchor, fill=CRIMSON, bold=True)
        else:
            scene.text(x, below, said, size=10.5, anchor=anchor, fill=MUTED)

    # Dominant nodes stand on the rim of the steps they break, most dominant first.
    at: dict[int, int] = {}
    for node in view.dominant:
        for step in node.steps:
            at[step] = at.get(step, 0) + 1
    used: dict[int, int] = {}
    for index, node in enumerate(view.dominant):
        for step in node.steps:
            slot = used.get(step, 0)
            used[step] = slot + 1
            angle = (step - 1) * sweep + (slot - (at[step] - 1) / 2) * 9.5
            radius = _OUTER + (7.0 if closed is not None and closed.step == step else 0.0) + 3
            x, y = _place(cx, cy, radius, angle)
            scene.badge(
                x, y, str(index + 1), fill=category_color(node.category), r=8.5, tip=f"{node.name} at step {step}"
            )

    scene.circle(cx, cy, _INNER - 18, fill=PAPER)
    word, p = next(((w, p) for w, p in view.phenotypes if w == view.phenotype), (view.phenotype, math.nan))
    scene.text(cx, cy - 4, word or "phenotype", size=14, anchor="middle", bold=bool(word), fill=INK if word else MUTED)
    if not word:
        scene.text(cx, cy + 11, "not measured", size=10, anchor="middle", fill=MUTED)
    elif math.isfinite(p):
        scene.text(cx, cy + 11, f"probability {p:.2f}", size=9.5, anchor="middle", fill=MUTED)

    y = 396.0
    scene.text(36, y, "Barrier: open 0", size=10.5, fill=MUTED)
    for i in range(12):
        scene.rect(116 + 7 * i, y - 9, 7.4, 10, fill=barrier_color((i + 0.5) / 12))
    scene.text(205, y, "1 closed", size=10.5, fill=MUTED)
    scene.line(256, y - 4, 274, y - 4, width=1.5)
    scene.text(279, y, "90% interval", size=10.5, fill=MUTED)
    if view.dominant:
        scene.badge(362, y - 4, "1", fill=MUTED, r=6.5)
        scene.text(373, y, "dominant node", size=10.5, fill=MUTED)
    return scene


def words_of(name: str) -> list[str]:
    """Break a step name in two lines where it has two words."""
    parts = name.split(" ", 1)
    return parts if len(parts) == 2 and name != words.STEP_NAMES[1] else [name]
