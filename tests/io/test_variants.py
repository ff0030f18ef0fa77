"""Variants of tables, MAF and VCF: the same variants are the same evidence, and what cannot be read is said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tumornexus.errors import InputError
from tumornexus.io import read_cohort, read_patient
from tumornexus.io.annotation import csq_fields, effect_of, entries_of, vep_alleles
from tumornexus.io.builds import find_build, plain_chromosome, read_build
from tumornexus.io.consequence import classify
from tumornexus.io.vcf import tumor_column
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import profile_patient
from variants import VARIANTS, csq, header, maf_text, table_text, vcf_text, write_patient_with


def need_cyvcf2() -> None:
    pytest.importorskip("cyvcf2", reason="VCF is read through cyvcf2, an extra of this package")


def patient_of(tmp_path, name: str, text: str, settings: str = ""):
    return read_patient(write_patient_with(tmp_path / name, name, text, settings))


def facts(patient) -> pd.DataFrame:
    """What evidence rests on, without the source's own words."""
    table = patient.mutations.drop(columns=["consequence"]).sort_values("gene").reset_index(drop=True)
    return table.astype({"protein_change": object})


def evidence(patient) -> list[tuple[object, ...]]:
    profile = profile_patient(patient, load_knowledge())
    every = [e for items in profile.evidence.values() for e in items if e.input == "mutation"]
    rows = [(e.mechanism, e.biomarker, e.measured, e.value, e.llr, e.note) for e in every]
    activity = [(n, a.mean, *a.interval()) for n, a in profile.activities.by_mechanism.items()]
    return rows + activity


def test_table_and_maf_give_equal_evidence(tmp_path):
    table = patient_of(tmp_path, "mutations.tsv", table_text())
    maf = patient_of(tmp_path, "mutations.maf", maf_text())
    pd.testing.assert_frame_equal(facts(table), facts(maf))
    found = evidence(table)
    assert evidence(maf) == found
    values = {r[0]: r[3] for r in found if len(r) == 6 and r[3] not in (None, "none found")}
    said = " ".join(str(v) for v in values.values())
    for gene in (
        "B2M L15Ffs*41",
        "JAK1 R659*",
        "JAK2 splice",
        "PTEN R130*",
        "STK11 P179Tfs*3",
        "CTNNB1 S45F",
        "BRAF V600E",
    ):
        assert gene in said, f"{gene} is not among {values}"


@pytest.mark.parametrize("tag", ["CSQ", "ANN"])
def test_vcf_gives_the_evidence_of_the_table(tmp_path, tag):
    need_cyvcf2()
    table = patient_of(tmp_path, "mutations.tsv", table_text())
    vcf = patient_of(tmp_path, "mutations.vcf", vcf_text(tag=tag))
    pd.testing.assert_frame_equal(facts(table), facts(vcf))
    assert evidence(vcf) == evidence(table)


def test_silent_variant_does_not_hide_a_gene(tmp_path):
    """A synonymous change in STAT1 says that the gene was read, not that its consequence is unknown."""
    silent = patient_of(tmp_path, "mutations.tsv", table_text([v for v in VARIANTS if v.gene == "STAT1"]))
    nothing = patient_of(tmp_path / "b", "mutations.tsv", table_text([]))
    assert list(silent.mutations["variant_class"]) == ["silent"]
    rows = {r[:2]: r[2:] for r in evidence(silent) if len(r) == 6}
    assert rows == {r[:2]: r[2:] for r in evidence(nothing) if len(r) == 6}


@pytest.mark.parametrize(
    ("word", "change", "expected"),
    [
        ("Silent", "L15=", "silent"),
        ("synonymous_variant", "L15L", "silent"),
        ("splice_region_variant&intron_variant", None, "silent"),
        ("splice_region_variant&missense_variant", "P1L", "missense"),
        ("5'UTR", None, "silent"),
        ("disruptive_inframe_deletion", "E404del", "missense"),
        ("Splice_Site", "X321_splice", "splice"),
        ("coding_sequence_variant", None, "other"),
    ],
)
def test_words_of_all_vocabularies(word, change, expected):
    assert classify(word, change) == expected


def test_vep_spells_indels_without_the_shared_base():
    assert vep_alleles("CTC", ["C"]) == ["-"]
    assert vep_alleles("C", ["CA", "T"]) == ["CA", "T"], "no shared first base: alleles stay whole"
    assert vep_alleles("CA", ["C", "CAA"]) == ["-", "AA"]
    assert vep_alleles("A", ["T", "G"]) == ["T", "G"]


