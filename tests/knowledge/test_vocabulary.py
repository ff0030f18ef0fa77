"""One vocabulary: names lead to one record, uncovered diseases are told, conflicts are errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.check import check_meaning
from tumornexus.knowledge.explain import explain
from tumornexus.knowledge.load import KINDS, fold, names_of

CATALOGUE = load_knowledge()
ALIASED = [
    (plural, identifier)
    for plural in ("mechanisms", "therapies", "drugs", "tumors", "cells", "mediators", "diseases")
    for identifier in getattr(CATALOGUE, plural)
]
DISEASES = """
[[disease]]
id = "sclc"
name = "Small-cell lung cancer"
synonyms = ["small cell lung cancer"]
oncotree = ["SCLC"]
reason = "no numbers"
nearest = ["melanoma"]
"""
# Groups A and D of the seed checklist: cells and molecular signals that the source texts name.
CELLS = {
    "cancer cell": "cancer_cell", "B2M-null clone": "cancer_clone_mhc_loss",
    "drug-tolerant persister cell": "persister_cell",
    "CTL": "cd8_effector", "naive T cell": "cd8_naive", "expanding T-cell clone": "cd8_primed",
    "exhausted T cell": "cd8_terminal", "dysfunctional T cell": "cd8_terminal", "CD4 T cell": "cd4_helper",
    "regulatory T cell": "treg", "NK cell": "nk", "antigen-presenting cell": "dendritic", "cDC1": "dc_cdc1",
    "tolerogenic dendritic cell": "dc_tolerogenic", "myeloid-derived suppressor cell": "mdsc",
    "M1 macrophage": "tam_m1",
    "TAM": "tam_m2", "T-cell-excluding CAF": "caf_matrix", "cytokine CAF": "caf_cytokine",
    "endothelial cell": "endothelial", "stromal cells": "stromal_cell", "TILs": "til_count", "CAR-T cell": "car_t",
    "gut microbiota": "gut_microbe", "tumor microbiome": "tumor_bacteria",
}  # fmt: skip
MEDIATORS = {
    "PD-1": "pd1_receptor", "PD-L1": "pd_l1", "CTLA-4": "ctla4_receptor", "B7": "ctla4_receptor",
    "LAG-3": "lag3_receptor", "TIM-3": "tim3_receptor", "TIGIT": "tigit_receptor", "VISTA": "vista_receptor",
    "CD40L": "cd40_receptor", "CD134": "ox40_receptor", "peptide-MHC complex": "mhc1", "B2M": "mhc1",
    "immunoproteasome": "antigen_processing",
    "TAP": "antigen_processing", "neoantigens": "neoantigen", "IFN-gamma": "ifng", "JAK1": "ifng_signaling",
    "STAT1": "ifng_signaling",
    "interferon alpha and beta": "type1_ifn", "STING": "sting", "IL-6": "il6", "VEGF-A": "vegf",
    "TGF-beta": "tgfb", "IL-10": "il10", "IDO metabolite": "kynurenine", "CXCL9": "cxcl9_10", "CXCL10": "cxcl9_10",
    "CCL4": "ccl4", "CXCL12": "cxcl12", "CXCR2 axis": "cxcr2_ligands", "CSF-1R axis": "csf1", "CCR4": "ccl22",
    "FAP": "fap_protein", "DAMP": "dead_antigen", "TLR": "tlr", "MMP": "mmp",
    "extracellular vesicle": "vesicles", "immune synapse": "synapse", "arginase substrate": "arginine",
    "ROS": "ros_rns",
    "RNS": "ros_rns", "cytokine release syndrome": "cytokine_release",
}  # fmt: skip


def replace(file: Path, old: str, new: str) -> None:
    """Edit a record of the temporary catalogue."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(("kind", "names"), [("cell", CELLS), ("mediator", MEDIATORS)])
def test_cells_and_signals_of_the_seed_texts_have_records(kind: str, names: dict[str, str]) -> None:
    found = {}
    for name in names:
        owners = [i for k, i in CATALOGUE.namesakes(name) if k == kind]
        found[name] = owners[0] if owners else None
    assert found == names


@pytest.mark.parametrize(("plural", "identifier"), ALIASED)
def test_every_id_has_a_name_for_people(plural: str, identifier: str) -> None:
    record = getattr(CATALOGUE, plural)[identifier]
    others = {fold(n) for n in names_of(record)} - {fold(identifier)}
    assert others
    for name in names_of(record):
        assert identifier in [i for k, i in CATALOGUE.namesakes(name) if k == KINDS[plural]]
        assert CATALOGUE.resolve(f"{KINDS[plural]}:{name}")[1].id == identifier


