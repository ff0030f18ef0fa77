"""Explaining what has a name but no record of its own: biomarkers, steps, observables, rate laws, references, genes."""

from __future__ import annotations

from collections.abc import Callable

from tumornexus.knowledge.explain import Explanation, Table, biomarker_row, cited, origin_of
from tumornexus.knowledge.load import KINDS, Knowledge, every_source
from tumornexus.knowledge.model_names import rate_laws


def _biomarker(k: Knowledge, identifier: str) -> Explanation:
    owner, _, name = identifier.partition("/")
    m = k.mechanisms[owner]
    b = next(b for b in m.biomarker if b.id == name)
    row = biomarker_row(b)
    paragraphs = [f"A biomarker of {m.name} ({m.id}): {row[2]}.", f"Origin: {origin_of(b)}."]
    paragraphs += [text for text in (b.note, b.provenance and f"Genes from: {b.provenance}.",
                                     b.license and f"License: {b.license}.") if text]  # fmt: skip
    if b.adjust_for:
        paragraphs.append(f"Read after removing what goes with '{b.adjust_for}'.")
    columns = ("biomarker", "input, method", "direction", "reads", "weight")
    table = Table("How it is measured", columns, (row,))
    return Explanation("biomarker", identifier, name, tuple(paragraphs), (), (table,), cited(k, [b]))


def _step(k: Knowledge, identifier: str) -> Explanation:
    s = k.cycle[int(identifier)]
    rows = [("mechanism that breaks it", m.id, m.name) for m in k.mechanisms.values() if s.step in m.cycle_steps]
    rows += [("therapy that helps it", t.id, t.name) for t in k.therapies.values() if s.step in t.cycle_steps]
    paragraphs = (
        f"Step {s.step} of the cancer-immunity cycle. {s.question}",
        f"In a simulation it is read from '{s.observable}'.",
    )
    tables = (Table("Who bears on it", ("relation", "id", "name"), tuple(rows)),)
    return Explanation("step", identifier, s.name, paragraphs, (), tables, cited(k, [s]))


def _observable(k: Knowledge, identifier: str) -> Explanation:
    rows = [
        ("up" if m.process.direction == "+" else "down", m.id, m.kind)
        for m in k.mechanisms.values()
        if m.process.observable == identifier
    ]
    steps = [f"step {s.step} ({s.name})" for s in k.cycle.values() if s.observable == identifier]
    said = f" It is how {', '.join(steps)} of the cancer-immunity cycle is read." if steps else ""
    told = "Mechanisms push it as listed." if rows else "No mechanism of the catalogue names it as its process."
    tables = (Table("Who moves it", ("direction", "mechanism", "kind"), tuple(rows)),) if rows else ()
    return Explanation(
        "observable", identifier, identifier, (f"What a simulation reports.{said} {told}",), (), tables, ()
    )


def _rate_law(k: Knowledge, identifier: str) -> Explanation:
    law = rate_laws()[identifier]
    known = [k.parameters[p] for p in law.parameters if p in k.parameters]
    rows = tuple((p.id, f"{p.value:g}", p.unit, p.status, p.meaning) for p in known)
    tables = (Table("Parameters", ("parameter", "value", "unit", "status", "meaning"), rows),) if rows else ()
    paragraphs = (f"A rate law of the process '{law.process}'.", law.text)
    return Explanation("rate law", identifier, law.name, paragraphs, (), tables, cited(k, known))


def _reference(k: Knowledge, identifier: str) -> Explanation:
    r = k.references[identifier]
    rows = [
        (kind, str(name), path)
        for plural, kind in (*KINDS.items(), ("cycle", "step"))
        for name, record in getattr(k, plural).items()
        for path, key in every_source(record)
        if key == identifier
    ]
    found = [
        f"{word} {r[field]}"
        for field, word in (("doi", "DOI"), ("pmid", "PMID"), ("isbn", "ISBN"), ("url", ""))
        if r.get(field)
    ]
    where = ", ".join(r[f] for f in ("journal", "booktitle", "publisher", "year") if r.get(f))
    paragraphs = [f"{r.get('author', '?').rstrip('.')}. {r.get('title', '(no title recorded)')}. {where}."]
    if found:
        paragraphs.append(", ".join(word.strip() for word in found) + ".")
    if r.get("note"):
        paragraphs.append(f"Note: {r['note']}.")
    warnings = [] if found else ["It has neither DOI, PMID, URL nor ISBN."]
    warnings += [] if rows else ["No record cites it."]
    tables = (Table("Cited by", ("kind", "record", "field"), tuple(rows)),) if rows else ()
    return Explanation("reference", identifier, identifier, tuple(paragraphs), tuple(warnings), tables, ())


def _gene(k: Knowledge, identifier: str) -> Explanation:
    rows = [
        (
            "biomarker",
            f"{m.id}/{b.id}",
            "up" if identifier in b.genes else "down" if identifier in b.genes_down else b.method,
        )
        for m in k.mechanisms.values()
        for b in m.biomarker
        if identifier in (*b.genes, *b.genes_down, *(c.partition(":")[0] for c in b.changes))
    ]
    rows += [("mediator", x.id, "made from it") for x in k.mediators.values() if identifier in x.genes]
    rows += [("cell", c.id, "marker") for c in k.cells.values() if identifier in c.markers]
    others = k.genes.other_names(identifier)
    paragraphs = [
        f"Approved human gene symbol; other names: {', '.join(others)}." if others else "Approved human gene symbol."
    ]
    if not rows:
        paragraphs.append("No record of the catalogue names it.")
    tables = (Table("Where it is named", ("kind", "id", "as"), tuple(rows)),) if rows else ()
    return Explanation("gene", identifier, identifier, tuple(paragraphs), (), tables, ())


TELL: dict[str, Callable[[Knowledge, str], Explanation]] = {
    "biomarker": _biomarker,
    "step": _step,
    "observable": _observable,
    "rate law": _rate_law,
    "reference": _reference,
    "gene": _gene,
}
"""Kind to the function that explains one of its ids."""
