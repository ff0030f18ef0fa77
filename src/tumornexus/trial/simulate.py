"""One partition of a virtual trial: some patients, found, treated before if the trial asks for it, and treated in all
arms.

A partition hangs on its number alone: it draws the same patients alone, in a trial of a thousand, on any machine. All
arms of a cohort (same tumor type and criteria) hold the same patients with the same luck; cohorts of one tumor type
share their draws.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import xarray as xr

from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.criteria import Criteria, parse_bound
from tumornexus.knowledge.regimen import parse_regimen
from tumornexus.systemic.solver import treat
from tumornexus.systemic.state import HOST, State
from tumornexus.systemic.treatment import HORIZON_DAYS, Treatment, prepare, untreated
from tumornexus.trial.calibration import Calibration
from tumornexus.trial.design import UNTREATED, Arm, TrialDesign
from tumornexus.trial.outcomes import arm_outcomes
from tumornexus.trial.population import Patients, draw_patients
from tumornexus.trial.prior import prior_regimen
from tumornexus.trial.recist import recist
from tumornexus.trial.scans import ScanPlan
from tumornexus.trial.survival import DeathHazard, FollowUp

SIZE = 100  # patients of a partition: 128 draws, the width of a compiled call, mostly hold as many
BLOCK = 128
MOST_BLOCKS = 40  # of draws for one partition, before a selection counts as empty
SMALLEST_ML = 1.0  # total volume with which a patient enters after earlier treatment
CLONES = ("clone_b2m_loss", "clone_jak_loss", "clone_pathway_reactivated", "clone_car_antigen_loss")
KEEP = ("tumor_volume", "toxicity_hazard", *CLONES)


@dataclass(frozen=True)
class Task:
    """One partition of a trial; everything that a worker needs, picklable."""

    design: TrialDesign
    number: int
    size: int
    seed: int
    calibration: Calibration
    records: Path | None = None
    per_draw: int = 32  # neighboring drawn patients that share a draw of the calibration
    volumes: bool = False  # whether to keep the total volume every 4 weeks


@dataclass(frozen=True)
class ArmCourse:
    """What one arm of a partition did: patients, their number, and their course (`treat`), first row a patient."""

    arm: Arm
    patients: Patients
    number: np.ndarray
    draw: np.ndarray
    course: xr.Dataset


def meets(facts: pd.DataFrame, criteria: Criteria) -> dict[str, np.ndarray]:
    """Return, for each criterion asked for, who meets it, (member,); earlier treatment is not among them."""
    found = {}
    for name, column in (("pd_l1", "pd_l1"), ("tmb", "tmb"), ("ecog", "ecog"), ("age", "age"), ("ldh", "ldh_ratio")):
        text = getattr(criteria, name)
        if text is not None:
            bound = parse_bound(text)
            found[name] = np.array([bound.holds(v) for v in facts[column]])
    if criteria.msi is not None:
        found["msi"] = facts["msi_high"].to_numpy() == (criteria.msi == "high")
    if criteria.braf_v600 is not None:
        found["braf_v600"] = facts["braf_v600"].to_numpy() == criteria.braf_v600
    return found


def treatment_of(text: str, knowledge: Knowledge, horizon_days: int) -> Treatment:
    """Return the tables of a regimen over a horizon."""
    if text == UNTREATED:
        return untreated(knowledge, horizon_days)
    return prepare(parse_regimen(text, knowledge), knowledge, horizon_days)


def _run(patients: Patients, treatments: Sequence[Treatment], which: np.ndarray, *, states: bool = False) -> xr.Dataset:
    return treat(
        patients.values, patients.names, patients.state, treatments, which, lesions=patients.lesions,
        luck=patients.luck, keep=KEEP, states=states,
    )  # fmt: skip


def _at(course: xr.Dataset, week: np.ndarray) -> State:
    """Return the state of each member at its own week, member axis first; harm of what was given before is over."""
    members = np.arange(course.sizes["member"])
    parts = {}
    for name in State.__dataclass_fields__:
        stored = course[f"state_{name}"]
        parts[name] = stored.values[members, week]
    for name in ("toxicity_hazard", "steroid"):
        assert name in HOST
        parts[name] = np.zeros_like(parts[name])
    return State(**parts)


def progressed_on(patients: Patients, text: str, knowledge: Knowledge) -> tuple[np.ndarray, Patients]:
    """Treat until progression; return who progressed within two years, and they as they were at that scan.

    What is left of the drugs is taken as washed out; side effects are over. Somebody whose tumor is nearly gone, or who
    never progressed, does not come to the next line.
    """
    course = _run(patients, [treatment_of(text, knowledge, HORIZON_DAYS)], np.zeros(len(patients), int), states=True)
    result = recist(course["lesion_volume"].values, course["time"].values)
    days = course["time"].values
    week = np.array([int(np.argmin(np.abs(days - m * 30.4375))) for m in result.pfs_months])
    volume = course["tumor_volume"].values[np.arange(len(week)), week]
    enough = np.nan_to_num(volume, nan=0.0) >= SMALLEST_ML
    kept = np.flatnonzero(result.progressed & (result.reason != 4) & enough)
    state = jax.tree.map(lambda x: x[kept], _at(course, week))
    later = patients[kept]
    facts = later.facts.assign(volume_ml=volume[kept].astype(float))
    return kept, replace(later, state=state, luck=later.luck + np.uint32(1), facts=facts)


def _candidates(
    task: Task, tumor: str, criteria: Criteria, knowledge: Knowledge
) -> Iterator[tuple[Patients, dict[str, np.ndarray], np.ndarray]]:
    """Yield blocks of drawn patients, who met each criterion, and the draw of the calibration of each."""
    for block in range(MOST_BLOCKS):
        draw = (task.number * BLOCK + np.arange(BLOCK)) // task.per_draw
        everyone = draw_patients(
            tumor, knowledge, BLOCK, seed=task.seed, address=f"{tumor}/{task.number}/{block}",
            shifts=task.calibration.of(draw), braf_v600=criteria.braf_v600,
        )  # fmt: skip
        yield everyone, meets(everyone.facts, criteria), draw[everyone.drawn]


def enroll(task: Task, tumor: str, criteria: Criteria, knowledge: Knowledge) -> tuple[Patients, np.ndarray]:
    """Return the first `size` patients of a partition who meet the criteria, and their draws of the calibration.

    Raises:
        InputError: no or too few virtual patients qualify; the criterion that empties the selection is named.
    """
    found: list[Patients] = []
    draws: list[np.ndarray] = []
    seen, passed = 0, dict.fromkeys(("all criteria",), 0)
    for everyone, tests, draw in _candidates(task, tumor, criteria, knowledge):
        fit = np.logical_and.reduce([np.ones(len(everyone), bool), *tests.values()])
        seen += len(everyone)
        for name, test in tests.items():
            passed[name] = passed.get(name, 0) + int(test.sum())
        patients, draw = everyone[np.flatnonzero(fit)], draw[fit]
        for word in criteria.prior:
            if not len(patients):
                break
            text = prior_regimen(word, knowledge.tumors[tumor], knowledge)
            assert text is not None
            before = len(patients)
            kept, patients = progressed_on(patients, text, knowledge)
            draw = draw[kept]
            passed[f"prior {word}"] = passed.get(f"prior {word}", 0) + len(kept)
            passed[f"prior {word}, treated"] = passed.get(f"prior {word}, treated", 0) + before
        passed["all criteria"] += len(patients)
        found.append(patients)
        draws.append(draw)
        if sum(map(len, found)) >= task.size:
            break
    together = join(found)
    if len(together) < task.size:
        raise _too_few(task, tumor, seen, passed)
    first = np.arange(task.size)
    return together[first], np.concatenate(draws)[: task.size]


def _too_few(task: Task, tumor: str, seen: int, passed: Mapping[str, int]) -> InputError:
    """Return the error of a selection that is empty or nearly so, naming the criterion that the fewest meet.

    Criteria are shares of all who were drawn, an earlier treatment is one of those who were given it.
    """
    tested = [name for name in passed if name != "all criteria" and not name.endswith(", treated")]
    share = {name: passed[name] / max(passed.get(f"{name}, treated", seen), 1) for name in tested}
    told = "; ".join(
        f"{name}: {passed[name]}" + (f" of {treated} treated" if (treated := passed.get(f"{name}, treated")) else "")
        for name in (*tested, "all criteria")
    )
    scarce = min(tested, key=share.__getitem__, default="")
    return InputError(
        f"too few virtual patients qualify: of {seen} with {tumor} meet {told}",
        field=f"selection.{scarce.partition(' ')[0]}" if scarce else "selection", value=passed["all criteria"],
        valid=f"criteria that {task.size} of {seen} virtual patients meet",
    )  # fmt: skip


def join(parts: Sequence[Patients]) -> Patients:
    """Return the patients of several blocks as one."""
    first = parts[0]
    return Patients(
        first.tumor, first.names, np.concatenate([p.values for p in parts]),
        jax.tree.map(lambda *xs: np.concatenate([np.asarray(x) for x in xs]), *[p.state for p in parts]),
        type(first.lesions)(
            np.concatenate([p.lesions.shares for p in parts]), np.concatenate([p.lesions.factors for p in parts])
        ),
        np.concatenate([p.luck for p in parts]),
        {m: np.concatenate([p.activities[m] for p in parts]) for m in first.activities},
        pd.concat([p.facts for p in parts], ignore_index=True),
        np.concatenate([p.drawn for p in parts]),
    )  # fmt: skip


def choices(arm: Arm, facts: pd.DataFrame) -> np.ndarray:
    """Return which regimen of the arm each patient gets, index into `arm.regimens`."""
    if arm.regimen is not None:
        return np.zeros(len(facts), int)
    chosen = np.full(len(facts), -1)
    for i, choice in enumerate(arm.choose):
        fit = np.logical_and.reduce([np.ones(len(facts), bool), *meets(facts, choice.when).values()])
        chosen = np.where((chosen < 0) & fit, i, chosen)
    return chosen


def _next_line(own: ArmCourse, progression_day: np.ndarray, knowledge: Knowledge, horizon_days: int) -> np.ndarray:
    """Return lesion volumes (member, lesion, time) when those who progress get the arm's next regimen from then on."""
    assert own.arm.on_progression is not None
    volume, days = own.course["lesion_volume"].values.copy(), own.course["time"].values
    on = np.flatnonzero(np.isfinite(progression_day) & (own.course["status"].values == 0))
    if not len(on):
        return volume
    week = np.searchsorted(days, progression_day[on])
    later = replace(own.patients[on], state=_at(own.course.isel(member=on), week))
    after = _run(later, [treatment_of(own.arm.on_progression, knowledge, horizon_days)], np.zeros(len(on), int))
    then = after["lesion_volume"].values
    for i, member in enumerate(on):
        volume[member, :, week[i] :] = then[i, :, : len(days) - week[i]]
    return volume


