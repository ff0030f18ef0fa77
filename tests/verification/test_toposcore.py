"""The published calls of the stool score, patient by patient."""

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
    """The script."""
    spec = importlib.util.spec_from_file_location("toposcore", ROOT / "verification" / "toposcore.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["toposcore"] = module
    spec.loader.exec_module(module)
    return module


def test_area_under_the_curve_is_the_chance_of_order(script):
    draw = np.random.default_rng(0)
    score, positive = draw.integers(0, 5, 60).astype(float), draw.random(60) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in score[positive] for b in score[~positive]]
    assert script.auc(score, positive) == pytest.approx(np.mean(pairs))


def test_a_planted_hazard_is_found(script):
    pytest.importorskip("lifelines", reason="lifelines is not installed")
    draw = np.random.default_rng(1)
    bad = np.arange(3000) % 2
    months = draw.exponential(20.0 / np.where(bad == 1, 2.0, 1.0))
    table = pd.DataFrame(
        {"os_months": months, "died": 1, "cohort": np.where(np.arange(3000) < 900, "a", "b"), "bad": bad}
    )
    found = script.cox(table, ["bad"], "bad")
    assert found["low"] < 2.0 < found["high"]
    assert found["hr"] == pytest.approx(2.0, rel=0.1)


@pytest.mark.realdata
def test_published_calls_are_reproduced(script, shared_data):
    table = script.of_patients(shared_data / "microbiome_derosa2024_nsclc")
    found = script.agreement(table)
    # The abundance table is a later release than the one the published scores were made from (see the script).
    assert found["same_call"] >= 0.94 * 499
    assert found["other_call_unexplained"] == 0
    assert script.self_consistency(table) == "454 of 454"
    prospective = script.agreement(table[table["cohort"] == "NSCLC Prosp"])
    assert prospective["same_call"] == prospective["patients"] == 61
