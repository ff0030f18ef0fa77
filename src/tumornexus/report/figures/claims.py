"""The claimed network of the whole catalogue: on a ring by hub, and in columns by the step of the cycle.

Both drawings place a mechanism by its record only, never by chance or by what is active in a patient. Marks carry keys
(``n:mdsc`` for a mechanism, ``e:lactate>mdsc`` for an edge), by which the interactive page finds them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import networkx as nx

from tumornexus.knowledge.network import HUBS, STEPS
from tumornexus.report.scene import Point, Scene, bezier, ring_sector
from tumornexus.report.style import (
    CATEGORY_WORDS,
    CRIMSON,
    INK,
    MUTED,
    PAPER,
    RULE,
    TRACK,
    category_color,
    text_width,
    wrap,
)

Edge = tuple[str, str, str]


def drives(graph: nx.MultiDiGraph) -> list[Edge]:
    """List the driving edges among mechanisms as (from, to, sign), each once; ``±`` where sources claim both signs."""
    said: dict[tuple[str, str], set[str]] = {}
    for a, b, data in graph.edges(data=True):
        if data["relation"] == "drives" and a != b:
            said.setdefault((a, b), set()).add(data["sign"])
    return [(a, b, signs.pop() if len(signs) == 1 else "±") for (a, b), signs in said.items()]


def ring_layout(graph: nx.MultiDiGraph, *, gap: float = 0.2) -> dict[str, float]:
    """Place mechanisms on a ring, grouped by hub: node to angle in radians, clockwise from the top.

    Within a hub, a node sits on the side where its partners are (a few sweeps of mean angles).
    """
    groups = {hub: sorted(n for n, d in graph.nodes(data=True) if d.get("hub") == hub) for hub in HUBS}
    groups = {hub: nodes for hub, nodes in groups.items() if nodes}
    total = sum(len(nodes) for nodes in groups.values())
    if not total:
        return {}
    step = (2.0 * math.pi - gap * len(groups)) / total

    def place() -> dict[str, float]:
        angle, angles = gap / 2.0, {}
        for nodes in groups.values():
            for node in nodes:
                angles[node] = angle + step / 2.0
                angle += step
            angle += gap
        return angles

    angles = place()
    for _ in range(8):
        for nodes in groups.values():
            middle = sum(angles[n] for n in nodes) / len(nodes)
            pull = {}
            for node in nodes:
                others = [o for o in {*graph.predecessors(node), *graph.successors(node)} - {node} if o in angles]
                # Relative to the group's middle, so that neighbors across the top do not count as far away.
                offsets = [(angles[o] - middle + math.pi) % (2.0 * math.pi) - math.pi for o in others]
                pull[node] = sum(offsets) / len(offsets) if offsets else 0.0
            nodes.sort(key=lambda n: (pull[n], n))
        angles = place()
    return angles


def _edge(scene: Scene, points: list[Point], edge: Edge, tip: str) -> None:
    """Draw a curve that ends in an arrow (drives), a bar (holds back) or a ring (sources disagree)."""
    a, b, sign = edge
    color = CRIMSON if sign == "-" else MUTED
    key = f"e:{a}>{b}"
    scene.poly(points, stroke=color, width=1.3, opacity=0.5, tip=tip, key=key)
    (px, py), (qx, qy) = points[-2], points[-1]
    length = math.hypot(qx - px, qy - py) or 1.0
    ux, uy = (qx - px) / length, (qy - py) / length
    if sign == "-":
        scene.line(qx - uy * 5, qy + ux * 5, qx + uy * 5, qy - ux * 5, stroke=color, width=2.2, key=key)
    elif sign == "±":
        scene.circle(qx - 3 * ux, qy - 3 * uy, 3.5, fill=PAPER, stroke=color, width=1.4, key=key)
    else:
        head = [(qx, qy), *((qx - 8 * ux - s * 3.6 * uy, qy - 8 * uy + s * 3.6 * ux) for s in (1, -1))]
        scene.poly(head, closed=True, fill=color, opacity=0.75, key=key)


def _mark(scene: Scene, kind: str, x: float, y: float, r: float, color: str, tip: str = "", key: str = "") -> None:
    """Draw a node: a disk for a cause, a square for a state, a diamond for an outcome."""
    look = {"stroke": PAPER, "width": 1.2, "tip": tip or None, "key": key or None}
    if kind == "cause":
        scene.circle(x, y, r, fill=color, **look)
    elif kind == "state":
        scene.rect(x - 0.88 * r, y - 0.88 * r, 1.76 * r, 1.76 * r, fill=color, **look)
    else:
        d = 1.2 * r
        scene.poly([(x, y - d), (x + d, y), (x, y + d), (x - d, y)], closed=True, fill=color, **look)


def _legend(scene: Scene, y: float, x: float = 24.0) -> None:
    """Explain marks in one row."""
    for word, sign in (("claimed to drive", "+"), ("claimed to hold back", "-")):
        _edge(scene, [(x, y - 4), (x + 14, y - 4), (x + 28, y - 4)], ("", "", sign), "")
        scene.text(x + 36, y, word, size=12, fill=MUTED)
        x += 36 + text_width(word, 12) + 26
    for kind in ("cause", "state", "outcome"):
        _mark(scene, kind, x + 6, y - 4, 6, MUTED)
        scene.text(x + 17, y, kind, size=12, fill=MUTED)
        x += 17 + text_width(kind, 12) + 22
    for category, word in CATEGORY_WORDS.items():
        scene.rect(x, y - 10, 12, 12, fill=category_color(category), radius=2)
        scene.text(x + 18, y, word, size=12, fill=MUTED)
        x += 18 + text_width(word, 12) + 24


def short_name(name: str) -> str:
    """Return a mechanism's name without what stands in parentheses or after a comma."""
    return name.split(" (")[0].split(", ")[0].strip()


