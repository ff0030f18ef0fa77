"""Compare the exported model in libRoadRunner with the simulator.

    python verification/sbml.py [--out FOLDER] [--sets N] [--regimens NAME ...] [--steps-per-day N] [--atol X]

For each regimen the SBML of one virtual patient is loaded once; `--sets` patients with all their parameters and grown
lesions are set by id and run for 24 months with CVODE (relative tolerance 1e-8). Against them stands
``treat(precise=True)`` of the same patients without draws of small clones. Both are read each week, before that day's
dose. Limits: tumor volume within 1e-3 wherever it is above 1 mm3, every other observable (`observe`, computed from
libRoadRunner's states) and the plasma concentrations within 1e-2 of the range that they have in the regimen.

Writes ``sbml.tsv`` (one row for each patient and regimen: largest errors, where, seconds, or why CVODE stopped) and
``sbml.png``; exits with 1 where a patient misses a limit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import matplotlib as mpl
import numpy as np
import pandas as pd

from tumornexus.errors import SimulationError
from tumornexus.knowledge import Knowledge, load_knowledge, parse_regimen
from tumornexus.knowledge.regimen import Regimen
from tumornexus.systemic.dynamics import OBSERVABLES, observe
from tumornexus.systemic.export.equations import Equations, body_of, quantities_of
from tumornexus.systemic.export.patients import VirtualPatients, virtual_patients
from tumornexus.systemic.export.roadrunner import Runner
from tumornexus.systemic.export.sbml import export_sbml
from tumornexus.systemic.ode import concentration, with_drugs
from tumornexus.systemic.solver import patients_of, setting_of, treat
from tumornexus.systemic.treatment import Treatment, prepare

mpl.use("Agg")
import matplotlib.pyplot as plt

DAYS, WEEK = 728, 7
RTOL = 1e-8
EARLY = 1e-6  # days; libRoadRunner is read this much before the dose of a day
VOLUME_LIMIT, RANGE_LIMIT = 1e-3, 1e-2
LEAST_ML = 1e-3
# No drug; an antibody; two, one of which a severe event ends; infusions that kill lymphocytes; tablets; cells.
REGIMENS: dict[str, tuple[str, tuple[str, ...]]] = {
    "untreated": ("melanoma", ()),
    "nivolumab": ("melanoma", ("nivolumab",)),
    "ipilimumab+nivolumab": ("melanoma", ("ipilimumab", "nivolumab")),
    "chemotherapy": ("nsclc", ("pembrolizumab", "carboplatin", "pemetrexed")),
    "dabrafenib+trametinib": ("melanoma", ("dabrafenib", "trametinib")),
    "car_t": ("melanoma", ("car_t",)),
}
DEFAULT = ("untreated", "nivolumab", "ipilimumab+nivolumab", "chemotherapy", "dabrafenib+trametinib")


def treatment_of(drugs: tuple[str, ...], knowledge: Knowledge) -> Treatment:
    """Return the usual regimen of some drugs."""
    if not drugs:
        return prepare(Regimen("untreated", (), ()), knowledge, DAYS)
    return prepare(parse_regimen(" + ".join(knowledge.drugs[d].usual for d in drugs), knowledge), knowledge, DAYS)


def observables(table: np.ndarray, equations: Equations, one: VirtualPatients, treatment: Treatment) -> dict[str, Any]:
    """Return the observables of a course of libRoadRunner, (time, state), by the laws of the package."""
    n = len(table)
    with jax.enable_x64(True):
        body = body_of(dict(zip(equations.rates, table.T, strict=True)), treatment, one.state)
        patient = patients_of(np.repeat(one.values, n, 0), one.lesions[np.zeros(n, int)], [treatment], np.zeros(n, int))
        plasma = concentration(body.amounts, patient)
        p, h = with_drugs(body.tissue, plasma, patient, setting_of(one.names, treatment))
        values = observe(body.tissue.state, p, h)
        return {name: np.asarray(values[name]) for name in OBSERVABLES} | {"plasma": np.asarray(plasma).T}


def compare(
    name: str, knowledge: Knowledge, sets: int, steps: int, atol: float, work: Path
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return a row for each patient, and tumor volumes (patient, time) of the simulator and of libRoadRunner."""
    tumor, drugs = REGIMENS[name]
    treatment = treatment_of(drugs, knowledge)
    patients = virtual_patients(tumor, knowledge, sets)
    ours = treat(
        patients.values, patients.names, patients.state, [treatment], np.zeros(sets, int), lesions=patients.lesions,
        precise=True, steps_per_day=steps,
    )  # fmt: skip

    def width(x: np.ndarray, axis: Any = None) -> Any:
        return np.nanmax(x, axis) - np.nanmin(x, axis)

    spread = {n: float(width(ours[n].values)) for n in OBSERVABLES}
    spread_plasma = np.maximum(width(ours["plasma"].values, (0, 1)), 1e-12)
    volume = ours["tumor_volume"].values.astype(float)
    theirs = np.full_like(volume, np.nan)
    first = patients[np.array([0])]
    path = work / f"{name}.xml"
    equations = export_sbml(
        path, first.values[0], first.names, first.state, treatment, knowledge, first.lesions
    )  # fmt: skip
    runner = Runner(path, equations)
    at = np.maximum(np.arange(0, DAYS + 1, WEEK) - EARLY, 0.0)
    rows = []
    for i in range(sets):
        one = patients[np.array([i])]
        row: dict[str, Any] = {"regimen": name, "patient": i, "stopped": ""}
        runner.set_patient(
            quantities_of(one.values[0], one.names, one.state, treatment, knowledge, one.lesions)
        )  # fmt: skip
        start = time.perf_counter()
        try:
            table = runner.run(at, runner.states, rtol=RTOL, atol=atol)
        except SimulationError as error:
            rows.append(row | {"stopped": str(error)[:120], "seconds": time.perf_counter() - start})
            continue
        row["seconds"] = time.perf_counter() - start
        if ours["status"].values[i] != 0:
            rows.append(row | {"stopped": "the simulator failed numerically"})
            continue
        seen = observables(table, equations, one, treatment)
        theirs[i] = seen["tumor_volume"]
        error = np.where(volume[i] > LEAST_ML, np.abs(theirs[i] / volume[i] - 1.0), 0.0)
        row |= {"volume_error": error.max(), "volume_error_week": int(error.argmax())}
        # libRoadRunner is read just before a severe event of that day starts steroids, the simulator just after.
        kept = np.abs(np.arange(0, DAYS + 1, WEEK) - float(ours["toxicity_event_day"].values[i])) > 0.5
        others = {
            n: float(np.abs(seen[n] - ours[n].values[i])[kept].max()) / spread[n]
            for n in OBSERVABLES
            if n != "tumor_volume" and spread[n] > 0.0
        }
        others["plasma"] = float((np.abs(seen["plasma"] - ours["plasma"].values[i]) / spread_plasma).max())
        worst = max(others, key=lambda n: others[n])
        rows.append(row | {"other_error": others[worst], "other": worst})
    return pd.DataFrame(rows), volume, theirs


