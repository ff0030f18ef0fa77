"""The table of cell names: every name leads to one row, every row to kinds that the model has."""

from __future__ import annotations

import pytest

from tumornexus.cellkinds import KINDS
from tumornexus.errors import KnowledgeFormError
from tumornexus.knowledge import load_knowledge
from tumornexus.knowledge.cell_names import COLUMNS, read_cell_names, reduce_name

HEADER = "\t".join(COLUMNS) + "\n"
KEREN = {
    "Tumor": "tumor", "Macrophage": "immune", "CD8_T": "immune", "CD4_T": "immune", "B": "immune",
    "Mesenchyme": "stroma",
    "Other": "other", "DC_Mono": "immune", "CD3_T": "immune", "Mono_neutrophil": "immune", "Neutrophil": "immune",
    "Endothelial": "vessel", "Treg": "immune", "DC": "immune", "NK": "immune",
}  # fmt: skip


@pytest.fixture(scope="module")
def names():
    return load_knowledge().cell_names


def test_all_names_of_the_tnbc_images_are_known(names):
    assert {name: names.find(name).group for name in KEREN} == KEREN
    assert names.find("Macrophage").kinds == ("tam_m1", "tam_m2")
    assert names.find("Endothelial").kinds == ("vessel",)
    assert names.find("Other").kinds == ("none",)


@pytest.mark.parametrize(
    ("spelled", "name"),
    [("CD8+ T cells", "CD8_T"), ("CD8-T", "CD8_T"), ("T cells CD8", "CD8_T"), ("CTLs", "CTL"), ("T helper", "CD4_T"),
     ("Tregs", "Treg"), ("macrophages", "Macrophage"), ("M1 Macrophages", "M1"), ("CD68+ CD163-", "M1"),
     ("CD68+CD163+", "M2"), ("CAFs", "Fibroblast"), ("αSMA+", "myCAF"), ("Tumour cells", "Tumor"),
     ("vessels", "Endothelial"),
     ("γδ T cells", "gamma delta T"), ("CD4-CD8- T cells", "CD3_T"), ("B cells", "B"), ("Plasma_Cells", "Plasma cell")],
)  # fmt: skip
def test_spellings_lead_to_one_row(names, spelled, name):
    assert names.find(spelled).name == name


def test_a_minus_behind_a_marker_is_not_lost(names):
    assert reduce_name("CD8- T cell") != reduce_name("CD8+ T cell")
    assert reduce_name("CD4-CD8+") != reduce_name("CD4+CD8+")
    assert names.find("CD8-") is None


def test_every_kind_is_reached_and_every_candidate_is_a_cell_of_the_catalogue(names):
    reached = {kind for row in names.rows.values() for kind in row.kinds}
    assert reached == {*KINDS[1:], "vessel", "none"}
    states = {state for cell in load_knowledge().cells.values() for state in cell.states}
    assert set(KINDS[1:]) - {"dead_antigen"} <= states


def test_unknown_names_come_with_near_ones(names):
    assert names.find("Makrophage") is None
    assert names.near("Makrophage")[0] == "Macrophage"


def test_a_folder_of_further_records_adds_names_and_changes_the_digest(tmp_path):
    (tmp_path / "cell_names.tsv").write_text(HEADER + "Blorb\tblorb cell\t\ttam_m1=0.25|tam_m2=0.75\timmune\t\n")
    more = load_knowledge(extra=tmp_path)
    assert more.cell_names.find("Blorbs").shares == (0.25, 0.75)
    assert more.cell_names.find("Tumor") is not None
    assert more.digest != load_knowledge().digest


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("A\t\tCL:12\tnk\timmune\t", "ontology"),
        ("A\t\t\tnkk\timmune\t", r"line 2.*unknown kind.*nkk"),
        ("A\t\t\tnk\tblood\t", "unknown group"),
        ("A\t\t\tnk|none\timmune\t", "stand alone"),
        ("A\t\t\tvessel\tstroma\t", "group vessel"),
        ("A\t\t\tnk=0.5|treg=0.4\timmune\t", "sum to 1"),
        ("A\t\t\tnk=0.5|treg\timmune\t", "sum to 1"),
        ("A\t\t\tnk=x|treg=y\timmune\t", "sum to 1"),
        ("\tb\t\tnk\timmune\t", "needs a name"),
        ("A\tb\t\tnk\timmune\t\nC\tB cells\t\tnk\timmune\t", r"line 3.*'A' already"),
        ("A\tb\t\tnk\timmune\t\nA\tc\t\tnk\timmune\t", r"line 3.*row already"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(row, words):
    with pytest.raises(KnowledgeFormError, match=words):
        read_cell_names(HEADER + row + "\n", "cell_names.tsv")
    with pytest.raises(KnowledgeFormError, match="wrong columns"):
        read_cell_names("name\tkinds\n", "cell_names.tsv")
