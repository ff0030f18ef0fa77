"""The claimed network of the active mechanisms, one column a hub of the nexus."""

from __future__ import annotations

import math

from tumornexus.report import words
from tumornexus.report.figures.nodes import empty_scene
from tumornexus.report.rows import View
from tumornexus.report.scene import Scene, bezier
from tumornexus.report.style import CRIMSON, INK, MUTED, PAPER, RULE, TRACK, category_color, wrap

HUBS = ("tumor-immune interface", "metabolic competition", "cytokine-chemokine network", "systemic interface")


def shown_ids(view: View, most: int = 26) -> list[str]:
    """Active mechanisms, dominant nodes and what the active ones are claimed to drive, at most `most`."""
    rows = {m.id: m for m in view.mechanisms}
    first = [m.id for m in view.active]
    first += [n.mechanism for n in view.dominant if n.mechanism in rows]
    driven = [t for m in view.active for t, _ in m.drives if t in rows]
    return list(dict.fromkeys([*first, *driven]))[:most]


def network_figure(view: View) -> Scene:
    """Columns are hubs; a line ends in an arrow where the claim is activation and in a bar where it is inhibition."""
    title = "Claimed network of the active mechanisms"
    ids = shown_ids(view)
    if not ids:
        return empty_scene("fig-network", title, "No mechanism is active.", 1160)
    rows = {m.id: m for m in view.mechanisms}
    edges = [(a, t, s) for a in ids for t, s in rows[a].drives if t in ids and t != a]
    columns: dict[str, list[str]] = {h: [i for i in ids if rows[i].hub == h] for h in HUBS}
    columns["other"] = [i for i in ids if rows[i].hub not in HUBS]
    columns = {h: c for h, c in columns.items() if c or h in HUBS}
    place = {m: (float(k), c) for h, c in columns.items() for k, m in enumerate(c)}
    for _ in range(6):  # barycenter sweeps: each node moves toward the mean height of its neighbors
        for members in columns.values():
            height = {}
            for m in members:
                near = [place[b if a == m else a][0] for a, b, _ in edges if m in (a, b)]
                height[m] = (sum(near) / len(near) if near else place[m][0], m)
            members.sort(key=lambda m: height[m])
            for k, m in enumerate(members):
                place[m] = (k * max(len(c) for c in columns.values()) / max(len(members), 1), members)
    tallest = max(len(c) for c in columns.values())
    pitch, top, box_h = 58.0, 48.0, 40.0
    width = 1160.0
    step = width / len(columns)
    box_w = min(200.0, step - 90)
    desc = "; ".join(f"{rows[a].name} {'inhibits' if s == '-' else 'drives'} {rows[t].name}" for a, t, s in edges)
    scene = Scene(
        width, top + pitch * tallest + 28, "fig-network", title, desc or "No claimed edge between the shown mechanisms"
    )
    at: dict[str, tuple[float, float]] = {}
    column_of: dict[str, int] = {}
    for c, (hub, members) in enumerate(columns.items()):
        cx = step * (c + 0.5)
        scene.rect(cx - box_w / 2 - 16, 30, box_w + 32, pitch * tallest + 16, fill="#f6f8f9", radius=6)
        scene.text(cx, 20, hub[:1].upper() + hub[1:], size=12.5, bold=True, anchor="middle", fill=MUTED)
        if not members:
            scene.text(
                cx, 30 + (pitch * tallest + 16) / 2, "none active", size=11.5, anchor="middle", fill=MUTED, italic=True
            )
            continue
        gap = pitch * tallest / len(members)
        for k, m in enumerate(members):
            at[m] = (cx, top + gap * (k + 0.5) - 8)
            column_of[m] = c
    for a, t, s in edges:
        (ax, ay), (tx, ty) = at[a], at[t]
        color = CRIMSON if s == "-" else MUTED
        strong = rows[a].active and rows[t].active
        if column_of[a] == column_of[t]:
            side = 1.0 if (ay < ty) else -1.0
            x0 = ax + side * box_w / 2
            x1 = tx + side * (box_w / 2 + 3)
            bow = 34 + 0.14 * abs(ty - ay)
            points = bezier((x0, ay), (x0 + side * bow, ay), (x1 + side * bow, ty), (x1, ty))
        else:
            side = 1.0 if tx > ax else -1.0
            x0, x1 = ax + side * box_w / 2, tx - side * (box_w / 2 + 3)
            bend = max(40.0, abs(x1 - x0) * 0.45)
            points = bezier((x0, ay), (x0 + side * bend, ay), (x1 - side * bend, ty), (x1, ty))
        tip = f"{rows[a].name} {'inhibits' if s == '-' else 'drives'} {rows[t].name} (claimed)"
        scene.poly(points, stroke=color, width=1.6 if strong else 1.0, opacity=0.75 if strong else 0.4, tip=tip)
        (px, py), (qx, qy) = points[-2], points[-1]
        length = math.hypot(qx - px, qy - py) or 1.0
        ux, uy = (qx - px) / length, (qy - py) / length
        if s == "-":
            scene.line(qx - uy * 5, qy + ux * 5, qx + uy * 5, qy - ux * 5, stroke=color, width=2.0)
        else:
            head = [
                (qx, qy),
                (qx - 7 * ux - 3.6 * uy, qy - 7 * uy + 3.6 * ux),
                (qx - 7 * ux + 3.6 * uy, qy - 7 * uy - 3.6 * ux),
            ]
            scene.poly(head, closed=True, fill=color, opacity=0.9 if strong else 0.55)
    for m, (cx, cy) in at.items():
        row = rows[m]
        color = category_color(row.category)
        scene.rect(
            cx - box_w / 2,
            cy - box_h / 2,
            box_w,
            box_h,
            fill=PAPER,
            stroke=color if row.measured else MUTED,
            width=1.6 if row.active else 1.0,
            radius=5,
            dash=None if row.measured else "3 3",
            tip=row.claim or row.name,
        )
        if row.measured:
            scene.rect(cx - box_w / 2 + 8, cy + box_h / 2 - 8, box_w - 16, 3.5, fill=TRACK, radius=1.5)
            scene.rect(cx - box_w / 2 + 8, cy + box_h / 2 - 8, (box_w - 16) * row.mean, 3.5, fill=color, radius=1.5)
        lines = wrap(row.name, 11.5, box_w - 20)
        start = cy - 3 if len(lines) == 1 else cy - 7
        if not row.measured:
            start += 4
        for k, line in enumerate(lines):
            scene.text(
                cx,
                start + 2 + 12 * k,
                line,
                size=11.5 if len(lines) == 1 else 10.8,
                anchor="middle",
                bold=row.active,
                fill=INK if row.active else MUTED,
            )
        badge = view.badge_of(m)
        if badge:
            scene.badge(cx - box_w / 2, cy - box_h / 2, str(badge), fill=color, r=9)
    y = top + pitch * tallest + 20
    x = 20.0
    scene.line(x, y - 4, x + 24, y - 4, stroke=MUTED, width=1.6)
    scene.poly([(x + 28, y - 4), (x + 20, y - 8), (x + 20, y)], closed=True, fill=MUTED)
    scene.text(x + 34, y, "claimed to drive", size=11, fill=MUTED)
    scene.line(x + 150, y - 4, x + 174, y - 4, stroke=CRIMSON, width=1.6)
    scene.line(x + 174, y - 9, x + 174, y + 1, stroke=CRIMSON, width=2.0)
    scene.text(x + 182, y, "claimed to inhibit", size=11, fill=MUTED)
    scene.rect(x + 310, y - 7, 40, 4, fill=RULE, radius=1.5)
    scene.rect(x + 310, y - 7, 26, 4, fill=MUTED, radius=1.5)
    scene.text(x + 358, y, "activity", size=11, fill=MUTED)
    for k, word in enumerate(("intrinsic", "extrinsic", "host")):
        scene.rect(x + 440 + 150 * k, y - 11, 14, 14, fill=PAPER, stroke=category_color(word), width=1.6, radius=3)
        scene.text(
            x + 460 + 150 * k,
            y,
            {"intrinsic": "cancer cell", "extrinsic": "microenvironment", "host": "host"}[word],
            size=11,
            fill=MUTED,
        )
    return scene


def other_words(view: View) -> str:
    """Say in words what the network shows, for readers who cannot see it."""
    rows = {m.id: m for m in view.mechanisms}
    ids = shown_ids(view)
    said = [
        f"{rows[a].name} {'–|' if s == '-' else '→'} {rows[t].name}" for a in ids for t, s in rows[a].drives if t in ids
    ]
    return words.listed(said) if said else "No claimed edge between the shown mechanisms."
