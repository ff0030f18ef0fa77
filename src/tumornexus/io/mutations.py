"""Somatic variants of tables, mutation annotation files (MAF) and VCF files in one form.

Each variant gets a class, a protein change in one-letter spelling (`tumornexus.io.consequence`), an allele fraction and
a depth. `read_variants` takes any of the three; the same variants give the same rows from each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tumornexus.errors import InputError, near_misses
from tumornexus.io import ensembl
from tumornexus.io.consequence import classify, one_letter, without_splice_residue
from tumornexus.io.expression import Genes
from tumornexus.io.maf import is_maf, maf_as_table, without_comments
from tumornexus.io.tables import header_of, number_column, read_bytes, read_text_table
from tumornexus.io.vcf import is_vcf, vcf_as_table

# Where a variant lies: not part of a patient, but needed to count variants once and within a panel.
PLACE = ("chrom", "start", "ref", "alt")
COLUMNS = ("gene", "variant_class", "protein_change", "vaf", "depth", "copies", "known", "consequence")

_PANEL = re.compile(r"^(?:c\.(?P<c>.+?)_)?(?:p\.)?(?P<p>.+?)\((?P<vaf>[0-9.]+),\s*(?P<depth>\d+)\)$")
_COPIES = re.compile(r"^(amplification|loss|gain|deletion)\((?P<copies>\d+(?:\.\d+)?)")


def _panel_parts(alteration: str) -> list[dict[str, object]]:
    """Take a targeted-panel alteration string apart; several variants are separated by ``; ``."""
    parts: list[dict[str, object]] = []
    for piece in (p.strip() for p in alteration.split(";")):
        if match := _COPIES.match(piece):
            parts.append({"copies": float(match["copies"])})
        elif match := _PANEL.match(piece):
            change = match["p"]
            parts.append(
                {"protein_change": one_letter(change), "vaf": float(match["vaf"]), "depth": float(match["depth"])}
            )
    return parts


def _strip_cdna(change: str | None) -> str | None:
    """Drop a leading coding change: ``c.1396G>T_p.E466*`` gives ``E466*``."""
    if change is None:
        return None
    text = change.split("_p.", 1)[1] if "_p." in change else change
    if text.startswith("c."):
        return None
    return one_letter(text)


def approved_name(name: str, genes: Genes) -> str:
    """Approved symbol of a gene given by any symbol or by its Ensembl id; a name that is neither keeps its spelling."""
    return genes.approved(name) or ensembl.symbol_of(name) or name


def read_mutations(
    path: Path,
    genes: Genes,
    samples: Iterable[str] | None = None,
    default_sample: str | None = None,
    *,
    tumor_sample: str | None = None,
    build: str | None = None,
) -> tuple[pd.DataFrame, str, list[str]]:
    """Read somatic variants from a table, a MAF or a VCF (told by its name).

    `default_sample` names the sample of a file that holds one patient: a VCF, or a table or MAF without sample column.
    `tumor_sample` is the tumor's name inside the file, `build` the genome build that coordinates must be on. Returns
    the variants with columns sample, patient, `COLUMNS` and `PLACE`; the assay (``"panel"`` where the vocabulary is
    that of a targeted report, else ``"exome"``); and notes on what was left out. `vaf` is a fraction in [0, 1], `depth`
    reads, `copies` gene copies, `known` says that the source itself marks the variant as functional. Raises
    `InputError` for missing columns, variants without consequence and protein change, numbers that are not, a build
    that is not the declared one, and what `vcf_as_table` refuses.
    """
    notes: list[str] = []
    if is_vcf(path):
        if default_sample is None:
            raise InputError(
                "a VCF holds the variants of one patient", file=path, field="mutations",
                valid="a patient folder, a folder vcf/ with one SAMPLE.vcf.gz each, or a MAF for the cohort",
            )  # fmt: skip
        table, notes, _ = vcf_as_table(path, default_sample, tumor_sample, build)
        return variant_rows(table, genes), "exome", notes
    raw = without_comments(read_bytes(path))
    if is_maf(header_of(raw, path)):
        table, notes, _ = maf_as_table(path, raw, build, default_sample)
        table = _of_samples(table, path, samples, default_sample, tumor_sample, notes)
        return variant_rows(table, genes), "exome", notes
    table = read_text_table(path, required=["gene"] if default_sample is not None else ["sample", "gene"], raw=raw)
    if "consequence" not in table.columns and "protein_change" not in table.columns:
        raise InputError(
            "a mutation table needs the kind of variant",
            file=path,
            field="consequence",
            valid="columns consequence and protein_change",
        )
    if default_sample is not None and "sample" not in table.columns:
        table["sample"] = default_sample
    # The words of the whole table tell the assay, so that one sample is read alone as it is read in its table.
    panel = "alteration" in table.columns or (
        "consequence" in table.columns and bool(table["consequence"].isin(["known_short", "likely_short"]).any())
    )
    table = _of_samples(table, path, samples, default_sample, tumor_sample, notes)
    table = table.assign(
        vaf=number_column(table, ("vaf", "t_vaf", "VAF", "tumor_f"), path),
        depth=number_column(table, ("depth", "t_depth"), path),
    )
    outside = table["vaf"][(table["vaf"] > 1.0) | (table["vaf"] < 0.0)]
    if len(outside):
        raise InputError(
            "a variant allele fraction outside 0 to 1", file=path, field="vaf", value=float(outside.iloc[0]),
            valid="0 to 1",
        )  # fmt: skip
    return variant_rows(table, genes, panel), "panel" if panel else "exome", notes


def _of_samples(
    table: pd.DataFrame, path: Path, samples: Iterable[str] | None, default_sample: str | None,
    tumor_sample: str | None, notes: list[str],
) -> pd.DataFrame:  # fmt: skip
    """Restrict a table to the wanted samples; in a patient folder `tumor_sample` may name the sample differently."""
    if tumor_sample is not None and default_sample is not None:
        names = sorted(set(table["sample"].dropna()))
        if tumor_sample not in names:
            raise InputError(
                "no variant has the name of the tumor sample", file=path, field="tumor_sample", value=tumor_sample,
                valid=near_misses(tumor_sample, names),
            )  # fmt: skip
        return table[table["sample"] == tumor_sample].assign(sample=default_sample)
    names = sorted(set(table["sample"].dropna()))
    if default_sample is not None and names and default_sample not in names:
        if len(names) == 1:
            # One name only: the file of this patient, under the laboratory's name for the sample.
            notes.append(f"the variants are filed as {names[0]} and were read as those of {default_sample}")
            return table.assign(sample=default_sample)
        raise InputError(
            "the file holds several samples and none has the patient's name", file=path, field="tumor_sample",
            value=", ".join(names[:8]), valid=f'tumor_sample = "{names[0]}" or another of them',
        )  # fmt: skip
    return table if samples is None else table[table["sample"].isin(set(samples))]


def variant_rows(table: pd.DataFrame, genes: Genes, panel: bool = False) -> pd.DataFrame:
    """Bring variants of any source to the columns sample, patient, `COLUMNS` and `PLACE`, in their order."""
    nothing = pd.Series(None, index=table.index, dtype=object)

    def column(name: str, instead: pd.Series = nothing) -> pd.Series:
        found = table[name] if name in table.columns else instead
        return found.astype(object).where(found.notna(), None)

    named = column("gene", column("gene_id"))
    named = named.where(named.notna(), column("gene_id"))
    approved: dict[str, str] = {g: approved_name(g, genes) for g in named.dropna().unique()}
    rows: list[tuple[object, ...]] = []
    for sample, patient, gene, word, change, alteration, fraction, reads, *place in zip(
        table["sample"],
        column("patient", table["sample"]),
        named,
        column("consequence"),
        column("protein_change"),
        column("alteration"),
        table["vaf"],
        table["depth"],
        *(column(p) for p in PLACE),
        strict=True,
    ):
        if gene is None:
            continue
        start = (sample, patient, approved[gene])
        lowered = (word or "").lower()
        parts = _panel_parts(alteration) if isinstance(alteration, str) else []
        if panel and lowered in {"amplification", "gain", "deletion", "loss"}:
            copies = min((float(p["copies"]) for p in parts if "copies" in p), default=np.nan)  # type: ignore[arg-type]
            kind = "deletion" if lowered in {"deletion", "loss"} else "amplification"
            rows.append((*start, kind, None, np.nan, np.nan, copies, lowered != "gain", word, *place))
            continue
        parts = [p for p in parts if "vaf" in p]
        if parts:
            for p in parts:
                spelled = p["protein_change"]
                known = (p["vaf"], p["depth"], np.nan, True, word, *place)
                rows.append((*start, classify(word, spelled), spelled, *known))  # type: ignore[arg-type]
            continue
        spelled = _strip_cdna(change)
        kind, shown = classify(word, spelled), without_splice_residue(spelled)
        rows.append((*start, kind, shown, fraction, reads, np.nan, lowered == "known_short", word, *place))
    result = pd.DataFrame(rows, columns=["sample", "patient", *COLUMNS, *PLACE])
    for name in ("vaf", "depth", "copies"):
        result[name] = result[name].astype(float)
    return result


def variant_notes(variants: pd.DataFrame, assay: str) -> list[str]:
    """Say what limits the variants of one sample."""
    notes = []
    unclear = int((variants["variant_class"] == "other").sum())
    if unclear:
        notes.append(f"{unclear} of {len(variants)} variants have no readable consequence and say nothing about a gene")
    if assay == "panel":
        notes.append("mutations come from a targeted panel: a gene without a variant may not have been sequenced")
    return notes
