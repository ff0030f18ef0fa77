"""One biology: stirred, the tissue scale is a random and discrete version of the host scale.

    python verification/well_mixed.py [--out FOLDER] [--replicates 32] [--sites 100000] [--days 42] [--dt-hours 2]

Stirred, every cell of the tissue sees the average of the whole and nothing walks. What then remains between the two
scales is chance (whole cells, events drawn one by one) and the time step. Compared are tumor cells, CD8 T cells, Treg,
macrophages, fibroblasts, dying cells, matrix, vessels and circulating CD8 T cells, every week, under the regimens of
`REGIMENS`. Tissue and host start from the same numbers of one patient: one lesion, no metastases and no pauses for
toxicity, which the tissue does not have. The host scale is integrated with order four at a quarter of a day.

1. Agreement: d = (mean over replicates) / (host scale) - 1 of every variable, week and regimen, with a simultaneous
   confidence band: Student's t of the replicates with Bonferroni's correction over all of them together. The criterion,
   set before the first run: every band lies within +-5 %. That the patient is one far from thresholds (`choose`) was
   decided after a first look: where a tumor melts away under treatment, few cells are left and bands are wide. The
   tissue starts as empty as its later growth asks for: in a first run at 60 % of the sites it was full at the end.
2. Size: the width of the band against the number of sites, expected to fall as its square root.
3. Step: the difference at the step, its half and its double; what is left by the step should fall in proportion.
4. Near a threshold of the immune loop (`choose`) chance is multiplied; not part of the criterion.
5. The same patient with walking cells and neighborhoods in place of stirring; not part of the criterion: where the
   scales differ is a result.

Writes ``well_mixed.tsv`` (one row a comparison), ``well_mixed.json`` (summary and provenance), ``well_mixed.png``
(1), ``well_mixed_limits.png`` (2 and 3) and ``well_mixed_beyond.png`` (4 and 5).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import matplotlib as mpl
import numpy as np
import pandas as pd
from scipy.stats import t as student

from tumornexus.activities import named_generator
from tumornexus.biology.vasculature import vessel_share
from tumornexus.knowledge import Knowledge, load_knowledge, parse_regimen
from tumornexus.provenance import manifest
from tumornexus.systemic import prepare
from tumornexus.systemic.ode import FIRST_LESION
from tumornexus.systemic.solver import treat
from tumornexus.systemic.state import LESIONS, LEVELS, RESIDENT, State, patient_mean
from tumornexus.systemic.treatment import Treatment
from tumornexus.tissue.lattice import KIND, Geometry
from tumornexus.tissue.patient import VirtualPatient, virtual_patient
from tumornexus.tissue.simulate import Simulation, prepare_tissue
from tumornexus.tissue.start import assemble, composition, scalars
from tumornexus.tissue.state import Tissue

mpl.use("Agg")
import matplotlib.pyplot as plt

TUMOR, PHENOTYPE = "nsclc", "inflamed"  # the typical inflamed lung tumor
PROBE, CALM, LIVELY, TRIES = "cd8_entry", 1.0, 3.0, 24  # see `choose`
LEVEL = 0.95  # of the simultaneous band
WITHIN = 0.05  # what the band has to lie within
SITE_UM = 15.7
FULLEST = 0.85  # share of sites that hold cells when there are most of them: nobody is refused for want of room
WEEK = 7
SEED = 148

# All drugs are prepared together and those that a regimen lacks are given no dose, so that one program runs all.
DRUGS = (
    "nivolumab 240 mg q2w", "ipilimumab 1 mg/kg q3w", "carboplatin AUC5 q3w", "pemetrexed 500 mg/m2 q3w",
    "bevacizumab 15 mg/kg q3w", "car_t 1e8 cells once",
)  # fmt: skip
REGIMENS: dict[str, tuple[str, ...]] = {
    "untreated": (),
    "nivolumab": ("nivolumab",),
    "nivolumab + ipilimumab": ("nivolumab", "ipilimumab"),
    "carboplatin + pemetrexed": ("carboplatin", "pemetrexed"),
    "bevacizumab": ("bevacizumab",),
    "CAR-T cells": ("car_t",),
}
# Sums of kinds of cells, Mcell.
CELLS: dict[str, tuple[str, ...]] = {
    "tumor cells": ("cancer", "persister", "infected"),
    "CD8 T cells": ("cd8_progenitor", "cd8_effector", "cd8_terminal"),
    "Treg": ("treg",),
    "macrophages": ("tam_m1", "tam_m2"),
    "fibroblasts": ("caf_matrix", "caf_cytokine"),
    "dying cells": ("dead_antigen",),
}
LEVELS_SEEN = ("matrix", "vessels")
VARIABLES = (*CELLS, *LEVELS_SEEN, "blood CD8")
COLORS = dict(
    zip(VARIABLES, ("#7b5aa6", "#d1382c", "#3b7dd8", "#4a9a5a", "#b98a3c", "#555555", "#8c6d5a", "#c2407f", "#f2a33a"),
        strict=True)
)  # fmt: skip


# ------------------------------------------------------------------------------------------------------- both scales


def merged(state: State) -> State:
    """Return the same patient (member axis first, one member) with all lesions in one: amounts added, levels averaged
    by volume, as the tissue takes them."""
    residents = ("cancer", "persister", *RESIDENT)
    weight = sum(np.asarray(getattr(state, n), float).reshape(1, -1, LESIONS).sum(1) for n in residents)
    weight = weight / weight.sum()
    changed = {}
    for name in State.__dataclass_fields__:
        x = np.asarray(getattr(state, name), float)
        if name in LEVELS:
            x = np.broadcast_to((weight * x).sum(-1, keepdims=True), x.shape)
        elif x.ndim > 1:
            x = x.sum(-1, keepdims=True) * FIRST_LESION
        changed[name] = x
    return State(**changed)


def comparable(patient: VirtualPatient, changes: Mapping[str, float] | None = None) -> VirtualPatient:
    """Return the patient as both scales can hold it: one lesion, no metastases, no pauses after severe events."""
    values = patient.values.copy()
    settings = {"dissemination_rate": 0.0, "toxicity_threshold": 1e9, **(changes or {})}
    for name, value in settings.items():
        values[patient.names.index(name)] = value
    return replace(patient, values=values, state=merged(patient.state))


class Chosen(NamedTuple):
    """A patient by the seed of the draw, and how sensitive the host scale's course is (see `choose`)."""

    patient: VirtualPatient
    seed: int
    sensitivity: float


