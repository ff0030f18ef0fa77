"""The catalogue in open formats says what the records say, nothing less: read back, it gives the same records."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.linked import (
    VOCABULARIES,
    address,
    coercions,
    context,
    doi_address,
    external_terms,
    jsonld,
    kinds,
    records_of,
    triples,
)
from tumornexus.knowledge.load import KINDS
from tumornexus.knowledge.tables import as_csv, columns_of, tables
from tumornexus.knowledge.tables import records_of as records_of_tables

NUMBERED = {
    "ATC": r"[A-Z]\d\d[A-Z]{1,2}(\d\d)?", "CHEBI": r"\d+", "CL": r"\d{7}", "HGNC": r"\d{1,5}", "MONDO": r"\d{7}",
    "ONCOTREE": r"[A-Z0-9_]+",
}  # fmt: skip
WORD = re.compile(r'<([^>]*)>|"(?:[^"\\]|\\.)*"(?:\^\^<([^>]*)>)?')


@pytest.fixture(scope="module")
def k() -> Knowledge:
    """The shipped catalogue."""
    return load_knowledge()


@pytest.fixture(scope="module")
def document(k: Knowledge) -> dict:
    """The JSON-LD as a reader gets it: through its text."""
    return json.loads(json.dumps(jsonld(k, "1.2.3"), ensure_ascii=False))


# --------------------------------------------------------------------------------------------------------- linked data


@pytest.mark.parametrize("plural", kinds())
def test_jsonld_reads_back_as_the_same_records(plural: str, k: Knowledge, document: dict) -> None:
    again = records_of(document)[plural]
    assert list(again) == list(getattr(k, plural))
    for key, record in getattr(k, plural).items():
        assert again[key] == record


def test_jsonld_and_ntriples_hold_the_same_statements(document: dict, k: Knowledge) -> None:
    assert triples(document) == triples(jsonld(k, "1.2.3"))


def test_statements_agree_with_an_independent_reader(document: dict) -> None:
    """rdflib reads both spellings as one graph; the parts of the checks below hold without it."""
    rdflib = pytest.importorskip("rdflib")
    lines = "".join(f"{' '.join(t)} .\n" for t in triples(document))
    first = set(rdflib.Graph().parse(data=json.dumps(document), format="json-ld"))
    assert first == set(rdflib.Graph().parse(data=lines, format="nt"))
    assert first == set(rdflib.Graph().parse(data=lines, format="turtle"))


def test_ntriples_are_well_formed(document: dict) -> None:
    for subject, predicate, thing in triples(document):
        for word in (subject, predicate, thing):
            match = WORD.fullmatch(word)
            assert match, word
            assert not re.search(r'[\s<>"{}|\\^`]', match[1] or ""), word
        assert subject.startswith("<")
        assert predicate.startswith("<")


def test_a_term_of_the_document_means_one_thing() -> None:
    assert {term: ways for term, ways in coercions().items() if len(ways) > 1} == {}


def test_every_link_leads_to_a_node_of_the_document(document: dict) -> None:
    base = context()["tnx"]["@id"]
    statements = triples(document)
    described = {s for s, _, _ in statements}
    own = {o for _, p, o in statements if o.startswith(f"<{base}") and not p.endswith("ns#type>")}
    assert own - described == set()


def test_catalogue_names_version_and_digest(document: dict, k: Knowledge) -> None:
    (node,) = [n for n in document["@graph"] if n.get("@type") == "Catalogue"]
    assert (node["version"], node["digest"]) == ("1.2.3", k.digest)


def test_a_published_address_names_the_records(k: Knowledge) -> None:
    document = jsonld(k, "0", "https://example.org/nexus/")
    assert any(s == "<https://example.org/nexus/mechanism/mdsc>" for s, _, _ in triples(document))
    assert not any("urn:tumornexus" in word for t in triples(document) for word in t)


def test_network_edges_stand_as_plain_statements(k: Knowledge, document: dict) -> None:
    base = context()["tnx"]["@id"]
    said = set(triples(document))
    for m in k.mechanisms.values():
        for d in m.drives:
            verb = "promotes" if d.sign == "+" else "inhibits"
            assert (f"<{base}mechanism/{m.id}>", f"<{base}term/{verb}>", f"<{base}mechanism/{d.target}>") in said


# --------------------------------------------------------------------------------------------------------- identifiers


def test_every_identifier_has_the_form_of_its_vocabulary_and_an_address(k: Knowledge) -> None:
    found = [t for plural, kind in KINDS.items() for i in getattr(k, plural) for t, _ in external_terms(k, kind, i)]
    assert found
    for term in found:
        prefix, _, number = term.partition(":")
        assert re.fullmatch(NUMBERED[prefix], number), term
        assert address(term) == VOCABULARIES[prefix] + number


def test_identifiers_belong_to_records_and_exact_ones_to_one_record(k: Knowledge) -> None:
    from tumornexus.knowledge.check import check_meaning

    assert [str(f) for f in check_meaning(k) if f.file == "identifiers.toml"] == []


def test_genes_of_the_catalogue_have_hgnc_numbers(k: Knowledge) -> None:
    assert k.genes.hgnc("CD274") == "HGNC:17635"
    assert k.genes.hgnc("no such gene") is None
    _, rows = tables(k)["genes"]
    without = [r["symbol"] for r in rows if not r["hgnc"]]
    assert len(without) < 0.02 * len(rows), without
    numbers = [r["hgnc"] for r in rows if r["hgnc"]]
    assert len(set(numbers)) == len(numbers)


def test_hgnc_numbers_written_in_mediators_are_those_of_their_genes(k: Knowledge) -> None:
    for m in k.mediators.values():
        if m.identifier and m.identifier.startswith("HGNC:"):
            assert m.identifier in {k.genes.hgnc(g) for g in m.genes}, m.id


def test_dois_with_odd_characters_become_addresses() -> None:
    assert doi_address("10.1002/(SICI)1<a>2;2-Z") == "https://doi.org/10.1002/(SICI)1%3Ca%3E2;2-Z"


# -------------------------------------------------------------------------------------------------------------- tables


@pytest.fixture(scope="module")
def read(k: Knowledge) -> dict[str, list[dict[str, str]]]:
    """The tables as a CSV reader gets them."""
    return {name: list(csv.DictReader(io.StringIO(as_csv(*table)))) for name, table in tables(k).items()}


@pytest.mark.parametrize("plural", kinds())
def test_tables_read_back_as_the_same_records(plural: str, k: Knowledge, read: dict) -> None:
    again = records_of_tables(read)[plural]
    assert list(again) == list(getattr(k, plural))
    for key, record in getattr(k, plural).items():
        assert again[key] == record


def test_every_field_is_a_column_or_a_table(read: dict) -> None:
    for plural, (kind, cls) in kinds().items():
        columns = {c.partition(".")[0] for c in columns_of(cls)}
        for field in cls.model_fields:
            assert field in columns or f"{kind}_{field}" in read, f"{plural}.{field}"


def test_no_word_of_a_list_holds_the_separator(k: Knowledge, read: dict) -> None:
    """Otherwise the read-back above would already fail; said here so that the message is plain."""
    for m in k.mechanisms.values():
        assert not any("|" in alias for alias in m.aliases), m.id


def test_references_are_complete(k: Knowledge, read: dict) -> None:
    assert {r["key"]: r["title"] for r in read["references"]} == {
        key: fields.get("title", "") for key, fields in k.references.items()
    }
