"""The parts of the recovery check that are functions: planted figures, summaries, the line of calibration."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from tumornexus.knowledge import load_knowledge
from tumornexus.trial.calibrate import Emulator, targets_of
from tumornexus.trial.calibration import PRIOR_SD
from tumornexus.trial.pool import arms_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("calibration_recovery", ROOT / "verification/calibration_recovery.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibration_recovery"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def knowledge():
    return load_knowledge()


@pytest.fixture(scope="module")
def emulator(knowledge):
    """Every rate 40 %, and later times lower, whatever the shifts; no error."""
    targets = targets_of(arms_of(knowledge)[0], knowledge)
    k = 2 * len(PRIOR_SD) + 1
    coefficients = np.zeros((len(targets), k))
    coefficients[:, 0] = [np.log(0.4 / 0.6) - 0.05 * t.months for t in targets]
    return Emulator(targets, coefficients, np.zeros((len(targets), k, k)))


def test_planted_figures_have_the_emulated_rates_and_the_noise_of_their_arms(script, emulator):
    shifts, none = np.zeros(len(PRIOR_SD)), {"rate": 0.0, "hazard": 0.0}
    draws = np.array([script.figures_of(emulator, shifts, none, np.random.default_rng(i)) for i in range(400)])
    n = np.array([int(t.arm.arm.n or 30) for t in emulator.targets])
    p = 1.0 / (1.0 + np.exp(-emulator.coefficients[:, 0]))
    inside = (p * n + 0.5) / (n + 1.0)
    z = (draws.mean(0) - inside) / np.sqrt(p * (1.0 - p) / n / 400)
    assert np.abs(z).max() < 4.5
    ratio = draws.std(0) * (n + 1.0) / np.sqrt(n * p * (1.0 - p))
    assert ratio.min() > 0.85
    assert ratio.max() < 1.15


def test_later_survival_is_never_above_earlier_in_one_arm(script, emulator):
    shares = script.figures_of(
        emulator, np.zeros(len(PRIOR_SD)), {"rate": 0.5, "hazard": 0.5}, np.random.default_rng(2)
    )
    arms = {}
    for target, share in zip(emulator.targets, shares, strict=True):
        if target.kind == "pfs":
            arms.setdefault(id(target.arm), []).append((target.months, share))
    assert any(len(a) > 2 for a in arms.values())
    for own in arms.values():
        later = [share for _, share in sorted(own)]
        assert later == sorted(later, reverse=True)


def test_one_deviation_moves_all_figures_of_an_arm_and_sort_together(script, emulator):
    shifts = np.zeros(len(PRIOR_SD))
    pairs = [(i, j) for i, t in enumerate(emulator.targets) for j, u in enumerate(emulator.targets)
             if i < j and t.arm is u.arm and t.kind == u.kind == "pfs" and int(t.arm.arm.n or 30) > 150]  # fmt: skip
    draws = np.array([
        script.figures_of(emulator, shifts, {"rate": 0.0, "hazard": 1.0}, np.random.default_rng(i)) for i in range(200)
    ])  # fmt: skip
    i, j = pairs[0]
    assert np.corrcoef(draws[:, i], draws[:, j])[0, 1] > 0.9


def test_the_line_of_a_calibrated_probability_has_slope_one_and_of_an_overfitted_one_less(script):
    generator = np.random.default_rng(3)
    x = generator.standard_normal(20000)
    p = 1.0 / (1.0 + np.exp(-x))
    seen = generator.random(20000) < p
    intercept, slope = script.calibration_line(p, seen)
    assert abs(slope - 1.0) < 0.06
    assert abs(intercept) < 0.06
    assert script.calibration_line(1.0 / (1.0 + np.exp(-2.0 * x)), seen)[1] == pytest.approx(slope / 2.0, rel=1e-3)


def test_a_posterior_that_is_the_prior_covers_what_it_says_and_is_as_wide(script, knowledge):
    from tumornexus.trial.calibration import prior

    replicates = []
    for i in range(60):
        draws, planted = prior(knowledge, 400, 100 + i).shifts, prior(knowledge, 1, 900 + i).shifts[0]
        bounds = {q: np.quantile(draws, [0.5 - q / 2, 0.5 + q / 2], axis=0) for q in script.LEVELS}
        replicates.append({
            "truth": planted, "mean": draws.mean(0), "rank": (draws < planted).mean(0), "acceptance": 0.3,
            "trial_sd": {"rate": 0.1 * i, "hazard": 0.2}, "trial_sd_found": {"rate": 0.1 * i, "hazard": 0.1 * i},
            "covered": {q: (planted >= b[0]) & (planted <= b[1]) for q, b in bounds.items()},
            "width": {q: b[1] - b[0] for q, b in bounds.items()}, "largest_drift_in_sd": 0.1,
        })  # fmt: skip
        replicates[-1]["trial_sd"]["hazard"] += 0.01 * i
    found = script.summary_of(replicates, knowledge)
    assert found["covered_50%"] == pytest.approx(0.5, abs=0.06)
    assert found["covered_90%"] == pytest.approx(0.9, abs=0.04)
    widths = [p["width_90%_over_prior"] for p in found["parameters"].values()]
    assert min(widths) > 0.93
    assert max(widths) < 1.07
    assert np.abs([p["slope_of_mean_on_truth"] for p in found["parameters"].values()]).max() < 0.1


def test_a_posterior_without_information_is_the_prior(knowledge):
    # The snooker move of emcee fails here: intervals 0.85 times as wide, with any number of steps.
    from tumornexus.trial.calibrate import sample
    from tumornexus.trial.calibration import prior

    targets = targets_of(arms_of(knowledge)[0], knowledge)[:1]
    k = 2 * len(PRIOR_SD) + 1
    found, _ = sample(
        Emulator(targets, np.zeros((1, k)), np.zeros((1, k, k))), knowledge, draws=4000, seed=1, steps=1500
    )
    wide = prior(knowledge, 20000, 9).shifts
    width = [np.subtract(*np.quantile(x, [0.95, 0.05], axis=0)) for x in (found.shifts, wide)]
    assert np.mean(width[0] / width[1]) == pytest.approx(1.0, abs=0.04)
