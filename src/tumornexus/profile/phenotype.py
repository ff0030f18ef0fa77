"""Immune phenotype from a few scores.

Two multinomial logistic regressions, p_k ~ exp(b_k0 + b_k' x), both fitted on the pathologists' labels of one cohort:
the *broad* one reads three scores, their squares and thirteen programs (``data/phenotype_model.json``, written by
``scripts/build_phenotype_model.py``); the *short* one reads the three scores (frozen in the reference) and steps in
where an assay lacks the genes of a program. How well they do is measured by ``verification/phenotype.py``.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np

from tumornexus.knowledge.records import Tumor
from tumornexus.profile.deconvolution import cell_groups
from tumornexus.profile.measure import NO_INDICES, Scored, standard_contrast
from tumornexus.profile.reference import FEWEST_COVERED, Reference, panels

PHENOTYPES = ("inflamed", "excluded", "desert")
PATHOLOGIST = "pathologist_call"  # biomarker of immune_excluded whose likelihood ratio holds for all three
FEATURES = ("inflamed", "stroma", "lymphoid")
LIMIT = 3.0  # of a feature in standard deviations: beyond that a regression extrapolates


@dataclass(frozen=True)
class PhenotypeModel:
    """Broad model: features, mean and spread (feature,), coefficients (class, 1 + feature), class shares (class,)."""

    features: tuple[str, ...]
    mean: np.ndarray
    sd: np.ndarray
    coefficients: np.ndarray
    class_fractions: np.ndarray


@lru_cache(maxsize=1)
def programs() -> dict[str, tuple[str, ...]]:
    """Gene programs of ``data/phenotype_programs.toml``."""
    text = resources.files("tumornexus.profile").joinpath("data/phenotype_programs.toml").read_text(encoding="utf-8")
    markers = {g.id: g.markers for g in cell_groups()}
    return {n: markers[e["group"]] if "group" in e else tuple(e["genes"]) for n, e in tomllib.loads(text).items()}


def broad_names() -> tuple[str, ...]:
    """Features of the broad model in order: the three scores, their squares, the programs."""
    return (*FEATURES, *(f"{n} squared" for n in FEATURES), *programs())


@lru_cache(maxsize=1)
def load_phenotype_model() -> PhenotypeModel:
    """Broad model that ships with the package (cached)."""
    stored = json.loads(
        resources.files("tumornexus.profile").joinpath("data/phenotype_model.json").read_text(encoding="utf-8")
    )
    arrays = [np.array(stored[k]) for k in ("mean", "sd", "coefficients", "class_fractions")]
    return PhenotypeModel(tuple(stored["features"]), *arrays)


@lru_cache(maxsize=4)
def _positions(reference: Reference) -> dict[str, np.ndarray]:
    return {n: reference.positions(g) for n, g in programs().items()}


def phenotype_features(scored: Scored, reference: Reference) -> dict[str, float]:
    """Standardized inflamed, stroma and lymphoid scores, and mean z of each program; NaN with too few genes."""
    found = {"inflamed": scored.inflamed}
    for name in FEATURES[1:]:
        found[name] = standard_contrast(scored.z, reference.positions(panels()[name]), NO_INDICES, reference, name)
    for name, positions in _positions(reference).items():
        z = scored.z[positions]
        z = z[np.isfinite(z)]
        enough = len(z) and len(z) >= FEWEST_COVERED * len(programs()[name])
        found[name] = float(z.mean()) if enough else float("nan")
    return found


def broad_inputs(features: Mapping[str, float]) -> np.ndarray:
    """Inputs of the broad model (feature,) in the order of `broad_names`; NaN where a score is missing."""
    three = [features.get(n, float("nan")) for n in FEATURES]
    return np.array([*three, *(v * v for v in three), *(features.get(n, float("nan")) for n in programs())])


def phenotype_prior(tumor: Tumor) -> np.ndarray:
    """Fractions of inflamed, excluded and desert tumors in this type, shape (3,)."""
    fractions = np.maximum([tumor.inflamed, tumor.excluded, tumor.desert], 0.02)
    return fractions / fractions.sum()


def phenotype_probabilities(features: Mapping[str, float], tumor: Tumor, reference: Reference) -> np.ndarray:
    """Probabilities of inflamed, excluded and desert, shape (3,).

    The class frequencies of the fitted cohort are replaced by those of the tumor type. The broad model where all of its
    features are known, else the short one; without its three scores the prior is returned.
    """
    prior = phenotype_prior(tumor)
    x, model = broad_inputs(features), load_phenotype_model()
    if np.isfinite(x).all() and model.features == broad_names():
        x = (x - model.mean) / model.sd
        coefficients, fractions = model.coefficients, model.class_fractions
    else:
        x = x[: len(FEATURES)]
        if not np.isfinite(x).all() or not reference.phenotype:
            return prior
        coefficients = np.array(reference.phenotype["coefficients"])
        fractions = np.array(reference.phenotype["class_fractions"])
    logits = coefficients[:, 0] + coefficients[:, 1:] @ np.clip(x, -LIMIT, LIMIT)
    logits = logits + np.log(prior) - np.log(fractions)
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()


def read_by_pathologist(shares: np.ndarray, call: str, ratio: float) -> np.ndarray:
    """Return the probabilities (3,) after a pathologist has called one phenotype from where CD8 cells lie in a section.

    p_k ~ shares_k * (ratio if k is called else 1); `ratio` is the likelihood ratio of the call, below certainty because
    the phenotype varies between sites of one patient.
    """
    found = shares * np.where([name == call for name in PHENOTYPES], ratio, 1.0)
    return found / found.sum()
