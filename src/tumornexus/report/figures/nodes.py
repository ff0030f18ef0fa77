"""Dominant nodes: how much reversing one mechanism, or two, changes the simulated course."""

from __future__ import annotations

import math

from tumornexus.report import words
from tumornexus.report.rows import NodeRow, View
from tumornexus.report.scene import Axis, Scene
from tumornexus.report.style import CRIMSON, FAINT, INK, MUTED, NAVY, PAPER, RULE, TRACK, category_color, shorten, wrap


def value_of(view: View, effect: float) -> float:
    """The number a reader sees: a ratio of volumes, or a difference of response probabilities."""
    return math.exp(effect) if view.node_quantity == "volume" else effect


def said(view: View, row: NodeRow) -> str:
    """Write the effect of a node with its interval."""
    if view.node_quantity == "volume":
        low, high = words.ratio(math.exp(row.low)), words.ratio(math.exp(row.high))
        return f"{words.fold(math.exp(row.effect))} ({low}–{high})"
    return f"{100 * row.effect:+.0f} points ({100 * row.low:+.0f} to {100 * row.high:+.0f})"


def _axis(
    view: View, rows: list[NodeRow], start: float, stop: float
) -> tuple[Axis, list[tuple[float, str]], float, str]:
    """Scale, ticks, the place of no change and the axis title."""
    if view.node_quantity == "volume":
        low = min([0.5] + [math.exp(r.low) for r in rows])
        high = max([1.25] + [math.exp(r.high) for r in rows])
        low, high = max(low * 0.9, 0.01), min(high * 1.1, 20.0)
        ticks = [
            t
            for t in (0.01, 0.03, 0.1, 0.25, 0.5, *((0.75,) if low > 0.3 else ()), 1.0, 2.0, 4.0, 10.0)
            if low <= t <= high
        ]
        span = view.node_span or "at the end"
        return (
            Axis(low, high, start, stop, log=True),
            [(t, f"×{t:g}") for t in ticks],
            1.0,
            f"Tumor volume {span} when reversed, relative to not reversed",
        )
    edge = max([0.1] + [abs(v) for r in rows for v in (r.low, r.high)]) * 1.05
    ticks = [t for t in (-0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4, 0.6) if -edge <= t <= edge]
    return (
        Axis(-edge, edge, start, stop),
        [(t, f"{100 * t:+.0f}") for t in ticks],
        0.0,
        "Change in response probability when reversed (points)",
    )


def _row(scene: Scene, view: View, axis: Axis, row: NodeRow, y: float, none: float) -> None:
    color = category_color(row.category)
    low, high, middle = (axis(value_of(view, v)) for v in (row.low, row.high, row.effect))
    tip = f"{row.name}: {said(view, row)}"
    scene.line(low, y, high, y, stroke=color, width=2.2, opacity=1.0 if row.resolved else 0.55, tip=tip)
    scene.circle(middle, y, 5.2, fill=color if row.resolved else PAPER, stroke=color, width=1.8, tip=tip)


def _panel(
    scene: Scene, view: View, axis: Axis, ticks: list[tuple[float, str]], none: float, top: float, bottom: float
) -> None:
    for tick, label in ticks:
        x = axis(tick)
        scene.line(x, top, x, bottom, stroke=INK if tick == none else RULE, width=1.1 if tick == none else 0.8)
        scene.text(x, bottom + 14, label, size=10.5, anchor="middle", fill=MUTED)


def empty_scene(ident: str, title: str, said_instead: str, width: float = 380, height: float = 120) -> Scene:
    """A frame that says in words why there is nothing to draw."""
    scene = Scene(width, height, ident, title, said_instead)
    scene.rect(0.5, 0.5, width - 1, height - 1, fill=TRACK, stroke=RULE, radius=4)
    scene.text(width / 2, height / 2 + 4, said_instead, size=12.5, anchor="middle", fill=MUTED)
    return scene


