"""Time the tissue simulator: simulated agent-hours per CPU-second, and peak memory, by size.

    python benchmarks/tissue.py [--json [FILE]] [--tissue60] [--halving] [--dt HOURS] [--sizes KEY ...]

An agent is a cell of any kind, that is, an occupied site. CPU-seconds are those of the whole process, all threads
counted; compilation and the first steps are left out. Each size runs in a process of its own, whose peak memory is that
of its whole life: reading the knowledge, growing the virtual patient, compiling and simulating.

The tissue is that of an inflamed virtual melanoma under pembrolizumab, laid out by rule. Kinds of cells that it lacks
(infected cells, CAR-T cells) are set in its place of `SEEDED` of its cells each, so that every kind is there. The time
of a step does not depend on who stands where, as nothing in it branches on data.

`--tissue60` times 2.5 mm x 2.5 mm over 60 days by the clock. `--halving` runs the tissue of 20k cells at the timed
step and at half of it, same starts and different random numbers, and compares numbers of cells and hypoxia over
`REPLICATES` seeds; without drugs, as hardly a tumor cell is left after 30 days with them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

REGIMEN = "pembrolizumab 200 mg q3w"
DT_HOURS = 1.0
SEEDED = 0.005
# Cells and number of axes of each size, and steps that are timed at once; the median of `REPEATS` counts.
SIZES = {"20k": (20_000, 2, 48), "100k": (100_000, 2, 24), "1M": (1_000_000, 2, 6), "200k_3d": (200_000, 3, 12)}
REPEATS = 3
TISSUE_UM, TISSUE_DAYS = 2500.0, 60
HALVING_CELLS, HALVING_DAYS, REPLICATES = 20_000, 30, 6
CD8 = ("cd8_progenitor", "cd8_effector", "cd8_terminal")


def patient_and_knowledge() -> tuple[Any, Any]:
    """Return an inflamed virtual melanoma and the knowledge."""
    from tumornexus.knowledge import load_knowledge
    from tumornexus.tissue.patient import virtual_patient

    knowledge = load_knowledge()
    return virtual_patient("melanoma", knowledge, phenotype="inflamed", seed=1), knowledge


def shape_of(cells: float, ndim: int, packing: float) -> tuple[int, ...]:
    """Return the square or cube of about `cells` cells at this packing; axes are multiples of 4."""
    return (4 * max(1, round((cells / packing) ** (1.0 / ndim) / 4.0)),) * ndim


def simulation(patient: Any, knowledge: Any, days: float, dt: float, seed: int, *, cells: float = 0.0, ndim: int = 2,
               edge_um: float = 0.0, drugs: bool = True) -> Any:  # fmt: skip
    """Return a tissue with every kind of cell, of a number of cells or of an edge, ready to run."""
    import jax.numpy as jnp

    from tumornexus.activities import named_generator
    from tumornexus.biology.mechanics import site_um
    from tumornexus.cellkinds import KINDS
    from tumornexus.knowledge import parse_regimen
    from tumornexus.systemic.treatment import prepare
    from tumornexus.tissue.lattice import KIND, Geometry
    from tumornexus.tissue.simulate import prepare_tissue
    from tumornexus.tissue.start import from_rule, scalars

    bare = scalars(patient.values, patient.names)
    edge = site_um(float(bare.packing), float(bare.site_density))
    shape = shape_of(cells, ndim, float(bare.packing)) if cells else (4 * round(edge_um / edge / 4.0),) * ndim
    geometry = Geometry(shape, edge)
    tissue, million = from_rule(patient.state, bare, geometry, seed)
    kind = np.array(tissue.sites.kind)
    generator = named_generator(seed, "benchmark", "kinds")
    standing = generator.permutation(np.flatnonzero(kind))
    used = 0
    many = max(1, int(SEEDED * standing.size))
    for name in KINDS[1:]:
        if not (kind == KIND[name]).any():
            kind.flat[standing[used : used + many]] = KIND[name]
            used += many
    tissue = replace(tissue, sites=replace(tissue.sites, kind=jnp.asarray(kind)))
    treatment = prepare(parse_regimen(REGIMEN, knowledge), knowledge, max(1, round(days)))
    if not drugs:
        treatment = replace(treatment, doses=np.zeros_like(treatment.doses))
    return prepare_tissue(patient, treatment, geometry, dt_hours=dt, seed=seed, start=(tissue, million))


def occupied(tissue: Any) -> int:
    """Return the number of cells."""
    return int(np.count_nonzero(np.asarray(tissue.sites.kind)))


def speed(sim: Any, steps: int, repeats: int = REPEATS) -> dict[str, Any]:
    """Return agent-hours per CPU-second and per second of the clock after a first call that compiles."""
    from tumornexus.cellkinds import KINDS

    before = time.perf_counter()
    tissue, _ = sim.advance(sim.start, steps)
    cells = occupied(tissue)
    first = time.perf_counter() - before
    rates, by_clock, residual = [], [], 0.0
    for _ in range(repeats):
        clock, cpu = time.perf_counter(), time.process_time()
        tissue, tally = sim.advance(tissue, steps)
        tissue.sites.kind.block_until_ready()
        cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
        now = occupied(tissue)
        hours = 0.5 * (cells + now) * steps * sim.dt_hours
        cells = now
        rates.append(hours / cpu)
        by_clock.append(hours / clock)
        residual = max(residual, float(np.max(np.asarray(tally.field_residual))))
    return {
        "agent_hours_per_cpu_second": statistics.median(rates),
        "agent_hours_per_second": statistics.median(by_clock),
        "cells": cells,
        "shape": list(sim.setting.geometry.shape),
        "kinds_at_start": len(np.unique(np.asarray(sim.start.sites.kind))) - 1,
        "kinds": len(KINDS) - 1,
        "field_residual": residual,
        "first_call_s": first,
    }


def child(key: str, dt: float) -> dict[str, Any]:
    """Return the numbers of one size, of this process."""
    patient, knowledge = patient_and_knowledge()
    cells, ndim, steps = SIZES[key]
    found = speed(simulation(patient, knowledge, 60, dt, 1, cells=cells, ndim=ndim), steps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return found | {"peak_mib": peak}


def tissue60(dt: float) -> dict[str, Any]:
    """Return seconds by the clock for 2.5 mm x 2.5 mm and 60 days, compilation included and left out."""
    patient, knowledge = patient_and_knowledge()
    sim = simulation(patient, knowledge, TISSUE_DAYS, dt, 1, edge_um=TISSUE_UM)
    chunk = round(24.0 / dt)
    seconds = []
    for _ in range(2):  # the first compiles
        start = time.perf_counter()
        for tissue, _ in sim.run(chunk * TISSUE_DAYS, chunk):
            tissue.sites.kind.block_until_ready()
        seconds.append(time.perf_counter() - start)
    shape = list(sim.setting.geometry.shape)
    return {"seconds": seconds[1], "seconds_with_compilation": seconds[0], "shape": shape, "cells": occupied(tissue)}


def measures(tissue: Any, coarse: int) -> dict[str, float]:
    """Return numbers of tumor cells and CD8 T cells, and the mean hypoxic response of cells, in [0, 1].

    The response rather than the share of cells below a threshold of oxygen, as next to none are below 8 mmHg here.
    """
    from tumornexus.tissue.lattice import CANCER_KINDS, KIND

    kind = np.asarray(tissue.sites.kind)
    hypoxia = np.asarray(tissue.signals.hypoxia)
    for axis in range(kind.ndim):
        hypoxia = np.repeat(hypoxia, coarse, axis)
    return {
        "tumor_cells": float(np.isin(kind, [KIND[n] for n in CANCER_KINDS]).sum()),
        "cd8": float(np.isin(kind, [KIND[n] for n in CD8]).sum()),
        "hypoxic_fraction": float(np.mean(hypoxia[kind != 0])),
    }


def course(sim: Any, days: int, every: int) -> dict[str, list[float]]:
    """Return the measures every so many days."""
    chunk = round(every * 24.0 / sim.dt_hours)
    found = [measures(t, sim.setting.geometry.coarse) for t, _ in sim.run(chunk * (days // every), chunk)]
    return {name: [f[name] for f in found] for name in found[0]}


def halving(dt: float, cells: float = HALVING_CELLS, days: int = HALVING_DAYS, replicates: int = REPLICATES,
            every: int = 10) -> dict[str, Any]:  # fmt: skip
    """Return how much the measures at a step differ from those at half of it, relative to the latter.

    Each is the difference of means over seeds, with its standard error over pairs of runs from the same start.
    """
    patient, knowledge = patient_and_knowledge()
    runs: dict[float, list[dict[str, list[float]]]] = {dt: [], dt / 2.0: []}
    for seed in range(replicates):
        for step, done in runs.items():
            done.append(course(simulation(patient, knowledge, days, step, seed, cells=cells, drugs=False), days, every))
    return compare(runs[dt], runs[dt / 2.0]) | {
        "dt_hours": dt, "cells": cells, "replicates": replicates, "days": list(range(every, days + 1, every)),
    }  # fmt: skip


def compare(whole: list[dict[str, list[float]]], half: list[dict[str, list[float]]]) -> dict[str, Any]:
    """Return relative differences (day,) of each measure, and their standard errors."""
    out: dict[str, Any] = {}
    for name in whole[0]:
        a, b = (np.array([run[name] for run in runs], float) for runs in (whole, half))
        mean = np.maximum(b.mean(0), 1e-12)
        error = (a - b).std(0, ddof=1) / np.sqrt(len(a)) / mean
        out[name] = {
            "relative_difference": ((a - b).mean(0) / mean).tolist(),
            "standard_error": error.tolist(),
            "mean_at_half": b.mean(0).tolist(),
        }
    return out


def bench(sizes: list[str], dt: float) -> dict[str, Any]:
    """Return speed and peak memory of each size, each measured in a process of its own."""
    from tumornexus.knowledge import load_knowledge
    from tumornexus.tissue.size import memory_bytes

    by_size = {}
    for key in sizes:
        words = [sys.executable, __file__, "--child", key, "--dt", str(dt)]
        by_size[key] = json.loads(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)
        by_size[key]["estimated_peak_mib"] = memory_bytes(by_size[key]["shape"]) / 2**20
    return {
        "agent_hours_per_cpu_second": {key: found["agent_hours_per_cpu_second"] for key, found in by_size.items()},
        "peak_mib": {key: found["peak_mib"] for key, found in by_size.items()},
        "dt_hours": dt,
        "by_size": by_size,
        "regimen": REGIMEN,
        "model_digest": load_knowledge().digest,
        "versions": {n: version(n) for n in ("tumornexus", "jax", "jaxlib", "numpy")}
        | {"python": sys.version.split()[0]},
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
    }


def main() -> None:
    """Print the numbers as JSON, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", nargs="?", const="-", help="file to write; JSON is printed in any case")
    parser.add_argument("--sizes", nargs="*", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--dt", type=float, default=DT_HOURS, help="step, hours")
    parser.add_argument("--tissue60", action="store_true", help="2.5 mm x 2.5 mm for 60 days as well")
    parser.add_argument("--halving", action="store_true", help="compare with half the step as well")
    parser.add_argument("--replicates", type=int, default=REPLICATES, help="seeds of --halving")
    parser.add_argument("--child", choices=list(SIZES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child, options.dt)))
        return
    result = bench(options.sizes, options.dt)
    if options.tissue60:
        result["tissue60"] = tissue60(options.dt)
    if options.halving:
        result["halving"] = halving(options.dt, replicates=options.replicates)
    text = json.dumps(result, indent=2)
    print(text)
    if options.json not in (None, "-"):
        path = Path(options.json)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
