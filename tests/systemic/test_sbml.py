"""The SBML that is written is the model that is simulated, in libRoadRunner, which shares no code with the solver."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from simulated import keep_compiled
from tumornexus.errors import SimulationError
from tumornexus.knowledge import Knowledge, parse_regimen
from tumornexus.systemic.export.equations import (
    PLACES,
    Equations,
    body_of,
    courses_of,
    equations_of,
    progressions,
    quantities_of,
)
from tumornexus.systemic.export.roadrunner import Runner
from tumornexus.systemic.export.sbml import export_sbml, inconsistencies, sbml_text
from tumornexus.systemic.ode import Body, Tissue, bare_parameters, derivative
from tumornexus.systemic.solver import Lesions, patients_of, seed_state, setting_of, treat
from tumornexus.systemic.state import CLONES, State
from tumornexus.systemic.treatment import Treatment, prepare
from tumornexus.systemic.twin import draw_bare, parameter_names

pytestmark = pytest.mark.simulation
DAYS = 28
REGIMEN = ("nivolumab", "trametinib")  # an infusion and a tablet
TAKEN = 1.5  # dose units per day by mouth


class Written:
    """One small melanoma as SBML, in libRoadRunner where that is installed."""

    def __init__(self, knowledge: Knowledge, path: Path) -> None:
        self.knowledge, self.path = knowledge, path
        self.names = parameter_names(knowledge)
        self.values = draw_bare(knowledge, knowledge.tumors["melanoma"], 2, 0, "sbml", braf_v600=False)
        self.values[:, self.names.index("toxicity_threshold")] = 1e3
        text = " + ".join(knowledge.drugs[d].usual for d in REGIMEN)
        self.treatment: Treatment = prepare(parse_regimen(text, knowledge), knowledge, DAYS)
        with jax.enable_x64(True):
            patients = patients_of(self.values, Lesions.single(2), [self.treatment], np.zeros(2, int))
            p, h = bare_parameters(patients, setting_of(self.names, self.treatment))
            state = seed_state(p, h, Lesions.single(2).shares.T)
        self.state: State = jax.tree.map(lambda x: np.moveaxis(np.array(x), -1, 0), state)
        self.equations: Equations = export_sbml(path, *self.member(0))

    def member(self, i: int) -> tuple:
        state = jax.tree.map(lambda x: x[[i]], self.state)
        return self.values[i], self.names, state, self.treatment, self.knowledge


@pytest.fixture(scope="module")
def written(knowledge: Knowledge, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Written:
    pytest.importorskip("libsbml")
    keep_compiled(pytestconfig)
    return Written(knowledge, tmp_path_factory.mktemp("sbml") / "host.xml")


@pytest.fixture(scope="module")
def runner(written: Written) -> Runner:
    pytest.importorskip("roadrunner")
    return Runner(written.path, written.equations)


def test_the_file_is_consistent_readable_and_settable(written: Written):
    libsbml = pytest.importorskip("libsbml")
    document = libsbml.readSBMLFromFile(str(written.path))
    assert inconsistencies(document) == []
    model = document.getModel()
    for name in ("cancer_wild_type_lesion1", "blood_cd8", "amount_nivolumab_central", "tumor_nivolumab_occult"):
        assert model.getRateRuleByVariable(name) is not None, name
    assert model.getNumRules() == len(written.equations.rates) + len(written.equations.outputs)
    rate = model.getParameter("growth_rate")
    assert rate.getConstant()
    # libSBML writes fifteen digits.
    assert rate.getValue() == pytest.approx(written.values[0, written.names.index("growth_rate")], rel=1e-14)
    assert "research use only" in model.getNotesString().lower()
    assert written.knowledge.digest in model.getNotesString()


def test_events_are_the_doses_of_the_tables(written: Written):
    quantities, table = written.equations.quantities, written.treatment.bolus
    given = quantities["dose_nivolumab_1_amount"].value
    assert given == table[0, 0]
    assert quantities["dose_nivolumab_1_day"].value == 0.0
    assert "car_t_lesion1" not in written.equations.rates  # nothing of it is given
    changed = {e.id: {name for name, _ in e.assignments} for e in written.equations.events}
    assert "amount_nivolumab_central" in changed["dose_nivolumab_1"]
    assert "input_trametinib" in changed["intake_trametinib_1"]
    assert {"toxicity", "toxicity_steroid", "hold_trametinib", "resume_trametinib"} <= set(changed)


def test_cells_and_virus_are_events_and_states_only_where_given(written: Written):
    """What the file of another regimen lacks: their zero is unstable, and rounding would grow."""
    values, names, state, _, knowledge = written.member(0)
    treatment = prepare(parse_regimen(knowledge.drugs["t_vec"].usual, knowledge), knowledge, DAYS)
    equations = equations_of(values, names, state, treatment, knowledge)
    changed = {e.id: {name for name, _ in e.assignments} for e in equations.events}
    assert "virus_lesion1" in changed["dose_virus_1"]
    assert "virus_lesion1" in equations.rates
    assert "virus_lesion1" not in written.equations.rates
    assert "car_t_lesion1" not in equations.rates


@pytest.mark.parametrize("days", [[0], [3, 10, 17], [0, 1, 2, 7, 14, 21], [5, 6, 9, 30], list(range(0, 700, 14))])
def test_runs_of_dose_days_are_the_dose_days(days: list[int]):
    assert sorted(first + k * step for first, step, n in progressions(days) for k in range(n)) == days


def by_name(written: Written, body: Body) -> dict[str, float]:
    """Return the numbers of a body under the ids of the file."""
    out: dict[str, float] = {}
    for name in State.__dataclass_fields__:
        values = np.asarray(getattr(body.tissue.state, name))[..., 0]
        ids = [f"{name}_{place}" for place in PLACES]
        if values.ndim == 2:
            ids = [f"{name}_{clone}_{place}" for clone in CLONES for place in PLACES]
        out |= dict(zip([name] if values.ndim == 0 else ids, values.ravel().tolist(), strict=True))
    for s, drug in enumerate(written.treatment.drugs):
        out |= {f"amount_{drug}_{c}": float(body.amounts[s, j, 0]) for j, c in enumerate(("central", "peripheral"))}
        out |= {f"tumor_{drug}_{p}": float(body.tissue.tumor_drug[s, j, 0]) for j, p in enumerate(PLACES)}
    return out


def states_and_rates(written: Written, member: int, day: float, seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return random states, with an oral input, and the rates of the simulator there, by id."""
    generator = np.random.default_rng(seed)
    values, names, state, treatment, _ = written.member(member)
    patient = patients_of(values[None], Lesions.single(1), [treatment], np.zeros(1, int))
    at = {name: generator.uniform(0.05, 0.9) for name in written.equations.rates}
    body = body_of({name: np.array([x]) for name, x in at.items()}, treatment, state)
    rate = np.where(treatment.spread, TAKEN, 0.0)[:, None]
    with jax.enable_x64(True):
        expected = by_name(written, derivative(day, body, rate, patient, setting_of(names, treatment)))
    return at | {"input_trametinib": TAKEN}, expected


