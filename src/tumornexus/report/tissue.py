"""Pictures of a simulated tissue: a still of one day, and curves over time. `tissue_movie` makes films.

Takes frames of plain arrays (their form is in `tumornexus.io.tissue`) and tables; imports no simulator. Colors mean the
group of a cell (`tumornexus.cellkinds.GROUPS`) in every picture; a vessel is a crimson ring; the ground is darker where
matrix is denser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.cellkinds import GROUPS, KINDS, VESSEL_COLOR
from tumornexus.errors import InputError
from tumornexus.io.write import whole
from tumornexus.report.style import CRIMSON, FAINT, INK, MUTED, NAVY, PAPER, RULE
from tumornexus.report.tissue_raster import DARKEST_GROUND, plane_of, smooth_rgb

PANELS = {
    "oxygen": "Oxygen, mmHg",
    "ifng": "IFN-γ, × half effect",
    "tgfb": "TGF-β, × half effect",
    "cxcl9_10": "CXCL9/10, × half effect",
    "matrix": "Matrix, × typical carcinoma",
    "antibody": "Antibody, nM",
}
"""Fields that a still shows where the frame has them, with their titles, in this order."""
FONT = "DejaVu Sans"  # ships with matplotlib, so a picture is the same everywhere
LEGEND_ROW = 0.205  # inches
CALIBRE = 1000  # px that the longer side of a still is drawn with, about


def counts_of(frame: Mapping[str, Any]) -> dict[str, int]:
    """Return how many cells of each group the whole frame holds, of `GROUPS` that occur."""
    number = np.bincount(np.asarray(frame["kind"]).ravel(), minlength=len(KINDS))
    found = {group.id: int(sum(number[KINDS.index(kind)] for kind in group.kinds)) for group in GROUPS}
    return {name: n for name, n in found.items() if n}


def scale_bar_um(width_um: float) -> float:
    """Return the length of a scale bar: the largest of 1, 2, 5 times a power of ten within a quarter of the width."""
    power = 10.0 ** np.floor(np.log10(width_um / 4.0))
    return float(max(m * power for m in (1.0, 2.0, 5.0) if m * power <= width_um / 4.0))


def still(
    frame: Mapping[str, Any],
    path: Path | str,
    *,
    site_um: float,
    caption: str = "",
    panels: Sequence[str] | None = None,
) -> Path:
    """Write a frame as a PNG: cells, vessels and ground, a legend with counts, and small pictures of fields.

    Args:
        frame: what stands where on one day; in 3D the three middle planes are shown and the whole block is counted.
        path: file to write.
        site_um: edge of a site, um.
        caption: what to say beside the day, such as the regimen.
        panels: fields to show, of `PANELS`, ``frame["fields"]`` and ``matrix``; those of `PANELS` that the frame has,
            if not given; none with ``()``.

    Raises:
        InputError: a panel that the frame has not, or a file that cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    known = {**{n: np.asarray(f) for n, f in frame.get("fields", {}).items()}, "matrix": np.asarray(frame["matrix"])}
    unknown = [name for name in panels or () if name not in known]
    if unknown:
        raise InputError("no such field in this frame", field="panels", value=unknown[0], valid=", ".join(known))
    shown = [name for name in PANELS if name in known] if panels is None else list(panels)

    plane = plane_of(frame)
    rows, columns = plane.group.shape
    # Height and width of the picture in inches, within 7.4 x 7.4.
    high, wide = (7.4 * n / max(rows, columns) for n in (rows, columns))
    listed = LEGEND_ROW * (len(counts_of(frame)) + 3)
    high_all = max(high, listed + (0.15 + 1.95 * ((len(shown) + 2) // 3) if shown else 0.0))
    width, height = wide + 5.2, high_all + 0.85
    figure = Figure(figsize=(width, height), dpi=160, facecolor=PAPER)
    FigureCanvasAgg(figure)

    def box(left: float, top: float, wide: float, high: float) -> Any:
        """Axes by inches from the top left corner."""
        return figure.add_axes((left / width, 1.0 - (top + high) / height, wide / width, high / height))

    figure.text(
        0.25 / width, 1 - 0.36 / height, f"Day {plane.day:g}", fontsize=15, fontweight="bold", color=INK, family=FONT
    )
    if caption:
        start = 0.25 + 0.17 * len(f"Day {plane.day:g}") + 0.1
        figure.text(start / width, 1 - 0.36 / height, caption, fontsize=10.5, color=MUTED, family=FONT)
    axes = box(0.25, 0.6, wide, high)
    axes.imshow(
        smooth_rgb(plane, max(1, CALIBRE // max(rows, columns))),
        extent=(0, columns, rows, 0),
        interpolation="antialiased",
    )
    axes.set_axis_off()
    if not plane.labels:
        axes.add_patch(_frame(columns, rows))
    for word, row, column in plane.labels:
        axes.text(column, row, f" {word}", fontsize=8, color=MUTED, va="bottom", family=FONT)
    _scale_bar(axes, np.shape(frame["kind"])[-1], np.shape(frame["kind"])[-2], site_um)
    right = wide + 0.55
    _legend(box(right, 0.6, 4.4, listed), frame)
    for i, name in enumerate(shown):
        _panel(box, right + 1.5 * (i % 3), 0.75 + listed + 1.95 * (i // 3), name, known[name], frame)
    with whole(path) as partial:
        figure.savefig(partial, format="png", metadata={"Software": None})
    return path


def _frame(columns: float, rows: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((0, 0), columns, rows, fill=False, edgecolor=RULE, linewidth=1.0)


def _scale_bar(axes: Any, columns: int, rows: int, site_um: float) -> None:
    """Draw a scale bar with its length in the lower left corner of the (first) picture."""
    from matplotlib.patches import FancyBboxPatch

    length = scale_bar_um(columns * site_um)
    sites, pad = length / site_um, 0.018 * max(columns, rows)
    low = rows - 1.8 * pad
    axes.add_patch(
        FancyBboxPatch((1.6 * pad, low - 2.6 * pad), sites + 1.2 * pad, 3.4 * pad, facecolor=PAPER, alpha=0.88,
                       linewidth=0, boxstyle=f"round,pad={0.2 * pad},rounding_size={0.5 * pad}", zorder=5)
    )  # fmt: skip
    axes.plot((2.2 * pad, 2.2 * pad + sites), (low, low), color=INK, linewidth=2.4, solid_capstyle="butt", zorder=6)
    word = f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} µm"
    axes.text(
        2.2 * pad + sites / 2,
        low - 0.6 * pad,
        word,
        ha="center",
        va="bottom",
        fontsize=8.5,
        color=INK,
        zorder=6,
        family=FONT,
    )


def _legend(axes: Any, frame: Mapping[str, Any]) -> None:
    """List the groups that occur with their counts, then vessels and ground."""
    counts = counts_of(frame)
    total = sum(counts.values())
    rows: list[tuple[str, str, str, str]] = [("head", "", f"{total:,} cells", "share")]
    rows += [
        (g.color, "o", g.label, f"{100 * counts[g.id] / total:.1f} %|{counts[g.id]:,}")
        for g in GROUPS
        if g.id in counts
    ]
    vessels = int(np.count_nonzero(np.asarray(frame.get("vessel", 0)) > 0))
    if vessels:
        rows.append((VESSEL_COLOR, "ring", "Vessel sites", f"|{vessels:,}"))
    rows.append((DARKEST_GROUND, "s", "Ground, darker where matrix is denser", ""))
    axes.set_axis_off()
    axes.set_xlim(0, 44)
    axes.set_ylim(len(counts) + 3, 0)
    for i, (color, mark, label, value) in enumerate(rows):
        y = i + 0.5
        if color == "head":
            axes.text(1.0, y, label, fontsize=9.5, fontweight="bold", color=INK, va="center", family=FONT)
            continue
        hollow = mark == "ring"
        axes.plot(1.6, y, "o" if hollow else mark, markersize=7.5, markerfacecolor=PAPER if hollow else color,
                  markeredgewidth=2.2 if hollow else 0.4, markeredgecolor=color if hollow else FAINT)  # fmt: skip
        axes.text(3.4, y, label, fontsize=9, color=INK, va="center", family=FONT)
        share, _, number = value.partition("|")
        axes.text(38.2, y, number, fontsize=9, color=INK, va="center", ha="right", family=FONT)
        axes.text(43.8, y, share, fontsize=9, color=MUTED, va="center", ha="right", family=FONT)


def _panel(box: Any, left: float, top: float, name: str, values: np.ndarray, frame: Mapping[str, Any]) -> None:
    """Draw one field with its range and the outline of the tumor's nests."""
    from matplotlib.colors import LinearSegmentedColormap

    ramp = (PAPER, "#eec4b4", CRIMSON, "#3d0a1b") if name == "oxygen" else (PAPER, "#bcd0e4", NAVY, "#0a1f33")
    colors = LinearSegmentedColormap.from_list(name, ramp)
    kind = np.asarray(frame["kind"])
    picture = values if values.ndim == 2 else values[values.shape[0] // 2]
    top_value = float(np.quantile(picture, 0.995))
    side = 1.36
    rows, columns = kind.shape[-2:]
    high, wide = (side * n / max(rows, columns) for n in (rows, columns))
    axes = box(left, top + 0.2, wide, high)
    axes.imshow(
        picture, cmap=colors, vmin=0.0, vmax=max(top_value, 1e-9), extent=(0, columns, rows, 0), interpolation="nearest"
    )
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(RULE)
    nests = _nests(kind if kind.ndim == 2 else kind[kind.shape[0] // 2])
    if nests.min() < 0.5 < nests.max():
        axes.contour(
            np.arange(columns) + 0.5, np.arange(rows) + 0.5, nests, levels=[0.5], colors=INK, linewidths=0.6, alpha=0.7
        )
    axes.set_title(PANELS.get(name, name.replace("_", " ")), fontsize=6.9, color=INK, pad=3, loc="left", family=FONT)
    bar = box(left, top + 0.2 + high + 0.06, wide, 0.07)
    bar.imshow(np.linspace(0, 1, 64)[None], cmap=colors, aspect="auto", extent=(0, 1, 0, 1))
    bar.set_yticks([])
    bar.set_xticks([0, 1], ["0", f"{top_value:.2g}" if top_value < 100 else f"{top_value:.0f}"])
    bar.tick_params(length=0, labelsize=6.5, labelcolor=MUTED, pad=1.5)
    for label, side_word in zip(bar.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side_word)
        label.set_family(FONT)
    for spine in bar.spines.values():
        spine.set_color(RULE)


def _nests(kind: np.ndarray) -> np.ndarray:
    """Return the share of cancer cells around each site, whose half level outlines the nests."""
    from scipy import ndimage

    malignant = np.isin(kind, [KINDS.index(k) for k in ("cancer", "persister", "infected")])
    return ndimage.gaussian_filter(malignant.astype(float), 2.5, mode="nearest")


CURVES = (
    ("infiltration", "Infiltration of the nests", "share"),
    ("infiltration_depth_um", "Infiltration depth, µm", "um"),
    ("mixing_score", "Mixing score", "score"),
    ("hypoxic_fraction", "Hypoxic fraction", "share"),
    ("clone_diversity", "Clone diversity", "score"),
)
"""Columns of a summary that get a curve of their own where the table has them, with title and scale."""


def curves(summary: pd.DataFrame, path: Path | str) -> Path:
    """Write the course of a tissue as a PNG: cells of each group (logarithmic), then whatever of `CURVES` there is.

    Args:
        summary: column ``day``; counts in columns named as `tumornexus.cellkinds.KINDS`; optionally columns of
            `CURVES`, and ``regimen``, which gives each regimen a panel of counts and a line in the other panels.
        path: file to write.

    Raises:
        InputError: no column ``day``, no counts, or no rows.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kinds = [k for k in KINDS[1:] if k in summary]
    for missing, field in ((not len(summary), "rows"), ("day" not in summary, "day"), (not kinds, "counts")):
        if missing:
            raise InputError("the summary cannot be drawn", field=field, value=list(summary.columns),
                             valid="rows with 'day' and counts of cells such as 'cancer'")  # fmt: skip
    runs = list(summary.groupby("regimen", sort=False)) if "regimen" in summary else [("", summary)]
    further = [
        (c, title, scale) for c, title, scale in CURVES if c in summary and not bool(np.all(pd.isna(summary[c])))
    ]
    below = -(-len(further) // 3)  # rows of three
    width = max(9.6, 3.0 * len(runs) + 2.6)
    figure = Figure(figsize=(width, 3.4 + 2.5 * below), dpi=160, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    halves: Any = figure.subfigures(2, 1, height_ratios=(3.4, 2.5 * below)) if below else [figure]
    top = halves[0].subplots(1, len(runs), sharey=True, squeeze=False)[0]
    groups = [g for g in GROUPS if any(bool(np.any(summary[k] > 0)) for k in g.kinds if k in summary)]
    for axes, (regimen, table) in zip(top, runs, strict=True):
        for group in groups:
            number = table[[k for k in group.kinds if k in table]].sum(axis=1)
            axes.plot(table["day"], number.where(number > 0), color=group.color, linewidth=2.0, label=group.label)
        axes.set_yscale("log")
        _plain(axes, str(regimen) or "Cells")
    top[0].set_ylabel("cells", fontsize=8, color=MUTED, family=FONT)
    lines = [next(line for line in top[0].lines if line.get_label() == g.label) for g in groups]
    top[-1].legend(lines, [g.label for g in groups], loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False,
                   prop={"family": FONT, "size": 7.5}, labelcolor=INK)  # fmt: skip
    if below:
        panels = halves[1].subplots(below, min(3, len(further)), squeeze=False).ravel()
        for unused in panels[len(further) :]:
            unused.set_axis_off()
        for axes, (column, title, scale) in zip(panels, further, strict=False):
            for (regimen, table), (color, dash) in zip(runs, _strokes(len(runs)), strict=True):
                axes.plot(table["day"], table[column], color=color, linestyle=dash, linewidth=2.0, label=str(regimen))
            axes.set_ylim(bottom=min(0.0, float(summary[column].min())))
            axes.locator_params(axis="y", nbins=5)
            if scale == "share":
                axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
            _plain(axes, title)
        if len(runs) > 1:
            handles = panels[0].get_legend_handles_labels()
            halves[1].legend(*handles, loc="outside lower left", ncols=2, frameon=False,
                             prop={"family": FONT, "size": 8}, labelcolor=INK)  # fmt: skip
    with whole(Path(path)) as partial:
        figure.savefig(partial, format="png", metadata={"Software": None})
    return Path(path)


def _strokes(n: int) -> list[tuple[str, str]]:
    """Return color and dash of the lines of `n` regimens; both differ, so that they differ in gray too."""
    colors, dashes = (NAVY, "#c75000", "#00856a", "#7a36a0"), ("-", "--", "-.", ":")
    return [(colors[i % 4], dashes[(i + i // 4) % 4]) for i in range(n)]


def _plain(axes: Any, title: str) -> None:
    """Give axes the report's plain look: a title at the left, no box, faint grid, days below."""
    axes.set_title(title, fontsize=9, color=INK, loc="left", family=FONT)
    axes.set_xlabel("day", fontsize=8, color=MUTED, family=FONT)
    axes.grid(color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7.5, colors=MUTED, labelfontfamily=FONT)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(RULE)
