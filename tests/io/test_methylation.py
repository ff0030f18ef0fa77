"""Promoter methylation: forms of tables, what is no beta value, and the same alone and in a cohort."""

from __future__ import annotations

import pandas as pd
import pytest

from io_cohorts import write_patient
from tumornexus.errors import InputError
from tumornexus.io import read_cohort, read_patient
from tumornexus.io.methylation import read_methylation
from tumornexus.knowledge import load_knowledge


@pytest.fixture(scope="module")
def genes():
    return load_knowledge().genes


def written(tmp_path, text: str):
    path = tmp_path / "methylation.tsv"
    path.write_text(text)
    return path


def test_three_forms_of_one_table_agree(tmp_path, genes):
    wide, _ = read_methylation(written(tmp_path, "gene\tP1\tP2\nNLRC5\t0.8\t0.1\nJAK1\t0.2\t\n"), genes)
    probes, notes = read_methylation(
        written(tmp_path, "gene\tprobe\tP1\tP2\nNLRC5\tcg1\t0.7\t0.1\nNLRC5\tcg2\t0.9\t0.1\nJAK1\tcg3\t0.2\t\n"), genes
    )
    lines = "sample\tgene\tbeta\nP1\tNLRC5\t0.8\nP1\tJAK1\t0.2\nP2\tNLRC5\t0.1\n"
    listed, _ = read_methylation(written(tmp_path, lines), genes)
    for found in (wide, probes, listed):
        assert dict(found["P1"]) == pytest.approx({"JAK1": 0.2, "NLRC5": 0.8})
        assert dict(found["P2"]) == pytest.approx({"NLRC5": 0.1}), "an empty cell is not measured"
    assert "mean of 3 values" in notes["P1"][0]


def test_aliases_are_approved_and_unknown_genes_counted(tmp_path, genes):
    found, notes = read_methylation(written(tmp_path, "gene\tbeta\nCD274\t0.1\nNOGENE\t0.2\n"), genes, None, "P1")
    assert set(found["P1"].index) == {"CD274", "NOGENE"}
    assert any("1 genes" in n and "NOGENE" in n for n in notes["P1"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gene\tP1\nNLRC5\t-2.3\nJAK1\t1.4\n", "M values"),
        ("gene\tP1\nNLRC5\t80\nJAK1\t12\nB2M\t3\n", "percentages"),
        ("gene\tP1\nNLRC5\t1.2\nJAK1\t0.1\nB2M\t0.2\n", "outside 0 to 1"),
        ("gene\tP1\nNLRC5\thigh\n", "text where a number belongs"),
        ("probe\tP1\ncg00000029\t0.3\ncg00000108\t0.2\n", "no map from probes to genes"),
        ("symbol\tP1\nNLRC5\t0.3\n", "which gene"),
        ("gene\tprobe\n NLRC5\tcg1\n", "no column holds values"),
        ("gene\tprobe\tP1\nNLRC5\tcg1\t0.1\nNLRC5\tcg1\t0.2\n", "occurs twice"),
        ("gene\tbeta\nNLRC5\t0.3\n", "sample or patient column"),
    ],
)
def test_what_is_no_beta_value_is_refused(tmp_path, genes, text, words):
    with pytest.raises(InputError, match=words) as caught:
        read_methylation(written(tmp_path, text), genes)
    assert caught.value.valid


def test_it_reaches_patients_alone_and_in_a_cohort(tmp_path):
    patient = read_patient(
        write_patient(
            tmp_path / "p", 'sample = "P1"\ntumor = "melanoma"\n', methylation_dot_tsv="gene\tbeta\nNLRC5\t0.8\n"
        )
    )
    assert patient.methylation is not None
    assert patient.methylation["NLRC5"] == 0.8
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / "clinical.tsv").write_text("sample\tcancer_type\nP1\tmelanoma\nP2\tmelanoma\nP3\tmelanoma\n")
    written(folder, "gene\tP1\tP2\nNLRC5\t0.8\t0.1\n")
    cohort = read_cohort(folder)
    for one in cohort:
        alone = read_patient(folder, one.sample)
        assert alone.notes == one.notes
        if one.methylation is None:
            assert one.sample == "P3"
            assert alone.methylation is None
        else:
            pd.testing.assert_series_equal(alone.methylation, one.methylation)
