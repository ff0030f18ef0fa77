"""Clonality of T-cell receptors from clonotypes: known values, loci, and what cannot be counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumornexus.errors import InputError
from tumornexus.io.receptors import clonality, read_tcr


def written(tmp_path, text: str):
    path = tmp_path / "tcr.tsv"
    path.write_text(text)
    return path


def test_known_clonality():
    assert clonality(np.array([5, 5, 5, 5])) == pytest.approx(0.0)
    assert clonality(np.array([7])) == 1.0
    # Half and two quarters: H = 1.5 bits of at most log2(3), by hand.
    assert clonality(np.array([2, 1, 1])) == pytest.approx(1.0 - 1.5 / np.log2(3))
    assert np.isnan(clonality(np.array([0, 0])))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40), st.integers(2, 50))
def test_clonality_lies_between_0_and_1_and_depends_on_shares_alone(counts, factor):
    value = clonality(np.array(counts))
    assert 0.0 <= value <= 1.0
    assert clonality(np.array(counts) * factor) == pytest.approx(value, abs=1e-9)
    assert clonality(np.array([*counts, 0])) == value


def test_clonotypes_and_counts(tmp_path):
    facts, notes = read_tcr(
        written(tmp_path, "sample\tclonotype\tcount\nP1\ta\t200\nP1\tb\t100\nP1\tb\t0\nP1\tc\t100\n")
    )
    assert facts["P1"]["tcr_clonality"] == pytest.approx(1.0 - 1.5 / np.log2(3))
    assert facts["P1"]["tcr_richness"] == 3.0
    assert "no mechanism of the catalogue reads it" in notes["P1"][-1]
    assert "few receptors" not in notes["P1"][-1]


AIRR = (
    "sequence_id\tlocus\tproductive\tv_call\tj_call\tjunction\tduplicate_count\n"
    "1\tTRB\tT\tTRBV1\tTRBJ1\tTGTGCC\t4\n2\tTRB\tT\tTRBV1\tTRBJ1\tTGTGCC\t4\n3\tTRB\tT\tTRBV2\tTRBJ1\tTGTGCC\t8\n"
    "4\tTRB\tF\tTRBV3\tTRBJ1\tTGTAAA\t90\n5\tTRA\tT\tTRAV3\tTRAJ1\tTGTGGG\t50\n"
)


def test_airr_counts_productive_beta_chains(tmp_path):
    facts, notes = read_tcr(written(tmp_path, AIRR), default_sample="P1")
    assert facts["P1"] == {"tcr_clonality": pytest.approx(0.0), "tcr_richness": 2.0}
    said = " ".join(notes["P1"])
    assert "TRB; TRA left out" in said
    assert "few receptors" in said
    assert "2 of 5 rows" in said


def test_airr_of_several_samples_and_a_single_other_locus(tmp_path):
    text = AIRR.replace("TRB\t", "TRG\t").replace("TRA\t", "TRG\t")
    facts, notes = read_tcr(written(tmp_path, text), default_sample="P1")
    assert facts["P1"]["tcr_richness"] == 3.0
    assert "counted by TRG" in " ".join(notes["P1"])
    lines = AIRR.replace("sequence_id", "sample_id").splitlines()
    keyed = "\n".join([lines[0], *("P1" + x[1:] for x in lines[1:3]), *("P2" + x[1:] for x in lines[3:])])
    facts, _ = read_tcr(written(tmp_path, keyed + "\n"), keys={"P1", "P2"})
    assert facts["P1"]["tcr_clonality"] == 1.0
    assert set(facts) == {"P1", "P2"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sample\tclonotype\nP1\ta\n", "clonality, or clonotypes and counts"),
        ("sample\tclonotype\tcount\nP1\ta\t-3\n", "negative count"),
        ("sample\tclonotype\tcount\nP1\ta\tmany\n", "text where a number belongs"),
        ("sample\tjunction\tduplicate_count\tlocus\nP1\tA\t3\tIGH\n", "no single T-cell receptor locus"),
        ("sample\tjunction\tduplicate_count\tlocus\nP1\tA\t3\tTRA\nP1\tC\t3\tTRG\n", "no single T-cell receptor locus"),
    ],
)
def test_what_cannot_be_counted_is_refused(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        read_tcr(written(tmp_path, text))