def choose(knowledge: Knowledge, days: int) -> tuple[Chosen, Chosen]:
    """Return the first patients (by seed) far from and near to a threshold of the immune loop.

    Sensitivity: the largest relative change of any variable, at any week of any regimen, at the host scale, over that
    of `PROBE`, changed by a tenth. Far: at most `CALM`; near: at least `LIVELY`. Near a threshold chance and time step
    are multiplied as any other difference is.
    """
    regimens = list(treatments(knowledge, days).values())
    calm = lively = None
    for seed in range(1, TRIES + 1):
        patient = comparable(virtual_patient(TUMOR, knowledge, phenotype=PHENOTYPE, seed=seed))
        less = 0.9 * float(patient.values[patient.names.index(PROBE)])
        change = np.log(host_scale(comparable(patient, {PROBE: less}), regimens).values)
        change -= np.log(host_scale(patient, regimens).values)
        sensitivity = float(np.abs(change).max() / -np.log(0.9))
        if calm is None and sensitivity <= CALM:
            calm = Chosen(patient, seed, sensitivity)
        if lively is None and sensitivity >= LIVELY:
            lively = Chosen(patient, seed, sensitivity)
        if calm and lively:
            return calm, lively
    raise SystemExit(f"of {TRIES} patients none has a sensitivity to {PROBE} of at most {CALM}, or none of {LIVELY}")


