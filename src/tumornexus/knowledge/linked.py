"""The catalogue as linked data: every field of every record as JSON-LD, which is RDF, and back again.

Records are nodes named ``<base>mechanism/mdsc``; parts of a record (an effect, a drive, an arm) are nodes of their own,
named after the record and their place in it, so that a statement with its source can be pointed at. Fields that name
other records are links. What other vocabularies call a record is said with SKOS (``exactMatch`` and so on). Nothing is
left out: `records_of` rebuilds the records from the document, and a test compares them with the originals.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin
from urllib.parse import quote

from tumornexus.knowledge.load import FOLDERS, KINDS, LISTS, Knowledge
from tumornexus.knowledge.records import Record

BASE = "urn:tumornexus:"
"""Names of records as they are shipped; whoever publishes them says under which address (see `jsonld`)."""

VOCABULARIES = {
    "ATC": "https://identifiers.org/atc:",
    "CHEBI": "http://purl.obolibrary.org/obo/CHEBI_",
    "CL": "http://purl.obolibrary.org/obo/CL_",
    "HGNC": "https://identifiers.org/hgnc:",
    "MONDO": "http://purl.obolibrary.org/obo/MONDO_",
    "ONCOTREE": "http://oncotree.mskcc.org/api/tumorTypes/search/code/",
}
_STANDARD = {
    "name": "http://www.w3.org/2000/01/rdf-schema#label",
    "aliases": "http://www.w3.org/2004/02/skos/core#altLabel",
    "synonyms": "http://www.w3.org/2004/02/skos/core#altLabel",
    "note": "http://www.w3.org/2004/02/skos/core#note",
    "source": "http://purl.org/dc/terms/source",
    "title": "http://purl.org/dc/terms/title",
    "exact": "http://www.w3.org/2004/02/skos/core#exactMatch",
    "close": "http://www.w3.org/2004/02/skos/core#closeMatch",
    "broad": "http://www.w3.org/2004/02/skos/core#broadMatch",
    "narrow": "http://www.w3.org/2004/02/skos/core#narrowMatch",
    "same_as": "http://schema.org/sameAs",
}
_XSD = "http://www.w3.org/2001/XMLSchema#"
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_DERIVED = ("promotes", "inhibits", "exact", "close", "broad", "narrow", "same_as")

# Fields whose values name something: class and field to the kind of what is named.
LINKS: dict[tuple[str, str], str] = {
    ("Effect", "parameter"): "parameter",
    ("Act", "parameter"): "parameter",
    ("Override", "parameter"): "parameter",
    ("Drive", "target"): "mechanism",
    ("Prevalence", "mechanism"): "mechanism",
    ("Therapy", "reverses"): "mechanism",
    ("Mechanism", "reversed_by"): "therapy",
    ("Mechanism", "raised_by"): "therapy",
    ("Therapy", "composed_of"): "therapy",
    ("Exception_", "therapy"): "therapy",
    ("Drug", "therapy"): "therapy",
    ("Therapy", "agents"): "drug",
    ("Arm", "drugs"): "drug",
    ("ClaimConflict", "trials"): "trial",
    ("Trial", "tumor"): "tumor",
    ("Arm", "tumor"): "tumor",
    ("Disease", "nearest"): "tumor",
    ("Biomarker", "genes"): "gene",
    ("Biomarker", "genes_down"): "gene",
    ("Mediator", "genes"): "gene",
    ("Cell", "markers"): "gene",
    ("Mediator", "made_by"): "cell",
    ("Mediator", "acts_on"): "cell",
    ("Mechanism", "cycle_steps"): "step",
    ("Therapy", "cycle_steps"): "step",
}
# A term of the document means one thing, so fields of one name and different meaning get different terms.
TERMS: dict[tuple[str, str], str] = {
    ("Drive", "target"): "drives_target",
    ("OccursIn", "tumor"): "occurs_in",  # text: it may say "any"; the tumor types carry the links
    ("Therapy", "target"): "acts_on_target",
    ("Therapy", "toxicity"): "toxicity_text",
    ("StandardOfCare", "line"): "line_number",
    ("Parameter", "process"): "rate_law",
    ("Drug", "therapy"): "acts_through",
    ("Trial", "endpoint"): "criteria",
    ("Trial", "criteria"): "eligibility",
    ("Arm", "criteria"): "eligibility",
    ("Criteria", "braf_v600"): "braf_v600_carrier",
    ("Tumor", "endpoint"): "criteria",
    ("Cell", "ontology"): "ontology_term",
    ("Mediator", "identifier"): "ontology_term",
    ("CycleStep", "step"): "number",
}

Node = dict[str, Any]


def kinds() -> dict[str, tuple[str, type[Record]]]:
    """Return the kinds of record that are exported: plural to (singular, class)."""
    classes = {**FOLDERS, **{plural: cls for plural, (_, cls) in LISTS.items()}}
    return {plural: (KINDS.get(plural, "step"), cls) for plural, cls in classes.items() if plural != "identifiers"}


def parts(annotation: Any) -> Iterator[Any]:
    """Yield the plain types inside an annotation: those of unions, tuples and ``Annotated``."""
    origin = get_origin(annotation)
    if origin is Literal:
        yield from {type(value) for value in get_args(annotation)}
    elif origin is None:
        if annotation not in (type(None), Ellipsis):
            yield annotation
    elif origin in (Union, types.UnionType, tuple):
        for inner in get_args(annotation):
            yield from parts(inner)
    else:  # Annotated
        yield from parts(get_args(annotation)[0])


def record_classes() -> list[type[Record]]:
    """Return every class of record and of their parts, in order of first use."""
    todo, found = [cls for _, cls in kinds().values()], []
    while todo:
        cls = todo.pop(0)
        if cls in found:
            continue
        found.append(cls)
        for field in cls.model_fields.values():
            todo += [t for t in parts(field.annotation) if isinstance(t, type) and issubclass(t, Record)]
    return found


def term_of(cls: type[Record], field: str) -> str:
    """Return the term of the document that stands for a field."""
    return TERMS.get((cls.__name__, field), field)


def link_of(cls: type[Record], field: str) -> str | None:
    """Return the kind of thing that a field names, or None for a plain value."""
    return "reference" if field == "source" else LINKS.get((cls.__name__, field))


def coercions() -> dict[str, set[str]]:
    """Return for each term the ways in which its values are to be read; more than one would be a mistake here."""
    found: dict[str, set[str]] = {}
    for cls in record_classes():
        for name, field in cls.model_fields.items():
            kind = set(parts(field.annotation))
            if name == "id":
                continue
            if link_of(cls, name):
                way = "@id"
            elif any(isinstance(t, type) and issubclass(t, Record) for t in kind):
                way = "node"
            else:
                way = "/".join(sorted(t.__name__ for t in kind))
            found.setdefault(term_of(cls, name), set()).add(way)
    return found


def context(base: str = BASE) -> Node:
    """Return the JSON-LD context: prefixes, the terms with a standard meaning, links and numbers."""
    found: Node = {
        "@version": 1.1,
        "@vocab": f"{base}term/",
        "tnx": {"@id": base, "@prefix": True},
        **{prefix: {"@id": address, "@prefix": True} for prefix, address in VOCABULARIES.items()},
    }
    ways = {term: next(iter(way)) for term, way in coercions().items()}
    ways |= dict.fromkeys(_DERIVED, "@id") | {"of": "@id"}
    for term in sorted({*ways, *_STANDARD}):
        entry: Node = {"@id": _STANDARD.get(term, f"{base}term/{term}")}
        if ways.get(term) == "@id":
            entry["@type"] = "@id"
        elif ways.get(term) == "float":
            # Without this a reader would take 2.0 for an integer.
            entry["@type"] = _XSD + "double"
        found[term] = entry if len(entry) > 1 else entry["@id"]
    return found


class _Writer:
    """Turns the records of one catalogue into nodes."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.k = knowledge
        self.genes: dict[str, str] = {}
        self.others: dict[str, Node] = {}
        self.tables: dict[str, Mapping[Any, Record]] = {
            kind: getattr(knowledge, plural) for plural, (kind, _) in kinds().items()
        }

    def link(self, kind: str, value: Any) -> str:
        """Return the name of what a field names."""
        if kind == "gene":
            self.genes[value] = self.k.genes.hgnc(value) or f"tnx:gene/{quote(value)}"
            return self.genes[value]
        if kind == "cell":  # a cell type, or where the record says so a mechanism, a mediator or a state of the model
            kind = next((k for k in ("cell", "mechanism", "mediator") if value in self.tables[k]), "state")
        elif kind == "drug" and value not in self.tables["drug"]:
            kind = "agent"  # an agent of a trial arm that the catalogue does not hold
        name = f"tnx:{kind}/{quote(str(value), safe='')}"
        if kind in ("state", "agent"):
            self.others[name] = {"@id": name, "@type": kind.capitalize(), "name": str(value)}
        return name

    def node(self, record: Record, name: str) -> Node:
        """Return one record, or one part of a record, with all its parts inside."""
        cls = type(record)
        node: Node = {"@id": name, "@type": cls.__name__.rstrip("_")}
        for field in cls.model_fields:
            value = getattr(record, field)
            if value is None or value == ():
                continue
            kind, term = link_of(cls, field), term_of(cls, field)
            many = isinstance(value, tuple)
            items = value if many else (value,)
            if kind:
                said: list[Any] = [self.link(kind, v) for v in items]
            elif isinstance(items[0], Record):
                inner = "/" if "#" in name else "#"
                places = [f"{field}-{i}" for i in range(1, len(items) + 1)] if many else [field]
                said = [self.node(v, f"{name}{inner}{place}") for v, place in zip(items, places, strict=True)]
            else:
                said = list(items)
            node["record_id" if term == "id" else term] = said if many else said[0]
        return node

    def record(self, kind: str, key: Any, record: Record) -> Node:
        """Return a record with what follows from it: direct edges of the network and terms of other vocabularies."""
        name = f"tnx:{kind}/{key}"
        node = self.node(record, name)
        for term, sign in (("promotes", "+"), ("inhibits", "-")):
            targets = [self.link("mechanism", d.target) for d in getattr(record, "drives", ()) if d.sign == sign]
            if targets:
                node[term] = list(dict.fromkeys(targets))
        for term, match in external_terms(self.k, kind, str(key)):
            node.setdefault(match, []).append(term)
        if kind == "trial" and getattr(record, "doi", None):
            node["same_as"] = [doi_address(record.doi)]  # type: ignore[attr-defined]
        return node


