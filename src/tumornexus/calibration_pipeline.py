"""From published arms to the calibration artefact: pool, emulator, posterior, law of death.

    fitted arms -> pool of virtual patients (prior) -> emulator -> posterior of shifts
                -> virtual patients (posterior) -> emulator -> posterior -> virtual patients
                -> deviation of trials, law of death -> calibration.json

The second wave corrects the emulator where it is used: learned on the prior alone, it is least sure of the region that
the trials point to.

Budget on two quiet cores: about ten minutes for the pool, two for the posterior, four for the second
simulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.files import whole_file
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.pipeline import Progress, silent
from tumornexus.provenance import installed_version
from tumornexus.trial.calibrate import emulate, flags_of, held_out_score, sample, targets_of
from tumornexus.trial.calibration import PRIOR_SD, Calibration, prior
from tumornexus.trial.death_fit import fit_death, survival_targets
from tumornexus.trial.deviation import deviations
from tumornexus.trial.partition_folder import read_table
from tumornexus.trial.partitions import run_partitions
from tumornexus.trial.pool import arms_of, draws_needed, pool_tasks
from tumornexus.trial.simulate import SIZE, run_partition

PARTITIONS, STEPS, DRAWS = 8, 4000, 200
WAVES = 2  # the second learns from patients simulated where the first posterior lies
CHECK_PARTITIONS = 3  # of the simulation with calibrated parameters
Pool = dict[tuple[str, str], tuple[pd.DataFrame, pd.DataFrame]]


def simulate_pool(
    knowledge: Knowledge,
    calibration: Calibration,
    folder: Path,
    *,
    partitions: int,
    seed: int,
    dask: str | None = None,
    workers: int = 1,
    progress: Progress = silent,
    label: str = "simulating the pool",
) -> Path:
    """Simulate every fitted cohort, each drawn patient with a draw of its own; goes on where it was broken off."""
    _, designs = arms_of(knowledge)
    tasks = dict(pool_tasks(designs, calibration, partitions, seed))
    identity = {
        "what": "calibration pool", "cohorts": {c: d.digest() for c, d in designs.items()}, "seed": seed,
        "partitions": partitions, "shifts": calibration.digest(), "knowledge_digest": knowledge.digest,
        "versions": {p: installed_version(p) for p in ("tumornexus", "jax", "numpy")},
    }  # fmt: skip
    with progress(label, len(tasks)) as tick:
        run_partitions(
            run_partition, tasks, folder, identity=identity, dask=dask, workers=workers, progress=tick
        )  # fmt: skip
    return folder


def read_pool(folder: Path, keep: Sequence[int] | None = None, *, unfinished: bool = False) -> Pool:
    """Return patients and volumes of each cohort and regimen; `keep` names partitions (all if not given)."""
    tables = [read_table(folder, name, unfinished=unfinished) for name in ("patients", "volumes")]
    if keep is not None:
        tables = [t[(t["patient"] // SIZE).isin(list(keep))] for t in tables]
    parts = [table.groupby(["trial", "arm"], sort=False) for table in tables]
    keys = tables[0][["trial", "arm"]].drop_duplicates().itertuples(index=False, name=None)
    return {(str(c), str(a)): (parts[0].get_group((c, a)), parts[1].get_group((c, a))) for c, a in keys}


def together(
    one: dict[tuple[str, str], pd.DataFrame],
    of_one: Calibration,
    other: dict[tuple[str, str], pd.DataFrame],
    of_other: Calibration,
) -> tuple[dict[tuple[str, str], pd.DataFrame], Calibration]:
    """Return two pools as one, and the shifts that their column `draw` then counts in."""
    n = of_one.n_draws
    rows = {
        key: pd.concat(
            [table.assign(draw=table["draw"] % n), other[key].assign(draw=n + other[key]["draw"] % of_other.n_draws)],
            ignore_index=True,
        )
        for key, table in one.items()
    }  # fmt: skip
    return rows, Calibration(of_one.names, np.concatenate([of_one.shifts, of_other.shifts]))


def calibrate(
    out: Path | str,
    *,
    seed: int = 1,
    partitions: int = PARTITIONS,
    steps: int = STEPS,
    dask: str | None = None,
    workers: int = 1,
    call: Sequence[str] = (),
    progress: Progress = silent,
) -> tuple[Calibration, dict[str, Any]]:
    """Calibrate on every arm marked ``fit`` and write the artefact to `out`; pools lie beside it.

    Raises:
        InputError: `out` is a folder, or fewer than two partitions: the emulator is checked on patients it did not see.
    """
    out = Path(out)
    if out.is_dir():
        raise InputError("the artefact is a file", field="--out", value=str(out), valid="such as calibration.json")
    if partitions < 2:
        raise InputError("too few partitions", field="--partitions", value=partitions, valid="2 or more")
    knowledge = load_knowledge()
    arms, _ = arms_of(knowledge)
    believed = prior(knowledge, draws_needed(partitions), seed)
    folder = simulate_pool(
        knowledge, believed, out.with_name(f"{out.stem}_pool"), partitions=partitions, seed=1000 * seed, dask=dask,
        workers=workers, progress=progress,
    )  # fmt: skip
    targets = targets_of(arms, knowledge)
    half = {k: p for k, (p, _) in read_pool(folder, range(0, partitions, 2)).items()}
    other = {k: p for k, (p, _) in read_pool(folder, range(1, partitions, 2)).items()}
    score = held_out_score(emulate(targets, half, believed), other, believed)
    seen, known = {k: p for k, (p, _) in read_pool(folder).items()}, believed
    waves: list[dict[str, Any]] = []
    found, diagnostics, calibrated = believed, {}, {}
    for wave in range(1, WAVES + 1):
        with progress(f"wave {wave}: learning the emulator, sampling the posterior", 0):
            emulator = emulate(targets, seen, known)
            found, diagnostics = sample(emulator, knowledge, draws=DRAWS, seed=seed + wave - 1, steps=steps)
        place = simulate_pool(
            knowledge, found, out.with_name(f"{out.stem}_posterior{wave}"), partitions=CHECK_PARTITIONS,
            seed=1000 * seed + 500 * wave, dask=dask, workers=workers, progress=progress,
            label=f"wave {wave}: simulating with calibrated parameters",
        )  # fmt: skip
        calibrated = read_pool(place)
        logit, _ = emulator.logit(found.shifts)
        emulated = (1.0 / (1.0 + np.exp(-logit))).mean(axis=0)
        simulated = np.array([flags_of(calibrated[t.arm.cohort, t.arm.regimen][0], t)[1].mean() for t in targets])
        waves.append({"emulated_minus_simulated": round(float(100.0 * np.abs(emulated - simulated).mean()), 2)})
        for kind in ("orr", "pfs"):
            waves[-1][kind] = _gap([t.observed for t in targets], simulated, [t.kind == kind for t in targets])
        seen, known = together(seen, known, {k: p for k, (p, _) in calibrated.items()}, found)
    deviation = deviations(arms, targets, {k: p for k, (p, _) in calibrated.items()})
    with progress("fitting the law of death", 0):
        law, survival = fit_death(survival_targets(arms), calibrated)
    gain = float((score["loss_of_rate"] - score["loss"]).mean())
    provenance = {
        "call": [PurePath(str(c)).name if i == 0 else str(c) for i, c in enumerate(call)],
        "seed": seed, "knowledge_digest": knowledge.digest,
        "versions": {p: installed_version(p) for p in ("tumornexus", "jax", "numpy", "scipy", "emcee")},
        "partitions": partitions, "steps": steps, "arms": len(arms), "trials": len({a.trial.id for a in arms}),
        "figures": len(targets), "survival_figures": len(survival), "diagnostics": diagnostics,
        "emulator_gain_in_log_loss_on_unseen_patients": gain,
        "waves": waves,
        "fit": {kind: waves[-1][kind] for kind in ("orr", "pfs")}
        | {"os": _gap(survival["published"], survival["simulated"].to_numpy(), [True] * len(survival))},
        "shifts": {
            name: {"mean": round(float(m), 3), "sd": round(float(s), 3), "prior_sd": PRIOR_SD[name]}
            for name, m, s in zip(found.names, found.shifts.mean(0), found.shifts.std(0), strict=True)
        },
    }  # fmt: skip
    death = {k: round(getattr(law, k), 4) for k in ("rate_per_year", "burden_exponent", "growth_exponent")}
    provenance["posterior_trial_sd"] = dict(found.trial_sd)
    result = replace(found, trial_sd=deviation, death=death, provenance=provenance)
    with whole_file(out) as partial:
        result.save(partial)
    return result, {"targets": targets, "survival": survival, "emulator": score}


def _gap(published: Any, simulated: np.ndarray, which: Sequence[bool]) -> dict[str, float]:
    """Return mean and median absolute gap in points."""
    gap = 100.0 * np.abs(np.asarray(published, dtype=float) - simulated)[np.array(which)]
    return {"mean_gap": round(float(gap.mean()), 2), "median_gap": round(float(np.median(gap)), 2), "n": len(gap)}