def test_the_transcript_that_speaks_for_an_allele():
    fields = csq_fields(
        "Consequence. Format: Allele|Consequence|SYMBOL|Gene|Feature_type|Feature|BIOTYPE|HGVSp|CANONICAL"
    )
    assert fields is not None
    text = (
        "T|stop_gained|PTEN|E1|Transcript|a|nonsense_mediated_decay|p.Arg1Ter|,"
        "T|intron_variant|PTEN|E1|Transcript|b|protein_coding||,"
        "T|missense_variant|PTEN|E1|Transcript|c|protein_coding|x:p.Arg130Gln|YES,"
        "T|stop_gained|PTEN|E1|Transcript|d|protein_coding|x:p.Arg1Ter|,"
        "T|upstream_gene_variant|KLLN|E2|Transcript|e|protein_coding||YES"
    )
    effect = effect_of(entries_of(text, fields))
    assert effect is not None
    assert (effect.symbol, effect.change) == ("PTEN", "x:p.Arg130Gln"), (
        "of the gene hit hardest, the canonical transcript"
    )
    assert effect_of(entries_of(text.split(",")[0], fields)) is None, "no protein-coding transcript"


def test_multiallelic_line_is_taken_apart(tmp_path):
    need_cyvcf2()
    one, two = (v for v in VARIANTS if v.gene in ("BRAF", "CTNNB1"))
    info = (
        csq(one, "T") + "," + csq(dataclasses.replace(two, gene="BRAF", change="p.Val600Gly"), "C").removeprefix("CSQ=")
    )
    line = f"7\t140753336\t.\tA\tT,C,G\t.\tPASS\t{info}\tGT:AD\t0/1:50,30,20,0\n"
    patient = patient_of(tmp_path, "m.vcf", header() + line)
    assert list(patient.mutations["protein_change"]) == ["S45F", "V600G"]
    np.testing.assert_allclose(patient.mutations["vaf"], [0.3, 0.2])
    assert list(patient.mutations["depth"]) == [100.0, 100.0]
    assert any("1 of 3 alleles have no read in the tumor sample" in n for n in patient.notes)


def test_what_is_left_out_is_counted(tmp_path):
    need_cyvcf2()
    braf = csq(next(v for v in VARIANTS if v.gene == "BRAF"))
    lines = (
        f"7\t100\t.\tA\tT\t.\tgermline\t{braf}\tGT:AD\t0/1:50,50\n"
        "7\t200\t.\tA\tT\t.\tPASS\t.\tGT:AD\t0/1:50,50\n"
        f"7\t300\t.\tA\t<DEL>\t.\tPASS\t{braf}\tGT:AD\t0/1:50,50\n"
        "7\t400\t.\tA\tT\t.\tPASS\tCSQ=T|intergenic_variant|MODIFIER|||||||||\tGT:AD\t0/1:50,50\n"
        f"7\t500\t.\tA\tT\t.\t.\t{braf}\tGT:AF:DP\t0/1:0.25:80\n"
        f"7\t600\t.\tA\tT\t.\t.\t{braf}\tGT\t0/1\n"
    )
    patient = patient_of(tmp_path, "m.vcf", header() + lines)
    assert len(patient.mutations) == 2
    assert list(patient.mutations["vaf"].round(6).fillna(-1)) == [0.25, -1]
    assert patient.mutations["depth"].iloc[0] == 80
    said = "\n".join(patient.notes)
    for words in (
        "failed the caller's filters",
        "carry no annotation",
        "symbolic",
        "no protein-coding",
        "neither AD nor AF",
    ):
        assert words in said
    assert said.count("1 of 6 alleles") == 4


def test_tumor_sample_is_named_or_refused(tmp_path):
    need_cyvcf2()
    two = vcf_text(samples=("A", "B"), tumor="B")
    with pytest.raises(InputError, match="does not say which is the tumor") as caught:
        patient_of(tmp_path / "1", "m.vcf", two)
    assert "A, B" in str(caught.value)
    named = patient_of(tmp_path / "2", "m.vcf", two, 'tumor_sample = "B"\n')
    assert len(named.mutations) == len(VARIANTS)
    normal = patient_of(tmp_path / "3", "m.vcf", two, 'tumor_sample = "A"\n')
    assert normal.mutations.empty, "the normal sample carries none"
    with pytest.raises(InputError, match="no column of the VCF"):
        patient_of(tmp_path / "4", "m.vcf", two, 'tumor_sample = "C"\n')


def test_rules_for_the_tumor_column():
    assert tumor_column(["x"], "", "P1", None, None) == 0
    assert tumor_column([], "", "P1", None, None) is None
    assert tumor_column(["n", "t"], "##tumor_sample=t\n", "P1", None, None) == 1
    assert tumor_column(["P1", "n"], "", "P1", None, None) == 0
    assert tumor_column(["NORMAL", "TUMOR"], "", "P1", None, None) == 1


