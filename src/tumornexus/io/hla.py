"""HLA class I types in one spelling: ``A*02:01``.

Understood: ``A*02:01``, ``HLA-A*02:01``, ``HLA-A02:01``, ``A*0201``, ``A0201``, ``hla_a_02_01_01_01``, more fields
(``A*02:01:01:02``), the expression suffixes N, L, S, C, A and Q, and G and P groups. Two fields are kept; a null allele
(N), rare in patients, counts as the type it is written as. A locus counts as homozygous only where the same allele is
listed twice; a locus with one entry or more than two was not resolved and says nothing about zygosity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tumornexus.errors import InputError

LOCI = ("A", "B", "C")
_SUFFIX = r"(?P<suffix>[NLSCAQGP])?"
_ALLELE = re.compile(
    rf"^(?:HLA-)?(?P<locus>[A-Z]+[0-9]?)\*?(?P<f1>\d{{2,3}}):(?P<f2>\d{{2,3}})(?::\d{{2,3}}){{0,2}}{_SUFFIX}$"
)
_COMPACT = re.compile(rf"^(?:HLA-)?(?P<locus>[ABC])\*?(?P<f1>\d{{2}})(?P<f2>\d{{2,3}}){_SUFFIX}$")
_UNDERSCORE = re.compile(
    rf"^(?:HLA_)?(?P<locus>[A-Z]+[0-9]?)_(?P<f1>\d{{2,3}})_(?P<f2>\d{{2,3}})(?:_\d{{2,3}}){{0,2}}{_SUFFIX}$"
)
_KNOWN = re.compile(r"^(A|B|C|E|F|G|D[RQPMO][AB][1-9]?)$")


def read_allele(text: str, path: Path, field: str = "hla") -> str | None:
    """Return an allele as ``A*02:01``, or None for a class II or non-classical locus, which is not used."""
    word = text.strip().strip("'\"").upper()
    match = _COMPACT.match(word) or _ALLELE.match(word) or _UNDERSCORE.match(word)
    if match is None or not _KNOWN.match(match["locus"]):
        raise InputError(
            "malformed HLA allele",
            file=path,
            field=field,
            value=text,
            valid="two-field alleles such as A*02:01, HLA-A*02:01, A0201 or hla_a_02_01",
        )
    if match["locus"] not in LOCI:
        return None
    return f"{match['locus']}*{match['f1']}:{match['f2']}"


def read_alleles(text: str | Iterable[str], path: Path, field: str = "hla") -> tuple[str, ...]:
    """Read a list of alleles from one cell (; or , between them; brackets and empty entries ignored) or a sequence."""
    pieces = re.split(r"[;,\s]+", text.strip().strip("[]")) if isinstance(text, str) else list(text)
    found = [
        read_allele(p, path, field)
        for p in pieces
        if p and p.strip() and p.strip().lower() not in {"na", "nan", "none"}
    ]
    return tuple(sorted(a for a in found if a is not None))


def homozygous_loci(alleles: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the loci typed as homozygous and the loci that were resolved (two alleles listed)."""
    by_locus: dict[str, list[str]] = {}
    for allele in alleles:
        by_locus.setdefault(allele.split("*")[0], []).append(allele)
    resolved = tuple(locus for locus in LOCI if len(by_locus.get(locus, [])) == 2)
    return tuple(locus for locus in resolved if len(set(by_locus[locus])) == 1), resolved
