"""Promoter methylation as evidence of silencing."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from tumornexus.io.patient import Patient
from tumornexus.knowledge import load_knowledge
from tumornexus.knowledge.records import Biomarker
from tumornexus.profile import profile_patient
from tumornexus.profile.information import options
from tumornexus.profile.methylation import biomarkers_of, further_biomarkers


@pytest.fixture(scope="module")
def knowledge():
    return load_knowledge()


def with_betas(purity: float | None = None, **betas: float) -> Patient:
    table = pd.Series({g.replace("_", "-"): b for g, b in betas.items()}).sort_index()
    facts: dict[str, object] = {} if purity is None else {"purity": purity}
    return Patient("S1", "P1", "melanoma", clinical=facts, methylation=table)


LOW = dict.fromkeys(("NLRC5", "HLA_A", "HLA_B", "HLA_C", "B2M", "TAP1", "TAP2", "PSMB8", "CXCL9", "CXCL10"), 0.05)


def evidence(patient: Patient, knowledge, mechanism: str = "epigenetic_silencing"):
    profile = profile_patient(patient, knowledge)
    item = next(e for e in profile.evidence[mechanism] if e.input == "methylation")
    return item, profile.activities.by_mechanism[mechanism]


def test_a_silenced_gene_speaks_for_and_open_promoters_against(knowledge):
    (record,) = further_biomarkers()["epigenetic_silencing"]
    open_, low = evidence(with_betas(**LOW), knowledge)
    closed, high = evidence(with_betas(**(LOW | {"NLRC5": 0.4})), knowledge)
    absent, prior = evidence(Patient("S1", "P1", "melanoma"), knowledge)
    assert closed.llr == pytest.approx(math.log(record.lr_positive))
    assert open_.llr == pytest.approx(math.log(record.lr_negative))
    assert not absent.measured
    assert low.presence < prior.presence < high.presence
    assert "NLRC5 67 %" in str(closed.value)
    assert prior.origin == "sampled"
    assert high.origin == "measured"


def test_purity_tells_how_much_of_the_cancer_cells_is_methylated(knowledge):
    """beta 0.4: two thirds of the copies at the usual purity 0.6, all of them at 0.4, less than half at 0.9."""
    assert evidence(with_betas(0.4, **(LOW | {"TAP1": 0.4})), knowledge)[0].llr > 0
    assert evidence(with_betas(0.9, **(LOW | {"TAP1": 0.4})), knowledge)[0].llr < 0
    assert "purity taken as" in evidence(with_betas(**LOW), knowledge)[0].note
    assert evidence(with_betas(0.9, **LOW), knowledge)[0].note == ""


def test_few_open_genes_say_nothing_and_one_closed_gene_speaks(knowledge):
    assert not evidence(with_betas(NLRC5=0.1), knowledge)[0].measured
    assert evidence(with_betas(NLRC5=0.9), knowledge)[0].measured
    assert not evidence(with_betas(MLH1=0.9), knowledge)[0].measured
    assert evidence(with_betas(JAK1=0.9), knowledge, "ifng_signaling_silencing")[0].llr > 0


def test_without_methylation_nothing_changes_but_the_list_of_what_is_missing(knowledge):
    plain = profile_patient(Patient("S1", "P1", "melanoma"), knowledge)
    listed = {o.measurement.id: o for o in options(plain, knowledge)}
    assert set(listed["methylation"].bits) == {"epigenetic_silencing", "ifng_signaling_silencing"}
    measured = profile_patient(with_betas(**LOW), knowledge)
    assert "methylation" not in {o.measurement.id for o in options(measured, knowledge)}
    same = [m for m in plain.activities.by_mechanism if m not in listed["methylation"].bits]
    assert all(plain.activities.by_mechanism[m] == measured.activities.by_mechanism[m] for m in same)


def test_a_record_of_its_own_replaces_the_one_that_ships(knowledge):
    own = Biomarker(
        id="mine", input="methylation", method="promoter", direction="+", genes=("NLRC5",), threshold=0.2,
        lr_positive=9.0, lr_negative=0.5, source=("peng2015",),
    )  # fmt: skip
    assert biomarkers_of("epigenetic_silencing", (own,)) == (own,)
    assert set(further_biomarkers()) <= set(knowledge.mechanisms)
    for biomarker in (b for rows in further_biomarkers().values() for b in rows):
        assert all(knowledge.genes.approved(g) == g for g in biomarker.genes)
        assert set(biomarker.source) <= set(knowledge.references)
