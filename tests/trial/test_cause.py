"""Cause of progression: a planted mechanism is named, and nothing where nothing stands out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tumornexus.trial.cause import FALSE_ALARM, causes, mechanism_columns, relevant, ridge, weights

MECHANISMS = tuple(f"mechanism_{i}" for i in range(30))


def patients(n: int, effect: float, seed: int, arm: str = "a") -> pd.DataFrame:
    """Return patients of whom half have each mechanism; the first makes failure likelier by `effect` on the logit."""
    g = np.random.default_rng(seed)
    activity = np.where(g.random((n, len(MECHANISMS))) < 0.5, g.beta(2.0, 2.0, (n, len(MECHANISMS))), 0.0)
    failed = g.random(n) < 1.0 / (1.0 + np.exp(0.5 - effect * activity[:, 0]))
    table = pd.DataFrame(activity, columns=[f"m_{m}" for m in MECHANISMS])
    return table.assign(
        arm=arm, patient=np.arange(n), acquired="", pfs_event=failed, pfs_days=np.where(failed, 60.0, 700.0),
        reason=np.where(failed, "target", "none"),
    )  # fmt: skip


ALL = {"a": set(MECHANISMS), "b": set(MECHANISMS)}


def test_ridge_finds_what_is_there():
    g = np.random.default_rng(0)
    x = g.random((20000, 3))
    y = (g.random(20000) < 1.0 / (1.0 + np.exp(-(x @ [1.5, 0.0, -1.0] - 0.2)))).astype(float)
    found, error = ridge(x, y)
    np.testing.assert_allclose(found, [1.5, 0.0, -1.0], atol=0.15)
    assert ((error > 0.03) & (error < 0.08)).all()


def test_errors_are_the_scatter_without_effect():
    g = np.random.default_rng(1)
    x = np.where(g.random((150, 8)) < 0.5, g.beta(2.0, 2.0, (150, 8)), 0.0)
    runs = [ridge(x, (g.random(150) < 0.5).astype(float)) for _ in range(200)]
    found, error = (np.array(r) for r in zip(*runs, strict=True))
    np.testing.assert_allclose(found.std(axis=0), error.mean(axis=0), rtol=0.2)


def test_planted_mechanism_is_named():
    table = patients(500, 4.0, seed=2)
    named = causes(table, ALL)
    has = table["m_mechanism_0"] > 0.2
    progressed = table["pfs_event"]
    assert (named[progressed & has] == "mechanism_0").mean() > 0.8
    assert (named[~progressed] == "").all()
    assert (named[table["m_mechanism_0"] == 0.0] != "mechanism_0").all()


@pytest.mark.parametrize("n", [100, 500])
def test_nothing_is_named_where_nothing_stands_out(n):
    alarms = [bool((causes(patients(n, 0.0, seed=100 + i), ALL) != "").any()) for i in range(60)]
    assert np.mean(alarms) <= 2.0 * FALSE_ALARM + 0.05


def test_arms_are_judged_apart():
    both = pd.concat([patients(500, 4.0, 3, "a"), patients(500, 0.0, 4, "b")], ignore_index=True)
    named = causes(both, ALL)
    assert (named[both["arm"] == "a"] == "mechanism_0").any()
    assert not (named[both["arm"] == "b"] == "mechanism_0").any()
    order = np.random.default_rng(5).permutation(len(both))
    pd.testing.assert_series_equal(causes(both.iloc[order], ALL).sort_index(), named)


def test_only_mechanisms_that_can_matter():
    table = patients(500, 4.0, seed=2)
    assert not (causes(table, {"a": set(MECHANISMS[1:])}) == "mechanism_0").any()


def test_death_before_progression_has_no_cause():
    table = patients(500, 4.0, seed=2)
    died = table["pfs_event"] & (np.arange(500) % 2 == 0)
    table.loc[died, "reason"] = "death"
    table.loc[died.idxmax(), "acquired"] = "b2m_loss"
    named = causes(table, ALL)
    assert (named[died] == "").all()
    assert (named[table["pfs_event"] & ~died] == "mechanism_0").any()


def test_a_clone_that_took_over_goes_first():
    table = patients(500, 4.0, seed=2)
    rows = table.index[table["pfs_event"]][:5]
    table.loc[rows, "acquired"] = "b2m_loss"
    assert (causes(table, ALL)[rows] == "b2m_loss").all()


def test_too_few_patients_say_nothing():
    table = patients(500, 4.0, seed=2)
    assert weights(table)
    assert weights(table.head(25)) == {}
    assert weights(table.drop(columns=mechanism_columns(table))) == {}


def test_who_left_early_is_neither_benefit_nor_failure():
    table = patients(500, 4.0, seed=2)
    left = table.assign(patient=table["patient"] + 500, pfs_event=False, pfs_days=10.0, reason="none")
    left["m_mechanism_0"] = 1.0  # would turn the sign, were they counted as free of progression
    assert weights(pd.concat([table, left], ignore_index=True)) == weights(table)


def test_mechanisms_of_car_t_cells_need_them(knowledge):
    ici = relevant(["nivolumab 240 mg q2w", "untreated"], knowledge)
    car = relevant(["nivolumab 240 mg q2w", knowledge.drugs["car_t"].usual], knowledge)
    only = car - ici
    assert only
    assert all(knowledge.mechanisms[m].relevance_ici == "none" for m in only)
    assert any("car" in m for m in only)
    assert car == set(knowledge.mechanisms)
    table = patients(500, 4.0, seed=2).rename(columns={"m_mechanism_0": f"m_{min(only)}"})
    assert (causes(table, {"a": car}) == min(only)).any()
    assert not (causes(table, {"a": ici}) == min(only)).any()
