"""Calibration of population parameters on published arms: an emulator learned from a pool, then a posterior by MCMC.

The pool (`tumornexus.trial.pool`) holds virtual patients who each have their own draw of the prior. Whether a patient
responded, or was free of progression at a published time, is regressed on that draw (logistic, linear and quadratic),
separately for every published figure but with coefficients shrunk to those of its class of drugs. That gives the rate
that the simulator would have shown under any draw, with its error. The posterior then is

    logit(observed) ~ Student t4(logit(emulated rate), sqrt(sd_trial^2 + 1 / (n p (1 - p)) + error^2)),

one sd_trial for responses and one for progression, half-normal priors, and the priors of `calibration.PRIOR_SD`. Each
arm counts once for response and once for progression, however many figures it has. Student's t keeps an arm that the
model cannot describe from dragging the parameters that all share. Held-out trials are refused.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge
from tumornexus.trial.calibration import PRIOR_SD, Calibration, log_prior
from tumornexus.trial.design import MONTH_DAYS
from tumornexus.trial.pool import FittedArm, require_fit

# Priors of the emulator's coefficients per standard deviation of a parameter, linear and quadratic: common to all arms,
# of a class of drugs around the common ones, of an arm around its class. Chosen by the log loss on patients of the pool
# that the emulator had not seen; no published outcome enters there.
COMMON_SD, CLASS_SD, OWN_SD = (0.3, 0.04), (0.07, 0.01), (0.03, 0.01)
INTERCEPT_SD = 3.0
TRIAL_SD_PRIOR = {"rate": 0.4, "hazard": 0.3}  # scale of the half-normal priors
TAIL = 4.0  # degrees of freedom
FEWEST_ROWS = 100
LANDMARKS = (("pfs_6", 6.0), ("pfs_12", 12.0), ("pfs_24", 24.0))
# Virtual scans come every 8 weeks, a week earlier or later, and end after 104: before the first nobody has progressed,
# at the last all are censored. A figure from before (trials that scan every 6 weeks) is held to the first scan.
FIRST_DAY, LAST_DAY = 63.5, 715.0


@dataclass(frozen=True)
class Target:
    """One published figure: share of responders, or free of progression at a time.

    Attributes:
        arm: the published arm and its place in the pool.
        kind: ``orr`` or ``pfs``. Complete responses are left out: whether a rest of scar counts as one is a reading
            that the model does not have.
        months: time of ``pfs``, else 0.
        observed: share in (0, 1), with half a patient added on either side.
        n: patients that it counts for: those of the arm over the figures of one sort.
        drug_class: what its coefficients are shrunk to.
    """

    arm: FittedArm
    kind: str
    months: float
    observed: float
    n: float
    drug_class: str

    @property
    def sort(self) -> str:
        return "hazard" if self.kind == "pfs" else "rate"


def drug_class(arm: FittedArm, knowledge: Knowledge) -> str:
    """Return the therapies of an arm's drugs in one word, PD-1 and PD-L1 antibodies as one."""
    drugs = [knowledge.drugs[d] for d in arm.arm.drugs if d in knowledge.drugs]
    words = {t.replace("anti_pdl1", "anti_pd1") for d in drugs for t in d.therapy}
    return "+".join(sorted(words)) or "none"


def targets_of(arms: Sequence[FittedArm], knowledge: Knowledge) -> tuple[Target, ...]:
    """Return the figures that calibration is held to.

    Raises:
        InputError: an arm of a held-out trial.
    """
    found = []
    for arm in arms:
        require_fit(arm.trial)
        outcome, n = arm.arm.outcome, float(arm.arm.n or 30)
        word = drug_class(arm, knowledge)

        def add(kind: str, months: float, share: float, count: float, arm: FittedArm = arm, word: str = word) -> None:
            inside = (share * count + 0.5) / (count + 1.0)
            found.append(Target(arm, kind, months, inside, count, word))

        if outcome.orr is not None:
            add("orr", 0.0, outcome.orr / 100.0, n)
        free = [(m, getattr(outcome, k) / 100.0) for k, m in LANDMARKS if getattr(outcome, k) is not None]
        if outcome.pfs_median is not None and outcome.pfs_median <= 24.0:
            free.append((outcome.pfs_median, 0.5))
        for months, share in free:
            add("pfs", months, share, n / len(free))
    return tuple(found)


