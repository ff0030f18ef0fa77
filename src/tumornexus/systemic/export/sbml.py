"""The host model of one patient under one regimen as SBML Level 3 Version 2, for other simulators.

Every state is a parameter with a rate rule, doses are events, time is in days, cells are in million and drugs in dose
units. Needs python-libsbml: ``pip install "tumornexus[sbml]"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tumornexus import __version__
from tumornexus.errors import SimulationError
from tumornexus.knowledge import Knowledge
from tumornexus.systemic.export.equations import Equations, equations_of
from tumornexus.systemic.export.formula import Functions, formula, shared
from tumornexus.systemic.export.jaxpr_math import ordered
from tumornexus.systemic.solver import Lesions
from tumornexus.systemic.state import State
from tumornexus.systemic.treatment import Treatment

Layout = Literal["functions", "rules"]
DAY_SECONDS = 86400.0


def _libsbml() -> Any:
    try:
        import libsbml
    except ImportError:
        raise SimulationError('writing SBML needs libSBML; install it with: pip install "tumornexus[sbml]"') from None
    return libsbml


def _notes(*paragraphs: str) -> str:
    return f'<body xmlns="http://www.w3.org/1999/xhtml">{"".join(f"<p>{escape(p)}</p>" for p in paragraphs)}</body>'


class _Writer:
    """A libSBML document whose every formula parses."""

    def __init__(self, name: str, *notes: str) -> None:
        self.lib = _libsbml()
        self.document = self.lib.SBMLDocument(3, 2)
        self.model = self.document.createModel()
        self.model.setId("tumornexus_host")
        self.model.setName(name)
        self.model.setNotes(_notes(*notes))
        self.model.setTimeUnits("day")
        definition = self.model.createUnitDefinition()
        definition.setId("day")
        unit = definition.createUnit()
        unit.setKind(self.lib.UNIT_KIND_SECOND)
        unit.setExponent(1)
        unit.setScale(0)
        unit.setMultiplier(DAY_SECONDS)

    def _math(self, text: str) -> Any:
        parsed = self.lib.parseL3Formula(text)
        if parsed is None:
            raise SimulationError(f"a formula cannot be written as SBML: {self.lib.getLastParseL3Error()}")
        return parsed

    def parameter(self, name: str, value: float | None, note: str, *, constant: bool) -> None:
        parameter = self.model.createParameter()
        parameter.setId(name)
        parameter.setConstant(constant)
        parameter.setNotes(_notes(note))
        if value is not None:
            parameter.setValue(value)

    def function(self, name: str, arguments: int, body: str) -> None:
        definition = self.model.createFunctionDefinition()
        definition.setId(name)
        definition.setMath(self._math(f"lambda({', '.join([*(f'a{j}' for j in range(arguments)), body])})"))

    def rate(self, name: str, text: str) -> None:
        rule = self.model.createRateRule()
        rule.setVariable(name)
        rule.setMath(self._math(text))

    def assign(self, name: str, text: str, note: str) -> None:
        self.parameter(name, None, note, constant=False)
        rule = self.model.createAssignmentRule()
        rule.setVariable(name)
        rule.setMath(self._math(text))

    def event(self, name: str, trigger: str, assignments: Sequence[tuple[str, str]]) -> None:
        event = self.model.createEvent()
        event.setId(name)
        event.setUseValuesFromTriggerTime(True)
        when = event.createTrigger()
        when.setInitialValue(False)  # so that a dose at time 0 is given
        when.setPersistent(True)
        when.setMath(self._math(trigger))
        for variable, text in assignments:
            assignment = event.createEventAssignment()
            assignment.setVariable(variable)
            assignment.setMath(self._math(text))

    def text(self) -> str:
        problems = inconsistencies(self.document)
        if problems:
            raise SimulationError(f"the SBML is not consistent: {problems[0]}", value=len(problems))
        return self.lib.writeSBMLToString(self.document)


def inconsistencies(document: Any) -> list[str]:
    """Return the errors that libSBML finds in a document; units stand in notes, so their algebra is not checked."""
    lib = _libsbml()
    for category in (lib.LIBSBML_CAT_UNITS_CONSISTENCY, lib.LIBSBML_CAT_MODELING_PRACTICE):
        document.setConsistencyChecks(category, False)
    document.checkConsistency()
    found = [document.getError(i) for i in range(document.getNumErrors())]
    return [e.getMessage().strip() for e in found if e.getSeverity() >= lib.LIBSBML_SEV_ERROR]


def sbml_text(equations: Equations, *, layout: Layout = "functions") -> str:
    """Return the equations as an SBML document.

    `layout` says how intermediate results are shared; the mathematics is the same. "functions": as arguments of nested
    functions, which every simulator loads in seconds (see `Functions`). "rules": one assignment rule each, called after
    the law that computes it, for readers and for tools that order rules, such as COPASI.
    """
    writer = _Writer(
        f"tumornexus host model: {equations.regimen}",
        f"Research use only. Written by tumornexus {__version__}. Knowledge digest {equations.knowledge_digest}.",
        "Time in days, cells in million, volumes in mL, drug amounts in dose units. Small clones are not drawn.",
    )
    for name, quantity in equations.quantities.items():
        writer.parameter(name, quantity.value, f"{quantity.meaning} [{quantity.unit}]", constant=quantity.constant)
    outputs = {**equations.rates, **equations.outputs}
    if layout == "functions":
        functions = Functions()
        texts = {name: functions.rate(x, f"rate_{name}") for name, x in equations.rates.items()}
        texts |= {name: formula(x) for name, x in equations.outputs.items()}
        for name, arguments, body in functions.definitions:
            writer.function(name, arguments, body)
    else:
        named: dict[int, str] = {}
        for node in shared(ordered(outputs.values()), outputs.values()):
            name = f"{node.origin.rsplit('.', 1)[-1].lstrip('_') or 'term'}_{node.index}"
            writer.assign(name, formula(node, named), f"intermediate result of {node.origin or 'several laws'}")
            named[node.index] = name
        texts = {name: formula(x, named) for name, x in outputs.items()}
    for name in equations.rates:
        writer.rate(name, texts[name])
    for name in equations.outputs:
        writer.assign(name, texts[name], "output")
    for event in equations.events:
        writer.event(event.id, event.trigger, event.assignments)
    return writer.text()


def export_sbml(
    path: str | Path,
    values: np.ndarray,
    names: Sequence[str],
    state: State,
    treatment: Treatment,
    knowledge: Knowledge,
    lesions: Lesions | None = None,
    *,
    layout: Layout = "functions",
) -> Equations:
    """Write the model of one member under one regimen; arguments as for `equations_of` and `sbml_text`.

    Every entry of the state is a parameter with a rate rule: `cancer_wild_type_lesion1`, `blood_cd8`,
    `amount_<drug>_central`, `tumor_<drug>_lesion1`. Parameters of the model are constants under their own names.
    `tumor_volume` and `volume_<lesion>` (mL) and `plasma_<drug>` are outputs. The first severe toxic event pauses drugs
    and starts a steroid from the next whole day, as in `treat`.
    """
    _libsbml()
    equations = equations_of(values, names, state, treatment, knowledge, lesions)
    text = sbml_text(equations, layout=layout)
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise SimulationError(f"the SBML file cannot be written: {error.strerror}", file=path) from None
    return equations
