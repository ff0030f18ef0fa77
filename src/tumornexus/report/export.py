"""The main figures as files, for slides and papers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tumornexus.io.write import write_text
from tumornexus.report import figures
from tumornexus.report.view import build_view

MAIN = (
    ("cycle", figures.wheel_figure),
    ("activities", figures.activity_figure),
    ("network", figures.network_figure),
    ("dominant_nodes", figures.node_figure),
    ("pairs", figures.pair_figure),
    ("best_regimens", figures.forest_figure),
    ("benefit_toxicity", figures.pareto_figure),
    ("courses_overview", figures.overview_figure),
    ("courses", figures.diameter_figure),
    ("readouts", figures.readout_figure),
)


def figure_files(result: Any, knowledge: Any, folder: Path, *, png: bool = True) -> list[Path]:
    """Write the main figures of a run into `folder` as SVG and, unless told otherwise, as PNG at 192 dpi.

    Returns the paths written, in the order of the report. Equal results give equal SVG files, byte by byte.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    view, out = build_view(result, knowledge), []
    for name, draw in MAIN:
        scene = draw(view)
        write_text(folder / f"{name}.svg", scene.svg(standalone=True) + "\n")
        out.append(folder / f"{name}.svg")
        if png:
            scene.png(folder / f"{name}.png")
            out.append(folder / f"{name}.png")
    return out