def main() -> None:
    """Write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    parser.add_argument("--sets", type=int, default=50)
    parser.add_argument("--regimens", nargs="+", choices=list(REGIMENS), default=list(DEFAULT))
    parser.add_argument("--steps-per-day", type=int, default=4)
    parser.add_argument("--atol", type=float, default=1e-14)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    knowledge = load_knowledge()
    figure, axes = plt.subplots(
        1, len(options.regimens), figsize=(3.0 * len(options.regimens), 3.2), layout="constrained", squeeze=False
    )  # fmt: skip
    tables = []
    for axis, name in zip(axes[0], options.regimens, strict=True):
        with tempfile.TemporaryDirectory() as work:
            table, ours, theirs = compare(
                name, knowledge, options.sets, options.steps_per_day, options.atol, Path(work)
            )  # fmt: skip
        tables.append(table.reindex(columns=COLUMNS))
        # What is finished is kept: a later regimen may be stopped.
        pd.concat(tables).to_csv(options.out / "sbml.tsv", sep="\t", index=False)
        ran = tables[-1]["stopped"] == ""
        print(
            f"{name}: {int(ran.sum())} of {len(table)} ran, largest error of the volume "
            f"{tables[-1]['volume_error'].max():.1e}, of others {tables[-1]['other_error'].max():.1e} of their range",
            flush=True,
        )
        weeks = np.arange(ours.shape[1])
        for i in range(min(len(table), 8)):
            axis.semilogy(weeks, np.maximum(ours[i], LEAST_ML), color=f"C{i}", lw=1)
            axis.semilogy(weeks[::8], np.maximum(theirs[i, ::8], LEAST_ML), ".", color=f"C{i}")
        axis.set(title=name, xlabel="Week", ylabel="Tumor volume (mL)" if axis is axes[0][0] else "")
    figure.suptitle("Lines: simulator. Dots: exported SBML in libRoadRunner", fontsize=9)
    figure.savefig(options.out / "sbml.png", dpi=160)
    result = pd.concat(tables)
    within = (result["volume_error"] <= VOLUME_LIMIT) & (result["other_error"] <= RANGE_LIMIT)
    result.assign(within=within).to_csv(options.out / "sbml.tsv", sep="\t", index=False)
    print(f"{int(within.sum())} of {len(within)} within the limits; {options.out / 'sbml.tsv'}")
    sys.exit(0 if within.all() else 1)


COLUMNS = [
    "regimen", "patient", "volume_error", "volume_error_week", "other_error", "other", "seconds", "stopped",
]  # fmt: skip

if __name__ == "__main__":
    main()
