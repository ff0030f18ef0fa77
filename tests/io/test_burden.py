"""Mutational burden from variants: what counts, over how many megabases, and when there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from io_cohorts import write_cohort
from tumornexus.errors import InputError
from tumornexus.io import read_cohort, read_patient
from tumornexus.io.burden import Regions, burden, count_protein_changing, read_bed
from tumornexus.io.clinical import EXOME_MB
from tumornexus.io.mutations import read_mutations
from tumornexus.knowledge import load_knowledge
from variants import maf_text, write_patient_with

CLASSES = ("truncating", "missense", "splice", "silent", "other")


def bed(tmp_path, text: str) -> Regions:
    path = tmp_path / "panel.bed"
    path.write_text(text)
    return read_bed(path)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("12"), st.integers(0, 60), st.integers(1, 20)), min_size=1, max_size=12))
def test_overlapping_intervals_count_each_base_once(tmp_path_factory, items):
    text = "".join(f"chr{c}\t{s}\t{s + n}\tname\n" for c, s, n in items)
    regions = bed(tmp_path_factory.mktemp("bed"), text)
    bases = {(c, p) for c, s, n in items for p in range(s, s + n)}
    assert regions.megabases == pytest.approx(len(bases) / 1e6)
    for c in "12":
        for p in range(85):
            assert regions.contains(c, p + 1) == ((c, p) in bases), "BED counts from 0, variants from 1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# nothing\n", "no interval"),
        ("track name=x\n", "no interval"),
        ("1\t20\t10\n", "does not end after it starts"),
        ("1\t20\t20\n", "does not end after it starts"),
        ("1\t-5\t20\n", "no interval"),
        ("1\tten\t20\n", "no interval"),
        ("1\t10\n", "no interval"),
    ],
)
def test_bed_that_cannot_be(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        bed(tmp_path, text)


def variants(kinds, places=None) -> pd.DataFrame:
    places = places or [("1", str(i), "A", "T") for i in range(len(kinds))]
    return pd.DataFrame({"variant_class": kinds}).join(pd.DataFrame(places, columns=["chrom", "start", "ref", "alt"]))


def test_what_counts():
    assert count_protein_changing(variants(list(CLASSES))) == 3
    twice = variants(["missense"] * 3, [("1", "5", "A", "T"), ("1", "5", "A", "T"), ("1", "5", "A", "G")])
    assert count_protein_changing(twice) == 2, "one variant listed for two genes counts once"
    bare = variants(["missense"] * 3, [(None, None, None, None)] * 3)
    assert count_protein_changing(bare) == 3, "without places each row counts"
    regions = Regions({"1": np.array([[4, 5]])})
    assert count_protein_changing(twice, regions) == 2
    assert count_protein_changing(variants(["missense"], [("1", "6", "A", "T")]), regions) == 0


def test_when_there_is_no_burden():
    many = variants(["missense"] * 38)
    assert burden(many, "exome", None)[0] == pytest.approx(38 / EXOME_MB)
    assert burden(many, "ctdna", None) == (None, None)
    assert burden(variants(["silent"]), "exome", None)[0] is None, "no adult solid tumor has a burden of zero"
    value, note = burden(many, "panel", None)
    assert value is None
    assert "panel_bed" in note
    value, note = burden(variants(["missense"] * 9 + ["other"]), "exome", None)
    assert value is None
    assert "1 of 10" in note


def test_panel_with_its_bed(tmp_path):
    folder = write_patient_with(
        tmp_path, "mutations.maf", maf_text(), 'mutation_assay = "panel"\npanel_bed = "p.bed"\n'
    )
    (folder / "p.bed").write_text("chr7\t140000000\t141000000\nchr7\t140500000\t141500000\nchr10\t87900000\t88400000\n")
    patient = read_patient(folder)
    assert patient.clinical["tmb_per_mb"] == pytest.approx(2 / 2.0), "BRAF and PTEN lie on 2 Mb"
    assert any("2 over 2 Mb" in n for n in patient.notes)
    (folder / "patient.toml").write_text('sample = "P1"\ntumor = "melanoma"\nmutation_assay = "panel"\n')
    assert "tmb_per_mb" not in read_patient(folder).clinical


def test_stated_burden_is_not_recounted(tmp_path):
    stated = read_patient(write_patient_with(tmp_path / "a", "m.maf", maf_text(), "[facts]\ntmb_per_mb = 9.5\n"))
    counted = read_patient(write_patient_with(tmp_path / "b", "m.maf", maf_text()))
    assert stated.clinical["tmb_per_mb"] == 9.5
    assert counted.clinical["tmb_per_mb"] == pytest.approx(7 / EXOME_MB)
    cohort = read_cohort(write_cohort(tmp_path / "c"))
    assert cohort.patient("P1").clinical["tmb_per_mb"] == 12.5


@pytest.mark.realdata
def test_burden_agrees_with_the_counts_of_a_published_table(shared_data):
    """riaz2017: our counts against the cohort's own, over the 42 patients that have both."""
    folder = shared_data / "riaz2017"
    table, _, _ = read_mutations(folder / "mutations.tsv.gz", load_knowledge().genes)
    ours = pd.Series({s: count_protein_changing(rows) for s, rows in table.groupby("sample")}, name="ours")
    theirs = pd.read_csv(folder / "clinical.tsv", sep="\t", dtype={"sample": str}).set_index("sample")["nsTMB"]
    both = pd.concat([ours, theirs], axis=1).dropna()
    assert len(both) == 42
    assert np.corrcoef(both.to_numpy().T)[0, 1] > 0.99
    assert (both["ours"] / both["nsTMB"]).median() == pytest.approx(1.0, abs=0.02)
