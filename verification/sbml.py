"""Compare the exported model in libRoadRunner with the simulator.

    python verification/sbml.py [--out FOLDER] [--sets N] [--first N] [--regimens NAME ...] [--jobs N]
                                [--steps-per-day N] [--atol X]

For each regimen the SBML of one virtual patient is loaded once; patients with all their parameters and grown lesions
are set by id and run for 24 months with CVODE (relative tolerance 1e-8). Against them stands ``treat(precise=True)`` of
the same patients without draws of small clones. Both are read each week, before that day's dose. Limits:

* tumor volume (in all, and of each lesion) within 1e-3 wherever it is above 1 mm3;
* every other state within 1e-2 of its range: cells of each clone and lesion, levels, blood and node, drug amounts and
  concentrations in lesions. The range of a state is that of the simulator over all patients (`--sets`) and weeks of the
  regimen; where it is constant, its value. States that are zero throughout on both sides have no error;
* the observables (`observe`, computed from libRoadRunner's states) within 1e-2 of their range, in the same sense.

Where a severe event starts a steroid, libRoadRunner is read just before and the simulator just after: the steroid and
the observables are not compared on that day.

Writes ``sbml.tsv``, one row for each patient and regimen as it finishes: largest errors, what and when (week), seconds,
or why CVODE stopped. Run again, it goes on where it was: rows of the same knowledge, patients and settings are kept.
``--first`` compares only the first of the patients; ``--jobs`` runs regimens in that many processes. Writes
``sbml.png`` and exits with 1 where a patient misses a limit.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr

import tumornexus
from tumornexus.errors import SimulationError
from tumornexus.knowledge import Knowledge, load_knowledge, parse_regimen
from tumornexus.knowledge.regimen import Regimen
from tumornexus.systemic.dynamics import OBSERVABLES, observe
from tumornexus.systemic.export.equations import PLACES, body_of, courses_of, quantities_of
from tumornexus.systemic.export.patients import VirtualPatients, virtual_patients
from tumornexus.systemic.export.roadrunner import Runner
from tumornexus.systemic.export.sbml import export_sbml
from tumornexus.systemic.ode import Body, Patient, Setting, Tissue, concentration, with_drugs
from tumornexus.systemic.solver import patients_of, setting_of, treat
from tumornexus.systemic.state import State
from tumornexus.systemic.treatment import Treatment, prepare

mpl.use("Agg")
import matplotlib.pyplot as plt

DAYS, WEEK = 728, 7
RTOL = 1e-8
EARLY = 1e-6  # days; libRoadRunner is read this much before the dose of a day
VOLUME_LIMIT, RANGE_LIMIT = 1e-3, 1e-2
LEAST_ML = 1e-3
CONSTANT = 1e-9  # a state whose range is less than this part of its largest value is constant
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
SAME = ["knowledge", "code", "sets", "steps_per_day", "atol"]  # rows that agree in these belong together
ERRORS = {"volume": VOLUME_LIMIT, "state": RANGE_LIMIT, "observable": RANGE_LIMIT}
COLUMNS = [
    "regimen", "patient", *(f"{kind}_{column}" for kind in ERRORS for column in ("error", "worst", "week")), "seconds",
    "load_seconds", "stopped", *SAME,
]  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What all regimens of a run share: the rows' file, how many patients are drawn and compared, tolerances."""

    table: Path
    sets: int
    first: int
    steps_per_day: int
    atol: float

    def same(self, knowledge: Knowledge) -> dict[str, Any]:
        """Return what a row must agree in to count for this run."""
        return {
            "knowledge": knowledge.digest, "code": code_digest(), "sets": self.sets,
            "steps_per_day": self.steps_per_day, "atol": self.atol,
        }  # fmt: skip


def code_digest() -> str:
    """Return 16 hexadecimal digits of the SHA-256 over the laws, the solver, the exporter and this script."""
    package = Path(tumornexus.__file__).parent
    files = sorted([*package.glob("biology/*.py"), *package.glob("systemic/**/*.py"), Path(__file__)])
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:16]


