"""Show what averages cannot: phenotypes of tissue that emerge from settings of mechanisms, at the scale of cells.

    python verification/tissue_phenotypes.py [--out FOLDER] [--only NUMBER ...]

Six experiments (`EXPERIMENTS`). Each measures numbers against bounds and draws a figure. What was changed after
results had been seen is told in docs/tissue.md. Writes one PNG and one JSON an experiment and
``tissue_phenotypes.tsv`` with all of them. A missed bound is reported, not an error. About 30 minutes on two cores
that others use too.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pandas as pd

from tumornexus.activities import named_generator
from tumornexus.cellkinds import KINDS
from tumornexus.knowledge import load_knowledge, parse_regimen
from tumornexus.provenance import manifest, plain
from tumornexus.report.tissue_raster import plane_of, smooth_rgb
from tumornexus.spatial import border_distance, classify, nest_share, site_centers
from tumornexus.systemic import prepare
from tumornexus.systemic.state import CLONES
from tumornexus.systemic.treatment import no_treatment
from tumornexus.systemic.twin import Facts
from tumornexus.tissue.lattice import KIND, Geometry, to_blocks
from tumornexus.tissue.patient import PHENOTYPES, VirtualPatient, virtual_patient
from tumornexus.tissue.simulate import Simulation, frame, prepare_tissue
from tumornexus.tissue.situation import situation
from tumornexus.tissue.start import assemble, composition, lay_out, scalars
from tumornexus.tissue.state import Tissue

mpl.use("Agg")
import matplotlib.pyplot as plt

G = Geometry((128, 128), 15.7)  # 2 mm x 2 mm
DAY = 24  # steps of an hour
TUMOR = ("cancer", "persister", "infected")
CD8 = ("cd8_progenitor", "cd8_effector", "cd8_terminal")
NAMES = ("inflamed", "excluded", "desert")
COLOR = {"inflamed": "#b3173a", "excluded": "#1f4e79", "desert": "#8a7a5c"}
CAUSES = ("tgf_beta", "caf", "cxcl12")  # of exclusion
K = load_knowledge()


@dataclass(frozen=True)
class Finding:
    """One number against its bound."""

    experiment: int
    what: str
    value: float
    bound: str  # ">= 0.9" or "< 0.2"

    @property
    def shown(self) -> bool:
        sign, number = self.bound.split()
        return self.value >= float(number) if sign == ">=" else self.value < float(number)


@functools.lru_cache(maxsize=64)
def patient(tumor: str, phenotype: str, seed: int = 1, reverse: tuple[str, ...] = (), **more: float) -> VirtualPatient:
    """Return a patient with the mechanisms of the phenotype and `more`, and with no other."""
    facts = Facts(braf_v600=True) if more.pop("braf", 0.0) else None
    causes = [m for m, record in K.mechanisms.items() if record.kind == "cause"]
    levels = {m: 0.0 for m in causes if m not in PHENOTYPES[phenotype]} | more
    return virtual_patient(tumor, K, phenotype=phenotype, seed=seed, reversed_=reverse, mechanisms=levels, facts=facts)


def start(v: VirtualPatient, seed: int) -> tuple[Tissue, float]:
    """Return the patient's cells in the neutral layout: nests, and every other cell at a random place outside."""
    generator = named_generator(seed, "tissue phenotypes", "layout")
    bare = scalars(v.values, v.names)
    kind = lay_out(G, composition(v.state), float(bare.packing), 0.0, generator)
    return assemble(kind, None, v.state, bare, G, generator)


def simulation(v: VirtualPatient, days: int, seed: int, regimen: str = "", begin: Any = None) -> Simulation:
    treatment = prepare(parse_regimen(regimen, K), K, days + 1) if regimen else no_treatment()
    return prepare_tissue(v, treatment, G, seed=seed, start=begin or start(v, seed))


def weekly(sim: Simulation, days: int, read: Callable[[Simulation, Tissue], dict[str, float]]) -> Any:
    """Return a table of weekly measurements, with kills and births a day, and the last tissue."""
    rows, tissue = [{"day": 0.0, **read(sim, sim.start)}], sim.start
    first = int(sim.start.step)
    for tissue, tally in sim.run(first + days * DAY, 7 * DAY):
        n = len(tally.births) / DAY
        happened = {"kills": float(tally.killed.sum()) / n, "births": float(tally.births.sum()) / n}
        rows.append({"day": (int(tissue.step) - first) / DAY, **happened, **read(sim, tissue)})
    return pd.DataFrame(rows), tissue


