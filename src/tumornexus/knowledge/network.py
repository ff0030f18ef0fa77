"""The network of resistance as the literature claims it: who drives whom, and what reverses it.

Built from the records alone: nodes are mechanisms and therapies, signed edges are the `drives` of mechanisms, what
therapies reverse and what they bring about (`raised_by`). It is a set of claims to be compared with the simulated
network, never an input to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import networkx as nx

from tumornexus.errors import InputError, near_misses
from tumornexus.knowledge.load import Knowledge

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HUBS = ("tumor-immune interface", "metabolic competition", "cytokine-chemokine network", "systemic interface")
HUB_COLORS = dict(zip(HUBS, ("#0072B2", "#B8860B", "#AA4499", "#009E73"), strict=True))
PLUS, MINUS = "#C2410C", "#1D4ED8"


def claimed_network(knowledge: Knowledge, *, parameters: bool = False) -> nx.MultiDiGraph:
    """Build the network of claims.

    Nodes carry ``kind`` (``mechanism``, ``therapy`` or ``parameter``), ``name``, and for mechanisms ``mechanism_kind``,
    ``hub``, ``category``, ``cycle_steps``, ``table1``. Edges carry ``relation``
    (``drives``, ``reverses``, ``raises``, ``affects``),
    ``sign`` (``+`` or ``-``), ``source`` (bibliography keys) and ``where`` (place in the reviewed literature).

    Args:
        knowledge: the catalogue.
        parameters: also add model parameters and the effects and acts on them as edges.
    """
    graph = nx.MultiDiGraph(digest=knowledge.digest)
    for m in knowledge.mechanisms.values():
        graph.add_node(
            m.id, kind="mechanism", name=m.name, mechanism_kind=m.kind, hub=m.hub, category=m.category,
            cycle_steps=m.cycle_steps, table1=m.table1,
        )  # fmt: skip
    for t in knowledge.therapies.values():
        graph.add_node(t.id, kind="therapy", name=t.name, modality=t.modality, cycle_steps=t.cycle_steps)
    for m in knowledge.mechanisms.values():
        for d in m.drives:
            if d.target in graph:
                graph.add_edge(m.id, d.target, relation="drives", sign=d.sign, source=d.source, where=d.where or "")
    reversals: dict[tuple[str, str], set[str]] = {}
    for m in knowledge.mechanisms.values():
        for therapy in m.reversed_by:
            reversals.setdefault((therapy, m.id), set()).update(m.source)
    for t in knowledge.therapies.values():
        for mechanism in t.reverses:
            reversals.setdefault((t.id, mechanism), set()).update(t.source)
    for (therapy, mechanism), sources in sorted(reversals.items()):
        if therapy in graph and mechanism in graph:
            graph.add_edge(
                therapy, mechanism, relation="reverses", sign="-", source=tuple(sorted(sources)), where=""
            )  # fmt: skip
    for m in knowledge.mechanisms.values():
        for therapy in m.raised_by:
            if therapy in graph:
                graph.add_edge(therapy, m.id, relation="raises", sign="+", source=m.source, where="")
    if parameters:
        for owner, items in (
            *((m.id, m.effect) for m in knowledge.mechanisms.values()),
            *((t.id, t.act) for t in knowledge.therapies.values()),
        ):
            for item in items:
                node = f"parameter:{item.parameter}"
                graph.add_node(node, kind="parameter", name=item.parameter)
                up = item.value > 1.0 if item.law == "multiply" else item.value > 0.0
                if item.law == "saturate" and item.parameter in knowledge.parameters:
                    up = item.value > knowledge.parameters[item.parameter].value
                graph.add_edge(
                    owner, node, relation="affects", sign="+" if up else "-", source=item.source, where=""
                )  # fmt: skip
    return graph


def _node(graph: nx.MultiDiGraph, name: str) -> str:
    if name not in graph:
        raise InputError("no such node in the network", field="node", value=name, valid=near_misses(name, graph.nodes))
    return name


@dataclass(frozen=True)
class Path_:
    """A chain of claims: its nodes, the sign of each step and their product."""

    nodes: tuple[str, ...]
    signs: tuple[str, ...]

    @property
    def sign(self) -> Literal["+", "-"]:
        """``+`` when an even number of steps is negative."""
        return "-" if self.signs.count("-") % 2 else "+"

    def __str__(self) -> str:
        words = [self.nodes[0]]
        for sign, node in zip(self.signs, self.nodes[1:], strict=True):
            words += ["->" if sign == "+" else "-|", node]
        return " ".join(words)


def _signed(graph: nx.MultiDiGraph, nodes: list[str]) -> Path_:
    """Attach signs to a chain; where two claims disagree on a step, the positive one is shown first in the records."""
    signs = []
    for a, b in pairwise(nodes):
        signs.append(next(iter(graph[a][b].values()))["sign"])
    return Path_(tuple(nodes), tuple(signs))


def paths_between(graph: nx.MultiDiGraph, start: str, end: str, *, longest: int = 4, at_most: int = 50) -> list[Path_]:
    """List the chains of claims from one node to another, shortest first.

    Args:
        graph: from `claimed_network`.
        start, end: mechanism or therapy ids.
        longest: steps at most; chains of claims lose their force with every step.
        at_most: number of chains returned.

    Raises:
        InputError: a node does not exist.
    """
    simple = nx.DiGraph(graph)
    found = nx.all_simple_paths(simple, _node(graph, start), _node(graph, end), cutoff=longest)
    return [_signed(graph, nodes) for nodes in sorted(found, key=lambda p: (len(p), p))[:at_most]]


def feedback_loops(graph: nx.MultiDiGraph, *, longest: int = 4) -> list[Path_]:
    """List the closed chains among mechanisms, each starting and ending at the same node, shortest first.

    A positive product of signs means a self-reinforcing loop, a negative one a balancing loop.
    """
    drives = nx.DiGraph()
    drives.add_edges_from((a, b) for a, b, e in graph.edges(data=True) if e["relation"] == "drives")
    loops = []
    for cycle in nx.simple_cycles(drives, length_bound=longest):
        first = cycle.index(min(cycle))
        turned = cycle[first:] + cycle[:first]
        loops.append(_signed(graph, [*turned, turned[0]]))
    return sorted(loops, key=lambda loop: (len(loop.nodes), loop.nodes))


@dataclass(frozen=True)
class Reversal:
    """A therapy that acts against a mechanism, directly or through one that drives it."""

    therapy: str
    mechanism: str
    chain: Path_

    @property
    def direct(self) -> bool:
        """True when a record says so itself; False when it follows from one driving step."""
        return len(self.chain.nodes) == 2


def what_reverses(graph: nx.MultiDiGraph, mechanism: str, *, indirect: bool = True) -> list[Reversal]:
    """List therapies that reverse a mechanism, direct ones first, then those that reverse one of its drivers.

    Indirect ones go through a single driving step, whose sign is respected: reversing an inhibitor is no reversal.
    """
    _node(graph, mechanism)
    direct = sorted(a for a, _, e in graph.in_edges(mechanism, data=True) if e["relation"] == "reverses")
    found = [Reversal(t, mechanism, Path_((t, mechanism), ("-",))) for t in dict.fromkeys(direct)]
    if indirect:
        drivers = {
            a for a, _, e in graph.in_edges(mechanism, data=True) if e["relation"] == "drives" and e["sign"] == "+"
        } - {mechanism}
        for driver in sorted(drivers):
            for t, _, e in sorted(graph.in_edges(driver, data=True), key=lambda edge: edge[0]):
                if e["relation"] == "reverses" and t not in direct:
                    found.append(Reversal(t, mechanism, Path_((t, driver, mechanism), ("-", "+"))))
    return found


@dataclass(frozen=True)
class Complement:
    """How a set of therapies divides the cancer-immunity cycle.

    Attributes:
        steps: therapy to the steps it helps.
        covered: steps that at least one of them helps.
        shared: steps that more than one of them helps, where redundancy is likely.
        missing: steps that none of them helps.
        score: new steps per step named, in [0, 1]: 1 when no step is named twice.
    """

    steps: dict[str, tuple[int, ...]]
    covered: tuple[int, ...]
    shared: tuple[int, ...]
    missing: tuple[int, ...]
    score: float


def complementary(graph: nx.MultiDiGraph, therapies: Iterable[str]) -> Complement:
    """Say how well therapies complement each other by the cycle steps that they help.

    Raises:
        InputError: a therapy does not exist.
    """
    known = [n for n, kind in graph.nodes(data="kind") if kind == "therapy"]
    steps: dict[str, tuple[int, ...]] = {}
    for therapy in therapies:
        if therapy not in known:
            raise InputError("unknown therapy", field="therapy", value=therapy, valid=near_misses(therapy, known))
        steps[therapy] = tuple(sorted(set(graph.nodes[therapy]["cycle_steps"])))
    named = [step for own in steps.values() for step in own]
    covered = sorted(set(named))
    return Complement(
        steps=steps,
        covered=tuple(covered),
        shared=tuple(s for s in covered if named.count(s) > 1),
        missing=tuple(s for s in range(1, 8) if s not in covered),
        score=len(covered) / len(named) if named else 0.0,
    )


def write_graphml(graph: nx.MultiDiGraph, path: str | Path) -> None:
    """Write the network as GraphML, for Cytoscape or Gephi; lists become text separated by ``;``."""
    plain = nx.MultiDiGraph()

    def flat(data: Mapping[str, object]) -> dict[str, str | bool]:
        return {
            k: ";".join(map(str, v)) if isinstance(v, tuple | list) else v if isinstance(v, bool) else str(v)
            for k, v in data.items()
        }

    for node, data in graph.nodes(data=True):
        plain.add_node(node, **flat(data))
    for a, b, data in graph.edges(data=True):
        plain.add_edge(a, b, **flat(data))
    nx.write_graphml(plain, str(path))


def ring_layout(graph: nx.MultiDiGraph, *, gap: float = 0.16) -> dict[str, float]:
    """Place mechanisms on a ring, grouped by hub: node to angle in radians, clockwise from the top.

    Within a hub, nodes are ordered so that strongly linked ones in neighboring hubs face each other (a few sweeps of
    mean angles); the result depends on the records only, never on chance or on what is active.
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
            # Chords cross least when a node sits on the side its partners are on.
            nodes.sort(key=lambda n: (pull[n], n))
        angles = place()
    return angles


