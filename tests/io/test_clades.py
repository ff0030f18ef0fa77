"""Names of species: the same organism under the names of several databases, and different ones kept apart."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from tumornexus.io.clades import load_clades, looks_like_gtdb, species_of, spelling


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ("s__Eubacterium_rectale", "Eubacterium_rectale"),
        ("[Eubacterium] rectale", "Eubacterium_rectale"),
        ("Bifidobacterium longum subsp. infantis", "Bifidobacterium_longum"),
        ("Clostridium sp. AM22_11AC", "Clostridium_sp_AM22_11AC"),
        ("Clostridium_sp_AM22_11AC", "Clostridium_sp_AM22_11AC"),
    ],
)
def test_one_spelling(given, same):
    assert spelling(given) == same
    assert spelling(same) == same


@pytest.mark.parametrize(
    ("name", "sgb", "naming", "species"),
    [
        ("Thomasclavelia ramosa", None, "ncbi", "Erysipelatoclostridium_ramosum"),
        ("Lactobacillus fermentum", None, "ncbi", "Limosilactobacillus_fermentum"),
        ("Mediterraneibacter gnavus", None, "ncbi", "Ruminococcus_gnavus"),
        ("[Ruminococcus] gnavus", None, "ncbi", "Ruminococcus_gnavus"),
        ("s__Ruminococcus_B gnavus", None, "gtdb", "Ruminococcus_gnavus"),
        ("s__Eubacterium_hallii", None, "metaphlan", "Anaerobutyricum_hallii"),
        ("s__Faecalibacterium_duncaniae", "SGB15322", "metaphlan", "Faecalibacterium_prausnitzii"),
        ("Faecalibacterium prausnitzii_C", None, "gtdb", "Faecalibacterium_prausnitzii"),
        ("s__Agathobacter rectalis", None, "gtdb", "Eubacterium_rectale"),
        ("s__whatever_it_is_called", "SGB4933_group", "metaphlan", "Eubacterium_rectale"),
        ("s__whatever_it_is_called", "SGB4933", "metaphlan", "Eubacterium_rectale"),
        ("s__Akkermansia_muciniphila", "SGB9226", "metaphlan", "Akkermansia_muciniphila"),
        ("Akkermansia muciniphila", None, "ncbi", "Akkermansia_muciniphila"),
    ],
)
def test_names_of_other_databases_are_mapped(name, sgb, naming, species):
    assert species_of(name, sgb, naming) == (species, True)


@pytest.mark.parametrize(
    ("name", "sgb", "naming", "kept"),
    [
        # Another genome bin under the binomial is another species of the vocabulary's database.
        ("s__Akkermansia_muciniphila", "SGB9228", "metaphlan", "Akkermansia_muciniphila_SGB9228"),
        # GTDB's own Veillonella dispar is not what MetaPhlAn vJan21 calls so (GTDB: V. nakazawae).
        ("s__Veillonella dispar", None, "gtdb", "Veillonella_dispar_GTDB"),
        ("s__Escherichia coli", None, "gtdb", "Escherichia_coli"),
        ("Escherichia coli", None, "ncbi", "Escherichia_coli"),
    ],
)
def test_names_that_are_not_in_the_table_keep_apart(name, sgb, naming, kept):
    assert species_of(name, sgb, naming) == (kept, False)


def test_names_of_the_vocabulary_stay():
    for species in load_clades().species:
        assert species_of(species, None, "vJan21") == (species, True)


def test_suffixes_of_gtdb_are_told_from_clades_of_metaphlan():
    assert looks_like_gtdb(["Escherichia coli", "Blautia_A wexlerae"])
    assert looks_like_gtdb(["s__Faecalibacterium prausnitzii_C"])
    assert not looks_like_gtdb(
        ["Prevotella_copri_clade_A", "Methanomassiliicoccaceae_archaeon_DOK", "Blautia wexlerae"]
    )


def test_every_name_has_a_source_and_one_meaning():
    text = files("tumornexus.io").joinpath("data/clade_names.tsv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    keys = [(r["kind"], r["name"]) for r in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        assert row["source"].strip()
        assert row["species"] == spelling(row["species"])
        # A renamed species must not be the new name of another one: chains would depend on the order of look-ups.
        if row["kind"] == "name":
            assert row["species"] not in load_clades().names
