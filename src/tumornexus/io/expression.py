"""Bulk expression of one sample on a linear scale with approved gene symbols.

Each sample is judged by itself: its scale, its missing genes and its total never depend on who else is in the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io import ensembl
from tumornexus.io.tables import refuse_repeats

Scale = Literal["tpm", "counts", "umi_counts", "log2_tpm", "log2_tpm_0.001"]
SCALES = ("tpm", "counts", "umi_counts", "log2_tpm", "log2_tpm_0.001")
_SPELLINGS = {
    "tpm": "tpm",
    "fpkm": "tpm",
    "rpkm": "tpm",
    "linear": "tpm",
    "tpm-like": "tpm",
    "counts": "counts",
    "count": "counts",
    "umi_counts": "umi_counts",
    "umi": "umi_counts",
    "log2_tpm": "log2_tpm",
    "log2(tpm+1)": "log2_tpm",
    "log2": "log2_tpm",
    "log2_fpkm": "log2_tpm",
    "log2_tpm_0.001": "log2_tpm_0.001",
    "log2(tpm+0.001)": "log2_tpm_0.001",
}
# One transcript per million of a million is 2^20; log2 values of TPM cannot exceed it, linear values of any library do.
LOG_CEILING = 20.0
FEWEST_GENES = 20  # with fewer genes a linear panel may stay below the ceiling by chance, so the scale is not guessed


class Genes(Protocol):
    """What this module needs of the gene table of the knowledge base."""

    def approved(self, symbol: str) -> str | None: ...

    def is_mouse(self, symbols: list[str]) -> bool: ...


@dataclass(frozen=True)
class SymbolMap:
    """Which rows of an expression table are kept, under which approved symbol.

    Attributes:
        rows: positions of the kept rows, ordered by symbol, so that the order of the file cannot matter.
        symbols: approved symbol of each kept row (an unknown symbol keeps its own spelling).
        renamed, merged, unmapped: how many symbols were replaced, dropped as duplicates after mapping, and not known.
    """

    rows: np.ndarray
    symbols: pd.Index
    renamed: int
    merged: int
    unmapped: int


def map_symbols(symbols: list[str], genes: Genes, path: Path) -> SymbolMap:
    """Map the row names of a table (symbols, or Ensembl gene ids with or without version) to approved gene symbols.

    Rule for two rows that end under one symbol: the row that already carries the approved symbol is kept, otherwise the
    alphabetically first alias; the other rows are dropped and counted, because summing them would count reads of one
    locus twice in sources that list both names. Raises `InputError` for repeated rows, unnamed rows, mouse genes and
    transcripts.
    """
    if any(not s or s.lower() == "nan" for s in symbols):
        raise InputError("a row has no gene name", file=path, field="gene", value="", valid="a gene symbol on each row")
    refuse_repeats(symbols, path, "gene", "genes")
    if sum(s.startswith("ENST") for s in symbols) > 0.5 * len(symbols):
        raise InputError(
            "the rows are transcripts, and expression is read by gene", file=path, field="gene", value=symbols[0],
            valid="genes: sum TPM over the transcripts of each gene, or give the quantifier's own file",
        )  # fmt: skip
    if genes.is_mouse(symbols) or sum(s.startswith("ENSMUSG") for s in symbols) > 0.5 * len(symbols):
        raise InputError(
            "the gene symbols look like mouse genes",
            file=path,
            field="gene",
            value=", ".join([s for s in symbols if s[1:] != s[1:].upper() or s.startswith("ENSMUSG")][:4]),
            valid="human symbols such as CD8A; convert mouse genes to human orthologs first",
        )
    # A few ids among symbols are genes that had no symbol in the source; the reference knows some of them by their id.
    by_id = sum(ensembl.is_gene_id(s) for s in symbols) > 0.5 * len(symbols)
    kept: dict[str, tuple[bool, str, int]] = {}
    renamed = unmapped = 0
    for position, symbol in enumerate(symbols):
        approved = (ensembl.symbol_of(symbol) if by_id else None) or genes.approved(symbol)
        if approved is None:
            unmapped += 1
            approved = symbol
        elif approved != symbol:
            renamed += 1
        claim = (approved != symbol, symbol, position)
        if approved not in kept or claim < kept[approved]:
            kept[approved] = claim
    names = sorted(kept)
    return SymbolMap(
        rows=np.array([kept[n][2] for n in names], dtype=np.intp),
        symbols=pd.Index(names, name="gene"),
        renamed=renamed,
        merged=len(symbols) - len(names),
        unmapped=unmapped,
    )


def read_scale(word: str | None, path: Path, field: str = "expression_scale") -> Scale | None:
    """Understand a declared expression scale, or return None when none is declared."""
    if word is None:
        return None
    key = str(word).strip().lower().replace(" ", "")
    if key not in _SPELLINGS:
        raise InputError("unknown expression scale", file=path, field=field, value=word, valid=", ".join(SCALES))
    return _SPELLINGS[key]  # type: ignore[return-value]


def detect_scale(values: np.ndarray) -> Scale:
    """Tell the scale of one sample from its finite values.

    At most 20 (the log2 of a million) everywhere: log2(TPM + 1). Whole numbers only: counts. Anything else: TPM-like.
    """
    if values.max() <= LOG_CEILING and np.any(values != np.round(values)):
        return "log2_tpm"
    if np.all(values == np.round(values)):
        return "counts"
    return "tpm"


def linear(
    values: np.ndarray, sample: str, path: Path, declared: Scale | None, length_bp: np.ndarray | None = None
) -> tuple[np.ndarray, Scale, str | None]:
    """Bring one sample to a linear TPM-like scale, shape (gene,), NaN where a gene was not measured.

    Declared scales are checked against the values and impossible ones refused; without a declaration the scale is
    detected. Counts become TPM by the gene lengths, C_g / L_g scaled to a million; counts of unique molecules (one read
    a transcript, from its 3' end) become counts per million, because their number does not grow with length. Returns
    values, scale and a note. Raises `InputError` for a sample without any value, negative values, all zeros, a scale
    that cannot be, and counts without lengths.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise InputError(
            "the sample has no measured gene (all values are missing)",
            file=path,
            field=sample,
            value="all NaN",
            valid="a sample with measured genes; remove it from the table otherwise",
        )
    if np.isinf(values).any():
        raise InputError(
            "an expression value is not finite", file=path, field=sample, value="inf", valid="finite numbers"
        )
    lowest, highest = float(finite.min()), float(finite.max())
    if declared == "log2_tpm_0.001":
        if lowest < -10.0 or highest > LOG_CEILING:
            raise InputError(
                "the values cannot be log2(TPM + 0.001)",
                file=path,
                field=sample,
                value=lowest if lowest < -10 else highest,
                valid="values between -9.97 and 20, or another expression_scale",
            )
        return np.maximum(np.exp2(values) - 0.001, 0.0), declared, None
    if lowest < 0.0:
        raise InputError(
            "expression values are negative",
            file=path,
            field=sample,
            value=lowest,
            valid="linear values >= 0 (TPM, FPKM, counts) or log2(TPM + 1); for log2(TPM + 0.001) declare "
            'expression_scale = "log2_tpm_0.001"; z-scores and centered values cannot be used',
        )
    if highest == 0.0:
        raise InputError(
            "every gene of the sample is zero", file=path, field=sample, value=0.0, valid="a sequenced sample"
        )
    if declared is None:
        if finite.size < FEWEST_GENES:
            raise InputError(
                "too few genes to tell the scale",
                file=path,
                field=sample,
                value=int(finite.size),
                valid=f"at least {FEWEST_GENES} genes, or a declared expression_scale ({', '.join(SCALES)})",
            )
        scale = detect_scale(finite)
    else:
        scale = declared
    if scale == "log2_tpm":
        if highest > LOG_CEILING:
            raise InputError(
                "the values cannot be log2(TPM + 1)",
                file=path,
                field=sample,
                value=highest,
                valid='values from 0 to 20, or expression_scale = "tpm"',
            )
        return np.exp2(values) - 1.0, scale, None
    if highest <= LOG_CEILING and finite.size >= FEWEST_GENES:
        raise InputError(
            f"log-scale values declared as {scale}: no gene exceeds {LOG_CEILING:g}",
            file=path,
            field=sample,
            value=highest,
            valid='expression_scale = "log2_tpm", or no declaration (the scale is then detected)',
        )
    if scale == "tpm":
        total = float(finite.sum())
        if total > 5e6 and declared == "tpm":
            raise InputError(
                "the values cannot be TPM: they sum to more than five million",
                file=path,
                field=sample,
                value=total,
                valid='TPM (sum about 1e6), or expression_scale = "counts"',
            )
        return values, scale, None
    if scale == "umi_counts":
        return values * (1e6 / float(finite.sum())), scale, "counts of unique molecules read as counts per million"
    if length_bp is None:
        raise InputError(
            "counts cannot be compared between genes without the length of each gene",
            file=path,
            field=sample,
            value="whole numbers" if declared is None else "counts",
            valid="a column length_bp in the table; gene_lengths = a table with gene and length_bp; TPM instead; "
            'or, for counts of unique molecules from the 3\' end, expression_scale = "umi_counts"',
        )
    rate = values / length_bp
    return rate * (1e6 / np.nansum(rate)), scale, "counts converted to TPM by the given gene lengths"
