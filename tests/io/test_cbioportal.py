"""A study folder of cBioPortal is read as it stands, and agrees with the same data as a cohort folder."""

from __future__ import annotations

import pytest

from io_cohorts import expression, genes
from tumornexus.errors import InputError
from tumornexus.io import read_cohort, read_patient
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import profile_patient
from variants import maf_text

SAMPLE = (
    "#Patient\tSample\tType\tDetail\tCode\tTMB\tPurity\tMSI\n#x\n#STRING\n#1\n"
    "PATIENT_ID\tSAMPLE_ID\tCANCER_TYPE\tCANCER_TYPE_DETAILED\tONCOTREE_CODE\tTMB_NONSYNONYMOUS\tTUMOR_PURITY\tMSI_TYPE\n"
    "01\tP1\tMelanoma\tCutaneous Melanoma\tSKCM\t12.5\t60\tStable\n"
    "02\tP2\tMelanoma\tMelanoma\t\t\t\tInstable\n"
    "03\tP3\tSalivary Gland Cancer\tAcinic Cell\tACCC\t1\t\t\n"
    "04\tP4\tMelanoma\tMelanoma\tMEL\t3\t\tIndeterminate\n"
)
PATIENT = (
    "#Patient\tSurvival\n#x\n#STRING\n#1\nPATIENT_ID\tAGE\tSEX\tOS_MONTHS\tOS_STATUS\tPFS_MONTHS\tPFS_STATUS\n"
    "01\t60\tMale\t12\t1:DECEASED\t2\t1:PROGRESSION\n02\t>89\tFemale\t24\t0:LIVING\t\t\n03\t50\tMale\t1\tDECEASED\t\t\n"
)
CNA = "Hugo_Symbol\tEntrez_Gene_Id\tP1\tP2\nPTEN\t5728\t-2\t0\nB2M\t567\t0\t-1\n"


def study(folder, **more: str | None):
    rows = expression(("P1", "P2"))
    mrna = "Hugo_Symbol\tEntrez_Gene_Id\tP1\tP2\n" + "".join(f"{g}\t1\t{a}\t{b}\n" for g, (a, b) in rows.items())
    first = next(iter(rows))
    mrna += f"\t77\t1.5\t2.5\n{first}\t78\t9.5\t9.5\n"
    files = {
        "data_clinical_sample": SAMPLE, "data_clinical_patient": PATIENT, "data_cna": CNA,
        "data_mutations": maf_text(), "data_mrna_seq_tpm": mrna,
        "data_mrna_seq_tpm_all_sample_Zscores": mrna.replace("\t1\t", "\t-1\t"),
        "meta_study": "type_of_cancer: mel\nreference_genome: hg38\n", **more,
    }  # fmt: skip
    (folder / "case_lists").mkdir(parents=True)
    (folder / "case_lists" / "cases_sequenced.txt").write_text("stable_id: x\ncase_list_ids: P1\tP2\n")
    for name, text in files.items():
        if text is not None:
            (folder / f"{name}.txt").write_text(text)
    return folder


def test_study_is_read_as_it_stands(tmp_path):
    cohort = read_cohort(study(tmp_path / "s"))
    assert cohort.samples == ("P1", "P2", "P4")
    one, two, four = cohort
    assert one.tumor == "melanoma"
    assert (one.clinical["tmb_per_mb"], one.clinical["purity"], one.clinical["msi_high"]) == (12.5, 0.6, False)
    assert one.clinical["OS_days"] == pytest.approx(365.25)
    assert str(one.clinical["OS_event"]) == "1"
    assert (two.clinical["msi_high"], "age_year" in two.clinical, "tmb_per_mb" in two.clinical) == (True, False, False)
    assert "msi_high" not in four.clinical
    assert len(one.mutations) == 8
    assert two.mutations.empty, "sequenced, nothing found"
    assert four.mutations is None, "not in the list of sequenced cases"
    assert dict(zip(one.copy_number["gene"], one.copy_number["call"], strict=True))["PTEN"] == "deletion"
    assert four.copy_number is None
    assert set(one.expression.index) == set(genes())
    assert four.expression is None
    said = "\n".join(cohort.notes)
    for words in ("1 samples of cancer types not covered", "name no gene", "a second time", "1 values of AGE"):
        assert words in said
    assert profile_patient(one, load_knowledge()).activities.by_mechanism["b2m_loss"].presence > 0.5


def test_study_equals_the_cohort_folder(tmp_path):
    """The same tables in both kinds of folder give the same activities."""
    found = read_cohort(study(tmp_path / "s")).patient("P1")
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / "clinical.tsv").write_text(
        "sample\tpatient\tcancer_type\tTMB_perMb\tage\tpurity\tmsi_high\nP1\t01\tmelanoma\t12.5\t60\t0.6\tno\n"
    )
    rows = expression(("P1", "P2"))
    (folder / "expression.tsv").write_text("gene\tP1\n" + "".join(f"{g}\t{a}\n" for g, (a, _) in rows.items()))
    (folder / "mutations.maf").write_text(maf_text())
    (folder / "cna.tsv").write_text("gene\tP1\nPTEN\t-2\nB2M\t0\n")
    other = read_cohort(folder).patient("P1")
    a, b = (profile_patient(p, load_knowledge()).activities.by_mechanism for p in (found, other))
    assert {n: x.mean for n, x in a.items()} == {n: x.mean for n, x in b.items()}


def test_one_sample_of_a_study(tmp_path):
    folder = study(tmp_path / "s")
    alone, whole = read_patient(folder, "P2"), read_cohort(folder).patient("P2")
    assert alone.expression.equals(whole.expression)
    assert alone.clinical == whole.clinical
    assert alone.copy_number.equals(whole.copy_number)
    with pytest.raises(InputError, match="not in this cohort"):
        read_patient(folder, "P9")
    with pytest.raises(InputError, match="no sample has a cancer type"):
        read_patient(folder, "P3")


def test_what_a_study_lacks(tmp_path):
    with pytest.raises(InputError, match="declared as GRCh37"):
        read_cohort(study(tmp_path / "a", meta_study="reference_genome: hg19\n"))
    rsem = study(tmp_path / "b", data_mrna_seq_tpm=None, data_mrna_seq_v2_rsem="Hugo_Symbol\tP1\nB2M\t1000.5\n")
    cohort = read_cohort(rsem)
    assert cohort.patient("P1").expression is None
    assert any("gene_lengths" in n for n in cohort.notes)
    panel = study(tmp_path / "c", data_gene_panel_matrix="SAMPLE_ID\tmutations\nP1\tWES\nP2\tIMPACT468\n")
    assert [p.mutation_assay for p in read_cohort(panel)] == ["exome", "panel", "exome"]
    with pytest.raises(InputError, match="required column"):
        read_cohort(study(tmp_path / "d", data_clinical_sample="SAMPLE\nP1\n"))
