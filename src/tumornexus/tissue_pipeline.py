"""From a scenario to files: the line of a tissue simulation in one readable page.

    scenario ──► virtual patient ──► tissue at the start ──► steps ──► frames ──► cells, fields, summary, pictures

`tissue` computes and knows no files; `report.tissue_folder` keeps what it hands out. A run that is stopped goes on from
its last checkpoint and ends with the same numbers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import reduce
from math import gcd
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from tumornexus.activities import Activities, named_generator
from tumornexus.cellkinds import KINDS
from tumornexus.errors import InputError
from tumornexus.io.slide import Slide, read_slide
from tumornexus.knowledge import Knowledge, parse_regimen
from tumornexus.provenance import added_records, manifest
from tumornexus.report.tissue_folder import TissueFolder
from tumornexus.spatial import (
    border_distance,
    classify,
    clone_diversity,
    hypoxic_fraction,
    infiltration_depth,
    mixing_score,
    nest_share,
    site_centers,
)
from tumornexus.systemic import Facts, prepare
from tumornexus.systemic.state import CLONES
from tumornexus.systemic.treatment import Treatment, untreated
from tumornexus.tissue.from_slide import place
from tumornexus.tissue.lattice import KIND, Geometry
from tumornexus.tissue.patient import VirtualPatient, virtual_patient
from tumornexus.tissue.scenario import LARGEST_PROBABILITY_TIME, UNTREATED, Scenario, divisor_below
from tumornexus.tissue.simulate import Simulation, arrays_of, frame, prepare_tissue, tissue_of
from tumornexus.tissue.size import COARSE, free_bytes, lattice_of, require_memory
from tumornexus.tissue.start import assemble, composition, scalars
from tumornexus.tissue.state import Tally, Tissue

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]

TUMOR = ("cancer", "persister", "infected")
CD8 = ("cd8_progenitor", "cd8_effector", "cd8_terminal")
IMMUNE = (
    *CD8, "cd4_helper", "treg", "nk", "gamma_delta", "b_cell", "car_t", "dendritic", "neutrophil", "mdsc", "tam_m1",
    "tam_m2",
)  # fmt: skip
CONTACT_UM = 30.0  # contacts on a lattice reach two sites, so that a radius is not one ring of them
FILMED = 60  # frames of a film, at most

COUNTED = ("births", "deaths", "killed", "arrived", "refused", "emigrated", "seeds")
"""Cells since the row before: division and death of cancer cells, those killed by immune cells, cells that came out of
vessels or fibroblasts and that found no room, dendritic cells that left for the node, founder cells of metastases."""

COLUMNS = (
    "day", *KINDS[1:], "phenotype", "infiltration", "cd8_nest_per_mm2", "cd8_stroma_per_mm2", "infiltration_depth_um",
    "mixing_score", "hypoxic_fraction", "oxygen_mmhg", "clone_diversity", "lesion_ml", "cd8_blood_mcell",
    "toxicity_hazard", *COUNTED,
)  # fmt: skip


def summary_row(tissue: Tissue, counted: Mapping[str, float], simulation: Simulation) -> dict[str, Any]:
    """Return one row of ``summary.tsv``, with the columns `COLUMNS`.

    Counts by kind; phenotype and densities per mm^2 as in `spatial.classify`; `infiltration`: share of CD8 T cells that
    stand in nests; their mean depth there; contacts within 30 um; share of cells with less than 8 mmHg and mean oxygen;
    Simpson's diversity of cancer clones; what the tissue means for its lesion and host; `counted` since the last row.
    """
    geometry, shape = simulation.setting.geometry, simulation.setting.geometry.shape
    kind = np.asarray(tissue.sites.kind)
    clone = np.asarray(tissue.sites.clone)
    here = kind > 0
    xy = site_centers(here, geometry.site_um)
    held = kind[here]

    def among(names: Sequence[str]) -> np.ndarray:
        return np.isin(held, [KIND[n] for n in names])

    tumor, cd8 = among(TUMOR), among(CD8)
    size = np.array(shape[::-1]) * geometry.site_um
    frame_um = (np.zeros(len(shape)), size)
    border = border_distance(xy, tumor, frame=frame_um)
    phenotype = classify(xy, tumor, cd8, border=border)
    share = nest_share(border, cd8)
    oxygen = np.asarray(frame_of(tissue.signals.oxygen, geometry))[here]
    occupied = float(here.sum())
    million = float(simulation.fixed.million_per_site)
    density = float(simulation.fixed.bare.site_density)
    return {
        "day": int(tissue.step) * simulation.dt_hours / 24.0,
        **{name: int((held == number).sum()) for name, number in KIND.items() if name != "empty"},
        "phenotype": phenotype.name,
        "infiltration": share.inside,
        "cd8_nest_per_mm2": share.nest_per_mm2,
        "cd8_stroma_per_mm2": share.stroma_per_mm2,
        "infiltration_depth_um": infiltration_depth(border, cd8).mean,
        "mixing_score": mixing_score(xy, tumor, among(IMMUNE), CONTACT_UM).score,
        "hypoxic_fraction": hypoxic_fraction(oxygen),
        "oxygen_mmhg": float(oxygen.mean()) if len(oxygen) else float("nan"),
        "clone_diversity": clone_diversity(clone[here][tumor]),
        "lesion_ml": occupied * million / density,
        "cd8_blood_mcell": float(tissue.host.compartments.blood_cd8),
        "toxicity_hazard": float(tissue.host.compartments.toxicity_hazard),
        **dict(counted),
    }


def frame_of(values: jax.Array, geometry: Geometry) -> np.ndarray:
    """Return a field of voxels on the lattice."""
    found = np.asarray(values)
    for axis in range(found.ndim):
        found = np.repeat(found, geometry.coarse, axis=axis)
    return found


def run_scenario(
    scenario: Scenario,
    knowledge: Knowledge,
    out: Path,
    *,
    call: Sequence[str],
    progress: Progress,
    resume: bool | None = None,
    activities: Activities | None = None,
    facts: Facts | None = None,
    records: Path | None = None,
) -> pd.DataFrame:
    """Simulate a scenario and write its folder (`report.tissue_folder`); return the summary.

    `activities`, `facts`: of the scenario's patient, where it names one. `resume`: None goes on from a checkpoint in
    `out` where there is one, True requires it, False starts anew.

    Raises:
        InputError, RegimenError, SimulationError: what is wrong with scenario, slide, checkpoint or patient.
    """
    slide = _slide(scenario, knowledge)
    digest = scenario.digest(_digest_of(activities, facts))
    notes: list[str] = []
    assert scenario.tumor is not None
    with progress("growing the virtual tumor", 128) as tick:
        patient = virtual_patient(
            scenario.tumor, knowledge, phenotype=scenario.phenotype, mechanisms=scenario.mechanisms,
            measured=activities, facts=facts, overrides=scenario.overrides, seed=scenario.seed, progress=tick,
        )  # fmt: skip
    geometry, start = _start(scenario, slide, patient, notes)
    treatments = [_treatment(text, knowledge, scenario) for text in scenario.regimens]
    told = manifest(
        call, scenario.seed, knowledge.digest, scenario=scenario.record(), digest=digest,
        shape=list(geometry.shape), site_um=geometry.site_um, notes=[*notes, *patient.notes],
        mechanisms=dict(patient.activities), **added_records(records, knowledge.added),
    )  # fmt: skip
    identity = {"scenario": digest, "knowledge": knowledge.digest, "versions": told["versions"]}
    keeper = TissueFolder(
        out, scenario.regimens, identity=identity, manifest=told, columns=COLUMNS, site_um=geometry.site_um,
        coarse=geometry.coarse, clones=CLONES, format=scenario.output.format, with_movie=scenario.output.movie,
    )  # fmt: skip
    found = keeper.resume(resume)
    first = keeper.run if found else 0
    with progress("simulating the tissue", scenario.steps * (len(treatments) - first)) as tick:
        for run in range(first, len(treatments)):
            simulation = prepare_tissue(
                patient, treatments[run], geometry, dt_hours=scenario.dt_hours, seed=scenario.seed, start=start
            )
            _one_run(scenario, simulation, keeper, run, found if run == first else None, tick)
    keeper.finish()
    return pd.DataFrame(keeper.rows, columns=["regimen", *COLUMNS])


def _one_run(
    scenario: Scenario,
    simulation: Simulation,
    keeper: TissueFolder,
    run: int,
    found: tuple[Mapping[str, np.ndarray], Mapping[str, Any]] | None,
    tick: Callable[[int], None],
) -> None:
    per_day = round(24.0 / scenario.dt_hours)
    snapshots = round(scenario.output.every_days * per_day)
    saved = round(scenario.output.checkpoint_hours / scenario.dt_hours)
    film = per_day * max(1, int(np.ceil(scenario.days / FILMED)))
    # One compiled length of chunk: the longest that meets every event.
    chunk = reduce(gcd, (per_day, snapshots, saved, scenario.steps))
    tissue, counted = simulation.start, dict.fromkeys(COUNTED, 0.0)
    if found is not None:
        tissue, counted = tissue_of(found[0], simulation.start), dict(found[1]["counted"])
        tick(int(tissue.step))
    else:
        keeper.begin(run)
        keeper.film(frame(tissue, simulation))
        keeper.snapshot(frame(tissue, simulation), summary_row(tissue, counted, simulation))
    for after, tally in simulation.run(scenario.steps, chunk, tissue):
        _check_step(float(np.max(np.asarray(tally.fastest))), int(tissue.step) == 0, scenario, keeper)
        tissue, at = after, int(after.step)
        counted = _added(counted, tally)
        if at % film == 0 or at == scenario.steps:
            keeper.film(frame(tissue, simulation))
        if at % snapshots == 0 or at == scenario.steps:
            keeper.snapshot(frame(tissue, simulation), summary_row(tissue, counted, simulation))
            counted = dict.fromkeys(COUNTED, 0.0)
        if at % saved == 0 and at < scenario.steps:
            keeper.checkpoint(arrays_of(tissue), {"counted": counted})
        tick(chunk)
    keeper.end_run()


def _check_step(fastest: float, first: bool, scenario: Scenario, keeper: TissueFolder) -> None:
    """Refuse a step in which a cell would do two things at once; later in a run, when drugs arrive, note it.

    Raises:
        InputError: the fastest rate of any cell times the step exceeds `LARGEST_PROBABILITY_TIME` from the start.
    """
    most = max(fastest, keeper.manifest.get("fastest_rate_per_day", 0.0))
    keeper.manifest["fastest_rate_per_day"] = most
    if fastest * scenario.dt_hours / 24.0 <= LARGEST_PROBABILITY_TIME:
        return
    hours = divisor_below(24.0 * LARGEST_PROBABILITY_TIME / fastest)
    if first:
        raise InputError(
            f"the time step is too long for the fastest process of this tissue ({fastest:.3g} per day)",
            file=scenario.source, field="dt_hours", value=scenario.dt_hours, valid=f"at most {hours:g} hours",
        )  # fmt: skip
    note = f"the step is long for the fastest process met under way: at most {hours:g} hours would be accurate"
    if note not in keeper.manifest["notes"]:
        keeper.manifest["notes"].append(note)


def _added(counted: Mapping[str, float], tally: Tally) -> dict[str, float]:
    return {name: counted[name] + float(np.sum(np.asarray(getattr(tally, name)))) for name in COUNTED}


def _treatment(text: str, knowledge: Knowledge, scenario: Scenario) -> Treatment:
    days = int(np.ceil(scenario.days)) + 1
    if text == UNTREATED:
        return untreated(knowledge, days)
    return prepare(parse_regimen(text, knowledge), knowledge, days)


def _slide(scenario: Scenario, knowledge: Knowledge) -> Slide | None:
    if scenario.slide is None:
        return None
    s = scenario.slide
    return read_slide(
        scenario.path(s.file), knowledge=knowledge, sample=s.sample, pixel_um=s.pixel_um,
        columns={k: v for k, v in (("x", s.x), ("y", s.y), ("cell_type", s.cell_type)) if v is not None},
    )  # fmt: skip


def _start(
    scenario: Scenario, slide: Slide | None, patient: VirtualPatient, notes: list[str]
) -> tuple[Geometry, tuple[Tissue, float] | None]:
    """Return the geometry, and the tissue at the start where a slide gives it."""
    if slide is None:
        lattice = scenario.lattice
        notes.extend([lattice.note] if lattice.note else [])
        return Geometry(lattice.shape, lattice.site_um, COARSE), None
    rng = named_generator(scenario.seed, "tissue", "slide")
    kinds = slide.kinds(composition(patient.state), rng=rng)
    placed = place(slide.x_um, slide.y_um, kinds.kind, kinds.vessel, low=slide.low, high=slide.high)
    notes.extend(slide.notes)
    notes.append(
        f"{int((placed.kind > 0).sum())} cells of {slide.sample} placed on {placed.kind.shape} sites of "
        f"{placed.site_um:.3g} um, moved by {placed.displacement[0]:.2g} sites in the median"
    )
    geometry = Geometry(placed.kind.shape, placed.site_um, COARSE)
    require_memory(
        lattice_of([n * placed.site_um for n in placed.kind.shape[::-1]], placed.site_um), free_bytes(), scenario.source
    )
    bare = scalars(patient.values, patient.names)
    vessel = placed.vessel if placed.vessel.any() else None
    if vessel is None:
        notes.append("the slide shows no vessels: they are drawn at the density of the virtual patient")
    return geometry, assemble(placed.kind, vessel, patient.state, bare, geometry, rng)


def _digest_of(activities: Activities | None, facts: Facts | None) -> str:
    if activities is None:
        return ""
    record = {m: (a.presence, a.alpha, a.beta) for m, a in activities.by_mechanism.items()}
    text = json.dumps([activities.sample, activities.tumor, record, repr(facts)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
