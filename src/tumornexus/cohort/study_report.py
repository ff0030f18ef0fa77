"""What cohort mode writes: tables, forest plot, Kaplan-Meier curves, a manifest, and a short table for the terminal."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from tumornexus.cohort.figures import STRONG, WARM, Line, forest, kaplan_meier
from tumornexus.cohort.study import CohortStudy
from tumornexus.io.write import whole, write_results

TITLES = {
    "response": "odds ratio of response",
    "PFS": "hazard ratio of progression or death",
    "OS": "hazard ratio of death",
}
SMALL_Q = 0.1
WIDEST = (0.1, 10.0)  # ends of intervals are drawn within these ratios; the text at the right is not cut
MOST_ROWS, MOST_CURVES = 45, 6


def _pyplot() -> Any:
    importlib.import_module("matplotlib").use("Agg")
    return importlib.import_module("matplotlib.pyplot")


def forest_figure(study: CohortStudy, path: Path) -> None:
    """Forest plot: pooled ratio of each score, one panel an outcome; with several strata, those of six too."""
    plt = _pyplot()
    first = study.pooled[study.pooled["outcome"] == study.outcomes[0]].dropna(subset=["ratio"])
    order = first.sort_values("p")["score"].tolist()
    order += [s for s in study.scores if s not in order]
    shown, single = order[:MOST_ROWS], study.associations.groupby("outcome")["cohort"].nunique().max() == 1
    strata = list(
        dict.fromkeys(map(tuple, study.associations[["cohort", "cancer_type", "treatment_class"]].to_numpy()))
    )
    details = set() if single and len(strata) == 1 else set(shown[:MOST_CURVES])
    rows: list[tuple[str, tuple[str, ...] | None]] = []
    for score in shown:
        rows.append((score, None))
        rows += [(score, s) for s in strata] if score in details else []
    figure, axes = plt.subplots(
        1, len(study.outcomes), figsize=(4.4 + 4.6 * len(study.outcomes), 0.23 * len(rows) + 1.5), squeeze=False
    )
    for ax, outcome in zip(axes[0], study.outcomes, strict=True):
        pooled = study.pooled[study.pooled["outcome"] == outcome].set_index("score")
        own = study.associations[study.associations["outcome"] == outcome]
        by = {(r.score, r.cohort, r.cancer_type, r.treatment_class): r for r in own.itertuples()}
        lines = []
        for score, stratum in rows:
            found: Any = (
                pooled.loc[score] if stratum is None and score in pooled.index else by.get((score, *(stratum or ())))
            )
            label = score if stratum is None else "   " + " · ".join(stratum)
            if found is None or not np.isfinite(found.ratio):
                lines.append(Line(label, *[np.nan] * 3, 0.0, "not estimable"))
                continue
            low, high = max(found.low, WIDEST[0]), min(found.high, WIDEST[1])
            text = f"{found.ratio:.2f} ({found.low:.2f}–{found.high:.2f})"
            text += f" q {found.q:.2f}" if stratum is None else f" n {found.n}"
            tone = WARM if stratum is None and found.q < SMALL_Q else STRONG
            middle = min(max(found.ratio, WIDEST[0]), WIDEST[1])
            lines.append(Line(label, middle, low, high, 0.2, text, stratum is None and bool(details), tone))
        forest(ax, lines, zero=1.0, label=f"{TITLES[outcome]} per SD", log=True)
        for tick in ax.get_yticklabels():
            tick.set_fontsize(7.5)
        if ax is not axes[0][0]:
            ax.set_yticklabels([])
    figure.tight_layout(w_pad=7)
    with whole(path) as place:
        figure.savefig(place, dpi=130, bbox_inches="tight", format="png")
    plt.close(figure)


def curves(study: CohortStudy) -> list[tuple[str, str]]:
    """Outcome and score of the Kaplan-Meier figures: per survival outcome those with the smallest q, then p."""
    found = []
    for outcome in (o for o in study.outcomes if o != "response"):
        own = study.pooled[(study.pooled["outcome"] == outcome) & study.pooled["p"].notna()]
        for score in own.sort_values(["q", "p"])["score"]:
            side = _side(study, str(score), outcome)
            if np.unique(side[np.isfinite(side)] > 0).size == 2:
                found.append((outcome, str(score)))
            if sum(o == outcome for o, _ in found) == MOST_CURVES:
                break
    return found


def _side(study: CohortStudy, score: str, outcome: str) -> np.ndarray:
    """Score less the median of its stratum, NaN without follow-up."""
    strata = [study.table[c] for c in ("cohort", "cancer_type", "treatment_class")]
    own = study.table[score].where(study.table[f"{outcome}_event"].notna())
    return (own - own.groupby(strata).transform("median")).to_numpy(dtype=float)


def curve_figure(study: CohortStudy, outcome: str, scores: Sequence[str], path: Path) -> None:
    """Kaplan-Meier curves, split at the median of the stratum; titles give the pooled Cox model, no p of the split."""
    plt = _pyplot()
    columns = min(3, len(scores))
    rows = -(-len(scores) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.7 * columns, 3.3 * rows), squeeze=False)
    days, event = (study.table[f"{outcome}_{k}"].to_numpy(dtype=float) for k in ("days", "event"))
    pooled = study.pooled[study.pooled["outcome"] == outcome].set_index("score")
    for ax, score in zip(axes.flat, scores, strict=False):
        kaplan_meier(ax, _side(study, score, outcome), days, event, name=score, endpoint=outcome, cut=0.0)
        row = pooled.loc[score]
        ax.set_title(
            f"{score.replace('_', ' ')}\nhazard ratio per SD {row['ratio']:.2f} ({row['low']:.2f}–{row['high']:.2f}), "
            f"q {row['q']:.2f}", fontsize=8,
        )  # fmt: skip
    for ax in list(axes.flat)[len(scores) :]:
        ax.set_visible(False)
    figure.tight_layout()
    with whole(path) as place:
        figure.savefig(place, dpi=130, format="png")
    plt.close(figure)


def write_study(study: CohortStudy, out: Path, record: Mapping[str, Any]) -> list[str]:
    """Write figures, then ``associations.tsv``, ``pooled.tsv``, ``patients.tsv`` and, last, ``manifest.json``."""
    out = Path(out)
    forest_figure(study, out / "forest.png")
    names, chosen = ["forest.png"], curves(study)
    for outcome in dict.fromkeys(o for o, _ in chosen):
        name = f"kaplan_meier_{outcome}.png"
        curve_figure(study, outcome, [s for o, s in chosen if o == outcome], out / name)
        names.append(name)
    write_results(
        out,
        {
            "associations.tsv": study.associations,
            "pooled.tsv": study.pooled,
            "patients.tsv": study.table,
            "manifest.json": {
                **record, "patients": len(study.table), "outcomes": list(study.outcomes), "notes": list(study.notes),
                "files": ["associations.tsv", "pooled.tsv", "patients.tsv", *names],
            },
        },
    )  # fmt: skip
    return names


def summary_table(study: CohortStudy, top: int = 5) -> Table:
    """The scores with the smallest p of each outcome, for the terminal."""
    table = Table(title="per standard deviation, random effects over strata", title_justify="left")
    for column in ("outcome", "score", "ratio (95 %)", "q", "strata"):
        table.add_column(column, overflow="fold")
    for outcome in study.outcomes:
        own = study.pooled[(study.pooled["outcome"] == outcome) & study.pooled["p"].notna()].sort_values("p").head(top)
        for i, row in enumerate(own.itertuples()):
            style = "bold" if row.q < SMALL_Q else ""
            ratio = f"{row.ratio:.2f} ({row.low:.2f}–{row.high:.2f})"
            table.add_row(TITLES[outcome] if i == 0 else "", row.score, ratio, f"{row.q:.2f}", str(row.k), style=style)
        table.add_section()
    return table