def treatments(knowledge: Knowledge, days: int, names: Sequence[str] = tuple(REGIMENS)) -> dict[str, Treatment]:
    """Return the regimens by name, all with the same drugs in the same slots."""
    whole = prepare(parse_regimen(" + ".join(DRUGS), knowledge), knowledge, days)
    found = {}
    for name in names:
        given = np.zeros(whole.doses.shape[1])
        given[[whole.drugs.index(drug) for drug in REGIMENS[name]]] = 1.0
        found[name] = replace(whole, text=name, doses=whole.doses * given)
    return found


class Course(NamedTuple):
    """The host scale: `values` (regimen, week, variable) at the end of each week; `growth`: the largest number of cells
    of any week and regimen over that at the start."""

    values: np.ndarray
    growth: float


def host_scale(patient: VirtualPatient, regimens: Sequence[Treatment], steps_per_day: int = 4) -> Course:
    """Return the host scale's course."""
    n = len(regimens)
    data = treat(
        np.repeat(patient.values[None], n, 0),
        patient.names,
        jax.tree.map(lambda x: np.repeat(x, n, 0), patient.state),
        regimens,
        np.arange(n),
        steps_per_day=steps_per_day,
        precise=True,
        states=True,
        keep=("tumor_volume",),
    )

    def whole(name: str) -> np.ndarray:
        x = data[f"state_{name}"]
        return x.sum([d for d in x.dims if d not in ("member", "time")]).to_numpy()

    found = [sum(whole(kind) for kind in kinds) for kinds in CELLS.values()]
    found += [data[f"state_{name}"].isel(lesion=0).to_numpy() for name in LEVELS_SEEN]
    cells = np.sum([whole(name) for name in ("cancer", "persister", *RESIDENT)], axis=0)
    return Course(np.stack([*found, whole("blood_cd8")], -1)[:, 1:], float((cells / cells[:, :1]).max()))


def geometry_of(sites: int, stirred: bool = True) -> Geometry:
    """Return a lattice of about so many sites, as square as multiples of four allow."""
    edge = max(4, round(math.sqrt(sites) / 4) * 4)
    return Geometry((edge, max(4, round(sites / edge / 4) * 4)), SITE_UM, stirred=stirred)


def whole_numbers(shares: Mapping[str, float], n: int) -> dict[str, int]:
    """Return `n` cells split by `shares` (largest remainders), so that all replicates start alike."""
    exact = np.array(list(shares.values())) * n / sum(shares.values())
    counts = np.floor(exact).astype(int)
    most = np.argsort(counts - exact, kind="stable")[: n - counts.sum()]
    counts[most] += 1
    return dict(zip(shares, counts.tolist(), strict=True))


def begin(patient: VirtualPatient, geometry: Geometry, growth: float, seed: int) -> tuple[Tissue, float]:
    """Return a stirred tissue with the patient's composition, rounded to whole cells and vessels, with room for
    `growth` times its cells."""
    generator = named_generator(seed, "well mixed", "start")
    counts = whole_numbers(composition(patient.state), round(FULLEST / growth * geometry.n_sites))
    kind = np.zeros(geometry.n_sites, np.uint8)
    kind[: sum(counts.values())] = np.repeat([KIND[name] for name in counts], list(counts.values()))
    bare = scalars(patient.values, patient.names)
    share = float(vessel_share(geometry.site_um, len(geometry.shape), bare))
    vessel = np.zeros(geometry.n_sites)
    vessel[: round(float(patient_mean(patient.state).vessels[0]) * share * geometry.n_sites)] = 1.0
    kind, vessel = (generator.permutation(x).reshape(geometry.shape) for x in (kind, vessel))
    return assemble(kind, vessel, patient.state, bare, geometry, generator)


def measured(tissue: Tissue, simulation: Simulation, share: float) -> np.ndarray:
    """Return the variables of a tissue, (variable,), in the host scale's units."""
    counts = np.bincount(np.asarray(tissue.sites.kind).ravel(), minlength=len(KIND))
    million = float(simulation.fixed.million_per_site)
    found = [million * sum(int(counts[KIND[kind]]) for kind in kinds) for kinds in CELLS.values()]
    vessels = float(np.mean(np.asarray(tissue.sites.vessel))) / share
    blood = float(tissue.host.compartments.blood_cd8)
    return np.array([*found, float(np.mean(np.asarray(tissue.ground.matrix))), vessels, blood])


