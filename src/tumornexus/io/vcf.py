"""Variant call format (VCF, BCF) with the annotation of VEP or SnpEff, read through cyvcf2 (htslib).

One row an alternative allele of one tumor sample. Allele fraction and depth come from FORMAT: AD (reads of each allele;
depth is their sum), else AF with DP. An allele without a read in the tumor, variants that failed a filter, symbolic
alleles and variants outside protein-coding genes are left out and counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.errors import InputError, near_misses
from tumornexus.io.annotation import ANN_FIELDS, csq_fields, effect_of, entries_of, vep_alleles
from tumornexus.io.builds import CHROMOSOME_1, find_build, one_build

_COLUMNS = (
    "sample",
    "gene",
    "gene_id",
    "consequence",
    "protein_change",
    "vaf",
    "depth",
    "chrom",
    "start",
    "ref",
    "alt",
)
_BASES = re.compile(r"[ACGTN]+", re.IGNORECASE)
_LEFT_OUT = {
    "filtered": "failed the caller's filters",
    "symbolic": "are symbolic (structural) or unspecified alleles",
    "absent": "have no read in the tumor sample",
    "unannotated": "carry no annotation",
    "unmatched": "are alleles that no annotation entry names",
    "outside": "touch no protein-coding transcript of a named gene",
}


def is_vcf(path: Path) -> bool:
    """Tell a VCF or BCF by its name."""
    return path.name.lower().endswith((".vcf", ".vcf.gz", ".vcf.bgz", ".bcf"))


def _cyvcf2() -> Any:
    try:
        import cyvcf2  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError:
        raise InputError(
            'reading VCF needs cyvcf2; install it with: pip install "tumornexus[vcf]"', field="mutations",
            valid="cyvcf2 installed, or the variants as MAF or as a table",
        ) from None  # fmt: skip
    return cyvcf2


def vcf_as_table(
    path: Path, sample: str, tumor_sample: str | None = None, declared_build: str | None = None
) -> tuple[pd.DataFrame, list[str], str | None]:
    """Read a VCF as a mutation table of one sample.

    Args:
        sample: id under which the variants are filed.
        tumor_sample: column of the tumor; needed where the file does not tell it.
        declared_build: build that the coordinates must be on.

    Returns the table, notes on what was left out, and the genome build (None where nothing states it).

    Raises:
        InputError: cyvcf2 is missing; the file is no VCF, is cut off, carries neither CSQ nor ANN, or states another
            build; the tumor's column is not known.
    """
    cyvcf2 = _cyvcf2()
    if not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError("the file does not exist", file=path, valid=near_misses(path.name, siblings) or "a VCF file")
    try:
        reader = cyvcf2.VCF(str(path))
        header = str(reader.raw_header)
    except Exception as error:
        raise InputError(
            f"the file cannot be read as VCF: {error}", file=path, valid="VCF 4, plain or compressed with bgzip"
        ) from error
    try:
        build = one_build(_builds(header), declared_build, path)
        tag, fields = _annotation(header, path)
        column = tumor_column(list(reader.samples), header, sample, tumor_sample, path)
        rows, counts, total = [], Counter(), 0
        for variant in _records(reader, path):
            total += max(1, len(variant.ALT))
            rows += _alleles(variant, column, tag, fields, sample, counts)
    finally:
        reader.close()
    notes = [f"{counts[k]} of {total} alleles {words} and were left out" for k, words in _LEFT_OUT.items() if counts[k]]
    if column is None:
        notes.append("the VCF has no sample column: allele fractions are not known")
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    bare = int(table["vaf"].isna().sum())
    if bare and column is not None:
        notes.append(f"{bare} of {len(table)} variants state neither AD nor AF: their allele fraction is not known")
    return table, notes, build


def _records(reader: Any, path: Path) -> Iterator[Any]:
    """Iterate over records; what htslib cannot parse ends in one error with the last good position."""
    last = "the header"
    try:
        for variant in reader:
            last = f"{variant.CHROM}:{variant.POS}"
            yield variant
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"the VCF cannot be read after {last}: {error}",
            file=path,
            valid="a complete VCF; run `bcftools view` on it",
        ) from error


def _annotation(header: str, path: Path) -> tuple[str, tuple[str, ...]]:
    for tag in ("CSQ", "ANN"):
        match = re.search(rf"##INFO=<ID={tag},[^\n]*Description=\"([^\n]*)\"", header)
        if match and tag == "ANN":
            return tag, ANN_FIELDS
        if match:
            fields = csq_fields(match[1])
            if fields is None or not {"Consequence", "SYMBOL", "HGVSp"} <= set(fields):
                raise InputError(
                    "the annotation CSQ lacks values that are needed",
                    file=path,
                    field="CSQ",
                    value="|".join(fields or ()) or match[1],
                    valid="a header with Format: ...|Consequence|...|SYMBOL|...|HGVSp|... (vep --vcf --symbol --hgvs)",
                )
            return tag, fields
    raise InputError(
        "the VCF carries no annotation of genes", file=path, field="INFO",
        valid="INFO/CSQ of VEP (vep --vcf --symbol --hgvs --pick_allele or --everything) or INFO/ANN of SnpEff",
    )  # fmt: skip


def _builds(header: str) -> dict[str, str]:
    """Collect what the header says about its build: contig lengths, reference, and what the annotator used."""
    said = {}
    for length in re.findall(r"##contig=<ID=(?:chr)?1,[^>\n]*?length=(\d+)", header):
        if int(length) in CHROMOSOME_1:
            said["length of chromosome 1"] = CHROMOSOME_1[int(length)]
    for name, pattern in (
        ("##reference", r"##reference=([^\n]*)"),
        ("VEP assembly", r"##VEP=[^\n]*?assembly=\"?([^\s\"]+)"),
        ("SnpEff command", r"##SnpEffCmd=([^\n]*)"),
    ):
        match = re.search(pattern, header)
        build = find_build(match[1]) if match else None
        if build:
            said[name] = build
    return said


def tumor_column(names: list[str], header: str, sample: str, tumor_sample: str | None, path: Path) -> int | None:
    """Return the position of the tumor's column, None for a file without samples, or refuse to guess.

    In this order: the name that was given; the only column; the header's ``##tumor_sample`` (Mutect2); a column named
    like the sample; the column TUMOR beside NORMAL (Strelka, VarScan).
    """
    if tumor_sample is not None:
        if tumor_sample not in names:
            raise InputError(
                "no column of the VCF has the name of the tumor sample", file=path, field="tumor_sample",
                value=tumor_sample, valid=near_misses(tumor_sample, names) if names else "a VCF with sample columns",
            )  # fmt: skip
        return names.index(tumor_sample)
    if len(names) < 2:
        return 0 if names else None
    match = re.search(r"##tumor_sample=(\S+)", header)
    for name in (match[1] if match else "", sample):
        if name in names:
            return names.index(name)
    if len(names) == 2 and {n.upper() for n in names} == {"NORMAL", "TUMOR"}:
        return [n.upper() for n in names].index("TUMOR")
    raise InputError(
        "the VCF holds several samples and does not say which is the tumor", file=path, field="tumor_sample",
        value=", ".join(names), valid=f'tumor_sample = "{names[-1]}" or another of them',
    )  # fmt: skip


def _alleles(
    variant: Any, column: int | None, tag: str, fields: tuple[str, ...], sample: str, counts: Counter[str]
) -> list[tuple[Any, ...]]:
    """Rows of the alternative alleles of one record; what is left out is counted."""
    alternatives = list(variant.ALT)
    if variant.FILTER is not None:
        counts["filtered"] += max(1, len(alternatives))
        return []
    if not alternatives:
        counts["symbolic"] += 1
        return []
    text = variant.INFO.get(tag)
    entries = entries_of(str(text), fields) if text else []
    spelled = vep_alleles(variant.REF, alternatives) if tag == "CSQ" else alternatives
    rows = []
    for i, allele in enumerate(alternatives):
        if not _BASES.fullmatch(allele):
            counts["symbolic"] += 1
            continue
        vaf, depth, absent = (np.nan, np.nan, False) if column is None else _reads(variant, column, i)
        if absent:
            counts["absent"] += 1
            continue
        if not entries:
            counts["unannotated"] += 1
            continue
        mine = [
            e
            for e in entries
            if len(alternatives) == 1
            or (e["ALLELE_NUM"] == str(i + 1) if e.get("ALLELE_NUM") else e.get("Allele") == spelled[i])
        ]
        effect = effect_of(mine)
        if effect is None:
            counts["outside" if mine else "unmatched"] += 1
            continue
        place = (variant.CHROM, str(variant.POS), variant.REF, allele)
        rows.append((sample, effect.symbol, effect.gene_id, effect.consequence, effect.change, vaf, depth, *place))
    return rows


def _values(variant: Any, name: str, column: int) -> np.ndarray | None:
    """Numbers of a FORMAT field of one sample as floats, NaN where missing; None where the field is absent."""
    try:
        found = variant.format(name)
    except KeyError:
        return None
    if found is None or found.dtype.kind not in "if":
        return None
    values = found[column].astype(float)
    return np.where(values < 0, np.nan, values)


def _reads(variant: Any, column: int, i: int) -> tuple[float, float, bool]:
    """Allele fraction, depth, and whether the sample lacks the allele."""
    reads = _values(variant, "AD", column)
    if reads is not None and len(reads) == len(variant.ALT) + 1 and np.isfinite(reads).all():
        depth = float(reads.sum())
        return (float(reads[i + 1]) / depth if depth else np.nan), depth, depth > 0 and reads[i + 1] == 0
    fraction, total = _values(variant, "AF", column), _values(variant, "DP", column)
    depth = float(total[0]) if total is not None else float("nan")
    if fraction is not None and len(fraction) == len(variant.ALT) and np.isfinite(fraction[i]):
        return float(fraction[i]), depth, fraction[i] == 0
    carried = variant.genotypes[column][:-1] if variant.genotypes else []
    known = [a for a in carried if a >= 0]
    return float("nan"), depth, bool(known) and i + 1 not in known
