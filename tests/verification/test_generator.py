"""The generator of synthetic patients keeps its promises: independence, truth, realism, repeatability."""

from __future__ import annotations

import gzip
import tomllib
from pathlib import Path

import numpy as np
import pytest

from by_path import script

ROOT = Path(__file__).resolve().parents[2]


synthetic = script("synthetic", "verification")


@pytest.fixture(scope="module")
def cohort():
    """Forty patients of one seed."""
    return synthetic.generate_cohort(40, seed=11)


def test_no_gene_list_is_a_biomarker_list():
    from tumornexus.knowledge import load_knowledge

    synthetic.assert_independent(load_knowledge())


def test_a_patient_depends_on_seed_and_index_only(cohort):
    again = synthetic.generate_patient(11, 17)
    assert again.truth == cohort[17].truth
    assert again.mutations == cohort[17].mutations
    np.testing.assert_array_equal(again.expression, cohort[17].expression)
    assert not np.array_equal(synthetic.generate_patient(12, 17).expression, again.expression)


def test_truth_is_what_the_design_says(cohort):
    counts = np.array([len(set(p.truth) & set(synthetic.PLANTS)) for p in cohort])
    nothing = np.mean(counts == 0)
    assert 0.05 <= nothing <= 0.4  # a fifth of 40, within 2.4 standard errors
    assert counts[counts > 0].min() >= synthetic.PLANTED[0]
    assert counts.max() <= synthetic.PLANTED[1]
    assert all(0.0 < extent <= 1.0 for p in cohort for extent in p.truth.values())
    for name, fact in synthetic.FROM_FACTS.items():
        assert {bool(p.clinical[fact]) for p in cohort} == {True, False}
        assert all((name in p.truth) == bool(p.clinical[fact]) for p in cohort)
    assert all(sum(p.fractions.values()) == pytest.approx(1.0, abs=1e-3) for p in cohort)


def test_expression_is_a_library_of_reads_per_million(cohort):
    for patient in cohort[:5]:
        assert patient.expression.sum() == pytest.approx(1e6)
        assert patient.expression.min() >= 0.0
        assert 0.0 < np.mean(patient.expression == 0.0) < 0.5


@pytest.mark.parametrize("mechanism", [m for m, p in synthetic.PLANTS.items() if p.sign])
def test_full_extent_moves_the_program_by_one_to_two_log2(mechanism):
    """Same patient with and without the mechanism: the program's leading genes move by what is declared."""
    stats = synthetic.statistics()
    plant = synthetic.PLANTS[mechanism]
    tumor = next(t for t in synthetic.TUMORS if plant.prevalence[t] > 0.0)
    response = stats.program[mechanism]
    leading = np.argsort(-response)[:15]
    rng = [np.random.default_rng(5) for _ in range(2)]
    none = np.zeros(len(stats.gene))
    absent, present = (
        np.log2(synthetic._expression(r, stats, tumor, none, t, stats.fraction, {}) + 0.5)
        for r, t in zip(rng, ({}, {mechanism: 1.0}), strict=True)
    )
    expressed = leading[stats.level[tumor][leading] > 0.0]
    unit = np.mean((present - absent)[expressed]) / np.mean(response[expressed]) * plant.sign
    low, high = synthetic.FULL_EXTENT_LOG2
    assert 0.6 * low <= unit <= 1.3 * high  # patient-wise detail, counting noise and composition included


def test_allele_fraction_follows_purity_and_clonal_fraction():
    """Two truncations show p c / 2 each; one beside a deleted copy shows p c / (2 - p c)."""
    two, one, copies = [], [], []
    for index in range(80):
        patient = synthetic.generate_patient(3, index, tumor="melanoma", truth={"b2m_loss": 0.6}, purity=0.7)
        seen = [float(m["t_vaf"]) for m in patient.mutations if m["gene"] == "B2M" and "Ter" in m["protein_change"]]
        (two if len(seen) == 2 else one).extend(seen)
        copies += [c for g, c in patient.copies if g == "B2M"]
    assert len(two) > 40
    assert len(one) > 20
    assert np.mean(two) == pytest.approx(0.7 * 0.6 / 2, abs=0.02)
    assert np.mean(one) == pytest.approx(0.7 * 0.6 / (2 - 0.7 * 0.6), abs=0.03)
    assert np.mean(copies) == pytest.approx(2 - 0.6, abs=0.05)


def test_homozygous_loci_are_planted_only_where_the_truth_says(cohort):
    for patient in cohort:
        pairs = zip(patient.hla[::2], patient.hla[1::2], strict=True)
        homozygous = sum(a == b for a, b in pairs)
        assert homozygous == round(3 * patient.truth.get("hla_homozygosity", 0.0))


def test_patients_without_planted_mechanisms_carry_no_truncation_of_a_cancer_gene():
    for index in range(40):
        patient = synthetic.generate_patient(21, index, truth={})
        rows = [m for m in patient.mutations if m["gene"] in synthetic.NO_PASSENGER_TRUNCATION]
        assert all(m["consequence"] == synthetic.MISSENSE for m in rows)


def test_demo_patient_is_regenerated_and_labelled(tmp_path):
    demo = script("make_demo_patient", "examples")
    demo.write_demo(tmp_path)
    stored = ROOT / "examples" / "demo_patient"
    names = sorted(p.name for p in stored.iterdir())
    assert names == sorted(p.name for p in tmp_path.iterdir())
    for name in names:  # contents and not archives: zlib versions may compress differently
        old, new = ((folder / name).read_bytes() for folder in (stored, tmp_path))
        if name.endswith(".gz"):
            old, new = gzip.decompress(old), gzip.decompress(new)
        assert old == new, name
    assert sum(p.stat().st_size for p in stored.iterdir()) < 1e6
    facts = tomllib.loads((stored / "patient.toml").read_text())
    truth = tomllib.loads((stored / "truth.toml").read_text())["mechanisms"]
    assert facts["synthetic"] is True
    assert truth == demo.TRUTH
