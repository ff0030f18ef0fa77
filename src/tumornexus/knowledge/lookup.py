"""Finding anything of the catalogue by a name: records of every kind, and what records and rate laws are made of."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tumornexus.knowledge.load import KINDS, Knowledge, fold, nothing_named
from tumornexus.knowledge.model_names import observables, rate_laws

FURTHER = ("biomarker", "step", "observable", "rate law", "reference", "gene")
"""What has a name but no record of its own, in the order in which a name is tried after the kinds of records."""


def look_up(knowledge: Knowledge, name: str) -> list[tuple[str, str]]:
    """Return (kind, id) of everything that goes by a name, the first one the likeliest.

    Ids win over aliases and records over what they are made of, so ``ido`` is the mechanism and ``B2M`` the loss of
    it; ``kind:name`` asks for one kind (``gene:B2M``).

    Raises:
        InputError: nothing goes by this name; the message lists near misses.
    """
    prefix, colon, rest = name.partition(":")
    kinds = {fold(kind): kind for kind in (*KINDS.values(), *FURTHER)}
    if colon and fold(prefix) in kinds:
        kind, name = kinds[fold(prefix)], rest.strip()
        found = [(kind, identifier) for identifier in _of_kind(knowledge, kind, name)]
    else:
        found = [(kind, i) for kind in (*KINDS.values(), *FURTHER) for i in _of_kind(knowledge, kind, name)]
        found.sort(key=lambda pair: pair[0] in FURTHER or fold(pair[1]) != fold(name))
    if not found:
        raise nothing_named(name, _names(knowledge, name), kinds.values())
    return found


def _of_kind(k: Knowledge, kind: str, name: str) -> list[str]:
    """Return the ids of a kind that a name stands for."""
    folded = fold(name)
    if not folded:
        return []
    if kind in KINDS.values():
        identifier = k.named(kind, name)
        return [identifier] if identifier is not None else []
    if kind == "biomarker":
        every = [f"{m.id}/{b.id}" for m in k.mechanisms.values() for b in m.biomarker]
        return [b for b in every if name in (b, b.partition("/")[2])]
    if kind == "step":
        return [str(s.step) for s in k.cycle.values() if folded in (f"step{s.step}", fold(s.name))]
    if kind == "observable":
        return [o for o in observables() if fold(o) == folded]
    if kind == "rate law":
        return [law for law in rate_laws() if name in (law, law.partition(".")[2])]
    if kind == "reference":
        bare = re.sub(r"^(?:https?://doi\.org/|doi:\s*|pmid:?\s*)", "", name.strip(), flags=re.IGNORECASE).lower()
        return [key for key, r in k.references.items() if name == key or bare in _identifiers(r)]
    symbol = k.genes.approved(name) or k.genes.approved(name.upper())
    return [symbol] if symbol else []


def _identifiers(reference: Mapping[str, str]) -> set[str]:
    return {reference[f].lower() for f in ("doi", "pmid") if reference.get(f)}


def _names(k: Knowledge, name: str) -> list[str]:
    """Return every name worth suggesting for one that nothing goes by."""
    biomarkers = [b.id for m in k.mechanisms.values() for b in m.biomarker]
    genes = k.genes.near(name) if re.fullmatch(r"[A-Z0-9-]{2,15}", name) else []
    return [*k.spellings(), *biomarkers, *observables(), *rate_laws(), *k.references, *genes]
