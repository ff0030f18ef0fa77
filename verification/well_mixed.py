"""One biology: stirred, the tissue scale is a random and discrete version of the host scale.

    python verification/well_mixed.py [--out FOLDER] [--replicates 32] [--sites 100000] [--days 42] [--dt-hours 1]

Stirred, every cell of the tissue sees the average of the whole and nothing walks. What then remains between the two
scales is chance (whole cells, events drawn one by one) and the time step. Compared are tumor cells, CD8 T cells, Treg,
macrophages, fibroblasts, dying cells, matrix, vessels and circulating CD8 T cells, every week, under the regimens of
`REGIMENS`, for one patient whose tissue and host start from the same numbers: one lesion, no metastases and no pauses
for toxicity, which the tissue does not have. The host scale is integrated with order four at a quarter of a day.

1. Agreement: d = (mean over replicates) / (host scale) - 1 of every variable, week and regimen, with a simultaneous
   confidence band: Student's t of the replicates with Bonferroni's correction over all of them together. The criterion,
   set before the first run: every band lies within +-5 %.
2. Size: the width of the band against the number of sites, expected to fall as its square root.
3. Step: the difference at the step, its half and its double; what is left by the step should fall in proportion.
4. Near the threshold of ignition (see `THRESHOLD`) chance decides; not part of the criterion.
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
from typing import Any

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
from tumornexus.systemic.solver import treat
from tumornexus.systemic.state import LEVELS, RESIDENT, State, members_last, patient_mean, total_cells
from tumornexus.systemic.treatment import Treatment
from tumornexus.tissue.lattice import KIND, Geometry
from tumornexus.tissue.patient import VirtualPatient, virtual_patient
from tumornexus.tissue.simulate import Simulation, prepare_tissue
from tumornexus.tissue.start import assemble, composition, scalars
from tumornexus.tissue.step import Tissue

mpl.use("Agg")
import matplotlib.pyplot as plt

TUMOR, PHENOTYPE = "nsclc", "inflamed"  # the typical inflamed lung tumor
LEVEL = 0.95  # of the simultaneous band
WITHIN = 0.05  # what the band has to lie within
SITE_UM = 15.7
FILLED = 0.6  # share of sites that hold cells at the start: room for growth, so that no division is refused
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
    last = members_last(state)
    weight = np.asarray(total_cells(last))
    weight = weight / weight.sum(0)
    changed = {}
    for name in State.__dataclass_fields__:
        x = np.asarray(getattr(last, name), float)
        if name in LEVELS:
            x = np.broadcast_to((weight * x).sum(0), x.shape)
        elif x.ndim > 1:
            whole = x.sum(-2)
            x = np.zeros_like(x)
            x[..., 0, :] = whole
        changed[name] = np.moveaxis(x, -1, 0)
    return State(**changed)


def comparable(patient: VirtualPatient, changes: Mapping[str, float] | None = None) -> VirtualPatient:
    """Return the patient as both scales can hold it: one lesion, no metastases, no pauses after severe events."""
    values = patient.values.copy()
    settings = {"dissemination_rate": 0.0, "toxicity_threshold": 1e9, **(changes or {})}
    for name, value in settings.items():
        values[patient.names.index(name)] = value
    return replace(patient, values=values, state=merged(patient.state))


def treatments(knowledge: Knowledge, days: int, names: Sequence[str] = tuple(REGIMENS)) -> dict[str, Treatment]:
    """Return the regimens by name, all with the same drugs in the same slots."""
    whole = prepare(parse_regimen(" + ".join(DRUGS), knowledge), knowledge, days)
    found = {}
    for name in names:
        given = np.zeros(whole.doses.shape[1])
        given[[whole.drugs.index(drug) for drug in REGIMENS[name]]] = 1.0
        found[name] = replace(whole, text=name, doses=whole.doses * given)
    return found


def host_scale(patient: VirtualPatient, regimens: Sequence[Treatment], steps_per_day: int = 4) -> np.ndarray:
    """Return the host scale's course at the end of each week, (regimen, week, variable)."""
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
    return np.stack([*found, whole("blood_cd8")], -1)[:, 1:]


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


def begin(patient: VirtualPatient, geometry: Geometry, seed: int) -> tuple[Tissue, float]:
    """Return a stirred tissue with the patient's composition, rounded to whole cells and vessels."""
    generator = named_generator(seed, "well mixed", "start")
    counts = whole_numbers(composition(patient.state), round(FILLED * geometry.n_sites))
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
    """Courses of replicates: `values` (regimen, replicate, week, variable); `refused`: divisions and arrivals that found
    no room, per cell at the start, the most of any replicate."""

    values: np.ndarray
    refused: float


def tissue_scale(
    patient: VirtualPatient,
    regimens: Sequence[Treatment],
    geometry: Geometry,
    replicates: int,
    dt_hours: float,
    days: int,
    seed: int = SEED,
    cores: int = 2,
) -> Runs:
    """Return replicates of the tissue under each regimen; replicate i of all regimens starts from the same tissue."""
    bare = scalars(patient.values, patient.names)
    share = float(vessel_share(geometry.site_um, len(geometry.shape), bare))
    per_week = round(24 * WEEK / dt_hours)
    weeks = days // WEEK

    def one(job: tuple[int, int]) -> tuple[np.ndarray, float]:
        regimen, number = job
        start = begin(patient, geometry, seed + number) if geometry.stirred else None
        simulation = prepare_tissue(
            patient, regimens[regimen], geometry, dt_hours=dt_hours, seed=seed + 1000 * regimen + number, start=start
        )
        course, refused = [], 0.0
        for tissue, tally in simulation.run(weeks * per_week, per_week):
            course.append(measured(tissue, simulation, share))
            refused += float(np.sum(np.asarray(tally.refused)) + np.sum(np.asarray(tally.blocked)))
        return np.stack(course), refused / (FILLED * geometry.n_sites)

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


def band(values: np.ndarray, reference: np.ndarray, level: float = LEVEL) -> Band:
    """Return the band of `values` (regimen, replicate, week, variable) around `reference` (regimen, week, variable).

    With m comparisons each interval has the level 1 - (1 - level)/m, so that all hold together with `level` however
    they depend on each other (Bonferroni). The host scale has no error of its own.
    """
    n = values.shape[1]
    relative = values / reference[:, None] - 1.0
    quantile = student.ppf(1.0 - (1.0 - level) / (2.0 * reference.size), n - 1)
    return Band(relative.mean(1), quantile * relative.std(1, ddof=1) / math.sqrt(n))


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the slope of the line through the logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