@dataclass(frozen=True)
class Runs:
    """Courses of replicates: `values` (regimen, replicate, week, variable); `refused`: divisions and arrivals that
    found no room, per cell at the start, the most of any replicate."""

    values: np.ndarray
    refused: float


def tissue_scale(
    patient: VirtualPatient,
    regimens: Sequence[Treatment],
    geometry: Geometry,
    growth: float,
    replicates: int,
    dt_hours: float,
    days: int,
    seed: int = SEED,
    cores: int = 2,
) -> Runs:
    """Return replicates of the tissue under each regimen; replicate i of all regimens starts from the same tissue.

    `growth`: how many times the cells of the start there are at most (see `host_scale`).
    """
    bare = scalars(patient.values, patient.names)
    share = float(vessel_share(geometry.site_um, len(geometry.shape), bare))
    per_week = round(24 * WEEK / dt_hours)
    weeks = days // WEEK

    def one(job: tuple[int, int]) -> tuple[np.ndarray, float]:
        regimen, number = job
        start = begin(patient, geometry, growth, seed + number) if geometry.stirred else None
        own = seed + 1000 * (1 + list(REGIMENS).index(regimens[regimen].text)) + number
        simulation = prepare_tissue(patient, regimens[regimen], geometry, dt_hours=dt_hours, seed=own, start=start)
        course, refused = [], 0.0
        for tissue, tally in simulation.run(weeks * per_week, per_week):
            course.append(measured(tissue, simulation, share))
            refused += float(np.sum(np.asarray(tally.refused)) + np.sum(np.asarray(tally.blocked)))
        return np.stack(course), refused / (FULLEST / growth * geometry.n_sites)

    jobs = [(regimen, number) for regimen in range(len(regimens)) for number in range(replicates)]
    first = one(jobs[0])  # compiles, so that the threads do not compile side by side
    with ThreadPoolExecutor(cores) as pool:
        found = [first, *pool.map(one, jobs[1:])]
    values = np.stack([course for course, _ in found])
    return Runs(values.reshape(len(regimens), replicates, *values.shape[1:]), max(r for _, r in found))


# ---------------------------------------------------------------------------------------------------------- the band


@dataclass(frozen=True)
class Band:
    """Relative difference of the mean of replicates from the host scale, and half the width of its simultaneous band;
    both (regimen, week, variable)."""

    difference: np.ndarray
    half_width: np.ndarray

    @property
    def reach(self) -> np.ndarray:
        """The larger distance of both ends of the band from zero."""
        return np.abs(self.difference) + self.half_width


def band(values: np.ndarray, reference: np.ndarray, level: float = LEVEL, comparisons: int = 0) -> Band:
    """Return the band of `values` (regimen, replicate, week, variable) around `reference` (regimen, week, variable).

    With m comparisons each interval has the level 1 - (1 - level)/m, so that all hold together with `level` however
    they depend on each other (Bonferroni). The host scale has no error of its own. `comparisons`: m, where other runs
    make more than these.
    """
    n, many = values.shape[1], max(comparisons, reference.size)
    relative = values / reference[:, None] - 1.0
    quantile = student.ppf(1.0 - (1.0 - level) / (2.0 * many), n - 1)
    return Band(relative.mean(1), quantile * relative.std(1, ddof=1) / math.sqrt(n))


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the slope of the line through the logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


# -------------------------------------------------------------------------------------------------- tables and figures


def table_of(found: Band, names: Sequence[str], sites: int, dt_hours: float) -> pd.DataFrame:
    """Return one row for each comparison."""
    rows = [
        (name, variable, WEEK * (w + 1), sites, dt_hours, found.difference[i, w, j], found.half_width[i, w, j])
        for i, name in enumerate(names)
        for w in range(found.difference.shape[1])
        for j, variable in enumerate(VARIABLES)
    ]
    return pd.DataFrame(
        rows, columns=["regimen", "variable", "day", "sites", "dt_hours", "difference", "half_width"]
    ).assign(within=lambda t: t.difference.abs() + t.half_width <= WITHIN)


