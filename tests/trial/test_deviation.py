"""Deviation of trials from the calibrated model: planted ones are found, chance gives none, held-out is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tumornexus.errors import InputError
from tumornexus.knowledge import load_knowledge
from tumornexus.trial.calibrate import targets_of
from tumornexus.trial.deviation import deviations, likeliest_sd
from tumornexus.trial.pool import FittedArm, arms_of

PATIENTS = 400


@pytest.fixture(scope="module")
def knowledge():
    return load_knowledge()


@pytest.mark.parametrize("planted", [0.0, 0.3, 1.0])
def test_planted_deviation_is_found(planted):
    g = np.random.default_rng(4)
    variance = g.uniform(0.02, 0.2, 600)
    residual = np.sqrt(variance + planted**2) * g.standard_normal(600)
    assert likeliest_sd(residual, variance) == pytest.approx(planted, abs=0.12)


def test_weight_of_an_arm_is_that_of_copies_of_it():
    g = np.random.default_rng(5)
    residual, variance = g.standard_normal(40), np.full(40, 0.1)
    twice = likeliest_sd(np.concatenate([residual, residual[:20]]), np.full(60, 0.1))
    weight = np.concatenate([np.full(20, 2.0), np.ones(20)])
    assert likeliest_sd(residual, variance, weight) == twice


def _as_published(arms, g, scatter):
    """Patients whose rates are those of the arms, moved by a deviation on the logit scale; as the pool holds them."""
    pool = {}
    for arm in arms:
        share = np.clip((arm.arm.outcome.orr or 30.0) / 100.0, 0.03, 0.97)
        logit = np.log(share / (1.0 - share)) + scatter * g.standard_normal()
        responders = round(PATIENTS / (1.0 + np.exp(-logit)))
        days = 30.0 + 600.0 * g.random(PATIENTS)
        table = pd.DataFrame({"best": np.where(np.arange(PATIENTS) < responders, "PR", "SD"), "pfs_days": days})
        pool.setdefault(
            (arm.cohort, arm.regimen), table.assign(pfs_event=True, ae3_day=np.where(days < 200, 50, np.inf))
        )
    return pool


def test_rates_that_are_the_published_ones_need_little_and_moved_ones_more(knowledge):
    """Arms of one cohort and regimen share patients, so that only one arm of each is taken."""
    arms, _ = arms_of(knowledge)
    first = {}
    for arm in arms:
        if arm.arm.outcome.orr is not None:
            first.setdefault((arm.cohort, arm.regimen), arm)
    kept = tuple(first.values())
    targets = targets_of(kept, knowledge)
    g = np.random.default_rng(6)
    near, far = (deviations(kept, targets, _as_published(kept, g, s)) for s in (0.0, 1.0))
    assert near["rate"] < 0.15
    assert far["rate"] == pytest.approx(1.0, abs=0.35)
    assert set(near) == {"rate", "hazard", "ratio", "toxicity"}
    assert all(np.isfinite(v) and v >= 0.0 for v in near.values())


def test_held_out_arms_have_no_part_in_it(knowledge):
    arms, _ = arms_of(knowledge)
    hidden = FittedArm(replace_use(arms[0]), arms[0].arm, arms[0].cohort, arms[0].regimen)
    with pytest.raises(InputError, match="held-out"):
        deviations((hidden,), (), {})


def replace_use(arm):
    """Return the trial of an arm as if it were held out."""
    return replace(arm).trial.model_copy(update={"use": "held_out"})