def courses(task: Task, knowledge: Knowledge) -> list[ArmCourse]:
    """Return what happens in each arm of a partition, in the order of the design."""
    design = task.design
    cohorts: dict[tuple[str, Criteria], list[Arm]] = {}
    for arm in design.arm:
        cohorts.setdefault((design.tumor_of(arm), design.criteria_of(arm)), []).append(arm)
    found: dict[str, ArmCourse] = {}
    for (tumor, criteria), arms in cohorts.items():
        patients, draw = enroll(task, tumor, criteria, knowledge)
        n, number = len(patients), task.number * SIZE + np.arange(len(patients))
        texts = list(dict.fromkeys(t for arm in arms for t in arm.regimens))
        treatments = [treatment_of(t, knowledge, design.horizon_days) for t in texts]
        # States are kept only where somebody goes on to a next line: they are most of the memory.
        for goes_on in (False, True):
            some = [arm for arm in arms if (arm.on_progression is not None) is goes_on]
            if not some:
                continue
            which = [np.array([texts.index(t) for t in a.regimens])[choices(a, patients.facts)] for a in some]
            course = _run(join([patients] * len(some)), treatments, np.concatenate(which), states=goes_on)
            for i, arm in enumerate(some):
                own = course.isel(member=slice(i * n, (i + 1) * n))
                found[arm.name] = ArmCourse(arm, patients, number, draw, own)
    return [found[arm.name] for arm in design.arm]


