"""Face validity of virtual patients, on tables made by hand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("face_validity", ROOT / "verification" / "face_validity.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["face_validity"] = module
    spec.loader.exec_module(module)
    return module


def test_one_stratum_gives_the_odds_ratio_of_its_table_and_strata_of_one_effect_that_effect(script):
    # 8 of 10 against 2 of 10: odds ratio 16. The second stratum has the same odds ratio from other rates.
    response = np.array([1] * 8 + [0] * 2 + [1] * 2 + [0] * 8, dtype=bool)
    high = np.arange(20) < 10
    one = script.odds_ratio(response, high, np.zeros(20))
    assert one["odds_ratio"] == pytest.approx(16.0)
    assert one["low"] < 16.0 < one["high"]
    twice = script.odds_ratio(np.tile(response, 2), np.tile(high, 2), np.repeat([0, 1], 20))
    assert twice["odds_ratio"] == pytest.approx(16.0)
    assert twice["high"] / twice["low"] < one["high"] / one["low"]


def test_a_difference_between_strata_alone_is_no_gradient(script):
    # Cohort 1 responds more and has more high values; within cohorts the marker says nothing.
    rows = [(0, 0, 1, 9), (0, 1, 1, 9), (1, 0, 5, 5), (1, 1, 25, 25)]
    parts = [(np.r_[np.ones(x, bool), np.zeros(y, bool)], h, c) for c, h, x, y in rows]
    response = np.concatenate([p[0] for p in parts])
    high = np.concatenate([np.full(len(p[0]), bool(p[1])) for p in parts])
    cohort = np.concatenate([np.full(len(p[0]), p[2]) for p in parts])
    assert script.odds_ratio(response, high, cohort)["odds_ratio"] == pytest.approx(1.0)
    assert script.odds_ratio(response, high, np.zeros(len(high)))["odds_ratio"] > 1.5


def test_an_exact_interval_holds_its_share_and_reaches_the_ends(script):
    assert script.share(np.zeros(20, bool))["low"] == 0.0
    assert script.share(np.ones(20, bool))["high"] == 1.0
    half = script.share(np.arange(20) < 10)
    assert half["low"] == pytest.approx(0.272, abs=0.001)
    assert half["high"] == pytest.approx(0.728, abs=0.001)


def arms(sums, regimens=("pembrolizumab 200 mg q3w", "untreated")):
    """One patient in two arms, baseline 100 mm, first scan after 50 days."""
    patients = pd.DataFrame({
        "cohort": "a", "arm": regimens, "regimen": regimens, "patient": 1, "base_mm": 100.0, "best": "PD",
        "therapies": [frozenset({"anti_pd1"}), frozenset()],
    })  # fmt: skip
    scans = pd.DataFrame({"cohort": "a", "arm": regimens, "patient": 1, "day": 50.0, "sum_mm": sums})
    later = scans.assign(day=100.0, sum_mm=999.0)
    return patients, pd.concat([later, scans])


def test_growth_is_compared_with_the_same_patient_untreated_at_the_first_scan(script):
    found = script.growth_ratios(*arms([121.0, 110.0]))
    assert len(found) == 1
    assert found["ratio"].iloc[0] == pytest.approx(2.0)
    assert found["rate_untreated"].iloc[0] == pytest.approx(3.0 * np.log(1.1) / 50.0)


def test_a_twin_that_does_not_grow_says_nothing(script):
    assert script.growth_ratios(*arms([121.0, 95.0])).empty


def test_a_tail_is_of_responders_only(script):
    n = 40
    response = np.arange(n) < 20
    days = np.where(response, np.where(np.arange(n) < 5, 300.0, 720.0), 60.0)
    patients = pd.DataFrame({"response": response, "pfs_days": days, "pfs_event": days < 720.0})
    found = script.tail(patients)
    assert found["responders"] == 20
    assert found["percent"] == pytest.approx(75.0)
    assert np.isnan(script.tail(patients.head(5))["percent"])


def test_nothing_is_said_where_there_are_no_patients_for_it(script):
    n = 60
    generator = np.random.default_rng(1)
    patients = pd.DataFrame({
        "cohort": "a", "arm": "r", "regimen": "r", "patient": np.arange(n), "tumor": "nsclc", "best": "SD",
        "response": False, "pseudo": False, "pd_l1": generator.uniform(0, 100, n), "tmb": 5.0, "base_mm": 50.0,
        "pfs_days": 100.0, "pfs_event": True, "therapies": [frozenset({"anti_pd1"})] * n,
    })  # fmt: skip
    found = script.examine(patients, pd.DataFrame({c: [] for c in ("cohort", "arm", "patient", "day", "sum_mm")}))
    assert found["checks"]["order_of_tumor_types"] is None
    assert found["checks"]["pd_l1_gradient"] is None
    assert found["checks"]["hyper_progression_possible_and_rare"] is None
    assert "not computable" in found["hyper_progression"]
    assert found["pseudo_progression"]["all"]["share"] == 0.0
