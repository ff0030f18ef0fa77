"""Immune phenotype from a few scores.

The model is small, fitted by ``scripts/build_reference.py`` and frozen in the reference with its provenance.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tumornexus.knowledge.records import Tumor
from tumornexus.profile.measure import NO_INDICES, Scored, standard_contrast
from tumornexus.profile.reference import Reference, panels

PHENOTYPES = ("inflamed", "excluded", "desert")
PATHOLOGIST = "pathologist_call"  # biomarker of immune_excluded whose likelihood ratio holds for all three
FEATURES = ("inflamed", "stroma", "lymphoid")


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
