"""The model of one patient under one regimen as formulas with names: rates of change, constants, and events.

`equations_of` traces `ode.derivative` and `ode.apply_dose` with a name for every number (`jaxpr_math`), so the
equations are those that are simulated, without the draws of small clones. What they are written as is left to `sbml`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import jax
import numpy as np

from tumornexus.errors import SimulationError
from tumornexus.knowledge import Knowledge
from tumornexus.systemic.export.formula import formula, number
from tumornexus.systemic.export.jaxpr_math import Graph, Node, Scalar, Symbols, ordered, trace
from tumornexus.systemic.ode import (
    DEPOSITS,
    LESION_VARIED,
    Body,
    Patient,
    Tissue,
    apply_dose,
    concentration,
    derivative,
)
from tumornexus.systemic.solver import Lesions, setting_of
from tumornexus.systemic.state import CLONES, HOST, LESIONS, LEVELS, State, volume_ml
from tumornexus.systemic.treatment import Treatment

PLACES = (*(f"lesion{i + 1}" for i in range(LESIONS - 1)), "occult")
COMPARTMENTS = ("central", "peripheral")
NEVER = 1e9  # day of what has not happened


@dataclass(frozen=True)
class Quantity:
    """A number with a name: a constant, or where `constant` is False a state or what events change."""

    value: float
    unit: str
    meaning: str
    constant: bool = True


@dataclass(frozen=True)
class Event:
    """What happens when `trigger` becomes true: each (id, formula) is assigned at once."""

    id: str
    trigger: str
    assignments: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Equations:
    """The model under one regimen.

    Attributes:
        rates: id of a state to its rate of change per day.
        outputs: id to formula of what is read and fed back to nothing.
        quantities: everything that the formulas name, with initial values of states.
        events: doses, and what a severe adverse event does.
        functions: "folder.module.function" of all code that the rates come from.
    """

    regimen: str
    rates: Mapping[str, Scalar]
    outputs: Mapping[str, Scalar]
    quantities: Mapping[str, Quantity]
    events: tuple[Event, ...]
    functions: tuple[str, ...]
    knowledge_digest: str

    def without_formulas(self) -> Equations:
        """Return names and numbers only: small, and all that running a written file needs."""
        return replace(self, rates=dict.fromkeys(self.rates, 0.0), outputs=dict.fromkeys(self.outputs, 0.0), events=())


# Names and values of everything that goes into `derivative`.

DRUG_NUMBERS = {
    "penetration_rate": ("1/day", "equilibration of the tumor with plasma"),
    "ec50": ("unit of concentration", "concentration of half the largest effect"),
    "hill": ("1", "exponent of the concentration-effect curve"),
    "tumor_to_plasma": ("1", "concentration in a typical tumor over that in plasma, in balance"),
    "hazard": ("1", "hazard of a grade >= 3 event over the toxicity window at full effect"),
    "k_elim": ("1/day", "elimination from the central compartment at the first dose"),
    "k_out": ("1/day", "from the central to the peripheral compartment"),
    "k_in": ("1/day", "from the peripheral to the central compartment"),
    "nm_per_unit": ("unit of concentration per dose unit", "plasma concentration of a central amount of one"),
    "cl_log_change": ("1", "ln of final over initial clearance"),
    "cl_t50_day": ("day", "day of half that change"),
    "cl_hill": ("1", "exponent of that change"),
    "vmax": ("dose units/day", "largest saturable elimination"),
    "km": ("dose units", "central amount of half of it"),
}
NEUTRAL = {"multiply": 1.0, "add": 0.0, "saturate": 0.0}  # an act that does nothing
# Cells and virus that exist only where they are given. Elsewhere they are left out: their zero is unstable, so that
# rounding in another integrator would grow into a treatment that nobody gave.
GIVEN = {"blood_car_t": ("car_t", "blood_car_t", "blood_car_memory"), "virus": ("virus", "infected")}
DAMPED = ("microbiome", "lymphocytes", "niche", "antiviral", "steroid", "toxicity_hazard")


class _Names:
    """Collects quantities; a name given twice is an error, since files and simulators know them by it."""

    def __init__(self) -> None:
        self.quantities: dict[str, Quantity] = {}

    def add(self, name: str, value: float, unit: str, meaning: str, *, constant: bool = True) -> str:
        if name in self.quantities:
            raise SimulationError("two quantities of the model have one name", field=name)
        self.quantities[name] = Quantity(float(value), unit, meaning, constant)
        return name


def _state_names(name: str) -> np.ndarray:
    if name in HOST:
        return np.array([name], dtype=object)
    if name in ("cancer", "persister"):
        return np.array([[[f"{name}_{clone}_{place}"] for place in PLACES] for clone in CLONES], dtype=object)
    return np.array([[f"{name}_{place}"] for place in PLACES], dtype=object)


def _unit(name: str) -> str:
    if name == "virus":
        return "million infectious units"
    return "1" if name in LEVELS or name in DAMPED else "million cells"


def _absent(state: State, treatment: Treatment) -> set[str]:
    """Return the states that are zero at the start and that the regimen does not add to."""
    return {
        name
        for given, names in GIVEN.items()
        if not treatment.deposits[:, DEPOSITS.index(given)].any()
        and not any(np.any(np.asarray(getattr(state, name))) for name in names)
        for name in names
    }


def _body(state: State, treatment: Treatment, names: _Names) -> Body:
    """Return a `Body` of names, with 0 where nothing is given (`GIVEN`) or a drug has no second compartment."""
    named = {}
    absent = _absent(state, treatment)
    for field in fields(State):
        array = _state_names(field.name)
        if field.name in absent:
            named[field.name] = np.zeros(array.shape, dtype=object)
            continue
        values = np.reshape(np.asarray(getattr(state, field.name), dtype=float), array.shape)
        if field.name == "toxicity_hazard":
            values = np.zeros_like(values)  # counted from the start of treatment
        where = "of the host" if field.name in HOST else "of a lesion"
        for index in np.ndindex(array.shape):
            names.add(array[index], values[index], _unit(field.name), f"{field.name} {where}", constant=False)
        named[field.name] = array
    slots = len(treatment.spread)
    amounts = np.zeros((slots, 2, 1), dtype=object)
    tumor = np.zeros((slots, LESIONS, 1), dtype=object)
    for s, drug in enumerate(treatment.drugs):
        for c, compartment in enumerate(COMPARTMENTS[: 2 if treatment.kinetics.k_out[s] > 0.0 else 1]):
            name = f"amount_{drug}_{compartment}"
            amounts[s, c] = names.add(name, 0.0, "dose units", f"{compartment} amount of a drug", constant=False)
        if treatment.acts.penetration_rate[s] > 0.0:
            for i, place in enumerate(PLACES):
                meaning = "concentration of a drug in a lesion"
                tumor[s, i] = names.add(f"tumor_{drug}_{place}", 0.0, "unit of concentration", meaning, constant=False)
    return Body(Tissue(State(**named), tumor), amounts)


def _slots(owner: Any, treatment: Treatment, names: _Names) -> dict[str, Any]:
    """Return the fields of `Acts` or `Kinetics` with names where the regimen's drugs have numbers.

    A zero and a neutral act stay numbers: they say that a mechanism is absent, and its terms then leave the equations.
    """
    out = {}
    for field in fields(owner):
        values = getattr(owner, field.name)
        if values is None:
            continue
        values = np.asarray(values, dtype=float)
        array = values.astype(object)[..., None]
        for s, drug in enumerate(treatment.drugs):
            if field.name in DRUG_NUMBERS and values[s] != 0.0:
                array[s] = names.add(f"{field.name}_{drug}", values[s], *DRUG_NUMBERS[field.name])
            elif field.name in NEUTRAL:
                acted = getattr(treatment.acted, field.name)
                for j in np.flatnonzero(values[s] != NEUTRAL[field.name]):
                    meaning = f"what full effect does to {acted[j]}: {field.name}"
                    array[s, j] = names.add(f"{field.name}_{acted[j]}_by_{drug}", values[s, j], "1", meaning)
        out[field.name] = array
    return out


def _patient(
    values: np.ndarray, parameters: Sequence[str], factors: np.ndarray, treatment: Treatment, knowledge: Knowledge,
    names: _Names,
) -> Patient:  # fmt: skip
    """Return a `Patient` of names, with numbers where the regimen leaves a mechanism out."""
    table = np.empty((len(parameters), 1), dtype=object)
    for i, name in enumerate(parameters):
        record = knowledge.parameters[name]
        table[i] = names.add(name, values[i], record.unit, record.meaning)
    varied = np.empty((len(LESION_VARIED), LESIONS, 1), dtype=object)
    for i, j in np.ndindex(varied.shape[:2]):
        name, place = LESION_VARIED[i], PLACES[j]
        meaning = f"{name} of this lesion over that of the patient"
        varied[i, j] = names.add(f"{name}_factor_{place}", factors[i, j], "1", meaning)
    first = treatment.first_dose_day.astype(object)[:, None]
    exponent = treatment.clearance_exponent.astype(object)[:, None]
    for s, drug in enumerate(treatment.drugs):
        if treatment.clearance_exponent[s] > 0.0:
            meaning = "exponent of clearance_factor: spread of this drug's clearance over that of the factor"
            exponent[s] = names.add(f"clearance_exponent_{drug}", treatment.clearance_exponent[s], "1", meaning)
        meaning = "first dose, from which change of clearance counts"
        first[s] = names.add(f"first_dose_day_{drug}", treatment.first_dose_day[s], "day", meaning)
    acts = type(treatment.acts)(**_slots(treatment.acts, treatment, names))
    kinetics = type(treatment.kinetics)(**_slots(treatment.kinetics, treatment, names))
    # Cells and virus come with events, which read the tables themselves.
    living = np.zeros((*treatment.million_per_unit.shape, 1), dtype=object)
    return Patient(table, varied, acts, kinetics, exponent, first, living)


def _named(
    values: np.ndarray, parameters: Sequence[str], state: State, treatment: Treatment, knowledge: Knowledge,
    lesions: Lesions | None,
) -> tuple[_Names, Body, Patient]:  # fmt: skip
    names = _Names()
    factors = (lesions or Lesions.single(1)).factors[0]
    body = _body(state, treatment, names)
    return names, body, _patient(np.asarray(values, dtype=float), parameters, factors, treatment, knowledge, names)


def quantities_of(
    values: np.ndarray, parameters: Sequence[str], state: State, treatment: Treatment, knowledge: Knowledge,
    lesions: Lesions | None = None,
) -> dict[str, Quantity]:  # fmt: skip
    """Return constants and initial states by id: with them, one loaded file of a regimen serves other patients.

    Arguments as for `equations_of`.
    """
    return _named(values, parameters, state, treatment, knowledge, lesions)[0].quantities


def body_of(courses: Mapping[str, np.ndarray], treatment: Treatment, state: State) -> Body:
    """Return a `Body` with time for batch axis from courses by id, (time,) each; `state` gives the shapes."""
    zero = np.zeros(len(next(iter(courses.values()))))

    def leaf(names: np.ndarray) -> np.ndarray:
        rows = [courses[n] if isinstance(n, str) else zero for n in names.ravel().tolist()]
        return np.stack(rows).reshape(*names.shape[:-1], len(zero))

    return jax.tree.map(leaf, _body(state, treatment, _Names()))


def courses_of(body: Body, treatment: Treatment, state: State) -> dict[str, np.ndarray]:
    """Return courses by id from a `Body` whose leaves have any axes after those of the model in place of the batch: the
    inverse of `body_of`. `state` of one member, as there.

    Raises:
        SimulationError: a state that the file of this regimen leaves out is not zero.
    """
    courses: dict[str, np.ndarray] = {}

    def leaf(names: np.ndarray, values: np.ndarray) -> None:
        values = np.asarray(values)
        rows = values.reshape(names.size, *values.shape[names.ndim - 1 :])
        for name, row in zip(names.ravel().tolist(), rows, strict=True):
            if isinstance(name, str):
                courses[name] = row
            elif np.any(row != 0.0):
                raise SimulationError("a part of the model that the regimen does not use is not zero")

    jax.tree.map(leaf, _body(state, treatment, _Names()), body)
    return courses


# Doses as events.


def progressions(days: Iterable[int]) -> list[tuple[int, int, int]]:
    """Return days as few runs of (first, interval, number), each as long as the earliest day left allows."""
    left = sorted(set(days))
    runs = []
    while left:
        first, there = left[0], set(left)
        best = (1, 0)
        for second in left[1:]:
            step = second - first
            if best[0] > 1 and first + best[0] * step > left[-1]:
                break  # with intervals from here on, no run is longer
            n = 1
            while first + n * step in there:
                n += 1
            best = max(best, (n, -step))  # among equally long runs the shortest interval
        n, step = best[0], -best[1]
        runs.append((first, step, n))
        left = sorted(there - {first + k * step for k in range(n)})
    return runs


def _is_symbols(x: Any) -> bool:
    return isinstance(x, Symbols)


def _not_negative(x: Symbols) -> Symbols:
    """Return states as the laws read them: the simulator's stay positive, those of other integrators nearly so."""
    return Symbols(x.graph, np.vectorize(lambda a: x.graph.apply("max", a, 0.0), otypes=[object])(x.array))