def worst(found: Band, names: Sequence[str]) -> pd.DataFrame:
    """Return for each regimen and variable the largest difference and the farthest reach of its band, per cent."""
    difference, reach = np.abs(found.difference).max(1), found.reach.max(1)
    cells = [
        [f"{100 * d:.1f} ({100 * r:.1f})" for d, r in zip(*row, strict=True)]
        for row in zip(difference, reach, strict=True)
    ]
    return pd.DataFrame(cells, index=list(names), columns=list(VARIABLES))


def draw_agreement(found: Band, names: Sequence[str], title: str, path: Path) -> None:
    """Draw the band of every variable under every regimen."""
    figure, axes = plt.subplots(
        len(names), len(VARIABLES), figsize=(15, 1.75 * len(names) + 0.8), sharex=True, sharey=True
    )
    axes = np.atleast_2d(axes)
    weeks = WEEK * np.arange(1, found.difference.shape[1] + 1)
    highest = 100 * max(1.15 * WITHIN, 1.05 * float(found.reach.max()))
    for i, name in enumerate(names):
        for j, variable in enumerate(VARIABLES):
            axis, d, h = axes[i, j], 100 * found.difference[i, :, j], 100 * found.half_width[i, :, j]
            axis.axhspan(-100 * WITHIN, 100 * WITHIN, color="#f1f1ee", zorder=0)
            axis.axhline(0.0, color="#888888", lw=0.6)
            axis.fill_between(weeks, d - h, d + h, color=COLORS[variable], alpha=0.35, lw=0)
            axis.plot(weeks, d, color=COLORS[variable], lw=1.5, marker="o", ms=2.5)
            axis.set_ylim(-highest, highest)
            axis.spines[["top", "right"]].set_visible(False)
            axis.tick_params(labelsize=7)
            if i == 0:
                axis.set_title(variable, fontsize=9)
            if i == len(names) - 1:
                axis.set_xlabel("day", fontsize=8)
        axes[i, 0].set_ylabel(name.replace(" + ", " +\n"), fontsize=8)
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
    figure.savefig(path, dpi=140)
    plt.close(figure)


@dataclass(frozen=True)
class Limits:
    """What changes with size and step: `sites` with the band at each, `steps` (hours) with the band at each."""

    sites: Mapping[int, Band]
    steps: Mapping[float, Band]

    def noise(self) -> list[float]:
        """Return the root mean square half width at each size."""
        return [float(np.sqrt(np.mean(b.half_width**2))) for b in self.sites.values()]


