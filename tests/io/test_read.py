"""Reading: one vocabulary out of many, and each sample by itself."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from io_cohorts import CLINICAL, expression, expression_text, write_cohort, write_patient
from tumornexus.io import Cohort, read_cohort, read_patient
from tumornexus.io.clinical import tumor_mutational_burden, typed_facts
from tumornexus.io.consequence import classify, one_letter
from tumornexus.io.expression import detect_scale, linear, map_symbols
from tumornexus.io.hla import homozygous_loci, read_alleles
from tumornexus.io.mutations import read_mutations, variant_notes
from tumornexus.knowledge import load_knowledge


def same(a, b) -> bool:
    """Whether two patients hold the same measurements."""
    tables = all(
        (x is None) == (y is None) and (x is None or x.equals(y))
        for x, y in ((a.expression, b.expression), (a.mutations, b.mutations), (a.copy_number, b.copy_number))
    )
    return tables and (a.sample, a.tumor, a.clinical, a.hla, a.mutation_assay) == (
        b.sample,
        b.tumor,
        b.clinical,
        b.hla,
        b.mutation_assay,
    )


def test_cohort_reads_what_is_there(tmp_path):
    cohort = read_cohort(write_cohort(tmp_path))
    first, second, third = cohort
    assert cohort.samples == ("P1", "P2", "P3")
    assert (first.patient, first.tumor, third.tumor) == ("01", "melanoma", "nsclc")
    assert first.clinical["tmb_per_mb"] == 12.5
    assert "tmb_per_mb" not in second.clinical, "a burden of exactly zero is not measured"
    assert "age_year" not in second.clinical
    assert first.hla == ("A*02:01", "A*02:01", "B*07:02", "B*08:01", "C*07:01", "C*07:02")
    assert second.hla is None
    assert third.mutations is None, "no row: not sequenced"
    assert list(first.mutations["protein_change"]) == ["V600E", "L15Ffs*41"]
    assert list(first.mutations["variant_class"]) == ["missense", "truncating"]


def test_sample_reads_the_same_alone(tmp_path):
    folder = write_cohort(tmp_path)
    for patient in read_cohort(folder):
        assert same(patient, read_patient(folder, patient.sample))


def test_row_order_does_not_matter(tmp_path):
    rows = expression()
    shuffled = {g: rows[g] for g in np.random.default_rng(1).permutation(list(rows))}
    a = read_cohort(write_cohort(tmp_path / "a"))
    b = read_cohort(write_cohort(tmp_path / "b", expression=expression_text(shuffled)))
    assert all(same(x, y) for x, y in zip(a, b, strict=True))


def test_gene_missing_in_one_sample_is_not_measured_there(tmp_path):
    rows = expression()
    rows["CD8A"] = [rows["CD8A"][0], "", "NaN"]
    first, second, third = read_cohort(write_cohort(tmp_path, expression=expression_text(rows)))
    assert np.isfinite(first.expression["CD8A"])
    assert np.isnan(second.expression["CD8A"])
    assert np.isnan(third.expression["CD8A"])
    assert any("not measured" in n for n in second.notes)


def test_ids_keep_their_zeros(tmp_path):
    text = CLINICAL.replace("P1\t", "0471\t")
    rows = expression_text(expression(), ("0471", "P2", "P3"))
    cohort = read_cohort(write_cohort(tmp_path, clinical=text, expression=rows))
    assert cohort.samples[0] == "0471"
    assert read_patient(tmp_path, "0471").expression is not None


def test_patient_folder(tmp_path):
    rows = expression(("P1",))
    folder = write_patient(
        tmp_path,
        'sample = "P1"\ntumor = "clear-cell renal carcinoma"\nexpression = "rna.tsv"\nhla = ["A*02:01", "A*03:01"]\n'
        "[facts]\ntmb_per_mb = 3.0\nmsi_high = false\nldh_uln_ratio = 1.4\npo2_mmhg = 6.0\n",
        rna_dot_tsv=expression_text(rows, ("value",)),
        mutations_dot_tsv="gene\tprotein_change\tconsequence\n",
    )
    patient = read_patient(folder)
    assert patient.tumor == "rcc"
    assert patient.clinical["tmb_per_mb"] == 3.0
    assert patient.clinical["msi_high"] is False
    assert patient.clinical["po2_mmhg"] == 6.0
    assert patient.hla == ("A*02:01", "A*03:01")
    assert patient.mutations is not None
    assert patient.mutations.empty, "an empty table: sequenced, nothing found"
    assert patient.expression is not None


def test_scale_is_detected_per_sample():
    rng = np.random.default_rng(0)
    tpm = rng.lognormal(1, 2, 500)
    assert detect_scale(tpm) == "tpm"
    assert detect_scale(np.log2(tpm + 1)) == "log2_tpm"
    assert detect_scale(np.round(tpm * 30)) == "counts"
    back, scale, _ = linear(np.log2(tpm + 1), "P1", None, None)
    assert scale == "log2_tpm"
    np.testing.assert_allclose(back, tpm, rtol=1e-9)
    back, _, _ = linear(np.log2(tpm + 0.001), "P1", None, "log2_tpm_0.001")
    np.testing.assert_allclose(back, tpm, atol=1e-9)
    counts, scale, note = linear(np.round(tpm * 30), "P1", None, "umi_counts")
    assert (scale, round(counts.sum())) == ("umi_counts", 1_000_000)
    assert "million" in note
    lengths = np.full(500, 1000.0)
    np.testing.assert_allclose(linear(np.round(tpm * 30), "P1", None, None, lengths)[0], counts)


def test_alias_gives_way_to_the_approved_row():
    genes = SimpleNamespace(approved={"CD8A": "CD8A", "CTGF": "CCN2", "CCN2": "CCN2"}.get, is_mouse=lambda s: False)
    mapping = map_symbols(["CTGF", "ODD", "CCN2", "CD8A"], genes, None)
    assert list(mapping.symbols) == ["CCN2", "CD8A", "ODD"]
    assert list(mapping.rows) == [2, 3, 1]
    assert (mapping.renamed, mapping.merged, mapping.unmapped) == (1, 1, 1)


@pytest.mark.parametrize(
    ("word", "change", "expected"),
    [
        ("missense_variant&splice_region_variant", "p.Pro437Leu", "missense"),
        ("stop_gained", "p.Arg661*", "truncating"),
        ("splice_acceptor_variant&intron_variant", None, "splice"),
        ("start_lost", "p.Met1?", "truncating"),
        ("protein_protein_contact", None, "other"),
        ("Missense", "p.V600E", "missense"),
        ("Nonsense", "p.W313*", "truncating"),
        ("Splice Site", "p.P329S", "splice"),
        ("Splice Site", "p.W313*", "truncating"),
        ("Frameshift", "p.-1200fs", "truncating"),
        ("Deletion", "p.E404del", "missense"),
        ("likely_short", "p.E466*", "truncating"),
        ("known_short", "p.S249C", "missense"),
        ("known_short", "splice site 730-1G>C", "splice"),
        ("coding (missense/other)", "p.R557W", "missense"),
        ("unannotated in source", None, "other"),
    ],
)
def test_three_vocabularies_give_one(word, change, expected):
    assert classify(word, one_letter(change)) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("p.Val600Glu", "V600E"), ("p.V600E", "V600E"), ("R100G", "R100G"), ("p.Tyr30Ter", "Y30*")]
)
def test_one_spelling_of_protein_changes(text, expected):
    assert one_letter(text) == expected


def test_panel_report(tmp_path):
    path = tmp_path / "mutations.tsv"
    path.write_text(
        "sample\tpatient\tgene\tprotein_change\tconsequence\talteration\n"
        "P1\tP1\tAPC\tc.1396G>T_p.E466*\tlikely_short\tc.1396G>T_p.E466*(0.42,220); c.100A>T_p.K34M(0.1,50)\n"
        "P1\tP1\tCDKN2A\tloss\tdeletion\tloss(0, exons 5 of 5)\n"
        "P1\tP1\tCCND1\tamplification\tgain\tamplification(7, exons 5 of 5)\n"
    )
    table, assay, _ = read_mutations(path, load_knowledge().genes)
    assert assay == "panel"
    assert list(table["variant_class"]) == ["truncating", "missense", "deletion", "amplification"]
    assert list(table["protein_change"][:2]) == ["E466*", "K34M"]
    assert list(table["vaf"][:2]) == [0.42, 0.1]
    assert list(table["copies"][2:]) == [0.0, 7.0]
    assert any("panel" in n for n in variant_notes(table, assay))


@pytest.mark.parametrize(
    "text", ["[A*02:01, HLA-A03:01]", "HLA-A*02:01;A0301", "A0201,A0301", "A*02:01:01;A*03:01:01:02N"]
)
def test_hla_spellings(text):
    assert read_alleles(text, None) == ("A*02:01", "A*03:01")


def test_homozygous_only_where_listed_twice():
    assert homozygous_loci(("A*02:01", "A*02:01", "B*07:02", "C*07:01", "C*07:02")) == (("A",), ("A", "C"))


def test_mutational_burden_rule():
    assert tumor_mutational_burden(None, None) == (None, None)
    assert tumor_mutational_burden(0.0, 0.0)[0] is None
    assert "not measured" in tumor_mutational_burden(0.0, None)[1]
    assert tumor_mutational_burden(10.0, 380.0)[0] == 10.0
    assert tumor_mutational_burden(9.6, 643.0)[0] == pytest.approx(643 / 38)
    assert tumor_mutational_burden(5.04, 4.0)[0] == 5.04, "a panel count is not an exome count"


def test_anndata_is_read_by_shape_alone():
    rows = expression()
    values = np.array([[float(c) for c in v] for v in rows.values()])
    obs = pd.DataFrame({"TMB_perMb": [3.0, np.nan, 7.0]}, index=["P1", "P2", "P3"])
    adata = SimpleNamespace(X=values.T, obs=obs, obs_names=obs.index, var_names=pd.Index(list(rows)), uns={})
    cohort = Cohort.from_anndata(adata, tumor="melanoma")
    assert cohort.samples == ("P1", "P2", "P3")
    assert cohort.patient("P3").clinical["tmb_per_mb"] == 7.0
    assert adata.X is values.T.base or adata.X.shape == (3, len(rows))
    np.testing.assert_array_equal(cohort.patient("P2").expression.loc["CD8A"], float(rows["CD8A"][1]))


def test_the_burden_that_a_panel_reports_comes_before_one_divided_out_of_its_list():
    """A list of panel variants may hold known drivers only; its count and quotient are far from the burden."""
    row = {"x_FMOne_mutation_burden_per_MB": "16", "TMB_perMb": "5.04", "nsTMB": "4"}
    assert typed_facts(row, Path("clinical.tsv"))[0]["tmb_per_mb"] == 16.0
    without = {**row, "x_FMOne_mutation_burden_per_MB": ""}
    assert typed_facts(without, Path("clinical.tsv"))[0]["tmb_per_mb"] == 5.04


@pytest.mark.parametrize(("written", "read"), [("1.0", True), ("0", False), ("yes", True), ("", None)])
def test_earlier_systemic_therapy_is_a_flag(written, read):
    facts, _ = typed_facts({"Systemic_therapy_history": written}, Path("clinical.tsv"))
    assert facts.get("prior_systemic_therapy") is read