def flags_of(patients: pd.DataFrame, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """Return who counts for a target in the pool (index) and whether it holds for them."""
    if target.kind == "pfs":
        days = patients["pfs_days"].to_numpy(float)
        at = float(np.clip(target.months * MONTH_DAYS, FIRST_DAY, LAST_DAY))
        known = patients["pfs_event"].to_numpy(bool) | (days > at)
        rows = np.flatnonzero(known)
        return rows, days[rows] > at
    return np.arange(len(patients)), patients["best"].isin(("CR", "PR")).to_numpy()


def features(shifts: np.ndarray) -> np.ndarray:
    """Return what the emulator sees of shifts (draw, parameter): 1, x and x^2 - 1 with x in prior deviations."""
    x = shifts / np.array(list(PRIOR_SD.values()))
    return np.concatenate([np.ones((len(x), 1)), x, x**2 - 1.0], axis=1)


def _logistic(
    f: np.ndarray, y: np.ndarray, mean: np.ndarray, precision: np.ndarray, offset: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mode and covariance of a logistic regression with a Gaussian prior, by Newton's method."""
    at = mean.copy()
    offset = np.zeros(len(y)) if offset is None else offset
    hessian = np.diag(precision)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-np.clip(f @ at + offset, -30.0, 30.0)))
        hessian = (f * (p * (1.0 - p))[:, None]).T @ f + np.diag(precision)
        step = np.linalg.solve(hessian, f.T @ (y - p) - precision * (at - mean))
        largest = np.abs(step).max()
        at = at + step * min(1.0, 2.0 / max(largest, 1e-12))
        if largest < 1e-8:
            break
    return at, np.linalg.inv(hessian)


