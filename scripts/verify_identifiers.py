"""Compare the identifiers of the catalogue with the vocabularies they come from: does the term exist, is it so named?

The vocabularies are not shipped. Their files, each under its own terms of use:

* ``--atc``: the ATC index (WHO Collaborating Centre for Drug Statistics Methodology) as CSV with columns
  ``atc_code`` and ``atc_name``.
* ``--chebi``, ``--mondo``, ``--cl``: terms as JSON, id to an object with ``label`` and ``deprecated`` (the form in
  which the package cellxgene-ontology-guide holds these ontologies).
* ``--oncotree``: a tree of OncoTree as JSON, nodes with ``code`` and ``children``.
* ``--hgnc``: HGNC's table with columns ``HGNC ID`` and ``Approved symbol``.

    python scripts/verify_identifiers.py --chebi CHEBI.json --mondo MONDO.json ...

A vocabulary that is not given is not checked; the last line says how many terms were. Exit code 1 where one is wrong.
Read last on 2026-11-21 with ATC 2026-04-25, ChEBI 2026-05-01, MONDO 2026-05-05, Cell Ontology 2026-03-26 and OncoTree
2025-10-03 and 2021-11-02.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.linked import external_terms
from tumornexus.knowledge.load import KINDS


def terms_of_ontology(path: Path) -> dict[str, str]:
    """Read the labels of the terms that are not deprecated."""
    return {i: t["label"] for i, t in json.loads(path.read_text("utf-8")).items() if not t.get("deprecated")}


def terms_of_atc(path: Path) -> dict[str, str]:
    """Read ATC codes with their names."""
    with path.open(encoding="utf-8", newline="") as handle:
        return {f"ATC:{row['atc_code']}": row["atc_name"] for row in csv.DictReader(handle)}


def terms_of_hgnc(path: Path) -> dict[str, str]:
    """Read HGNC numbers with their approved symbols."""
    with path.open(encoding="utf-8", newline="") as handle:
        return {row["HGNC ID"]: row["Approved symbol"] for row in csv.DictReader(handle, delimiter="\t")}


def terms_of_oncotree(path: Path) -> dict[str, str]:
    """Read OncoTree codes with their names."""

    def walk(nodes: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for node in nodes.values():
            yield f"ONCOTREE:{node['code']}", node["name"]
            yield from walk(node.get("children") or {})

    return dict(walk(json.loads(path.read_text("utf-8"))))


def wrong(knowledge: Knowledge, terms: dict[str, str]) -> tuple[list[str], int]:
    """Return what is wrong, and how many terms were compared; vocabularies that `terms` lacks are left out."""
    known = {term.partition(":")[0] for term in terms}
    names = {t.id: t.name for entry in knowledge.identifiers.values() for t in entry.terms}
    found, compared = [], 0
    for plural, kind in KINDS.items():
        for record in getattr(knowledge, plural):
            for term, _ in external_terms(knowledge, kind, record):
                if term.partition(":")[0] not in known:
                    continue
                compared += 1
                if term not in terms:
                    found.append(f"{kind}/{record}: no current term {term}")
                elif names.get(term, terms[term]).lower() != terms[term].lower():
                    found.append(f"{kind}/{record}: {term} is named '{terms[term]}', not '{names[term]}'")
    return found, compared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    readers = {
        "atc": terms_of_atc, "chebi": terms_of_ontology, "mondo": terms_of_ontology, "cl": terms_of_ontology,
        "oncotree": terms_of_oncotree, "hgnc": terms_of_hgnc,
    }  # fmt: skip
    for name in readers:
        parser.add_argument(f"--{name}", type=Path)
    given = vars(parser.parse_args())
    terms: dict[str, str] = {}
    for name, read in readers.items():
        if given[name]:
            terms |= read(given[name])
    found, compared = wrong(load_knowledge(), terms)
    for line in found:
        print(line)
    print(f"{compared} terms compared, {len(found)} wrong")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