def network_figure(
    graph: nx.MultiDiGraph,
    active: Mapping[str, float] | None = None,
    *,
    size: float = 9.0,
    label_threshold: float = 0.0,
) -> Figure:
    """Draw the claimed network as a ring of mechanisms grouped by hub, with signed chords.

    Args:
        graph: from `claimed_network`; therapies and parameters are not drawn.
        active: mechanism to activity in [0, 1] of one patient. Then node area follows activity, chords between active
            mechanisms stand out, and the rest recedes. None draws every claim alike.
        size: width in inches; the legend adds a little height.
        label_threshold: nodes below this activity lose their label (0 keeps all).

    Returns:
        A matplotlib figure, made without pyplot, so no window or global state is involved.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import FancyArrowPatch, Wedge
    from matplotlib.path import Path as Outline

    angles = ring_layout(graph)
    side, foot = 1.66, 0.22  # room for labels around the ring and for the legend below it
    figure = Figure(figsize=(size, size * (2 * side + foot) / (2 * side)), facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(-side, side), ylim=(-side - foot, side), aspect="equal")
    axes.axis("off")
    position = {n: (math.sin(a), math.cos(a)) for n, a in angles.items()}
    activity = {n: (1.0 if active is None else min(1.0, max(0.0, float(active.get(n, 0.0))))) for n in angles}

    seen: set[tuple[str, str, str]] = set()
    edges = []
    for a, b, data in graph.edges(data=True):
        key = (a, b, data["sign"])
        if data["relation"] == "drives" and a in position and b in position and a != b and key not in seen:
            seen.add(key)
            edges.append((activity[a] * max(activity[b], 0.35 * activity[a]), a, b, data["sign"]))
    for weight, a, b, sign in sorted(edges, key=lambda e: (e[0], e[1], e[2])):
        strong = 0.55 if active is None else weight
        # A chord bends toward the center the more, the farther apart its ends are; opposite directions bend apart.
        (xa, ya), (xb, yb) = position[a], position[b]
        distance = math.hypot(xb - xa, yb - ya)
        pull = 0.18 + 0.62 * min(1.0, distance / 1.6)
        sideways = 0.05 * (1.0 if a < b else -1.0)
        mx, my = (xa + xb) / 2.0 * (1.0 - pull), (ya + yb) / 2.0 * (1.0 - pull)
        control = (mx - sideways * (yb - ya), my + sideways * (xb - xa))
        color = PLUS if sign == "+" else MINUS
        shown = active is None or weight > 0.04
        start, end = _trim((xa, ya), control, 0.035), _trim((xb, yb), control, 0.045)
        axes.add_patch(
            FancyArrowPatch(
                path=Outline([start, control, end], [Outline.MOVETO, Outline.CURVE3, Outline.CURVE3]),
                arrowstyle="-|>,head_length=5,head_width=2.2" if sign == "+" else "|-|,widthA=0,widthB=2.6",
                color=color if shown else "#C9CED6",
                linewidth=0.5 + 1.9 * strong if shown else 0.45,
                alpha=(0.30 + 0.6 * strong) if shown else 0.45,
                zorder=1.0 + weight,
                shrinkA=0,
                shrinkB=0,
                capstyle="round" if sign == "+" else "butt",
            )
        )
    for hub in HUBS:
        own = [a for n, a in angles.items() if graph.nodes[n]["hub"] == hub]
        if not own:
            continue
        half = math.pi / max(len(angles), 1) * 0.9
        low, high = min(own) - half, max(own) + half
        # Wedge counts degrees counterclockwise from the right; our angles run clockwise from the top.
        axes.add_patch(
            Wedge(
                (0, 0), 1.09, 90 - math.degrees(high), 90 - math.degrees(low), width=0.022, color=HUB_COLORS[hub], lw=0
            )
        )
    for n, (x, y) in position.items():
        a = activity[n]
        color = HUB_COLORS[graph.nodes[n]["hub"]]
        hollow = active is not None and a < 0.02
        outcome = graph.nodes[n]["mechanism_kind"] == "outcome"
        axes.scatter(
            [x], [y], s=26 + (210 * a if active is not None else 70), color="white" if hollow else color,
            edgecolors=color if hollow or outcome else "white", linewidths=1.1, zorder=5,
            marker={"cause": "o", "state": "s", "outcome": "D"}[graph.nodes[n]["mechanism_kind"]],
        )  # fmt: skip
        if active is None or a >= label_threshold:
            angle = angles[n]
            degrees = 90.0 - math.degrees(angle)
            left = math.sin(angle) < 0.0
            dim = active is not None and a < 0.1
            axes.text(
                1.12 * x, 1.12 * y, _label(graph.nodes[n]["name"]), linespacing=0.95,
                multialignment="right" if left else "left", rotation=degrees + 180.0 if left else degrees,
                rotation_mode="anchor", ha="right" if left else "left", va="center", fontsize=0.82 * size,
                color="#8A93A0" if dim else "#1B2430",
                fontweight="bold" if active is not None and a >= 0.5 else "normal",
            )  # fmt: skip
    handles = [
        *(
            Line2D([], [], marker="o", ls="", color=HUB_COLORS[h], label=h, markersize=7)
            for h in HUBS if any(graph.nodes[n]["hub"] == h for n in angles)
        ),
        Line2D([], [], color=PLUS, lw=1.6, marker=">", markersize=5, label="drives"),
        Line2D([], [], color=MINUS, lw=1.6, marker="|", markersize=7, label="holds back"),
        *(
            Line2D([], [], marker=marker, ls="", color="#69727E", label=kind, markersize=6)
            for kind, marker in (("cause", "o"), ("state", "s"), ("outcome", "D"))
        ),
    ]  # fmt: skip
    axes.legend(
        handles=handles, loc="lower center", ncol=5, frameon=False, fontsize=0.82 * size, bbox_to_anchor=(0.5, 0.002),
        columnspacing=1.4, handletextpad=0.5,
    )  # fmt: skip
    return figure


def _trim(point: tuple[float, float], toward: tuple[float, float], by: float) -> tuple[float, float]:
    """Move a chord's end from the node's center toward the control point, so that heads stay visible."""
    dx, dy = toward[0] - point[0], toward[1] - point[1]
    length = math.hypot(dx, dy) or 1.0
    return point[0] + by * dx / length, point[1] + by * dy / length


def _label(name: str, width: int = 20) -> str:
    """Fit a mechanism's name to the ring: without what stands in parentheses, on two lines when it is long."""
    import textwrap

    short = name.split(" (")[0].split(", ")[0].strip()
    # The narrowest width that needs two lines at most; cutting would leave "Defect of the".
    while len(lines := textwrap.wrap(short, width, break_long_words=False, break_on_hyphens=False)) > 2:
        width += 1
    return "\n".join(lines)