@pytest.mark.parametrize(("member", "day"), [(0, 0.0), (0, 3.0), (1, 90.0), (1, 600.0)])
def test_rates_are_the_derivative(written: Written, runner: Runner, member: int, day: float):
    """At random states, for the patient of the file and for another one set by id, while clearance changes."""
    values, names, state, treatment, knowledge = written.member(member)
    at, expected = states_and_rates(written, member, day, seed=member)
    runner.set_patient(quantities_of(values, names, state, treatment, knowledge))
    found = runner.rates(at, day=day)
    np.testing.assert_allclose(found, [expected[n] for n in runner.states], rtol=1e-9, atol=1e-12)


def test_clearance_changes_over_months(written: Written):
    """What the days of the tests of rates are for: the drug leaves at another rate then."""
    central = "amount_nivolumab_central"
    at, early = states_and_rates(written, 0, 3.0, seed=0)
    late = states_and_rates(written, 0, 600.0, seed=0)[1]
    assert written.treatment.kinetics.cl_log_change[0] != 0.0
    assert abs(late[central] - early[central]) > 1e-3 * at[central]


@pytest.mark.parametrize("member", [0, 1])
def test_four_weeks_are_those_of_the_simulator(written: Written, runner: Runner, member: int):
    values, names, state, treatment, knowledge = written.member(member)
    ours = treat(
        written.values, names, written.state, [treatment], np.zeros(2, int), steps_per_day=4, precise=True,
        keep=["tumor_volume", "virus", "cd8_blood"], states=True,
    )  # fmt: skip
    runner.set_patient(quantities_of(values, names, state, treatment, knowledge))
    outputs = ["tumor_volume", "blood_cd8", "plasma_nivolumab"]
    theirs = runner.run([0, 7, 14, 21, 28], [*outputs, *runner.states], rtol=1e-8, atol=1e-14)
    np.testing.assert_allclose(theirs[:, 0], ours["tumor_volume"].values[member], rtol=1e-3)
    np.testing.assert_allclose(theirs[1:, 1], ours["cd8_blood"].values[member, 1:], rtol=1e-3)
    # A dose on the day of a measurement comes after it there, and before it here.
    np.testing.assert_allclose(theirs[1, 2], ours["plasma"].values[member, 1, 0], rtol=1e-3)
    parts = {name: ours[f"state_{name}"].values[member, 1] for name in State.__dataclass_fields__}
    tissue = Tissue(State(**parts), ours["state_tumor_drug"].values[member, 1])
    expected = courses_of(Body(tissue, ours["state_amounts"].values[member, 1]), treatment, state)
    assert set(expected) == set(runner.states)
    np.testing.assert_allclose(theirs[1, 3:], [expected[n] for n in runner.states], rtol=1e-2, atol=1e-9)