def among(kind: np.ndarray, names: Iterable[str]) -> np.ndarray:
    return np.isin(kind, [KIND[n] for n in names])


def space(sim: Simulation, tissue: Tissue) -> dict[str, Any]:
    """Return where CD8 T cells are, and the phenotype that a slide reader's rule gives."""
    kind = np.asarray(tissue.sites.kind)
    xy, kinds = site_centers(kind != 0, G.site_um), kind[kind != 0]
    size = np.array(kind.shape[::-1]) * G.site_um
    border = border_distance(xy, among(kinds, TUMOR), frame=(np.zeros(2), size))
    found = classify(xy, among(kinds, TUMOR), among(kinds, CD8), border=border)
    share = nest_share(border, among(kinds, CD8))
    return {
        "phenotype": found.name, "cd8_nest": found.nest_per_mm2, "cd8_margin": found.margin_per_mm2,
        "cd8_tissue": found.tissue_per_mm2, "ratio": share.ratio, "cancer": int(among(kind, TUMOR).sum()),
        "occupied": float((kind != 0).mean()),
    }  # fmt: skip


def supply(sim: Simulation, tissue: Tissue) -> dict[str, float]:
    """Return what vessels bring, as means over cancer cells, and entry of CD8 T cells."""
    sites = jax.tree.map(lambda x: to_blocks(x, G.coarse), tissue.sites)
    now = situation(tissue, sites, sim.fixed, sim.setting)
    w = now.census.counts["cancer"]

    def mean(x: jax.Array) -> float:
        return float(jnp.sum(jnp.broadcast_to(x, w.shape) * w) / jnp.maximum(jnp.sum(w), 1.0))

    return {
        "perfusion": mean(now.local.perfusion), "oxygen": mean(now.local.oxygen), "pressure": mean(now.local.pressure),
        "entry": float(jnp.mean(now.flow.cd8_entry)), "vessels": float(np.asarray(tissue.sites.vessel).mean()),
        "vegf": mean(now.local.vegf), **space(sim, tissue),
    }  # fmt: skip


def picture(axes: Any, sim: Simulation, tissue: Tissue, title: str) -> None:
    axes.imshow(smooth_rgb(plane_of(frame(tissue, sim)), 3), interpolation="antialiased")
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_axis_off()


# --------------------------------------------------------------------------------------------------------- experiments

# Parameters were set while looking at seeds 1 and 2 of both tumor types; none of these was seen before.
FRESH = [(tumor, seed) for seed in (3, 4, 5, 6) for tumor in ("melanoma", "nsclc")]
PICTURED = ("nsclc", 4)
EMERGE_DAYS = 28


@functools.cache
def emerged(tumor: str, phenotype: str, seed: int) -> tuple[Simulation, Any, Tissue]:
    """Return a tissue four weeks after the neutral layout, and its course."""
    v = patient(tumor, phenotype, seed)
    sim = simulation(v, EMERGE_DAYS, seed)
    table, tissue = weekly(sim, EMERGE_DAYS, space)
    return sim, table, tissue