def _pairs(before: Body, after: Body) -> Iterable[tuple[Scalar, Scalar]]:
    for old, new in zip(jax.tree.leaves(before, is_leaf=_is_symbols), jax.tree.leaves(after), strict=True):
        yield from zip(old.array.ravel().tolist(), new.ravel().tolist(), strict=True)


class _Schedule:
    """Turns the tables of a regimen into events.

    A dose that repeats is one event with a moving due day rather than one event a day: a simulator watches for each.
    """

    def __init__(self, graph: Graph, body: Body, treatment: Treatment, names: _Names) -> None:
        self.graph, self.body, self.treatment, self.names = graph, body, treatment, names
        self.events: list[Event] = []

    def repeat(self, name: str, days: Iterable[int], assign: Callable[[str], list[tuple[str, str]]]) -> None:
        """Add events on `days`; `assign(id)` returns what each does."""
        for first, step, n in progressions(days):
            event = f"{name}_{1 + sum(e.id.startswith(f'{name}_') for e in self.events)}"
            assignments = assign(event)
            due = self.names.add(f"{event}_day", first, "day", "when this happens next", constant=False)
            last = first + step * (n - 1)
            # Whatever the first day is set to, as many doses follow.
            moved = f"piecewise({due} + {step}, {due} < {last - step / 2}, {number(NEVER)})"
            assignments.append((due, moved if n > 1 else number(NEVER)))
            self.events.append(Event(event, f"time >= {due}", tuple(assignments)))

    def given(self, slot: int) -> Node:
        """Return 0 while a severe adverse event holds the drug, else 1."""
        g = self.graph
        day = g.apply("floor", g.apply("add", g.symbol("time"), 0.5))  # doses are at whole days, up to rounding
        since = g.symbol("toxicity_event_day")
        waiting = g.apply("lt", day, g.apply("add", since, g.symbol("toxicity_pause")))
        ended = bool(self.treatment.acts.stops[slot] > 0.0)
        return g.apply("select", g.apply("and", g.apply("ge", day, since), g.apply("or", waiting, ended)), 0.0, 1.0)

    def boluses(self) -> None:
        """Add injections and infusions, which count as given at once."""
        table = self.treatment.bolus
        for s, drug in enumerate(self.treatment.drugs):
            for amount in np.unique(table[:, s][table[:, s] > 0.0]):

                def assign(event: str, s: int = s, amount: float = amount) -> list[tuple[str, str]]:
                    size = self.names.add(f"{event}_amount", amount, "dose units", "amount given")
                    return self.after(bolus={s: self.graph.apply("mul", self.graph.symbol(size), self.given(s))})

                self.repeat(f"dose_{drug}", np.flatnonzero(table[:, s] == amount).tolist(), assign)

    def cells(self) -> None:
        """Add cell products and virus; drugs that bring the same kind on one day share an event."""
        for kind, name in enumerate(DEPOSITS):
            slots = np.flatnonzero(self.treatment.million_per_unit[:, kind])
            table = self.treatment.doses[:, slots] * self.treatment.million_per_unit[slots, kind]
            for amounts in np.unique(table[table.any(axis=1)], axis=0):

                def assign(
                    event: str, kind: int = kind, slots: np.ndarray = slots, amounts: np.ndarray = amounts
                ) -> list[tuple[str, str]]:
                    parts = []
                    for s, amount in zip(slots, amounts, strict=True):
                        size = f"{event}_amount" if len(slots) == 1 else f"{event}_amount_{self.treatment.drugs[s]}"
                        self.names.add(size, amount, "million", "cells or virus given")
                        parts.append(self.graph.apply("mul", self.graph.symbol(size), self.given(s)))
                    return self.after(cells={kind: functools.reduce(lambda a, b: self.graph.apply("add", a, b), parts)})

                self.repeat(f"dose_{name}", np.flatnonzero((table == amounts).all(axis=1)).tolist(), assign)

    def after(
        self, bolus: Mapping[int, Scalar] | None = None, cells: Mapping[int, Scalar] | None = None
    ) -> list[tuple[str, str]]:
        """Return what `apply_dose` assigns."""
        given = np.zeros((len(self.treatment.spread), 1), dtype=object)
        added = np.zeros((len(DEPOSITS), 1), dtype=object)
        for array, amounts in ((given, bolus), (added, cells)):
            for i, amount in (amounts or {}).items():
                array[i] = amount
        after = trace(apply_dose, self.body, Symbols(self.graph, given), Symbols(self.graph, added))
        pairs = _pairs(self.body, after)
        return [(old.name, formula(new)) for old, new in pairs if isinstance(old, Node) and new is not old]

    def intake(self) -> None:
        """Add what is taken by mouth, as a constant rate over each day, and its hold during a severe event."""
        for s, drug in enumerate(self.treatment.drugs):
            rate = self.treatment.input_rate[:, s]
            if not rate.any():
                continue
            # The tables end with the regimen.
            rate = np.append(rate, 0.0)
            changes = np.flatnonzero(np.diff(rate, prepend=0.0))
            for value in np.unique(rate[changes]):
                days = [int(d) for d in changes if rate[d] == value]
                self.repeat(f"intake_{drug}", days, lambda _, d=drug, v=value: [(f"input_{d}", number(v))])
            self.events.append(Event(f"hold_{drug}", "time >= toxicity_event_day", ((f"given_{drug}", "0"),)))
            if not self.treatment.acts.stops[s] > 0.0:
                over = "time >= ceil(toxicity_event_day + toxicity_pause)"
                self.events.append(Event(f"resume_{drug}", over, ((f"given_{drug}", "1"),)))

    def severe_event(self) -> None:
        """Add the severe adverse event: at the end of its day drugs are held and steroids start."""
        struck = f"toxicity_hazard >= toxicity_threshold && toxicity_event_day >= {number(NEVER)}"
        self.events += [
            Event("toxicity", struck, (("toxicity_event_day", "ceil(time)"),)),
            Event("toxicity_steroid", "time >= toxicity_event_day", (("steroid", "1"),)),
        ]