def treatment_of(drugs: tuple[str, ...], knowledge: Knowledge) -> Treatment:
    """Return the usual regimen of some drugs."""
    if not drugs:
        return prepare(Regimen("untreated", (), ()), knowledge, DAYS)
    return prepare(parse_regimen(" + ".join(knowledge.drugs[d].usual for d in drugs), knowledge), knowledge, DAYS)


def states_of(data: xr.Dataset, treatment: Treatment, state: State) -> dict[str, np.ndarray]:
    """Return the courses of all states of `treat(states=True)` by id, (member, time) each."""

    def of(name: str) -> np.ndarray:
        return data[f"state_{name}"].transpose(..., "member", "time").values

    tissue = Tissue(State(**{name: of(name) for name in State.__dataclass_fields__}), of("tumor_drug"))
    # Members without numbers have no state of which it could be asked whether it is zero.
    body = jax.tree.map(lambda x: np.where(data["status"].values[:, None] == 0, x, 0.0), Body(tissue, of("amounts")))
    return courses_of(body, treatment, state)


@partial(jax.jit, static_argnums=2)
def _observe(body: Body, patient: Patient, setting: Setting) -> dict[str, jax.Array]:
    p, h = with_drugs(body.tissue, concentration(body.amounts, patient), patient, setting)
    values = observe(body.tissue.state, p, h)
    return {name: values[name] for name in OBSERVABLES}


def observables(courses: dict[str, np.ndarray], one: VirtualPatients, treatment: Treatment) -> dict[str, np.ndarray]:
    """Return the observables of one patient's courses, (time,) each, by the laws of the package."""
    body = body_of(courses, treatment, one.state)
    n = len(next(iter(courses.values())))
    with jax.enable_x64(True):
        patient = patients_of(np.repeat(one.values, n, 0), one.lesions[np.zeros(n, int)], [treatment], np.zeros(n, int))
        return jax.device_get(_observe(body, patient, setting_of(one.names, treatment)))


def scale_of(course: np.ndarray) -> float:
    """Return the range of what the simulator gives, (member, time), or its size where it is constant."""
    largest = float(np.nanmax(np.abs(course)))
    width = float(np.nanmax(course) - np.nanmin(course))
    return width if width > CONSTANT * largest else largest


def worst_of(errors: dict[str, np.ndarray]) -> tuple[float, str, int]:
    """Return the largest of some errors, (week,) each, with its name and week; what is undefined is infinite."""
    largest = {name: float(np.nan_to_num(x, nan=np.inf).max()) for name, x in errors.items()}
    name = max(largest, key=lambda n: largest[n])
    return largest[name], name, int(np.nan_to_num(errors[name], nan=np.inf).argmax())


def relative(theirs: np.ndarray, ours: np.ndarray, scale: float) -> np.ndarray:
    """Return the error over the scale of a quantity, (week,); zero on both sides is no error."""
    difference = np.abs(theirs - ours)
    return difference / scale if scale > 0.0 else np.where(difference == 0.0, 0.0, np.inf)


