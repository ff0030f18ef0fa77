"""Emulator and posterior: planted coefficients and shifts come back, and held-out arms are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tumornexus.errors import InputError
from tumornexus.trial.calibrate import (
    FEWEST_ROWS,
    FIRST_DAY,
    TAIL,
    TRIAL_SD_PRIOR,
    Emulator,
    drug_class,
    emulate,
    features,
    flags_of,
    held_out_score,
    log_posterior,
    sample,
    targets_of,
)
from tumornexus.trial.calibration import PRIOR_SD, log_prior, prior
from tumornexus.trial.design import MONTH_DAYS
from tumornexus.trial.pool import arms_of

K = len(PRIOR_SD)
SD = np.array(list(PRIOR_SD.values()))


def expit(x):
    return 1.0 / (1.0 + np.exp(-np.asarray(x)))


@pytest.fixture(scope="module")
def arms(knowledge):
    return arms_of(knowledge)[0]


@pytest.fixture(scope="module")
def targets(arms, knowledge):
    return targets_of(arms, knowledge)


@pytest.fixture(scope="module")
def believed(knowledge):
    return prior(knowledge, 6000, seed=3)


def test_held_out_arms_are_refused(knowledge):
    with pytest.raises(InputError, match="held-out"):
        targets_of(arms_of(knowledge, "held_out")[0], knowledge)


def test_targets_are_the_published_figures(targets):
    assert {t.kind for t in targets} == {"orr", "pfs"}
    per_arm: dict[tuple[int, str], float] = {}
    for t in targets:
        n, outcome = float(t.arm.arm.n or 30), t.arm.arm.outcome
        assert 0.0 < t.observed < 1.0
        key = id(t.arm), t.sort
        per_arm[key] = per_arm.get(key, 0.0) + t.n
        assert per_arm[key] <= n * (1.0 + 1e-9)
        share = t.observed * (t.n + 1.0) - 0.5  # half a patient on either side
        if t.kind == "orr":
            assert share / t.n == pytest.approx(outcome.orr / 100.0)
        elif t.months == outcome.pfs_median:
            assert share / t.n == pytest.approx(0.5)
        else:
            assert share / t.n == pytest.approx(getattr(outcome, f"pfs_{t.months:.0f}") / 100.0)
    for (arm, _), n in per_arm.items():
        assert n == pytest.approx(float(next(t.arm.arm.n for t in targets if id(t.arm) == arm) or 30))


def test_classes_hold_one_axis(arms, knowledge):
    names = {drug_class(a, knowledge) for a in arms}
    assert "anti_pd1" in names
    assert not any("pdl1" in name for name in names)
    assert any("+" in name for name in names)


def test_flags(targets):
    patients = pd.DataFrame({
        "best": ["CR", "PR", "SD", "PD", "NE", "PR"],
        "pfs_days": [700.0, 400.0, 300.0, 60.0, 50.0, 100.0],
        "pfs_event": [False, True, True, True, False, False],
    })  # fmt: skip
    response = next(t for t in targets if t.kind == "orr")
    rows, flag = flags_of(patients, response)
    assert rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert flag.tolist() == [True, True, False, False, False, True]
    free = replace(next(t for t in targets if t.kind == "pfs"), months=12.0)
    rows, flag = flags_of(patients, free)
    assert rows.tolist() == [0, 1, 2, 3]  # who left before a year is not known at a year
    assert flag.tolist() == [True, True, False, False]
    early = replace(free, months=1.0)  # before the first scan: held to it
    _, flag = flags_of(patients.assign(pfs_event=True), early)
    assert flag.tolist() == (patients["pfs_days"] > FIRST_DAY).tolist()
    assert early.months * MONTH_DAYS < FIRST_DAY


def test_features():
    x = np.array([[0.0] * K, list(SD), list(-2.0 * SD)])
    f = features(x)
    assert f.shape == (3, 2 * K + 1)
    assert (f[:, 0] == 1.0).all()
    np.testing.assert_allclose(f[:, 1 : K + 1], [[0.0] * K, [1.0] * K, [-2.0] * K])
    np.testing.assert_allclose(f[:, K + 1 :], [[-1.0] * K, [0.0] * K, [3.0] * K])


@pytest.fixture(scope="module")
def planted(targets, believed, knowledge):
    """Three response targets of one class and pools whose rates follow known coefficients; two partitions of each."""
    of_class = [t for t in targets if t.kind == "orr" and t.drug_class == "anti_pd1"]
    chosen = tuple({(t.arm.cohort, t.arm.regimen): t for t in of_class}.values())[:3]
    assert len(chosen) == 3
    g = np.random.default_rng(4)
    truth = np.zeros((3, 2 * K + 1))
    truth[:, 0] = [-1.0, -0.3, 0.4]
    truth[:, 1:5] = [0.8, -0.6, 0.5, -0.4]  # slopes that the class shares
    truth[:, 5] = [0.3, 0.0, -0.3]  # one that the arms do not share
    truth[:, K + 1] = -0.15  # and a curvature
    f = features(believed.shifts)

    def made(rows):
        pools = {}
        for t, c in zip(chosen, truth, strict=True):
            best = np.where(g.random(len(rows)) < expit(f[rows] @ c), "PR", "SD")
            pools[t.arm.cohort, t.arm.regimen] = pd.DataFrame({"best": best, "draw": rows})
        return pools

    seen, unseen = made(np.arange(3000)), made(np.arange(3000, 6000))
    return chosen, truth, seen, unseen, emulate(chosen, seen, believed)


def test_emulator_recovers_planted_coefficients(planted):
    _, truth, _, _, emulator = planted
    found = emulator.coefficients
    np.testing.assert_allclose(found[:, 1:5], truth[:, 1:5], atol=0.15)
    np.testing.assert_allclose(found[:, 0], truth[:, 0], atol=0.25)
    assert np.abs(found[:, 6 : K + 1]).max() < 0.2
    assert found[0, 5] > found[1, 5] > found[2, 5]


def test_emulated_rates_are_right_within_their_error(planted, knowledge):
    _, truth, _, _, emulator = planted
    shifts = prior(knowledge, 500, seed=9).shifts  # draws that it has not seen
    logit, error = emulator.logit(shifts)
    true = features(shifts) @ truth.T
    gap = expit(logit) - expit(true)
    assert np.sqrt(np.mean(gap**2)) < 0.05
    z = (logit - true) / error
    assert 0.4 < z.std() < 1.6
    assert (error > 0.0).all()


def test_emulator_is_better_than_a_bare_rate_on_patients_it_did_not_see(planted, believed):
    *_, unseen, emulator = planted
    score = held_out_score(emulator, unseen, believed)
    assert (score["loss"] < score["loss_of_rate"] - 0.02).all()
    np.testing.assert_allclose(score["emulated"], score["rate"], atol=0.04)
    assert (score["n"] == 3000).all()


def test_pool_without_effects_is_not_overfitted(planted, believed):
    chosen, _, seen, unseen, _ = planted
    g = np.random.default_rng(5)
    flat, other = (
        {k: p.assign(best=np.where(g.random(len(p)) < 0.3, "PR", "SD")) for k, p in pool.items()}
        for pool in (seen, unseen)
    )
    score = held_out_score(emulate(chosen, flat, believed), other, believed)
    assert (score["loss"] < score["loss_of_rate"] + 0.01).all()


def test_too_small_a_pool_is_refused(planted, believed):
    chosen, _, seen, _, _ = planted
    few = {k: p.head(FEWEST_ROWS - 1) for k, p in seen.items()}
    with pytest.raises(InputError, match="too few patients in the pool") as told:
        emulate(chosen, few, believed)
    assert told.value.value == FEWEST_ROWS - 1
    with pytest.raises(InputError, match="too few patients in the pool"):
        emulate(chosen, {}, believed)


@pytest.fixture(scope="module")
def known(targets):
    """An emulator of known slopes: six parameters matter to the figures, the others to nothing."""
    chosen = targets[:30]
    g = np.random.default_rng(6)
    coefficients = np.zeros((len(chosen), 2 * K + 1))
    coefficients[:, 0] = g.normal(-0.3, 0.7, len(chosen))
    coefficients[:, 1:7] = g.normal(0.0, 0.6, (len(chosen), 6))
    covariance = np.tile(1e-4 * np.eye(2 * K + 1), (len(chosen), 1, 1))
    return Emulator(chosen, coefficients, covariance)


def test_log_posterior_is_the_formula(known, knowledge):
    """A plain twin: loops over targets, for some points."""
    g = np.random.default_rng(7)
    points = np.concatenate([-np.abs(0.3 * SD * g.standard_normal((4, K))), g.normal(-1.3, 0.2, (4, 2))], axis=1)
    points[3, 0] = 100.0  # out of range
    observed = np.array([t.observed for t in known.targets])
    found = log_posterior(points, known, observed, knowledge)
    assert found[3] == -np.inf
    for point, value in zip(points[:3], found, strict=False):
        shifts, log_sd = point[None, :K], point[K:]
        total = log_prior(shifts, knowledge)[0]
        for s, scale in zip(log_sd, TRIAL_SD_PRIOR.values(), strict=True):
            total += -0.5 * (np.exp(s) / scale) ** 2 + s
        logit, error = known.logit(shifts)
        for j, t in enumerate(known.targets):
            p = expit(logit[0, j])
            sd2 = np.exp(2.0 * log_sd[0 if t.kind == "orr" else 1]) + 1.0 / (t.n * p * (1.0 - p)) + error[0, j] ** 2
            gap2 = (np.log(observed[j] / (1.0 - observed[j])) - logit[0, j]) ** 2 / sd2
            figures = sum(u.arm is t.arm and u.sort == t.sort for u in known.targets)
            total += (-0.5 * (TAIL + 1.0) * np.log1p(gap2 / TAIL) - 0.5 * np.log(sd2)) / figures
        assert value == pytest.approx(total, rel=1e-9)


def test_posterior_recovers_planted_shifts(known, knowledge):
    g = np.random.default_rng(8)
    truth = prior(knowledge, 1, seed=11).shifts
    logit = (known.logit(truth)[0])[0]
    n = np.array([t.n for t in known.targets])
    noise = np.sqrt(0.1**2 + 1.0 / (n * expit(logit) * (1.0 - expit(logit)))) * g.standard_normal(len(n))
    found, diagnostics = sample(known, knowledge, draws=300, seed=1, steps=300, observed=expit(logit + noise))
    assert found.names == tuple(PRIOR_SD)
    assert found.shifts.shape == (300, K)
    assert np.isfinite(log_prior(found.shifts, knowledge)).all()
    mean, sd = found.shifts.mean(axis=0), found.shifts.std(axis=0)
    z = (mean - truth[0]) / sd
    assert np.abs(z[:6]).max() < 3.0  # those that the figures tell of
    unlimited = prior(knowledge, 2000, seed=12).shifts.std(axis=0)
    assert (sd[:6] < 0.5 * unlimited[:6]).all()
    assert np.median(sd[6:] / unlimited[6:]) == pytest.approx(1.0, abs=0.25)  # of the others it learns nothing
    assert 0.1 < diagnostics["acceptance"] < 0.7
    assert 0.0 < found.trial_sd["rate"] < 0.35
    assert 0.0 < found.trial_sd["hazard"] < 0.35


def test_deviation_of_trials_grows_with_their_scatter(known, knowledge):
    g = np.random.default_rng(9)
    logit = known.logit(np.zeros((1, K)))[0][0]
    sd = []
    for scatter in (0.05, 0.8):
        seen = expit(logit + scatter * g.standard_normal(len(logit)))
        found, _ = sample(known, knowledge, draws=50, seed=2, steps=100, observed=seen)
        sd.append(found.trial_sd)
    assert sd[1]["rate"] > 2.0 * sd[0]["rate"]
    assert sd[1]["hazard"] > 2.0 * sd[0]["hazard"]


def test_same_seed_same_draws(known, knowledge):
    a, b, c = (sample(known, knowledge, draws=10, seed=s, steps=20)[0] for s in (3, 3, 4))
    assert a.digest() == b.digest() != c.digest()