def external_terms(knowledge: Knowledge, kind: str, identifier: str) -> list[tuple[str, str]]:
    """List what other vocabularies call a record: (term, ``exact``, ``close``, ``broad`` or ``narrow``).

    Terms of `identifiers.toml` come with their match; those that stand in the record itself (Cell Ontology of a cell,
    ChEBI or HGNC of a mediator, OncoTree of a tumor type) say no more than that they are close.
    """
    entry = knowledge.identifiers.get(f"{kind}/{identifier}")
    found: dict[str, str] = {term.id: term.match for term in entry.terms} if entry else {}
    record = knowledge.table(kind).get(identifier) if kind in KINDS.values() else None
    own = [getattr(record, "ontology", None), getattr(record, "identifier", None)]
    for term in (*own, *(f"ONCOTREE:{code}" for code in getattr(record, "oncotree", ()))):
        if term:
            found.setdefault(term, "close")
    return sorted(found.items())


def address(term: str) -> str:
    """Return the address of a term such as ``CHEBI:17234``.

    Raises:
        KeyError: its vocabulary is not one of `VOCABULARIES`.
    """
    prefix, _, number = term.partition(":")
    return VOCABULARIES[prefix] + number


def doi_address(doi: str) -> str:
    """Return the address of a DOI; characters that an address may not hold are escaped."""
    return "https://doi.org/" + quote(doi.removeprefix("https://doi.org/"), safe="/():;.-_")


