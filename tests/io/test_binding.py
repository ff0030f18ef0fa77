"""Predicted binding by a stand-in for MHCflurry: what is asked of it, what is counted, and what is said without it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pandas as pd
import pytest

from io_cohorts import write_patient
from tumornexus.errors import InputError
from tumornexus.io import read_patient
from tumornexus.io.binding import predictor, usable
from tumornexus.io.clinical import EXOME_MB

NM = {"AAAAAAAAA": 20.0, "CAAAAAAAA": 900.0, "DAAAAAAAA": 499.0}


class StandIn:
    """Answers as `Class1PresentationPredictor.predict` does and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], list[str]]] = []

    @classmethod
    def load(cls) -> StandIn:
        return cls()

    def predict(self, peptides, alleles, verbose):
        self.asked.append((peptides, alleles))
        return pd.DataFrame({"peptide": peptides, "affinity": [NM.get(p, 30000.0) for p in peptides]})


def test_peptides_and_alleles_are_asked_once_in_its_spelling():
    model = StandIn()
    found = predictor("mhcflurry", lambda: model)(
        ["AAAAAAAAA", "AAAAAAAAA", "SHORT", "XAAAAAAAA"], ["A*02:01", "A*02:01"]
    )
    assert model.asked == [(["AAAAAAAAA"], ["HLA-A*02:01"])]
    assert found == {"AAAAAAAAA": 20.0}
    assert not usable("AAAAAAAAAAAAAAAA")


def test_neoantigens_of_a_patient_are_counted_by_predicted_affinity(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mhcflurry", SimpleNamespace(Class1PresentationPredictor=StandIn))
    files = {
        "neoantigens_dot_tsv": "gene\teffect\tpeptide\nA\tp.1\tAAAAAAAAA\nB\tp.2\tCAAAAAAAA\nC\tp.3\tDAAAAAAAA\n"
        "D\tp.4\tA\n",
        "hla_dot_tsv": "A1\tA2\tB1\tB2\tC1\tC2\nA*02:01\tA*01:01\tB*07:02\tB*08:01\tC*07:01\tC*07:02\n",
    }
    settings = 'sample = "P1"\ntumor = "melanoma"\nbinding_predictor = "mhcflurry"\n'
    patient = read_patient(write_patient(tmp_path / "p", settings, **files))
    assert patient.clinical["neoantigens_per_mb"] == pytest.approx(2 / EXOME_MB)
    said = " ".join(patient.notes)
    assert "3 peptides predicted by MHCflurry, the best of 6 alleles" in said
    assert "1 peptides are not of" in said
    with pytest.raises(InputError, match="needs HLA types"):
        read_patient(write_patient(tmp_path / "q", settings, neoantigens_dot_tsv=files["neoantigens_dot_tsv"]))
    again = files | {"neoantigens_dot_tsv": "peptide\tic50\nAAAAAAAAA\t5\n"}
    with pytest.raises(InputError, match="predicted again"):
        read_patient(write_patient(tmp_path / "r", settings, **again))


def test_the_message_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "mhcflurry", None)
    with pytest.raises(InputError, match=r"tumornexus\[mhcflurry\]"):
        predictor("mhcflurry")

    def fails():
        raise RuntimeError("Missing MHCflurry downloadable file")

    broken = SimpleNamespace(Class1PresentationPredictor=SimpleNamespace(load=fails))
    monkeypatch.setitem(sys.modules, "mhcflurry", broken)
    with pytest.raises(InputError, match="mhcflurry-downloads"):
        predictor("mhcflurry")
    with pytest.raises(InputError, match="unknown predictor"):
        predictor("netmhcpan")
