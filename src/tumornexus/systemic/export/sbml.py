"""The host model of one patient under one regimen as SBML Level 3: the traced `derivative`, doses as events.

Rate rules and shared subexpressions come from the jaxpr of the code that is simulated (`jaxpr_math`), so the file says
what the simulator does, without the draws of small clones. Time is in days, amounts in million cells or dose units.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tumornexus import __version__
from tumornexus.biology.params import Params
from tumornexus.errors import SimulationError
from tumornexus.systemic.export.jaxpr_math import Graph, Node, Scalar, Symbols, is_boolean, ordered, trace
from tumornexus.systemic.ode import LESION_VARIED, Body, Patient, Tissue, apply_dose, concentration, derivative
from tumornexus.systemic.solver import Lesions, patients_of, setting_of
from tumornexus.systemic.state import CLONES, LESIONS, State, volume_ml
from tumornexus.systemic.treatment import SLOTS, Treatment

PLACES = (*(f"lesion{i + 1}" for i in range(LESIONS - 1)), "occult")
COMPARTMENTS = ("central", "peripheral")
NEVER_DAY = 1e9  # value of toxicity_event_day before a severe event
# Events are found by root finding, to about 1e-12 days; a day counts as begun this much before its start.
EARLY_DAY = 1e-6
DAY = f"floor(time + {EARLY_DAY!r})"

INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==",
    "ne": "!=", "and": "&&", "or": "||",
}  # fmt: skip
CALLS = {
    "pow": "pow", "exp": "exp", "log": "ln", "sinh": "sinh", "atanh": "arctanh", "sqrt": "sqrt", "tanh": "tanh",
    "abs": "abs", "floor": "floor", "ceil": "ceil", "xor": "xor",
}  # fmt: skip
# Names that mean something else in a formula.
RESERVED = {"time", "avogadro", "pi", "exponentiale", "true", "false", "inf", "nan", "delay", *CALLS.values()}


def _libsbml() -> Any:
    try:
        import libsbml
    except ImportError:
        raise SimulationError("writing SBML needs libSBML; install it with: pip install python-libsbml") from None
    return libsbml


class _Ids:
    """Unique identifiers and the values of those that are constant."""

    def __init__(self) -> None:
        self.taken = set(RESERVED)
        self.values: dict[str, float] = {}

    def new(self, name: str) -> str:
        name = re.sub(r"\W", "_", name)
        for candidate in itertools.chain([name], (f"{name}_{i}" for i in itertools.count(2))):
            if candidate.lower() not in self.taken:
                self.taken.add(candidate.lower())
                return candidate
        raise AssertionError

    def constant(self, name: str, value: float) -> str:
        name = self.new(name)
        self.values[name] = float(value)
        return name


def _filled(shape: tuple[int, ...], value: Any = 0.0) -> np.ndarray:
    out = np.empty(shape, dtype=object)
    out.fill(value)
    return out


def _names(ids: _Ids, state: State, treatment: Treatment) -> Body:
    def of(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if len(shape) == 1:
            return np.array([ids.new(name)], dtype=object)
        if len(shape) == 2:
            return np.array([[ids.new(f"{name}_{place}")] for place in PLACES], dtype=object)
        return np.array([[[ids.new(f"{name}_{c}_{place}")] for place in PLACES] for c in CLONES], dtype=object)

    tissue = State(**{name: of(name, np.shape(getattr(state, name))) for name in State.__dataclass_fields__})
    tumor, amounts = _filled((SLOTS, LESIONS, 1)), _filled((SLOTS, 2, 1))
    for s, drug in enumerate(treatment.drugs):
        two = np.asarray(treatment.kinetics.k_out)[s] > 0.0 or np.asarray(treatment.kinetics.k_in)[s] > 0.0
        for c in range(2 if two else 1):
            amounts[s, c, 0] = ids.new(f"amount_{drug}_{COMPARTMENTS[c]}")
        if treatment.acts.penetration_rate[s] > 0.0:
            tumor[s, :, 0] = [ids.new(f"tumor_{drug}_{place}") for place in PLACES]
    return Body(Tissue(tissue, tumor), amounts)


def _patient(ids: _Ids, patient: Patient, names: Sequence[str], treatment: Treatment) -> tuple[Patient, list[str]]:
    """Return ids for the constants of a patient, and which of them are positive.

    A value that leaves out a mechanism (an empty slot, an act on nothing, a factor of one) stays a number.
    """
    positive: list[str] = []
    table = np.array([[ids.constant(n, v)] for n, v in zip(names, patient.values[:, 0], strict=True)], dtype=object)
    factors = np.asarray(patient.lesion_factors).astype(object)
    for i, j in np.ndindex(factors.shape[:2]):
        if factors[i, j, 0] != 1.0:
            factors[i, j, 0] = ids.constant(f"{LESION_VARIED[i]}_factor_{PLACES[j]}", factors[i, j, 0])

    def of_drug(field: str, value: Any, acted: Sequence[str] | None, neutral: float | None) -> np.ndarray:
        value = np.asarray(value).astype(object)
        for index in np.ndindex(value.shape):
            if index[0] >= len(treatment.drugs) or value[index] == neutral:
                continue
            drug = treatment.drugs[index[0]]
            name = f"{field}_{drug}" if acted is None else f"{field}_{acted[index[1]]}_by_{drug}"
            number = value[index]
            value[index] = ids.constant(name, number)
            if number > 0.0:
                positive.append(value[index])
        return value

    acts = patient.acts
    lists = {"multiply": 1.0, "add": 0.0, "saturate": 0.0}
    changed = {f: of_drug(f, getattr(acts, f), getattr(treatment.acted, f), v) for f, v in lists.items()}
    for field in ("penetration_rate", "ec50", "hill", "tumor_to_plasma", "hazard"):
        fixed = 1.0 if field == "hill" and treatment.hill_is_one else 0.0
        changed[field] = of_drug(field, getattr(acts, field), None, fixed)
    kinetics = {
        f: of_drug(f, getattr(patient.kinetics, f), None, 0.0) for f in type(patient.kinetics).__dataclass_fields__
    }
    acts = type(acts)(**{f: changed.get(f, getattr(acts, f)) for f in type(acts).__dataclass_fields__})
    day = patient.first_dose_day
    return Patient(table, factors, acts, type(patient.kinetics)(**kinetics), day), positive


def _number(x: Any) -> str:
    if isinstance(x, bool):
        return "true" if x else "false"
    if math.isnan(x):
        raise SimulationError("an undefined number in the equations")
    text = "INF" if math.isinf(x) else repr(abs(float(x)))
    return f"(-{text})" if x < 0 else text


def _operation(op: str, args: Sequence[str]) -> str:
    if op in INFIX:
        return f"({args[0]} {INFIX[op]} {args[1]})"
    if op in CALLS:
        return f"{CALLS[op]}({', '.join(args)})"
    if op in ("max", "min"):
        return f"piecewise({args[0]}, {args[0]} {'>=' if op == 'max' else '<='} {args[1]}, {args[1]})"
    if op == "select":
        return f"piecewise({args[1]}, {args[0]}, {args[2]})"
    return {"neg": "(-{})", "not": "(!{})"}[op].format(args[0])


def _formulas(ids: _Ids, outputs: Iterable[Scalar]) -> tuple[dict[str, str], dict[int, str]]:
    """Return rules by id, in order of evaluation, for what is used more than once, and the text of every node."""
    outputs = [x for x in outputs if isinstance(x, Node)]
    nodes = ordered(outputs)
    uses: Counter[int] = Counter(x.index for x in outputs)
    for node in reversed(nodes):
        # Truth values have no ids in SBML, so they are written out wherever they are used; max and min repeat theirs.
        times = uses[node.index] if is_boolean(node) else 2 if node.op in ("max", "min") else 1
        uses.update({a.index: times for a in node.args if isinstance(a, Node)})
    rules: dict[str, str] = {}
    text: dict[int, str] = {}
    for node in nodes:
        if node.op == "symbol":
            text[node.index] = node.name
            continue
        said = _operation(node.op, [text[a.index] if isinstance(a, Node) else _number(a) for a in node.args])
        if uses[node.index] > 1 and not is_boolean(node):
            name = ids.new((node.origin or "term").lstrip("_"))
            rules[name], said = said, name
        text[node.index] = said
    return rules, text


class _Writer:
    """A libSBML model with checks: every formula parses."""

    def __init__(self, name: str) -> None:
        self.lib = _libsbml()
        self.document = self.lib.SBMLDocument(3, 1)
        self.model = self.document.createModel()
        self.model.setId("tumornexus_host")
        self.model.setName(name)

    def _math(self, formula: str) -> Any:
        ast = self.lib.parseL3Formula(formula)
        if ast is None:
            raise SimulationError(f"a formula cannot be written as SBML: {self.lib.getLastParseL3Error()}")
        return ast

    def parameter(self, name: str, value: float | None, *, constant: bool) -> None:
        p = self.model.createParameter()
        p.setId(name)
        p.setConstant(constant)
        if value is not None:
            p.setValue(float(value))

    def assign(self, name: str, formula: str) -> None:
        self.parameter(name, None, constant=False)
        rule = self.model.createAssignmentRule()
        rule.setVariable(name)
        rule.setMath(self._math(formula))

    def rate(self, name: str, start: float, formula: str) -> None:
        self.parameter(name, start, constant=False)
        rule = self.model.createRateRule()
        rule.setVariable(name)
        rule.setMath(self._math(formula))

    def event(self, name: str, trigger: str, changes: dict[str, str], delay: str | None = None) -> None:
        event = self.model.createEvent()
        event.setId(name)
        event.setUseValuesFromTriggerTime(False)
        when = event.createTrigger()
        when.setInitialValue(False)  # so that doses at time 0 are given
        when.setPersistent(True)
        when.setMath(self._math(trigger))
        if delay is not None:
            event.createDelay().setMath(self._math(delay))
        for variable, formula in changes.items():
            assignment = event.createEventAssignment()
            assignment.setVariable(variable)
            assignment.setMath(self._math(formula))

    def write(self, path: Path) -> None:
        self.document.checkConsistency()
        for i in range(self.document.getNumErrors()):
            error = self.document.getError(i)
            if error.getSeverity() >= self.lib.LIBSBML_SEV_ERROR:
                raise SimulationError(f"the SBML is not consistent: {error.getMessage().strip()}")
        if not self.lib.writeSBMLToFile(self.document, str(path)):
            raise SimulationError("the SBML file cannot be written", file=path)


def _flat(tree: Any) -> list[Any]:
    return [x for leaf in jax.tree.leaves(tree) for x in np.asarray(leaf, dtype=object).ravel().tolist()]


def export_sbml(
    path: str | Path,
    values: np.ndarray,
    names: tuple[str, ...],
    state: State,
    treatment: Treatment,
    lesions: Lesions | None = None,
    *,
    knowledge_digest: str = "",
) -> None:
    """Write the model of one member under one regimen as SBML Level 3 Version 1.

    Args:
        path: file to write.
        values: parameters (parameter,), which become constants under their own `names`.
        state: at the start of treatment, member axis first, one member.
        treatment: regimen; days beyond its tables have no doses.
        lesions: how the lesions differ, one member; one typical lesion by default.
        knowledge_digest: of the catalogue, for the notes.

    Every entry of the state is a parameter with a rate rule: `cancer_wild_type_lesion1`, `blood_cd8`,
    `amount_<drug>_central`, `tumor_<drug>_lesion1`. `tumor_volume` and `volume_<lesion>` (mL) and `plasma_<drug>` are
    outputs. The first severe toxic event pauses drugs and starts a steroid from the next whole day, as in `treat`.
    """
    writer = _Writer(f"tumornexus host model: {treatment.text}")
    numbers = patients_of(np.asarray(values, float)[None], lesions or Lesions.single(1), [treatment], np.zeros(1, int))
    setting = setting_of(names, treatment)
    start = jax.tree.map(lambda x: np.moveaxis(np.asarray(x, dtype=float), 0, -1), state)

    ids, g = _Ids(), Graph()
    ids_of_body = _names(ids, start, treatment)
    ids_of_patient, positive = _patient(ids, numbers, names, treatment)
    for name in positive:
        g.symbol(name, positive=True)
    rates, given = np.zeros((SLOTS, 1)).astype(object), {}
    for s, drug in enumerate(treatment.drugs):
        given[s] = ids.new(f"given_{drug}")
        if treatment.input_rate[:, s].any():
            rates[s, 0] = ids.new(f"input_{drug}")

    def symbols(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: Symbols.named(g, leaf), tree)

    body, patient = symbols(ids_of_body), symbols(ids_of_patient)
    moved = np.array([[g.apply("mul", g.symbol(r), g.symbol(given[s])) if r else 0.0] for s, (r,) in enumerate(rates)],
                     dtype=object)  # fmt: skip
    rhs = trace(
        lambda t, b, u, p: derivative(t, b, u, p, setting),
        Symbols.named(g, "time"), body, Symbols(g, moved), patient,
    )  # fmt: skip
    volumes, plasma = trace(
        lambda b, p: (
            volume_ml(b.tissue.state, Params.of(p.values, names).site_density), concentration(b.amounts, p),
        ),
        body, patient,
    )  # fmt: skip

    def dosed(day: int) -> dict[str, Scalar]:
        """Return what a day's doses change, by id."""
        bolus = [g.apply("mul", float(x), g.symbol(given[s])) if x else 0.0 for s, x in enumerate(treatment.bolus[day])]
        cells = np.asarray(treatment.deposits[day], dtype=float)[:, None]
        after = trace(apply_dose, body, Symbols(g, np.array(bolus, dtype=object)[:, None]), cells)
        pairs = zip(_flat(ids_of_body), _flat(after), strict=True)
        return {name: x for name, x in pairs if isinstance(name, str) and x is not g.symbol(name)}

    days = np.flatnonzero(treatment.bolus.any(axis=1) | treatment.deposits.any(axis=1)).tolist()
    same: dict[bytes, dict[str, Scalar]] = {}
    doses = {}
    for day in days:
        key = treatment.bolus[day].tobytes() + treatment.deposits[day].tobytes()
        if key not in same:
            same[key] = dosed(day)
        doses[day] = same[key]

    derivatives = [(n, x) for n, x in zip(_flat(ids_of_body), _flat(rhs), strict=True) if isinstance(n, str)]
    outputs = {ids.new(f"volume_{PLACES[i]}"): x for i, x in enumerate(_flat(volumes))}
    outputs |= {ids.new(f"plasma_{drug}"): _flat(plasma)[s] for s, drug in enumerate(treatment.drugs)}
    wanted = [x for _, x in derivatives] + list(outputs.values()) + [x for c in same.values() for x in c.values()]
    rules, text = _formulas(ids, wanted)

    def said(x: Scalar) -> str:
        return text[x.index] if isinstance(x, Node) else _number(x)

    events_read = {"toxicity_threshold", "toxicity_pause"}
    read = {n.name for n in ordered(wanted) if n.op == "symbol"} | events_read
    for name, value in ids.values.items():
        if name in read:
            writer.parameter(name, value, constant=True)
    body_start = Body(Tissue(start, np.zeros((SLOTS, LESIONS, 1))), np.zeros((SLOTS, 2, 1)))
    initial = {n: v for n, v in zip(_flat(ids_of_body), _flat(body_start), strict=True) if isinstance(n, str)}
    hazard, steroid = (ids_of_body.tissue.state.toxicity_hazard[0], ids_of_body.tissue.state.steroid[0])
    initial[hazard] = 0.0  # counted from the start of treatment
    for name, x in derivatives:
        writer.rate(name, initial[name], said(x))
    event_day = ids.new("toxicity_event_day")
    writer.parameter(event_day, NEVER_DAY, constant=False)
    for s, name in given.items():
        paused = f"({DAY} < {event_day} + toxicity_pause)"
        held = f"{DAY} >= {event_day}" + ("" if treatment.acts.stops[s] > 0.0 else f" && {paused}")
        writer.assign(name, f"piecewise(0, {held}, 1)")
    for name, formula in rules.items():
        writer.assign(name, formula)
    for name, x in outputs.items():
        writer.assign(name, said(x))
    writer.assign(ids.new("tumor_volume"), " + ".join(f"volume_{place}" for place in PLACES))

    for day, changes in doses.items():
        writer.event(ids.new(f"dose_day_{day}"), f"time >= {day}", {n: said(x) for n, x in changes.items()})
    for s, (name,) in enumerate(rates):
        if name:
            taken = np.append(treatment.input_rate[:, s], 0.0)
            writer.parameter(name, 0.0, constant=False)
            for day in np.flatnonzero(np.diff(taken, prepend=0.0)).tolist():
                writer.event(ids.new(f"{name}_day_{day}"), f"time >= {day}", {name: _number(float(taken[day]))})
    # The solver looks at the end of each day: drugs and steroid change at the next whole day.
    struck = f"{hazard} >= toxicity_threshold"
    writer.event(ids.new("toxicity"), struck, {event_day: "ceil(time)"})
    writer.event(ids.new("toxicity_steroid"), struck, {steroid: "1"}, delay="ceil(time) - time")
    if rates.any():
        # Nothing but a place where integrators start anew, because the input jumps there.
        again = ids.new("toxicity_pause_over")
        writer.parameter(again, 0.0, constant=False)
        writer.event(ids.new("toxicity_resume"), f"time >= ceil({event_day} + toxicity_pause)", {again: "1"})
    digest = f" Knowledge digest {knowledge_digest}." if knowledge_digest else ""
    writer.model.setNotes(
        f'<body xmlns="http://www.w3.org/1999/xhtml"><p>Research use only. Written by tumornexus {__version__}.{digest}'
        " Time in days, cells in million, volumes in mL, drug amounts in dose units. Small clones are not drawn.</p>"
        "</body>"
    )
    writer.write(Path(path))
