"""Checks of the catalogue as a whole: what nobody refers to, what counts twice, what turns in a circle.

Each check takes the catalogue and a function that records a finding; `CHECKS` lists them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import combinations
from typing import TYPE_CHECKING, Any

from tumornexus.knowledge.load import KINDS, every_source

if TYPE_CHECKING:
    from tumornexus.knowledge.load import Knowledge

Say = Callable[..., None]
ORPHANS, TWICE = "orphans", "double counting"
IDENTIFIERS = ("doi", "pmid", "url", "isbn")
"""Fields of a reference by any of which a reader finds the work."""
FORMS = {
    "doi": (re.compile(r"10\.\d{4,9}/\S+"), "10.1000/abc"),
    "pmid": (re.compile(r"\d{1,9}"), "32405063"),
}
"""What a DOI and a PMID look like, and an example of each."""
SAME_SIGNATURE = 0.5
"""Share of common genes (of all genes of both) from which two expression biomarkers count as one measurement."""


def circles(k: Knowledge, say: Say) -> None:
    """A state or outcome needs a cause or a treatment upstream: records that only drive one another explain nothing."""
    above: dict[str, set[str]] = defaultdict(set)
    for m in k.mechanisms.values():
        for d in m.drives:
            above[d.target].add(m.id)
    for m in k.mechanisms.values():
        if m.kind == "cause":
            continue
        upstream, todo = set(), list(above[m.id])
        while todo:
            other = todo.pop()
            if other not in upstream:
                upstream.add(other)
                todo.extend(above[other])
        if any(k.mechanisms[o].kind == "cause" or k.mechanisms[o].raised_by for o in (*upstream, m.id)):
            continue
        if m.id in upstream:
            ring = sorted(o for o in upstream if o != m.id)
            say("error", "mechanisms", m.id, "drives", f"cyclic: it follows only from {', '.join(ring) or 'itself'}, "
                "which in turn follow from it; no cause drives any of them")  # fmt: skip
        elif not upstream:
            say("warning", "mechanisms", m.id, "kind", f"orphan: no mechanism drives this {m.kind}, so that nothing "
                "brings it about in a simulation", m.kind, ORPHANS)  # fmt: skip


def lonely_records(k: Knowledge, say: Say) -> None:
    """Mechanisms outside the network, cells and mediators that take part in nothing."""
    targets = {d.target for m in k.mechanisms.values() for d in m.drives}
    for m in k.mechanisms.values():
        if not m.drives and m.id not in targets and not m.reversed_by:
            # A cause acts on the model all the same; it is only missing from the network of claims.
            severity = "info" if m.kind == "cause" else "warning"
            say(severity, "mechanisms", m.id, "drives", "stands alone in the network: it drives nothing, nothing "
                "drives it and no therapy reverses it", topic=ORPHANS)  # fmt: skip
    sides = [x for mediator in k.mediators.values() for x in (*mediator.made_by, *mediator.acts_on)]
    named = set(sides)
    for cell in k.cells.values():
        if not cell.states and not named & {cell.id, *cell.states}:
            say("warning", "cells", cell.id, "states", "orphan: no model state holds it and no mediator names it",
                topic=ORPHANS)  # fmt: skip
    for mediator in k.mediators.values():
        for side in ("made_by", "acts_on"):
            if not getattr(mediator, side):
                say("warning", "mediators", mediator.id, side, "orphan: "
                    + ("nothing makes it" if side == "made_by" else "it acts on nothing"), topic=ORPHANS)  # fmt: skip


def unread_genes(k: Knowledge, say: Say) -> None:
    """Genes that describe a cell or a mediator and by which nothing is measured."""
    read = {g for m in k.mechanisms.values() for b in m.biomarker for g in (*b.genes, *b.genes_down)}
    read |= {c.partition(":")[0] for m in k.mechanisms.values() for b in m.biomarker for c in b.changes}
    named = [("cells", "markers", c.id, c.markers) for c in k.cells.values()]
    named += [("mediators", "genes", x.id, x.genes) for x in k.mediators.values()]
    for plural, field, identifier, genes in named:
        unread = [g for g in genes if g not in read]
        if unread:
            say("info", plural, identifier, field, "names genes that no biomarker reads", unread, ORPHANS)


def references(k: Knowledge, say: Say) -> None:
    """References that no record cites, that cannot be found by an identifier, or that stand there twice."""
    used = {
        key for plural in (*KINDS, "cycle") for record in getattr(k, plural).values() for _, key in every_source(record)
    }
    works: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, reference in k.references.items():
        if key not in used:
            say("warning", "references", key, "key", "orphan: no record cites it", key, ORPHANS)
        if not any(reference.get(f) for f in IDENTIFIERS) and "PMID" not in reference.get("note", ""):
            say("info", "references", key, "doi", "cannot be resolved: it has neither DOI, PMID, URL nor ISBN", None,
                "sources")  # fmt: skip
        if "from memory" in reference.get("note", ""):
            say("info", "references", key, "note", "not read again: what is taken from it was entered from memory",
                None, "sources")  # fmt: skip
        for field, (form, example) in FORMS.items():
            value = reference.get(field)
            if value and not form.fullmatch(_identifier(value)):
                say("error", "references", key, field, f"malformed {field.upper()}; write it as {example}", value,
                    "sources")  # fmt: skip
            elif value:
                works[field, _identifier(value)].append(key)
    for (field, value), keys in works.items():
        for key in keys[1:]:
            say("error", "references", key, field, f"duplicate reference: '{keys[0]}' "
                f"({k.origin.get(f'references/{keys[0]}', 'bibliography')}) is the same work; cite that key",
                value, "sources")  # fmt: skip


def _identifier(text: str) -> str:
    return text.lower().removeprefix("https://doi.org/").removeprefix("doi:").strip().rstrip("/")


def shared_genes(k: Knowledge, say: Say) -> None:
    """Genes that are evidence for several mechanisms, and biomarkers that are the same measurement."""
    owners: dict[str, set[str]] = defaultdict(set)
    sets: list[tuple[str, str, frozenset[str]]] = []
    for m in k.mechanisms.values():
        for b in m.biomarker:
            for gene in (g for g, n in Counter((*b.genes, *b.changes)).items() if n > 1):
                say("error", "mechanisms", m.id, f"biomarker '{b.id}'.genes", "given twice", gene, TWICE)
            if b.input == "expression":
                for gene in (*b.genes, *b.genes_down):
                    owners[gene].add(m.id)
                sets.append((m.id, b.id, frozenset(b.genes)))
    for gene, ids in sorted(owners.items()):
        if len(ids) > 1:
            say("info", "mechanisms", sorted(ids)[0], "biomarker.genes",
                f"{gene} is read as evidence for {', '.join(sorted(ids))}", gene, TWICE)  # fmt: skip
    for (one, first, genes), (two, second, others) in combinations(sets, 2):
        if one != two and len(genes & others) >= SAME_SIGNATURE * len(genes | others):
            say("warning", "mechanisms", two, f"biomarker '{second}'.genes", f"{len(genes & others)} of "
                f"{len(genes | others)} genes are also those of '{first}' of {one}: one measurement would count for "
                "two mechanisms", topic=TWICE)  # fmt: skip


def shared_parameters(k: Knowledge, say: Say) -> None:
    """Parameters that several mechanisms move, or one mechanism or one drug moves twice."""
    moved: dict[str, list[str]] = defaultdict(list)
    for m in k.mechanisms.values():
        for e in m.effect:
            moved[e.parameter].append(m.id)
    for parameter, ids in sorted(moved.items()):
        if len(set(ids)) > 1:
            say("info", "mechanisms", ids[0], "effect.parameter",
                f"'{parameter}' is moved by {', '.join(sorted(set(ids)))}", parameter, TWICE)  # fmt: skip
        for m, n in Counter(ids).items():
            if n > 1:
                say("warning", "mechanisms", m, "effect.parameter", "moved twice by one mechanism", parameter, TWICE)
    for d in k.drugs.values():
        acts = [{a.parameter for a in k.therapies[t].act} for t in d.therapy if t in k.therapies]
        twice = Counter(parameter for parameters in acts for parameter in parameters)
        for parameter in (p for p, n in twice.items() if n > 1):
            say("warning", "drugs", d.id, "therapy", f"it acts on '{parameter}' through more than one of its therapies",
                parameter, TWICE)  # fmt: skip


CHECKS: tuple[Callable[[Any, Say], None], ...] = (
    circles, lonely_records, unread_genes, references, shared_genes, shared_parameters,
)  # fmt: skip
"""All of them, in the order in which they run."""
