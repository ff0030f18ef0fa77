"""Copy number by gene and by segment: units told apart or refused, calls, and the way into the profile."""

from __future__ import annotations

import numpy as np
import pytest

from io_cohorts import write_patient
from tumornexus.errors import InputError
from tumornexus.io import read_cohort, read_patient
from tumornexus.io.copy_number import call_copies, read_gene_copies, tell_unit
from tumornexus.io.ensembl import gene_places, is_gene_id, symbol_of
from tumornexus.io.segments import read_segments
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import profile_patient
from tumornexus.profile.fusion import clonal_fraction, mutated_copies, second_hit
from variants import VARIANTS, table_text

TOML = 'sample = "P1"\ntumor = "melanoma"\n'


def called(tmp_path, text: str, purity: float | None = None, unit: str | None = None, named=("B2M", "JAK1")):
    path = tmp_path / "copy_number.tsv"
    path.write_text(text)
    copies = read_gene_copies(path, load_knowledge().genes, unit=unit)
    table = call_copies(copies, "P1", purity, named)
    return copies.unit, {r["gene"]: (r["call"], r["deep"], r["shallow"]) for _, r in table.iterrows()}


NONE, ONE, BOTH, MORE = (
    ("", False, False),
    ("deletion", False, True),
    ("deletion", True, False),
    ("amplification", False, False),
)


def test_matrix_of_gistic_calls(tmp_path):
    text = (
        "Hugo_Symbol\tEntrez_Gene_Id\tP1\tP2\nPTEN\t5728\t-2\t0\nB2M\t567\t-1\t0\nMYC\t4609\t2\t0\nJAK1\t3716\t0\t0\n"
    )
    text += "KRAS\t1\t1\t0\n"
    unit, genes = called(tmp_path, text)
    assert unit == "gistic"
    assert genes == {"PTEN": BOTH, "B2M": ONE, "MYC": MORE, "JAK1": NONE}, (
        "a gain is no amplification; KRAS is not asked"
    )


def test_matrix_of_copies_and_of_log2(tmp_path):
    unit, genes = called(tmp_path, "gene\tP1\nPTEN\t0\nB2M\t1\nMYC\t9\nJAK1\t2\n")
    assert (unit, genes) == ("copies", {"PTEN": BOTH, "B2M": ONE, "MYC": MORE, "JAK1": NONE})
    unit, genes = called(tmp_path, "gene\tP1\nPTEN\t-1.3\nB2M\t-0.4\nMYC\t0.9\nJAK1\t0.02\n")
    assert (unit, genes) == ("log2", {"PTEN": BOTH, "B2M": ONE, "MYC": MORE, "JAK1": NONE})


def test_purity_turns_log2_into_copies(tmp_path):
    """A tumor of purity p with C copies has ratio (p C + 2 (1 - p)) / 2, whatever p is."""
    for purity in (0.3, 0.6, 0.95):
        ratio = {
            g: np.log2((purity * c + 2 * (1 - purity)) / 2)
            for g, c in (("PTEN", 0.01), ("B2M", 1), ("MYC", 8), ("JAK1", 2))
        }
        text = "gene\tP1\n" + "".join(f"{g}\t{v!r}\n" for g, v in ratio.items())
        _, genes = called(tmp_path, text.replace("np.float64(", "").replace(")", ""), purity)
        assert genes == {"PTEN": BOTH, "B2M": ONE, "MYC": MORE, "JAK1": NONE}


def test_units_are_told_apart_or_refused():
    assert tell_unit(np.array([-2.0, 0, 1]), None) == "gistic"
    assert tell_unit(np.array([-0.31, 0.2]), None) == "log2"
    assert tell_unit(np.array([0.0, 2, 4]), None) == "copies"
    for both in ([0.0, 1, 2], [0.0, 1.5, 2.3], [-3.0, 0]):
        with pytest.raises(InputError, match="cannot be told") as caught:
            tell_unit(np.array(both), None)
        assert "copy_number_unit" in str(caught.value)