def test_no_name_leads_to_two_records() -> None:
    clashes = [str(f) for f in check_meaning(CATALOGUE) if f.field in ("aliases", "synonyms")]
    assert not clashes


@pytest.mark.parametrize(
    ("name", "tumor"),
    [
        ("mRCC", "rcc"), ("CCRCC", "rcc"), ("KIRC", "rcc"), ("SCCHN", "hnscc"), ("OPHSC", "hnscc"), ("mCRC", "crc_mss"),
        ("MSI-H CRC", "crc_msi_h"), ("dMMR colorectal cancer", "crc_msi_h"), ("COADREAD", "crc_mss"),
        ("GEJ", "gastric"),
        ("mCRPC", "prostate"), ("Hodgkin's lymphoma", "chl"), ("LUSC", "nsclc"), ("non-squamous NSCLC", "nsclc"),
        ("hepatoma", "hcc"), ("WHO grade 4 glioma", "gbm"), ("mUC", "urothelial"), ("BLCA", "urothelial"),
    ],
)  # fmt: skip
def test_abbreviations_and_codes(name: str, tumor: str) -> None:
    assert CATALOGUE.tumor(name).id == tumor


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("SCLC", "Small-cell lung cancer is not covered: only its doubling time has a source"),
        ("DLBCL", "Large B-cell lymphoma is not covered"), ("ovarian cancer", "Ovarian cancer is not covered"),
        ("UCEC", "Endometrial cancer is not covered"), ("cervix", "Cervical cancer is not covered"),
        ("multiple myeloma", "not by tumor volume"), ("B-ALL", "without lesions to measure"),
        ("breast cancer", "only triple-negative"), ("uveal melanoma", "nearest: melanoma"),
    ],
)  # fmt: skip
def test_an_uncovered_disease_is_told_with_what_is_covered(name: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        CATALOGUE.tumor(name)
    assert caught.value.field == "tumor"
    assert caught.value.value == name
    assert "nsclc" in str(caught.value.valid)
    assert "Not covered" in " ".join(explain(CATALOGUE, f"disease:{name}").warnings)


def test_a_slip_in_the_name_of_an_uncovered_disease_does_not_lead_elsewhere() -> None:
    with pytest.raises(InputError, match="did you mean Small-cell lung cancer"):
        CATALOGUE.tumor("small cel lung cancer")


def test_an_unknown_kind_before_a_colon_is_part_of_the_name(small: Knowledge) -> None:
    with pytest.raises(InputError, match="nothing in the catalogue"):
        small.resolve("planet:ido")
    with pytest.raises(InputError, match="unknown drug"):
        small.resolve("drug:ido")


def test_a_sound_vocabulary_has_no_findings(catalogue: Path) -> None:
    (catalogue / "diseases.toml").write_text(DISEASES, encoding="utf-8")
    fields = ("aliases", "synonyms", "nearest", "disease", "tumor", "out_of_scope")
    assert not [f for f in check_meaning(load_knowledge(catalogue)) if f.field in fields]


@pytest.mark.parametrize(
    ("file", "old", "new", "field", "says"),
    [
        ("drugs/ipilimumab.toml", "aliases = []", 'aliases = ["Opdivo"]', "aliases", "names ipilimumab, nivolumab"),
        ("drugs/ipilimumab.toml", "aliases = []", 'aliases = ["nivolumab"]', "aliases", "names ipilimumab, nivolumab"),
        ("diseases.toml", '"small cell lung cancer"', '"cutaneous melanoma"', "synonyms", "names melanoma, sclc"),
        ("diseases.toml", 'nearest = ["melanoma"]', 'nearest = ["melanom"]', "nearest", "did you mean melanoma"),
        ("trials.toml", 'disease = "melanoma"', 'disease = "melanomma"', "disease", "goes by this name"),
        ("trials.toml", 'disease = "melanoma"', 'disease = "SCLC"', "tumor", "does not cover Small-cell lung cancer"),
        ("trials.toml", 'tumor = "melanoma"\n', "", "out_of_scope", "must say why a trial without a tumor type"),
        ("trials.toml", 'endpoint = "RECIST"', 'endpoint = "IMWG"', "out_of_scope", "the model covers RECIST, Lugano"),
    ],
)  # fmt: skip
def test_conflicts_and_gaps_are_errors(catalogue: Path, file: str, old: str, new: str, field: str, says: str) -> None:
    (catalogue / "diseases.toml").write_text(DISEASES, encoding="utf-8")
    replace(catalogue / file, old, new)
    found = [f for f in check_meaning(load_knowledge(catalogue)) if f.field == field]
    assert [f.severity for f in found] == ["error"]
    assert says in found[0].message
