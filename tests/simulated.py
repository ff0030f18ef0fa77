"""Ensembles that several tests read: an otherwise responsive tumor, and what each mechanism makes of it.

Compiling the simulator takes most of the time of these tests, so every case of a file rides in one ensemble call and
compiled code is kept between test runs in pytest's own cache folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np
import pytest
import xarray as xr

from tumornexus.knowledge import Knowledge, parse_regimen
from tumornexus.knowledge.regimen import Regimen
from tumornexus.systemic.solver import grow, treat
from tumornexus.systemic.state import State
from tumornexus.systemic.treatment import SLOTS, Treatment, prepare
from tumornexus.systemic.twin import apply_effects, bounded_mask, draw_bare, parameter_names

HORIZON_DAYS = 364
BURDEN_ML = 20.0
PARTIAL = -2.0  # ln volume ratio of a clear partial response: half the diameter
FLOOR_ML = 0.01  # volumes below this count as equal: the model says nothing about the last cells


def keep_compiled(config: pytest.Config) -> None:
    """Keep compiled code in pytest's cache folder, which the workers of a run and later runs share."""
    jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("compiled")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def rows(state: State, index: np.ndarray) -> State:
    """Return some members of an ensemble."""
    return jax.tree.map(lambda x: np.asarray(x)[index], state)


def usual(knowledge: Knowledge, *drugs: str) -> Treatment:
    """Return the usual regimen of some drugs over the horizon of these tests."""
    text = " + ".join(knowledge.drugs[d].usual for d in drugs)
    return prepare(parse_regimen(text, knowledge), knowledge).until(HORIZON_DAYS)


def untreated(knowledge: Knowledge) -> Treatment:
    """Return a year without any drug."""
    return prepare(Regimen("none", (), ()), knowledge).until(HORIZON_DAYS)


def full_effect(knowledge: Knowledge, therapy: str) -> Treatment:
    """Return a therapy that has acts but no drug (a strategy) as a constant, almost complete effect."""
    none = untreated(knowledge)
    acts, acted = jax.tree.map(np.array, none.acts), none.acted
    kinetics = jax.tree.map(np.array, none.kinetics)
    acts.ec50[0], kinetics.k_elim[0] = 0.1, 0.1
    for act in knowledge.therapies[therapy].act:
        getattr(acts, act.law)[0, getattr(acted, act.law).index(act.parameter)] = act.value
        if act.law == "saturate":
            acts.saturates[0, acted.saturate.index(act.parameter)] = 1.0
    doses = np.zeros_like(none.doses)
    doses[:, 0] = 10.0
    return replace(none, text=therapy, doses=doses, acts=acts, kinetics=kinetics)