def test_declared_unit_and_impossible_values(tmp_path):
    assert called(tmp_path, "gene\tP1\nB2M\t1\nJAK1\t0\n", unit="gistic")[1] == {"B2M": NONE, "JAK1": NONE}
    assert called(tmp_path, "gene\tP1\nB2M\t1\nJAK1\t0\n", unit="copies")[1] == {"B2M": ONE, "JAK1": BOTH}
    with pytest.raises(InputError, match="cannot be copies"):
        called(tmp_path, "gene\tP1\nB2M\t-1\n", unit="copies")
    with pytest.raises(InputError, match="unknown unit"):
        called(tmp_path, "gene\tP1\nB2M\t-1\n", unit="ratio")
    with pytest.raises(InputError, match="text where a number belongs"):
        called(tmp_path, "gene\tP1\nB2M\tlow\n")


def segments(
    tmp_path, rows: str, build: str | None = "GRCh38", head: str = "ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean\n"
):
    path = tmp_path / "segments.seg"
    path.write_text(head + rows)
    copies = read_segments(path, build)
    table = call_copies(copies, "P1", None, ("B2M", "JAK1", "PTEN"))
    return copies, {} if table is None else dict(zip(table["gene"], table["call"], strict=True))


def test_segments_are_mapped_to_genes(tmp_path):
    rows = "P1\tchr15\t40000000\t50000000\t10\t-1.4\nP1\t10\t1\t133000000\t9\t-0.5\n"
    rows += "P1\t1\t1\t60000000\t9\t0\nP2\t15\t1\t9\t2\t0\n"
    copies, genes = segments(tmp_path, rows)
    assert genes == {"B2M": "deletion", "PTEN": "deletion"}, "JAK1 (1:64.8 Mb) is covered by no segment"
    assert any("covered by no segment" in n for n in copies.notes_of["P1"])
    places = gene_places("GRCh38").set_index("gene").loc["PTEN"]
    middle = places["start"] + 20000
    cut = f"P1\t10\t1\t{middle}\t5\t-2\nP1\t10\t{middle + 1}\t133000000\t5\t0\n"
    copies, genes = segments(tmp_path, cut)
    assert genes == {"PTEN": ""}, "the larger part of the gene decides"
    assert any("1 genes lie across a breakpoint" in n for n in copies.notes_of["P1"])


def test_segments_need_a_build_and_an_order(tmp_path):
    row = "P1\t15\t40000000\t50000000\t10\t-1.4\n"
    with pytest.raises(InputError, match="genome build is not declared"):
        segments(tmp_path, row, None)
    with pytest.raises(InputError, match="does not end after it starts"):
        segments(tmp_path, "P1\t15\t50000000\t40000000\t10\t-1.4\n")
    with pytest.raises(InputError, match="log2 or total copies"):
        segments(tmp_path, "P1\t15\t1\t9\n", head="ID\tchrom\tstart\tend\n")
    copies, genes = segments(
        tmp_path, "P1\t15\t40000000\t50000000\t1\t0\n", head="sample\tchr\tstartpos\tendpos\tnMajor\tnMinor\n"
    )
    assert (copies.unit, genes) == ("copies", {"B2M": "deletion"})


def test_builds_differ_where_genes_lie():
    old, new = gene_places("GRCh37").set_index("gene"), gene_places("GRCh38").set_index("gene")
    assert set(old.index) == set(new.index)
    assert (old["start"] != new["start"]).mean() > 0.9, "only a few ends of chromosomes kept their numbers"
    assert (new["end"] > new["start"]).all()
    biomarkers = [b for m in load_knowledge().mechanisms.values() for b in m.biomarker]
    wanted = {g for b in biomarkers if b.input in ("mutation", "copy_number") for g in b.genes}
    assert wanted <= set(new.index), "run scripts/build_ensembl.py: a record names a gene without a place"