class Simulated:
    """Virtual patients under one regimen, run by the simulator."""

    def __init__(self, name: str, knowledge: Knowledge, settings: Settings) -> None:
        tumor, drugs = REGIMENS[name]
        self.treatment = treatment_of(drugs, knowledge)
        self.patients = virtual_patients(tumor, knowledge, settings.sets)
        patients = self.patients
        data = treat(
            patients.values, patients.names, patients.state, [self.treatment], np.zeros(settings.sets, int),
            lesions=patients.lesions, precise=True, steps_per_day=settings.steps_per_day, states=True,
        )  # fmt: skip
        self.status, self.event_day = data["status"].values, data["toxicity_event_day"].values
        lesions = data["lesion_volume"].transpose("lesion", ...).values
        self.volumes = {"tumor_volume": data["tumor_volume"].values}
        self.volumes |= {f"volume_{place}": lesions[i] for i, place in enumerate(PLACES)}
        self.states = states_of(data, self.treatment, patients[np.array([0])].state)
        self.observables = {name: data[name].values for name in OBSERVABLES if name != "tumor_volume"}
        self.scales = {name: scale_of(x) for name, x in (self.states | self.observables).items()}

    def errors(self, i: int, theirs: dict[str, np.ndarray]) -> dict[str, Any]:
        """Return the largest errors of what libRoadRunner says of patient `i`: courses by id, (week,) each."""
        seen = observables({name: theirs[name] for name in self.states}, self.patients[np.array([i])], self.treatment)
        not_event = np.abs(np.arange(0, DAYS + 1, WEEK) - float(self.event_day[i])) > 0.5
        volumes = {
            name: np.where(x[i] > LEAST_ML, np.abs(theirs[name] / np.maximum(x[i], LEAST_ML) - 1.0), 0.0)
            for name, x in self.volumes.items()
        }
        states = {name: relative(theirs[name], x[i], self.scales[name]) for name, x in self.states.items()}
        states["steroid"] = np.where(not_event, states["steroid"], 0.0)
        others = {
            name: np.where(not_event, relative(seen[name], x[i], self.scales[name]), 0.0)
            for name, x in self.observables.items()
        }
        row: dict[str, Any] = {}
        for kind, errors in zip(ERRORS, (volumes, states, others), strict=True):
            row[f"{kind}_error"], row[f"{kind}_worst"], row[f"{kind}_week"] = worst_of(errors)
        return row


def append(table: Path, row: dict[str, Any]) -> None:
    """Add one row to the table at once, so that an interruption loses none."""
    with table.open("a", encoding="utf-8") as file:
        file.write(pd.DataFrame([row]).reindex(columns=COLUMNS).to_csv(sep="\t", index=False, header=False))


def finished(table: Path, same: dict[str, Any]) -> pd.DataFrame:
    """Return the rows of an earlier run that agree with this one in `same`."""
    if not table.exists():
        return pd.DataFrame(columns=COLUMNS)
    rows = pd.read_csv(table, sep="\t", keep_default_na=False, na_values={c: [""] for c in COLUMNS if "error" in c})
    if not set(COLUMNS) <= set(rows.columns):
        return pd.DataFrame(columns=COLUMNS)
    agree = np.logical_and.reduce([rows[name] == value for name, value in same.items()])
    return rows.loc[agree, COLUMNS]


def compare(name: str, settings: Settings) -> None:
    """Append a row for each patient of a regimen that has none."""
    knowledge = load_knowledge()
    same = settings.same(knowledge)
    done = finished(settings.table, same)
    there = set(done.loc[done["regimen"] == name, "patient"])
    missing = [i for i in range(settings.first) if i not in there]
    if not missing:
        return
    simulated = Simulated(name, knowledge, settings)
    patients, treatment = simulated.patients, simulated.treatment
    first = patients[np.array([0])]
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "host.xml"
        equations = export_sbml(
            path, first.values[0], first.names, first.state, treatment, knowledge, first.lesions
        )  # fmt: skip
        start = time.perf_counter()
        runner = Runner(path, equations.without_formulas())
        loading = time.perf_counter() - start
    columns = [*runner.states, *simulated.volumes]
    at = np.maximum(np.arange(0, DAYS + 1, WEEK) - EARLY, 0.0)
    for i in missing:
        one = patients[np.array([i])]
        row: dict[str, Any] = {"regimen": name, "patient": i, "load_seconds": round(loading, 1), "stopped": "", **same}
        start = time.perf_counter()
        try:
            if simulated.status[i] != 0:
                raise SimulationError("the simulator failed numerically")
            runner.set_patient(
                quantities_of(one.values[0], one.names, one.state, treatment, knowledge, one.lesions)
            )  # fmt: skip
            table = runner.run(at, columns, rtol=RTOL, atol=settings.atol)
            row["seconds"] = round(time.perf_counter() - start, 2)
            row |= simulated.errors(i, dict(zip(columns, table.T, strict=True)))
        except SimulationError as error:
            row |= {"stopped": " ".join(str(error).split())[:120], "seconds": round(time.perf_counter() - start, 2)}
        append(settings.table, row)
    print(f"{name}: {len(missing)} patients compared", flush=True)


