"""Time the host model against libRoadRunner on the same equations: 24 months of nivolumab, one process per core.

    python benchmarks/systemic.py [--json FILE] [--patients N] [--slow N] [--steps-per-day N] [--plain]

Both sides run the same virtual melanomas in one sitting: `treat` on all of `--patients`, libRoadRunner (default CVODE
tolerances) on the first `--slow` of them, shared out to one process per core and timed without loading. The largest
relative error of the tumor volume above 1 mm3, of each side, is measured against ``treat(precise=True)`` with sixteen
steps a day. Compile times come from fresh processes, with an empty and then with a filled cache; peak memory is that of
the process that only simulates.
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


def _compile_times(patients: int, steps: int, precise: bool) -> tuple[dict[str, float], dict[str, float]]:
    with tempfile.TemporaryDirectory() as cache:
        words = [sys.executable, __file__, "--child", cache, "--patients", str(patients)]
        words += ["--steps-per-day", str(steps), *([] if precise else ["--plain"])]
        done = [subprocess.run(words, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    cold, warm = (json.loads(text.splitlines()[-1]) for text in done)
    return cold, warm


def _roadrunner(task: tuple[str, Any, list[dict[str, Any]]]) -> tuple[float, list[np.ndarray | None]]:
    """Run some patients one after another; return the seconds of those that finish, without loading, and volumes (None:
    CVODE stopped)."""
    from tumornexus.errors import SimulationError
    from tumornexus.systemic.export.roadrunner import Runner

    path, equations, patients = task
    runner, volumes, seconds = Runner(path, equations), [], 0.0
    days = np.maximum(np.arange(0, DAYS + 1, 7) - 1e-6, 0.0)
    for quantities in patients:
        start = time.perf_counter()
        runner.set_patient(quantities)
        try:
            volumes.append(runner.run(days, ["tumor_volume"])[:, 0])
            seconds += time.perf_counter() - start
        except SimulationError:
            volumes.append(None)
    return seconds, volumes


def _error(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.max(np.where(exact > LEAST_ML, np.abs(found / exact - 1.0), 0.0)))


def bench(patients: int, slow: int, steps: int, precise: bool) -> dict[str, Any]:
    """Return all that is measured."""
    from tumornexus.systemic.export.equations import quantities_of
    from tumornexus.systemic.export.sbml import export_sbml

    cores = len(os.sched_getaffinity(0))
    cold, warm = _compile_times(patients, steps, precise)
    knowledge, treatment, drawn = _setting(patients)
    few = drawn[np.arange(slow)]
    exact = _course(few, treatment, REFERENCE_STEPS, True).astype(float)
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
    theirs: list[np.ndarray | None] = [None] * slow
    for i, (_, volumes) in enumerate(done):
        theirs[i::cores] = volumes
    _course(drawn, treatment, steps, precise)  # compiled
    start = time.perf_counter()
    ours = _course(drawn, treatment, steps, precise)
    seconds = time.perf_counter() - start
    ran = [i for i in range(slow) if theirs[i] is not None]
    rate, rate_theirs = patients / seconds, len(ran) / max(s for s, _ in done)
    return {
        "ratio_to_roadrunner": rate / rate_theirs,
        "max_relative_error": _error(ours[:slow], exact),
        "roadrunner_max_relative_error": max((_error(theirs[i], exact[i]) for i in ran), default=float("nan")),
        "roadrunner_stopped": slow - len(ran),
        "error_limit": LIMIT,
        "patients_per_second": rate,
        "roadrunner_patients_per_second": rate_theirs,
        "patients": patients,
        "roadrunner_patients": slow,
        "states": len(equations.rates),
        "laws": len(_laws(equations.functions)),
        "model_digest": knowledge.digest,
        "steps_per_day": steps,
        "precise": precise,
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
    parser.add_argument("--steps-per-day", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="the integrator of order two")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(options.child, options.patients, options.steps_per_day, not options.plain)
        return
    result = bench(options.patients, min(options.slow, options.patients), options.steps_per_day, not options.plain)
    text = json.dumps(result, indent=2)
    print(text)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
