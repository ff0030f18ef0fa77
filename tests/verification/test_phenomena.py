"""The phenomena: page and code agree, the harness judges fairly, and the quickest of them appear and disappear."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from by_path import script
from simulated import keep_compiled
from tumornexus.knowledge import Knowledge, load_knowledge, parse_regimen

ROOT = Path(__file__).resolve().parents[2]
SEED_NUMBERS = range(148, 171)  # the phenomena that the project set out to show


rows = script("phenomena_table", "verification")
phenomena = script("phenomena", "verification")
EXPERIMENTS = {number: build() for number, build in phenomena.BUILDERS.items()}


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load_knowledge()


# ------------------------------------------------------------------------------------------------------- page and code


def test_the_page_shows_the_table_that_the_code_judges_by():
    page = (ROOT / "docs" / "phenomena.md").read_text("utf-8")
    assert rows.markdown() in page


def test_every_phenomenon_of_the_list_has_a_row_and_an_experiment():
    assert set(SEED_NUMBERS) <= set(EXPERIMENTS)
    assert set(EXPERIMENTS) == set(rows.BY_NUMBER)
    assert all(e.number == n for n, e in EXPERIMENTS.items())


@pytest.mark.parametrize("row", rows.PHENOMENA, ids=lambda p: str(p.number))
def test_a_row_can_fail_on_both_sides(row):
    """It expects something of the phenomenon and something else of its control, each number under its own key."""
    assert {c.role for c in row.criteria} == {"phenomenon", "control"}
    assert len({c.key for c in row.criteria}) == len(row.criteria)
    for key in re.findall(r"`([a-z]+\d{4}[a-z0-9_]*)`", row.source):
        texts = (ROOT / "src/tumornexus/knowledge/data").glob("*.bib")
        assert any(f"{{{key}," in t.read_text("utf-8") for t in texts), f"no reference {key}"


@pytest.mark.parametrize("number", list(EXPERIMENTS))
def test_arms_name_what_the_model_knows(number: int, knowledge: Knowledge):
    for arm in EXPERIMENTS[number].arms.values():
        for change in (*arm.grown, *arm.later):
            assert change.parameter in knowledge.parameters
        assert all(m in knowledge.mechanisms for m, _ in arm.active)
        assert arm.cohort.tumor in knowledge.tumors
        if arm.drugs:
            parse_regimen(arm.drugs, knowledge)


@pytest.mark.parametrize("number", list(EXPERIMENTS))
def test_the_finding_speaks_of_measured_numbers_only(number: int):
    named = re.findall(r"{(\w+)[:}]", EXPERIMENTS[number].finding)
    assert set(named) <= {c.key for c in rows.BY_NUMBER[number].criteria}


# --------------------------------------------------------------------------------------------------------- the harness


def test_a_number_that_could_not_be_measured_meets_no_bound():
    for op in (">=", "<="):
        criterion = rows.Criterion("key", "phenomenon", "a number", op, 1.0)
        assert criterion.holds(1.0)
        assert not criterion.holds(float("nan"))
    assert rows.Criterion("key", "control", "a number", "<=", 1.0).holds(0.9)
    assert not rows.Criterion("key", "control", "a number", ">=", 1.0).holds(0.9)


def test_one_missed_criterion_or_too_few_draws_undo_the_verdict():
    row = rows.BY_NUMBER[167]
    good = {c.key: c.bound for c in row.criteria}
    assert phenomena.Result(167, good, phenomena.FEWEST).shown
    assert not phenomena.Result(167, good, phenomena.FEWEST - 1).shown
    for c in row.criteria:
        missed = {**good, c.key: c.bound + (-0.01 if c.op == ">=" else 0.01)}
        assert not phenomena.Result(167, missed, phenomena.FEWEST).shown


def test_changes_set_multiply_and_refuse_unknown_names():
    values = np.array([[2.0, 3.0], [4.0, 5.0]])
    made = phenomena.changed(values, phenomena.times(a=0.5) + phenomena.off("b"), ("a", "b"))
    np.testing.assert_array_equal(made, [[1.0, 0.0], [2.0, 0.0]])
    np.testing.assert_array_equal(values, [[2.0, 3.0], [4.0, 5.0]])
    with pytest.raises(ValueError):
        phenomena.changed(values, phenomena.off("c"), ("a", "b"))


def test_ratios_are_taken_draw_by_draw_over_members_that_count():
    b = np.linspace(1.0, 100.0, 32)
    a = 2.0 * b
    a[:8] = np.nan
    assert phenomena.over(a, b) == pytest.approx(2.0)
    assert np.isnan(phenomena.over(a[:20], b[:20]))  # 12 draws left
    assert phenomena.share(np.array([1.0, 0.0, np.nan, 0.0])) == pytest.approx(1.0 / 3.0)
    assert np.isnan(phenomena.part(0.0, 0.0))


def test_bimodality_tells_one_hump_from_two():
    normal = np.random.default_rng(0).normal(size=4000)
    assert phenomena.bimodality(normal) == pytest.approx(1.0 / 3.0, abs=0.03)
    assert phenomena.bimodality(np.repeat([0.0, 1.0], 50)) == pytest.approx(1.0)


# ---------------------------------------------------------------------------------------- the quickest of the phenomena


def smaller(experiment):
    """Return an experiment on fewer draws."""
    arms = {
        label: replace(arm, cohort=replace(arm.cohort, n=20, responsive_of=3072))
        for label, arm in experiment.arms.items()
    }
    return replace(experiment, arms=arms)


QUICK = (157, 161, 165)  # of those that the present model shows (docs/phenomena.md), the ones with wide margins


@pytest.fixture(scope="module")
def results(pytestconfig: pytest.Config) -> dict:
    """The verdicts of the quickest phenomena, simulated together."""
    keep_compiled(pytestconfig)
    lab, chosen = phenomena.Lab(), [smaller(EXPERIMENTS[n]) for n in QUICK]
    lab.run(a for e in chosen for a in e.arms.values())
    return {e.number: phenomena.judge(e, lab)[0] for e in chosen}


@pytest.mark.simulation
@pytest.mark.parametrize("number", QUICK)
def test_a_phenomenon_appears_and_its_control_loses_it(number: int, results: dict):
    result = results[number]
    missed = [f"{c.sentence}: {result.values[c.key]:.3g}" for c in result.criteria if not c.holds(result.values[c.key])]
    assert not missed
