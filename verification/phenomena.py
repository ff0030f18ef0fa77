"""Show each phenomenon of resistance as a result of the simulator, beside a control arm in which it disappears.

    python verification/phenomena.py [--out FOLDER] [--only NUMBER ...]

Settings, thresholds and controls stand in `phenomena_table.py` and were fixed before the first run (docs/phenomena.md).
Here each phenomenon is an `Experiment`: arms to simulate, measurements that fill the criteria of its row, and a figure.
All arms of all experiments ride in a few ensemble calls. Writes one PNG a phenomenon, ``phenomena.tsv`` (measured
value, bound and verdict of each criterion) and ``outcome.md`` (verdicts, what was missed, what seems to be missing).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import jax
import matplotlib as mpl
import numpy as np
import pandas as pd
from phenomena_table import BY_NUMBER, MISSING, PHENOMENA, Criterion
from scipy.stats import kurtosis, skew, spearmanr

from tumornexus.activities import Activity, named_generator
from tumornexus.knowledge import Knowledge, load_knowledge, parse_regimen
from tumornexus.knowledge.regimen import Regimen
from tumornexus.profile.fusion import CLONAL_PRIOR, LEVEL_PRIOR
from tumornexus.systemic import prepare
from tumornexus.systemic.dynamics import situation
from tumornexus.systemic.ode import bare_parameters
from tumornexus.systemic.solver import Lesions, grow, patients_of, setting_of, treat
from tumornexus.systemic.treatment import Treatment, no_treatment
from tumornexus.systemic.twin import (
    apply_effects,
    bounded_mask,
    draw_bare,
    draw_effects,
    draw_lesions,
    parameter_names,
)
from tumornexus.trial.recist import LABELS, MONTH_DAYS, Response, recist

mpl.use("Agg")
import matplotlib.pyplot as plt

SEED = 148
YEAR, TWO_YEARS = 364, 728  # days; whole weeks
FLOOR_ML = 0.01  # volumes below this count as equal: the model says nothing about the last cells
FEWEST = 16  # draws that a rate or ratio needs
HALF_DIAMETER = -np.log(8.0)  # ln volume ratio
TINY = 1e-12

# Observables that the measurements read.
READ = (
    "tumor_volume", "pdl1", "alt_checkpoint", "cd8_infiltration", "exhaustion", "immune_kill", "killing",
    "clone_b2m_loss", "clone_jak_loss", "mdsc", "m2", "treg", "lactate", "kynurenine", "matrix", "vessel_function",
    "mapk_activity", "ifng", "new_lesion_volume", "niche", "toxicity_hazard", "priming", "microbiome", "persister",
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------- arms


@dataclass(frozen=True)
class Change:
    """One parameter set to a value, or multiplied by it."""

    parameter: str
    value: float
    times: bool = False


def to(**values: float) -> tuple[Change, ...]:
    """Return parameters set to values."""
    return tuple(Change(p, v) for p, v in values.items())


def times(**factors: float) -> tuple[Change, ...]:
    """Return parameters multiplied by factors."""
    return tuple(Change(p, v, times=True) for p, v in factors.items())


def off(*parameters: str) -> tuple[Change, ...]:
    """Return processes switched off: their parameters set to 0."""
    return tuple(Change(p, 0.0) for p in parameters)


@dataclass(frozen=True)
class Cohort:
    """Virtual tumors to draw: type, number, mechanisms at their prevalence or none, burden at day 0."""

    tumor: str = "melanoma"
    n: int = 128
    mechanisms: bool = False
    responsive_of: int = 0  # > 0: `n` responsive ones of so many draws
    overrides: bool = True  # parameters that the tumor type sets
    lesions: bool = (
        False  # several lesions that differ, and counted rare clones; else one lesion that follows equations
    )
    braf_v600: bool | None = None
    burden_ml: float | None = None  # None: the type's usual burden


BARE = Cohort(braf_v600=False, burden_ml=20.0)
RESPONSIVE = replace(BARE, n=64, responsive_of=6144)
POPULATION = Cohort(mechanisms=True, lesions=True)


@dataclass(frozen=True)
class Arm:
    """One cohort under one set of changes and one treatment.

    `active`: mechanisms at stated activities, with their stated effect sizes; `grown`: changes from the start of
    growth; `reversal`: from day 0 the parameters of the same draws without mechanisms, or also without what the tumor
    type sets; `later`: changes from day 0; `drugs`: a regimen, "" for none; `pause`: days without
    doses, [first, last).
    """

    cohort: Cohort = RESPONSIVE
    active: tuple[tuple[str, float], ...] = ()
    grown: tuple[Change, ...] = ()
    later: tuple[Change, ...] = ()
    reversal: Literal["", "mechanisms", "type"] = ""
    drugs: str = ""
    days: int = YEAR
    pause: tuple[int, int] | None = None

    @property
    def tumor(self) -> tuple:
        """What decides the tumor at day 0."""
        return self.cohort, self.active, self.grown


@dataclass(frozen=True)
class Course:
    """What became of an arm: observables (member, time), and which members reached the burden and did not fail."""

    data: Mapping[str, np.ndarray]
    time: np.ndarray
    ok: np.ndarray
    treatment: Treatment
    lesions_ml: np.ndarray  # (member, lesion, time)
    access: np.ndarray  # share of T cells in reach of cancer cells at day 0, in the largest lesion (member,)
    values: np.ndarray  # parameters at day 0 (member, parameter)


@dataclass
class Lab:
    """Runs arms, all new ones together, and remembers them."""

    knowledge: Knowledge = field(default_factory=load_knowledge)
    _courses: dict[Arm, Course] = field(default_factory=dict)
    _bodies: dict[tuple, tuple[np.ndarray, Any, np.ndarray]] = field(default_factory=dict)
    _drawn: dict[Any, np.ndarray] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names in the order of the vector."""
        return parameter_names(self.knowledge)

    def course(self, arm: Arm) -> Course:
        """Return what became of one arm."""
        if arm not in self._courses:
            self.run([arm])
        return self._courses[arm]

    def run(self, arms: Iterable[Arm]) -> None:
        """Simulate all arms that are not known yet: one call for growth and for treatment of each kind."""
        new = [a for a in dict.fromkeys(arms) if a not in self._courses]
        for chance in (False, True):
            some = [a for a in new if a.cohort.lesions is chance]
            self._grow([a for a in some if a.tumor not in self._bodies], chance)
            for days in sorted({a.days for a in some}):
                self._treat([a for a in some if a.days == days], days, chance)

    def _grow(self, arms: Sequence[Arm], chance: bool) -> None:
        first = {a.tumor: a for a in arms}
        if not first:
            return
        values = [changed(self._patients(a.cohort, a.active), a.grown, self.names) for a in first.values()]
        burden = [self._burden(a.cohort) for a in first.values()]
        grown = grow(np.concatenate(values), self.names, np.concatenate(burden), **self._chance(first.values(), chance))
        start = 0
        for key, part in zip(first, values, strict=True):
            index = np.arange(start, start + len(part))
            self._bodies[key] = part, members(grown.state, index), grown.status[index] == 0
            start += len(part)

    def _treat(self, arms: Sequence[Arm], days: int, chance: bool) -> None:
        treatments = {(a.drugs, a.pause): self.treatment(a) for a in arms}
        keys = list(treatments)
        parts = [changed(self._from_day_0(a), a.later, self.names) for a in arms]
        state = jax.tree.map(lambda *xs: np.concatenate(xs), *[self._bodies[a.tumor][1] for a in arms])
        assignment = np.concatenate(
            [np.full(len(p), keys.index((a.drugs, a.pause))) for a, p in zip(arms, parts, strict=True)]
        )
        luck = self._chance(arms, chance)
        seen = treat(np.concatenate(parts), self.names, state, list(treatments.values()), assignment, keep=READ, **luck)
        access = nest_access(np.concatenate(parts), self.names, state, luck.get("lesions"))
        start = 0
        for arm, part in zip(arms, parts, strict=True):
            rows = slice(start, start + len(part))
            start += len(part)
            self._courses[arm] = Course(
                data={name: seen[name].values[rows] for name in READ},
                time=seen["time"].values,
                ok=self._bodies[arm.tumor][2] & (seen["status"].values[rows] == 0),
                treatment=treatments[arm.drugs, arm.pause],
                lesions_ml=seen["lesion_volume"].values[rows],
                access=access[rows],
                values=self._bodies[arm.tumor][0],
            )

    def _chance(self, arms: Iterable[Arm], chance: bool) -> dict[str, Any]:
        """Return lesions and luck of the patients of some arms, the same for one draw in every arm."""
        if not chance:
            return {}
        lesions, luck = [], []
        for arm in arms:
            n, sample = arm.cohort.n, f"phenomena {arm.cohort.tumor}"
            lesions.append(draw_lesions(self._patients(arm.cohort, ()), self.names, SEED, sample))
            luck.append(named_generator(SEED, "luck", sample).integers(0, 2**32, size=n, dtype=np.uint32))
        both = Lesions(np.concatenate([x.shares for x in lesions]), np.concatenate([x.factors for x in lesions]))
        return {"lesions": both, "luck": np.concatenate(luck)}

    def _from_day_0(self, arm: Arm) -> np.ndarray:
        if not arm.reversal:
            return self._bodies[arm.tumor][0]
        cohort = replace(arm.cohort, mechanisms=False, overrides=arm.cohort.overrides and arm.reversal != "type")
        return changed(self._patients(cohort, ()), arm.grown, self.names)

    def _responsive(self, cohort: Cohort) -> np.ndarray:
        """Return the bare draws that grow untreated and shrink under nivolumab, nearest to half the diameter first."""
        pool = replace(cohort, n=cohort.responsive_of, responsive_of=0)
        none, treated = (self.course(Arm(pool, drugs=d)) for d in ("", NIVOLUMAB))
        growth = [np.log(np.maximum(c.data["tumor_volume"], FLOOR_ML)) for c in (none, treated)]
        rise, shrink = (g[:, -1].astype(float) - g[:, 0] for g in growth)
        fit = none.ok & treated.ok & (rise > 0.3) & (shrink < 0.0)
        nearest = np.argsort(np.where(fit, np.abs(shrink - HALF_DIAMETER), np.inf), kind="stable")
        return nearest[: min(cohort.n, int(fit.sum()))]

    def treatment(self, arm: Arm) -> Treatment:
        """Return the dose tables of an arm, with the pause cut out."""
        regimen = parse_regimen(arm.drugs, self.knowledge) if arm.drugs else Regimen("none", (), ())
        table = prepare(regimen, self.knowledge).until(arm.days)
        if not arm.pause:
            return table
        doses = np.array(table.doses)
        doses[slice(*arm.pause)] = 0.0
        return replace(table, doses=doses)

    def _burden(self, cohort: Cohort) -> np.ndarray:
        usual = self.knowledge.tumors[cohort.tumor].burden_ml
        n = len(self._patients(cohort, ()))
        return np.full(n, usual if cohort.burden_ml is None else cohort.burden_ml)

    def _patients(self, cohort: Cohort, active: tuple[tuple[str, float], ...]) -> np.ndarray:
        """Return parameters (member, parameter); the same draw of the same type whatever else is asked."""
        if (cohort, active) in self._drawn:
            return self._drawn[cohort, active]
        if cohort.responsive_of:
            if cohort not in self._drawn:
                self._drawn[cohort] = self._responsive(cohort)
            chosen = self._drawn[cohort]
            pool = replace(cohort, n=cohort.responsive_of, responsive_of=0)
            self._drawn[cohort, active] = self._patients(pool, active)[chosen]
            return self._drawn[cohort, active]
        k, n, sample = self.knowledge, cohort.n, f"phenomena {cohort.tumor}"
        tumor = k.tumors[cohort.tumor]
        if not cohort.overrides:
            tumor = tumor.model_copy(update={"override": ()})
        bare = draw_bare(k, tumor, n, SEED, sample, cohort.braf_v600)
        effects = draw_effects(k, n, SEED, sample) if cohort.mechanisms else {}
        activities: dict[str, np.ndarray] = {}
        for entry in tumor.prevalence if cohort.mechanisms else ():
            record = k.mechanisms[entry.mechanism]
            if record.kind != "cause":
                continue
            prior = CLONAL_PRIOR if record.extent == "clonal_fraction" else LEVEL_PRIOR
            stream = named_generator(SEED, "activities", sample, record.id)
            activities[record.id] = Activity(entry.value, *prior, "sampled").draws(n, stream)
        for mechanism, activity in active:
            activities[mechanism] = np.full(n, activity)
            effects = {**effects, mechanism: tuple((e, np.full(n, e.value)) for e in k.mechanisms[mechanism].effect)}
        self._drawn[cohort, active] = apply_effects(bare, activities, effects, self.names, bounded_mask(k))
        return self._drawn[cohort, active]


