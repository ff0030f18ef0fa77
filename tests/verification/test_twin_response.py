"""The comparison of the twin with the statistical score: its rules on made-up patients."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "verification"))

from twin_response import brier_difference, judged, probability, recalibration_p, verdict

N = 2000


@pytest.fixture(scope="module")
def patients():
    """True probabilities, responses drawn from them, and probabilities that are too extreme in log odds by two."""
    stream = np.random.default_rng(4)
    log_odds = stream.normal(-1.0, 1.0, N)
    true = 1.0 / (1.0 + np.exp(-log_odds))
    return (
        true,
        (stream.random(N) < true).astype(float),
        1.0 / (1.0 + np.exp(-2.0 * log_odds)),
        np.repeat(["a", "b"], N // 2),
    )


def test_calibrated_probabilities_pass_and_extreme_ones_are_rejected(patients):
    true, y, extreme, cohort = patients
    assert recalibration_p(true, y) > 0.05
    assert recalibration_p(extreme, y) < 1e-6
    good, bad = judged(true, y, cohort), judged(extreme, y, cohort)
    assert good["slope"][0] == pytest.approx(1.0, abs=0.15)
    assert bad["slope"][0] == pytest.approx(0.5, abs=0.1)
    assert good["auc"] == pytest.approx(bad["auc"]), "recalibration changes no order"
    gap = brier_difference(extreme, true, y, cohort)
    assert gap[1] > 0.0
    assert verdict(bad, good, gap) == "statistical"
    assert verdict(good, bad, tuple(-g for g in (gap[0], gap[2], gap[1]))) == "twin"


def test_what_cannot_be_told_apart_is_not_named(patients):
    true, y, extreme, cohort = patients
    same = judged(true, y, cohort)
    assert verdict(same, same, brier_difference(true, true, y, cohort)) == "neither"
    both = judged(extreme, y, cohort)
    assert verdict(both, both, (0.0, -0.01, 0.01)) == "neither"


def test_no_draw_responding_is_no_probability_of_zero():
    assert 0.0 < probability(0.0, 24.0) < 0.05
    assert 0.95 < probability(1.0, 24.0) < 1.0
    assert probability(0.5, 24.0) == 0.5