def test_vcf_without_annotation_or_on_another_build(tmp_path):
    need_cyvcf2()
    bare = header("") + "7\t200\t.\tA\tT\t.\tPASS\t.\tGT:AD\t0/1:50,50\n"
    with pytest.raises(InputError, match="no annotation of genes"):
        patient_of(tmp_path / "1", "m.vcf", bare)
    with pytest.raises(InputError, match="declared as GRCh37, but the file states GRCh38"):
        patient_of(tmp_path / "2", "m.vcf", vcf_text(), 'genome_build = "hg19"\n')
    mixed = vcf_text(extra='##VEP="v110" assembly="GRCh37.p13" db="x"\n')
    with pytest.raises(InputError, match="states two genome builds"):
        patient_of(tmp_path / "3", "m.vcf", mixed)
    with pytest.raises(InputError, match="cannot be read"):
        patient_of(tmp_path / "4", "m.vcf", "this is no VCF\n")
    cut = vcf_text().rsplit("\t", 3)[0]
    with pytest.raises(InputError, match="cannot be read after"):
        patient_of(tmp_path / "5", "m.vcf", cut)


def test_missing_cyvcf2_says_which_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cyvcf2", None)
    with pytest.raises(InputError, match=r"tumornexus\[vcf\]"):
        patient_of(tmp_path, "m.vcf", vcf_text())


def test_maf_on_another_build_and_filters(tmp_path):
    with pytest.raises(InputError, match="declared as GRCh38, but the file states GRCh37"):
        patient_of(tmp_path / "1", "m.maf", maf_text(build="hg19"), 'genome_build = "GRCh38"\n')
    lines = maf_text().splitlines()
    filtered = "\n".join(
        [lines[0], lines[1] + "\tFILTER", *(f"{x}\t{'PASS' if i else 'germline'}" for i, x in enumerate(lines[2:]))]
    )
    patient = patient_of(tmp_path / "2", "m.maf", filtered + "\n")
    assert "B2M" not in set(patient.mutations["gene"])
    assert any(f"1 of {len(VARIANTS)} variants failed" in n for n in patient.notes)
    other = patient_of(tmp_path / "3", "m.maf", maf_text(barcode="TCGA-01"))
    assert len(other.mutations) == len(VARIANTS), "one barcode only: this patient's"
    assert any("TCGA-01" in n for n in other.notes)
    two = maf_text(barcode="A") + maf_text(barcode="B").split("\n", 2)[2]
    with pytest.raises(InputError, match="several samples"):
        patient_of(tmp_path / "4", "m.maf", two)
    assert len(patient_of(tmp_path / "5", "m.maf", two, 'tumor_sample = "B"\n').mutations) == len(VARIANTS)


def test_cohort_reads_maf_and_a_folder_of_vcf(tmp_path):
    need_cyvcf2()
    clinical = "sample\tcancer_type\nP1\tmelanoma\nP2\tmelanoma\n"
    for name in ("maf", "vcf"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "clinical.tsv").write_text(clinical)
    (tmp_path / "maf" / "mutations.maf").write_text(maf_text())
    (tmp_path / "vcf" / "vcf").mkdir()
    (tmp_path / "vcf" / "vcf" / "P1.vcf").write_text(vcf_text())
    maf, vcf = read_cohort(tmp_path / "maf"), read_cohort(tmp_path / "vcf")
    pd.testing.assert_frame_equal(facts(maf.patient("P1")), facts(vcf.patient("P1")))
    assert maf.patient("P2").mutations is None
    assert vcf.patient("P2").mutations is None
    (tmp_path / "maf" / "mutations.tsv").write_text("sample\tgene\tconsequence\nP1\tBRAF\tmissense_variant\n")
    with pytest.raises(InputError, match="several files of variants"):
        read_cohort(tmp_path / "maf")


def test_names_of_builds_and_chromosomes():
    assert [read_build(b, None) for b in ("hg38", "38", "GRCh38.p14", "b37", "hs37d5")] == ["GRCh38"] * 3 + [
        "GRCh37"
    ] * 2
    assert find_build("file:///ref/hg19.fa") == "GRCh37"
    assert find_build("liftover hg19 to hg38") is None
    assert [plain_chromosome(c) for c in ("chr7", "7", "chrX", "23", "chrM")] == ["7", "7", "X", "X", "MT"]
    with pytest.raises(InputError, match="unknown genome build"):
        read_build("mm10", None)