def pubmed_address(pmid: str) -> str:
    """Return the address of a PubMed entry."""
    return f"https://pubmed.ncbi.nlm.nih.gov/{pmid}"


def jsonld(knowledge: Knowledge, version: str, base: str = BASE) -> Node:
    """Return the whole catalogue as one JSON-LD document.

    Args:
        knowledge: the catalogue.
        version: of the program, written beside the digest of the records.
        base: address under which records are named; the default names them without promising a web page.
    """
    writer = _Writer(knowledge)
    graph: list[Node] = [
        {"@id": "tnx:catalogue", "@type": "Catalogue", "name": "tumornexus catalogue", "version": version,
         "digest": knowledge.digest}
    ]  # fmt: skip
    for plural, (kind, _) in kinds().items():
        graph += [writer.record(kind, key, record) for key, record in getattr(knowledge, plural).items()]
    for key, fields in knowledge.references.items():
        same = [doi_address(fields["doi"])] if fields.get("doi") else []
        same += [pubmed_address(fields["pmid"])] if fields.get("pmid") else []
        node = {"@id": writer.link("reference", key), "@type": "Reference", "record_id": key}
        graph.append({**node, **{f"bib_{k}": v for k, v in fields.items()}, **({"same_as": same} if same else {})})
    for entry in knowledge.identifiers.values():
        graph += [{"@id": term.id, "name": term.name} for term in entry.terms]
    graph += [{"@id": name, "@type": "Gene", "name": symbol} for symbol, name in sorted(writer.genes.items())]
    graph += [writer.others[name] for name in sorted(writer.others)]
    named: dict[str, Node] = {}
    for node in graph:  # the same term may serve several records
        named.setdefault(node["@id"], {}).update(node)
    return {"@context": context(base), "@graph": list(named.values())}


