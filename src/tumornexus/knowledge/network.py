"""The network of resistance as the literature claims it: who drives whom, and what reverses it.

Built from the records alone: nodes are mechanisms and therapies, signed edges are the `drives` of mechanisms, what
therapies reverse and what they bring about (`raised_by`). It is a set of claims to be compared with the simulated
network, never an input to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal

import networkx as nx

from tumornexus.errors import InputError, near_misses
from tumornexus.knowledge.load import Knowledge

HUBS = ("tumor-immune interface", "metabolic competition", "cytokine-chemokine network", "systemic interface")
STEPS = range(1, 8)


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
        graph.add_node(
            t.id, kind="therapy", name=t.name, therapy_kind=t.kind, modality=t.modality, cycle_steps=t.cycle_steps
        )
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
    """A chain of claims: its nodes, the sign of each step and their product.

    A step has the sign ``±`` where sources claim both; the chain then has no sign of its own either.
    """

    nodes: tuple[str, ...]
    signs: tuple[str, ...]

    @property
    def sign(self) -> Literal["+", "-", "±"]:
        """``+`` when an even number of steps is negative, ``±`` when any step is disputed."""
        if "±" in self.signs:
            return "±"
        return "-" if self.signs.count("-") % 2 else "+"

    def __str__(self) -> str:
        words = [self.nodes[0]]
        for sign, node in zip(self.signs, self.nodes[1:], strict=True):
            words += [{"+": "->", "-": "-|", "±": "-?"}[sign], node]
        return " ".join(words)


def _signed(graph: nx.MultiDiGraph, nodes: list[str]) -> Path_:
    """Attach signs to a chain."""
    signs = []
    for a, b in pairwise(nodes):
        said = {e["sign"] for e in graph[a][b].values()}
        signs.append("±" if len(said) > 1 else said.pop())
    return Path_(tuple(nodes), tuple(signs))


def paths_between(graph: nx.MultiDiGraph, start: str, end: str, *, longest: int = 4, at_most: int = 50) -> list[Path_]:
    """List the chains of claims from one node to another, shortest first.

    Args:
        graph: from `claimed_network`.
        start, end: mechanism or therapy ids.
        longest: steps at most; chains of claims lose their force with every step.
        at_most: number of chains returned.

    Raises:
        InputError: a node does not exist, or both are one.
    """
    if _node(graph, start) == _node(graph, end):
        raise InputError("a chain needs two ends", field="paths", value=f"{start} {end}",
                         valid="two different records; loops through one: --loops --through")  # fmt: skip
    simple = nx.DiGraph(graph)
    found = nx.all_simple_paths(simple, _node(graph, start), _node(graph, end), cutoff=longest)
    return [_signed(graph, nodes) for nodes in sorted(found, key=lambda p: (len(p), p))[:at_most]]


def feedback_loops(graph: nx.MultiDiGraph, *, longest: int = 5, through: str | None = None) -> list[Path_]:
    """List the closed chains among mechanisms, each starting and ending at the same node, shortest first.

    A positive product of signs means a self-reinforcing loop, a negative one a balancing loop.

    Args:
        graph: from `claimed_network`.
        longest: steps at most.
        through: only loops that contain this mechanism.

    Raises:
        InputError: the mechanism does not exist.
    """
    if through is not None:
        _node(graph, through)
    drives = nx.DiGraph()
    drives.add_edges_from((a, b) for a, b, e in graph.edges(data=True) if e["relation"] == "drives")
    loops = []
    for cycle in nx.simple_cycles(drives, length_bound=longest):
        if through is not None and through not in cycle:
            continue
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
    """How a set of therapies divides the cancer-immunity cycle and the hubs of the nexus.

    Attributes:
        names: therapy to its name, in the order given.
        steps: therapy to the steps it helps.
        hubs: therapy to the hubs of the mechanisms that it reverses.
        covered: steps that at least one of them helps.
        shared: steps that more than one of them helps, where redundancy is likely.
        missing: steps that none of them helps.
        hubs_covered: hubs in which at least one of them reverses a mechanism, in the order of `HUBS`.
        twice: mechanisms that more than one of them reverses.
        score: new steps per step named, in [0, 1]: 1 when no step is named twice.
    """

    names: dict[str, str]
    steps: dict[str, tuple[int, ...]]
    hubs: dict[str, tuple[str, ...]]
    covered: tuple[int, ...]
    shared: tuple[int, ...]
    missing: tuple[int, ...]
    hubs_covered: tuple[str, ...]
    twice: tuple[str, ...]
    score: float

    @property
    def added(self) -> int:
        """Steps and hubs that the set reaches beyond the one of its therapies that reaches most."""
        best = max((len(self.steps[t]) + len(self.hubs[t]) for t in self.steps), default=0)
        return len(self.covered) + len(self.hubs_covered) - best

    @property
    def reason(self) -> str:
        """Why the set counts as complementary, or does not, in words."""

        def words(items: Iterable[object]) -> str:
            return ", ".join(map(str, items)) or "none"

        said = [
            "; ".join(
                f"{self.names[t]} helps step{'s' if len(own) != 1 else ''} {words(own)} ({words(self.hubs[t])})"
                for t, own in self.steps.items()
            ),
            f"together {len(self.covered)} of 7 steps and {len(self.hubs_covered)} of {len(HUBS)} hubs",
            f"helped more than once: step {words(self.shared)}" if self.shared else "no step is helped twice",
        ]
        if self.twice:
            said.append(f"more than one reverses {words(self.twice)}")
        return "; ".join(said)


def _complement(graph: nx.MultiDiGraph, therapies: Iterable[str]) -> Complement:
    steps = {t: tuple(sorted(set(graph.nodes[t]["cycle_steps"]))) for t in therapies}
    reverses = {
        t: {b for _, b, e in graph.out_edges(t, data=True) if e["relation"] == "reverses"} for t in steps
    }  # fmt: skip
    hubs = {t: {graph.nodes[m]["hub"] for m in own} for t, own in reverses.items()}
    named = [step for own in steps.values() for step in own]
    undone = [m for own in reverses.values() for m in own]
    covered = sorted(set(named))
    return Complement(
        names={t: graph.nodes[t]["name"] for t in steps},
        steps=steps,
        hubs={t: tuple(h for h in HUBS if h in own) for t, own in hubs.items()},
        covered=tuple(covered),
        shared=tuple(s for s in covered if named.count(s) > 1),
        missing=tuple(s for s in STEPS if s not in covered),
        hubs_covered=tuple(h for h in HUBS if any(h in own for own in hubs.values())),
        twice=tuple(sorted({m for m in undone if undone.count(m) > 1})),
        score=len(covered) / len(named) if named else 0.0,
    )


def complementary(graph: nx.MultiDiGraph, therapies: Iterable[str]) -> Complement:
    """Say how well therapies complement each other by the cycle steps that they help and the hubs that they reach.

    Raises:
        InputError: a therapy does not exist.
    """
    known = [n for n, kind in graph.nodes(data="kind") if kind == "therapy"]
    given = list(therapies)
    for therapy in given:
        if therapy not in known:
            raise InputError("unknown therapy", field="therapy", value=therapy, valid=near_misses(therapy, known))
    return _complement(graph, given)


def complementary_pairs(
    graph: nx.MultiDiGraph, *, partner_of: str | None = None, at_most: int = 12
) -> list[Complement]:
    """List pairs of therapies by what the second adds: steps and hubs beyond the wider of the two, least shared first.

    It is an ordering of claims, not of benefit: no pair was simulated for it, and trials may have refuted one.
    Strategies and therapies that reverse no mechanism of the catalogue are left out.

    Args:
        graph: from `claimed_network`.
        partner_of: only pairs with this therapy.
        at_most: number of pairs.

    Raises:
        InputError: the therapy does not exist.
    """
    if partner_of is not None:
        complementary(graph, [partner_of])
    reversing = {a for a, _, e in graph.edges(data=True) if e["relation"] == "reverses"}
    classes = {n for n, kind in graph.nodes(data="therapy_kind") if kind == "class"} & reversing
    candidates = sorted(classes | ({partner_of} if partner_of else set()))
    pairs = [_complement(graph, p) for p in combinations(candidates, 2) if partner_of is None or partner_of in p]
    pairs.sort(key=lambda c: (-c.added, len(c.shared) + len(c.twice), len(c.missing), tuple(c.steps)))
    return pairs[:at_most]


def plain(graph: nx.MultiDiGraph) -> nx.MultiDiGraph:
    """Return the network with attributes that GraphML can hold: lists become text separated by ``;``."""

    def flat(data: Mapping[str, object]) -> dict[str, str | bool]:
        return {
            k: ";".join(map(str, v)) if isinstance(v, tuple | list) else v if isinstance(v, bool) else str(v)
            for k, v in data.items()
        }

    found = nx.MultiDiGraph(**flat(graph.graph))
    found.add_nodes_from((node, flat(data)) for node, data in graph.nodes(data=True))
    found.add_edges_from((a, b, key, flat(data)) for a, b, key, data in graph.edges(keys=True, data=True))
    return found


def graphml(graph: nx.MultiDiGraph) -> str:
    """Spell the network as GraphML, for Cytoscape, Gephi or networkx; see `plain` for its attributes."""
    return "\n".join(nx.generate_graphml(plain(graph))) + "\n"