def _description(graph: nx.MultiDiGraph, edges: list[Edge]) -> str:
    names = graph.nodes(data="name")
    return "; ".join(f"{names[a]} {'holds back' if s == '-' else 'drives'} {names[b]}" for a, b, s in edges)


def _tip(graph: nx.MultiDiGraph, edge: Edge) -> str:
    a, b, sign = edge
    verb = {"+": "drives", "-": "holds back", "±": "is claimed to drive and to hold back"}[sign]
    sources = sorted({s for e in graph[a][b].values() for s in e["source"]})
    return f"{graph.nodes[a]['name']} {verb} {graph.nodes[b]['name']}" + (f" ({', '.join(sources)})" if sources else "")


def hub_scene(graph: nx.MultiDiGraph) -> Scene:
    """Draw all mechanisms on a ring grouped by hub, with the signed claims as chords."""
    angles = ring_layout(graph)
    edges = [e for e in drives(graph) if e[0] in angles and e[1] in angles]
    # The ring grows with the catalogue, so that two-line labels keep their distance.
    radius = max(250.0, 30.0 * len(angles) / (2.0 * math.pi - 0.8))
    room = 196.0
    width, height = 2 * (radius + room) + 40, 2 * (radius + room) + 44
    width = max(width, 1000.0)
    cx, cy = width / 2, (height - 44) / 2
    scene = Scene(width, height, "claims-hub", "Claimed network by hub of the nexus", _description(graph, edges))
    at = {n: (cx + radius * math.sin(a), cy - radius * math.cos(a)) for n, a in angles.items()}
    half = math.pi / max(len(angles), 1) * 0.86
    for hub in HUBS:
        own = [a for n, a in angles.items() if graph.nodes[n]["hub"] == hub]
        if own:
            low, high = math.degrees(min(own) - half), math.degrees(max(own) + half)
            scene.poly(ring_sector(cx, cy, radius + 13, radius + 31, low, high), closed=True, fill=TRACK)
            _along(scene, hub[:1].upper() + hub[1:], cx, cy, radius + 22, math.radians((low + high) / 2))
    for edge in edges:
        (xa, ya), (xb, yb) = at[edge[0]], at[edge[1]]
        distance = math.hypot(xb - xa, yb - ya) / radius
        pull = 0.25 + 0.6 * min(1.0, distance / 1.6)  # far ends bend closer to the center
        side = 0.05 if edge[0] < edge[1] else -0.05  # the two directions of a pair bend apart
        mx = cx + ((xa + xb) / 2 - cx) * (1 - pull) - side * (yb - ya)
        my = cy + ((ya + yb) / 2 - cy) * (1 - pull) + side * (xb - xa)
        start, end = _toward((xa, ya), (mx, my), 8), _toward((xb, yb), (mx, my), 11)
        c1 = (start[0] + 2 / 3 * (mx - start[0]), start[1] + 2 / 3 * (my - start[1]))
        c2 = (end[0] + 2 / 3 * (mx - end[0]), end[1] + 2 / 3 * (my - end[1]))
        _edge(scene, bezier(start, c1, c2, end), edge, _tip(graph, edge))
    for n, (x, y) in at.items():
        data, angle = graph.nodes[n], angles[n]
        color = category_color(data["category"])
        _mark(scene, data["mechanism_kind"], x, y, 7.5, color, data["name"], f"n:{n}")
        left = math.sin(angle) < 0
        turn = math.degrees(angle) + (90 if left else -90)
        lines = wrap(short_name(data["name"]), 12, room - 40)
        for i, line in enumerate(lines):
            # Lines of a label are stacked across the reading direction.
            shift = (i - (len(lines) - 1) / 2) * 13 + 4.2
            out = radius + 37
            dx, dy = -math.sin(math.radians(turn)) * shift, math.cos(math.radians(turn)) * shift
            scene.text(
                cx + out * math.sin(angle) + dx, cy - out * math.cos(angle) + dy, line, size=12, fill=INK,
                anchor="end" if left else "start", rotate=turn, key=f"n:{n}",
            )  # fmt: skip
    _legend(scene, height - 14, max(24.0, cx - 470))
    return scene