def phenotypes(out: Path) -> tuple[list[Finding], Any]:
    """Inflamed, excluded and desert from one layout: nests, and every immune cell outside of them."""
    confusion = pd.DataFrame(0, index=NAMES, columns=[*NAMES, "undefined"])
    tables = []
    figure, axes = plt.subplots(2, 3, figsize=(9, 6.4), height_ratios=(2, 1), layout="constrained")
    for tumor, seed in FRESH:
        for column, name in enumerate(NAMES):
            sim, table, tissue = emerged(tumor, name, seed)
            last = table.iloc[-1]
            confusion.loc[name, last["phenotype"]] += 1
            tables.append(table.assign(tumor=tumor, seed=seed, setting=name))
            if (tumor, seed) == PICTURED:
                picture(axes[0, column], sim, tissue, f"set: {name}; read: {last['phenotype']}")
    every = pd.concat(tables)
    for axis, (field, label) in zip(
        axes[1],
        [("cd8_tissue", "CD8 per mm² of tissue"), ("cd8_nest", "CD8 per mm² of nest"), ("ratio", "nest over stroma")],
        strict=True,
    ):
        for key, part in every.groupby(["setting", "tumor", "seed"]):
            name = next(iter(key))  # type: ignore[arg-type]
            axis.plot(part["day"], part[field], color=COLOR[str(name)], lw=1)
        axis.set(xlabel="day", title=label)
    for name in NAMES:
        axes[1, 2].plot([], [], color=COLOR[name], label=name)
    axes[1, 2].legend(fontsize=7)
    figure.savefig(out / "tissue_phenotypes_1.png", dpi=90)
    last = every[every["day"] == EMERGE_DAYS].set_index("setting")
    findings = [
        Finding(1, f"{name}: share read as {name}", confusion.loc[name, name] / len(FRESH), ">= 0.75") for name in NAMES
    ]
    middle = last.groupby("setting")["ratio"].median()
    findings.append(
        Finding(
            1, "CD8 nest over stroma (median), inflamed over excluded", middle["inflamed"] / middle["excluded"], ">= 2"
        )
    )
    number = last.groupby("setting")["cd8_tissue"].median()
    findings.append(
        Finding(
            1, "CD8 per mm² of tissue (median), desert over inflamed", number["desert"] / number["inflamed"], "< 0.33"
        )
    )
    kept = every[every["day"] == EMERGE_DAYS]["cancer"].mean() / every[every["day"] == 0]["cancer"].mean()
    findings.append(Finding(1, "cancer cells kept over four weeks without treatment (mean)", float(kept), ">= 0.8"))
    return findings, {"confusion": confusion.to_dict(), "last": last.reset_index().to_dict("records")}


def reversal(out: Path) -> tuple[list[Finding], Any]:
    """The excluded tissue after its causes are switched off."""
    rows = []
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
    for seed in (3, 4):
        for word, mechanisms in (("as it is", ()), ("causes reversed", CAUSES)):
            begun, _, tissue = emerged("melanoma", "excluded", seed)
            v = patient("melanoma", "excluded", seed, mechanisms)
            begin = (tissue, float(begun.fixed.million_per_site))
            sim = simulation(v, 56, seed, begin=begin)
            table, after = weekly(sim, 28, space)
            rows.append(table.assign(arm=word, seed=seed))
            if seed == 3:
                picture(axes[int(bool(mechanisms))], sim, after, f"{word}, 4 weeks on")
    every = pd.concat(rows)
    for key, part in every.groupby(["arm", "seed"]):
        arm = next(iter(key))  # type: ignore[arg-type]
        color = COLOR["inflamed" if "reversed" in str(arm) else "excluded"]
        axes[2].plot(part["day"], part["ratio"], color=color, label=arm)
    axes[2].set(xlabel="day", title="CD8 nest over stroma")
    handles, labels = axes[2].get_legend_handles_labels()
    axes[2].legend(dict(zip(labels, handles, strict=True)).values(), dict.fromkeys(labels), fontsize=7)
    figure.savefig(out / "tissue_phenotypes_2.png", dpi=75)
    last = every[every["day"] == 28].groupby("arm")["ratio"].mean()
    nest = every[every["day"] == 28].groupby("arm")["cd8_nest"].mean()
    return [
        Finding(2, "CD8 nest over stroma, reversed over not", last["causes reversed"] / last["as it is"], ">= 1.5"),
        Finding(2, "CD8 per mm² of nest, reversed over not", nest["causes reversed"] / nest["as it is"], ">= 1.5"),
    ], every.to_dict("records")