def within(rows: pd.DataFrame) -> pd.Series:
    """Return which rows keep all limits."""
    ok = pd.Series(rows["stopped"] == "", index=rows.index)
    for kind, limit in ERRORS.items():
        ok &= pd.to_numeric(rows[f"{kind}_error"]) <= limit
    return ok


def draw(rows: pd.DataFrame, regimens: list[str], path: Path) -> None:
    """Draw the largest errors of each patient beside the limits."""
    figure, axes = plt.subplots(1, len(ERRORS), figsize=(3.4 * len(ERRORS), 3.6), layout="constrained", sharey=True)
    titles = {"volume": "Volumes, relative", "state": "States, of their range", "observable": "Observables, of range"}
    for axis, (kind, limit) in zip(axes, ERRORS.items(), strict=True):
        for k, name in enumerate(regimens):
            errors = pd.to_numeric(rows.loc[rows["regimen"] == name, f"{kind}_error"]).to_numpy(float)
            shift = np.linspace(-0.3, 0.3, len(errors)) if len(errors) > 1 else np.zeros(len(errors))
            axis.semilogx(np.maximum(errors, 1e-9), k + shift, ".", markersize=4)
        axis.axvline(limit, color="k", lw=1)
        axis.set(title=titles[kind], xlabel="Largest error of a patient", xlim=(1e-8, None))
        axis.set_yticks(range(len(regimens)), regimens)
    figure.suptitle("Exported SBML in libRoadRunner against the simulator; lines are limits", fontsize=9)
    figure.savefig(path, dpi=160)


def main() -> None:
    """Write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    parser.add_argument("--sets", type=int, default=50)
    parser.add_argument("--first", type=int)
    parser.add_argument("--regimens", nargs="+", choices=list(REGIMENS), default=list(DEFAULT))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--steps-per-day", type=int, default=16)
    parser.add_argument("--atol", type=float, default=1e-14)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table = options.out / "sbml.tsv"
    first = min(options.first or options.sets, options.sets)
    settings = Settings(table, options.sets, first, options.steps_per_day, options.atol)
    same = settings.same(load_knowledge())
    finished(table, same).to_csv(table, sep="\t", index=False)
    if options.jobs > 1:
        with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
            list(pool.map(partial(compare, settings=settings), options.regimens))
    else:
        for name in options.regimens:
            compare(name, settings)
    rows = finished(table, same)
    rows = rows[rows["regimen"].isin(options.regimens) & (rows["patient"] < first)]
    draw(rows, options.regimens, options.out / "sbml.png")
    ok = within(rows)
    for name, some in rows.groupby("regimen", sort=False):
        parts = []
        for kind in ERRORS:
            errors = pd.to_numeric(some[f"{kind}_error"])
            where = f" ({some.loc[errors.idxmax(), f'{kind}_worst']})" if errors.notna().any() else ""
            parts.append(f"{kind} {errors.max():.1e}{where}")
        kept = f"{int(ok[some.index].sum())} of {len(some)} within the limits"
        spent = f"{pd.to_numeric(some['seconds']).mean():.1f} s a patient, load {some['load_seconds'].max()} s"
        print(f"{name}: {kept}; largest errors: {', '.join(parts)}; {spent}")
    print(f"{int(ok.sum())} of {len(rows)} within the limits; {table}")
    sys.exit(0 if len(rows) and ok.all() else 1)


if __name__ == "__main__":
    main()
