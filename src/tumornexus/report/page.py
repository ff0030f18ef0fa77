"""The HTML page: view in, one self-contained file out.

Figures are inline SVG, style and script are inlined from package data, nothing is loaded from anywhere. A figure that
cannot be drawn from what there is says so in its place; it never breaks the page.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from tumornexus.io.write import write_text
from tumornexus.report import figures, style, words
from tumornexus.report.figures.network import other_words
from tumornexus.report.figures.nodes import said
from tumornexus.report.figures.regimens import DIRECTION
from tumornexus.report.next_steps import value_words
from tumornexus.report.rows import View
from tumornexus.report.sentences import answers, to_measure
from tumornexus.report.view import build_view

SECTIONS = (
    ("answer", "Answer"),
    ("profile", "Profile"),
    ("network", "Network"),
    ("courses", "Courses"),
    ("nodes", "Dominant nodes"),
    ("regimens", "Combinations"),
    ("missing", "Not measured"),
    ("limits", "Limits"),
    ("provenance", "Provenance"),
)


def asset(name: str) -> str:
    """Return the text of a file that ships with the report."""
    return (files("tumornexus.report") / "assets" / name).read_text(encoding="utf-8")


def page(view: View, references: dict[str, dict[str, str]] | None = None) -> str:
    """Return the report as one HTML text; equal views give equal texts."""
    from jinja2 import Environment, StrictUndefined, select_autoescape
    from markupsafe import Markup

    environment = Environment(
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = {
        "wheel": figures.wheel_figure(view),
        "top_nodes": figures.node_figure(view, compact=True),
        "forest": figures.forest_figure(view),
        "activities": figures.activity_figure(view),
        "barriers": figures.barrier_figure(view),
        "phenotype": figures.phenotype_figure(view),
        "network": figures.network_figure(view),
        "overview": figures.overview_figure(view),
        "diameters": figures.diameter_figure(view),
        "serial": figures.serial_figure(view),
        "readouts": figures.readout_figure(view),
        "nodes": figures.node_figure(view),
        "pairs": figures.pair_figure(view),
        "pareto": figures.pareto_figure(view),
    }
    cited = sorted({s for m in view.mechanisms for s in m.sources})
    return environment.from_string(asset("report.html.j2")).render(
        view=view,
        answers=answers(view),
        measurements=to_measure(view),
        value_words=value_words,
        figures={name: Markup(scene.svg()) for name, scene in drawn.items()},
        widths={name: scene.width for name, scene in drawn.items()},
        css=Markup(asset("report.css")),
        js=Markup(asset("report.js")),
        sections=SECTIONS,
        words=words,
        style=style,
        direction=DIRECTION,
        said=lambda node: said(view, node),
        network_words=other_words(view),
        citations=[(key, _citation(references.get(key))) for key in cited] if references else [],
        order=lambda rows: sorted(rows, key=lambda m: (not m.measured, -m.mean, m.id)),
    )


def _citation(entry: Any) -> str:
    if not entry:
        return ""
    parts = [str(entry.get(k, "")) for k in ("author", "title", "journal", "year")]
    authors = parts[0].split(" and ")
    parts[0] = authors[0] + (" et al." if len(authors) > 1 else "")
    text = ". ".join(p.strip("{}. ") for p in parts if p)
    return text + (f". doi:{entry['doi']}" if entry.get("doi") else "")


def render_report(result: Any, knowledge: Any, path: Path) -> None:
    """Write the report of one run as a single HTML file that needs no network.

    Args:
        result: a RunResult (profile, twin, trajectories, outcomes, nodes, ranking, manifest).
        knowledge: the knowledge base the run used, for names, claims and sources.
        path: file to write; it appears whole or not at all.
    """
    write_text(Path(path), page(build_view(result, knowledge), dict(getattr(knowledge, "references", {}) or {})))
