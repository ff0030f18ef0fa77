"""Immune phenotype and statistical response to PD-1 blockade from a few scores, with honest intervals.

Both models are small, fitted by ``scripts/build_reference.py`` and frozen in the reference with their provenance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.records import Tumor
from tumornexus.profile.measure import NO_INDICES, Scored, standard_contrast
from tumornexus.profile.reference import Reference, panels

PHENOTYPES = ("inflamed", "excluded", "desert")
PATHOLOGIST = "pathologist_call"  # biomarker of immune_excluded whose likelihood ratio holds for all three
FEATURES = ("inflamed", "stroma", "lymphoid")
PD1_AGENTS = frozenset(
    {
        "nivolumab",
        "pembrolizumab",
        "atezolizumab",
        "durvalumab",
        "avelumab",
        "cemiplimab",
        "dostarlimab",
        "toripalimab",
        "tislelizumab",
    }
)
# Between-trial standard deviation of the log odds of response, and its value where a tumor type has no trial.
TRIAL_SD = 0.25
UNKNOWN_BASE, UNKNOWN_SD = 0.15, 0.9


@dataclass(frozen=True)
class IcbScore:
    """Statistical probability of objective response to PD-1 blockade.

    Attributes:
        score: probability; low, high: 90 % interval from coefficients, base rate, missing features and study-to-study
            spread.
        base_rate: response rate of the tumor type in trials.
        features: standardized features used; a missing one is absent and widens the interval.
    """

    score: float
    low: float
    high: float
    base_rate: float
    features: dict[str, float]


def phenotype_features(scored: Scored, reference: Reference) -> dict[str, float]:
    """Standardized inflamed, stroma and lymphoid scores."""
    found = {"inflamed": scored.inflamed}
    for name in FEATURES[1:]:
        found[name] = standard_contrast(scored.z, reference.positions(panels()[name]), NO_INDICES, reference, name)
    return found


def phenotype_prior(tumor: Tumor) -> np.ndarray:
    """Fractions of inflamed, excluded and desert tumors in this type, shape (3,)."""
    fractions = np.maximum([tumor.inflamed, tumor.excluded, tumor.desert], 0.02)
    return fractions / fractions.sum()


def phenotype_probabilities(features: Mapping[str, float], tumor: Tumor, reference: Reference) -> np.ndarray:
    """Probabilities of inflamed, excluded and desert, shape (3,).

    Multinomial logistic regression, p_k ~ exp(b_k0 + b_k' x), with the class frequencies of the fitted cohort
    replaced by those of the tumor type. Without features the prior is returned.
    """
    model = reference.phenotype
    prior = phenotype_prior(tumor)
    x = np.array([features.get(name, float("nan")) for name in FEATURES])
    if not np.isfinite(x).all() or not model:
        return prior
    coefficients = np.array(model["coefficients"])
    logits = coefficients[:, 0] + coefficients[:, 1:] @ np.clip(x, -3.0, 3.0)
    logits = logits + np.log(prior) - np.log(np.array(model["class_fractions"]))
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()


def read_by_pathologist(shares: np.ndarray, call: str, ratio: float) -> np.ndarray:
    """Return the probabilities (3,) after a pathologist has called one phenotype from where CD8 cells lie in a section.

    p_k ~ shares_k * (ratio if k is called else 1); `ratio` is the likelihood ratio of the call, below certainty because
    the phenotype varies between sites of one patient.
    """
    found = shares * np.where([name == call for name in PHENOTYPES], ratio, 1.0)
    return found / found.sum()


def response_base_rates(knowledge: Knowledge) -> dict[str, tuple[float, float]]:
    """Log odds of objective response to PD-1/PD-L1 monotherapy per tumor type, and their standard deviation.

    Arms of one PD-1 or PD-L1 antibody in trials marked for fitting, weighted by patients; arms of held-out trials are
    not read. The standard deviation holds sampling error and the spread between trials.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for trial in knowledge.trials.values():
        if (
            trial.use != "fit"
            or trial.tumor is None
            or trial.endpoint not in ("RECIST", "Lugano")
            or trial.out_of_scope
        ):
            continue
        for arm in trial.arm:
            if len(arm.drugs) == 1 and arm.drugs[0] in PD1_AGENTS and arm.outcome.orr is not None:
                rate = min(max(arm.outcome.orr / 100.0, 0.005), 0.98)
                found.setdefault(trial.tumor, []).append((rate, float(arm.n or 100)))
    rates = {}
    for tumor, arms in found.items():
        logits = np.array([math.log(r / (1.0 - r)) for r, _ in arms])
        weights = 1.0 / (TRIAL_SD**2 + np.array([1.0 / (n * r * (1.0 - r)) for r, n in arms]))
        center = float((weights * logits).sum() / weights.sum())
        spread = float((weights * (logits - center) ** 2).sum() / weights.sum()) if len(arms) > 1 else TRIAL_SD**2
        rates[tumor] = (center, math.sqrt(1.0 / float(weights.sum()) + max(spread, TRIAL_SD**2)))
    return rates


def icb_score(
    inflamed: float,
    tmb_per_mb: float | None,
    tumor: Tumor,
    rates: Mapping[str, tuple[float, float]],
    reference: Reference,
) -> IcbScore:
    """Probability of objective response: logit p = base(tumor) + b1 inflamed + b2 log2(TMB / median of the tumor type).

    Coefficients come from cohorts with an intercept each, so they hold differences between patients of one study; the
    level comes from trials. Features are limited to +-2.5 (the range they were fitted on).
    """
    model = reference.icb
    unknown = math.log(UNKNOWN_BASE / (1.0 - UNKNOWN_BASE))
    base, base_sd = rates.get(tumor.id, (unknown, UNKNOWN_SD))
    features: dict[str, float] = {}
    if np.isfinite(inflamed):
        features["inflamed"] = float(np.clip(inflamed, -2.5, 2.5))
    if tmb_per_mb is not None:
        features["log2_tmb"] = float(np.clip(math.log2(max(tmb_per_mb, 0.1) / tumor.tmb_median), -2.5, 2.5))
    names = list(model.get("features", ()))
    coefficients = np.array(model.get("coefficients", ()), dtype=float)
    covariance = np.array(model.get("covariance", ()), dtype=float)
    x = np.array([features.get(n, 0.0) for n in names])
    logit = base
    variance = base_sd**2
    if names:
        logit += float(coefficients @ x)
        variance += float(x @ covariance @ x)
        variance += float(sum(c * c for n, c in zip(names, coefficients, strict=True) if n not in features))
    deviation = 1.645 * math.sqrt(variance)
    score, low, high = (1.0 / (1.0 + math.exp(-v)) for v in (logit, logit - deviation, logit + deviation))
    return IcbScore(score, low, high, 1.0 / (1.0 + math.exp(-base)), features)
