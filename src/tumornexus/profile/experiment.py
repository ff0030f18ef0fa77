"""What a biomarker could say, before it is measured: outcomes and how probable each is with and without the mechanism.

A call with likelihood ratios L+ and L- has the chance a = L+ (1 - L-)/(L+ - L-) to be positive with the mechanism and
b = a / L+ without it. A fact read by a logistic curve may take any log likelihood ratio between the curve's limits; its
values are taken as spread evenly over the curve (assumed). A standardized score has the densities of `fusion`. In all
of them P(outcome | present) = L(outcome) P(outcome | absent), so that Bayes' rule applied to an outcome gives
posteriors whose mean is the prior, and information is never negative in expectation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import xlogy

from tumornexus.knowledge.records import Biomarker
from tumornexus.profile.fusion import CLONAL_PRIOR, LEVEL_PRIOR, score_densities

MOST_OUTCOMES = 24  # outcomes of like ratio are merged, which never adds information
LOGISTIC_POINTS = 9


@dataclass(frozen=True, eq=False)
class Experiment:
    """Probabilities of the outcomes of a test, both (outcome,), with and without the mechanism; each sums to one."""

    present: np.ndarray
    absent: np.ndarray

    @property
    def log_ratio(self) -> np.ndarray:
        """Natural log of the likelihood ratio present : absent of each outcome, (outcome,)."""
        with np.errstate(divide="ignore"):
            return np.log(self.present) - np.log(self.absent)

    def posterior(self, prior: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the chance of each outcome and the probability of the mechanism after it, both (outcome,)."""
        chance = prior * self.present + (1.0 - prior) * self.absent
        after = np.divide(prior * self.present, chance, out=np.full_like(chance, prior), where=chance > 0.0)
        return chance, after


NOTHING = Experiment(np.ones(1), np.ones(1))
PERFECT = Experiment(np.array([1.0, 0.0]), np.array([0.0, 1.0]))


def entropy_bits(p: np.ndarray | float) -> np.ndarray:
    """Entropy in bits of yes-or-no questions with probability p."""
    p = np.asarray(p, dtype=float)
    return -(xlogy(p, p) + xlogy(1.0 - p, 1.0 - p)) / math.log(2.0)


def information_bits(prior: float, experiment: Experiment) -> float:
    """Expected reduction of the entropy of "present or not" in bits: the mutual information of presence and outcome."""
    chance, after = experiment.posterior(prior)
    return max(0.0, float(entropy_bits(prior) - (chance * entropy_bits(after)).sum()))


def expected_change(prior: float, experiment: Experiment) -> float:
    """Expected absolute change of the probability of the mechanism, in [0, 1/2]."""
    chance, after = experiment.posterior(prior)
    return float((chance * np.abs(after - prior)).sum())


def call_experiment(lr_positive: float, lr_negative: float) -> Experiment:
    """Test with two outcomes and these likelihood ratios, L+ > 1 > L- > 0."""
    called = lr_positive * (1.0 - lr_negative) / (lr_positive - lr_negative)
    chance = called / lr_positive
    return Experiment(np.array([called, 1.0 - called]), np.array([chance, 1.0 - chance]))


def _normalized(log_ratio: np.ndarray, log_base: np.ndarray) -> Experiment:
    """Test with these log likelihood ratios whose outcomes are as near to `log_base` as two distributions allow.

    P(k | absent) is proportional to h_k e^(-t l_k) and P(k | present) to h_k e^((1-t) l_k); t makes both sums equal,
    found by bisection because their ratio falls steadily with t.
    """
    low, high = -30.0, 30.0
    for _ in range(80):
        t = 0.5 * (low + high)
        over = np.logaddexp.reduce(log_base + (1.0 - t) * log_ratio) > np.logaddexp.reduce(log_base - t * log_ratio)
        low, high = (t, high) if over else (low, t)
    t = 0.5 * (low + high)
    absent = log_base - t * log_ratio
    present = absent + log_ratio
    return Experiment(
        np.exp(present - np.logaddexp.reduce(present)), np.exp(absent - np.logaddexp.reduce(absent))
    )  # fmt: skip


def logistic_experiment(lr_positive: float, lr_negative: float) -> Experiment:
    """Test whose log likelihood ratio lies anywhere between these limits, evenly spread (assumed)."""
    log_ratio = np.linspace(math.log(lr_negative), math.log(lr_positive), LOGISTIC_POINTS)
    return _normalized(log_ratio, np.zeros(LOGISTIC_POINTS))


@lru_cache(maxsize=4096)
def score_experiment(separation: float, share: float, clonal: bool) -> Experiment:
    """Test by a standardized score with this separation, in a reference of which `share` carry the mechanism."""
    present, absent = score_densities(separation, share, CLONAL_PRIOR if clonal else LEVEL_PRIOR)
    return compressed(Experiment(present, absent))


def tempered(experiment: Experiment, weight: float) -> Experiment:
    """Test whose log likelihood ratios are `weight` times as large: a measurement that others partly say already."""
    if weight >= 1.0:
        return experiment
    if weight <= 0.0:
        return NOTHING
    kept = (experiment.present > 0.0) & (experiment.absent > 0.0)
    log_p, log_a = np.log(experiment.present[kept]), np.log(experiment.absent[kept])
    return _normalized(weight * (log_p - log_a), 0.5 * (log_p + log_a))


def both(first: Experiment, second: Experiment) -> Experiment:
    """Two tests whose outcomes are independent given presence."""
    return compressed(
        Experiment(np.outer(first.present, second.present).ravel(), np.outer(first.absent, second.absent).ravel())
    )


def compressed(experiment: Experiment) -> Experiment:
    """The same test with at most `MOST_OUTCOMES` outcomes: those of like ratio are merged."""
    if len(experiment.present) <= MOST_OUTCOMES:
        return experiment
    order = np.argsort(experiment.log_ratio, kind="stable")
    mass = np.cumsum(0.5 * (experiment.present + experiment.absent)[order])
    group = np.minimum((mass / mass[-1] * MOST_OUTCOMES).astype(int), MOST_OUTCOMES - 1)
    present = np.bincount(group, experiment.present[order], MOST_OUTCOMES)
    absent = np.bincount(group, experiment.absent[order], MOST_OUTCOMES)
    kept = present + absent > 0.0
    return Experiment(present[kept], absent[kept])


def experiment_of(biomarker: Biomarker, share: float, clonal: bool, gain: float = 1.0) -> Experiment | None:
    """What a biomarker could say; None where its record has no ratio for one of the two outcomes.

    `share` as in `score_experiment`; `gain`: factor on the separation with which scores are read.
    """
    if biomarker.separation and biomarker.input == "expression":
        return score_experiment(round(biomarker.separation * gain, 3), round(share, 3), clonal)
    if biomarker.method == "logistic":
        return logistic_experiment(biomarker.lr_positive or 20.0, biomarker.lr_negative or 0.05)
    if biomarker.lr_positive is None or biomarker.lr_negative is None:
        return None
    return call_experiment(biomarker.lr_positive, biomarker.lr_negative)


def together(experiments: Sequence[Experiment], weights: Sequence[float]) -> Experiment:
    """Several tests of one mechanism, each with its weight, as one test."""
    found = NOTHING
    for experiment, weight in zip(experiments, weights, strict=True):
        found = both(found, tempered(experiment, weight))
    return found