def acquired(course: xr.Dataset, day: np.ndarray) -> np.ndarray:
    """Return the clone that makes up most cancer cells on `day` (member,) and did not before treatment, "" where none
    does or the day is not finite."""
    week = np.searchsorted(course["time"].values, np.where(np.isfinite(day), day, 0.0))
    week = np.minimum(week, course.sizes["time"] - 1)
    members = np.arange(course.sizes["member"])
    found = np.full(len(members), "", dtype=object)
    for name in CLONES:
        share = np.nan_to_num(course[name].values)
        now = np.isfinite(day) & (share[members, week] > 0.5) & (share[:, 0] <= 0.5)
        found[now] = name.removeprefix("clone_")
    return found


@functools.lru_cache(maxsize=4)
def _catalogue(records: Path | None) -> Knowledge:
    return load_knowledge(extra=records)


def run_partition(task: Task) -> dict[str, pd.DataFrame]:
    """Return the tables ``patients`` and ``scans`` of a partition; see `tumornexus.trial.outcomes` for their columns.

    With `volumes` a third: `trial`, `arm`, `patient` and the total volume in mL on days 0, 28, ... (`d0`, `d28`, ...).

    Besides those of `arm_outcomes`: `trial`, `arm`, `draw` (of the calibration), `tumor`, the facts of `Patients`,
    `acquired` (clone that took over by progression, "" where none), and the activity of every cause as `m_<mechanism>`.
    """
    knowledge, design = _catalogue(task.records), task.design
    scans = design.scans
    plan = ScanPlan(first_weeks=scans.every_weeks, every_weeks=scans.every_weeks, confirm=scans.confirm)
    lost = design.dropout_percent_per_year
    rate = {} if lost is None else {"dropout_per_year": -np.log1p(-lost / 100.0)}
    follow, hazard = FollowUp(months=float(design.months), **rate), DeathHazard(**task.calibration.death)
    patients, seen, volumes = [], [], []
    for own in courses(task, knowledge):
        facts = own.patients.facts.assign(patient=own.number)
        result = arm_outcomes(own.course, facts, plan, follow, hazard, seed=task.seed)
        if own.arm.on_progression is not None:
            volume = _next_line(own, result.progression_day, knowledge, design.horizon_days)
            course = own.course.assign(lesion_volume=(own.course["lesion_volume"].dims, volume))
            later = arm_outcomes(course, facts, plan, follow, hazard, seed=task.seed)
            # What the next line does belongs to survival alone; progression was judged on the first.
            result = replace(result, patients=result.patients.assign(**later.patients[["os_days", "os_event"]]))
        extra: dict[str, Any] = {"trial": design.id, "arm": own.arm.name, "draw": own.draw, "tumor": own.patients.tumor}
        extra |= {c: facts[c].to_numpy() for c in facts.columns if c != "patient"}
        ended = np.where(result.patients["pfs_event"], result.patients["pfs_days"], np.inf)
        extra["acquired"] = acquired(own.course, ended)
        none, active = np.zeros(len(facts)), own.patients.activities
        extra |= {f"m_{m}": active.get(m, none).astype(np.float32) for m in knowledge.causes}
        patients.append(pd.concat([result.patients, pd.DataFrame(extra)], axis=1))
        seen.append(result.scans.assign(trial=design.id, arm=own.arm.name))
        if task.volumes:
            days = own.course["time"].values
            every = np.flatnonzero(days % 28 == 0)
            total = own.course["tumor_volume"].values[:, every].astype(np.float32)
            wide = pd.DataFrame(total, columns=[f"d{int(d)}" for d in days[every]])
            volumes.append(wide.assign(trial=design.id, arm=own.arm.name, patient=own.number))
    tables = {"patients": patients, "scans": seen} | ({"volumes": volumes} if task.volumes else {})
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