def together(knowledge: Knowledge, first: Treatment, second: Treatment) -> Treatment:
    """Return two treatments at once: the slots of the second follow those of the first."""
    used = int(np.flatnonzero(first.doses.any(axis=0)).max(initial=-1)) + 1
    if used + int(np.flatnonzero(second.doses.any(axis=0)).max(initial=-1)) + 1 > SLOTS:
        raise ValueError("more drugs than slots")

    def beside(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.concatenate([np.asarray(a)[:used], np.asarray(b)[: SLOTS - used]])

    return replace(
        first,
        text=f"{first.text} + {second.text}",
        drugs=(*first.drugs, *second.drugs),
        doses=beside(first.doses.T, second.doses.T).T,
        spread=beside(first.spread, second.spread),
        million_per_unit=beside(first.million_per_unit, second.million_per_unit),
        acts=jax.tree.map(beside, first.acts, second.acts),
        kinetics=jax.tree.map(beside, first.kinetics, second.kinetics),
        clearance_exponent=beside(first.clearance_exponent, second.clearance_exponent),
    )


@dataclass(frozen=True)
class Tumors:
    """Melanoma-like tumors that respond to PD-1 blockade, bare and with one mechanism at a time.

    `bare` (draw, parameter) are the draws without mechanisms; `values[m]` those with mechanism `m` at full activity
    (half of the cells for a clonal loss), "" for none and "braf_v600" for a tumor that this driver feeds; `state[m]`
    the tumors grown to one burden.
    """

    knowledge: Knowledge
    names: tuple[str, ...]
    bare: np.ndarray
    values: Mapping[str, np.ndarray]
    state: Mapping[str, State]

    @property
    def n(self) -> int:
        return len(self.bare)


def activity_of(knowledge: Knowledge, mechanism: str) -> float:
    """Return the activity at which a mechanism is tested: complete, but a clone of half the cells."""
    return 0.5 if knowledge.mechanisms[mechanism].extent == "clonal_fraction" else 1.0


def responsive_tumors(knowledge: Knowledge, *, n: int = 6, of: int = 1536, seed: int = 0) -> Tumors:
    """Return `n` of `of` bare draws that respond, with and without each cause, grown to `BURDEN_ML`.

    Responsive: grows without treatment, shrinks under CAR-T cells and shrinks lastingly under nivolumab, by about
    `PARTIAL` rather than to nothing, so that there is room to get worse and to get better. Effects have their stated
    values, so that draws differ by the patient and not by the size of the effect.
    """
    names = parameter_names(knowledge)
    candidates = draw_bare(knowledge, knowledge.tumors["melanoma"], of, seed, "responsive", braf_v600=False)
    grown = grow(candidates, names, np.full(of, BURDEN_ML))
    arms = [untreated(knowledge), usual(knowledge, "nivolumab"), usual(knowledge, "car_t")]
    course = treat(
        np.tile(candidates, (3, 1)), names, rows(grown.state, np.tile(np.arange(of), 3)), arms,
        np.repeat(np.arange(3), of),
        keep=["tumor_volume"],
    )  # fmt: skip
    volume = course["tumor_volume"].values
    none, pd1, car = log_change(volume).reshape(3, of)
    # A response that has relapsed within the year is another kind of tumor: a mechanism may only shift its timing.
    nadir = np.log(np.maximum(volume[of : 2 * of], FLOOR_ML))
    lasting = nadir[:, -1] - nadir.min(axis=1) < 0.1
    fit = (grown.status == 0) & (none > 0.3) & (pd1 < 0.0) & lasting & (car < 0.0)
    order = np.argsort(np.where(fit, np.abs(pd1 - PARTIAL), np.inf), kind="stable")
    bare = candidates[order[: min(2 * n, int(fit.sum()))]]
    values = variants(knowledge, bare)
    grown = grow(np.concatenate(list(values.values())), names, np.full(len(values) * len(bare), BURDEN_ML))
    # A very responsive tumor may be held below the burden under some variant; such a draw has no comparison.
    everywhere = np.flatnonzero((grown.status.reshape(len(values), -1) == 0).all(axis=0))[:n]
    if len(everywhere) < n:
        raise AssertionError(
            f"only {len(everywhere)} of {len(bare)} responsive tumors reach {BURDEN_ML} mL with every mechanism"
        )
    state = {m: rows(grown.state, everywhere + i * len(bare)) for i, m in enumerate(values)}
    return Tumors(knowledge, names, bare[everywhere], {m: v[everywhere] for m, v in values.items()}, state)


def variants(knowledge: Knowledge, bare: np.ndarray) -> dict[str, np.ndarray]:
    """Return bare parameters ("") and those with each cause raised, and with a BRAF V600 driver ("braf_v600")."""
    names, bounded, n = parameter_names(knowledge), bounded_mask(knowledge), len(bare)
    sizes = {m: tuple((e, np.full(n, e.value)) for e in r.effect) for m, r in knowledge.mechanisms.items()}
    values = {"": apply_effects(bare, {}, sizes, names, bounded)}
    for mechanism, record in knowledge.mechanisms.items():
        if record.effect:
            activity = {mechanism: np.full(n, activity_of(knowledge, mechanism))}
            values[mechanism] = apply_effects(bare, activity, sizes, names, bounded)
    driver = bare.copy()
    driver[:, names.index("mapk_dependence")] = 0.95
    # A driver belongs to an active pathway: the tumor that a BRAF inhibitor is meant for carries both.
    values["braf_v600"] = apply_effects(driver, {"mapk_activation": np.ones(n)}, sizes, names, bounded)
    return values


def log_change(volume_ml: np.ndarray) -> np.ndarray:
    """Return ln volume at the end over volume at the start, shape (member,), with volumes below the floor as equal."""
    log = np.log(np.maximum(volume_ml, FLOOR_ML))
    return log[..., -1] - log[..., 0]


class Courses:
    """Trajectories of (tumor, treatment) pairs, simulated in one ensemble call; reads return arrays (draw, time)."""

    def __init__(self, tumors: Tumors, jobs: Iterable[tuple[str, str]], treatments: Mapping[str, Treatment]) -> None:
        self.jobs = list(dict.fromkeys(jobs))
        self.place = {job: i for i, job in enumerate(self.jobs)}
        self.n = tumors.n
        keys = list(treatments)
        values = np.concatenate([tumors.values[m] for m, _ in self.jobs])
        state = jax.tree.map(lambda *xs: np.concatenate(xs), *[tumors.state[m] for m, _ in self.jobs])
        assignment = np.repeat([keys.index(t) for _, t in self.jobs], self.n)
        self.data: xr.Dataset = treat(values, tumors.names, state, list(treatments.values()), assignment)

    def of(self, tumor: str, treatment: str, observable: str) -> np.ndarray:
        """Return one observable of one pair, shape (draw, time)."""
        i = self.place[tumor, treatment]
        return self.data[observable].values[i * self.n : (i + 1) * self.n]

    def growth(self, tumor: str, treatment: str) -> np.ndarray:
        """Return ln volume at one year over volume at baseline, shape (draw,)."""
        return log_change(self.of(tumor, treatment, "tumor_volume"))

    def level(self, tumor: str, treatment: str, observable: str, days: slice = slice(1, 9)) -> np.ndarray:
        """Return the mean of ln observable over the first eight weeks, shape (draw,)."""
        return np.log(np.maximum(self.of(tumor, treatment, observable)[:, days], 1e-9)).mean(axis=1)


def pairs(knowledge: Knowledge, kinds: Sequence[str]) -> list[tuple[str, str]]:
    """Return (mechanism, reversing therapy) of records of some kinds, therapies without acts of their own left out."""
    return [
        (mechanism.id, therapy)
        for mechanism in knowledge.mechanisms.values()
        if mechanism.kind in kinds
        for therapy in mechanism.reversed_by
        if knowledge.therapies[therapy].agents or knowledge.therapies[therapy].act
    ]
