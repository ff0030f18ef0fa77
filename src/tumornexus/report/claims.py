"""The network of claims as one interactive HTML file and as static figures.

The page needs no network: figures are inline SVG, style, script and data are inlined. Without scripts the figures, the
loops and the combinations are still there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx

import tumornexus
from tumornexus.io.write import write_results
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.linked import doi_address, pubmed_address
from tumornexus.knowledge.network import (
    HUBS,
    STEPS,
    claimed_network,
    complementary_pairs,
    feedback_loops,
    what_reverses,
)
from tumornexus.report.figures.claims import drives, hub_scene, short_name, step_scene
from tumornexus.report.page import asset

PARTNERS = 6  # combinations listed for each therapy
_VERB = {"+": "drives", "-": "holds back", "±": "is claimed both to drive and to hold back"}


def _address(reference: dict[str, str]) -> str:
    if reference.get("doi"):
        return doi_address(reference["doi"])
    return pubmed_address(reference["pmid"]) if reference.get("pmid") else reference.get("url", "")


def page_data(knowledge: Knowledge, graph: nx.MultiDiGraph) -> dict[str, Any]:
    """Return what the page's script reads: mechanisms, edges, therapies, loops, combinations, references."""
    cited: set[str] = set()
    mechanisms = {}
    for m in knowledge.mechanisms.values():
        reversals = what_reverses(graph, m.id)
        mechanisms[m.id] = {
            "name": m.name, "short": short_name(m.name), "aliases": list(m.aliases), "claim": m.claim, "kind": m.kind,
            "category": m.category, "hub": m.hub, "steps": list(m.cycle_steps), "evidence": m.evidence,
            "grade": m.grade, "pd1": m.expected.pd1, "car_t": m.expected.car_t, "source": list(m.source),
            "reversed": [[r.therapy, list(r.chain.nodes[1:-1])] for r in reversals],
            "against": [{"claim": c.claim, "finding": c.finding} for c in m.claim_conflict],
        }  # fmt: skip
        cited |= set(m.source)
    edges = []
    for a, b, sign in drives(graph):
        claims = [e for e in graph[a][b].values() if e["relation"] == "drives"]
        sources = sorted({s for e in claims for s in e["source"]})
        cited |= set(sources)
        edges.append({"from": a, "to": b, "sign": sign, "source": sources,
                      "where": "; ".join(sorted({e["where"] for e in claims if e["where"]}))})  # fmt: skip
    therapies = {
        t.id: {"name": t.name, "steps": list(t.cycle_steps), "reverses": list(t.reverses)}
        for t in knowledge.therapies.values()
    }
    partners = {
        t: [
            {"with": next(p for p in c.steps if p != t), "added": c.added, "covered": list(c.covered),
             "shared": list(c.shared), "hubs": list(c.hubs_covered), "twice": list(c.twice), "reason": c.reason}
            for c in complementary_pairs(graph, partner_of=t, at_most=PARTNERS)
        ]
        for t in therapies
    }  # fmt: skip
    references = {
        key: [knowledge.citation(key), _address(dict(knowledge.references.get(key, {})))] for key in sorted(cited)
    }
    loops = [
        {"nodes": list(loop.nodes), "signs": list(loop.signs), "sign": loop.sign} for loop in feedback_loops(graph)
    ]
    return {"mechanisms": mechanisms, "edges": edges, "therapies": therapies, "partners": partners, "loops": loops,
            "references": references, "verbs": _VERB}  # fmt: skip


def network_page(knowledge: Knowledge) -> str:
    """Return the interactive page as one HTML text; equal records give equal texts."""
    from jinja2 import Environment, StrictUndefined, select_autoescape
    from markupsafe import Markup

    graph = claimed_network(knowledge)
    data = page_data(knowledge, graph)
    hub, step = _scenes(knowledge, graph)
    environment = Environment(
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # "<" never stands in the data as it is, so no text of a record can end the script.
    script = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return environment.from_string(asset("claims.html.j2")).render(
        version=tumornexus.__version__,
        digest=knowledge.digest,
        mechanisms=sorted(data["mechanisms"].items(), key=lambda item: item[1]["name"].lower()),
        therapies=sorted(data["therapies"].items(), key=lambda item: item[1]["name"].lower()),
        n_edges=len(data["edges"]),
        hubs=HUBS,
        steps=list(STEPS),
        loops=data["loops"],
        names={i: m["short"] for i, m in data["mechanisms"].items()},
        top=complementary_pairs(graph),
        therapy_names={i: t["name"] for i, t in data["therapies"].items()},
        hub_figure=Markup(hub.svg()),
        step_figure=Markup(step.svg()),
        css=Markup(asset("report.css") + asset("claims.css")),
        js=Markup(asset("claims.js")),
        data=Markup(script),
    )


def _scenes(knowledge: Knowledge, graph: nx.MultiDiGraph) -> tuple[Any, Any]:
    return hub_scene(graph), step_scene(graph, {s: record.name for s, record in knowledge.cycle.items()})


def write_network(knowledge: Knowledge, out: Path) -> list[Path]:
    """Write ``network.html`` and the static figures ``network_hub`` and ``network_step`` as SVG and PNG.

    Raises:
        InputError: the folder cannot be written.
    """
    out = Path(out)
    scenes = dict(zip(("network_hub", "network_step"), _scenes(knowledge, claimed_network(knowledge)), strict=True))
    texts = {f"{name}.svg": scene.svg(standalone=True) + "\n" for name, scene in scenes.items()}
    write_results(out, {**texts, "network.html": network_page(knowledge)})
    for name, scene in scenes.items():
        scene.png(out / f"{name}.png")
    return [out / "network.html", *(out / f"{name}.{kind}" for name in scenes for kind in ("svg", "png"))]