def changed(values: np.ndarray, changes: Iterable[Change], names: tuple[str, ...]) -> np.ndarray:
    """Return parameters with changes made, shape kept; an unknown parameter is an error."""
    values = values.copy()
    for c in changes:
        j = names.index(c.parameter)
        values[:, j] = values[:, j] * c.value if c.times else c.value
    return values


def nest_access(values: np.ndarray, names: tuple[str, ...], state: Any, lesions: Lesions | None) -> np.ndarray:
    """Return the share of T cells in the first, largest lesion that reach cancer cells, shape (member,)."""
    patient = patients_of(values, lesions or Lesions.single(len(values)), [no_treatment()], np.zeros(len(values), int))
    with jax.enable_x64(True):
        p, h = bare_parameters(patient, setting_of(names, no_treatment()))
        batch_last = jax.tree.map(lambda x: np.moveaxis(np.asarray(x), 0, -1), state)
        return np.asarray(situation(batch_last, p, h).access[0])


def members(state: Any, index: np.ndarray) -> Any:
    """Return some members of an ensemble."""
    return jax.tree.map(lambda x: np.asarray(x)[index], state)


# ------------------------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class Reader:
    """Arms of one experiment by label. Members that did not reach the burden in an arm, or failed, are NaN there."""

    arms: Mapping[str, Arm]
    courses: Mapping[str, Course]

    @property
    def fewest(self) -> int:
        """The smallest number of members that any arm keeps."""
        return min(int(c.ok.sum()) for c in self.courses.values())

    def of(self, label: str, name: str) -> np.ndarray:
        """Return an observable, shape (member, time)."""
        course = self.courses[label]
        return np.where(course.ok[:, None], course.data[name].astype(float), np.nan)

    def at(self, label: str, name: str, week: int) -> np.ndarray:
        """Return an observable at the end of a week, shape (member,)."""
        return self.of(label, name)[:, int(np.searchsorted(self.courses[label].time, 7 * week))]

    def mean(self, label: str, name: str, first: int, last: int) -> np.ndarray:
        """Return the mean of an observable over weeks `first` to `last`, shape (member,)."""
        time = self.courses[label].time
        return self.of(label, name)[:, (time >= 7 * first) & (time <= 7 * last)].mean(axis=1)

    def access(self, label: str) -> np.ndarray:
        """Return the share of T cells in reach of cancer cells at day 0, shape (member,)."""
        return np.where(self.courses[label].ok, self.courses[label].access, np.nan)

    def volume(self, label: str, week: int = 52) -> np.ndarray:
        """Return tumor volume in mL with the floor below which tumors count as equal, shape (member,)."""
        return np.maximum(self.at(label, "tumor_volume", week), FLOOR_ML)

    def growth(self, label: str) -> np.ndarray:
        """Return ln volume at one year over day 0, shape (member,)."""
        return np.log(self.volume(label) / self.volume(label, 0))

    def response(self, label: str) -> Response:
        """Return RECIST outcomes of the members that count, in their order."""
        course = self.courses[label]
        return recist(course.lesions_ml[course.ok].astype(float), course.time)

    def objective(self, label: str) -> np.ndarray:
        """Return 1 for an objective response, 0 for none, NaN for members that do not count, shape (member,)."""
        flags = np.full(len(self.courses[label].ok), np.nan)
        flags[self.courses[label].ok] = self.response(label).objective
        return flags

    def orr(self, label: str) -> float:
        """Return the share with an objective response."""
        return share(self.objective(label))


def share(flags: np.ndarray) -> float:
    """Return the share of True (or 1) among those that are not NaN."""
    known_flags = np.asarray(flags, dtype=float)
    known_flags = known_flags[np.isfinite(known_flags)]
    return float(known_flags.mean()) if len(known_flags) else float("nan")


def middle(x: np.ndarray) -> float:
    """Return the median over members that are not NaN; NaN where fewer than `FEWEST` are left."""
    x = x[np.isfinite(x)]
    return float(np.median(x)) if len(x) >= FEWEST else float("nan")


def over(a: np.ndarray, b: np.ndarray) -> float:
    """Return the median of draw-by-draw ratios."""
    return middle(np.maximum(a, TINY) / np.maximum(b, TINY))


def part(a: float, b: float) -> float:
    """Return a ratio of two shares or means; NaN where the second is 0 and nothing could disappear."""
    return a / b if b > 0.0 else float("nan")


def odds(fraction: np.ndarray) -> np.ndarray:
    """Return odds of a fraction, kept off 0 and 1 by a millionth."""
    f = np.clip(fraction, 1e-6, 1.0 - 1e-6)
    return f / (1.0 - f)


def bimodality(x: np.ndarray) -> float:
    """Return Sarle's coefficient (skewness^2 + 1) / kurtosis: 1/3 for a normal, 5/9 for a uniform distribution."""
    x = x[np.isfinite(x)]
    return float((skew(x) ** 2 + 1.0) / kurtosis(x, fisher=False))


# ---------------------------------------------------------------------------------------------------------- the verdict


@dataclass(frozen=True)
class Experiment:
    """Arms, measurement and figure of one phenomenon; `finding` says in a sentence what the numbers show."""

    number: int
    arms: Mapping[str, Arm]
    measure: Callable[[Reader], dict[str, float]]
    draw: Callable[[Reader, plt.Axes, plt.Axes], None]
    finding: str


@dataclass(frozen=True)
class Result:
    """Measured values against the criteria of one row of the table."""

    number: int
    values: Mapping[str, float]
    members: int

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """The row's criteria."""
        return BY_NUMBER[self.number].criteria

    @property
    def shown(self) -> bool:
        """Whether all criteria hold and enough members are left to say so."""
        return self.members >= FEWEST and all(c.holds(self.values[c.key]) for c in self.criteria)


def judge(experiment: Experiment, lab: Lab) -> tuple[Result, Reader]:
    """Simulate what is missing, measure, and compare with the table."""
    lab.run(experiment.arms.values())
    reader = Reader(experiment.arms, {k: lab.course(a) for k, a in experiment.arms.items()})
    wanted = [c.key for c in BY_NUMBER[experiment.number].criteria]
    if reader.fewest == 0:
        return Result(experiment.number, dict.fromkeys(wanted, float("nan")), reader.fewest), reader
    values = experiment.measure(reader)
    if set(values) != set(wanted):
        raise ValueError(f"phenomenon {experiment.number} measures {sorted(values)}, its row names {sorted(wanted)}")
    return Result(experiment.number, values, reader.fewest), reader


def outcome(results: Iterable[Result]) -> str:
    """Return a table of verdicts, with the criteria that were missed and what the model seems to lack for them."""
    lines = ["| no. | phenomenon | verdict | missed | what seems to be missing |", "| --- | --- | --- | --- | --- |"]
    for r in results:
        missed = "; ".join(
            f"{c.sentence}: {told(r.values[c.key])} ({c.role})" for c in r.criteria if not c.holds(r.values[c.key])
        )
        verdict, why = ("shown", "") if r.shown else ("not shown", MISSING.get(r.number, ""))
        lines.append(f"| {r.number} | {BY_NUMBER[r.number].name} | {verdict} | {missed} | {why} |")
    return "\n".join(lines) + "\n"


def told(value: float) -> str:
    """Return a number as it is written beside its bound."""
    return "not measured" if np.isnan(value) else f"{value:.3g}"


def table(results: Iterable[Result]) -> pd.DataFrame:
    """Return one row a criterion."""
    rows = [
        {
            "number": r.number, "phenomenon": BY_NUMBER[r.number].name, "verdict": "shown" if r.shown else "not shown",
            "role": c.role, "key": c.key, "measured": c.measured, "value": r.values[c.key],
            "bound": f"{c.op} {c.bound:g}", "holds": c.holds(r.values[c.key]), "members": r.members,
            "missing": "" if r.shown else MISSING.get(r.number, ""),
        }
        for r in results
        for c in r.criteria
    ]  # fmt: skip
    return pd.DataFrame(rows)


# -------------------------------------------------------------------------------------------------------------- figures