@pytest.fixture(scope="module")
def readable(written: Written) -> Mathematics:
    return Mathematics(sbml_text(written.equations, layout="rules"))


class Mathematics:
    """What the formulas of an SBML document come to, worked out from libSBML's trees."""

    def __init__(self, text: str) -> None:
        self.lib = pytest.importorskip("libsbml")
        self.document = self.lib.readSBMLFromString(text)
        self.model = self.document.getModel()
        lib = self.lib
        self.operations: dict[int, Callable[..., float]] = {
            lib.AST_PLUS: lambda *x: math.fsum(x) if len(x) != 2 else x[0] + x[1],
            lib.AST_MINUS: lambda *x: -x[0] if len(x) == 1 else x[0] - x[1],
            lib.AST_TIMES: lambda *x: math.prod(x),
            lib.AST_DIVIDE: lambda a, b: a / b,
            lib.AST_POWER: lambda a, b: a**b,
            lib.AST_FUNCTION_POWER: lambda a, b: a**b,
            lib.AST_FUNCTION_EXP: math.exp,
            lib.AST_FUNCTION_LN: math.log,
            lib.AST_FUNCTION_ROOT: lambda *x: math.sqrt(x[-1]),
            lib.AST_FUNCTION_TANH: math.tanh,
            lib.AST_FUNCTION_ABS: abs,
            lib.AST_FUNCTION_MAX: max,
            lib.AST_FUNCTION_MIN: min,
            lib.AST_RELATIONAL_GT: lambda a, b: a > b,
            lib.AST_RELATIONAL_GEQ: lambda a, b: a >= b,
            lib.AST_RELATIONAL_LT: lambda a, b: a < b,
            lib.AST_RELATIONAL_LEQ: lambda a, b: a <= b,
            lib.AST_LOGICAL_AND: lambda *x: all(x),
            lib.AST_LOGICAL_OR: lambda *x: any(x),
            lib.AST_LOGICAL_NOT: lambda a: not a,
            lib.AST_FUNCTION_PIECEWISE: lambda yes, condition, no: yes if condition else no,
        }

    def value(self, node: Any, known: dict[str, float]) -> float:
        kind = node.getType()
        if kind == self.lib.AST_NAME_TIME:
            return known["time"]
        if kind == self.lib.AST_NAME:
            return known[node.getName()]
        if node.isNumber():
            return node.getValue()
        children = [self.value(node.getChild(i), known) for i in range(node.getNumChildren())]
        return self.operations[kind](*children)

    def rules(self, known: dict[str, float]) -> dict[str, float]:
        """Return the right-hand sides of all rules by id, and add to `known`; a rule reads those before it."""
        found = {}
        for i in range(self.model.getNumRules()):
            rule = self.model.getRule(i)
            found[rule.getVariable()] = self.value(rule.getMath(), known)
            if rule.isAssignment():
                known[rule.getVariable()] = found[rule.getVariable()]
        return found


@pytest.mark.parametrize("day", [0.0, 200.0])
def test_the_readable_layout_says_the_same(written: Written, readable: Mathematics, day: float):
    """Its rules, worked out one by one, give the rates of the simulator and the volume."""
    assert readable.model.getNumFunctionDefinitions() == 0
    at, expected = states_and_rates(written, 0, day, seed=7)
    known = {name: q.value for name, q in written.equations.quantities.items()} | at | {"time": day}
    found = readable.rules(dict(known))
    rates = written.equations.rates
    np.testing.assert_allclose([found[n] for n in rates], [expected[n] for n in rates], rtol=1e-9, atol=1e-12)
    volumes = [found[f"volume_{place}"] for place in PLACES]
    assert found["tumor_volume"] == pytest.approx(sum(volumes), rel=1e-12)


@pytest.mark.parametrize(
    ("module", "use", "extra"), [("libsbml", export_sbml, "sbml"), ("roadrunner", Runner, "verify")]
)
def test_without_the_libraries_the_error_says_what_to_install(
    module: str, use: Callable, extra: str, written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, module, None)
    arguments = written.member(0) if module == "libsbml" else (equations_of(*written.member(0)),)
    with pytest.raises(SimulationError, match=rf'pip install "tumornexus\[{extra}\]"'):
        use(tmp_path / "host.xml", *arguments)
