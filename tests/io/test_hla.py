"""HLA types in every spelling, zygosity against counts by hand, and loss of alleles in the tumor."""

from __future__ import annotations

import pytest

from io_cohorts import write_cohort, write_patient
from tumornexus.errors import InputError
from tumornexus.io import read_cohort, read_patient
from tumornexus.io.hla import homozygous_loci, read_allele
from tumornexus.io.hla_loh import read_hla_loh
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import profile_patient

LOHHLA = "region\tHLA_A_type1\tHLA_A_type2\tHLA_type1copyNum_withBAFBin\tHLA_type2copyNum_withBAFBin\tPVal_unique\n"


@pytest.mark.parametrize(
    "text",
    ["HLA-A*02:01", "A*0201", "A0201", "HLA-A02:01", "hla_a_02_01", "A*02:01:01:01", "A*02:01:01:02L",
     "A*02:01N", "A*0201Q",
     "hla_a_02_01_01_01", "HLA-A*02:01:01G", " 'A*02:01' "],
)  # fmt: skip
def test_one_allele_in_any_spelling(text):
    assert read_allele(text, None) == "A*02:01"


def test_what_is_no_class_i_type():
    assert read_allele("DRB1*15:01", None) is None
    assert read_allele("B*15:220", None) == "B*15:220", "three digits in the second field"
    for text in ("A*02", "A*02:01:x", "hla_a", "A*020101", "A*02:01X"):
        with pytest.raises(InputError, match="malformed HLA allele"):
            read_allele(text, None)


def test_a_column_for_each_allele(tmp_path):
    text = "sample\tA1\tA2\tB1\tB2\tC1\tC2\nP1\tA*02:01\tA*02:01\tB*07:02\tB*08:01\tC*07:01\tC*07:02\n"
    cohort = read_cohort(write_cohort(tmp_path / "c", hla=text))
    assert cohort.patient("P1").hla == ("A*02:01", "A*02:01", "B*07:02", "B*08:01", "C*07:01", "C*07:02")
    rows = "allele\n" + "\n".join(["A*02:01", "A*02:01", "B*07:02", "B*08:01", "C*07:01", "C*07:02"]) + "\n"
    folder = write_patient(tmp_path / "p", 'sample = "P1"\ntumor = "melanoma"\n', hla_dot_tsv=rows)
    assert read_patient(folder).hla == cohort.patient("P1").hla


def lost(tmp_path, text: str, **more) -> dict:
    path = tmp_path / "hla_loh.tsv"
    path.write_text(text)
    return read_hla_loh(path, **more)


def test_lohhla(tmp_path):
    text = (
        LOHHLA
        + "P1\thla_a_02_01_01\thla_a_03_01_01\t0.1\t1.9\t0.0001\nP1\thla_b_07_02_01\thla_b_08_01_01\t1.0\t1.1\t0.4\n"
        + "P2\thla_a_02_01_01\thla_a_03_01_01\t0.45\t1.9\t0.2\nP3\thla_a_02_01_01\thla_a_02_01_01\tNA\tNA\tNA\n"
        + "P4\thla_a_02_01_01\thla_a_03_01_01\t0.4\t0.2\t0.001\n"
    )
    found = lost(tmp_path, text)
    assert {k: v[0] for k, v in found.items()} == {"P1": True, "P2": False, "P3": None, "P4": True}
    assert "A*02:01" in found["P1"][1]
    assert "A*03:01" in found["P4"][1], "of two alleles below the limit the lower one is lost"
    assert "2 judged" not in found["P2"][1]
    with pytest.raises(InputError, match="lacks a column"):
        lost(tmp_path, text.replace("PVal_unique", "PVal"))


def test_plain_list_of_losses(tmp_path):
    text = "sample\tallele\tloh\nP1\tHLA-A*02:01\tyes\nP1\tB*07:02\tno\nP2\tA0301\tno\n"
    assert {k: v[0] for k, v in lost(tmp_path, text).items()} == {"P1": True, "P2": False}
    assert lost(tmp_path, "locus\tloh\nHLA-A\ttrue\n", default_sample="P9")["P9"] == (
        True,
        "HLA lost in the tumor: HLA-A",
    )
    for bad in (
        "sample\tallele\nP1\tA*02:01\n",
        "allele\tloh\nA*02:01\tyes\n",
        "sample\tallele\tloh\nP1\tA*02:01\tmaybe\n",
    ):
        with pytest.raises(InputError):
            lost(tmp_path, bad)


def test_loss_reaches_the_profile(tmp_path):
    """A lost haplotype is hard evidence of neoantigen loss; the clinical table's own word is not overruled."""
    table = LOHHLA + "P1\thla_a_02_01\thla_a_03_01\t0.1\t1.9\t0.0001\n"
    means = {}
    for name, loh, stated in (("lost", table, ""), ("kept", table.replace("0.1\t", "1.0\t"), ""),
                              ("stated", table, "[facts]\nhla_loh = false\n")):  # fmt: skip
        folder = write_patient(tmp_path / name, f'sample = "P1"\ntumor = "nsclc"\n{stated}', hla_loh_dot_tsv=loh)
        means[name] = profile_patient(read_patient(folder), load_knowledge()).activities.by_mechanism["neoantigen_loss"]
    assert means["lost"].presence > 0.5 > means["kept"].presence
    assert means["stated"].presence == means["kept"].presence


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("cohort", "by_hand"),
    [
        # Counted with awk on hla.tsv (alleles of one locus equal as text), patients with a clinical row.
        ("snyder2017", {"P2131": "A", "P3529": "C", "P8728": "A"}),
        # Counted with awk on the columns x_hla_a1 to x_hla_c2 of clinical.tsv; two of 42 patients are not typed.
        ("vanallen2015", {"Pat02": "C", "Pat33": "C", "Pat36": "A", "Pat49": "C", "Pat83": "A", "Pat85": "C"}),
    ],
)
def test_homozygosity_equals_a_count_by_hand(shared_data, cohort, by_hand):
    patients = read_cohort(shared_data / cohort).patients
    found = {p.sample: "".join(homozygous_loci(p.hla)[0]) for p in patients if p.hla}
    assert {s: loci for s, loci in found.items() if loci} == by_hand
    assert len(found) == {"snyder2017": 22, "vanallen2015": 40}[cohort]