@dataclass(frozen=True)
class Emulator:
    """Coefficients of every target and their covariance, (target, feature) and (target, feature, feature)."""

    targets: tuple[Target, ...]
    coefficients: np.ndarray
    covariance: np.ndarray

    @functools.cached_property
    def layout(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return, per target, patients that it counts for, its sort (0 rate, 1 hazard), and one over the figures of
        its arm and sort: what a posterior asks for at every step."""
        arms = [(id(t.arm), t.sort) for t in self.targets]
        return (
            np.array([t.n for t in self.targets]),
            np.array([0 if t.sort == "rate" else 1 for t in self.targets]),
            np.array([1.0 / arms.count(key) for key in arms]),
        )

    def logit(self, shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the logit of every target's rate and its error, (draw, target), under shifts (draw, parameter)."""
        f = features(shifts)
        variance = np.einsum("df,tfg,dg->dt", f, self.covariance, f, optimize=True)
        return f @ self.coefficients.T, np.sqrt(np.maximum(variance, 0.0))


def _precision(sd: tuple[float, float], intercept_sd: float = INTERCEPT_SD) -> np.ndarray:
    k = len(PRIOR_SD)
    return np.concatenate([[intercept_sd**-2], np.full(k, sd[0] ** -2), np.full(k, sd[1] ** -2)])


def emulate(targets: Sequence[Target], pool: Mapping[tuple[str, str], pd.DataFrame], prior: Calibration) -> Emulator:
    """Learn the rate of every target as a function of the shifts.

    `pool` holds the patients of a cohort and regimen; their column `draw` is a row of `prior.shifts`.

    Raises:
        InputError: a target without enough patients in the pool.
    """
    k = len(PRIOR_SD)
    data = []
    for target in targets:
        patients = pool.get((target.arm.cohort, target.arm.regimen))
        rows, flag = flags_of(patients, target) if patients is not None else (np.zeros(0, int), np.zeros(0, bool))
        if patients is None or len(rows) < FEWEST_ROWS:
            raise InputError(
                "too few patients in the pool", field=f"{target.arm.trial.id}, {target.arm.arm.name}", value=len(rows),
                valid=f"at least {FEWEST_ROWS}: more partitions",
            )  # fmt: skip
        f = features(prior.shifts[patients["draw"].to_numpy()[rows] % prior.n_draws])
        data.append((f, flag.astype(float)))
    # Intercepts of arms come from their own rates; slopes are shrunk in two steps, classes to all, arms to their class.
    rates = [(flag.sum() + 0.5) / (len(flag) + 1.0) for _, flag in data]
    logits = [float(np.log(r / (1.0 - r))) for r in rates]

    def together(members: Sequence[int], mean: np.ndarray, sd: tuple[float, float]) -> np.ndarray:
        f, y = (np.concatenate([data[i][part] for i in members]) for part in (0, 1))
        offset = np.concatenate([np.full(len(data[i][1]), logits[i]) for i in members])
        return _logistic(f, y, mean, _precision(sd), offset)[0]

    zero = np.zeros(2 * k + 1)
    coefficients = np.zeros((len(targets), 2 * k + 1))
    covariance = np.zeros((len(targets), 2 * k + 1, 2 * k + 1))
    for kind in dict.fromkeys(t.kind for t in targets):
        of_kind = [i for i, t in enumerate(targets) if t.kind == kind]
        common = together(of_kind, zero, COMMON_SD)
        for word in dict.fromkeys(targets[i].drug_class for i in of_kind):
            members = [i for i in of_kind if targets[i].drug_class == word]
            shared = together(members, common, CLASS_SD)
            for i in members:
                mean = shared.copy()
                mean[0] += logits[i]
                coefficients[i], covariance[i] = _logistic(*data[i], mean, _precision(OWN_SD))
    return Emulator(tuple(targets), coefficients, covariance)


def held_out_score(
    emulator: Emulator, pool: Mapping[tuple[str, str], pd.DataFrame], prior: Calibration
) -> pd.DataFrame:
    """Return, per target, mean log loss of the emulator on other patients, beside that of their bare rate."""
    rows = []
    for j, target in enumerate(emulator.targets):
        patients = pool[target.arm.cohort, target.arm.regimen]
        index, flag = flags_of(patients, target)
        f = features(prior.shifts[patients["draw"].to_numpy()[index] % prior.n_draws])
        p = 1.0 / (1.0 + np.exp(-(f @ emulator.coefficients[j])))
        p, rate = np.clip(p, 1e-4, 1.0 - 1e-4), np.clip(flag.mean(), 1e-4, 1.0 - 1e-4)

        def loss(q: np.ndarray | float, flag: np.ndarray = flag) -> float:
            return float(-np.mean(np.where(flag, np.log(q), np.log1p(-np.asarray(q)))))

        rows.append((target.arm.trial.id, target.arm.arm.name, target.kind, target.months, len(flag), rate,
                     float(p.mean()), loss(p), loss(rate)))  # fmt: skip
    columns = ["trial", "arm", "kind", "months", "n", "rate", "emulated", "loss", "loss_of_rate"]
    return pd.DataFrame(rows, columns=columns)


def log_posterior(point: np.ndarray, emulator: Emulator, observed: np.ndarray, knowledge: Knowledge) -> np.ndarray:
    """Return the log posterior up to a constant of points (walker, parameters and two ln sd of trials)."""
    shifts, log_sd = point[:, :-2], point[:, -2:]
    total = log_prior(shifts, knowledge)
    inside = np.isfinite(total)
    if not inside.any():
        return total
    # ln sd with half-normal priors on sd: density exp(-sd^2 / 2 s^2), times sd for the change of variable.
    for j, scale in enumerate(TRIAL_SD_PRIOR.values()):
        total += -0.5 * (np.exp(log_sd[:, j]) / scale) ** 2 + log_sd[:, j]
    logit, error = emulator.logit(shifts[inside])
    p = np.clip(1.0 / (1.0 + np.exp(-logit)), 1e-4, 1.0 - 1e-4)
    n, which, per_arm = emulator.layout
    sd2 = np.exp(2.0 * log_sd[inside][:, which]) + 1.0 / (n * p * (1.0 - p)) + error**2
    residual2 = (np.log(observed / (1.0 - observed)) - logit) ** 2 / sd2
    density = -0.5 * (TAIL + 1.0) * np.log1p(residual2 / TAIL) - 0.5 * np.log(sd2)
    total[inside] += density @ per_arm
    return total


def sample(
    emulator: Emulator,
    knowledge: Knowledge,
    *,
    draws: int,
    seed: int,
    steps: int = 3000,
    observed: np.ndarray | None = None,
) -> tuple[Calibration, dict[str, float]]:
    """Sample the posterior by the affine-invariant ensemble of emcee; return draws and diagnostics.

    `observed` replaces the published shares, (target,): a test with known truth. Half of the steps is burn-in.
    """
    import emcee

    k = len(PRIOR_SD)
    shares = np.array([t.observed for t in emulator.targets]) if observed is None else observed
    walkers = 4 * (k + 2)
    generator = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    start = np.concatenate(
        [
            0.1 * np.array(list(PRIOR_SD.values())) * generator.standard_normal((walkers, k)),
            np.log(0.3) + 0.1 * generator.standard_normal((walkers, 2)),
        ],
        axis=1,
    )  # fmt: skip
    # A start outside the range of a record is moved inside.
    bad = ~np.isfinite(log_prior(start[:, :-2], knowledge))
    start[bad, :-2] = -np.abs(start[bad, :-2])
    bad = ~np.isfinite(log_prior(start[:, :-2], knowledge))
    start[bad, :-2] = start[~bad][: bad.sum(), :-2] * 0.99 if (~bad).any() else 0.0
    # No snooker moves: those of emcee 3.1 do not leave the target unchanged (see docs/calibration.md).
    sampler = emcee.EnsembleSampler(
        walkers, k + 2, log_posterior, args=(emulator, shares, knowledge), vectorize=True,
        moves=[(emcee.moves.DEMove(), 0.9), (emcee.moves.DEMove(gamma0=1.0), 0.1)],
    )  # fmt: skip
    sampler.random_state = np.random.RandomState(generator.integers(2**32)).get_state()
    sampler.run_mcmc(start, steps)
    chain = sampler.get_chain(discard=steps // 2)
    assert chain is not None
    halves = [chain[: len(chain) // 2].reshape(-1, k + 2), chain[len(chain) // 2 :].reshape(-1, k + 2)]
    flat = chain.reshape(-1, k + 2)
    drift = np.abs(halves[0].mean(0) - halves[1].mean(0)) / flat.std(0)
    chosen = flat[generator.choice(len(flat), draws, replace=len(flat) < draws)]
    sd = np.exp(np.median(flat[:, -2:], axis=0))
    found = Calibration(
        tuple(PRIOR_SD), chosen[:, :-2],
        {"rate": float(sd[0]), "hazard": float(sd[1])},
    )  # fmt: skip
    diagnostics = {
        "acceptance": float(np.mean(sampler.acceptance_fraction)), "largest_drift_in_sd": float(drift.max()),
        "draws_of_chain": float(len(flat)),
    }  # fmt: skip
    return found, diagnostics
