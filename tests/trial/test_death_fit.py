"""The law of death: a planted one is found again from survival at published times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tumornexus.errors import InputError
from tumornexus.trial.death_fit import (
    LONGEST_MONTHS,
    SurvivalTarget,
    fit_death,
    simulated_survival,
    survival_targets,
)
from tumornexus.trial.pool import arms_of
from tumornexus.trial.survival import DeathHazard

DAYS = np.arange(0, 729, 28)


@pytest.fixture(scope="module")
def arms(knowledge):
    return arms_of(knowledge)[0]


def cohort(seed: int, size_ml: float, growth: float, shrink: float, n: int = 30):
    """Return patients and volumes of an arm: some tumors shrink for a time, all grow."""
    g = np.random.default_rng(seed)
    base = size_ml * np.exp(0.9 * g.standard_normal(n))
    part = g.beta(0.8, 0.8, n)[:, None] * shrink
    rate = growth * np.exp(0.4 * g.standard_normal(n))[:, None]
    volume = base[:, None] * (part * np.exp(-0.02 * DAYS) + (1.0 - part) * np.exp(rate * DAYS))
    patients = pd.DataFrame({
        "age": g.normal(63.0, 9.0, n), "sex": np.where(g.random(n) < 0.6, "male", "female"),
        "ecog": g.integers(0, 2, n), "ldh_ratio": np.exp(g.normal(-0.2, 0.4, n)),
    })  # fmt: skip
    volumes = pd.DataFrame(np.minimum(volume, 3000.0), columns=[f"d{d}" for d in DAYS])
    return patients, volumes.assign(trial="t", arm="a", patient=np.arange(n))


@pytest.fixture(scope="module")
def pool(arms):
    """A synthetic course for every cohort and regimen, of which sizes and speeds differ."""
    g = np.random.default_rng(1)
    keys = dict.fromkeys((a.cohort, a.regimen) for a in arms)
    return {
        key: cohort(i, float(np.exp(g.normal(4.2, 0.8))), float(g.uniform(0.001, 0.006)), float(g.uniform(0.2, 1.0)))
        for i, key in enumerate(keys)
    }


@pytest.mark.parametrize(("rate", "burden", "growth"), [(0.3, 0.35, 0.7)])
def test_planted_law_is_found(arms, pool, rate, burden, growth):
    law = replace(DeathHazard(), rate_per_year=rate, burden_exponent=burden, growth_exponent=growth)
    g = np.random.default_rng(2)
    targets = []
    for arm in arms[:20]:
        months = (6.0, 12.0, 20.0)
        true = np.clip(simulated_survival(*pool[arm.cohort, arm.regimen], law, months), 0.01, 0.99)
        seen = 1.0 / (1.0 + np.exp(-(np.log(true / (1.0 - true)) + 0.1 * g.standard_normal(3))))
        targets += [SurvivalTarget(arm, m, float(s), 1.0 / 3.0) for m, s in zip(months, seen, strict=True)]
    found, table = fit_death(targets, pool)
    assert found.rate_per_year == pytest.approx(rate, rel=0.15)
    assert found.burden_exponent == pytest.approx(burden, abs=0.12)
    assert found.growth_exponent == pytest.approx(growth, abs=0.2)
    assert (found.ecog, found.reference_ml) == (law.ecog, law.reference_ml)  # the rest stays
    assert np.abs(table["published"] - table["simulated"]).median() < 0.03
    assert len(table) == len(targets)


def test_one_arm_does_not_drag_the_others(arms, pool):
    """A trial that the law cannot describe (all alive at two years) moves it by little."""
    law = DeathHazard()
    targets = [
        SurvivalTarget(a, 12.0, float(np.clip(s, 0.02, 0.98)), 1.0)
        for a in arms[:25]
        for s in simulated_survival(*pool[a.cohort, a.regimen], law, (12.0,))
    ]
    plain, _ = fit_death(targets, pool)
    spoiled, _ = fit_death([replace(targets[0], observed=0.985), *targets[1:]], pool)
    assert spoiled.rate_per_year == pytest.approx(plain.rate_per_year, rel=0.1)


def test_survival_falls_with_time_rate_and_burden(pool):
    patients, volumes = next(iter(pool.values()))
    months = (1.0, 6.0, 12.0, 20.0)
    mild, strong = (simulated_survival(patients, volumes, DeathHazard(rate_per_year=r), months) for r in (0.1, 0.5))
    assert (np.diff(mild) < 0).all()
    assert (strong < mild).all()
    big = volumes.copy()
    big[[f"d{d}" for d in DAYS]] *= 3.0
    assert (simulated_survival(patients, big, DeathHazard(rate_per_year=0.1), months) < mild).all()


def test_failed_members_count_nowhere(pool):
    patients, volumes = next(iter(pool.values()))
    spoiled = volumes.copy()
    spoiled.loc[:9, [f"d{d}" for d in DAYS[5:]]] = np.nan
    rest = simulated_survival(patients.iloc[10:], volumes.iloc[10:], DeathHazard(), (12.0,))
    np.testing.assert_allclose(simulated_survival(patients, spoiled, DeathHazard(), (12.0,)), rest)


def test_targets_are_published_and_count_once(arms):
    targets = survival_targets(arms)
    total: dict[int, float] = {}
    for t in targets:
        total[id(t.arm)] = total.get(id(t.arm), 0.0) + t.weight
        assert 0.0 < t.observed < 1.0
        assert 0.0 < t.months <= LONGEST_MONTHS
        o = t.arm.arm.outcome
        assert any(
            value is not None and share is not None and t.observed == pytest.approx(share / 100.0)
            for value, share in ((12.0, o.os_12), (24.0, o.os_24), (o.os_median, 50.0))
        )
    assert all(w == pytest.approx(1.0) for w in total.values())
    assert len(total) > 40


def test_held_out_arms_are_refused(knowledge):
    held_out, _ = arms_of(knowledge, "held_out")
    with pytest.raises(InputError, match="held-out"):
        survival_targets(held_out)
