"""Ensembl gene ids, and where the genes of the catalogue lie; read from small tables that ship with the package.

Source: Ensembl 109 (no restriction on use), compiled by ``scripts/build_ensembl.py``.
"""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from pathlib import Path

import pandas as pd

_DATA = Path(__file__).parent / "data"
IDS = _DATA / "ensembl.tsv.gz"
PLACES = _DATA / "gene_places.tsv"
_GENE_ID = re.compile(r"(ENSG\d{11})(?:\.\d+)?(_PAR_Y)?$")


@lru_cache(maxsize=1)
def _symbols() -> dict[str, str]:
    lines = gzip.decompress(IDS.read_bytes()).decode("utf-8").splitlines()[1:]
    return {gene_id: symbol for gene_id, _, symbol in (line.partition("\t") for line in lines)}


def is_gene_id(name: str) -> bool:
    """Tell whether a name is an Ensembl id of a human gene, with or without version."""
    return name.startswith("ENSG") and _GENE_ID.match(name) is not None


def symbol_of(name: str) -> str | None:
    """Approved symbol of an Ensembl gene id, with or without version; None where the id is not known."""
    match = _GENE_ID.match(name)
    return _symbols().get(match[1]) if match else None


@lru_cache(maxsize=2)
def gene_places(build: str) -> pd.DataFrame:
    """Places of the genes that mutation and copy-number biomarkers name: gene, chromosome, start, end (1-based)."""
    table = pd.read_csv(PLACES, sep="\t", comment="#", dtype={"chromosome": str})
    return table[table["build"] == build].drop(columns="build").reset_index(drop=True)
