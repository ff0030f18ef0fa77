"""The annotation fields of a VCF file: ``CSQ`` of the Variant Effect Predictor and ``ANN`` of SnpEff.

Both hold entries separated by commas, each a list of values separated by ``|``. The names of CSQ's values stand in the
header (``Format: Allele|Consequence|...``); those of ANN are fixed by its specification, version 1.0, and are repeated
in the header as well.

Which entry speaks for an allele: among the protein-coding transcripts those of the gene that is hit hardest, and of
these the one marked PICK, MANE Select or canonical where one is marked, else the one that is hit hardest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tumornexus.io.consequence import classify, one_letter

# SnpEff's own names of ANN, in the order of the specification, to the names that VEP uses for the same.
ANN_FIELDS = (
    "Allele", "Consequence", "IMPACT", "SYMBOL", "Gene", "Feature_type", "Feature", "BIOTYPE", "EXON", "HGVSc", "HGVSp",
    "cDNA_position", "CDS_position", "Protein_position", "DISTANCE", "ERRORS",
)  # fmt: skip
_CODING = frozenset({"protein_coding", "coding", "mrna", "protein_coding_los", ""})
_SEVERITY = {"truncating": 4, "splice": 3, "missense": 2, "other": 1, "silent": 0}


@dataclass(frozen=True)
class Effect:
    """What one allele does to one transcript: HGNC symbol or None, Ensembl gene id, consequence, protein change."""

    symbol: str | None
    gene_id: str | None
    consequence: str
    change: str | None
    variant_class: str
    preferred: bool


def csq_fields(description: str) -> tuple[str, ...] | None:
    """Names of the values of a CSQ entry from the description in the header, or None where it states none."""
    match = re.search(r"Format:\s*([^\s\"]+)", description)
    return tuple(match[1].split("|")) if match else None


def vep_alleles(reference: str, alternatives: Sequence[str]) -> list[str]:
    """Spell alternative alleles as VEP does: without the first base where all alleles share it and one is an indel."""
    every = [reference, *alternatives]
    if any(len(a) != len(reference) for a in alternatives) and len({a[:1] for a in every}) == 1:
        return [a[1:] or "-" for a in alternatives]
    return list(alternatives)


def entries_of(text: str, fields: Sequence[str]) -> list[dict[str, str]]:
    """Take an annotation apart into one dictionary an entry; values that the header does not name are dropped."""
    return [dict(zip(fields, entry.split("|"), strict=False)) for entry in text.split(",") if entry]


def effect_of(entries: Sequence[dict[str, str]]) -> Effect | None:
    """Choose the entry that speaks for an allele; None where no protein-coding transcript with a gene is named."""
    effects = []
    for entry in entries:
        if entry.get("Feature_type", "Transcript").lower() not in ("transcript", ""):
            continue
        if entry.get("BIOTYPE", "").lower() not in _CODING:
            continue
        symbol, gene_id = entry.get("SYMBOL") or None, entry.get("Gene") or None
        if symbol is None and gene_id is None:
            continue
        raw = entry.get("HGVSp") or None
        words = entry.get("Consequence", "")
        effects.append(
            Effect(
                symbol,
                gene_id,
                words,
                raw,
                classify(words, one_letter(raw)),
                entry.get("PICK") == "1" or bool(entry.get("MANE_SELECT")) or entry.get("CANONICAL") == "YES",
            )
        )
    if not effects:
        return None
    hardest = max(effects, key=lambda e: _SEVERITY.get(e.variant_class, 0))
    same = [e for e in effects if (e.symbol, e.gene_id) == (hardest.symbol, hardest.gene_id)]
    preferred = [e for e in same if e.preferred]
    return max(preferred or same, key=lambda e: _SEVERITY.get(e.variant_class, 0))