INK, MUTED, CONTROL, GOOD, BAD = "#17212b", "#8b97a3", "#8b97a3", "#00856a", "#9b1b3f"
COLORS = ("#1f4e79", "#c75000", "#00856a", "#b0517f", "#d9a441", "#55626f", "#0072b2", "#9b1b3f")


def figure(experiment: Experiment, reader: Reader, result: Result) -> plt.Figure:
    """Return the figure of one phenomenon: itself, its control, and the criteria."""
    row = BY_NUMBER[experiment.number]
    fig, (left, right, verdict) = plt.subplots(
        1, 3, figsize=(13.5, 4.3), layout="constrained", width_ratios=(1.0, 1.0, 0.95)
    )
    words = {k: v for k, v in result.values.items() if np.isfinite(v)}
    finding = experiment.finding.format(**words) if len(words) == len(result.values) else row.name
    title = finding if result.shown else f"Not shown: {row.name}"
    fig.suptitle(f"{row.number}. {title}", x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    if reader.fewest:
        experiment.draw(reader, left, right)
    for axes, usual in ((left, "Phenomenon"), (right, "Control")):
        said = axes.get_title() or usual
        axes.set_title("")
        axes.set_title(said, fontsize=9.5, loc="left", color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    criteria_panel(verdict, result)
    return fig


def criteria_panel(axes: plt.Axes, result: Result) -> None:
    """Write each criterion with its measured value, a mark for whether it holds, and the verdict."""
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    y = 1.0
    for role, head in (("phenomenon", "Expected"), ("control", "Expected in the control")):
        axes.text(0.0, y, head, fontsize=9, fontweight="bold", color=INK, va="top")
        y -= 0.055
        for c in (c for c in result.criteria if c.role == role):
            value, good = result.values[c.key], c.holds(result.values[c.key])
            sign = "≥" if c.op == ">=" else "≤"
            lines, said = wrapped(c.measured, 46), "–" if np.isnan(value) else told(value)
            axes.text(0.0, y, "●" if good else "○", fontsize=9, color=GOOD if good else BAD, va="top")
            axes.text(0.05, y, "\n".join(lines), fontsize=7.6, color=INK, va="top")
            axes.text(
                1.0, y, f"{said}  ({sign} {c.bound:g})", va="top", ha="right", fontsize=7.6,
                color=GOOD if good else BAD,
            )  # fmt: skip
            y -= 0.036 * len(lines) + 0.022
        y -= 0.015
    word, color = ("shown", GOOD) if result.shown else ("not shown", BAD)
    axes.text(0.0, y, f"Verdict: {word}", fontsize=9, fontweight="bold", color=color, va="top")
    axes.text(1.0, y, f"{result.members} draws", fontsize=7.6, color=MUTED, va="top", ha="right")


def wrapped(text: str, width: int) -> list[str]:
    """Return lines of at most `width` characters."""
    import textwrap

    return textwrap.wrap(text, width) or [""]


def bands(
    axes: plt.Axes, reader: Reader, labels: Mapping[str, str], name: str, ylabel: str, *, log: bool = False
) -> None:
    """Draw medians over draws with the middle half as a band; `labels` maps arms to words."""
    for color, (label, words) in zip(COLORS, labels.items(), strict=False):
        weeks, values = reader.courses[label].time / 7.0, reader.of(label, name)
        if name == "tumor_volume":
            values = np.maximum(values, FLOOR_ML)
        low, median, high = np.nanpercentile(values, [25, 50, 75], axis=0)
        axes.fill_between(weeks, low, high, color=color, alpha=0.15, lw=0)
        axes.plot(weeks, median, color=color, lw=1.8, label=words)
    if log:
        axes.set_yscale("log")
    axes.set_xlabel("Week", fontsize=8.5)
    axes.set_ylabel(ylabel, fontsize=8.5)
    axes.legend(frameon=False, fontsize=7.5)


def dots(
    axes: plt.Axes, groups: Mapping[str, np.ndarray], ylabel: str, *, log: bool = False, line: float | None = None
) -> None:
    """Draw all members of some groups as dots with their medians."""
    for i, given in enumerate(groups.values()):
        values = given[np.isfinite(given)]
        if not len(values):
            continue
        spread = (
            0.28 * np.linspace(-1.0, 1.0, len(values))[np.argsort(np.argsort(np.sin(7.7 * np.arange(len(values)))))]
        )
        color = COLORS[i % len(COLORS)]
        axes.plot(i + spread, values, ".", color=color, ms=4, alpha=0.5, mew=0)
        axes.plot([i - 0.34, i + 0.34], [np.median(values)] * 2, color=color, lw=2.2)
        axes.annotate(f"{np.median(values):.3g}", (i + 0.36, np.median(values)), fontsize=7, color=color, va="center")
    if line is not None:
        axes.axhline(line, color=MUTED, lw=0.8, ls=":")
    if log:
        axes.set_yscale("log")
    axes.set_xticks(range(len(groups)), ["\n".join(wrapped(w, 16)) for w in groups], fontsize=7.5)
    axes.set_xlim(-0.6, len(groups) - 0.2)
    axes.set_ylabel(ylabel, fontsize=8.5)


def bars(axes: plt.Axes, heights: Mapping[str, float], ylabel: str, *, line: float | None = None) -> None:
    """Draw numbers as bars with their values."""
    for i, value in enumerate(heights.values()):
        axes.bar(i, value, width=0.62, color=COLORS[i % len(COLORS)])
        axes.annotate(f"{value:.3g}", (i, value), ha="center", va="bottom", fontsize=7.5, color=INK)
    if line is not None:
        axes.axhline(line, color=MUTED, lw=0.8, ls=":")
    axes.set_xticks(range(len(heights)), ["\n".join(wrapped(w, 14)) for w in heights], fontsize=7.5)
    axes.set_ylabel(ylabel, fontsize=8.5)


def best_responses(axes: plt.Axes, reader: Reader, labels: Mapping[str, str]) -> None:
    """Draw shares of best responses, stacked, one bar an arm."""
    shades = ("#1f4e79", "#9dbad6", "#d5dbe1", "#9b1b3f")
    for i, label in enumerate(labels):
        best, bottom = reader.response(label).best, 0.0
        for k, word in enumerate(LABELS):
            height = 100.0 * share(best == k)
            axes.bar(i, height, 0.62, bottom=bottom, color=shades[k], label=word if i == 0 else None)
            if height > 5.0:
                axes.text(
                    i, bottom + height / 2, f"{height:.0f}", ha="center", va="center", fontsize=7.5,
                    color="white" if k in (0, 3) else INK,
                )  # fmt: skip
            bottom += height
    axes.set_xticks(range(len(labels)), ["\n".join(wrapped(w, 16)) for w in labels.values()], fontsize=7.5)
    axes.set_xlim(-0.5, len(labels) + 0.3)
    axes.set_ylabel("Share of tumors (%)", fontsize=8.5)
    axes.legend(frameon=False, fontsize=7.5, loc="upper right")


def progression_free(axes: plt.Axes, reader: Reader, labels: Mapping[str, str], *, responders: bool = False) -> None:
    """Draw the share without progression over time, of all or of responders."""
    for color, (label, words) in zip(COLORS, labels.items(), strict=False):
        outcome = reader.response(label)
        chosen = outcome.objective if responders else np.ones(len(outcome.best), dtype=bool)
        months = np.sort(np.where(outcome.progressed, outcome.pfs_months, np.inf)[chosen])
        reach = reader.courses[label].time[-1] / MONTH_DAYS
        steps = np.concatenate([[0.0], months[np.isfinite(months)], [reach]])
        left = np.concatenate([[1.0], 1.0 - np.arange(1, np.isfinite(months).sum() + 1) / max(len(months), 1)])
        axes.step(steps, 100.0 * np.append(left, left[-1]), where="post", color=color, lw=1.8, label=words)
    axes.set(ylim=(0, 103))
    axes.set_xlabel("Month", fontsize=8.5)
    axes.set_ylabel("Progression-free " + ("responders (%)" if responders else "(%)"), fontsize=8.5)
    axes.legend(frameon=False, fontsize=7.5)


# ---------------------------------------------------------------------------------------------------------- experiments

NIVOLUMAB = "nivolumab 240 mg q2w"
RELATLIMAB = "relatlimab 160 mg q4w"
SABATOLIMAB = "sabatolimab 800 mg q4w"
IPILIMUMAB = "ipilimumab 3 mg/kg q3w x4"
CAR_T = "car_t 1e8 cells once"
NO_INDUCTION = off("pdl1_induction", "checkpoint_induction")
NO_RECOGNITION = off("antigenicity")
NO_CD8_KILLING = off("cd8_kill_rate")
NO_CLONES = off(
    "escape_mutation_rate", "initial_fraction_b2m_loss", "initial_fraction_jak_loss",
    "initial_fraction_pathway_reactivated",
)  # fmt: skip
STANDARD = Arm(POPULATION, drugs=NIVOLUMAB, days=TWO_YEARS)
TREATED = Arm(RESPONSIVE, drugs=NIVOLUMAB)
UNTREATED = Arm(RESPONSIVE)


def primary_resistance() -> Experiment:
    """148: mechanisms by prevalence make part of the tumors resistant from the start."""
    arms = {"with": STANDARD, "without": replace(STANDARD, reversal="mechanisms")}

    def resistant(r: Reader, label: str) -> float:
        outcome = r.response(label)
        return share((outcome.best == 3) | ((outcome.best == 2) & (outcome.pfs_months < 6.0)))

    def measure(r: Reader) -> dict[str, float]:
        a, b = resistant(r, "with"), resistant(r, "without")
        return {"primary_share": a, "primary_not_all": a, "primary_without": part(b, a)}

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        best_responses(left, r, {"with": "mechanisms at their prevalence", "without": "control: reversed at day 0"})
        left.set_title("Best response to nivolumab")
        progression_free(right, r, {"with": "mechanisms", "without": "control: mechanisms reversed"})

    return Experiment(
        148, arms, measure, draw,
        "{primary_share:.0%} of melanomas resist from the start; mechanisms reversed, {primary_without:.2f} times that",
    )  # fmt: skip


def adaptive_resistance() -> Experiment:
    """149: the attack itself raises PD-L1 and alternative checkpoints, and this buys growth."""
    arms = {
        "seen": UNTREATED, "unseen": replace(UNTREATED, grown=NO_RECOGNITION),
        "seen off": replace(UNTREATED, later=NO_INDUCTION),
        "unseen off": replace(UNTREATED, grown=NO_RECOGNITION, later=NO_INDUCTION),
        "seen never": replace(UNTREATED, grown=NO_INDUCTION),
        "unseen never": replace(UNTREATED, grown=NO_RECOGNITION + NO_INDUCTION),
    }  # fmt: skip

    def measure(r: Reader) -> dict[str, float]:
        return {
            "pdl1_where_attacked": over(r.at("seen", "pdl1", 0), r.at("unseen", "pdl1", 0)),
            "benefit": over(r.volume("seen"), r.volume("seen off")),
            "pdl1_without_induction": over(r.at("seen never", "pdl1", 0), r.at("unseen never", "pdl1", 0)),
            "benefit_unattacked": over(r.volume("unseen"), r.volume("unseen off")),
        }

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        dots(
            left,
            {
                "recognized": r.at("seen", "pdl1", 0), "not recognized": r.at("unseen", "pdl1", 0),
                "recognized, no induction": r.at("seen never", "pdl1", 0),
                "not recognized, no induction": r.at("unseen never", "pdl1", 0),
            },
            "PD-L1 at day 0",
        )  # fmt: skip
        dots(
            right,
            {
                "recognized": r.volume("seen") / r.volume("seen off"),
                "control: not recognized": r.volume("unseen") / r.volume("unseen off"),
            },
            "Volume at one year, induction on over off", log=True, line=1.0,
        )  # fmt: skip

    return Experiment(
        149, arms, measure, draw,
        "Recognized tumors carry {pdl1_where_attacked:.1f} times the PD-L1, which buys {benefit:.2f} times the volume",
    )  # fmt: skip


def acquired_resistance() -> Experiment:
    """150: part of the responders progress later, after different times; escape clones carry it."""
    arms = {"with": STANDARD, "without": replace(STANDARD, grown=NO_CLONES)}

    def relapse(r: Reader, label: str) -> tuple[float, np.ndarray]:
        outcome = r.response(label)
        late = outcome.objective & outcome.progressed
        return share(outcome.progressed[outcome.objective]), outcome.pfs_months[late] * MONTH_DAYS

    def measure(r: Reader) -> dict[str, float]:
        (a, days), (b, _) = relapse(r, "with"), relapse(r, "without")
        spread = float(np.subtract(*np.percentile(days, [75, 25]))) if len(days) >= 4 else float("nan")
        return {"relapse_share": a, "delay_spread": spread, "relapse_without": part(b, a)}

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        outcome, course = r.response("with"), r.courses["with"]
        chosen = np.flatnonzero(outcome.objective)
        weeks, volumes = course.time / 7.0, np.maximum(r.of("with", "tumor_volume")[course.ok], FLOOR_ML)
        for i in chosen:
            lost = bool(outcome.progressed[i])
            left.semilogy(weeks, volumes[i] / volumes[i, 0], color=BAD if lost else "#9dbad6", lw=1.0 if lost else 0.6)
        left.set_xlabel("Week", fontsize=8.5)
        left.set_ylabel("Volume over day 0", fontsize=8.5)
        left.set_title("Responders; red: progress later")
        progression_free(right, r, {"with": "responders", "without": "control: no escape clones"}, responders=True)

    return Experiment(
        150, arms, measure, draw,
        "{relapse_share:.0%} of responders relapse within two years; without escape clones {relapse_without:.2f} times "
        "that",
    )  # fmt: skip


def durable_response() -> Experiment:
    """151: a subset stays progression-free; it needs continued priming, and a cytotoxic drug does not give it."""
    arms = {
        "nivolumab": STANDARD, "no priming": replace(STANDARD, later=off("priming_rate")),
        "dacarbazine": replace(STANDARD, drugs="dacarbazine 1000 mg/m2 q3w"),
    }  # fmt: skip

    def measure(r: Reader) -> dict[str, float]:
        outcome = r.response("nivolumab")
        free = {label: share(~r.response(label).progressed) for label in arms}
        return {
            "pfs24": free["nivolumab"], "pfs24_subset": free["nivolumab"],
            "durable_responders": share(~outcome.progressed[outcome.objective]),
            "pfs24_without_priming": part(free["no priming"], free["nivolumab"]),
            "pfs24_dacarbazine": part(free["dacarbazine"], free["nivolumab"]),
        }  # fmt: skip

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        progression_free(left, r, {"nivolumab": "nivolumab"})
        progression_free(left, r, {"nivolumab": "its responders"}, responders=True)
        left.lines[1].set(color=COLORS[2])
        left.legend(frameon=False, fontsize=7.5)
        left.set_ylabel("Progression-free (%)", fontsize=8.5)
        progression_free(right, r, {"nivolumab": "nivolumab", "no priming": "no priming", "dacarbazine": "dacarbazine"})

    return Experiment(
        151, arms, measure, draw,
        "{pfs24:.0%} are progression-free at two years under nivolumab; without priming {pfs24_without_priming:.2f} "
        "times that",
    )  # fmt: skip


# Objective response to PD-1 or PD-L1 monotherapy in percent, sources in the table.
TRIAL_ORR = {"melanoma": 40.0, "crc_msi_h": 31.0, "urothelial": 21.0, "nsclc": 20.0, "crc_mss": 0.0, "pdac": 0.0}


def cancer_types() -> Experiment:
    """152: response rates differ because mechanisms and stroma differ, not because of the name."""
    full = {t: Arm(Cohort(t, 96, mechanisms=True, lesions=True), drugs=NIVOLUMAB) for t in TRIAL_ORR}
    plain = {f"{t} plain": replace(arm, reversal="type") for t, arm in full.items()}

    def measure(r: Reader) -> dict[str, float]:
        rate = {t: r.orr(t) for t in TRIAL_ORR}
        bare = [r.orr(f"{t} plain") for t in TRIAL_ORR]
        return {
            "melanoma_pdac": rate["melanoma"] - rate["pdac"],
            "msi_mss": rate["crc_msi_h"] - rate["crc_mss"],
            "rank": float(spearmanr(list(rate.values()), list(TRIAL_ORR.values())).statistic),
            "range_without": part(max(bare) - min(bare), max(rate.values()) - min(rate.values())),
        }

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        for axes, suffix, title in (
            (left, "", "Objective response to nivolumab"), (right, " plain", "Control: mechanisms and type reversed"),
        ):  # fmt: skip
            bars(axes, {t: 100.0 * r.orr(t + suffix) for t in TRIAL_ORR}, "Objective response (%)")
            axes.plot(
                range(len(TRIAL_ORR)), list(TRIAL_ORR.values()), "D", color=INK, ms=5, mfc="white", label="trials"
            )
            axes.set(ylim=(0, 105), title=title)
            axes.legend(frameon=False, fontsize=7.5)

    return Experiment(
        152, {**full, **plain}, measure, draw,
        "Response rates follow the trials across six cancers (rank correlation {rank:.2f}); the mechanisms make them "
        "differ",
    )  # fmt: skip


def cold_and_hot() -> Experiment:
    """153: infiltrated tumors respond; cold ones can be converted where silencing made them cold."""
    silenced = (("epigenetic_silencing", 1.0),)
    both = f"{NIVOLUMAB} + decitabine 20 mg/m2 d1,2,3,4,5 q4w"
    arms = {
        "population": STANDARD, "no killing": replace(STANDARD, later=NO_CD8_KILLING),
        "silenced": replace(TREATED, active=silenced), "silenced + decitabine": Arm(RESPONSIVE, silenced, drugs=both),
        "open": replace(TREATED, grown=off("epigenetic_silencing")),
        "open + decitabine": Arm(RESPONSIVE, grown=off("epigenetic_silencing"), drugs=both),
    }  # fmt: skip

    def thirds(r: Reader) -> tuple[np.ndarray, np.ndarray]:
        cd8 = r.at("population", "cd8_infiltration", 0)
        low, high = np.nanquantile(cd8, [1.0 / 3.0, 2.0 / 3.0])
        return cd8 <= low, cd8 >= high

    def difference(r: Reader, label: str) -> float:
        cold, hot = thirds(r)
        objective = r.objective(label)
        return share(objective[hot]) - share(objective[cold])

    def measure(r: Reader) -> dict[str, float]:
        cd8 = {k: r.at(k, "cd8_infiltration", 24) for k in list(arms)[2:]}
        return {
            "hot_cold": difference(r, "population"), "hot_cold_no_killing": difference(r, "no killing"),
            "converted": over(cd8["silenced + decitabine"], cd8["silenced"]),
            "converted_unsilenced": over(cd8["open + decitabine"], cd8["open"]),
        }  # fmt: skip

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        cold, hot = thirds(r)
        rates = {}
        for label, words in (("population", ""), ("no killing", " (control: no CD8 killing)")):
            objective = r.objective(label)
            rates[f"cold third{words}"], rates[f"hot third{words}"] = (
                100.0 * share(objective[cold]), 100.0 * share(objective[hot]),
            )  # fmt: skip
        bars(left, rates, "Objective response to nivolumab (%)")
        cd8 = {k: r.at(k, "cd8_infiltration", 24) for k in list(arms)[2:]}
        dots(
            right,
            {
                "silenced": cd8["silenced + decitabine"] / cd8["silenced"],
                "control: not silenced": cd8["open + decitabine"] / cd8["open"],
            },
            "CD8 at week 24, with decitabine over without", log=True, line=1.0,
        )  # fmt: skip
        right.set_title("Conversion of cold tumors")

    return Experiment(
        153, arms, measure, draw,
        "Hot tumors respond {hot_cold:.2f} more often; decitabine makes {converted:.1f} times the T cells of cold ones",
    )  # fmt: skip


def phenotypes() -> Experiment:
    """154: no T cells without dendritic cells; T cells out of reach behind matrix."""
    desert, excluded = times(ccl4_production=0.05), (("caf", 1.0),)
    free, open_ = off("ccl4_half"), off("matrix_exclusion")
    arms = {
        "inflamed": UNTREATED, "desert": Arm(RESPONSIVE, grown=desert), "excluded": Arm(RESPONSIVE, excluded),
        "inflamed free": Arm(RESPONSIVE, grown=free), "desert free": Arm(RESPONSIVE, grown=desert + free),
        "inflamed open": Arm(RESPONSIVE, grown=open_), "excluded open": Arm(RESPONSIVE, excluded, grown=open_),
    }  # fmt: skip

    def cd8(r: Reader, a: str, b: str) -> float:
        return over(r.at(a, "cd8_infiltration", 0), r.at(b, "cd8_infiltration", 0))

    def measure(r: Reader) -> dict[str, float]:
        return {
            "desert_cd8": cd8(r, "desert", "inflamed"), "excluded_cd8": cd8(r, "excluded", "desert"),
            "excluded_access": over(r.access("excluded"), r.access("inflamed")),
            "desert_access": over(r.access("desert"), r.access("inflamed")),
            "desert_without": cd8(r, "desert free", "inflamed free"),
            "excluded_without": over(r.access("excluded open"), r.access("inflamed open")),
        }  # fmt: skip

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        for axes, suffixes in ((left, ("", "", "")), (right, (" open", " free", " open"))):
            for color, (name, suffix) in zip(
                ("#b0517f", "#55626f", "#d9a441"), zip(("inflamed", "desert", "excluded"), suffixes, strict=True),
                strict=True,
            ):  # fmt: skip
                x, y = r.at(name + suffix, "cd8_infiltration", 0), r.access(name + suffix)
                axes.loglog(100.0 * x, y, ".", color=color, ms=5, alpha=0.6, mew=0, label=name)
            axes.set_xlabel("CD8 T cells (% of cells)", fontsize=8.5)
            axes.set_ylabel("Share of them in reach of cancer cells", fontsize=8.5)
            axes.legend(frameon=False, fontsize=7.5)
        left.set_ylim(top=1.3)  # without exclusion all are in reach, at 1
        right.set(xlim=left.get_xlim(), ylim=left.get_ylim())
        right.set_title("Control: no need of CCL4; no exclusion")

    return Experiment(
        154, arms, measure, draw,
        "Without CCL4 a desert ({desert_cd8:.2f} of the T cells); behind fibroblasts they are there but out of reach "
        "({excluded_access:.2f})",
    )  # fmt: skip


def checkpoints_rise() -> Experiment:
    """155: PD-1 blockade raises PD-L1 and alternative checkpoints through IFN-gamma."""
    arms = {
        "nivolumab": TREATED, "none": UNTREATED, "nivolumab never": replace(TREATED, grown=NO_INDUCTION),
        "none never": replace(UNTREATED, grown=NO_INDUCTION),
    }  # fmt: skip

    def measure(r: Reader) -> dict[str, float]:
        level = {(a, o): r.mean(a, o, 4, 16) for a in arms for o in ("pdl1", "alt_checkpoint")}
        return {
            "pdl1_rise": over(level["nivolumab", "pdl1"], level["none", "pdl1"]),
            "alternative_rise": over(level["nivolumab", "alt_checkpoint"], level["none", "alt_checkpoint"]),
            "pdl1_rise_without": over(level["nivolumab never", "pdl1"], level["none never", "pdl1"]),
            "alternative_rise_without": over(
                level["nivolumab never", "alt_checkpoint"], level["nivolumab", "alt_checkpoint"]
            ),
        }

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        words = {"nivolumab": "nivolumab", "none": "untreated"}
        controls = {"nivolumab never": "nivolumab, control: no induction", "none never": "untreated, no induction"}
        bands(left, r, {**words, **controls}, "pdl1", "PD-L1")
        bands(right, r, {**words, **controls}, "alt_checkpoint", "Alternative checkpoints (LAG-3, TIM-3, TIGIT)")
        right.set_title("Alternative checkpoints, with controls")

    return Experiment(
        155, arms, measure, draw,
        "Under nivolumab PD-L1 rises {pdl1_rise:.2f}-fold and alternative checkpoints {alternative_rise:.2f}-fold",
    )  # fmt: skip


def exhaustion() -> Experiment:
    """156: chronic recognition exhausts T cells; blockade restores part of the killing."""
    fresh, weightless = off("exhaustion_rate"), off("pd1_weight")
    arms = {
        "none": UNTREATED, "nivolumab": TREATED, "fresh": replace(TREATED, grown=fresh),
        "weightless": Arm(RESPONSIVE, grown=weightless), "weightless nivolumab": replace(TREATED, grown=weightless),
    }  # fmt: skip

    def measure(r: Reader) -> dict[str, float]:
        kill = {a: r.mean(a, "immune_kill", 4, 12) for a in arms}
        return {
            "exhausted_share": middle(r.at("none", "exhaustion", 0)),
            "reversal": over(kill["nivolumab"], kill["none"]),
            "partial": over(kill["nivolumab"], kill["fresh"]),
            "exhausted_share_without": middle(r.at("fresh", "exhaustion", 0)),
            "reversal_without": over(kill["weightless nivolumab"], kill["weightless"]),
        }

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        words = {"none": "untreated", "nivolumab": "nivolumab", "fresh": "nivolumab, grown without exhaustion"}
        bands(left, r, words, "immune_kill", "Killing by immune cells (1/day)", log=True)
        groups = {
            "exhausted share": r.at("none", "exhaustion", 0),
            "control: no exhaustion": r.at("fresh", "exhaustion", 0),
        }
        dots(right, groups, "Terminally exhausted share at day 0")

    return Experiment(
        156, arms, measure, draw,
        "{exhausted_share:.0%} of CD8 T cells are exhausted; nivolumab raises killing {reversal:.1f}-fold, to "
        "{partial:.2f} of unexhausted",
    )  # fmt: skip


def single_blockade() -> Experiment:
    """157: with several receptors co-expressed each blockade alone leaves a brake."""
    many, few = (("alternative_checkpoints", 1.0),), off("lag3_signal", "tim3_signal", "tigit_signal")
    others = f"{RELATLIMAB} + {SABATOLIMAB}"
    arms = {
        "pd1": replace(TREATED, active=many), "others": Arm(RESPONSIVE, many, drugs=others),
        "three": Arm(RESPONSIVE, many, drugs=f"{NIVOLUMAB} + {others}"),
        "pd1 few": replace(TREATED, grown=few),
        "three few": Arm(RESPONSIVE, grown=few, drugs=f"{NIVOLUMAB} + {others}"),
    }  # fmt: skip

    def measure(r: Reader) -> dict[str, float]:
        works = {a: r.mean(a, "killing", 4, 12) for a in arms}
        return {
            "pd1_alone": over(works["pd1"], works["three"]), "others_alone": over(works["others"], works["three"]),
            "volume_three": over(r.volume("three"), r.volume("pd1")),
            "pd1_alone_without": over(works["pd1 few"], works["three few"]),
            "volume_without": over(r.volume("three few"), r.volume("pd1 few")),
        }  # fmt: skip

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        words = {"pd1": "nivolumab", "others": "relatlimab + sabatolimab", "three": "all three"}
        bands(left, r, words, "killing", "T-cell function left by inhibitors")
        left.set_title("Receptors co-expressed")
        bands(
            right,
            r,
            {"pd1 few": "nivolumab", "three few": "all three"},
            "killing",
            "T-cell function left by inhibitors",
        )
        right.set_title("Control: PD-1 the only receptor")

    return Experiment(
        157, arms, measure, draw,
        "Nivolumab alone leaves T cells {pd1_alone:.2f} of the function that three blockades give",
    )  # fmt: skip


def clone_selection() -> Experiment:
    """158: CD8 pressure selects B2M-null cells; NK and gamma-delta T cells hold them back."""
    seeded, no_innate = to(initial_fraction_b2m_loss=0.01), off("nk_kill_rate", "gamma_delta_kill_rate")
    more = times(nk_recruitment=3.0)
    base = replace(TREATED, grown=seeded)
    arms = {
        "pressure": base, "no pressure": replace(base, later=NO_CD8_KILLING),
        "no innate": replace(base, later=no_innate), "more NK": replace(base, later=more),
        "more NK, idle": replace(base, later=more + no_innate),
    }  # fmt: skip

    def clone_ml(r: Reader, label: str) -> np.ndarray:
        return np.maximum(r.at(label, "clone_b2m_loss", 52) * r.at(label, "tumor_volume", 52), FLOOR_ML)

    def selection(r: Reader, label: str) -> np.ndarray:
        return odds(r.at(label, "clone_b2m_loss", 52)) / odds(r.at(label, "clone_b2m_loss", 0))

    def measure(r: Reader) -> dict[str, float]:
        return {
            "selection": middle(selection(r, "pressure")),
            "held_by_innate": over(clone_ml(r, "pressure"), clone_ml(r, "no innate")),
            "rescued": over(clone_ml(r, "more NK"), clone_ml(r, "pressure")),
            "selection_without": middle(selection(r, "no pressure")),
            "rescued_without": over(clone_ml(r, "more NK, idle"), clone_ml(r, "no innate")),
        }

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        words = {"pressure": "nivolumab", "no pressure": "control: no CD8 killing", "no innate": "no NK, gamma-delta"}
        bands(left, r, words, "clone_b2m_loss", "B2M-null share of cancer cells")
        ratio = {
            "usual over none": clone_ml(r, "pressure") / clone_ml(r, "no innate"),
            "threefold over usual": clone_ml(r, "more NK") / clone_ml(r, "pressure"),
            "control: threefold, not killing": clone_ml(r, "more NK, idle") / clone_ml(r, "no innate"),
        }
        dots(right, ratio, "B2M-null volume at one year, ratio", log=True, line=1.0)
        right.set_title("NK and gamma-delta T cells")

    return Experiment(
        158, arms, measure, draw,
        "CD8 pressure multiplies the odds of the B2M-null clone by {selection:.1f}; innate killers hold it at "
        "{held_by_innate:.2f}",
    )  # fmt: skip


def b2m_loss() -> Experiment:
    """159: without MHC-I no checkpoint blockade helps; killers that need none do."""
    lost, innate = to(initial_fraction_b2m_loss=1.0), off("gamma_delta_kill_rate", "nk_kill_rate", "helper_kill_rate")
    dual = f"{NIVOLUMAB} + {IPILIMUMAB}"
    msi = Arm(Cohort("crc_msi_h", mechanisms=True, lesions=True), grown=lost, drugs=NIVOLUMAB)
    arms = {
        "pd1 intact": TREATED, "pd1 lost": replace(TREATED, grown=lost), "dual intact": replace(TREATED, drugs=dual),
        "dual lost": replace(TREATED, grown=lost, drugs=dual), "car intact": replace(TREATED, drugs=CAR_T),
        "car lost": replace(TREATED, grown=lost, drugs=CAR_T), "msi": msi, "msi off": replace(msi, later=innate),
    }  # fmt: skip

    def measure(r: Reader) -> dict[str, float]:
        rate = {a: r.orr(a) for a in arms}
        return {
            "orr_pd1": part(rate["pd1 lost"], rate["pd1 intact"]),
            "orr_dual": part(rate["dual lost"], rate["dual intact"]),
            "msi_orr": rate["msi"],
            "car_t": over(r.volume("car lost"), r.volume("car intact")),
            "msi_orr_without": rate["msi off"],
        }

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        words = ("pd1 intact", "pd1 lost", "dual intact", "dual lost")
        said = [w.replace("pd1", "PD-1: B2M").replace("dual", "PD-1 + CTLA-4: B2M") for w in words]
        bars(left, {s: 100.0 * r.orr(w) for s, w in zip(said, words, strict=True)}, "Objective response (%)")
        left.set_title("Melanoma")
        bars(
            right,
            {
                "CAR-T: B2M intact": 100.0 * r.orr("car intact"), "CAR-T: B2M lost": 100.0 * r.orr("car lost"),
                "MSI-H CRC, B2M lost, PD-1": 100.0 * r.orr("msi"),
                "same, no NK, gamma-delta, CD4 killing": 100.0 * r.orr("msi off"),
            },
            "Objective response (%)",
        )  # fmt: skip
        right.set_title("Control: killers that need no MHC-I")

    return Experiment(
        159, arms, measure, draw,
        "Clonal B2M loss leaves {orr_pd1:.2f} of the responses to PD-1 blockade; in MSI-H CRC {msi_orr:.0%} respond",
    )  # fmt: skip


def loops() -> Experiment:
    """160: lactate and MAPK bring MDSC, MDSC protect the cells that make lactate and signal through MAPK."""
    glycolysis, high, low = times(glycolysis_rate=3.0), to(mapk_output=1.0), to(mapk_output=0.2)
    no_lactate, no_il6, idle = (
        off("lactate_production"),
        off("il6_production"),
        off(
            "mdsc_suppression", "arginase_activity", "tgfb_mdsc", "il10_mdsc", "vegf_mdsc", "treg_mdsc", "glucose_mdsc"
        ),
    )
    more = times(mdsc_recruitment=3.0)

    def grown(*changes: tuple[Change, ...]) -> Arm:
        return Arm(RESPONSIVE, grown=sum(changes, ()))

    arms = {
        "usual": UNTREATED, "glycolysis": grown(glycolysis), "usual, no lactate": grown(no_lactate),
        "glycolysis, no lactate": grown(glycolysis, no_lactate), "high": grown(high), "low": grown(low),
        "high, no IL-6": grown(high, no_il6), "low, no IL-6": grown(low, no_il6), "treated": TREATED,
        "more MDSC": replace(TREATED, later=more), "idle": replace(TREATED, later=idle),
        "more MDSC, idle": replace(TREATED, later=more + idle),
    }  # fmt: skip

    def load(r: Reader, label: str, name: str) -> np.ndarray:
        return r.at(label, name, 52) * r.volume(label)

    def forward(r: Reader, a: str, b: str) -> np.ndarray:
        return r.at(a, "mdsc", 0) / r.at(b, "mdsc", 0)

    def measure(r: Reader) -> dict[str, float]:
        return {
            "lactate_mdsc": middle(forward(r, "glycolysis", "usual")),
            "mapk_mdsc": middle(forward(r, "high", "low")),
            "mdsc_lactate": over(load(r, "more MDSC", "lactate"), load(r, "treated", "lactate")),
            "mdsc_mapk": over(load(r, "more MDSC", "mapk_activity"), load(r, "treated", "mapk_activity")),
            "lactate_mdsc_without": middle(forward(r, "glycolysis, no lactate", "usual, no lactate")),
            "mapk_mdsc_without": middle(forward(r, "high, no IL-6", "low, no IL-6")),
            "mdsc_lactate_without": over(load(r, "more MDSC, idle", "lactate"), load(r, "idle", "lactate")),
            "mdsc_mapk_without": over(load(r, "more MDSC, idle", "mapk_activity"), load(r, "idle", "mapk_activity")),
        }

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        dots(
            left,
            {
                "glycolysis x 3": forward(r, "glycolysis", "usual"),
                "control: no lactate": forward(r, "glycolysis, no lactate", "usual, no lactate"),
                "MAPK high over low": forward(r, "high", "low"),
                "control: no IL-6": forward(r, "high, no IL-6", "low, no IL-6"),
            },
            "MDSC at day 0, ratio", log=True, line=1.0,
        )  # fmt: skip
        left.set_title("Forward: tumor to MDSC")
        dots(
            right,
            {
                "lactate load": load(r, "more MDSC", "lactate") / load(r, "treated", "lactate"),
                "control: MDSC idle": load(r, "more MDSC, idle", "lactate") / load(r, "idle", "lactate"),
                "MAPK load": load(r, "more MDSC", "mapk_activity") / load(r, "treated", "mapk_activity"),
                "control: MDSC idle ": load(r, "more MDSC, idle", "mapk_activity") / load(r, "idle", "mapk_activity"),
            },
            "Load at one year, MDSC recruitment x 3, ratio", log=True, line=1.0,
        )  # fmt: skip
        right.set_title("Back: MDSC to tumor, under nivolumab")

    return Experiment(
        160, arms, measure, draw,
        "Lactate brings {lactate_mdsc:.1f} times and MAPK {mapk_mdsc:.1f} times the MDSC; MDSC raise the lactate load "
        "{mdsc_lactate:.1f}-fold",
    )  # fmt: skip


REMODELED = {
    "matrix": "matrix", "vessel_function": "vessel function", "lactate": "lactate", "kynurenine": "kynurenine",
    "mdsc": "MDSC", "m2": "M2 macrophages", "treg": "Treg",
}  # fmt: skip


def remodeling() -> Experiment:
    """161: what T cells do changes compartments that the drug does not bind; anti-VEGF opens, then prunes vessels."""
    t_cells = ("cd8_kill_rate", "helper_kill_rate", "gamma_delta_kill_rate", "ifng_production", "treg_pd1_release")
    idle, still = off(*t_cells), off("vessel_regression")
    bevacizumab = "bevacizumab 15 mg/kg q3w"
    arms = {
        "nivolumab": TREATED, "none": UNTREATED, "nivolumab idle": replace(TREATED, later=idle),
        "none idle": Arm(RESPONSIVE, later=idle), "bevacizumab": Arm(RESPONSIVE, drugs=bevacizumab),
        "bevacizumab still": Arm(RESPONSIVE, drugs=bevacizumab, later=still),
    }  # fmt: skip

    def moved(r: Reader, a: str, b: str) -> dict[str, float]:
        return {o: over(r.at(a, o, 24), r.at(b, o, 24)) for o in REMODELED}

    def count(ratios: Mapping[str, float]) -> float:
        return float(sum(abs(np.log(v)) >= np.log(1.1) for v in ratios.values()))

    def pruned(r: Reader, label: str) -> float:
        course = r.of(label, "vessel_function")[:, :25]
        return over(course[:, -1], course.max(axis=1))

    def measure(r: Reader) -> dict[str, float]:
        return {
            "compartments": count(moved(r, "nivolumab", "none")), "pruned": pruned(r, "bevacizumab"),
            "compartments_without": count(moved(r, "nivolumab idle", "none idle")),
            "pruned_without": pruned(r, "bevacizumab still"),
        }  # fmt: skip

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        pairs = (("nivolumab", "none", "nivolumab"), ("nivolumab idle", "none idle", "control: T cells without effect"))
        for i, (a, b, words) in enumerate(pairs):
            ratios = moved(r, a, b)
            left.barh(
                np.arange(len(ratios)) + 0.36 * i, [np.log2(v) for v in ratios.values()], 0.34,
                color=(COLORS[0], CONTROL)[i], label=words,
            )  # fmt: skip
        left.set_yticks(np.arange(len(REMODELED)) + 0.18, list(REMODELED.values()), fontsize=8)
        left.axvline(0.0, color=INK, lw=0.8)
        left.set_xlabel("log2 of treated over untreated, week 24", fontsize=8.5)
        left.legend(frameon=False, fontsize=7.5)
        words = {"bevacizumab": "bevacizumab", "bevacizumab still": "control: no regression", "none": "untreated"}
        bands(right, r, words, "vessel_function", "Vessel function")
        right.set_xlim(0, 26)
        right.set_title("Vessels under anti-VEGF, with control")

    return Experiment(
        161, arms, measure, draw,
        "Nivolumab moves {compartments:.0f} of 7 compartments that it does not bind; without T-cell effects "
        "{compartments_without:.0f}",
    )  # fmt: skip


def coevolution() -> Experiment:
    """162: attack selects clones, clones change the environment; without attack neither happens."""
    clones = to(initial_fraction_b2m_loss=0.01, initial_fraction_jak_loss=0.01)
    seeded = Arm(RESPONSIVE, grown=clones, drugs=NIVOLUMAB, days=TWO_YEARS)
    clean = replace(seeded, grown=NO_CLONES)
    arms = {
        "attack": seeded, "no attack": replace(seeded, later=NO_CD8_KILLING), "clean": clean,
        "clean, no attack": replace(clean, later=NO_CD8_KILLING),
    }  # fmt: skip

    def escape(r: Reader, label: str, week: int = 104) -> np.ndarray:
        return r.at(label, "clone_b2m_loss", week) + r.at(label, "clone_jak_loss", week)

    def measure(r: Reader) -> dict[str, float]:
        return {
            "clones_follow": over(odds(escape(r, "attack")), odds(escape(r, "no attack"))),
            "environment_follows": over(r.at("attack", "ifng", 104), r.at("clean", "ifng", 104)),
            "environment_unattacked": over(r.at("no attack", "ifng", 104), r.at("clean, no attack", "ifng", 104)),
        }

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        dots(
            left,
            {w: escape(r, k) for k, w in (("attack", "attack"), ("no attack", "control: no attack"))},
            "Escape clones, share of cancer cells at 2 years",
        )
        words = {"attack": "with clones", "clean": "clone-free"}
        controls = {"no attack": "control: no attack, with clones", "clean, no attack": "no attack, clone-free"}
        bands(right, r, {**words, **controls}, "ifng", "IFN-gamma (half-effect units)", log=True)
        right.set_title("The environment, with controls")

    return Experiment(
        162, arms, measure, draw,
        "Attack multiplies the odds of escape clones by {clones_follow:.1f}; the clones leave "
        "{environment_follows:.2f} of the IFN-gamma",
    )  # fmt: skip


def spread() -> Experiment:
    """163: vesicles prepare a niche in which founder cells settle."""
    base = replace(UNTREATED, days=TWO_YEARS)
    arms = {
        "spread": base, "no niche": replace(base, grown=off("niche_rate")),
        "no vesicles": replace(base, grown=off("vesicle_suppression")),
        "no dissemination": replace(base, grown=off("dissemination_rate")),
    }  # fmt: skip

    def new(r: Reader, label: str) -> float:
        return float(np.nanmean(r.at(label, "new_lesion_volume", 104)))

    def measure(r: Reader) -> dict[str, float]:
        return {
            "niche": part(new(r, "spread"), new(r, "no niche")),
            "vesicles": part(new(r, "spread"), new(r, "no vesicles")),
            "no_spread": new(r, "no dissemination"),
        }

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        for color, (label, words) in zip(
            COLORS,
            {"spread": "as it is", "no niche": "control: no niche", "no vesicles": "control: vesicles idle",
             "no dissemination": "control: no dissemination"}.items(),
            strict=False,
        ):  # fmt: skip
            left.plot(
                r.courses[label].time / 7.0,
                np.nanmean(r.of(label, "new_lesion_volume"), axis=0),
                color=color,
                lw=1.8,
                label=words,
            )
        left.set_xlabel("Week", fontsize=8.5)
        left.set_ylabel("Mean volume of new lesions (mL)", fontsize=8.5)
        left.legend(frameon=False, fontsize=7.5)
        bands(right, r, {"spread": "as it is", "no niche": "control: no niche"}, "niche", "Pre-metastatic niche")

    return Experiment(
        163, arms, measure, draw,
        "The niche multiplies the volume of new lesions by {niche:.1f}, vesicles by {vesicles:.2f}",
    )  # fmt: skip


TOGETHER = ("tgf_beta", "mdsc", "treg", "glycolysis", "alternative_checkpoints", "caf")


def system_property() -> Experiment:
    """164: mild mechanisms resist only together; unimodal parameters give a split outcome."""
    arms = {
        "none": TREATED, "all": replace(TREATED, active=tuple((m, 0.5) for m in TOGETHER)),
        "bare": Arm(BARE, drugs=NIVOLUMAB), "bare, no killing": Arm(BARE, later=NO_CD8_KILLING, drugs=NIVOLUMAB),
        **{m: replace(TREATED, active=((m, 0.5),)) for m in TOGETHER},
    }  # fmt: skip

    def measure(r: Reader) -> dict[str, float]:
        rate = {a: r.orr(a) for a in arms}
        return {
            "together": part(rate["all"], rate["none"]),
            "bimodal": bimodality(np.log(r.volume("bare"))),
            "one_alone": min(part(rate[m], rate["none"]) for m in TOGETHER),
            "bimodal_without": bimodality(np.log(r.volume("bare, no killing"))),
        }

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        rates = {"none": 100.0 * r.orr("none"), **{m.replace("_", " "): 100.0 * r.orr(m) for m in TOGETHER}}
        bars(left, {**rates, "all six": 100.0 * r.orr("all")}, "Objective response (%)")
        left.set_title("Six mild mechanisms, alone (control) and together")
        left.tick_params(axis="x", labelrotation=30)
        edges = np.linspace(np.log10(FLOOR_ML), 3.6, 34)
        for label, words, color in (
            ("bare", "nivolumab", COLORS[0]), ("bare, no killing", "control: no CD8 killing", CONTROL),
        ):  # fmt: skip
            right.hist(np.log10(r.volume(label)), edges, color=color, alpha=0.65, label=words)
        right.set_xlabel("log10 of volume at one year (mL)", fontsize=8.5)
        right.set_ylabel("Tumors", fontsize=8.5)
        right.legend(frameon=False, fontsize=7.5)
        right.set_title("Outcome of unimodal parameters, with control")

    return Experiment(
        164, arms, measure, draw,
        "Six mild mechanisms leave {together:.2f} of the responses, the strongest alone {one_alone:.2f}; outcomes "
        "split in two",
    )  # fmt: skip


def toxicity() -> Experiment:
    """165: hazards of severe events grow with each drug and vanish without susceptibility."""
    two, three = f"{NIVOLUMAB} + {IPILIMUMAB}", f"{NIVOLUMAB} + {IPILIMUMAB} + {RELATLIMAB}"
    arms = {
        "none": UNTREATED, "one": TREATED, "two": replace(TREATED, drugs=two), "three": replace(TREATED, drugs=three),
        "frail": replace(TREATED, grown=off("toxicity_frailty")),
    }  # fmt: skip

    def hazard(r: Reader, label: str) -> np.ndarray:
        return r.mean(label, "toxicity_hazard", 0, 24)

    def measure(r: Reader) -> dict[str, float]:
        return {
            "two": over(hazard(r, "two"), hazard(r, "one")), "three": over(hazard(r, "three"), hazard(r, "two")),
            "untreated": over(hazard(r, "none"), hazard(r, "one")),
            "no_frailty": over(hazard(r, "frail"), hazard(r, "one")),
        }  # fmt: skip

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        words = {"one": "nivolumab", "two": "+ ipilimumab", "three": "+ relatlimab"}
        bands(left, r, words, "toxicity_hazard", "Hazard of grade 3 or higher events")
        controls = {"one": "nivolumab", "none": "control: no drug", "frail": "control: no susceptibility"}
        bands(right, r, controls, "toxicity_hazard", "Hazard of grade 3 or higher events")

    return Experiment(
        165, arms, measure, draw,
        "Ipilimumab multiplies the toxicity hazard of nivolumab by {two:.1f}, relatlimab by a further {three:.2f}",
    )  # fmt: skip


def cost() -> Experiment:
    """166: cost follows the drug-months that patients spend before progression."""
    arms = {
        "one": STANDARD, "two": replace(STANDARD, drugs=f"{NIVOLUMAB} + {RELATLIMAB}"),
        "three": replace(STANDARD, drugs=f"{NIVOLUMAB} + {RELATLIMAB} + {IPILIMUMAB}"),
        "transfer": replace(STANDARD, drugs=f"{NIVOLUMAB} + fmt 1 transfer once"),
    }  # fmt: skip
    tiers = {d.id: d.cost_tier for d in load_knowledge().drugs.values()}

    def costs(r: Reader, label: str) -> np.ndarray:
        """Cost tier times four-week blocks with a dose before progression, summed over drugs, shape (member,)."""
        treatment, outcome = r.courses[label].treatment, r.response(label)
        horizon = len(treatment.doses)
        until = np.where(outcome.progressed, outcome.pfs_months * MONTH_DAYS, horizon)
        total = np.zeros(len(until))
        for slot, drug in enumerate(treatment.drugs):
            first = np.arange(0, horizon, 28)
            dosed = np.array([bool((treatment.doses[d : d + 28, slot] > 0.0).any()) for d in first])
            total += tiers[drug] * (dosed[None, :] & (first[None, :] < until[:, None])).sum(axis=1)
        return total

    def measure(r: Reader) -> dict[str, float]:
        mean = {a: float(costs(r, a).mean()) for a in arms}
        gained = r.orr("two") - r.orr("one")
        price = (mean["two"] - mean["one"]) / gained if gained > 0.0 else float("inf")
        return {
            "two_cost": mean["two"] / mean["one"], "three_cost": mean["three"] / mean["two"],
            "price_of_gain": price / (mean["one"] / r.orr("one")) if r.orr("one") > 0.0 else float("nan"),
            "one_transfer": mean["transfer"] / mean["one"],
        }  # fmt: skip

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        words = {"one": "nivolumab", "two": "+ relatlimab", "three": "+ ipilimumab"}
        bars(left, {w: float(costs(r, k).mean()) for k, w in words.items()}, "Mean cost (tier x months on drug)")
        bars(
            right,
            {
                w: float(costs(r, k).mean())
                for k, w in (("one", "nivolumab"), ("transfer", "control: + one fecal transfer"))
            },
            "Mean cost (tier x months on drug)",
        )
        right.set_ylim(left.get_ylim())

    return Experiment(
        166, arms, measure, draw,
        "Relatlimab multiplies the cost by {two_cost:.1f}; an added responder costs {price_of_gain:.1f} times as much",
    )  # fmt: skip


def fecal_transfer() -> Experiment:
    """167: transfer restores priming in dysbiosis where donor taxa engraft."""
    sick, rich, closed = (("gut_dysbiosis", 1.0),), to(microbiome_setpoint=0.9), off("microbiome_rate")
    both = f"{NIVOLUMAB} + fmt 1 transfer once"
    arms = {
        "sick": replace(TREATED, active=sick), "transfer": Arm(RESPONSIVE, sick, drugs=both),
        "sick closed": replace(TREATED, active=sick, later=closed),
        "transfer closed": Arm(RESPONSIVE, sick, later=closed, drugs=both),
        "rich": replace(TREATED, grown=rich), "rich transfer": Arm(RESPONSIVE, grown=rich, drugs=both),
    }  # fmt: skip

    def primed(r: Reader, a: str, b: str) -> float:
        return over(r.mean(a, "priming", 4, 16), r.mean(b, "priming", 4, 16))

    def measure(r: Reader) -> dict[str, float]:
        return {
            "priming": primed(r, "transfer", "sick"), "volume": over(r.volume("transfer"), r.volume("sick")),
            "priming_without": primed(r, "transfer closed", "sick closed"),
            "priming_favorable": primed(r, "rich transfer", "rich"),
        }  # fmt: skip

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        bands(
            left, r, {"transfer": "nivolumab + transfer", "sick": "nivolumab"}, "tumor_volume", "Volume (mL)", log=True
        )
        left.set_title("Tumors of patients with dysbiosis")
        words = {
            "transfer": "transfer",
            "transfer closed": "control: no engraftment",
            "rich transfer": "control: favorable gut",
        }
        bands(right, r, words, "microbiome", "Gut community (1 = favorable)")

    return Experiment(
        167, arms, measure, draw,
        "One transfer raises priming {priming:.2f}-fold in dysbiosis and leaves {volume:.2f} of the volume",
    )  # fmt: skip


def high_load_failures() -> Experiment:
    """168: tumors full of antigens fail through other mechanisms."""
    arms = {"with": STANDARD, "without": replace(STANDARD, reversal="mechanisms")}
    column = parameter_names(load_knowledge()).index("antigenicity")

    def thirds(r: Reader) -> tuple[np.ndarray, np.ndarray]:
        load = np.where(r.courses["with"].ok, r.courses["with"].values[:, column], np.nan)
        low, high = np.nanquantile(load, [1.0 / 3.0, 2.0 / 3.0])
        return load <= low, load >= high

    def rates(r: Reader) -> dict[str, float]:
        low, high = thirds(r)
        with_it, without = r.objective("with"), r.objective("without")
        return {"high": share(with_it[high]), "low": share(with_it[low]), "high reversed": share(without[high])}

    def measure(r: Reader) -> dict[str, float]:
        rate = rates(r)
        return {
            "fail": 1.0 - rate["high"], "load_counts": rate["high"] - rate["low"],
            "fail_without": part(1.0 - rate["high reversed"], 1.0 - rate["high"]),
        }  # fmt: skip

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        rate = rates(r)
        bars(
            left, {"highest third": 100.0 - 100.0 * rate["high"], "lowest third": 100.0 - 100.0 * rate["low"]},
            "No objective response (%)",
        )  # fmt: skip
        left.set_title("By antigenicity (mutation load and quality)")
        told = {"mechanisms": rate["high"], "control: mechanisms reversed at day 0": rate["high reversed"]}
        bars(right, {k: 100.0 - 100.0 * v for k, v in told.items()}, "No objective response (%)")
        right.set_title("Highest third")
        right.set_ylim(left.get_ylim())

    return Experiment(
        168, arms, measure, draw,
        "{fail:.0%} of high-load tumors do not respond; with mechanisms reversed {fail_without:.2f} times that",
    )  # fmt: skip


SHARED = ("tgf_beta", "caf", "mdsc")
ICI_ONLY = (("b2m_loss", 0.5), ("low_tmb", 1.0))
CAR_ONLY = (("car_antigen_loss", 0.5),)


def two_modalities() -> Experiment:
    """169: stroma and suppressors harm both; antigen presentation only one; the CAR target only the other."""
    idle = off("cart_kill_rate")
    active: dict[str, tuple] = {"": ()}
    for mechanism, activity in (*((m, 1.0) for m in SHARED), *ICI_ONLY, *CAR_ONLY):
        active[mechanism] = ((mechanism, activity),)
    arms = {
        f"{drug}: {m}": Arm(RESPONSIVE, a, drugs=text)
        for drug, text in (("ici", NIVOLUMAB), ("car", CAR_T))
        for m, a in active.items()
    }
    arms["idle: "] = Arm(RESPONSIVE, later=idle, drugs=CAR_T)
    arms["idle: car_antigen_loss"] = Arm(RESPONSIVE, active["car_antigen_loss"], later=idle, drugs=CAR_T)

    def harm(r: Reader, drug: str, mechanism: str) -> float:
        return float(np.nanmean(r.growth(f"{drug}: {mechanism}") - r.growth(f"{drug}: ")))

    def measure(r: Reader) -> dict[str, float]:
        antigen = harm(r, "car", "car_antigen_loss")
        return {
            "shared_ici": min(harm(r, "ici", m) for m in SHARED),
            "shared_car": min(harm(r, "car", m) for m in SHARED),
            "ici_only": max(part(harm(r, "car", m), harm(r, "ici", m)) for m, _ in ICI_ONLY),
            "car_only_ici": harm(r, "ici", "car_antigen_loss"),
            "car_only_car": antigen,
            "car_only_without": part(harm(r, "idle", "car_antigen_loss"), antigen),
        }

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        for m in (x for x in active if x):
            x, y = harm(r, "ici", m), harm(r, "car", m)
            left.plot(x, y, "o", color=COLORS[2 if m in SHARED else 0 if m in dict(ICI_ONLY) else 1], ms=7)
            left.annotate(m.replace("_", " "), (x, y), xytext=(5, 3), textcoords="offset points", fontsize=7.5)
        left.axhline(0.0, color=MUTED, lw=0.8, ls=":")
        left.axvline(0.0, color=MUTED, lw=0.8, ls=":")
        left.set_xlabel("Harm to nivolumab (ln volume at one year)", fontsize=8.5)
        left.set_ylabel("Harm to CAR-T cells", fontsize=8.5)
        both = {
            "CAR antigen lost": harm(r, "car", "car_antigen_loss"),
            "control: CAR-T cells do not kill": harm(r, "idle", "car_antigen_loss"),
        }
        bars(right, both, "Harm to CAR-T cells (ln volume at one year)")

    return Experiment(
        169, arms, measure, draw,
        "TGF-beta, CAF and MDSC harm both; B2M loss and low TMB only checkpoint blockade, antigen loss only CAR-T",
    )  # fmt: skip


def temporal_evolution() -> Experiment:
    """170: early progressions are environmental, late ones carry escape clones."""
    arms = {"with": STANDARD, "without": replace(STANDARD, grown=NO_CLONES)}

    def escape(r: Reader) -> np.ndarray:
        both = r.of("with", "clone_b2m_loss") + r.of("with", "clone_jak_loss")
        return both[r.courses["with"].ok]

    def at_progression(r: Reader) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        outcome, time = r.response("with"), r.courses["with"].time
        index = np.searchsorted(time, np.round(outcome.pfs_months * MONTH_DAYS))
        found = escape(r)[np.arange(len(index)), np.minimum(index, len(time) - 1)]
        late = outcome.progressed & (outcome.pfs_months > 6.0)
        return found, outcome.progressed & ~late, late

    def late_count(r: Reader, label: str) -> float:
        outcome = r.response(label)
        return float((outcome.progressed & (outcome.pfs_months > 6.0)).sum())

    def measure(r: Reader) -> dict[str, float]:
        found, early, late = at_progression(r)
        start, end = escape(r)[:, 0], escape(r)[:, -1]
        return {
            "late_early": float(found[late].mean() - found[early].mean())
            if late.any() and early.any()
            else float("nan"),
            "in_patient": over(end[late], start[late]) if late.any() else float("nan"),
            "late_without": part(late_count(r, "without"), late_count(r, "with")),
        }

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        found, early, late = at_progression(r)
        months = r.response("with").pfs_months
        left.plot(months[early], found[early], ".", color=COLORS[0], label="within 6 months", ms=6)
        left.plot(months[late], found[late], ".", color=COLORS[1], label="later", ms=6)
        left.set_xlabel("Month of progression", fontsize=8.5)
        left.set_ylabel("Escape clones at progression (share)", fontsize=8.5)
        left.legend(frameon=False, fontsize=7.5)
        words = {"late, with clones": late_count(r, "with"), "late, control: no clones": late_count(r, "without")}
        bars(right, words, "Progressions after 6 months")

    return Experiment(
        170, arms, measure, draw,
        "Late progressions carry {late_early:.2f} more escape clones than early ones; without clones "
        "{late_without:.2f} of them remain",
    )  # fmt: skip


def persisters() -> Experiment:
    """110: targeted therapy enriches persisters; a pause lets them return and become sensitive again."""
    driver = (("mapk_activation", 1.0),)
    base = to(mapk_dependence=0.95) + off("initial_fraction_pathway_reactivated", "escape_mutation_rate")
    drugs = "dabrafenib 150 mg bid + trametinib 2 mg qd"
    arms = {
        "holiday": Arm(RESPONSIVE, driver, grown=base, drugs=drugs, pause=(84, 168)),
        "no switching": Arm(
            RESPONSIVE,
            driver,
            grown=base + off("persister_per_kill", "persister_switch_on"),
            drugs=drugs,
            pause=(84, 168),
        ),
    }

    def measure(r: Reader) -> dict[str, float]:
        week = {w: r.at("holiday", "persister", w) for w in (0, 8, 12, 24)}
        return {
            "enriched": over(week[8], week[0]), "reverted": over(week[24], week[12]),
            "sensitive_again": over(r.volume("holiday", 32), r.volume("holiday", 24)),
            "no_persisters": middle(r.at("no switching", "persister", 8)),
            "deeper": over(r.volume("no switching", 12), r.volume("holiday", 12)),
        }  # fmt: skip

    def draw(r: Reader, left: plt.Axes, right: plt.Axes) -> None:
        words = {"holiday": "dabrafenib + trametinib", "no switching": "control: no persister switching"}
        bands(left, r, words, "persister", "Persister share of cancer cells")
        bands(right, r, words, "tumor_volume", "Volume (mL)", log=True)
        right.set_title("Volume, with control")
        for axes in (left, right):
            axes.axvspan(12, 24, color="#eceff2", lw=0, zorder=0)
            axes.set_xlim(0, 40)

    return Experiment(
        110, arms, measure, draw,
        "Persisters rise {enriched:.1f}-fold under drug, fall to {reverted:.2f} in a pause, and the tumor is sensitive "
        "again",
    )  # fmt: skip


BUILDERS: dict[int, Callable[[], Experiment]] = {
    148: primary_resistance, 149: adaptive_resistance, 150: acquired_resistance, 151: durable_response,
    152: cancer_types, 153: cold_and_hot, 154: phenotypes, 155: checkpoints_rise, 156: exhaustion, 157: single_blockade,
    158: clone_selection, 159: b2m_loss, 160: loops, 161: remodeling, 162: coevolution, 163: spread,
    164: system_property, 165: toxicity, 166: cost, 167: fecal_transfer, 168: high_load_failures, 169: two_modalities,
    170: temporal_evolution, 110: persisters,
}  # fmt: skip


def main() -> None:
    """Run the phenomena, write figures and table, print the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/verification/phenomena"))
    parser.add_argument("--only", type=int, nargs="+", choices=[p.number for p in PHENOMENA])
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = [BUILDERS[n]() for n in options.only or BUILDERS]
    lab, results = Lab(), []
    lab.run(a for e in chosen for a in e.arms.values())
    for experiment in chosen:
        result, reader = judge(experiment, lab)
        results.append(result)
        drawn = figure(experiment, reader, result)
        drawn.savefig(options.out / f"phenomenon_{result.number}.png", dpi=130)
        plt.close(drawn)
        name = BY_NUMBER[result.number].name
        print(f"{result.number}  {'shown    ' if result.shown else 'not shown'}  {name}", flush=True)
    written = table(results)
    written.to_csv(options.out / "phenomena.tsv", sep="\t", index=False, float_format="%.4g")
    (options.out / "outcome.md").write_text(outcome(results), "utf-8")
    print(f"{sum(r.shown for r in results)} of {len(results)} shown; {options.out / 'phenomena.tsv'}")


if __name__ == "__main__":
    main()
