"""How fast the two halves of the main line are, each beside a plain way of doing the same work.

Run by ``make bench``. Measuring: 500 synthetic samples (50 distinct ones, tiled), all mechanisms; beside it the
enrichment of all expression gene sets by the closed form and by the textbook running sum. Simulating: virtual patients
per second over two years without drugs, as one compiled ensemble; beside it SciPy's LSODA calling the same compiled
rate laws one patient at a time. Each pair is also compared for agreement: a fast wrong answer is worth nothing.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tumornexus.activities import named_generator
from tumornexus.knowledge import Knowledge, load_knowledge

SAMPLES, DISTINCT = 500, 50
SLOW_SAMPLES = 25  # the running sum is timed on these and scaled
PATIENTS, SLOW_PATIENTS = 256, 2  # the adaptive solver takes tens of seconds a patient on stiff draws
DAYS = 728


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result of a call."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def row(what: str, seconds: float, n: int, unit: str, note: str = "") -> None:
    print(f"  {what:<46}{seconds:>9.2f} s {n / seconds:>10.1f} {unit}/s  {note}".rstrip())


def synthetic_patients() -> list[Any]:
    """Make samples around the reference: location plus scaled noise in log2, back to linear values."""
    import pandas as pd

    from tumornexus.io import Patient
    from tumornexus.profile import load_reference

    reference = load_reference()
    index = pd.Index(reference.genes)
    generator = named_generator(1, "bench", "expression")
    noise = generator.standard_normal((DISTINCT, len(index)))
    linear = 2.0 ** (reference.location + reference.scale * noise)
    scaled = 1e6 * linear / linear.sum(axis=1, keepdims=True)
    return [
        Patient(
            sample=f"S{i:03d}",
            patient=f"S{i:03d}",
            tumor="melanoma",
            clinical={"tmb_per_mb": 10.0, "nlr": 3.0},
            expression=pd.Series(scaled[i % DISTINCT], index=index, name=f"S{i:03d}"),
            source=Path("bench"),
        )
        for i in range(SAMPLES)
    ]


def running_sum(values: np.ndarray, members: np.ndarray, alpha: float = 0.25) -> float:
    """Textbook single-sample enrichment: walk down the ranked genes and add up the difference of two distributions."""
    n = len(values)
    order = np.argsort(-values, kind="stable")
    inside = np.zeros(n, dtype=bool)
    inside[members] = True
    hit = inside[order]
    weight = np.where(hit, np.arange(n, 0, -1, dtype=float) ** alpha, 0.0)
    return float(np.sum(np.cumsum(weight) / weight.sum() - np.cumsum(~hit) / (n - hit.sum())))


def bench_profile(knowledge: Knowledge) -> None:
    """Time the profile of all samples, and enrichment the fast and the plain way."""
    from tumornexus.profile import load_reference, profile_cohort
    from tumornexus.profile.scores import ssgsea_from_ranks, ssgsea_ranks

    patients = synthetic_patients()
    profile_cohort(patients[:2], knowledge)  # reference and record plans are read once a process, not once a cohort
    seconds, profiles = timed(lambda: profile_cohort(patients, knowledge))
    mechanisms = len(profiles[0].activities.by_mechanism)
    print(f"Measuring ({SAMPLES} samples, {mechanisms} mechanisms)")
    row("profile: scores, fusion, phenotype, barriers", seconds, SAMPLES, "samples")

    reference = load_reference()
    sets = [
        positions
        for mechanism in knowledge.mechanisms.values()
        for biomarker in mechanism.biomarker
        if biomarker.input == "expression" and len(positions := reference.positions(biomarker.genes))
    ]
    matrix = np.stack([patient.expression.to_numpy() for patient in patients])
    matrix = matrix[:SLOW_SAMPLES]

    def closed_form(values: np.ndarray) -> list[float]:
        position, weight = ssgsea_ranks(values)  # ranked once a sample, whatever the number of sets
        return [ssgsea_from_ranks(position, weight, members) for members in sets]

    fast, scores = timed(lambda: [closed_form(values) for values in matrix])
    slow, plain = timed(lambda: [[running_sum(values, members) for members in sets] for values in matrix])
    apart = float(np.max(np.abs(np.array(scores) / np.array(plain) - 1.0)))
    row(f"enrichment of {len(sets)} gene sets, closed form", fast, SLOW_SAMPLES, "samples")
    row(f"enrichment of {len(sets)} gene sets, running sum", slow, SLOW_SAMPLES, "samples", f"ratio {slow / fast:.1f}")
    print(f"  largest relative difference of the two: {apart:.1e}")


def bench_simulation(knowledge: Knowledge) -> None:
    """Time an ensemble of untreated two-year courses, and a few of them with an adaptive solver."""
    import jax
    import jax.numpy as jnp
    from jax.flatten_util import ravel_pytree
    from scipy.integrate import solve_ivp

    from tumornexus.activities import Activities
    from tumornexus.knowledge import parse_regimen
    from tumornexus.systemic.dynamics import flux
    from tumornexus.systemic.ode import Setting, bare_parameters
    from tumornexus.systemic.solver import Lesions, grow, patients_of, treat
    from tumornexus.systemic.state import members_last, volume_ml
    from tumornexus.systemic.treatment import NO_ACTS, no_treatment, prepare
    from tumornexus.systemic.twin import draw_bare, parameter_names

    tumor = knowledge.tumors["melanoma"]
    names = parameter_names(knowledge)
    values = draw_bare(knowledge, tumor, PATIENTS, 1, Activities("bench", "melanoma", {}).sample)
    target = np.full(PATIENTS, tumor.burden_ml)
    print(f"\nSimulating ({PATIENTS} virtual patients, {DAYS} days without drugs)")
    first, grown = timed(lambda: grow(values, names, target))
    again, grown = timed(lambda: grow(values, names, target))
    row("growth to the measured burden", again, PATIENTS, "patients", f"first call {first:.1f} s")

    drug = prepare(parse_regimen("nivolumab 240 mg q2w", knowledge), knowledge).until(DAYS)
    nothing = replace(drug, text="none", doses=np.zeros_like(drug.doses))
    assignment = np.zeros(PATIENTS, dtype=int)
    first, course = timed(lambda: treat(values, names, grown.state, [nothing], assignment))
    again, course = timed(lambda: treat(values, names, grown.state, [nothing], assignment))
    row("two years, one compiled ensemble", again, PATIENTS, "patients", f"first call {first:.1f} s")

    with jax.enable_x64(True):
        # One patient at a time: a batch of one, with the batch axis last.
        setting = Setting(names, NO_ACTS, True)

        def patient_of(i: int) -> Any:
            return jax.tree.map(
                jnp.asarray, patients_of(values[[i]], Lesions.single(1), [no_treatment()], np.zeros(1, int))
            )

        def start_of(i: int) -> Any:
            return members_last(jax.tree.map(lambda x: np.asarray(x)[[i]], grown.state))

        _, unravel = ravel_pytree(start_of(0))

        @jax.jit
        def slope(x: jax.Array, patient: Any) -> jax.Array:
            state = unravel(x)
            rates = flux(state, *bare_parameters(patient, setting))
            return ravel_pytree(jax.tree.map(lambda s, g, d: g - d * s, state, rates.gain, rates.loss))[0]

        chosen = np.flatnonzero(np.asarray(course["status"].to_numpy() == 0) & (grown.status == 0))[:SLOW_PATIENTS]
        patients = [patient_of(int(i)) for i in chosen]
        starts = [np.array(ravel_pytree(start_of(int(i)))[0]) for i in chosen]
        slope(jnp.asarray(starts[0]), patients[0]).block_until_ready()

        def adaptive() -> list[np.ndarray]:
            return [
                solve_ivp(
                    lambda _t, x, who=who: np.asarray(slope(jnp.asarray(x), who)),
                    (0.0, float(DAYS)), x0, method="LSODA", rtol=1e-6, atol=1e-8,
                ).y[:, -1]
                for who, x0 in zip(patients, starts, strict=True)
            ]  # fmt: skip

        seconds, ends = timed(adaptive)
        density = values[chosen, names.index("site_density")]
        exact = np.array(
            [float(jnp.sum(volume_ml(unravel(jnp.asarray(x)), d))) for x, d in zip(ends, density, strict=True)]
        )
    ratio = (seconds / len(chosen)) / (again / PATIENTS)
    row("two years, SciPy LSODA, one at a time", seconds, len(chosen), "patients", f"ratio {ratio:.1f}")
    ours = course["tumor_volume"].to_numpy()[chosen, -1]
    print(f"  median relative difference of the final tumor volume: {float(np.median(np.abs(ours / exact - 1.0))):.1e}")


def main() -> None:
    """Print both halves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["profile", "simulation"], help="one half only")
    only = parser.parse_args().only
    knowledge = load_knowledge()
    print(f"{os.cpu_count()} cores, knowledge {knowledge.digest}\n")
    if only != "simulation":
        bench_profile(knowledge)
    if only != "profile":
        bench_simulation(knowledge)


if __name__ == "__main__":
    main()