def records_of(document: Node) -> dict[str, dict[Any, Record]]:
    """Rebuild the records from a document of `jsonld`: plural kind to key to record.

    Raises:
        ValidationError: a node is not a complete record.
    """
    names = {n["@id"]: n["name"] for n in document["@graph"] if n.get("@type") in ("Gene", "State", "Agent")}
    by_name = {cls.__name__.rstrip("_"): cls for cls in record_classes()}

    def value_of(kind: str | None, said: Any) -> Any:
        if isinstance(said, dict):
            return fields_of(said)
        if kind is None:
            return said
        own = names.get(said)
        return own if own is not None else said.rpartition("/")[2]

    def fields_of(node: Node) -> Node:
        cls = by_name[node["@type"]]
        found = {}
        for field in cls.model_fields:
            term = term_of(cls, field)
            said = node.get("record_id" if term == "id" else term)
            if said is None and get_origin(cls.model_fields[field].annotation) is tuple:
                found[field] = []
            elif said is not None:
                kind = link_of(cls, field)
                found[field] = [value_of(kind, s) for s in said] if isinstance(said, list) else value_of(kind, said)
        return found

    found: dict[str, dict[Any, Record]] = {}
    for plural, (_, cls) in kinds().items():
        key = "step" if plural == "cycle" else "id"
        rows = [n for n in document["@graph"] if n.get("@type") == cls.__name__]
        records = [cls.model_validate(fields_of(node)) for node in rows]
        found[plural] = {getattr(r, key): r for r in records}
    return found


def triples(document: Node) -> list[tuple[str, str, str]]:
    """Return the statements of a document of `jsonld` in the spelling of N-Triples, sorted and without repetition."""
    ctx = document["@context"]
    prefixes = {p: e["@id"] for p, e in ctx.items() if isinstance(e, dict) and e.get("@prefix")}

    def iri(name: str) -> str:
        prefix, _, rest = name.partition(":")
        return f"<{prefixes[prefix] + rest if prefix in prefixes else name}>"

    def literal(value: Any, datatype: str | None) -> str:
        if isinstance(value, bool):
            return f'"{str(value).lower()}"^^<{_XSD}boolean>'
        if isinstance(value, float) or datatype:
            mantissa, _, exponent = f"{float(value):.15E}".partition("E")
            mantissa = mantissa.rstrip("0")
            return f'"{mantissa}{"0" if mantissa.endswith(".") else ""}E{int(exponent)}"^^<{_XSD}double>'
        if isinstance(value, int):
            return f'"{value}"^^<{_XSD}integer>'
        return json.dumps(value, ensure_ascii=False).replace("\\/", "/")

    found: set[tuple[str, str, str]] = set()

    def say(node: Node) -> str:
        subject = iri(node["@id"])
        for term, said in node.items():
            if term == "@id":
                continue
            if term == "@type":
                found.add((subject, f"<{_TYPE}>", f"<{ctx['@vocab']}{said}>"))
                continue
            entry = ctx.get(term, ctx["@vocab"] + term)
            way = entry.get("@type") if isinstance(entry, dict) else None
            predicate = f"<{entry['@id'] if isinstance(entry, dict) else entry}>"
            for value in said if isinstance(said, list) else [said]:
                if isinstance(value, dict):
                    thing = say(value)
                elif way == "@id":
                    thing = iri(value)
                else:
                    thing = literal(value, way)
                found.add((subject, predicate, thing))
        return subject

    for node in document["@graph"]:
        say(node)
    return sorted(found)
