"""Gene symbols: approved ones stay, unambiguous old names are translated, mouse is recognized."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from tumornexus.errors import KnowledgeFormError
from tumornexus.knowledge import DATA, GeneTable, Knowledge


@pytest.fixture(scope="module")
def genes() -> GeneTable:
    """The shipped table."""
    return GeneTable(DATA / "genes.tsv")


def test_small_table(small: Knowledge) -> None:
    table = small.genes
    assert table.approved("IDO1") == "IDO1"
    assert table.approved("INDO") == "IDO1"
    assert table.approved(" TDO ") == "TDO2"
    assert table.approved("p32") is None, "claimed by two genes"
    assert table.approved("C1ORF112") == "C1orf112"
    assert table.approved("1-Mar") is None
    assert table.approved("nonsense") is None


def test_shipped_table(genes: GeneTable) -> None:
    assert len(genes) > 40_000
    for old, approved in {"PDL1": "CD274", "PD-1": "PDCD1", "TIM-3": "HAVCR2", "FAM46C": "TENT5C", "B2M": "B2M",
                          "TMEM173": "STING1", "GPR56": "ADGRG1", "KIAA1524": "CIP2A"}.items():  # fmt: skip
        assert genes.approved(old) == approved
    for gene in ("CD8A", "HLA-A", "TRAC", "IGHG1", "STING1", "VSIR", "TGFB1", "JAK1", "TAP1", "NLRC5", "CD274"):
        assert genes.approved(gene) == gene


def test_approval_is_idempotent(genes: GeneTable) -> None:
    for name in ("PDL1", "INDO", "CD8", "MLL2", "C10ORF54"):
        approved = genes.approved(name)
        assert approved is None or genes.approved(approved) == approved


def test_mouse_is_told_from_human(genes: GeneTable) -> None:
    assert genes.is_mouse(["Cd8a", "Trp53", "B2m", "H2-K1", "Gm1234", "0610007P14Rik", "mt-Nd1"])
    assert not genes.is_mouse(["CD8A", "TP53", "B2M", "C1orf112", "HLA-A", "MT-ND1"])
    assert not genes.is_mouse(["C1orf112", "C2orf49", "C9orf72"])
    assert not genes.is_mouse([])
    assert genes.looks_like_mouse(["Cd8a", "Foxp3", "Pdcd1"])


def test_broken_table_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "genes.tsv"
    file.write_text("symbol\taliases\nIDO1\n")
    with pytest.raises(KnowledgeFormError, match="line 2"):
        GeneTable(file).approved("IDO1")


@pytest.mark.realdata
def test_gene_names_of_the_public_cohorts_resolve(shared_data: Path, genes: GeneTable) -> None:
    # Names made from Ensembl identifiers or from clones (AC000003.2, RP11-...) name no approved gene in any table.
    unnamed = re.compile(r"ENSG\d{5}|[A-Z]{2}\d{6}\.\d+$|(RP\d+|CT[ABCD]|XX[A-Za-z]+|LL\d+\w*|KB|AP\d+)-\w|.*\.\d+$")
    files = sorted(shared_data.glob("*/expression.tsv.gz"))
    assert files
    for file in files:
        with gzip.open(file, "rt") as handle:
            next(handle)
            names = [line.split("\t", 1)[0] for line in handle]
        symbols = [name for name in names if not unnamed.match(name)]
        resolved = sum(genes.approved(name) is not None for name in symbols) / len(symbols)
        assert resolved > 0.99, file
        assert sum(genes.approved(name) is not None for name in names) / len(names) > 0.94, file
        assert not genes.is_mouse(names)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("CXLC9", "CXCL9"), ("CD8AA", "CD8A"), ("CD27", "CD27"), ("PDCD-1", "PDCD1"), ("TIGT", "TIGIT"), ("JAKK1", "JAK1"),
     ("b2n", "B2M"), ("STINGG1", "STING1"), ("TGFB11", "TGFB1")],
)  # fmt: skip
def test_one_typing_error_leads_to_the_symbol(genes: GeneTable, wrong: str, right: str) -> None:
    assert right in genes.near(wrong)
    assert right in genes.hint(wrong)


def test_what_is_near_nothing_suggests_nothing(genes: GeneTable) -> None:
    assert genes.near("QQQQQQQQQQQQ") == []
    assert genes.hint("QQQQQQQQQQQQ") == ""


def test_other_names_lead_back(genes: GeneTable) -> None:
    names = genes.other_names("CD274")
    assert "PDL1" in names or "PD-L1" in names
    assert {genes.approved(name) for name in names} == {"CD274"}