def node_figure(view: View, compact: bool = False) -> Scene:
    """Dots with 90 % intervals, the twelve largest effects; hollow where the interval includes no change.

    The compact one has the dominant nodes, which the sentences name, before the largest of the others.
    """
    ident, title = ("fig-top-nodes" if compact else "fig-nodes"), "Dominant nodes"
    singles = list(view.nodes[:12])
    if compact:
        singles = sorted(view.nodes, key=lambda row: view.badge_of(row.mechanism) or math.inf)[:5]
    if not singles:
        return empty_scene(ident, title, "No reversal was simulated.", 380 if compact else 760)
    pair = list(view.pairs[:1]) if compact else []
    desc = "; ".join(f"{r.name}: {said(view, r)}" for r in [*singles, *pair])
    if compact:
        width, pitch, top, left, right = 380.0, 49.0, 30.0, 4.0, 250.0
        scene = Scene(width, 404, ident, title, desc)
    else:
        width, pitch, top, left, right = 760.0, 24.0, 14.0, 290.0, 610.0
        scene = Scene(width, top + pitch * len(singles) + 52, ident, title, desc)
    # The label of the first tick is centered on it and needs room to its left.
    axis, ticks, none, label = _axis(view, [*singles, *pair], left + 14 if compact else left, right)
    bottom = 356.0 if compact else top + pitch * len(singles)
    if compact:
        for tick, tick_label in ticks:
            scene.text(axis(tick), bottom + 14, tick_label, size=10.5, anchor="middle", fill=MUTED)
    else:
        _panel(scene, view, axis, ticks, none, top - 6, bottom)
    for i, row in enumerate([*singles, *pair]):
        badge = view.badge_of(row.mechanism) if not row.partner else None
        color = category_color(row.category)
        if compact:
            gap = 12.0 if row.partner else 0.0
            y = top - 8 + pitch * i + gap
            for tick, _ in ticks:
                bold = tick == none
                scene.line(
                    axis(tick), y + 7, axis(tick), y + 25, stroke=INK if bold else RULE, width=1.2 if bold else 0.9
                )
            if row.partner:
                scene.line(0, y - 19, width, y - 19, stroke=RULE)
            x = left
            if badge:
                scene.badge(left + 8, y - 3.5, str(badge), fill=color)
                x = left + 22
            name = ("Best pair: " if row.partner else "") + row.name
            ink = INK if row.resolved else MUTED
            scene.text(
                x,
                y,
                shorten(name, 12.5, width - 6 - x, row.resolved),
                size=12.5,
                bold=row.resolved,
                fill=ink,
                halo=True,
                tip=row.name,
            )
            scene.text(width - 4, y + 20, said(view, row), size=11.5, anchor="end", fill=ink)
            _row(scene, view, axis, row, y + 16, none)
        else:
            y = top + pitch * i + pitch / 2
            if badge:
                scene.badge(12, y, str(badge), fill=color, r=8)
            ink = INK if row.resolved else MUTED
            scene.text(28, y + 4, shorten(row.name, 12.5, 250), size=12.5, fill=ink, bold=row.resolved, tip=row.name)
            _row(scene, view, axis, row, y, none)
            scene.text(right + 16, y + 4, said(view, row), size=12, fill=ink)
    if compact:
        scene.text(left, 390, label.replace(" when reversed, relative to", ", reversed over"), size=10.5, fill=MUTED)
    else:
        scene.text((left + right) / 2, bottom + 34, label, size=11, anchor="middle", fill=MUTED)
    return scene


def pair_figure(view: View) -> Scene:
    """Pairs as a triangular heat map: the darker, the more the joint reversal changes the course; diagonal: one alone.

    The name beside a diagonal cell labels both the row to its left and the column below it.
    """
    order = [n.mechanism for n in view.nodes]
    found = {m for p in view.pairs for m in (p.mechanism, p.partner)}
    ids = sorted(found, key=lambda m: (order.index(m) if m in order else len(order), m))
    if not ids:
        return empty_scene("fig-pairs", "Pairs of nodes", "No pair was simulated.", 420)
    desc = "; ".join(f"{p.name}: {said(view, p)}" for p in view.pairs)
    cell, left, top = 46.0, 10.0, 10.0
    n = len(ids)
    scene = Scene(left + cell * n + 150, top + cell * n + 42, "fig-pairs", "Reversing two nodes together", desc)
    singles = {x.mechanism: x for x in view.nodes}
    pairs = {frozenset((p.mechanism, p.partner)): p for p in view.pairs}
    largest = max(abs(p.effect) for p in view.pairs) or 1.0
    for i, a in enumerate(ids):
        y = top + cell * i
        for j, b in enumerate(ids[: i + 1]):
            x = left + cell * j
            row = singles.get(a) if a == b else pairs.get(frozenset((a, b)))
            if row is None:
                scene.rect(x + 1, y + 1, cell - 2, cell - 2, stroke=RULE, dash="2 3", radius=3)
                scene.text(x + cell / 2, y + cell / 2 + 4, "–", size=12, anchor="middle", fill=FAINT)
                continue
            benefit = row.effect < 0 if view.node_quantity == "volume" else row.effect > 0
            depth = min(1.0, abs(row.effect) / largest)
            ramp = (NAVY if benefit else CRIMSON) if row.resolved else MUTED
            tip = f"{row.name}: {said(view, row)}"
            scene.rect(x + 1, y + 1, cell - 2, cell - 2, fill=PAPER, radius=3)
            scene.rect(
                x + 1,
                y + 1,
                cell - 2,
                cell - 2,
                fill=ramp,
                opacity=round(0.08 + 0.87 * depth, 2) if row.resolved else 0.1,
                radius=3,
                tip=tip,
            )
            if a == b:
                scene.rect(
                    x + 2.5, y + 2.5, cell - 5, cell - 5, stroke=category_color(row.category), width=2.0, radius=3
                )
            text = words.fold(math.exp(row.effect)) if view.node_quantity == "volume" else f"{100 * row.effect:+.0f}"
            dark = row.resolved and depth > 0.58
            ink = PAPER if dark else INK if row.resolved else MUTED
            scene.text(
                x + cell / 2, y + cell / 2 + 4, text, size=11, anchor="middle", fill=ink, bold=row.resolved, tip=tip
            )
        x = left + cell * (i + 1) + 8
        if view.badge_of(a):
            scene.badge(x + 8, y + cell / 2, str(view.badge_of(a)), fill=category_color(singles[a].category), r=8)
            x += 22
        lines = wrap(view.names.get(a, words.plain(a)), 11.5, scene.width - x - 2)
        for k, line in enumerate(lines):
            scene.text(x, y + cell / 2 + 4 + 13 * (k - (len(lines) - 1) / 2), line, size=11.5)
    unit = "volume relative to not reversed" if view.node_quantity == "volume" else "points of response probability"
    scene.text(left, top + cell * n + 18, f"Diagonal: one alone. Below: both. Mean {unit};", size=10.5, fill=MUTED)
    scene.text(left, top + cell * n + 32, "gray where the 90% interval includes no change.", size=10.5, fill=MUTED)
    return scene
