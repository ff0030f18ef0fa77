"""Laws of the profile on whole transcriptomes: what company, order, foreign and missing genes and scale may change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from by_path import script
from tumornexus.io.expression import linear
from tumornexus.io.patient import Patient
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import Profile, load_reference, profile_cohort, profile_patient
from tumornexus.profile.measure import score_sample
from tumornexus.profile.reference import panels

SAMPLES = 12


@pytest.fixture(scope="module")
def knowledge():
    return load_knowledge()


@pytest.fixture(scope="module")
def patients() -> list[Patient]:
    """Synthetic melanomas with the levels, spreads and factors of the reference, TPM."""
    reference = load_reference()
    rng = np.random.default_rng(11)
    own = np.sqrt(np.maximum(1.0 - (reference.loadings**2).sum(axis=1), 0.05))
    factors = rng.standard_normal((SAMPLES, reference.loadings.shape[1]))
    z = factors @ reference.loadings.T + own * rng.standard_normal((SAMPLES, len(own)))
    tpm = np.maximum(2.0 ** (reference.location + reference.scale * z) - 1.0, 0.0)
    index = pd.Index(reference.genes, name="gene")
    return [Patient(f"S{i}", f"S{i}", "melanoma", expression=pd.Series(row, index=index)) for i, row in enumerate(tpm)]


def numbers(profile: Profile) -> list[tuple[str, str, float, float, float]]:
    """Everything that says how active a mechanism is, to the last bit."""
    return [(n, a.origin, a.presence, a.alpha, a.beta) for n, a in profile.activities.by_mechanism.items()]


def of(patient: Patient, expression: pd.Series) -> Patient:
    return replace(patient, expression=expression)


def test_company_order_and_foreign_genes_change_no_bit(patients, knowledge):
    together = profile_cohort(patients, knowledge)
    backwards = profile_cohort(patients[::-1], knowledge)[::-1]
    for i in (0, SAMPLES - 1):
        patient, rng = patients[i], np.random.default_rng(i)
        shuffled = patient.expression.iloc[rng.permutation(len(patient.expression))]
        foreign = pd.Series(rng.lognormal(3.0, 3.0, 4000), index=[f"ENSG9{k:010d}" for k in range(4000)])
        variants = [patient, of(patient, shuffled), of(patient, pd.concat([foreign, patient.expression]))]
        expected = numbers(together[i])
        assert numbers(backwards[i]) == expected
        for variant in variants:
            assert numbers(profile_patient(variant, knowledge)) == expected


def test_missing_genes_move_activities_within_their_intervals(patients, knowledge):
    """10 % of genes at random; the width of the intervals is measured on cohorts (verification/missing_genes.py)."""
    missing_genes = script("missing_genes", "verification")
    table = missing_genes.compare(patients, "synthetic", knowledge)
    found = missing_genes.summarize(table)
    assert found["pairs"] > 20 * SAMPLES
    assert found["inside"] >= 0.9
    assert found["lost"] < 0.1
    assert (table["before"] != table["after"]).mean() > 0.5, "taking genes away does something"
    assert ((table["before"] >= table["low"]) & (table["before"] <= table["high"])).all()


def test_a_missing_gene_is_reported_where_it_is_read(patients, knowledge):
    kept = patients[0].expression.drop("CD8A")
    profile = profile_patient(of(patients[0], kept), knowledge)
    whole = profile_patient(patients[0], knowledge)
    for name, evidence in whole.evidence.items():
        for before, after in zip(evidence, profile.evidence[name], strict=True):
            if before.input == "expression":
                assert ("CD8A" in before.genes_measured) == ("CD8A" in after.genes_missing)


def test_tpm_and_log_tpm_give_the_same_activities(patients, knowledge):
    """To 1e-9, the rounding of one logarithm and its inverse."""
    for patient in patients[:3]:
        tpm = patient.expression
        back, scale, _ = linear(np.log2(tpm.to_numpy() + 1.0), "S", None, None)  # type: ignore[arg-type]
        assert scale == "log2_tpm"
        one, two = (
            numbers(profile_patient(of(patient, e), knowledge)) for e in (tpm, pd.Series(back, index=tpm.index))
        )
        for a, b in zip(one, two, strict=True):
            assert a[:2] == b[:2]
            np.testing.assert_allclose(a[2:], b[2:], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("factor", [0.01, 1000.0])
def test_a_panel_is_scaled_by_its_stable_genes(patients, knowledge, factor):
    """A panel of 1,800 genes finds the level of the whole sample from its stable genes, whatever its own unit."""
    reference = load_reference()
    rng = np.random.default_rng(4)
    read = {g for m in knowledge.mechanisms.values() for b in m.biomarker for g in (*b.genes, *b.genes_down)}
    read |= {g for genes in panels().values() for g in genes}
    stable = rng.choice([reference.genes[i] for i in reference.stable], 60, replace=False)
    filling = rng.choice(reference.genes, 1200, replace=False)
    read |= {*stable, *filling}
    genes = [g for g in reference.genes if g in read]
    assert 1400 < len(genes) < 2200
    expected, found = [], []
    for patient in patients:
        whole, part = (score_sample(e, reference) for e in (patient.expression, factor * patient.expression[genes]))
        assert part.offset - np.log2(factor) == pytest.approx(whole.offset, abs=0.35)
        assert not len(part.position), "no ranks within a panel"
        expected.append(whole.inflamed)
        found.append(part.inflamed)
    assert np.corrcoef(expected, found)[0, 1] > 0.95
    profile = profile_patient(of(patients[0], factor * patients[0].expression[genes]), knowledge)
    assert any("of the reference genes were measured" in n for n in profile.notes)
