"""Time the host model against libRoadRunner on the same equations: 24 months of nivolumab, one process per core.

    python benchmarks/systemic.py [--json FILE] [--patients N] [--slow N] [--memory N]

Both sides run the same virtual melanomas in one sitting: `treat` on all of `--patients`, libRoadRunner on the first
`--slow` of them, shared out to one process per core and timed without loading. The largest relative error of the tumor
volume above 1 mm3, of each side, is measured on those `--slow` against ``treat(precise=True)`` with sixteen steps a
day.

Each side is taken at the fastest of a few settings that keeps this error within 1e-3: `treat` at order two or four and
one to four steps a day, CVODE at the tolerances of `THEIRS`, where at least nine in ten runs must finish (its seconds
are those of the runs that do; one that takes longer than a minute is stopped). `roadrunner_ladder` has all that was
tried, its defaults first. All times are by the clock, so the machine must be idle otherwise.

Compile times come from fresh processes, with an empty and then with a filled cache; `peak_mib` is that of the process
that only simulates. `--memory N` draws, grows and treats N patients part by part into Parquet files
(`systemic.stream`) in a process of its own: `peak_gib`. `--patients 0` leaves the comparison out.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

REGIMEN = "nivolumab 240 mg q2w"
DAYS, LEAST_ML = 728, 1e-3
LIMIT = 1e-3
REFERENCE_STEPS = 16
OURS = ((False, 1), (False, 2), (True, 1), (False, 4), (True, 2), (True, 4))  # order four, steps a day; cheapest first
# Relative and absolute tolerance of CVODE; (None, None) are libRoadRunner's own. States are millions of cells, so
# 1e-6 is one cell, and clones start far below one. Its own absolute tolerance is scaled by initial values, which for
# rare clones are next to zero; probably why runs stop there.
THEIRS = (
    (None, None), (1e-3, 1e-8), (1e-4, 1e-8), (1e-4, 1e-10), (1e-5, 1e-10), (1e-6, 1e-8), (1e-6, 1e-12), (1e-6, 1e-14),
    (1e-8, 1e-14),
)  # fmt: skip
LEAST_FINISHED = 0.9
RUN_LIMIT_S = 60.0  # runs that finish take 1 to 10 s; some with a loose tolerance go on for longer than half an hour


def _setting(patients: int) -> tuple[Any, Any, Any]:
    from tumornexus.knowledge import load_knowledge, parse_regimen
    from tumornexus.systemic.export.patients import virtual_patients
    from tumornexus.systemic.treatment import prepare

    knowledge = load_knowledge()
    treatment = prepare(parse_regimen(REGIMEN, knowledge), knowledge, DAYS)
    return knowledge, treatment, virtual_patients("melanoma", knowledge, patients)


def _course(patients: Any, treatment: Any, steps: int, precise: bool) -> np.ndarray:
    from tumornexus.systemic.solver import treat

    return treat(
        patients.values, patients.names, patients.state, [treatment], np.zeros(len(patients.values), int),
        lesions=patients.lesions, steps_per_day=steps, precise=precise, keep=["tumor_volume"],
    )["tumor_volume"].to_numpy()  # fmt: skip


def _child(cache: str, patients: int, steps: int, precise: bool) -> None:
    """Simulate in a process of its own; print seconds of the first and a second call, and peak memory."""
    import jax

    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    _, treatment, drawn = _setting(patients)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        _course(drawn, treatment, steps, precise)
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    print(json.dumps({"first": seconds[0], "again": seconds[1], "peak_mib": peak}))


def _memory_child(patients: int, precise: bool, steps: int) -> None:
    """Stream a population to a folder in a process of its own; print its peak memory and seconds."""
    from tumornexus.knowledge import load_knowledge, parse_regimen
    from tumornexus.systemic.stream import population, treat_in_parts, write_parts
    from tumornexus.systemic.treatment import prepare

    knowledge = load_knowledge()
    treatment = prepare(parse_regimen(REGIMEN, knowledge), knowledge, DAYS)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        parts = treat_in_parts(
            population("melanoma", knowledge, patients), treatment, steps_per_day=steps, precise=precise
        )  # fmt: skip
        write_parts(folder, parts, progress=lambda n: print(f"{n} of {patients}", file=sys.stderr, flush=True))
        size = sum(p.stat().st_size for p in Path(folder).iterdir())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0**2
    seconds = time.perf_counter() - start
    print(json.dumps({"peak_gib": peak, "memory_patients": patients, "memory_seconds": seconds,
                      "memory_written_gib": size / 1024.0**3, "memory_order": 4 if precise else 2}))  # fmt: skip


def _memory(patients: int, precise: bool, steps: int) -> dict[str, float]:
    words = [sys.executable, __file__, "--memory-child", str(patients), "--steps-per-day", str(steps)]
    words += [] if precise else ["--plain"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(done.splitlines()[-1])


def _compile_times(patients: int, steps: int, precise: bool) -> tuple[dict[str, float], dict[str, float]]:
    with tempfile.TemporaryDirectory() as cache:
        words = [sys.executable, __file__, "--child", cache, "--patients", str(patients)]
        words += ["--steps-per-day", str(steps), *([] if precise else ["--plain"])]
        done = [subprocess.run(words, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    cold, warm = (json.loads(text.splitlines()[-1]) for text in done)
    return cold, warm


def _roadrunner(task: tuple[str, Any, list[dict[str, Any]]]) -> list[tuple[float, list[np.ndarray | None]]]:
    """Run some patients one after another at each pair of tolerances; return the seconds of those that finish, without
    loading, and volumes (None: CVODE stopped)."""
    from tumornexus.errors import SimulationError
    from tumornexus.systemic.export.roadrunner import Runner

    path, equations, patients = task
    runner, done = Runner(path, equations), []
    days = np.maximum(np.arange(0, DAYS + 1, 7) - 1e-6, 0.0)
    for rtol, atol in THEIRS:
        volumes, seconds = [], 0.0
        for quantities in patients:
            start = time.perf_counter()
            runner.set_patient(quantities)
            try:
                volumes.append(runner.run(days, ["tumor_volume"], rtol=rtol, atol=atol, limit_s=RUN_LIMIT_S)[:, 0])
                seconds += time.perf_counter() - start
            except SimulationError:
                volumes.append(None)
        done.append((seconds, volumes))
    return done


def _ladder(done: list[list[tuple[float, list[np.ndarray | None]]]], exact: np.ndarray) -> list[dict[str, Any]]:
    """Return what libRoadRunner does at each pair of tolerances; `done` has a list for each core, which took every
    n-th patient."""
    rows, cores = [], len(done)
    for i, (rtol, atol) in enumerate(THEIRS):
        errors = [
            _error(volume, exact[core + k * cores])
            for core in range(cores)
            for k, volume in enumerate(done[core][i][1])
            if volume is not None
        ]
        seconds = max(done[core][i][0] for core in range(cores))
        worst = max(errors, default=float("inf"))
        rows.append(
            {
                "rtol": rtol,
                "atol": atol,
                "stopped": len(exact) - len(errors),
                "max_relative_error": worst if errors else None,
                "median_relative_error": float(np.median(errors)) if errors else None,
                "patients_per_second": len(errors) / seconds if errors else 0.0,
                "valid": len(errors) >= LEAST_FINISHED * len(exact) and worst <= LIMIT,
            }
        )
    return rows


def _cheapest(few: Any, treatment: Any, exact: np.ndarray) -> tuple[bool, int, list[dict[str, Any]]]:
    """Return the first setting of `OURS` (order four, steps a day) within the limit, or the last, and all tried."""
    tried = []
    for precise, steps in OURS:
        error = _error(_course(few, treatment, steps, precise), exact)
        tried.append({"order": 4 if precise else 2, "steps_per_day": steps, "max_relative_error": error})
        if error <= LIMIT:
            break
    return precise, steps, tried


def _error(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.max(np.where(exact > LEAST_ML, np.abs(found / exact - 1.0), 0.0)))


def bench(patients: int, slow: int) -> dict[str, Any]:
    """Return all that is measured."""
    from tumornexus.systemic.export.equations import quantities_of
    from tumornexus.systemic.export.sbml import export_sbml

    cores = len(os.sched_getaffinity(0))
    knowledge, treatment, drawn = _setting(patients)
    few = drawn[np.arange(slow)]
    exact = _course(few, treatment, REFERENCE_STEPS, True).astype(float)
    precise, steps, tried = _cheapest(few, treatment, exact)
    cold, warm = _compile_times(patients, steps, precise)
    first = few[np.array([0])]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "host.xml")
        equations = export_sbml(
            path, first.values[0], first.names, first.state, treatment, knowledge, first.lesions
        )  # fmt: skip
        numbers = []
        for i in range(slow):
            one = few[np.array([i])]
            numbers.append(quantities_of(one.values[0], one.names, one.state, treatment, knowledge, one.lesions))
        with multiprocessing.get_context("spawn").Pool(cores) as pool:
            plain = equations.without_formulas()
            shares = [(path, plain, numbers[i::cores]) for i in range(cores)]
            done = pool.map(_roadrunner, shares)
    ladder = _ladder(done, exact)
    default = ladder[0]
    fair = max((row for row in ladder if row["valid"]), key=lambda row: row["patients_per_second"], default=None)
    _course(drawn, treatment, steps, precise)  # compiled
    start = time.perf_counter()
    ours = _course(drawn, treatment, steps, precise)
    seconds = time.perf_counter() - start
    rate = patients / seconds
    return {
        # None where libRoadRunner keeps the limit at no tolerances.
        "ratio_to_roadrunner": rate / fair["patients_per_second"] if fair else None,
        "roadrunner_tolerances": {name: fair[name] for name in ("rtol", "atol")} if fair else None,
        "roadrunner_stopped": fair["stopped"] if fair else None,
        "roadrunner_max_relative_error": fair["max_relative_error"] if fair else None,
        "roadrunner_patients_per_second": fair["patients_per_second"] if fair else None,
        "ratio_to_roadrunner_default": rate / max(default["patients_per_second"], 1e-12),
        "roadrunner_ladder": ladder,
        "max_relative_error": _error(ours[:slow], exact),
        "error_limit": LIMIT,
        "patients_per_second": rate,
        "tried": tried,
        "patients": patients,
        "roadrunner_patients": slow,
        "states": len(equations.rates),
        "laws": len(_laws(equations.functions)),
        "model_digest": knowledge.digest,
        "steps_per_day": steps,
        "order": 4 if precise else 2,
        "cold_compile_s": cold["first"] - cold["again"],
        "warm_compile_s": warm["first"] - warm["again"],
        "peak_mib": warm["peak_mib"],
        "cores": cores,
    }


def _laws(functions: tuple[str, ...]) -> list[str]:
    """Return which of the model's laws (`dynamics.LAWS`) the exported rates come from."""
    from tumornexus.systemic.dynamics import LAWS

    names = {f"biology.{law.__module__.rsplit('.', 1)[-1]}.{law.__name__}" for law in LAWS}
    return sorted(names & set(functions))


def main() -> None:
    """Print the numbers, and write them as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--patients", type=int, default=1024)
    parser.add_argument("--slow", type=int, default=32, help="patients that libRoadRunner runs")
    parser.add_argument("--memory", type=int, default=0, help="patients that are grown and treated part by part")
    parser.add_argument("--steps-per-day", type=int, default=1, help="of --memory")
    parser.add_argument("--plain", action="store_true", help="the integrator of order two for --memory")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--memory-child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    precise, steps = not options.plain, options.steps_per_day
    if options.child:
        _child(options.child, options.patients, steps, precise)
        return
    if options.memory_child:
        _memory_child(options.memory_child, precise, steps)
        return
    result = bench(options.patients, min(options.slow, options.patients)) if options.patients else {}
    if options.memory:
        result |= _memory(options.memory, precise, steps)
    text = json.dumps(result, indent=2)
    print(text)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