def normalization(out: Path) -> tuple[list[Finding], Any]:
    """Anti-VEGF by dose: perfusion, oxygen and entry of T cells rise, then vessels are lost."""
    v = patient("nsclc", "inflamed", 1, abnormal_vasculature=0.8, hypoxia=0.5)
    doses = {"untreated": "", "2.5 mg/kg q3w": "bevacizumab 2.5 mg/kg q3w", "15 mg/kg q3w": "bevacizumab 15 mg/kg q3w"}
    tables = {word: weekly(simulation(v, 42, 1, regimen), 42, supply)[0] for word, regimen in doses.items()}
    figure, axes = plt.subplots(1, 4, figsize=(10, 2.8), layout="constrained")
    labels = {"perfusion": "perfusion", "oxygen": "oxygen, mmHg", "entry": "entry of CD8 per day",
              "vessels": "vessels per site"}  # fmt: skip
    for axis, (field, label) in zip(axes, labels.items(), strict=True):
        for (word, table), color in zip(tables.items(), ("#777777", "#d98c21", "#b3173a"), strict=True):
            axis.plot(table["day"], table[field], color=color, label=word)
        axis.set(xlabel="day", title=label, ylim=(0, None))
    axes[0].legend(fontsize=7)
    figure.savefig(out / "tissue_phenotypes_3.png", dpi=75)
    none, high = tables["untreated"], tables["15 mg/kg q3w"]
    low = tables["2.5 mg/kg q3w"]
    ratio = {f: (high[f] / none[f]).to_numpy() for f in labels}
    back = float(ratio["perfusion"][-1] / ratio["perfusion"].max())
    by_dose = float(high["vessels"].iloc[-1] / low["vessels"].iloc[-1])
    return [
        *[
            Finding(3, f"{field}: most within three weeks, usual dose over untreated", float(ratio[field][1:4].max()),
                    ">= 1.05")
            for field in ("perfusion", "oxygen", "entry")
        ],
        Finding(3, "vessels at six weeks, usual dose over untreated", float(ratio["vessels"][-1]), "< 0.9"),
        Finding(3, "perfusion at six weeks over its peak, usual dose over untreated", back, "< 0.95"),
        Finding(3, "vessels at six weeks, usual over low dose", by_dose, "< 1.0"),
    ], {w: t.to_dict("records") for w, t in tables.items()}  # fmt: skip


def seeded(begin: tuple[Tissue, float], clone: str, share: float, seed: int) -> tuple[Tissue, float]:
    """Return a tissue in which a share of the cancer cells, at random, is of another clone."""
    tissue, million = begin
    kind = np.asarray(tissue.sites.kind)
    chosen = among(kind, TUMOR) & (np.random.default_rng(seed).random(kind.shape) < share)
    clones = np.where(among(kind, TUMOR), np.where(chosen, CLONES.index(clone), 0), 0).astype(np.uint8)
    sites = eqx.tree_at(lambda s: s.clone, tissue.sites, jnp.asarray(clones))
    return Tissue(sites, tissue.ground, tissue.signals, tissue.host, tissue.step), million


def share_of(clone: str) -> Callable[[Simulation, Tissue], dict[str, float]]:
    def read(sim: Simulation, tissue: Tissue) -> dict[str, float]:
        tumor = among(np.asarray(tissue.sites.kind), TUMOR)
        mutant = float((np.asarray(tissue.sites.clone)[tumor] == CLONES.index(clone)).mean())
        return {"share": mutant, **space(sim, tissue)}

    return read


def without(v: VirtualPatient, *parameters: str) -> VirtualPatient:
    """Return a patient with some parameters set to 0."""
    values = v.values.copy()
    values[[v.names.index(p) for p in parameters]] = 0.0
    return VirtualPatient(v.tumor, v.names, values, v.state, v.activities, v.notes)


