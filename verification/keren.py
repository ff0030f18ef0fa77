"""Forty images of triple-negative breast cancer: do statistics in space say what the paper says, also on a lattice?

    python verification/keren.py [--out FOLDER] [--seed 1]

Data: cells and clinical tables of Keren et al. 2018 (doi:10.1016/j.cell.2018.08.039; cell tables by Patwa et al. 2021)
in the folder `keren2018_tnbc_mibi`, below the folder that TUMORNEXUS_DATA names or below ../shared/data. Without them
the script says so and ends.

1. Each image is read, measured (mixing score, neighborhoods, borders, immune phenotype), placed on a lattice and
   measured again by the same function. The mixing score is compared with the architecture that the paper gives
   (compartmentalized, mixed, cold): area under the curve, confusion at the published cut, best cut within 30 um (on a
   lattice contacts of 10 um mean little, because sites are about that large).
2. Each image is carried forward ten days by the tissue simulator (`keren_simulated`) and measured again: do the
   compartmentalized and the mixed tumors keep the order of their mixing scores? Each way is compared with the one
   before it.

Writes ``keren.tsv`` (one row an image and way), ``keren.json`` (summary), ``keren_examples.png`` and
``keren_statistics.png``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from keren_simulated import carried_forward
from scipy.stats import rankdata, spearmanr

from tumornexus.io.datasets import local_folder
from tumornexus.io.slide import Slide, read_slide
from tumornexus.spatial import (
    COMPARTMENTALIZED_BELOW,
    CONTACT_UM,
    Enrichment,
    Mixing,
    Phenotype,
    border_distance,
    classify,
    infiltration_depth,
    mixing_score,
    neighborhood_enrichment,
)
from tumornexus.tissue.from_slide import Placement, place

mpl.use("Agg")
import matplotlib.pyplot as plt

COHORT = "keren2018_tnbc_mibi"
PIXEL_UM, IMAGE_PX = 800 / 2048, 2048  # images of 800 um and 2048 pixels
RADII = (8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 39.0)
LATTICE_RADIUS = 30.0  # contacts on a lattice: two sites or more, so that a radius is not one ring of sites
NEIGHBORS_UM = 30.0
PERMUTATIONS = 200
EXAMPLES = ("p35", "p05", "p17", "p14", "p24")
CLASSES = ("Compartmentalized", "Mixed", "Cold")
COLORS = {"tumor": "#c9b8d8", "CD8": "#d1382c", "other T": "#f2a33a", "B, NK": "#3b7dd8", "myeloid": "#4a9a5a",
          "stroma": "#8c6d46", "vessel": "#111111", "left out": "#d9d9d9"}  # fmt: skip
SHOWN = {
    "Tumor": "tumor", "CD8_T": "CD8", "CD4_T": "other T", "CD3_T": "other T", "Treg": "other T", "B": "B, NK",
    "NK": "B, NK", "Macrophage": "myeloid", "DC_Mono": "myeloid", "DC": "myeloid", "Mono_neutrophil": "myeloid",
    "Neutrophil": "myeloid", "Mesenchyme": "stroma", "Endothelial": "vessel", "Other": "left out",
}  # fmt: skip


class Cells(NamedTuple):
    """Cells in space, wherever they come from: um (cell, 2), type names as in the images (cell,), corners in um."""

    xy: np.ndarray
    type: np.ndarray
    low: np.ndarray
    high: np.ndarray
    about: Mapping[str, float]


class Measured(NamedTuple):
    """What one tissue shows."""

    mixing: Mapping[float, Mixing]
    enrichment: Enrichment
    phenotype: Phenotype
    depth_um: float


Way = Callable[[Slide, np.random.Generator], Cells]


def as_it_is(slide: Slide, rng: np.random.Generator) -> Cells:
    """Return the cells of the slide where they are."""
    return Cells(slide.xy, slide.cell_type, slide.low, slide.high, {})


def modeled(slide: Slide, rng: np.random.Generator) -> Cells:
    """Return the cells of the slide without those of types that the model lacks ("Other")."""
    here = ~slide.kinds(rng=rng).left_out
    return Cells(slide.xy[here], slide.cell_type[here], slide.low, slide.high, {})


def on_a_lattice(slide: Slide, rng: np.random.Generator) -> Cells:
    """Return the cells that the model has at the centers of the sites that they get.

    Vessels count as cells at the site that they make perfused, as they do in the image.
    """
    found = placed(slide, rng)
    here = found.site[:, 0] >= 0
    vessels = slide.cell_type == "Endothelial"
    xy = np.where(here[:, None], (found.site[:, ::-1] + 0.5) * found.site_um, slide.xy)[here | vessels]
    about = {"site_um": found.site_um, "moved_median": found.displacement[0], "moved_most": found.displacement[1],
             "fullest": found.fullest, "cells_per_mm2": found.cells_per_mm2}  # fmt: skip
    edge = np.array(found.kind.shape[::-1]) * found.site_um
    return Cells(xy, slide.cell_type[here | vessels], slide.low, np.maximum(slide.high, edge), about)


def placed(slide: Slide, rng: np.random.Generator) -> Placement:
    """Place a slide on the lattice; the composition of the host scale would decide between states of one name."""
    kinds = slide.kinds(rng=rng)
    return place(slide.x_um, slide.y_um, kinds.kind, kinds.vessel, low=slide.low, high=slide.high)


def measure(cells: Cells, rng: np.random.Generator) -> Measured:
    """Measure one tissue. "Other" counts as immune, which it means in these images."""
    tumor = cells.type == "Tumor"
    immune = ~np.isin(cells.type, ("Tumor", "Mesenchyme", "Endothelial"))
    cd8 = cells.type == "CD8_T"
    border = border_distance(cells.xy, tumor, frame=(cells.low, cells.high))
    return Measured(
        {r: mixing_score(cells.xy, tumor, immune, r) for r in RADII},
        neighborhood_enrichment(cells.xy, cells.type, NEIGHBORS_UM, PERMUTATIONS, rng),
        classify(cells.xy, tumor, cd8, border=border),
        infiltration_depth(border, cd8).median,
    )


def area_under_curve(low: np.ndarray, high: np.ndarray) -> float:
    """Return the chance that a value of `high` exceeds one of `low`, ties counted half."""
    rank = rankdata(np.concatenate([low, high]))[len(low) :]
    return float((rank.sum() - len(high) * (len(high) + 1) / 2) / (len(low) * len(high)))


def compare(slides: Mapping[str, Slide], ways: Mapping[str, Way], seed: int) -> dict[str, dict[str, Measured | Cells]]:
    """Return for each way from slides to cells in space what it shows: way to {sample: measured, sample + ":cells"}."""
    found: dict[str, dict[str, Any]] = {way: {} for way in ways}
    for way, go in ways.items():
        for number, (sample, slide) in enumerate(slides.items()):
            rng = np.random.default_rng([seed, number])
            cells = go(slide, rng)
            found[way][sample] = measure(cells, rng)
            found[way][f"{sample}:cells"] = cells
    return found


def table_of(
    found: Mapping[str, Mapping[str, Any]], architecture: pd.Series, slides: Mapping[str, Slide]
) -> pd.DataFrame:
    """Return one row an image and way."""
    rows = []
    for way, tissues in found.items():
        for sample, slide in slides.items():
            seen, cells = tissues[sample], tissues[f"{sample}:cells"]
            touching, wide = seen.mixing[CONTACT_UM], seen.mixing[LATTICE_RADIUS]
            rows.append({"sample": sample, "way": way, "published": architecture.get(sample, ""),
                         "cells": len(cells.xy),
                         "immune_cells": touching.immune_cells, "mixing_contact": touching.score,
                         "architecture": touching.architecture, "mixing_30um": wide.score,
                         "phenotype": seen.phenotype.name, "cd8_nest_per_mm2": seen.phenotype.nest_per_mm2,
                         "cd8_margin_per_mm2": seen.phenotype.margin_per_mm2,
                         "cd8_share_in_nests": seen.phenotype.inside, "cd8_median_depth_um": seen.depth_um,
                         "left_out": sum(slide.left_out.values()), **cells.about})  # fmt: skip
    return pd.DataFrame(rows)


def enrichment_by(found: Mapping[str, Any], samples: list[str]) -> pd.DataFrame:
    """Return log2 (neighbors / expected) by ordered pair of types, one row an image, half a neighbor added to both."""
    rows = {}
    for sample in samples:
        e = found[sample].enrichment
        ratio = np.log2((e.count + 0.5) / (e.expected + 0.5))
        rows[sample] = {f"{a}>{b}": ratio[i, j] for i, a in enumerate(e.types) for j, b in enumerate(e.types)}
    return pd.DataFrame(rows).T


def summary_of(found: Mapping[str, Mapping[str, Any]], table: pd.DataFrame, samples: list[str]) -> dict[str, Any]:
    """Return what the table says of the published classes, by way, and how ways agree with the first one."""
    wide = table.pivot(index="sample", columns="way", values="mixing_30um").loc[samples]
    result: dict[str, Any] = {"images": len(samples), "ways": {}}
    before: str | None = None
    for way, tissues in found.items():
        rows = table[table["way"] == way].set_index("sample").loc[samples]
        apart, mixed = (list(rows.index[rows["published"] == c]) for c in CLASSES[:2])
        scores = {r: [np.array([tissues[s].mixing[r].score for s in c]) for c in (apart, mixed)] for r in RADII}
        low, high = scores[LATTICE_RADIUS]
        cuts = {float(c): float(np.mean([*(low < c), *(high >= c)])) for c in np.round(np.arange(0.2, 1.0, 0.01), 2)}
        best = max(cuts, key=lambda c: cuts[c])
        entry: dict[str, Any] = {
            "auc_compartmentalized_or_mixed_by_radius_um": {
                f"{r:g}": area_under_curve(*both) for r, both in scores.items() if np.isfinite(np.hstack(both)).all()
            },
            "best_cut_30um": {"cut": best, "accuracy": cuts[best]},
            "phenotype_by_published": counts(rows["published"], rows["phenotype"]),
        }
        if "site_um" not in rows or rows["site_um"].isna().all():
            entry["published_by_found_at_contact"] = counts(rows["published"], rows["architecture"])
        if before is not None:
            here, there = enrichment_by(tissues, samples), enrichment_by(found[before], samples)
            both = [c for c in here.columns if c in there.columns]
            a, b = here[both].to_numpy().ravel(), there[both].to_numpy().ravel()
            good = np.isfinite(a) & np.isfinite(b)
            ratio = (wide[way] / wide[before]).dropna()
            earlier = table[table["way"] == before].set_index("sample").loc[samples]
            entry[f"against {before}"] = {
                "mixing_30um_spearman": float(spearmanr(wide[way], wide[before], nan_policy="omit")[0]),
                "mixing_30um_ratio": {"low": ratio.min(), "median": ratio.median(), "high": ratio.max()},
                "mixing_30um_within_10_percent": float((abs(ratio - 1) <= 0.1).mean()),
                "enrichment_correlation": float(np.corrcoef(a[good], b[good])[0, 1]),
                "same_phenotype": float((rows["phenotype"] == earlier["phenotype"]).mean()),
            }
        result["ways"][way] = entry
        before = way
    return result


def counts(rows: pd.Series, columns: pd.Series) -> dict[str, dict[str, int]]:
    """Return how often each pair occurs, images without a published class left out."""
    named = rows != ""
    return pd.crosstab(rows[named], columns[named]).to_dict("index")  # type: ignore[return-value]


def draw_examples(found: Mapping[str, Mapping[str, Any]], table: pd.DataFrame, out: Path) -> None:
    """Draw example images, one row a way."""
    shown = {way: tissues for way, tissues in found.items() if way != "modeled cells"}
    fig, axes = plt.subplots(
        len(shown), len(EXAMPLES), figsize=(3.3 * len(EXAMPLES), 3.4 * len(shown) + 1.0), squeeze=False
    )
    for i, (way, tissues) in enumerate(shown.items()):
        rows = table[table["way"] == way].set_index("sample")
        for j, sample in enumerate(EXAMPLES):
            ax, cells = axes[i, j], tissues[f"{sample}:cells"]
            group = np.array([SHOWN[t] for t in cells.type])
            # Axes are about 2.9 inches of 72 points wide; a circle gets the room of a cell, a square its site.
            edge = cells.about.get("site_um", 0.75 * 800 / np.sqrt(len(cells.xy)))
            size = (2.9 * 72 * edge / 800) ** 2
            for name, color in COLORS.items():
                at = group == name
                ax.scatter(*cells.xy[at].T, s=size, c=color, lw=0, label=name, marker="s" if i else "o")
            ax.set(xlim=(0, 800), ylim=(800, 0), xticks=[], yticks=[], aspect="equal")
            row = rows.loc[sample]
            paper = "" if i else f"{sample}: {row['published'].lower()} in the paper\n"
            ax.set_title(f"{paper}mixing {row['mixing_30um']:.2f}, CD8 T cells: {row['phenotype']}", fontsize=9)
            if not j:
                ax.set_ylabel(way, fontsize=11)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="lower center", ncol=len(labels), frameon=False, markerscale=2.5, fontsize=9)
    fig.suptitle("Images of 800 µm (Keren et al. 2018). Mixing: tumor-immune over immune-immune contacts within 30 µm",
                 fontsize=11)  # fmt: skip
    fig.subplots_adjust(left=0.03, right=0.99, bottom=0.07, top=0.87, wspace=0.05, hspace=0.1)
    fig.savefig(out, dpi=130)
    plt.close(fig)


def draw_statistics(found: Mapping[str, Mapping[str, Any]], table: pd.DataFrame, samples: list[str], out: Path) -> None:
    """Draw the scores by published class, before against after, and the neighborhoods."""
    ways = list(found)[1:]  # the cells that the model has, the lattice, and what may follow
    fig, axes = plt.subplots(1, 3, figsize=(15, 4.6), gridspec_kw={"width_ratios": [1.1, 1, 1]})
    colors = dict(zip(CLASSES, ("#3b7dd8", "#d1382c", "#777777"), strict=True))
    whole, first = (table[table["way"] == w].set_index("sample").loc[samples] for w in (next(iter(found)), ways[0]))
    draw = np.random.default_rng(0)
    for i, name in enumerate(CLASSES):
        score = whole.loc[whole["published"] == name, "mixing_contact"]
        axes[0].scatter(i + draw.uniform(-0.18, 0.18, len(score)), score, c=colors[name], s=30)
    axes[0].axhline(COMPARTMENTALIZED_BELOW, color="k", lw=0.8, ls="--")
    axes[0].text(2.45, COMPARTMENTALIZED_BELOW * 1.06, "published cut 0.22", ha="right", fontsize=9)
    axes[0].set(yscale="log", xlim=(-0.5, 2.5), xticks=range(3), ylabel="mixing score, contacts within 10 µm")
    axes[0].set_xticklabels([f"{c}\n(n = {(first['published'] == c).sum()})" for c in CLASSES])
    axes[0].set_title("The score orders the images as the paper does", fontsize=11)
    for way, marker, gray in zip(ways[1:], "so^", ("#aaaaaa", "#222222", "#777777"), strict=False):
        later = table[table["way"] == way].set_index("sample").loc[samples]
        for name in CLASSES:
            at = first["published"] == name
            axes[1].scatter(first["mixing_30um"][at], later["mixing_30um"][at], s=30, marker=marker, lw=1.2,
                            edgecolors=colors[name], facecolors="none" if marker == "s" else colors[name],
                            label=f"{name}, {way}")  # fmt: skip
        here, there = enrichment_by(found[way], samples), enrichment_by(found[ways[0]], samples)
        pairs = [c for c in there.columns if c in here.columns and there[c].notna().sum() >= 20]
        axes[2].scatter(there[pairs].median(), here[pairs].median(), s=16, c=gray, marker=marker, label=way)
        once = [p for p in pairs if p.split(">")[0] <= p.split(">")[1]]  # neighbors are mutual
        far = (here[once].median() - there[once].median()).abs().sort_values().index[-3:]
        for pair in far:
            axes[2].annotate(pair.replace(">", " beside "), (there[pair].median(), here[pair].median()), fontsize=7,
                             xytext=(4, -8), textcoords="offset points")  # fmt: skip
    limits = (0.5 * first["mixing_30um"].min(), 2 * first["mixing_30um"].max())
    axes[1].plot(limits, limits, color="k", lw=0.8)
    axes[1].fill_between(limits, np.array(limits) * 0.9, np.array(limits) * 1.1, color="k", alpha=0.1, lw=0)
    axes[1].set(xscale="log", yscale="log", xlim=limits, ylim=limits, xlabel=f"mixing score within 30 µm, {ways[0]}",
                ylabel=", ".join(ways[1:]))  # fmt: skip
    axes[1].legend(frameon=False, fontsize=7)
    axes[2].legend(frameon=False, fontsize=8)
    axes[1].set_title("Mixing after placing and after ten days (band: 10 %)", fontsize=11)
    ends = np.array([axes[2].get_xlim(), axes[2].get_ylim()])
    span = np.array([ends.min(), ends.max()])
    axes[2].plot(span, span, color="k", lw=0.8)
    axes[2].set(xlabel=f"log2 (neighbors / chance) within 30 µm, {ways[0]}", ylabel=", ".join(ways[1:]))
    axes[2].set_title("Neighborhoods: each pair of types, median of images", fontsize=11)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    fig.tight_layout()
    fig.savefig(out, dpi=130)
    plt.close(fig)


def data_folder() -> Path | None:
    """Return the folder with the images, None where it is not at hand."""
    places = (local_folder(), Path(__file__).resolve().parents[2] / "shared" / "data")
    return next((p / COHORT for p in places if p is not None and (p / COHORT / "cells.tsv.gz").is_file()), None)


def read_all(folder: Path) -> tuple[dict[str, Slide], pd.Series]:
    """Return all slides and the published architecture by sample."""
    samples = sorted(pd.read_csv(folder / "cells.tsv.gz", sep="\t", usecols=["sample"])["sample"].unique())
    clinical = pd.read_csv(folder / "clinical.tsv", sep="\t", dtype=str).set_index("sample")
    slides = {
        s: read_slide(folder / "cells.tsv.gz", sample=s, pixel_um=PIXEL_UM, image_size=(IMAGE_PX, IMAGE_PX))
        for s in samples
    }
    return slides, clinical["architecture"]


def after_ten_days(slide: Slide, rng: np.random.Generator) -> Cells:
    """Return the cells of the slide after ten days of simulation without treatment."""
    xy, names, high, about = carried_forward(slide, rng)
    return Cells(xy, names, slide.low, high, about)


WAYS: dict[str, Way] = {
    "slide": as_it_is, "modeled cells": modeled, "lattice": on_a_lattice, "10 days later": after_ten_days,
}  # fmt: skip


def main() -> None:
    """Run the comparison and write tables and figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = data_folder()
    if folder is None:
        print(f"skipped: no {COHORT}/cells.tsv.gz below TUMORNEXUS_DATA or ../shared/data")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    slides, architecture = read_all(folder)
    found = compare(slides, WAYS, options.seed)
    table = table_of(found, architecture, slides)
    summary = summary_of(found, table, list(slides))
    table.round(4).to_csv(options.out / "keren.tsv", sep="\t", index=False)
    (options.out / "keren.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    draw_examples(found, table, options.out / "keren_examples.png")
    draw_statistics(found, table, list(slides), options.out / "keren_statistics.png")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
