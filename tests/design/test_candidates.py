"""Candidate regimens of every cancer type: enough, the standard of care among them, nothing that is not allowed."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest

from tumornexus.design.candidates import CHECKPOINT, Candidate, backbone_drug, eligible, propose
from tumornexus.knowledge import Knowledge, load_knowledge, parse_regimen
from tumornexus.systemic.treatment import SLOTS

CATALOGUE = load_knowledge()
TUMORS = list(CATALOGUE.tumors)
COLUMNS = ["mechanism", "partner", "effect", "low", "high"]
EVERYTHING = {"braf_v600": True, "msi_high": True, "pd_l1_percent": 90.0}


def table(*mechanisms: str) -> pd.DataFrame:
    """Return a node table with falling importance, and the pair of the first two."""
    rows = [(m, "", -1.0 + 0.1 * i, -1.5, -0.1) for i, m in enumerate(mechanisms)]
    if len(mechanisms) > 1:
        rows.append((mechanisms[0], mechanisms[1], -2.0, -3.0, -1.0))
    return pd.DataFrame(rows, columns=COLUMNS)


NODE_TABLES = {
    "none": table(),
    "stroma": table("tgf_beta", "caf", "abnormal_vasculature", "hypoxia", "cxcl12", "mdsc"),
    "antigen": table("low_tmb", "b2m_loss", "epigenetic_silencing", "ifng_pathway_defect"),
    "driver": table("mapk_activation", "pi3k_activation", "glycolysis"),
    "harmful to reverse": pd.DataFrame([("treg", "", 0.4, 0.1, 0.8)], columns=COLUMNS),
}


@pytest.mark.parametrize("nodes", NODE_TABLES)
@pytest.mark.parametrize("tumor", TUMORS)
def test_at_least_ten_distinct_regimens_that_can_be_simulated(tumor: str, nodes: str, knowledge: Knowledge):
    for clinical in ({}, EVERYTHING):
        found = propose(NODE_TABLES[nodes], knowledge, knowledge.tumors[tumor], clinical)
        assert len(found) >= 10
        assert len({c.key(knowledge) for c in found}) == len(found)
        assert all(1 <= len(c.regimen.drugs) <= SLOTS for c in found)
        for candidate in found:
            assert set(candidate.nodes) <= set(knowledge.mechanisms)
            parse_regimen(candidate.regimen.text, knowledge)


@pytest.mark.parametrize("tumor", TUMORS)
def test_the_standard_of_care_is_among_them_where_its_biomarker_is_known(tumor: str, knowledge: Knowledge):
    record = knowledge.tumors[tumor]
    for clinical in ({}, {"braf_v600": False}, EVERYTHING):
        keys = {c.key(knowledge) for c in propose(NODE_TABLES["none"], knowledge, record, clinical)}
        for line in record.standard_of_care:
            standard = Candidate(parse_regimen(line.regimen, knowledge), "").key(knowledge)
            if eligible(line.requires, clinical):
                assert standard in keys, line.regimen
    assert any(eligible(line.requires, EVERYTHING) for line in record.standard_of_care)


@pytest.mark.parametrize("tumor", TUMORS)
def test_braf_inhibitors_only_with_braf_v600(tumor: str, knowledge: Knowledge):
    nodes = NODE_TABLES["driver"]

    def offered(clinical: dict[str, object]) -> bool:
        found = propose(nodes, knowledge, knowledge.tumors[tumor], clinical)
        return any("braf_mek_inhibitor" in knowledge.drugs[d].therapy for c in found for d in c.regimen.drugs)

    assert not offered({})
    assert not offered({"braf_v600": False})
    assert offered({"braf_v600": True})


@pytest.mark.parametrize("tumor", TUMORS)
def test_a_pd1_backbone_and_car_t_cells_are_there(tumor: str, knowledge: Knowledge):
    record = knowledge.tumors[tumor]
    alone = {
        c.regimen.drugs for c in propose(NODE_TABLES["stroma"], knowledge, record, {}) if len(c.regimen.drugs) == 1
    }
    backbone = backbone_drug(knowledge, record)
    assert set(backbone.therapy) & set(CHECKPOINT)
    assert any(set(knowledge.drugs[d].therapy) & set(CHECKPOINT) for (d,) in alone)
    assert ("car_t",) in alone


def test_a_node_brings_a_therapy_that_reverses_it(knowledge: Knowledge):
    found = propose(NODE_TABLES["stroma"], knowledge, knowledge.tumors["nsclc"], {})
    aimed = [c for c in found if c.nodes]
    assert aimed
    for candidate in aimed:
        acting = {t for d in candidate.regimen.drugs for t in knowledge.drugs[d].therapy}
        for mechanism in candidate.nodes:
            assert acting & set(knowledge.mechanisms[mechanism].reversed_by), (candidate.regimen.text, mechanism)
    assert {m for c in aimed for m in c.nodes} >= {"tgf_beta", "caf", "mdsc"}
    assert any(len(c.nodes) == 2 for c in aimed)


def test_what_makes_things_worse_when_reversed_is_no_target(knowledge: Knowledge):
    found = propose(NODE_TABLES["harmful to reverse"], knowledge, knowledge.tumors["nsclc"], {})
    assert not any("treg" in c.nodes for c in found)


def test_requested_regimens_come_first_and_keep_their_dose(knowledge: Knowledge):
    wish = parse_regimen("nivolumab 480 mg q4w + relatlimab 160 mg q4w", knowledge)
    found = propose(NODE_TABLES["none"], knowledge, knowledge.tumors["melanoma"], {}, requested=[wish])
    assert found[0].regimen is wish
    assert found[0].origin == "requested"
    other = parse_regimen("nivolumab 240 mg q2w + relatlimab 160 mg q4w", knowledge)
    both = propose(NODE_TABLES["none"], knowledge, knowledge.tumors["melanoma"], {}, requested=[wish, other])
    assert [c.regimen for c in both[:2]] == [wish, other]


def test_requirements_are_met_only_by_known_facts():
    assert eligible(None, {})
    assert not eligible("braf_v600", {})
    assert not eligible("braf_v600", {"braf_v600": "yes"})
    assert eligible("pd_l1>=50%", {"pd_l1_percent": 50})
    assert not eligible("pd_l1>=50%", {"pd_l1_percent": 49.9})
    assert not eligible("pd_l1>=50%", {})
    assert not eligible("pd_l1>=1% + msi_high", {"pd_l1_tps": 80})
    assert eligible("pd_l1>=1% + msi_high", {"pd_l1_tps": 80, "msi_high": True})


@pytest.mark.parametrize("tumor", TUMORS)
def test_every_requirement_of_the_catalogue_can_be_met(tumor: str):
    for line, clinical in itertools.product(CATALOGUE.tumors[tumor].standard_of_care, [EVERYTHING]):
        assert eligible(line.requires, clinical), line.requires
