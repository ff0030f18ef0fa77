"""The pool of calibration: every fitted arm has its place, and no held-out one ever enters."""

from __future__ import annotations

import numpy as np
import pytest

from tumornexus.errors import InputError
from tumornexus.trial.calibration import none
from tumornexus.trial.design import out_of_scope, published_design
from tumornexus.trial.pool import arms_of, draws_needed, pool_tasks, require_fit
from tumornexus.trial.simulate import BLOCK, SIZE


@pytest.fixture(scope="module")
def fitted(knowledge):
    return arms_of(knowledge)


def test_held_out_trials_are_refused(knowledge):
    held_out = [t for t in knowledge.trials.values() if t.use == "held_out"]
    assert held_out
    for trial in held_out:
        with pytest.raises(InputError, match="held-out") as told:
            require_fit(trial)
        assert told.value.value == trial.id
    for trial in knowledge.trials.values():
        if trial.use == "fit":
            require_fit(trial)


def test_every_fitted_arm_has_its_place(fitted, knowledge):
    arms, designs = fitted
    assert {a.trial.use for a in arms} == {"fit"}
    expected = {
        (t.id, a.name)
        for t in knowledge.trials.values() if t.use == "fit" and out_of_scope(t) is None
        for a in published_design(t, knowledge).arm
    }  # fmt: skip
    assert {(a.trial.id, a.arm.name) for a in arms} == expected
    for arm in arms:
        design = designs[arm.cohort]
        # What is fitted is read like what `tumornexus trial ID` predicts.
        assert design.scans == published_design(arm.trial, knowledge).scans
        assert arm.regimen in [a.regimen for a in design.arm]
        assert design.tumor == (arm.arm.tumor or arm.trial.tumor)
        assert design.selection == (arm.trial.criteria if arm.arm.criteria is None else arm.arm.criteria)


def test_cohorts_and_regimens_are_simulated_once(fitted):
    _, designs = fitted
    assert len({(d.tumor, d.selection) for d in designs.values()}) == len(designs)
    for design in designs.values():
        regimens = [a.regimen for a in design.arm]
        assert len(set(regimens)) == len(regimens)
        assert all(a.name == a.regimen for a in design.arm)


def test_held_out_arms_are_apart(fitted, knowledge):
    arms, _ = arms_of(knowledge, "held_out")
    assert {a.trial.use for a in arms} == {"held_out"}
    assert not {a.trial.id for a in arms} & {a.trial.id for a in fitted[0]}


def test_tasks(fitted):
    _, designs = fitted
    tasks = dict(pool_tasks(designs, none(), 3, 1000))
    assert len(tasks) == 3 * len(designs)
    names = list(tasks)
    assert len({t.design.id for t in list(tasks.values())[: len(designs)]}) == len(designs)  # all before any second
    assert names[0].endswith("-000")
    assert names[-1].endswith("-002")
    seeds = {t.design.id: t.seed for t in tasks.values()}
    assert len(set(seeds.values())) == len(designs)
    assert all(t.per_draw == 1 and t.volumes and t.size == SIZE for t in tasks.values())


def test_every_drawn_patient_has_a_draw_of_its_own():
    partitions = 4
    used = np.concatenate([number * BLOCK + np.arange(BLOCK) for number in range(partitions)])
    assert len(set(used)) == len(used) == draws_needed(partitions)
    assert used.max() < draws_needed(partitions)