def clones(out: Path) -> tuple[list[Finding], Any]:
    """Mutants without B2M under T cells, without the CAR target under CAR-T cells, each beside a control."""
    figure, axes = plt.subplots(1, 2, figsize=(7, 3), layout="constrained", sharey=False)
    v = patient("melanoma", "inflamed", 1)
    drug, cells = "pembrolizumab 200 mg q3w", "car_t 1e8 cells once"
    arms = {
        "b2m_loss": {"T cells kill": (v, drug), "T cells do not kill": (without(v, "cd8_kill_rate"), drug)},
        "car_antigen_loss": {"CAR-T cells": (v, cells), "none": (v, "")},
    }  # fmt: skip
    findings, data = [], {}
    for axis, (clone, two) in zip(axes, arms.items(), strict=True):
        rise = {}
        for (word, (who, regimen)), color in zip(two.items(), ("#b3173a", "#777777"), strict=True):
            begin = seeded(start(who, 1), clone, 0.05, 7)
            table, _ = weekly(simulation(who, 42, 1, regimen, begin), 42, share_of(clone))
            axis.plot(table["day"], 100 * table["share"], color=color, label=word)
            odds = table["share"] / (1.0 - table["share"])
            rise[word] = float(odds.iloc[-1] / odds.iloc[0])
            data[f"{clone} {word}"] = table.to_dict("records")
        axis.set(xlabel="day", title=clone, ylabel="% of cancer cells", ylim=(0, None))
        axis.legend(fontsize=7)
        pressed, free = rise.values()
        findings += [
            Finding(4, f"{clone}: odds at day 42 over day 0 under pressure", pressed, ">= 1.5"),
            Finding(4, f"{clone}: odds at day 42 over day 0 without", free, "< 1.25"),
        ]
    figure.savefig(out / "tissue_phenotypes_4.png", dpi=75)
    return findings, data


def persisters(out: Path) -> tuple[list[Finding], Any]:
    """Where persisters are under BRAF and MEK inhibition, relative to cycling cells."""
    v = patient("melanoma", "excluded", 1, braf=1.0, hypoxia=0.6)
    sim = simulation(v, 28, 1, "dabrafenib 150 mg bid + trametinib 2 mg qd")
    table, tissue = weekly(sim, 28, space)
    sites = jax.tree.map(lambda x: to_blocks(x, G.coarse), tissue.sites)
    now = situation(tissue, sites, sim.fixed, sim.setting)
    count = {n: np.asarray(now.census.counts[n]) for n in ("cancer", "persister")}
    local = {"hypoxia": np.asarray(now.local.hypoxia), "cytokine CAF": np.asarray(now.local.caf_cytokine),
             "oxygen": np.asarray(now.local.oxygen)}  # fmt: skip
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
    picture(axes[0], sim, tissue, "day 28; brown: persisters")
    tumor = count["cancer"] + count["persister"]
    share, enriched = {}, {}
    for axis, name in zip(axes[1:], ("hypoxia", "cytokine CAF"), strict=True):
        x = local[name]
        place = np.repeat(x.ravel(), tumor.ravel().astype(int))
        # Quarters of the cells; where many places are equal, as without any fibroblast, they share a quarter.
        edges = np.unique(np.quantile(place, [0, 0.25, 0.5, 0.75, 1.0]))
        which = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
        of = [count["persister"][which == q].sum() / max(tumor[which == q].sum(), 1.0) for q in range(len(edges) - 1)]
        share[name] = np.array(of)
        means = [float((x * count[n]).sum() / max(count[n].sum(), 1.0)) for n in ("persister", "cancer")]
        enriched[name] = means[0] / max(means[1], 1e-9)
        axis.bar(range(len(of)), 100 * share[name], color="#7d4527")
        axis.set(
            xticks=[0, len(of) - 1],
            xticklabels=["lowest", "highest"] if len(of) > 1 else ["all", ""],
            xlabel=f"places by {name}",
        )
        axis.set_title("persisters, % of cancer cells", fontsize=9)
    figure.savefig(out / "tissue_phenotypes_5.png", dpi=75)
    rest = float(tumor.sum() / max(among(np.asarray(sim.start.sites.kind), TUMOR).sum(), 1))
    return [
        *[
            Finding(5, f"{n} at persisters over at cycling cells (means)", ratio, ">= 1.2")
            for n, ratio in enriched.items()
        ],
        Finding(5, "cancer cells left at day 28", rest, "< 0.8"),
    ], {"shares": {n: s.tolist() for n, s in share.items()}, "weeks": table.to_dict("records")}  # fmt: skip


