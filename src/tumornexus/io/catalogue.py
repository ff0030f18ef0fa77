"""Export of the whole catalogue in open formats, for use without this program.

``catalogue.jsonld`` and ``catalogue.nt`` (the same statements as N-Triples, which every RDF tool reads, also as
Turtle), ``network.graphml`` (the network of claims), ``csv/`` (every field in tables), ``README.md`` and
``manifest.json`` (version, digest of the records, number of records, SHA-256 of each file). Equal records give equal
files.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import tumornexus
from tumornexus.io.write import write_results
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.linked import BASE, external_terms, jsonld, kinds, record_classes, triples
from tumornexus.knowledge.load import KINDS
from tumornexus.knowledge.network import claimed_network, graphml
from tumornexus.knowledge.tables import as_csv, tables


def export_files(knowledge: Knowledge, base: str = BASE) -> dict[str, str]:
    """Return the text of every file of the export by its path in the folder, the manifest left out."""
    document = jsonld(knowledge, tumornexus.__version__, base)
    files = {
        "catalogue.jsonld": json.dumps(document, ensure_ascii=False, indent=1) + "\n",
        "catalogue.nt": "".join(f"{' '.join(t)} .\n" for t in triples(document)),
        "network.graphml": graphml(claimed_network(knowledge, parameters=True)),
    }
    found = tables(knowledge)
    for name, (columns, rows) in found.items():
        files[f"csv/{name}.csv"] = as_csv(columns, rows)
    return {"README.md": _readme(knowledge, {name: len(rows) for name, (_, rows) in found.items()}, base), **files}


def coverage(knowledge: Knowledge) -> dict[str, tuple[int, int]]:
    """Return for each kind of record that has terms in other vocabularies how many have one, and of how many."""
    found = {}
    for plural, kind in KINDS.items():
        ids = list(getattr(knowledge, plural))
        n = sum(bool(external_terms(knowledge, kind, i)) for i in ids)
        if n:
            found[plural] = (n, len(ids))
    known = [bool(r.get("doi") or r.get("pmid")) for r in knowledge.references.values()]
    return {**found, "references": (sum(known), len(known))}


def export_catalogue(knowledge: Knowledge, out: Path, base: str = BASE) -> dict[str, Any]:
    """Write the export; the manifest comes last, so a folder that holds one is complete.

    Args:
        knowledge: the catalogue.
        out: folder, made if it does not exist.
        base: address under which records are named.

    Returns:
        The manifest.

    Raises:
        InputError: the folder cannot be written.
    """
    files = export_files(knowledge, base)
    manifest = {
        "program": "tumornexus",
        "version": tumornexus.__version__,
        "digest": knowledge.digest,
        "base": base,
        "records": {plural: len(getattr(knowledge, plural)) for plural in kinds()},
        "with_external_identifier": {plural: n for plural, (n, _) in coverage(knowledge).items()},
        "sha256": {name: hashlib.sha256(text.encode("utf-8")).hexdigest() for name, text in files.items()},
    }
    write_results(Path(out), {**files, "manifest.json": manifest})
    return manifest


def _readme(knowledge: Knowledge, rows: dict[str, int], base: str) -> str:
    lines = [
        "# The tumornexus catalogue in open formats",
        "",
        f"Version {tumornexus.__version__}, digest of the records {knowledge.digest}. Research use only.",
        "",
        "| file | what |",
        "| --- | --- |",
        "| `catalogue.jsonld` | every record and every field as JSON-LD 1.1 (RDF) |",
        "| `catalogue.nt` | the same statements as N-Triples; also valid Turtle |",
        "| `network.graphml` | mechanisms, therapies and parameters with signed edges and their sources |",
        "| `csv/*.csv` | every field as tables; lists in one cell, separated by a vertical bar |",
        "| `manifest.json` | version, digest, counts, SHA-256 of each file |",
        "",
        f"Records are named `{base}KIND/ID`, parts of a record `{base}KIND/ID#FIELD-PLACE`. What other vocabularies",
        "call a record is said with `skos:exactMatch`, `closeMatch`, `broadMatch` and `narrowMatch`, where a work can",
        "be found with `schema:sameAs`.",
        "",
        "| records | with a term or address elsewhere | of |",
        "| --- | --- | --- |",
        *(f"| {plural} | {n} | {of} |" for plural, (n, of) in coverage(knowledge).items()),
        "",
        "## Tables",
        "",
        "| table | rows |",
        "| --- | --- |",
        *(f"| `csv/{name}.csv` | {n} |" for name, n in rows.items()),
        "",
        "## What the classes mean",
        "",
    ]
    for cls in record_classes():
        doc = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
        lines.append(f"- **{cls.__name__.rstrip('_')}**: {doc}")
    return "\n".join(lines) + "\n"