def test_ensembl_ids():
    assert symbol_of("ENSG00000166710") == symbol_of("ENSG00000166710.21") == "B2M"
    assert symbol_of("ENSG00000999999") is None
    assert is_gene_id("ENSG00000166710.21")
    assert not is_gene_id("ENST00000166710")


def profile(folder):
    found = profile_patient(read_patient(folder), load_knowledge())
    return {(e.mechanism, e.biomarker): e for items in found.evidence.values() for e in items}, found


def test_normal_gene_is_measured_and_one_copy_is_not_two(tmp_path):
    """No call speaks against a deletion; a loss known to be of one copy is no loss of both."""
    text = "gene\tgistic\nPTEN\t{}\nB2M\t0\n"
    llr = {}
    for value in (-2, -1, 0):
        folder = write_patient(tmp_path / str(value), TOML, copy_number_dot_tsv=text.format(value))
        evidence, _ = profile(folder)
        llr[value] = evidence["pi3k_activation", "pten_deep_deletion"].llr
        assert evidence["b2m_loss", "b2m_deep_deletion"].measured
    assert llr[-2] > 0 > llr[-1] == llr[0]


def test_clonality_uses_purity_and_copy_number():
    """A variant on m of N copies in a fraction f of cancer cells has v = f m p / (p N + 2 (1 - p))."""
    for purity in (0.4, 0.8):
        for total, mutated in ((1.0, 1.0), (2.0, 1.0), (2.0, 2.0), (4.0, 1.0), (4.0, 3.0)):
            for fraction in (0.3, 0.9):
                vaf = fraction * mutated * purity / (purity * total + 2 * (1 - purity))
                found = clonal_fraction(vaf, 100000, purity, mutated, total)
                assert found.mean == pytest.approx(fraction, abs=0.08)
        clonal = 3 * purity / (purity * 4 + 2 * (1 - purity))
        assert mutated_copies(clonal, purity, 4.0) == 3.0
        assert second_hit(purity / (purity + 2 * (1 - purity)), 200, purity, 1.0), "one copy, mutated: none is left"
        assert not second_hit(clonal, 200, purity, 4.0), "three of four copies leave one"
    assert mutated_copies(0.9, None, 4.0) == 1.0
    assert mutated_copies(0.45, 0.9, 2.0) == 1.0


def test_copy_number_sharpens_a_truncation(tmp_path):
    """B2M truncated at the fraction of one copy of one: with the copy number known it is biallelic and clonal."""
    b2m = next(v for v in VARIANTS if v.gene == "B2M")
    folder = {}
    for name, copies in (("alone", None), ("one", 1), ("two", 2)):
        text = "" if copies is None else f"gene\tcopies\nB2M\t{copies}\n"
        more = {} if copies is None else {"copy_number_dot_tsv": text}
        folder[name] = write_patient(
            tmp_path / name,
            TOML + "[facts]\npurity = 0.5\n",
            mutations_dot_tsv=table_text([b2m]).replace("0.62", "0.33"),
            **more,
        )
    notes = {n: profile(f)[0]["b2m_loss", "b2m_lof"].note for n, f in folder.items()}
    assert "one damaged copy" in notes["two"]
    assert "one damaged copy" not in notes["one"]
    loss = {n: profile(f)[1].activities.by_mechanism["b2m_loss"] for n, f in folder.items()}
    assert loss["one"].presence > loss["two"].presence


def test_cohort_reads_a_matrix(tmp_path):
    (tmp_path / "clinical.tsv").write_text("sample\tcancer_type\nP1\tmelanoma\nP2\tmelanoma\nP3\tmelanoma\n")
    (tmp_path / "cna.tsv").write_text("gene\tP1\tP2\nB2M\t-2\t0\nPTEN\t0\t-1\n")
    one, two, three = read_cohort(tmp_path)
    assert dict(zip(one.copy_number["gene"], one.copy_number["call"], strict=True)) == {"B2M": "deletion", "PTEN": ""}
    assert two.copy_number is not None
    assert three.copy_number is None
    alone = read_patient(tmp_path, "P2")
    assert alone.copy_number.equals(two.copy_number)
