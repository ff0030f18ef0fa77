"""Endpoints with prediction intervals: known truth is recovered, and intervals cover new trials as they say."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tumornexus.trial.calibration import Calibration, none
from tumornexus.trial.design import MONTH_DAYS
from tumornexus.trial.statistics import Curve, hazard_ratio, kaplan_meier
from tumornexus.trial.summary import (
    between_draws,
    endpoints,
    predicted_rate,
    predicted_ratio,
    survival_endpoints,
)

HORIZON = 24.0 * MONTH_DAYS
NOTHING = {"estimate": None, "low": None, "high": None}


def expit(x):
    return 1.0 / (1.0 + np.exp(-np.asarray(x)))


def flags(g, draws, size, center, sd):
    """Return flags and draws of patients whose draw moves the logit of their rate."""
    draw = np.repeat(np.arange(draws), size)
    rate = expit(center + sd * g.standard_normal(draws))
    return g.random(draws * size) < rate[draw], draw


@pytest.mark.parametrize(("center", "sd"), [(-0.8, 0.3), (0.0, 0.5), (-2.0, 0.5)])
def test_spread_between_draws_is_recovered(center, sd):
    g = np.random.default_rng(1)
    found = np.array([between_draws(*flags(g, 60, 50, center, sd)) for _ in range(60)])
    # On the scale of the mean rate, where the logit is nearly straight; squares, because a root is biased by its own.
    assert np.sqrt(np.mean(found**2)) == pytest.approx(sd, rel=0.12)


def test_no_spread_between_draws_is_none():
    g = np.random.default_rng(2)
    found = np.array([between_draws(*flags(g, 60, 50, -0.5, 0.0)) for _ in range(100)])
    assert (found == 0.0).mean() > 0.35  # variance components below 0 count as 0
    assert np.median(found) < 0.1


def test_spread_needs_draws_and_patients():
    flag = np.array([True, False] * 10)
    assert between_draws(flag, np.zeros(20)) == 0.0
    assert between_draws(flag, np.arange(20)) == 0.0
    assert between_draws(np.ones(20, bool), np.repeat([0, 1], 10)) == 0.0


def test_spread_does_not_depend_on_order_or_names():
    g = np.random.default_rng(3)
    flag, draw = flags(g, 20, 30, 0.0, 0.6)
    order = g.permutation(len(flag))
    names = g.permutation(1000)[:20]
    assert between_draws(flag[order], names[draw[order]]) == pytest.approx(between_draws(flag, draw))


def test_rate_interval_covers_new_trials():
    """Truth: parameters are one more draw, the trial has its own deviation, and n patients have their chance."""
    g = np.random.default_rng(4)
    center, between, trial_sd, n, repeats = -0.6, 0.3, 0.25, 150, 500
    inside = 0
    for _ in range(repeats):
        found = predicted_rate(*flags(g, 20, 25, center, between), n, trial_sd, g)
        truth = expit(center + between * g.standard_normal() + trial_sd * g.standard_normal())
        inside += found["low"] <= 100.0 * g.binomial(n, truth) / n <= found["high"]
    assert 0.92 <= inside / repeats <= 0.98


def test_rate_interval_without_luck_covers_too_little():
    """The test above can fail: without the deviation of trials the interval is too narrow."""
    g = np.random.default_rng(5)
    inside = 0
    for _ in range(300):
        found = predicted_rate(*flags(g, 20, 25, 0.0, 0.0), 400, 0.0, g)
        inside += found["low"] <= 100.0 * g.binomial(400, expit(0.5 * g.standard_normal())) / 400 <= found["high"]
    assert inside / 300 < 0.75


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.4, 1.0])
def test_rate_interval_holds_its_estimate(rate):
    flag = np.arange(200) < round(200 * rate)
    found = predicted_rate(flag, np.zeros(200), 200, 0.25, np.random.default_rng(6))
    assert found["estimate"] == pytest.approx(100.0 * rate)
    assert 0.0 <= found["low"] <= found["estimate"] <= found["high"] <= 100.0
    assert found["low"] < found["high"]


def test_wider_for_fewer_patients_and_more_deviation():
    flag = np.arange(400) < 120

    def width(n, sd, flag=flag):
        found = predicted_rate(flag, np.zeros(len(flag)), n, sd, np.random.default_rng(7))
        return found["high"] - found["low"]

    assert width(50, 0.2) > width(500, 0.2) > width(500, 0.0)
    assert width(500, 0.5) > width(500, 0.2)
    assert width(500, 0.0, flag[::8]) > width(500, 0.0)  # fewer simulated ones


def test_no_patients_no_rate():
    none_at_all = np.zeros(0, bool)
    assert predicted_rate(none_at_all, np.zeros(0), 100, 0.2, np.random.default_rng(0)) == NOTHING
    found = survival_endpoints("dor", np.zeros(0), none_at_all, np.zeros(0), 10, 0.1, HORIZON)
    assert set(found) == {"dor_median", "dor_6", "dor_12", "dor_24"}
    assert all(v == NOTHING for v in found.values())


def times(g, n, months, censored=0.0):
    """Return exponential times with a median in months, cut at the horizon, some of them lost before."""
    day = g.exponential(months * MONTH_DAYS / np.log(2.0), n)
    lost = np.where(g.random(n) < censored, g.uniform(0.0, HORIZON, n), np.inf)
    end = np.minimum(lost, HORIZON)
    return np.minimum(day, end), day <= end


def plain_curve(day, event):
    """Return the survival curve of times that only the horizon cuts: counted, a hundred times as fast as lifelines."""
    at = np.unique(np.concatenate([[0.0], day]))
    left = 1.0 - np.searchsorted(np.sort(day[event]), at, side="right") / len(day)
    return Curve(at, left, left, left, left, bool(event[day == day.max()].all()))


def test_plain_curve_is_that_of_kaplan_and_meier():
    day, event = times(np.random.default_rng(8), 200, 9.0)
    a, b = plain_curve(day, event), kaplan_meier(day, event)
    np.testing.assert_allclose(a.days, b.days)
    np.testing.assert_allclose(a.survival, b.survival, atol=1e-12)


def test_survival_intervals_cover_new_trials(monkeypatch):
    monkeypatch.setattr("tumornexus.trial.summary.kaplan_meier", plain_curve)
    g = np.random.default_rng(8)
    n, between, trial_sd, repeats = 150, 0.25, 0.2, 250
    hits = {"median": 0, "12": 0}
    for _ in range(repeats):
        draw = np.repeat(np.arange(20), 25)
        # On the logit of survival at the median a factor of the hazard counts 2 ln 2 times its logarithm.
        scale = np.exp(between * g.standard_normal(20) / (2.0 * np.log(2.0)))
        day, event = times(g, 500, 9.0)
        day = day / scale[draw]
        event, day = event | (day < HORIZON), np.minimum(day, HORIZON)
        found = survival_endpoints("pfs", day, event, draw, n, trial_sd, HORIZON, ((12, "12"),))
        total = np.hypot(between, trial_sd) / (2.0 * np.log(2.0))
        seen_day, seen_event = times(g, n, 9.0 * np.exp(-total * g.standard_normal()))
        curve = plain_curve(seen_day, seen_event)
        median, at12 = curve.quantile().estimate / MONTH_DAYS, curve.at(12.0 * MONTH_DAYS).estimate
        own = found["pfs_median"]
        hits["median"] += own["low"] <= median <= (np.inf if own["high"] is None else own["high"])
        hits["12"] += found["pfs_12"]["low"] <= at12 <= found["pfs_12"]["high"]
    assert 0.91 <= hits["median"] / repeats <= 0.99
    assert 0.91 <= hits["12"] / repeats <= 0.99


def test_survival_of_known_curves():
    day, event = times(np.random.default_rng(9), 20000, 8.0, censored=0.3)
    found = survival_endpoints("os", day, event, np.zeros(20000), 200, 0.15, HORIZON)
    assert found["os_median"]["estimate"] == pytest.approx(8.0, rel=0.04)
    for month in (6, 12, 24):
        own = found[f"os_{month}"]
        assert own["estimate"] == pytest.approx(100.0 * 0.5 ** (month / 8.0), abs=1.5)
        assert own["low"] < own["estimate"] < own["high"]
    wide = survival_endpoints("os", day, event, np.zeros(20000), 200, 0.5, HORIZON)
    for key, own in found.items():
        assert wide[key]["low"] < own["low"]
        assert wide[key]["high"] > own["high"]


def test_median_that_is_not_reached_is_none():
    day = np.full(200, HORIZON)
    event = np.zeros(200, bool)
    event[:60] = True
    day[:60] = np.linspace(10.0, 700.0, 60)  # seven in ten never progress
    own = survival_endpoints("pfs", day, event, np.zeros(200), 200, 0.15, HORIZON)["pfs_median"]
    assert own == {"estimate": None, "low": None, "high": None}
    # At 55 % the lower bound is reached within the interval, the median and its upper bound are not.
    event[:90], day[:90] = True, np.linspace(10.0, 700.0, 90)
    own = survival_endpoints("pfs", day, event, np.zeros(200), 200, 0.15, HORIZON)["pfs_median"]
    assert own["estimate"] is None
    assert own["high"] is None
    assert 0.0 < own["low"] < 24.0


def test_exactly_one_half_is_the_median():
    """A survival of one half is reached although a product of fractions may end a bit above it."""
    for n in range(2, 60, 2):
        day = np.arange(1.0, n + 1.0)
        own = survival_endpoints("os", day, np.ones(n, bool), np.zeros(n), n, 0.0, HORIZON)
        assert own["os_median"]["estimate"] == pytest.approx(n / 2 / MONTH_DAYS)


def test_times_beyond_the_horizon_are_none():
    day, event = times(np.random.default_rng(10), 300, 9.0)
    short = 12.0 * MONTH_DAYS
    found = survival_endpoints("os", np.minimum(day, short), event & (day <= short), np.zeros(300), 300, 0.1, short)
    assert found["os_24"] == NOTHING
    assert found["os_12"]["estimate"] is not None


def table(g, arm, n, months, response, draws=1):
    """Return patients of one arm with the columns that endpoints read."""
    os_days, os_event = times(g, n, 2.0 * months)
    day = np.minimum(g.exponential(months * MONTH_DAYS / np.log(2.0), n), os_days)
    best = np.where(g.random(n) < response, "PR", np.where(g.random(n) < 0.5, "SD", "PD"))
    responder = best == "PR"
    return pd.DataFrame({
        "arm": arm, "patient": np.arange(n), "draw": np.arange(n) * draws // n, "best": best,
        "pfs_days": day, "pfs_event": (day < os_days) | os_event, "os_days": os_days, "os_event": os_event,
        "dor_days": np.where(responder, 0.7 * day, np.nan), "dor_event": responder,
        "ae3_day": np.where(g.random(n) < 0.2, 30.0, np.inf),
    })  # fmt: skip


def test_ratio_is_that_of_the_hazards():
    g = np.random.default_rng(11)
    arm, control = table(g, "a", 4000, 12.0, 0.4), table(g, "b", 4000, 6.0, 0.2)
    found = predicted_ratio(arm, control, "pfs", 4000, 0.0)
    days = np.concatenate([arm["pfs_days"], control["pfs_days"]])
    event = np.concatenate([arm["pfs_event"], control["pfs_event"]])
    cox = hazard_ratio(days, event, np.arange(8000) < 4000)
    assert found["estimate"] == pytest.approx(cox.estimate)
    assert 0.45 < found["estimate"] < 0.65
    # The interval of a new trial of the same size holds the chance of both: sqrt 2 times as wide as that of one.
    width = np.log(found["high"] / found["low"])
    assert width == pytest.approx(np.sqrt(2.0) * np.log(cox.high / cox.low), rel=1e-3)
    wider = predicted_ratio(arm, control, "pfs", 4000, 0.2)
    assert np.log(wider["high"] / wider["low"]) == pytest.approx(np.hypot(width, 2 * 1.959964 * 0.2), rel=1e-3)
    assert predicted_ratio(arm, control, "pfs", 100, 0.0)["low"] < found["low"]


def test_ratio_covers_new_trials():
    g = np.random.default_rng(12)
    inside, repeats, n, trial_sd = 0, 60, 120, 0.15
    for _ in range(repeats):
        found = predicted_ratio(table(g, "a", n, 9.0, 0.3), table(g, "b", n, 6.0, 0.3), "os", n, trial_sd)
        shifted = 9.0 * np.exp(trial_sd * g.standard_normal())
        new = predicted_ratio(table(g, "a", n, shifted, 0.3), table(g, "b", n, 6.0, 0.3), "os", n, 0.0)
        inside += found["low"] <= new["estimate"] <= found["high"]
    assert inside / repeats >= 0.87


def test_ratio_is_wider_where_draws_disagree():
    g = np.random.default_rng(13)

    def width(sd):
        arm, control = table(g, "a", 2000, 8.0, 0.3, draws=40), table(g, "b", 2000, 8.0, 0.3, draws=40)
        arm["os_days"] = np.minimum(arm["os_days"] * np.exp(sd * g.standard_normal(40))[arm["draw"]], HORIZON)
        arm["os_event"] &= arm["os_days"] < HORIZON
        found = predicted_ratio(arm, control, "os", 2000, 0.0)
        return np.log(found["high"] / found["low"]) / (2 * 1.959964)

    assert width(0.8) > 0.3 > 1.5 * width(0.0)


def test_ratio_of_arms_without_events_is_none():
    g = np.random.default_rng(14)
    arm = table(g, "a", 50, 9.0, 0.3).assign(os_event=False)
    assert predicted_ratio(arm, arm.assign(arm="b"), "os", 50, 0.1) == NOTHING


@pytest.fixture(scope="module")
def trial():
    g = np.random.default_rng(15)
    return pd.concat([table(g, "new", 300, 12.0, 0.45, 10), table(g, "old", 300, 6.0, 0.2, 10)], ignore_index=True)


def test_layout(trial):
    found = endpoints(trial, ("new", "old"), none(), n=300, seed=1, months=24)
    assert (found["n"], found["seed"]) == (300, 1)
    assert list(found["arms"]) == ["new", "old"]
    keys = {"orr", "cr", "pd", "dcr", "pfs_median", "pfs_6", "pfs_12", "pfs_24", "os_median", "os_6", "os_12", "os_24",
            "dor_median", "ae3"}  # fmt: skip
    for own in found["arms"].values():
        assert set(own) == keys
        for value in own.values():
            assert set(value) == {"estimate", "low", "high"}
            if value["estimate"] is not None and value["high"] is not None:
                assert value["low"] <= value["estimate"] <= value["high"]
    assert set(found["hazard_ratios"]) == {"new"}
    assert set(found["hazard_ratios"]["new"]) == {"pfs", "os"}
    json.dumps(found, allow_nan=False)
    own = found["arms"]["new"]
    best = trial[trial["arm"] == "new"]["best"]
    assert own["orr"]["estimate"] == pytest.approx(100.0 * best.isin(["CR", "PR"]).mean(), abs=0.01)
    assert own["orr"]["estimate"] + own["pd"]["estimate"] <= 100.0
    assert own["dcr"]["estimate"] == pytest.approx(100.0 * (best != "PD").mean(), abs=0.01)
    assert own["cr"]["estimate"] == 0.0


def test_same_seed_same_endpoints(trial):
    a, b, c = (endpoints(trial, ("new", "old"), none(), n=300, seed=s, months=24) for s in (1, 1, 2))
    assert a == b
    assert c["arms"]["new"]["orr"]["estimate"] == a["arms"]["new"]["orr"]["estimate"]


def test_deviation_of_trials_comes_from_the_calibration(trial):
    sure = Calibration((), np.zeros((1, 0)), trial_sd={"rate": 0.0, "hazard": 0.0, "ratio": 0.0})
    unsure = Calibration((), np.zeros((1, 0)), trial_sd={"rate": 0.6, "hazard": 0.6, "ratio": 0.6})
    a, b = (endpoints(trial, ("new", "old"), c, n=300, seed=1, months=24) for c in (sure, unsure))
    for key in ("orr", "pfs_12", "os_12"):
        narrow, wide = a["arms"]["new"][key], b["arms"]["new"][key]
        assert wide["high"] - wide["low"] > 1.3 * (narrow["high"] - narrow["low"])
    assert a["arms"]["new"]["ae3"] == b["arms"]["new"]["ae3"]  # toxicity has its own
    assert a["hazard_ratios"]["new"]["pfs"]["low"] > b["hazard_ratios"]["new"]["pfs"]["low"]


def test_one_arm_and_no_responders(trial):
    alone = trial[trial["arm"] == "old"].assign(best="PD", dor_days=np.nan, dor_event=False)
    found = endpoints(alone, ("old",), none(), n=300, seed=1, months=24)
    assert found["hazard_ratios"] == {}
    assert found["arms"]["old"]["dor_median"] == NOTHING
    assert found["arms"]["old"]["orr"]["estimate"] == 0.0
    assert found["arms"]["old"]["orr"]["high"] > 0.0
