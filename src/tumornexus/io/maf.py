"""Mutation annotation format (MAF), as the Genomic Data Commons and cBioPortal hand it out.

Columns read: ``Hugo_Symbol``, ``Tumor_Sample_Barcode``, ``Variant_Classification``; where present ``HGVSp_Short`` (or
``HGVSp``, ``Protein_Change``, ``Amino_Acid_Change``), ``t_ref_count``, ``t_alt_count``, ``t_depth``, ``NCBI_Build``,
``Chromosome``, ``Start_Position``, ``Reference_Allele``, ``Tumor_Seq_Allele2``, ``FILTER`` and ``Mutation_Status``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io.builds import one_build, read_build
from tumornexus.io.tables import number_column, read_text_table

CHANGES = ("HGVSp_Short", "HGVSp", "Protein_Change", "Amino_Acid_Change", "amino_acid_change")
_PASSED = frozenset({"PASS", "."})


def without_comments(raw: bytes) -> bytes:
    """Drop the lines before the header that begin with ``#`` (``#version 2.4``)."""
    while raw.startswith(b"#"):
        _, _, raw = raw.partition(b"\n")
    return raw


def is_maf(names: list[str]) -> bool:
    """Tell a MAF by its header."""
    return "Hugo_Symbol" in names and ("Variant_Classification" in names or "Tumor_Sample_Barcode" in names)


def maf_as_table(
    path: Path, raw: bytes, declared_build: str | None, single: str | None = None
) -> tuple[pd.DataFrame, list[str], str | None]:
    """Read a MAF as a mutation table with columns sample, gene, consequence, protein_change, vaf, depth and locus.

    The allele fraction is t_alt_count / (t_ref_count + t_alt_count). Variants that a filter failed and germline ones
    are left out and counted. `single` names the sample of a file without sample column. Returns table, notes and the
    genome build. Raises `InputError` for missing columns, more than one build, or a build other than the declared one.
    """
    required = ["Hugo_Symbol", "Variant_Classification"]
    table = read_text_table(path, required=required if single else [*required, "Tumor_Sample_Barcode"], raw=raw)
    notes = []
    builds = {}
    if "NCBI_Build" in table.columns:
        builds = {f"NCBI_Build {b}": read_build(b, path, "NCBI_Build") for b in table["NCBI_Build"].dropna().unique()}
    build = one_build(builds, declared_build, path)
    for name, left_out, what in (
        ("FILTER", lambda c: ~c.isin(_PASSED), "failed the caller's filters"),
        ("Mutation_Status", lambda c: c.str.lower() == "germline", "are germline"),
    ):
        if name in table.columns:
            # A cell "." is read as not known; a caller that filters nothing writes it.
            bad = table[name].notna() & left_out(table[name]).fillna(False).astype(bool)
            if bad.any():
                notes.append(f"{int(bad.sum())} of {len(table)} variants {what} and were left out")
                table = table[~bad]
    alt = number_column(table, ("t_alt_count",), path)
    reference = number_column(table, ("t_ref_count",), path)
    depth = number_column(table, ("t_depth",), path)
    for name, reads in (("t_alt_count", alt), ("t_ref_count", reference), ("t_depth", depth)):
        if np.any(reads < 0):
            raise InputError(
                "a negative number of reads",
                file=path,
                field=name,
                value=float(reads[reads < 0][0]),
                valid="0 or more",
            )
    depth = np.where(np.isfinite(alt + reference), alt + reference, depth)
    with np.errstate(divide="ignore", invalid="ignore"):
        vaf = np.where(depth > 0, alt / depth, np.nan)
    change = next((c for c in CHANGES if c in table.columns), None)
    nothing = pd.Series(None, index=table.index, dtype=object)

    def column(name: str) -> pd.Series:
        return table[name] if name in table.columns else nothing

    return (
        pd.DataFrame(
            {
                "sample": table["Tumor_Sample_Barcode"] if "Tumor_Sample_Barcode" in table.columns else single,
                "gene": table["Hugo_Symbol"].where(table["Hugo_Symbol"] != "Unknown", None),
                "consequence": table["Variant_Classification"],
                "protein_change": table[change] if change else nothing,
                "vaf": vaf,
                "depth": depth,
                "chrom": column("Chromosome"),
                "start": column("Start_Position") if "Start_Position" in table.columns else column("Start_position"),
                "ref": column("Reference_Allele"),
                "alt": column("Tumor_Seq_Allele2"),
            }
        ),
        notes,
        build,
    )
