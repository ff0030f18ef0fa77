"""The report of a virtual trial: tables in, one self-contained HTML file and the figures as files out.

Figures are inline SVG; style and script are inlined from package data, nothing is loaded from anywhere. The report
reads what the trial wrote; the only thing it estimates itself are Kaplan-Meier curves.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tumornexus
from tumornexus.io.write import write_text
from tumornexus.report.figures.trial_causes import cause_figure, toxicity_figure
from tumornexus.report.figures.trial_responses import spider_figure, swimmer_figure, waterfall_figure
from tumornexus.report.figures.trial_survival import arms_forest_figure, survival_figure
from tumornexus.report.page import asset
from tumornexus.report.scene import Scene
from tumornexus.report.trial_view import RESPONSES, TrialArm, TrialView, hazard_ratio, with_interval

FIGURES: dict[str, Callable[[TrialView], Scene]] = {
    "forest": arms_forest_figure,
    "waterfall": waterfall_figure,
    "spider": spider_figure,
    "swimmer": swimmer_figure,
    "pfs": lambda view: survival_figure(view, "pfs"),
    "os": lambda view: survival_figure(view, "os"),
    "causes": cause_figure,
    "toxicity": toxicity_figure,
}

SECTIONS = (
    ("answer", "Answer"),
    ("endpoints", "Endpoints"),
    ("responses", "Responses"),
    ("survival", "Survival"),
    ("causes", "Resistance"),
    ("toxicity", "Toxicity"),
    ("limits", "Limits"),
    ("provenance", "Provenance"),
)

RESEARCH_USE = "A simulated trial of virtual patients; it predicts nobody's course and advises nobody's treatment."

ROWS = (
    ("Objective response (CR + PR)", "orr", 0, "%"),
    ("Complete response", "cr", 0, "%"),
    ("Disease control (CR + PR + SD)", "dcr", 0, "%"),
    ("Progressive disease as best response", "pd", 0, "%"),
    ("Duration of response, median, months", "dor_median", 1, ""),
    ("Progression-free survival, median, months", "pfs_median", 1, ""),
    ("Progression-free at 6 months", "pfs_6", 0, "%"),
    ("Progression-free at 12 months", "pfs_12", 0, "%"),
    ("Progression-free at 24 months", "pfs_24", 0, "%"),
    ("Overall survival, median, months", "os_median", 1, ""),
    ("Alive at 12 months", "os_12", 0, "%"),
    ("Alive at 24 months", "os_24", 0, "%"),
    ("Treatment-related event of grade 3 or more", "ae3", 0, "%"),
)
"""Label, name in ``endpoints.json``, decimals and unit of the rows of the table."""

MOST_SENTENCES = 4  # of more arms, the forest plot tells more than a list

LIMITS = (
    (
        "A model, not a cohort",
        "Virtual patients are draws from published distributions and a simplified biology. What the model leaves out "
        "cannot show in any arm.",
    ),
    (
        "Intervals cover parameters and sampling, not form",
        "95% prediction intervals hold what is open about parameters and the luck of a trial of this size. An error in "
        "the model's equations would not widen them.",
    ),
    (
        "Differences between arms are firmer than levels",
        "The same virtual patients with the same luck go through every arm, so what is wrong with all of them partly "
        "cancels. Two real arms are different people.",
    ),
    (
        "The cause is the model's",
        "The mechanism that dominates at progression is read from the simulation. It is a hypothesis about real "
        "patients, and one patient may have several.",
    ),
)


def sentences(view: TrialView) -> list[str]:
    """Return what the trial says, in one sentence for each arm."""
    out = []
    for arm in view.arms:
        rate = with_interval(arm.estimate("orr"), 0, "%", "a rate that is not told")
        text = f"{arm.name}: response in {rate}, median progression-free survival {_months(arm, 'pfs_median')}, "
        text += f"overall survival {_months(arm, 'os_median')}"
        if view.reference and not arm.reference:
            text += f"; progression or death {_against(arm.ratio('pfs'))} under {view.reference.name}"
        out.append(text + ".")
    return out


def _months(arm: TrialArm, name: str) -> str:
    value, low, high = arm.estimate(name)
    if value is None:
        return "not reached" if low is None else f"not reached (at least {low:.1f} months)"
    return with_interval((value, low, high), 1, " months")


def _against(ratio: tuple[float | None, float | None, float | None]) -> str:
    """Return how often an event comes compared with the reference, in fixed words."""
    value, low, high = ratio
    if value is None:
        return "cannot be compared with that"
    ends = "" if low is None or high is None else f", 95% interval {low:.2f}–{high:.2f}"
    said = f"(hazard ratio {value:.2f}{ends})"
    if high is not None and high < 1:
        return f"less often {said} than"
    if low is not None and low > 1:
        return f"more often {said} than"
    return f"not clearly more or less often {said} than"


def cell(arm: TrialArm, row: tuple[str, str, int, str]) -> str:
    """Return an endpoint of `ROWS` as the table shows it."""
    label, name, digits, unit = row
    if name == "dor_median" and not arm.responders:
        return "no response"
    return with_interval(arm.estimate(name), digits, unit, "not reached" if "median" in label else "–")


def trial_page(view: TrialView) -> str:
    """Return the report as one HTML text; equal views give equal texts."""
    from jinja2 import Environment, StrictUndefined, select_autoescape
    from markupsafe import Markup

    environment = Environment(
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(asset("trial.html.j2")).render(
        view=view,
        sentences=sentences(view) if len(view.arms) <= MOST_SENTENCES else [],
        figures={name: Markup(draw(view).svg()) for name, draw in FIGURES.items()},
        rows=[row for row in ROWS if any(arm.estimates.get(row[1]) is not None for arm in view.arms)],
        said=cell,
        ratio=lambda arm, name: "reference" if arm.reference else hazard_ratio(arm.ratio(name)),
        responses=RESPONSES,
        best={arm.name: arm.best() for arm in view.arms},
        irecist={arm.name: _counted(arm, "irecist_best") for arm in view.arms},
        dropouts={arm.name: int((arm.table["left_day"] < float("inf")).sum()) if "left_day" in arm.table else None
                  for arm in view.arms},
        sections=SECTIONS,
        limits=LIMITS,
        research_use=RESEARCH_USE,
        version=tumornexus.__version__,
        css=Markup(asset("report.css") + asset("trial.css")),
        js=Markup(asset("report.js")),
    )  # fmt: skip


def _counted(arm: TrialArm, column: str) -> str:
    """Return the counts of a column of words, such as ``iPR 12, iSD 30``."""
    if column not in arm.table:
        return ""
    counts = arm.table[column].value_counts()
    order = [w for w in ("iCR", "iPR", "iSD", "iUPD", "iCPD", "NE") if w in counts]
    return ", ".join(f"{w} {counts[w]}" for w in [*order, *sorted(set(counts.index) - set(order))])


def render_trial_report(view: TrialView, path: str | Path) -> Path:
    """Write the report of a virtual trial as a single HTML file that needs no network.

    The file appears whole or not at all. `view` comes from `tumornexus.report.trial_view.build_trial_view`.

    Raises:
        InputError: the file cannot be written.
    """
    write_text(Path(path), trial_page(view))
    return Path(path)


def trial_figure_files(view: TrialView, folder: str | Path, *, png: bool = True) -> list[Path]:
    """Write each figure into `folder` as ``NAME.svg`` and, unless told otherwise, as PNG at 192 dpi; return the paths.

    Equal views give equal SVG files, byte by byte.
    """
    folder, out = Path(folder), []
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in FIGURES.items():
        scene: Any = draw(view)
        write_text(folder / f"{name}.svg", scene.svg(standalone=True) + "\n")
        out.append(folder / f"{name}.svg")
        if png:
            scene.png(folder / f"{name}.png")
            out.append(folder / f"{name}.png")
    return out
