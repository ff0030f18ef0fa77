"""Which reference genome coordinates belong to, told by its names and by the length of chromosome 1."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tumornexus.errors import InputError

BUILDS = ("GRCh37", "GRCh38")
_NAMES = {
    "grch37": "GRCh37", "hg19": "GRCh37", "b37": "GRCh37", "hs37d5": "GRCh37", "37": "GRCh37",
    "grch38": "GRCh38", "hg38": "GRCh38", "38": "GRCh38",
}  # fmt: skip
# Length of chromosome 1 in base pairs, as assembly reports and VCF headers state it.
CHROMOSOME_1 = {249250621: "GRCh37", 248956422: "GRCh38"}


def find_build(text: str) -> str | None:
    """Name the build that a free text mentions (a file name, a command), or None where it mentions none or both."""
    lowered = text.lower()
    found = {b for name, b in _NAMES.items() if len(name) > 2 and name in lowered}
    return found.pop() if len(found) == 1 else None


def read_build(word: object, path: Path, field: str = "genome_build") -> str:
    """Understand a declared build (``GRCh38``, ``hg38``, ``38``, ``GRCh38.p14``), or raise `InputError`."""
    text = str(word).strip().lower()
    build = _NAMES.get(text) or find_build(text)
    if build is None:
        raise InputError(
            "unknown genome build", file=path, field=field, value=word, valid="GRCh37 (hg19) or GRCh38 (hg38)"
        )
    return build


def one_build(said: Mapping[str, str], declared: str | None, path: Path) -> str | None:
    """Return the build on which all parts of a file and the declaration agree, or raise `InputError`.

    `said` maps where in the file a build is stated to that build. Coordinates of one build read as another would put
    variants beside their genes.
    """
    different = sorted(set(said.values()))
    where = "; ".join(f"{k}: {v}" for k, v in said.items())
    if len(different) > 1:
        raise InputError(
            "the file states two genome builds",
            file=path,
            field="genome_build",
            value=where,
            valid="one build throughout",
        )
    build = different[0] if different else None
    if declared is not None and build is not None and declared != build:
        raise InputError(
            f"the genome build is declared as {declared}, but the file states {build}",
            file=path, field="genome_build", value=where, valid=f'genome_build = "{build}", or a file on {declared}',
        )  # fmt: skip
    return build or declared


def plain_chromosome(name: str) -> str:
    """Spell a chromosome without prefix: ``chr7`` and ``7`` give ``7``, ``chrM`` gives ``MT``, ``23`` gives ``X``."""
    text = str(name).strip()
    text = text[3:] if text.lower().startswith("chr") else text
    text = text.upper()
    return {"M": "MT", "23": "X", "24": "Y", "25": "MT"}.get(text, text)
