"""Names of microbial species in one vocabulary: the species names of the MetaPhlAn database vJan21.

That is the vocabulary in which the published stool score lists its species. Databases name the same organism
differently: SGB numbers (MetaPhlAn 4), suffixed names such as ``Blautia_A wexlerae`` (GTDB), older and newer binomials
(NCBI, MetaPhlAn 3, mOTUs). ``data/clade_names.tsv`` holds the names that matter to this program, each with its source;
every other name keeps its own spelling and is reported as not in the table.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

Naming = Literal["vJan21", "metaphlan", "gtdb", "ncbi"]
_GTDB_GENUS = re.compile(r"^([A-Z][A-Za-z0-9-]+)_[A-Z]{1,3} ")
# The space tells these from MetaPhlAn's own names such as Prevotella_copri_clade_A.
_GTDB_SUFFIX = re.compile(r"^[A-Z][A-Za-z0-9-]+_[A-Z]{1,3} [a-z]|^[A-Z]\S+ [a-z]+_[A-Z]{1,3}$|^[A-Z]\S+ sp\d{9}$")


@dataclass(frozen=True)
class Clades:
    """The table of names.

    Attributes:
        sgb: SGB number (``SGB4933``, without ``_group``) to species.
        gtdb: GTDB species (``Agathobacter rectalis``) to species.
        names: other binomial (``Thomasclavelia_ramosa``) to species.
        by_sgb, by_gtdb: species that the table defines by SGB numbers or by GTDB names.
        species: every species in the table.
    """

    sgb: dict[str, str]
    gtdb: dict[str, str]
    names: dict[str, str]
    by_sgb: frozenset[str]
    by_gtdb: frozenset[str]
    species: frozenset[str]


@lru_cache(maxsize=1)
def load_clades() -> Clades:
    """Read the table that ships with the package."""
    text = files("tumornexus.io").joinpath("data/clade_names.tsv").read_text(encoding="utf-8")
    kinds: dict[str, dict[str, str]] = {"sgb": {}, "gtdb": {}, "name": {}}
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        kinds[row["kind"]][row["name"]] = row["species"]
    return Clades(
        kinds["sgb"], kinds["gtdb"], kinds["name"], frozenset(kinds["sgb"].values()),
        frozenset(kinds["gtdb"].values()), frozenset(s for k in kinds.values() for s in k.values()),
    )  # fmt: skip


def spelling(name: str) -> str:
    """Return a species name in one spelling: ``s__`` and brackets removed, ``_`` for spaces, no subspecies.

    ``[Eubacterium] rectale`` and ``s__Eubacterium_rectale`` become ``Eubacterium_rectale``.
    """
    word = name.strip().removeprefix("s__").replace("[", "").replace("]", "").replace("'", "").replace('"', "")
    word = re.sub(r"[\s_]+", "_", word).strip("_")
    word = re.sub(r"_subsp\.?_.*$", "", word)
    return re.sub(r"_sp\._", "_sp_", word)


def looks_like_gtdb(names: list[str]) -> bool:
    """Tell whether names carry the suffixes of GTDB: ``Blautia_A wexlerae``, ``Faecalibacterium prausnitzii_C``."""
    return any(_GTDB_SUFFIX.search(n.strip().removeprefix("s__")) for n in names)


def species_of(name: str, sgb: str | None, naming: Naming) -> tuple[str, bool]:
    """Return the species of a clade in the vocabulary, and whether its name is one of the vocabulary.

    Args:
        name: species name as the table has it, with or without ``s__``.
        sgb: SGB number (``SGB4933`` or ``SGB4933_group``) where the table resolves species to SGBs.
        naming: ``vJan21`` (names are the vocabulary), ``metaphlan`` (another version), ``gtdb`` or ``ncbi``.

    A species that the table of names defines by SGB numbers (or GTDB names) is found by these alone where they are
    given: another SGB under the same binomial keeps its number (``Akkermansia_muciniphila_SGB9223``), because a later
    database may have split the species or used its name for another one.
    """
    clades = load_clades()
    if sgb is not None:
        number = sgb.removesuffix("_group")
        if number in clades.sgb:
            return clades.sgb[number], True
    if naming == "gtdb":
        given = re.sub(r"\s+", " ", name.strip().removeprefix("s__"))
        if given in clades.gtdb:
            return clades.gtdb[given], True
        plain = spelling(_GTDB_GENUS.sub(r"\1 ", given))
        word = clades.names.get(plain, plain)
        return (f"{plain}_GTDB", False) if word in clades.by_gtdb else (word, word in clades.species)
    plain = spelling(name)
    if naming == "vJan21":
        return plain, True
    word = clades.names.get(plain, plain)
    if sgb is not None and word in clades.by_sgb:
        return f"{plain}_{sgb.removesuffix('_group')}", False
    return word, word in clades.species
