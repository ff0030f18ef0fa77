"""The immune phenotype: which model speaks when, and in what direction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from by_path import script
from tumornexus.io import read_cohort
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import load_reference, profile_cohort
from tumornexus.profile.phenotype import (
    FEATURES,
    PHENOTYPES,
    broad_inputs,
    broad_names,
    load_phenotype_model,
    phenotype_prior,
    phenotype_probabilities,
    programs,
)

MELANOMA = load_knowledge().tumors["melanoma"]


def shares(**features: float) -> dict[str, float]:
    found = phenotype_probabilities(features, MELANOMA, load_reference())
    assert found.sum() == pytest.approx(1.0)
    assert (found > 0.0).all()
    return dict(zip(PHENOTYPES, found, strict=True))


def everything(value: float) -> dict[str, float]:
    return dict.fromkeys((*FEATURES, *programs()), value)


def test_model_and_code_agree_on_the_features():
    model, reference, genes = load_phenotype_model(), load_reference(), load_knowledge().genes
    assert model.features == broad_names()
    assert model.coefficients.shape == (len(PHENOTYPES), 1 + len(model.features))
    assert model.class_fractions.sum() == pytest.approx(1.0, abs=1e-3)
    assert len(broad_inputs({})) == len(model.features)
    for name, listed in programs().items():
        assert all(genes.approved(g) == g for g in listed), name
        assert len(reference.positions(listed)) == len(listed), name


def test_immune_expression_speaks_for_inflamed_and_its_absence_for_desert():
    mean = dict(zip(load_phenotype_model().features, load_phenotype_model().mean, strict=True))
    usual = {n: float(mean[n]) for n in (*FEATURES, *programs())}
    stroma = {"stroma", "fibroblast", "f_tbrs", "matrix"}
    low, middle, high = (
        shares(**{n: v + (shift if n not in stroma else 0.0) for n, v in usual.items()}) for shift in (-1.0, 0.0, 1.0)
    )
    assert low["desert"] > middle["desert"] > high["desert"]
    assert low["inflamed"] < middle["inflamed"] < high["inflamed"]


def test_a_missing_program_leaves_the_short_model_and_a_missing_score_the_prior():
    reference = load_reference()
    whole = everything(0.8)
    short = {n: whole[n] for n in FEATURES}
    assert shares(**(whole | {"cxcl13": float("nan")})) == shares(**short) != shares(**whole)
    prior = dict(zip(PHENOTYPES, phenotype_prior(MELANOMA), strict=True))
    assert shares(**(short | {"stroma": float("nan")})) == prior == shares()
    assert shares(**short) == dict(
        zip(PHENOTYPES, phenotype_probabilities(short, MELANOMA, replace(reference)), strict=True)
    )


def test_the_tumor_type_shifts_the_odds_and_nothing_else():
    """Odds of two classes, divided by the odds of the prior, are the same in every tumor type."""
    tumors, reference = load_knowledge().tumors, load_reference()
    ratios = []
    for tumor in (tumors["melanoma"], tumors["gbm"], tumors["urothelial"]):
        p, prior = phenotype_probabilities(everything(0.3), tumor, reference), phenotype_prior(tumor)
        ratios.append(np.log(p[0] / p[2]) - np.log(prior[0] / prior[2]))
    np.testing.assert_allclose(ratios, ratios[0], atol=1e-9)


def test_the_fit_finds_planted_classes_and_shrinks_with_the_ridge():
    build = script("build_phenotype_model")
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, 600)
    x = rng.standard_normal((600, 4))
    x[:, 0] += 1.5 * (y == 0) - 1.5 * (y == 2)
    p = build.predict(build.fit(x[:300], y[:300], 3.0), x[300:])
    assert (p.argmax(axis=1) == y[300:]).mean() > 0.6
    assert abs(build.fit(x, y, 300.0)[2][:, 1]).sum() < abs(build.fit(x, y, 1.0)[2][:, 1]).sum()
    fold = build.folds_of(y, 5, rng)
    assert max(abs((fold == k).sum() - 120) for k in range(5)) <= 3


def test_the_judgement_of_the_verification_knows_good_from_bad():
    judge = script("phenotype", "verification").judge
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, 300)
    sharp = 0.02 + 0.94 * np.eye(3)[y]
    blind = np.full((300, 3), 1.0 / 3.0) + 1e-6 * rng.standard_normal((300, 3))
    good, bad = judge([sharp], y), judge([blind], y)
    assert good["balanced"][0] == 1.0
    assert bad["balanced_even"][0] < 0.45
    assert good["log_loss"] < 0.1 < bad["log_loss"]


@pytest.mark.realdata
def test_shipped_model_on_the_labels_it_was_fitted_on(shared_data):
    """Fitted on these tumors, so this is no performance: that is in docs/validation.md (0.70, and 0.67 by argmax)."""
    knowledge = load_knowledge()
    cohort = [p for p in read_cohort(shared_data / "imvigor210", knowledge) if "immune_phenotype" in p.clinical]
    hidden = [replace(p, clinical={k: v for k, v in p.clinical.items() if k != "immune_phenotype"}) for p in cohort]
    found = [p.phenotype for p in profile_cohort(hidden, knowledge)]
    labels = [str(p.clinical["immune_phenotype"]).lower() for p in cohort]
    recall = [np.mean([f == n for f, label in zip(found, labels, strict=True) if label == n]) for n in PHENOTYPES]
    assert np.mean(recall) > 0.62