def _along(scene: Scene, text: str, cx: float, cy: float, radius: float, middle: float) -> None:
    """Write a word along the ring, upright on both halves."""
    size, lower = 12.0, math.cos(middle) < -0.02
    widths = [text_width(c, size) + 0.6 for c in text]
    sign = -1.0 if lower else 1.0
    angle = middle - sign * sum(widths) / 2 / radius
    base = radius + (4.2 if lower else -4.2)
    for c, w in zip(text, widths, strict=True):
        here = angle + sign * w / 2 / radius
        turn = math.degrees(here) + (180 if lower else 0)
        x, y = cx + base * math.sin(here), cy - base * math.cos(here)
        if c != " ":
            scene.text(x, y, c, size=size, fill=MUTED, anchor="middle", rotate=(turn + 180) % 360 - 180, bold=True)
        angle += sign * w / radius


def _toward(point: Point, target: Point, by: float) -> Point:
    dx, dy = target[0] - point[0], target[1] - point[1]
    length = math.hypot(dx, dy) or 1.0
    return point[0] + by * dx / length, point[1] + by * dy / length


def step_scene(graph: nx.MultiDiGraph, step_names: Mapping[int, str]) -> Scene:
    """Draw mechanisms in columns by the first step of the cancer-immunity cycle that they break.

    The seven small squares in a box are the steps; the filled ones are broken.
    """
    rows = {n: d for n, d in graph.nodes(data=True) if d["kind"] == "mechanism"}
    edges = [e for e in drives(graph) if e[0] in rows and e[1] in rows]
    columns: dict[int, list[str]] = {s: [] for s in STEPS}
    none: list[str] = []
    for n, data in sorted(rows.items(), key=lambda item: (HUBS.index(item[1]["hub"]), item[0])):
        columns[min(data["cycle_steps"])].append(n) if data["cycle_steps"] else none.append(n)
    tallest = max([len(c) for c in columns.values()] + [1])
    rank = {n: (k + 0.5) / len(c) for c in columns.values() for k, n in enumerate(c)}
    near: dict[str, list[str]] = {n: [] for n in rows}
    for a, b, _ in edges:
        near[a].append(b)
        near[b].append(a)
    for _ in range(8):  # barycenter sweeps
        for members in columns.values():
            members.sort(key=lambda n: (sum(rank.get(o, 0.5) for o in near[n]) / len(near[n]) if near[n] else 0.5, n))
            rank |= {n: (k + 0.5) / len(members) for k, n in enumerate(members)}
    box_w, box_h, gap_x, pitch, top = 164.0, 46.0, 48.0, 62.0, 74.0
    side_room = 40.0  # edges within the first and the last column run outside them
    width = 7 * box_w + 6 * gap_x + 2 * side_room
    below = 62.0 if none else 0.0
    height = top + tallest * pitch + 40 + below
    scene = Scene(width, height, "claims-step", "Claimed network by step of the cycle", _description(graph, edges))
    at: dict[str, Point] = {}
    for i, (step, members) in enumerate(columns.items()):
        x = side_room + i * (box_w + gap_x) + box_w / 2
        scene.rect(x - box_w / 2 - 9, 56, box_w + 18, tallest * pitch + 12, fill="#f6f8f9", radius=6)
        scene.text(x, 19, f"Step {step}", size=13, bold=True, anchor="middle")
        for j, line in enumerate(wrap(step_names.get(step, ""), 12, box_w + 26)):
            scene.text(x, 34 + 14 * j, line, size=12, fill=MUTED, anchor="middle")
        free = tallest * pitch / max(len(members), 1)
        for k, n in enumerate(members):
            at[n] = (x, top + free * (k + 0.5) - 12)
    for k, n in enumerate(none):
        at[n] = (side_room + k * (box_w + gap_x) + box_w / 2, top + tallest * pitch + 34)
    for edge in edges:
        (xa, ya), (xb, yb) = at[edge[0]], at[edge[1]]
        if abs(xa - xb) < 1:  # same column: around the side
            side = 1.0 if ya < yb else -1.0
            start, end = (xa + side * box_w / 2, ya), (xb + side * (box_w / 2 + 2), yb)
            bow = 16 + 0.05 * abs(yb - ya)
            points = bezier(start, (start[0] + side * bow, ya), (end[0] + side * bow, yb), end)
        else:
            side = 1.0 if xb > xa else -1.0
            offset = 5.0 if side > 0 else -5.0  # forward and backward edges do not share a line
            start, end = (xa + side * box_w / 2, ya + offset), (xb - side * (box_w / 2 + 2), yb + offset)
            bend = max(30.0, abs(end[0] - start[0]) * 0.42)
            points = bezier(start, (start[0] + side * bend, start[1]), (end[0] - side * bend, end[1]), end)
        _edge(scene, points, edge, _tip(graph, edge))
    for n, (x, y) in at.items():
        data, color = rows[n], category_color(rows[n]["category"])
        key = f"n:{n}"
        scene.rect(
            x - box_w / 2, y - box_h / 2, box_w, box_h, fill=PAPER, stroke=color, width=1.5, radius=5,
            tip=data["name"], key=key,
        )  # fmt: skip
        lines = wrap(short_name(data["name"]), 11.5, box_w - 14)
        for j, line in enumerate(lines):
            scene.text(x, y + (-10 if len(lines) == 2 else -2) + 13 * j + 2, line, size=11.5, anchor="middle", key=key)
        _mark(scene, data["mechanism_kind"], x - box_w / 2 + 13, y + box_h / 2 - 9, 4.5, color, key=key)
        for step in STEPS:
            filled = step in data["cycle_steps"]
            scene.rect(
                x + box_w / 2 - 10 - 10 * (8 - step), y + box_h / 2 - 13, 8, 8, fill=color if filled else TRACK,
                stroke=None if filled else RULE, width=0.6, radius=1, key=key,
            )  # fmt: skip
    if none:
        scene.text(side_room, top + tallest * pitch + 6, "No step of the cycle", size=12, fill=MUTED)
    _legend(scene, height - 14)
    return scene
