"""Files beside the tables: what is named wrongly is refused, and nobody gets what is another's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tumornexus.errors import InputError
from tumornexus.io import read_cohort, read_patient
from tumornexus.knowledge import Knowledge, load_knowledge

STOOL = (
    "#mpa_vJan21_CHOCOPhlAnSGB_202103\n#clade_name\tNCBI_tax_id\trelative_abundance\n"
    "k__Bacteria|p__P|c__C|o__O|f__F|g__G|s__Escherichia_coli\t1\t60.0\n"
    "k__Bacteria|p__P|c__C|o__O|f__F|g__G|s__Akkermansia_muciniphila\t2\t40.0\n"
)
KALLISTO = "target_id\tlength\teff_length\test_counts\ttpm\nENST00000000233\t10\t5\t1\t2\n"


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load_knowledge()


def patient(folder: Path, toml: str = "") -> Path:
    (folder / "patient.toml").write_text(f'sample = "P1"\ntumor = "nsclc"\n{toml}\n')
    return folder


def cohort(folder: Path) -> Path:
    (folder / "clinical.tsv").write_text("sample\tcancer_type\nA\tnsclc\nB\tnsclc\n")
    return folder


def test_a_stool_profile_without_a_name_is_nobodys_in_a_cohort(tmp_path: Path, knowledge: Knowledge):
    (cohort(tmp_path) / "microbiome.tsv").write_text(STOOL)
    with pytest.raises(InputError, match="one sample in a cohort folder"):
        read_cohort(tmp_path, knowledge)
    for sample in ("A", "B"):
        with pytest.raises(InputError, match="one sample in a cohort folder"):
            read_patient(tmp_path, sample=sample, knowledge=knowledge)


@pytest.mark.parametrize("kind", ["mutations", "copy_number", "hla", "expression"])
@pytest.mark.parametrize("value", ['{ file = "x.tsv" }', "3"])
def test_a_file_that_is_not_a_name_is_refused_and_not_passed_over(
    tmp_path: Path, knowledge: Knowledge, kind: str, value: str
):
    with pytest.raises(InputError, match="not the name of a file") as error:
        read_patient(patient(tmp_path, f"{kind} = {value}"), knowledge=knowledge)
    assert error.value.field == kind


def test_a_table_of_kallisto_is_no_stool_profile(tmp_path: Path, knowledge: Knowledge):
    (patient(tmp_path) / "microbiome.tsv").write_text(KALLISTO)
    with pytest.raises(InputError, match="kallisto"):
        read_patient(tmp_path, knowledge=knowledge)


def test_cells_of_nobody_in_the_cohort_are_refused(tmp_path: Path, knowledge: Knowledge):
    (cohort(tmp_path) / "cells.tsv").write_text("sample\tx_um\ty_um\tcell_type\nC\t1\t1\tTumor\nC\t9\t9\tTumor\n")
    with pytest.raises(InputError, match="no sample of this file belongs to the cohort"):
        read_cohort(tmp_path, knowledge)


@pytest.mark.parametrize(
    "option", ["image_size = 5", 'image_size = ["a", "b"]', 'pixel_um = "x"', 'columns = "x"', "phenotypes = 3"]
)
def test_options_of_another_form_are_one_clear_error(tmp_path: Path, knowledge: Knowledge, option: str):
    (tmp_path / "cells.tsv").write_text("sample\tx_um\ty_um\tcell_type\nP1\t1\t1\tTumor\nP1\t9\t9\tTumor\n")
    with pytest.raises(InputError, match="another form") as error:
        read_patient(patient(tmp_path, f'slide = {{ file = "cells.tsv", {option} }}'), knowledge=knowledge)
    assert error.value.field == f"slide.{option.split()[0]}"