def draw_limits(limits: Limits, path: Path) -> None:
    """Draw the width of the band against size, and the differences at several steps."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    sizes, noise = list(limits.sites), limits.noise()
    for j, variable in enumerate(VARIABLES):
        each = [100 * np.sqrt(np.mean(b.half_width[..., j] ** 2)) for b in limits.sites.values()]
        left.loglog(sizes, each, color=COLORS[variable], lw=1, marker="o", ms=3, label=variable)
    left.loglog(sizes, 100 * noise[0] * np.sqrt(sizes[0] / np.array(sizes)), color="black", ls=":", label="slope -1/2")
    left.set(xlabel="sites", ylabel="half width of the band, %", title=f"Chance: slope {slope(sizes, noise):.2f}")
    left.legend(fontsize=7, frameon=False)
    middle = np.arange(len(VARIABLES))
    for k, (hours, found) in enumerate(limits.steps.items()):
        mean = 100 * found.difference.mean((0, 1))
        error = 100 * found.half_width.mean((0, 1)) / math.sqrt(found.difference.shape[1])
        right.errorbar(middle + 0.16 * (k - 1), mean, error, fmt="o", ms=4, lw=1, label=f"{hours:g} h")
    right.axhline(0.0, color="#888888", lw=0.6)
    right.set_xticks(middle, VARIABLES, rotation=40, ha="right", fontsize=8)
    right.set(ylabel="difference, mean over weeks, %", title="Time step")
    right.legend(fontsize=8, frameon=False)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=140)
    plt.close(figure)


def draw_beyond(
    edge: tuple[str, np.ndarray, np.ndarray, int], space: tuple[list[str], np.ndarray, np.ndarray], path: Path
) -> None:
    """Draw tumor cells of replicates near the threshold, and the mean with space beside the host scale.

    `edge`: whose they are, courses (replicate, week) and host scale (week,), sites; `space`: regimens, values
    (regimen, replicate, week, variable) and host scale (regimen, week, variable).
    """
    whose, courses, reference, sites = edge
    names, values, host = space
    figure, axes = plt.subplots(1, 1 + len(names), figsize=(4.4 * (1 + len(names)), 3.8))
    weeks = WEEK * np.arange(1, len(reference) + 1)
    axes[0].semilogy(weeks, np.where(courses > 0.0, courses, np.nan).T, color=COLORS["tumor cells"], lw=0.7, alpha=0.6)
    axes[0].semilogy(weeks, reference, color="black", lw=1.6, label="host scale")
    axes[0].set(xlabel="day", ylabel="tumor cells, million", title=f"Near a threshold: {whose}, {sites} sites")
    axes[0].title.set_fontsize(9)
    axes[0].legend(fontsize=8, frameon=False)
    days = WEEK * np.arange(1, host.shape[1] + 1)
    for i, (axis, name) in enumerate(zip(axes[1:], names, strict=True)):
        for j, variable in enumerate(VARIABLES):
            ratio = values[i, ..., j].mean(0) / host[i, :, j]
            axis.semilogy(days, ratio, color=COLORS[variable], lw=1.5, label=variable)
        axis.axhline(1.0, color="#888888", lw=0.6)
        axis.set(xlabel="day", ylabel="with space / host scale", title=f"{name}: cells walk, see their neighborhood")
        axis.title.set_fontsize(9)
    axes[-1].legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=140)
    plt.close(figure)


# ---------------------------------------------------------------------------------------------------------- the script


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all parts, write tables and figures, and return 0 if the criterion is met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    parser.add_argument("--replicates", type=int, default=32)
    parser.add_argument("--sites", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=42, help="whole weeks")
    parser.add_argument("--dt-hours", type=float, default=2.0, help="step; half and double are run as well")
    parser.add_argument("--regimens", nargs="*", default=list(REGIMENS), choices=list(REGIMENS))
    parser.add_argument(
        "--comparisons", type=int, default=0, help="that the band holds for, if more than are made here"
    )
    parser.add_argument("--only-agreement", action="store_true", help="part 1 alone")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    knowledge = load_knowledge()
    calm, lively = choose(knowledge, options.days)
    patient = calm.patient
    names, hours, n = options.regimens, options.dt_hours, options.replicates
    regimens = treatments(knowledge, options.days, names)
    reference, growth = host_scale(patient, list(regimens.values()))

    geometry = geometry_of(options.sites)
    runs = tissue_scale(patient, list(regimens.values()), geometry, growth, n, hours, options.days, options.seed)
    found = band(runs.values, reference, comparisons=options.comparisons)
    table = table_of(found, names, geometry.n_sites, hours)
    met = bool(table.within.all())
    title = (
        f"Stirred tissue over host scale - 1, per cent: {n} replicates of {geometry.n_sites} sites, step {hours:g} h; "
        f"{100 * LEVEL:g} % band over all panels and weeks; gray: +-{100 * WITHIN:g} %"
    )
    draw_agreement(found, names, title, options.out / "well_mixed.png")
    summary: dict[str, Any] = {
        "patient": {
            "tumor": TUMOR,
            "phenotype": PHENOTYPE,
            "seed": calm.seed,
            "mechanisms": dict(patient.activities),
            "sensitivity": calm.sensitivity,
        },
        "sites": geometry.n_sites,
        "cells_at_start": round(FULLEST / growth * geometry.n_sites),
        "replicates": n,
        "days": options.days,
        "dt_hours": hours,
        "band": f"Student's t, Bonferroni over {max(reference.size, options.comparisons)} comparisons, level {LEVEL}",
        "within": WITHIN,
        "met": met,
        "farthest": float(found.reach.max()),
        "refused_per_cell": runs.refused,
    }
    print(worst(found, names).to_string())
    print(f"largest |difference| (largest reach of the band), %; criterion {'met' if met else 'NOT met'}")

    if not options.only_agreement:
        mixed = names[min(2, len(names) - 1)]
        one = [regimens[mixed]]
        at = [names.index(mixed)]
        # Widths are comparable for equal numbers of replicates and comparisons.
        sizes = {s: geometry_of(s) for s in (options.sites // 10, round(options.sites / math.sqrt(10)))}
        by_size = {
            g.n_sites: band(
                tissue_scale(patient, one, g, growth, n, hours, options.days, options.seed).values, reference[at]
            )
            for g in sizes.values()
        }
        by_size[geometry.n_sites] = band(runs.values[at], reference[at])
        small = next(iter(sizes.values()))
        by_step = {
            h: band(tissue_scale(patient, one, small, growth, n, h, options.days, options.seed).values, reference[at])
            for h in (2.0 * hours, 0.5 * hours)
        }
        by_step = {2.0 * hours: by_step[2.0 * hours], hours: by_size[small.n_sites], 0.5 * hours: by_step[0.5 * hours]}
        limits = Limits(by_size, by_step)
        draw_limits(limits, options.out / "well_mixed_limits.png")
        summary["slope_of_width"] = slope(list(by_size), limits.noise())
        summary["difference_by_step"] = {
            f"{h:g} h": dict(zip(VARIABLES, b.difference.mean((0, 1)).tolist(), strict=True))
            for h, b in by_step.items()
        }
        table = pd.concat(
            [table]
            + [table_of(b, [mixed], s, hours) for s, b in by_size.items() if s != geometry.n_sites]
            + [table_of(by_step[h], [mixed], small.n_sites, h) for h in by_step if h != hours]
        )

        many = max(n // 2, 2)
        course, grown = host_scale(lively.patient, one)
        course = course[0, :, 0]
        found_there = tissue_scale(lively.patient, one, small, grown, many, hours, options.days, options.seed)
        courses = found_there.values[0, ..., 0]
        left = courses[:, -1] > 0.0
        spread = np.log(courses[left, -1] / course[-1])
        summary["edge"] = {
            "seed": lively.seed,
            "regimen": mixed,
            "sensitivity": lively.sensitivity,
            "share_cleared": float(1.0 - left.mean()),
            "sd_log_tumor_cells": float(spread.std(ddof=1)) if left.sum() > 1 else None,
            "host_scale_cells_left": float(course[-1]) * 1e6,
        }
        two = [names[0], mixed]
        in_space = tissue_scale(
            patient, [regimens[x] for x in two], geometry_of(options.sites // 10, stirred=False), growth,
            max(n // 8, 2), hours, options.days, options.seed,
        ).values  # fmt: skip
        host = reference[[names.index(x) for x in two]]
        whose = f"patient {lively.seed}, {mixed}"
        draw_beyond(
            (whose, courses, course, small.n_sites), (two, in_space, host), options.out / "well_mixed_beyond.png"
        )
        summary["space_over_host_last_day"] = {
            x: dict(zip(VARIABLES, (in_space[i, :, -1].mean(0) / host[i, -1]).tolist(), strict=True))
            for i, x in enumerate(two)
        }

    table.to_csv(options.out / "well_mixed.tsv", sep="\t", index=False, float_format="%.5g")
    summary["minutes"] = (time.monotonic() - started) / 60.0
    record = manifest(sys.argv, options.seed, knowledge.digest, well_mixed=summary)
    (options.out / "well_mixed.json").write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps({k: v for k, v in summary.items() if not isinstance(v, dict)}, indent=2))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
