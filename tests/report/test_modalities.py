"""Modalities in the report: among what was there, and behind the mechanism they speak of."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from tumornexus.io import read_slide
from tumornexus.io.microbiome import Microbiome
from tumornexus.io.patient import Patient
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import profile_patient
from tumornexus.profile.microbiome import toposcore_species
from tumornexus.report.facts import patient_facts
from tumornexus.report.view import _evidence

NOBODY = Patient("P1", "P1", "nsclc", {"ppi": True})


def test_a_stool_profile_shows_among_the_facts():
    stool = Microbiome(pd.Series({"Escherichia_coli": 0.5, "Akkermansia_muciniphila": 0.5}), "metaphlan4")
    assert dict(patient_facts(NOBODY))["Stool metagenome"] == "not measured"
    assert dict(patient_facts(NOBODY))["Proton-pump inhibitor"] == "yes"
    assert dict(patient_facts(replace(NOBODY, microbiome=stool)))["Stool metagenome"] == "2 species"


def test_its_evidence_says_which_way_it_speaks_and_why():
    bad = pd.Series(1 / 20, index=sorted(toposcore_species()[0])[:20])
    for profiler, speaks in (("metaphlan4", "for"), ("kraken2", "")):
        patient = replace(NOBODY, microbiome=Microbiome(bad, profiler))
        evidence = profile_patient(patient, load_knowledge()).evidence["gut_dysbiosis"]
        row = next(r for r in map(_evidence, evidence) if r.biomarker == "toposcore")
        assert (row.input, row.speaks) == ("stool metagenome", speaks)
        assert row.measured == (profiler == "metaphlan4")
        assert "20 of 37 unfavorable" in row.note


def test_single_cells_and_slides_show_among_the_facts(tmp_path):
    table = pd.DataFrame({"sample": "P1", "x_um": [1.0, 20.0, 40.0], "y_um": [1.0, 30.0, 50.0], "cell_type": "Tumor"})
    table.to_csv(tmp_path / "cells.tsv", sep="\t", index=False)
    slide = read_slide(tmp_path / "cells.tsv", sample="P1")
    assert dict(patient_facts(NOBODY))["Single cells"] == "not measured"
    assert dict(patient_facts(NOBODY))["Slide with typed cells"] == "not measured"
    assert dict(patient_facts(replace(NOBODY, slide=slide)))["Slide with typed cells"] == "3 cells"
