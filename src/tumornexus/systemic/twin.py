"""From Activities to a Twin: an ensemble of parameter sets that are consistent with what was measured.

Each candidate draws every parameter from its between-patient spread, every effect size from its published range and
every mechanism from its activity; it is grown without treatment to the measured burden and weighted by how well its
T-cell infiltration matches the measured one. All draws come from streams named by sample and decision.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources

import jax
import numpy as np

from tumornexus.activities import Activities, named_generator
from tumornexus.biology.params import Params
from tumornexus.errors import SimulationError
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.overrides import check_overrides
from tumornexus.knowledge.records import Effect, Tumor
from tumornexus.systemic.calibration import Calibration, shift
from tumornexus.systemic.ode import LESION_VARIED
from tumornexus.systemic.solver import STATUS, Lesions, grow
from tumornexus.systemic.state import CLONES, LESIONS, OCCULT, State, patient_mean
from tumornexus.systemic.treatment import is_bounded

CANDIDATES_PER_DRAW = 4
# Correlation between the bulk score of one biopsy and T-cell density over a patient's lesions. Assumed: lesions of one
# patient differ widely, and the score predicts response with an AUC near 0.63 only, which a correlation near one would
# not give.
SCORE_CORRELATION = 0.55
CLONE_PARAMETERS = {  # clone: parameter that seeds it
    "b2m_loss": "initial_fraction_b2m_loss",
    "jak_loss": "initial_fraction_jak_loss",
    "car_antigen_loss": "initial_fraction_car_antigen_loss",
    "pathway_reactivated": "initial_fraction_pathway_reactivated",
}


@dataclass(frozen=True)
class Facts:
    """What is known of the patient besides mechanisms; None where not measured.

    `inflamed_z`: inflamed score in reference standard deviations; `burden_ml`: tumor burden;
    `braf_v600`: whether growth depends on BRAF V600 (drawn from the tumor type's share when unknown).
    """

    inflamed_z: float | None = None
    burden_ml: float | None = None
    braf_v600: bool | None = None


@dataclass(frozen=True)
class Twin:
    """One virtual patient with its uncertainty; leading axis `draw` everywhere.

    `values` (draw, parameter) include the effects of all mechanisms, `bare` none; `weights` sum to one.
    """

    sample: str
    tumor: str
    names: tuple[str, ...]
    bare: np.ndarray
    values: np.ndarray
    activities: Mapping[str, np.ndarray]
    effects: Mapping[str, tuple[tuple[Effect, np.ndarray], ...]]
    state: State
    lesions: Lesions
    luck: np.ndarray  # (draw,) seed of chance in small clones, shared by all arms
    weights: np.ndarray
    n_candidates: int
    n_failed: int
    n_controlled: int
    notes: tuple[str, ...]

    @property
    def n_draws(self) -> int:
        return len(self.values)

    @property
    def n_effective(self) -> float:
        """Kish's effective number of draws, 1 / sum of squared weights."""
        return float(1.0 / np.sum(self.weights**2))


def parameter_names(knowledge: Knowledge) -> tuple[str, ...]:
    """Return the model's parameter names in the order of the vector."""
    return tuple(knowledge.parameters)


def _triangular(generator: np.random.Generator, effect: Effect, n: int) -> np.ndarray:
    """Draw effect sizes between their published bounds, most often near the stated value."""
    if effect.low == effect.high:
        return np.full(n, effect.value)
    return generator.triangular(effect.low, effect.value, effect.high, n)


def draw_bare(
    knowledge: Knowledge, tumor: Tumor, n: int, seed: int, sample: str, braf_v600: bool | None = None
) -> np.ndarray:
    """Draw parameters without mechanisms, shape (draw, parameter): tumor type overrides, then between-patient spread.

    Log-normal spread, logit-normal for parameters bounded in [0, 1]; growth from the doubling time of the tumor type
    (its range is read as a 90 % interval).
    """
    columns = []
    override = {o.parameter: o for o in tumor.override}
    for name, parameter in knowledge.parameters.items():
        stream = named_generator(seed, "parameter", sample, name)
        z = stream.standard_normal(n)
        if name == "growth_rate":
            spread = np.log(tumor.doubling_time_high / tumor.doubling_time_low) / (2 * 1.645)
            column = np.log(2.0) / tumor.doubling_time_day * np.exp(np.clip(spread, 0.1, 0.8) * z)
        elif name == "toxicity_threshold":
            column = -np.log1p(-stream.random(n))  # the hazard at which an event happens is exponential
        elif name == "mapk_dependence":
            # Dependence of the clone that inhibitors shrink, from the driver itself, not from pathway activity:
            # RAS-mutant
            # tumors are MAPK-active but do not respond to BRAF and MEK inhibitors.
            share = tumor.braf_v600 if braf_v600 is None else float(braf_v600)
            # Median 0.67 with wide spread: about three in four BRAF V600 melanomas respond to dabrafenib and
            # trametinib.
            carrier = stream.random(n) < share
            column = np.where(carrier, 1.0 / (1.0 + np.exp(-(0.7 + 1.5 * z))), 0.0)
        else:
            value = override[name].value if name in override else parameter.value
            if parameter.bounded and 0.0 < value < 1.0:
                column = 1.0 / (1.0 + np.exp(-(np.log(value / (1.0 - value)) + parameter.spread_sd_log * z)))
            else:
                column = value * np.exp(parameter.spread_sd_log * z)
        columns.append(column)
    return np.stack(columns, axis=1)


def draw_burden(
    tumor: Tumor, values: np.ndarray, names: tuple[str, ...], seed: int, sample: str, measured_ml: float | None = None
) -> np.ndarray:
    """Return the tumor volume in mL at the start of treatment, (draw,): measured, or drawn for the tumor type.

    Log-normal, the range of the tumor type read as a 90 % interval; at least 2 mL, at most 0.4 of `max_volume`.
    """
    if measured_ml is not None:
        target = np.full(len(values), float(measured_ml))
    else:
        spread = np.clip(np.log(tumor.burden_high / tumor.burden_low) / (2 * 1.645), 0.1, 1.0)
        z = named_generator(seed, "burden", sample).standard_normal(len(values))
        target = tumor.burden_ml * np.exp(spread * z)
    return np.clip(target, 2.0, 0.4 * values[:, names.index("max_volume")])


def draw_lesions(values: np.ndarray, names: tuple[str, ...], seed: int, sample: str) -> Lesions:
    """Draw number, sizes and differences of the measured lesions of each patient.

    One lesion, and up to two more, each with probability `second_lesion`; shares of the burden are those of broken
    sticks, largest first; parameters of `LESION_VARIED` differ by log-normal factors.
    """
    n = len(values)
    p = Params(tuple(values.T), names)  # type: ignore[arg-type]
    stream = named_generator(seed, "lesions", sample)
    number = 1 + np.sum(stream.random((n, OCCULT - 1)) < np.asarray(p.second_lesion)[:, None], axis=1)
    sticks = stream.exponential(size=(n, OCCULT)) * (np.arange(OCCULT) < number[:, None])
    shares = np.zeros((n, LESIONS))
    shares[:, :OCCULT] = -np.sort(-sticks, axis=1) / sticks.sum(axis=1, keepdims=True)
    z = stream.standard_normal((n, len(LESION_VARIED), LESIONS))
    return Lesions(shares, np.exp(np.asarray(p.lesion_spread)[:, None, None] * np.clip(z, -3.0, 3.0)))


def draw_effects(
    knowledge: Knowledge, n: int, seed: int, sample: str
) -> dict[str, tuple[tuple[Effect, np.ndarray], ...]]:
    """Draw a size for every effect of every mechanism, shape (draw,)."""
    return {
        mechanism.id: tuple(
            (effect, _triangular(named_generator(seed, "effect", sample, mechanism.id, effect.parameter), effect, n))
            for effect in mechanism.effect
        )
        for mechanism in knowledge.mechanisms.values()
    }


def apply_effects(
    bare: np.ndarray,
    activities: Mapping[str, np.ndarray],
    effects: Mapping[str, tuple[tuple[Effect, np.ndarray], ...]],
    names: tuple[str, ...],
    bounded: np.ndarray,
) -> np.ndarray:
    """Return parameters under the mechanisms: products, then sums, then pulls; an absent mechanism changes no bit."""
    index = {name: i for i, name in enumerate(names)}
    factor, added = np.ones_like(bare), np.zeros_like(bare)
    kept, weight, pulled = np.ones_like(bare), np.zeros_like(bare), np.zeros_like(bare)
    for mechanism, activity in activities.items():
        for effect, size in effects.get(mechanism, ()):
            j = index[effect.parameter]
            if effect.law == "multiply":
                factor[:, j] *= 1.0 + (size - 1.0) * activity
            elif effect.law == "add":
                added[:, j] += size * activity
            else:
                kept[:, j] *= 1.0 - activity
                weight[:, j] += activity
                pulled[:, j] += activity * size
    values = bare * factor + added
    target = np.divide(pulled, weight, out=np.zeros_like(pulled), where=weight > 0)
    values = np.where(weight > 0, values * kept + target * (1.0 - kept), values)
    return np.where(bounded, np.clip(values, 0.0, 1.0), np.maximum(values, 0.0))


def bounded_mask(knowledge: Knowledge) -> np.ndarray:
    """Return True for parameters that live in [0, 1]."""
    return np.array([is_bounded(p) for p in knowledge.parameters.values()])


@functools.cache
def reference_infiltration() -> tuple[float, float]:
    """Return mean and standard deviation of ln CD8 infiltration in the virtual population over all tumor types."""
    text = resources.files("tumornexus.systemic").joinpath("data/reference_population.json").read_text("utf-8")
    table = json.loads(text)
    return float(table["ln_cd8_infiltration_mean"]), float(table["ln_cd8_infiltration_sd"])


def _take(state: State, index: np.ndarray) -> State:
    return jax.tree.map(lambda x: np.asarray(x)[index], state)


def _systematic(weights: np.ndarray, n: int, seed: int, *address: str) -> tuple[np.ndarray, np.ndarray]:
    """Return which draws are taken and how often: one uniform number, `n` evenly spaced pointers."""
    pointers = (named_generator(seed, *address).random() + np.arange(n)) / n
    index = np.minimum(np.searchsorted(np.cumsum(weights), pointers), len(weights) - 1)
    return np.unique(index, return_counts=True)


def resample(twin: Twin, n_draws: int, seed: int = 0) -> Twin:
    """Return a twin of at most `n_draws` distinct draws, taken as often as their weights say.

    Later steps cost time by the draw, and draws that serial readings have all but excluded are worth none.
    """
    taken, counts = _systematic(twin.weights, n_draws, seed, "resample readings", twin.sample)
    return replace(
        twin,
        bare=twin.bare[taken],
        values=twin.values[taken],
        activities={m: a[taken] for m, a in twin.activities.items()},
        effects={m: tuple((e, s[taken]) for e, s in pairs) for m, pairs in twin.effects.items()},
        state=_take(twin.state, taken),
        lesions=twin.lesions[taken],
        luck=twin.luck[taken],
        weights=counts / counts.sum(),
    )


def parameterize(
    activities: Activities,
    knowledge: Knowledge,
    *,
    facts: Facts | None = None,
    overrides: Mapping[str, float] | None = None,
    calibration: Calibration | None = None,
    n_draws: int = 64,
    candidates_per_draw: int = CANDIDATES_PER_DRAW,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Twin:
    """Return the twin of one sample: up to `n_draws` distinct draws, resampled from weighted, grown candidates.

    Their weights count how often each was taken. `n_draws` times `candidates_per_draw` candidates are grown; where
    nothing of infiltration is measured one a draw is enough, because all that grow weigh the same.

    `overrides` sets parameters (before mechanisms act on them) to one value in all draws, in the parameter's unit.
    `calibration` moves population medians, each candidate by a draw of its own; None takes them as the records have
    them.

    Raises:
        InputError: an override names no parameter, or gives a value that it cannot have.
        SimulationError: no candidate reaches the measured burden.
    """
    facts = facts or Facts()
    tumor = knowledge.tumors[activities.tumor]
    names = parameter_names(knowledge)
    n = n_draws * candidates_per_draw
    sample = activities.sample
    bare = draw_bare(knowledge, tumor, n, seed, sample, facts.braf_v600)
    if calibration is not None:
        shift(bare, names, calibration.of(np.arange(n)), knowledge)
    check_overrides(overrides or {}, knowledge)
    for name, value in (overrides or {}).items():
        bare[:, names.index(name)] = float(value)
    effects = draw_effects(knowledge, n, seed, sample)
    causes = {m for m, record in knowledge.mechanisms.items() if record.kind == "cause"}
    drawn = {m: a for m, a in activities.draws(n, seed).items() if m in causes}
    values = apply_effects(bare, drawn, effects, names, bounded_mask(knowledge))

    target = draw_burden(tumor, values, names, seed, sample, facts.burden_ml)
    lesions = draw_lesions(values, names, seed, sample)
    luck = named_generator(seed, "luck", sample).integers(0, 2**32, size=n, dtype=np.uint32)
    grown = grow(values, names, target, lesions=lesions, luck=luck, progress=progress)

    notes = [] if calibration is None else [f"parameters shifted by calibration {calibration.digest()}"]
    if facts.burden_ml is not None and not np.all(target == facts.burden_ml):
        notes.append(f"burden of {facts.burden_ml:g} mL taken as {np.median(target):.3g} mL, within what is simulated")
    weights = (grown.status == 0).astype(float)
    if not weights.any() and (grown.status == 2).any():
        raise SimulationError(
            f"{int((grown.status == 2).sum())} of {n} candidate tumors fail numerically and none reaches the burden",
            field="overrides" if overrides else "burden_ml",
            value=dict(overrides or {}) or facts.burden_ml,
            valid="parameters nearer to their usual values (`tumornexus explain PARAMETER`)",
        )
    if not weights.any():
        raise SimulationError(
            f"none of {n} candidate tumors reaches the burden: {STATUS[1]} in {int((grown.status == 1).sum())}",
            field="burden_ml",
            value=facts.burden_ml,
            valid="a smaller burden, or activities that let a tumor grow",
        )
    if facts.inflamed_z is not None:
        mean, sd = reference_infiltration()
        cells = patient_mean(grown.state)
        infiltration = np.asarray(cells.cd8_progenitor + cells.cd8_effector + cells.cd8_terminal)
        z = (np.log(np.maximum(infiltration, 1e-9)) - mean) / sd
        expected = SCORE_CORRELATION * np.clip(z, -4.0, 4.0)
        spread = np.sqrt(1.0 - SCORE_CORRELATION**2)
        weights *= np.exp(-0.5 * ((facts.inflamed_z - expected) / spread) ** 2) + 1e-12
        notes.append(f"weighted by the inflamed score (z = {facts.inflamed_z:.2f})")
    else:
        notes.append("T-cell infiltration was not measured: the twin follows the tumor type")
    weights /= weights.sum()
    effective = 1.0 / np.sum(weights**2)
    if effective < 0.25 * n_draws:
        notes.append(
            f"only {effective:.0f} effective candidates: the model finds this combination of measurements unusual"
        )
    distinct, counts = _systematic(weights, n_draws, seed, "resample", sample)
    n_controlled, n_failed = int((grown.status == 1).sum()), int((grown.status == 2).sum())
    return Twin(
        sample=sample,
        tumor=activities.tumor,
        names=names,
        bare=bare[distinct],
        values=values[distinct],
        activities={m: a[distinct] for m, a in drawn.items()},
        effects={m: tuple((e, s[distinct]) for e, s in pairs) for m, pairs in effects.items()},
        state=_take(grown.state, distinct),
        lesions=lesions[distinct],
        luck=luck[distinct],
        weights=counts / counts.sum(),
        n_candidates=n,
        n_failed=n_failed,
        n_controlled=n_controlled,
        notes=tuple(notes),
    )


def reverse(twin: Twin, knowledge: Knowledge, mechanisms: Iterable[str]) -> Twin:
    """Return the twin with some mechanisms switched off from now on; its tumor is as it has grown.

    A genetic mechanism reversed means that its clone regains what it lost: its cells join the wild type.
    """
    chosen = set(mechanisms)
    activities = {m: np.zeros_like(a) if m in chosen else a for m, a in twin.activities.items()}
    values = apply_effects(twin.bare, activities, twin.effects, twin.names, bounded_mask(knowledge))
    state = twin.state
    for clone, parameter in CLONE_PARAMETERS.items():
        for mechanism in chosen:
            if any(e.parameter == parameter for e, _ in twin.effects.get(mechanism, ())):
                state = _merge_clone(state, CLONES.index(clone), twin.activities[mechanism] > 0.0)
    return replace(twin, activities=activities, values=values, state=state)


def _merge_clone(state: State, index: int, present: np.ndarray) -> State:
    """Move a clone into the wild type in the draws where its mechanism is present; the others stay bit for bit."""

    def merged(x: np.ndarray) -> np.ndarray:
        x = np.array(x)
        moved = np.where(present[:, None], x[:, index], 0.0)
        x[:, 0] += moved
        x[:, index] -= moved
        return x

    return replace(state, cancer=merged(np.asarray(state.cancer)), persister=merged(np.asarray(state.persister)))
