"""Answers of the network of claims as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from tumornexus.errors import InputError, near_misses
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.explain import Table
from tumornexus.knowledge.network import (
    HUBS,
    Path_,
    claimed_network,
    complementary,
    complementary_pairs,
    feedback_loops,
    paths_between,
    what_reverses,
)
from tumornexus.report.figures.claims import drives

_EFFECT = {"+": "promotes", "-": "opposes", "±": "disputed"}
_LOOP = {"+": "reinforcing", "-": "balancing", "±": "disputed"}


def node_of(knowledge: Knowledge, name: str) -> str:
    """Return the id of a mechanism or, failing that, of a therapy that goes by a name.

    Raises:
        InputError: neither goes by it.
    """
    for find in (knowledge.mechanism, knowledge.therapy):
        try:
            return find(name).id
        except InputError:
            continue
    known = [*knowledge.mechanisms, *knowledge.therapies]
    raise InputError("no such mechanism or therapy", field="network", value=name, valid=near_misses(name, known))


def _sources(graph, path: Path_) -> str:
    steps = zip(path.nodes, path.nodes[1:], strict=False)
    return ", ".join(sorted({s for a, b in steps for e in graph[a][b].values() for s in e["source"]}))


def paths(knowledge: Knowledge, start: str, end: str, *, longest: int) -> Table:
    """Tell the signed chains of claims from one node to another."""
    graph = claimed_network(knowledge)
    a, b = node_of(knowledge, start), node_of(knowledge, end)
    found = paths_between(graph, a, b, longest=longest)
    rows = tuple((str(p), str(len(p.signs)), _EFFECT[p.sign], _sources(graph, p)) for p in found)
    title = f"{len(rows)} chains of claims from {a} to {b}, of at most {longest} steps"
    return Table(title if rows else f"No chain of at most {longest} claims leads from {a} to {b}",
                 ("chain (-> drives, -| holds back)", "steps", "as a whole", "sources"), rows)  # fmt: skip


def loops(knowledge: Knowledge, *, through: str | None, longest: int) -> Table:
    """Tell the feedback loops among mechanisms, all or those through one of them."""
    graph = claimed_network(knowledge)
    node = knowledge.mechanism(through).id if through else None
    found = feedback_loops(graph, longest=longest, through=node)
    rows = tuple((str(p), str(len(p.signs)), _LOOP[p.sign], _sources(graph, p)) for p in found)
    where = f" through {node}" if node else ""
    return Table(f"{len(rows)} feedback loops{where} of at most {longest} steps",
                 ("loop (-> drives, -| holds back)", "steps", "kind", "sources"), rows)  # fmt: skip


def reversals(knowledge: Knowledge, mechanism: str) -> Table:
    """Tell what reverses a mechanism, itself or one of its drivers, and what trials say against it."""
    m = knowledge.mechanism(mechanism)
    exceptions = {e.therapy: e.reason for e in m.not_reversed}
    rows = []
    for r in what_reverses(claimed_network(knowledge), m.id):
        how = "directly" if r.direct else f"through {r.chain.nodes[1]}"
        rows.append(
            (knowledge.therapies[r.therapy].name, r.therapy, how, exceptions.get(r.therapy, "") if r.direct else "")
        )
    return Table(f"What reverses {m.name}", ("therapy", "id", "how", "why the response may not follow"), tuple(rows))


def complements(knowledge: Knowledge, therapies: Sequence[str]) -> Table:
    """Tell which therapies complement each other: pairs, the partners of one, or how a given set shares the work."""
    graph = claimed_network(knowledge)
    ids = [knowledge.therapy(t).id for t in therapies]
    found = [complementary(graph, ids)] if len(ids) > 1 else complementary_pairs(graph, partner_of=(ids or [None])[0])
    rows = tuple(
        (" + ".join(c.steps), ", ".join(map(str, c.covered)), ", ".join(map(str, c.missing)) or "none",
         f"{len(c.hubs_covered)} of {len(HUBS)}", str(c.added), c.reason)
        for c in found
    )  # fmt: skip
    return Table(
        "Complementary by claims (not by simulation or trial; `tumornexus design` ranks for a patient)",
        ("therapies", "steps", "missing", "hubs", "added", "reason"), rows,
    )  # fmt: skip


def summary(knowledge: Knowledge) -> Table:
    """Tell the size of the network by hub, and who drives and is driven most."""
    graph = claimed_network(knowledge)
    edges = drives(graph)
    rows = []
    for hub in HUBS:
        own = [m.id for m in knowledge.mechanisms.values() if m.hub == hub]
        out = {n: sum(a == n for a, _, _ in edges) for n in own}
        into = {n: sum(b == n for _, b, _ in edges) for n in own}

        def most(count: dict[str, int]) -> str:
            best = sorted(count, key=lambda n: (-count[n], n))[:3]
            return ", ".join(f"{n} ({count[n]})" for n in best if count[n])

        inside = sum(a in out and b in out for a, b, _ in edges)
        rows.append((hub, str(len(own)), str(sum(out.values())), str(inside), most(out), most(into)))
    n = len(feedback_loops(graph))
    return Table(
        f"{len(knowledge.mechanisms)} mechanisms, {len(edges)} signed edges, {n} feedback loops of at most 5 steps; "
        "ask with --paths, --loops, --reverses, --complementary, draw with --out",
        ("hub", "mechanisms", "edges from it", "within it", "drive most", "driven most"), tuple(rows),
    )  # fmt: skip