def equations_of(
    values: np.ndarray,
    parameters: Sequence[str],
    state: State,
    treatment: Treatment,
    knowledge: Knowledge,
    lesions: Lesions | None = None,
) -> Equations:
    """Return the equations of one patient under one regimen.

    Args:
        values: (parameter,) in the order of `parameters`.
        parameters: names (`systemic.twin.parameter_names`).
        state: of one member at the start of treatment, with or without the member axis.
        treatment: prepared regimen; days beyond its tables have no doses.
        knowledge: whose units and meanings are noted.
        lesions: how the lesions of this member differ; one typical lesion by default.
    """
    graph = Graph()
    names, body_names, patient_names = _named(values, parameters, state, treatment, knowledge, lesions)
    names.add("toxicity_event_day", NEVER, "day", "end of the day of the first severe event", constant=False)
    for array in jax.tree.leaves((patient_names.acts, patient_names.kinetics)):
        for name in np.ravel(array):
            if isinstance(name, str) and names.quantities[name].value > 0.0:
                graph.symbol(name, positive=True)
    rate = np.zeros((len(treatment.spread), 1), dtype=object)
    for s, drug in enumerate(treatment.drugs):
        if treatment.input_rate[:, s].any():
            taken = names.add(f"input_{drug}", 0.0, "dose units/day", "taken by mouth", constant=False)
            given = names.add(f"given_{drug}", 1.0, "1", "0 while a severe event holds the drug", constant=False)
            rate[s] = graph.apply("mul", graph.symbol(taken), graph.symbol(given))

    body, patient = jax.tree.map(lambda x: Symbols.named(graph, x), (body_names, patient_names))
    setting = setting_of(tuple(parameters), treatment)
    changes = trace(
        lambda t, b, u, p: derivative(t, b, u, p, setting),
        Symbols.named(graph, "time"), jax.tree.map(_not_negative, body, is_leaf=_is_symbols), Symbols(graph, rate),
        patient,
    )  # fmt: skip
    rates: dict[str, Scalar] = {}
    for old, new in _pairs(body, changes):
        if isinstance(old, Node):
            rates[old.name] = new
        elif isinstance(new, Node) or new != 0.0:
            raise SimulationError("a part of the model that the regimen does not use would change")

    volumes = trace(volume_ml, body.tissue.state, Symbols.named(graph, np.array(["site_density"], dtype=object)))
    plasma = trace(concentration, body.amounts, patient)
    outputs = {f"volume_{place}": volumes[i, 0] for i, place in enumerate(PLACES)}
    outputs |= {f"plasma_{drug}": plasma[s, 0] for s, drug in enumerate(treatment.drugs)}
    outputs["tumor_volume"] = functools.reduce(lambda a, b: graph.apply("add", a, b), volumes[:, 0])

    schedule = _Schedule(graph, body, treatment, names)
    schedule.boluses()
    schedule.cells()
    schedule.intake()
    schedule.severe_event()
    read = {n.name for n in ordered([*rates.values(), *outputs.values()]) if n.op == "symbol"}
    for event in schedule.events:
        read.update(re.findall(r"[A-Za-z_]\w*", " ".join([event.trigger, *(text for _, text in event.assignments)])))
    kept = {name: q for name, q in names.quantities.items() if name in read or not q.constant}
    return Equations(
        treatment.text, rates, outputs, kept, tuple(schedule.events), tuple(sorted(graph.functions)), knowledge.digest
    )