def checkpoint(out: Path) -> tuple[list[Finding], Any]:
    """Pembrolizumab in the three tissues of two patients of each tumor type that emerged in experiment 1."""
    rows = []
    for tumor, seed in FRESH[:4]:
        for name in NAMES:
            begun, _, tissue = emerged(tumor, name, seed)
            # Day 0 of the regimen is the day on which the tissue is taken.
            fresh = Tissue(tissue.sites, tissue.ground, tissue.signals, tissue.host, jnp.zeros_like(tissue.step))
            for arm in ("", "pembrolizumab 200 mg q3w"):
                begin = (fresh, float(begun.fixed.million_per_site))
                sim = simulation(patient(tumor, name, seed), 28, seed, arm, begin)
                table, _ = weekly(sim, 28, space)
                rows.append(table.assign(setting=name, arm=arm or "untreated", tumor=tumor, seed=seed))
    single = pd.concat(rows)
    every = single.groupby(["setting", "arm", "day"], as_index=False)[["kills", "births", "cancer"]].mean()
    figure, axes = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
    gain, change = {}, {}
    for name in NAMES:
        for arm, style in (("untreated", ":"), ("pembrolizumab 200 mg q3w", "-")):
            part = every[(every["setting"] == name) & (every["arm"] == arm)]
            axes[0].plot(part["day"], 1000 * part["kills"] / part["cancer"], style, color=COLOR[name])
            axes[1].plot(part["day"], 100 * part["cancer"] / part["cancer"].iloc[0], style, color=COLOR[name],
                         label=f"{name}, {'PD-1 antibody' if style == '-' else 'untreated'}")  # fmt: skip
        of_name = every[every["setting"] == name]
        two = [of_name[of_name["arm"] == arm] for arm in ("untreated", "pembrolizumab 200 mg q3w")]
        gain[name] = float(two[1]["kills"].iloc[1:].mean() - two[0]["kills"].iloc[1:].mean()) * 28
        change[name] = float(two[1]["cancer"].iloc[-1] / two[0]["cancer"].iloc[-1])
    axes[0].set(xlabel="day", title="kills per 1000 cancer cells and day")
    axes[1].set(xlabel="day", title="cancer cells, % of day 0")
    axes[1].legend(fontsize=6)
    figure.savefig(out / "tissue_phenotypes_6.png", dpi=75)
    best = max(gain["excluded"], gain["desert"], 1.0)
    return [
        Finding(6, "kills added in four weeks, inflamed over the better other", gain["inflamed"] / best, ">= 2"),
        Finding(6, "cancer cells at day 28, treated over untreated: inflamed", change["inflamed"], "< 0.97"),
        Finding(6, "cancer cells at day 28, treated over untreated: excluded", change["excluded"], ">= 0.95"),
        Finding(6, "cancer cells at day 28, treated over untreated: desert", change["desert"], ">= 0.95"),
    ], {"kills_added": gain, "treated_over_untreated": change}  # fmt: skip


EXPERIMENTS: dict[int, Callable[[Path], tuple[list[Finding], Any]]] = {
    1: phenotypes, 2: reversal, 3: normalization, 4: clones, 5: persisters, 6: checkpoint,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    parser.add_argument("--only", type=int, nargs="*", choices=tuple(EXPERIMENTS), default=tuple(EXPERIMENTS))
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for number in chosen.only:
        began = time.time()
        findings, data = EXPERIMENTS[number](chosen.out)
        plt.close("all")
        whence = manifest(["python", "verification/tissue_phenotypes.py"], 1, K.digest)
        record = {
            "experiment": EXPERIMENTS[number].__doc__, "settings": PHENOTYPES, "data": data,
            "findings": [vars(f) | {"shown": bool(f.shown)} for f in findings],
            "seconds": round(time.time() - began), "provenance": whence,
        }  # fmt: skip
        (chosen.out / f"tissue_phenotypes_{number}.json").write_text(json.dumps(plain(record), indent=1) + "\n")
        for f in findings:
            verdict = "shown    " if f.shown else "NOT shown"
            print(f"{number}  {verdict}  {f.what}: {f.value:.3g} (bound {f.bound})", flush=True)
    rows = []
    for number in EXPERIMENTS:
        path = chosen.out / f"tissue_phenotypes_{number}.json"
        if path.exists():
            rows += list(json.loads(path.read_text())["findings"])
    pd.DataFrame(rows).to_csv(chosen.out / "tissue_phenotypes.tsv", sep="\t", index=False, float_format="%.4g")


assert set(TUMOR) | set(CD8) <= set(KINDS)

if __name__ == "__main__":
    main()
