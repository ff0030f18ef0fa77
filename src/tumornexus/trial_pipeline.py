"""A virtual trial from its design to endpoints, tables and report.

TRIAL.toml or trial id -> TrialDesign -> partitions (patients, treated in all arms) -> endpoints.json, report.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io.write import write_results
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.pipeline import Progress, silent
from tumornexus.provenance import added_records, installed_version, manifest
from tumornexus.trial.calibration import Calibration, none
from tumornexus.trial.cause import causes, relevant
from tumornexus.trial.design import TrialDesign, read_design
from tumornexus.trial.partitions import run_partitions
from tumornexus.trial.simulate import SIZE, Task, run_partition
from tumornexus.trial.summary import endpoints

PARTITIONS = "partitions"  # subfolder of the results
CLONE_NAMES = {
    "jak_loss": "Clone without JAK1/2", "pathway_reactivated": "Clone with reactivated MAPK pathway",
}  # fmt: skip


@dataclass(frozen=True)
class TrialResult:
    """What a virtual trial found: design, endpoints (layout of endpoints.json), patients and scans, notes."""

    design: TrialDesign
    endpoints: dict[str, Any]
    patients: pd.DataFrame
    scans: pd.DataFrame
    notes: tuple[str, ...]


def tasks_of(design: TrialDesign, n: int, seed: int, calibration: Calibration, records: Path | None) -> dict[str, Task]:
    """Return the partitions of a trial of `n` patients in each arm."""
    sizes = [SIZE] * (n // SIZE) + ([n % SIZE] if n % SIZE else [])
    return {f"{i:05d}": Task(design, i, size, seed, calibration, records) for i, size in enumerate(sizes)}


def identity_of(
    design: TrialDesign, n: int, seed: int, calibration: Calibration, knowledge: Knowledge
) -> dict[str, Any]:
    """Return what makes two runs the same run."""
    versions = {p: installed_version(p) for p in ("tumornexus", "jax", "jaxlib", "numpy", "pandas", "pyarrow")}
    return {
        "what": "virtual trial", "design": design.digest(), "n": n, "seed": seed, "knowledge_digest": knowledge.digest,
        "calibration_digest": calibration.simulated_digest(), "versions": versions,
    }  # fmt: skip


def run_trial(
    source: Path | str,
    *,
    n: int,
    seed: int,
    out: Path | str,
    calibration: Calibration | None = None,
    dask: str | None = None,
    workers: int = 1,
    call: Sequence[str] = (),
    records: Path | None = None,
    progress: Progress = silent,
) -> TrialResult:
    """Run a virtual trial and write its results.

    Args:
        source: TRIAL.toml, or the id or name of a published trial.
        n: virtual patients in each arm; the same patients in all.
        out: folder for the results. A run that was broken off goes on with the same call.
        calibration: shifts of population parameters; None: values as the records have them.
        dask, workers: where partitions are computed, see `run_partitions`.

    Raises:
        InputError, RegimenError, SimulationError: what is wrong, before anything is written where it can be known.
    """
    if n < 1:
        raise InputError("a trial needs patients", field="--n", value=n, valid="a whole number of 1 or more")
    out = Path(out)
    _require_own(out)
    knowledge = load_knowledge(extra=records)
    design = read_design(source, knowledge)
    calibration = calibration or none()
    tasks = tasks_of(design, n, seed, calibration, records)
    with progress(f"simulating {design.name}", len(tasks)) as tick:
        run = run_partitions(
            run_partition, tasks, out / PARTITIONS, identity=identity_of(design, n, seed, calibration, knowledge),
            dask=dask, workers=workers, progress=tick,
        )  # fmt: skip
    from tumornexus.trial.partition_folder import read_table

    patients, scans = (read_table(run.folder, name) for name in ("patients", "scans"))
    mechanisms = {arm.name: relevant(arm.regimens, knowledge) for arm in design.arm}
    patients = patients.assign(cause=causes(patients, mechanisms))
    arms = tuple(a.name for a in design.arm)
    found = endpoints(patients, arms, calibration, n=n, seed=seed, months=design.months)
    # What went wrong on the way and was mended is told, not written: results do not depend on it.
    result = TrialResult(design, found, patients, scans, (*design.notes, *_about_calibration(calibration, knowledge)))
    write_trial(result, knowledge, calibration, out, seed=seed, call=call, records=records)
    return replace(result, notes=(*result.notes, *run.notes))


def _require_own(out: Path) -> None:
    """Refuse a file, and a folder that holds anything but a trial: its results would be overwritten."""
    if out.is_file():
        raise InputError("the results need a folder", field="--out", value=str(out), valid="a folder, new or empty")
    if out.is_dir() and not (out / PARTITIONS).is_dir():
        strange = sorted(p.name for p in out.iterdir() if not p.name.startswith("."))
        if strange:
            raise InputError(f"the folder holds something else than a virtual trial: {strange[0]}", field="--out",
                             value=str(out), valid="a new or empty folder, or that of the same trial")  # fmt: skip


def _about_calibration(calibration: Calibration, knowledge: Knowledge) -> tuple[str, ...]:
    """Return what a reader must know of the parameters."""
    if not calibration.names:
        return ("not calibrated: parameters are as the records have them, and intervals do not hold their uncertainty",)
    made_with = calibration.provenance.get("knowledge_digest")
    if made_with not in (None, knowledge.digest):
        return (f"the calibration was made with another catalogue (digest {made_with}, now {knowledge.digest})",)
    return ()


def endpoint_table(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return endpoints.json as a table: arm, endpoint, estimate, low, high."""
    rows = [
        (arm, name, v["estimate"], v["low"], v["high"])
        for arm, own in found["arms"].items() for name, v in own.items()
    ]  # fmt: skip
    rows += [
        (arm, f"{name}_hr", v["estimate"], v["low"], v["high"])
        for arm, own in found["hazard_ratios"].items() for name, v in own.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["arm", "endpoint", "estimate", "low", "high"])


def write_trial(
    result: TrialResult,
    knowledge: Knowledge,
    calibration: Calibration,
    out: Path,
    *,
    seed: int,
    call: Sequence[str] = (),
    records: Path | None = None,
) -> None:
    """Write endpoints.json, endpoints.tsv, patients.tsv, trial.json, manifest.json and the report, all or none."""
    from tumornexus.report.trial import trial_page
    from tumornexus.report.trial_view import build_trial_view

    shown = [c for c in result.patients.columns if not c.startswith("m_")]
    record = manifest(
        call or ("trial", result.design.id), seed, knowledge.digest, n=result.endpoints["n"],
        calibration={"digest": calibration.digest(), **dict(calibration.provenance)},
        **added_records(records, knowledge.added),
    )  # fmt: skip
    names = {m.id: m.name for m in knowledge.mechanisms.values()} | CLONE_NAMES
    told = {k: v for k, v in record.items() if k != "calibration"} | {"calibration": calibration.digest()}
    view = build_trial_view(
        result.patients, result.scans, result.endpoints, title=result.design.name, cause_names=names, manifest=told,
        notes=result.notes,
    )  # fmt: skip
    write_results(
        out,
        {
            "endpoints.json": {**result.endpoints, "trial": result.design.id, "notes": list(result.notes)},
            "endpoints.tsv": endpoint_table(result.endpoints),
            "patients.tsv": result.patients[shown],
            "trial.json": result.design.model_dump(mode="json", exclude_none=True),
            "report.html": trial_page(view),
            "manifest.json": record,
        },
    )
