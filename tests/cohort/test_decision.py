"""Decision curves: perfect and useless markers, harms that thresholds count, a rule that knows whom the drug helps."""

from __future__ import annotations

import numpy as np
import pytest

from tumornexus.cohort.decision import decision_curve, net_benefit, policy_net_benefit, policy_risk, risk_by
from tumornexus.errors import InputError

GRID = np.array([0.05, 0.2, 0.5, 0.8])


def test_a_perfect_marker_is_worth_the_prevalence_at_every_threshold():
    y = np.random.default_rng(1).random(500) < 0.3
    assert net_benefit(y.astype(float), y, GRID) == pytest.approx(np.full(4, y.mean()))


def test_treating_all_and_none_are_lines_and_a_calibrated_marker_is_never_below():
    rng = np.random.default_rng(2)
    p = rng.beta(1.0, 2.0, 200000)
    y = rng.random(len(p)) < p
    everybody = net_benefit(np.ones(len(p)), y, GRID)
    assert everybody == pytest.approx(y.mean() - (1 - y.mean()) * GRID / (1 - GRID))
    assert (net_benefit(np.zeros(len(p)), y, GRID) == 0.0).all()
    assert (net_benefit(p, y, GRID) >= np.maximum(everybody, 0.0) - 0.003).all()
    with pytest.raises(InputError, match="no probability"):
        net_benefit(p, y, np.array([1.0]))


def qualitative(n: int = 40000, seed: int = 3):
    """The drug saves half of the marker-positive by day 100 and does nothing for the others, who die alike."""
    rng = np.random.default_rng(seed)
    marker, arm = rng.random(n) < 0.4, rng.random(n) < 0.5
    risk = np.where(marker & arm, 0.3, 0.6)
    dies = rng.random(n) < risk
    days = np.where(dies, rng.uniform(1.0, 100.0, n), 200.0)
    return marker, arm, days, dies.astype(float)


def test_the_rule_that_knows_whom_the_drug_helps():
    marker, arm, days, event = qualitative()
    benefit = np.where(marker, 0.3, 0.0)
    thresholds = np.array([0.05, 0.15, 0.25, 0.4])
    found = policy_net_benefit(benefit, arm, days, event, 100.0, thresholds)
    # By hand: 0.4 of the patients gain 0.3 less the threshold; above 0.3 nobody is treated.
    assert found[:3] == pytest.approx(0.4 * (0.3 - thresholds[:3]), abs=0.012)
    assert found[3] == 0.0
    everybody = policy_net_benefit(np.full(len(arm), np.inf), arm, days, event, 100.0, thresholds)
    assert everybody == pytest.approx(0.12 - thresholds, abs=0.012)
    assert (found[:3] > everybody[:3] + 0.02).all()


def test_risk_of_a_rule_is_that_of_the_arms_at_its_ends():
    _, arm, days, event = qualitative(3000)
    every, nobody = np.ones(3000, bool), np.zeros(3000, bool)
    assert policy_risk(every, arm, days, event, 100.0) == risk_by(days[arm], event[arm], 100.0)
    assert policy_risk(nobody, arm, days, event, 100.0) == risk_by(days[~arm], event[~arm], 100.0)
    assert risk_by(days, event, 0.5) == 0.0


def test_a_marker_drawn_by_lot_gains_nothing_over_treating_all():
    _, arm, days, event = qualitative(3000, 4)
    lot = np.where(np.random.default_rng(5).random(3000) < 0.5, 0.3, 0.0)
    found = decision_curve({"lot": lot}, arm, days, event, 100.0, np.array([0.0, 0.05]), np.full(3000, "a"), draws=60)
    assert found.over_all["lot"][2][1] < 0.0 + 0.05
    assert (found.rules["lot"][1] <= found.rules["lot"][0]).all()
    assert (found.over_all["treat all"][0] == 0.0).all()
    table = found.table()
    assert list(table["rule"].unique()) == ["treat all", "lot"]
    assert len(table) == 4
    again = decision_curve({"lot": lot}, arm, days, event, 100.0, np.array([0.0, 0.05]), np.full(3000, "a"), draws=60)
    assert (again.rules["lot"][1] == found.rules["lot"][1]).all()


def test_incomplete_patients_are_refused():
    marker, arm, days, event = qualitative(100)
    with pytest.raises(InputError, match="complete"):
        decision_curve({"m": np.where(marker, np.nan, 0.0)}, arm, days, event, 50.0, GRID, np.full(100, "a"))
