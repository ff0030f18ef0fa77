"""Expression as quantifiers write it: salmon, kallisto, STAR, featureCounts, or a plain table of genes by samples.

| file | told by | gives |
| --- | --- | --- |
| salmon ``quant.sf`` | ``Name, Length, EffectiveLength, TPM, NumReads`` | TPM |
| kallisto ``abundance.tsv`` | ``target_id, length, eff_length, est_counts, tpm`` | TPM |
| featureCounts | ``Geneid, Chr, Start, End, Strand, Length, ...`` | counts with lengths |
| STAR ``ReadsPerGene.out.tab`` | a first line ``N_unmapped`` | counts, lengths needed |
| table | anything else | as declared or detected |

Transcripts are summed to genes: TPM of a gene is the sum over its transcripts. Their genes come from GENCODE's own
names (``ENST...|ENSG...|...``) or from a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tumornexus.errors import InputError, near_misses
from tumornexus.io.expression import Scale
from tumornexus.io.maf import without_comments
from tumornexus.io.tables import (
    header_of,
    is_kallisto,
    number_column,
    read_bytes,
    read_number_table,
    read_text_table,
    refuse_repeats,
)

LENGTH_COLUMN = "length_bp"
STRANDS = ("unstranded", "forward", "reverse")
_TPM = {"Name": ("TPM",), "target_id": ("tpm",)}
_FEATURE_COUNTS = ("Geneid", "Chr", "Start", "End", "Strand", "Length")
# Usual file names of one sample, in a patient folder or in a folder of its own.
FILE_NAMES = ("quant.genes.sf", "quant.sf", "abundance.tsv", "abundance.tsv.gz", "ReadsPerGene.out.tab")
# A stranded library puts most reads on one strand; STAR's two stranded columns then differ by more than this factor.
STRANDED = 4.0


@dataclass(frozen=True)
class Helpers:
    """Files and words that a quantification needs beside its own file.

    Attributes:
        gene_lengths: table ``gene, length_bp`` for counts.
        transcript_genes: table ``transcript, gene`` for transcripts.
        strandedness: column of STAR's table, one of `STRANDS`.
    """

    gene_lengths: Path | None = None
    transcript_genes: Path | None = None
    strandedness: str | None = None


@dataclass(frozen=True)
class Quantified:
    """Values (gene x sample) as read, lengths (gene,) in base pairs or None, and the scale where the file says it.

    `notes` are of the whole table, `notes_of` of single samples that come from files of their own.
    """

    values: pd.DataFrame
    lengths: np.ndarray | None
    scale: Scale | None
    notes: tuple[str, ...] = ()
    notes_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_quantified(
    path: Path, columns: list[str] | None = None, helpers: Helpers | None = None, sample: str | None = None
) -> Quantified:
    """Read any of the files above; `columns` restricts a table of many samples, `sample` names that of a single one.

    Raises `InputError` for transcripts without their genes, a strand that the reads do not tell, lengths that are not
    positive or belong to other genes, and what the readers of tables refuse.
    """
    helpers = helpers or Helpers()
    raw = without_comments(read_bytes(path))
    if raw.startswith(b"N_unmapped\t"):
        found = _star(path, raw, helpers.strandedness, sample or path.name)
    else:
        names = header_of(raw, path)
        if names[0] in _TPM and _TPM[names[0]][0] in names:
            found = _tpm(path, raw, names[0], helpers.transcript_genes, sample or path.name)
        elif tuple(names[: len(_FEATURE_COUNTS)]) == _FEATURE_COUNTS:
            found = _feature_counts(path, raw, names, columns)
        else:
            values, _ = read_number_table(path, columns, raw=raw)
            lengths = values.pop(LENGTH_COLUMN).to_numpy() if LENGTH_COLUMN in values.columns else None
            found = Quantified(values, lengths, None)
    if found.lengths is None and helpers.gene_lengths is not None and found.scale in (None, "counts"):
        lengths, note = lengths_of(found.values.index, helpers.gene_lengths)
        found = Quantified(found.values, lengths, found.scale, (*found.notes, *note))
    if found.lengths is not None and np.any(found.lengths <= 0):
        raise InputError(
            "a gene length that is not positive", file=helpers.gene_lengths or path, field=LENGTH_COLUMN,
            value=float(found.lengths[found.lengths <= 0][0]), valid="base pairs, more than 0",
        )  # fmt: skip
    return found


def _plain(name: str) -> str:
    """Drop the version of an Ensembl id (``ENSG00000166710.21``)."""
    return name.partition(".")[0] if name.startswith(("ENSG", "ENST")) else name


def _tpm(path: Path, raw: bytes, key: str, transcript_genes: Path | None, sample: str) -> Quantified:
    table = read_text_table(path, required=[key, *_TPM[key]], raw=raw)
    values = number_column(table, _TPM[key], path)
    names = table[key].astype(str)
    refuse_repeats(list(names), path, key, "targets")
    notes: tuple[str, ...] = ()
    if names.str.startswith("ENST").mean() > 0.5 or transcript_genes is not None:
        genes = _genes_of(list(names), path, key, transcript_genes)
        lost = float(np.nansum(values[[g is None for g in genes]]))
        missing = sum(g is None for g in genes)
        if missing:
            notes = (f"{missing} transcripts have no gene in the table and were left out ({lost:.3g} TPM)",)
        series = pd.Series(values, index=genes)[[g is not None for g in genes]]
        # min_count: a gene of which no transcript has a value was not measured.
        series = series.groupby(level=0, sort=False).sum(min_count=1)
        notes = (f"{len(names)} transcripts summed to {len(series)} genes", *notes)
    else:
        series = pd.Series(values, index=names.to_numpy())
    return Quantified(series.rename(sample).to_frame(), None, "tpm", notes)


def _genes_of(names: list[str], path: Path, key: str, transcript_genes: Path | None) -> list[str | None]:
    if transcript_genes is None:
        if all("|" in n for n in names):
            return [n.split("|")[1] for n in names]
        raise InputError(
            "the file lists transcripts, and expression is read by gene", file=path, field=key, value=names[0],
            valid="transcript_genes = a table with the columns transcript and gene; or salmon's quant.genes.sf "
            "(salmon quant -g); or targets with GENCODE's full names (ENST...|ENSG...|...)",
        )  # fmt: skip
    table = read_text_table(transcript_genes, required=["transcript", "gene"])
    known = {_plain(t): g for t, g in zip(table["transcript"], table["gene"], strict=True) if t and g}
    genes = [known.get(_plain(n.split("|")[0])) for n in names]
    if not any(genes):
        raise InputError(
            "no transcript of the expression file is in this table", file=transcript_genes, field="transcript",
            value=names[0], valid="ids of the same annotation, with or without version",
        )  # fmt: skip
    return genes


def _star(path: Path, raw: bytes, strandedness: str | None, sample: str) -> Quantified:
    if strandedness is not None and strandedness not in STRANDS:
        raise InputError(
            "unknown strandedness", file=path, field="strandedness", value=strandedness, valid=", ".join(STRANDS)
        )
    head = b"gene\tunstranded\tforward\treverse\n"
    table, _ = read_number_table(path, raw=head + raw)
    table = table[~table.index.str.startswith("N_")]
    note = ""
    if strandedness is None:
        forward, reverse = float(table["forward"].sum()), float(table["reverse"].sum())
        ratio = (forward + 1.0) / (reverse + 1.0)
        if ratio > STRANDED or ratio < 1.0 / STRANDED:
            strandedness = "forward" if ratio > 1.0 else "reverse"
        elif 0.5 <= ratio <= 2.0:
            strandedness = "unstranded"
        else:
            raise InputError(
                "the strands do not tell how the library was made", file=path, field="strandedness",
                value=f"forward : reverse = {ratio:.2f}", valid='strandedness = "unstranded", "forward" or "reverse"',
            )  # fmt: skip
        note = f"library read as {strandedness} (forward : reverse reads = {ratio:.2g})"
    return Quantified(table[[strandedness]].set_axis([sample], axis=1), None, "counts", (note,) if note else ())


def _feature_counts(path: Path, raw: bytes, names: list[str], columns: list[str] | None) -> Quantified:
    samples = names[len(_FEATURE_COUNTS) :]
    # featureCounts names a column by the path of its BAM file; the sample is the file's name up to its first dot.
    short = [Path(s).name.partition(".")[0] for s in samples]
    shown = short if len(set(short)) == len(short) else samples
    table = read_text_table(path, raw=raw)
    genes = [str(g) for g in table["Geneid"]]
    refuse_repeats(genes, path, "Geneid", "genes")
    values = pd.DataFrame(
        {s: number_column(table, (n,), path) for s, n in zip(shown, samples, strict=True)}, index=genes
    )
    if columns is not None:
        missing = [c for c in columns if c not in values.columns]
        if missing:
            raise InputError(
                "the sample has no column", file=path, field="header", value=missing[0],
                valid=near_misses(missing[0], list(shown)),
            )  # fmt: skip
        values = values[columns]
    return Quantified(values, number_column(table, ("Length",), path), "counts")


def sample_names(path: Path) -> list[str]:
    """Names of the samples in a table of genes by samples."""
    names = header_of(without_comments(read_bytes(path)), path)
    if tuple(names[: len(_FEATURE_COUNTS)]) == _FEATURE_COUNTS:
        short = [Path(s).name.partition(".")[0] for s in names[len(_FEATURE_COUNTS) :]]
        return short if len(set(short)) == len(short) else names[len(_FEATURE_COUNTS) :]
    return [n for n in names[1:] if n != LENGTH_COLUMN]


def lengths_of(genes: pd.Index, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read gene lengths (gene,) in base pairs, NaN for a gene that the table lacks, and a note that counts those."""
    table = read_text_table(path, required=["gene"])
    column = next((c for c in (LENGTH_COLUMN, "length", "Length") if c in table.columns), None)
    if column is None:
        raise InputError("the table has no lengths", file=path, field=LENGTH_COLUMN, valid="a column length_bp")
    values = number_column(table, (column,), path)
    known = {_plain(str(g)): v for g, v in zip(table["gene"], values, strict=True)}
    lengths = np.array([known.get(_plain(str(g)), np.nan) for g in genes])
    missing = int(np.isnan(lengths).sum())
    if missing == len(lengths):
        raise InputError(
            "no gene of the expression file has a length in this table", file=path, field="gene", value=str(genes[0]),
            valid="the same kind of gene names in both",
        )  # fmt: skip
    return lengths, (f"{missing} genes have no length and were not measured",) if missing else ()


def find_quantified(folder: Path) -> Path | None:
    """Return a quantifier's own file in a patient folder, or None."""
    found = [folder / name for name in FILE_NAMES if (folder / name).is_file()]
    return next((p for p in found if not p.name.startswith("abundance") or is_kallisto(p)), None)


def find_expression(folder: Path, sample: str) -> Path | None:
    """Return one sample's file in a folder of quantifications (``SAMPLE/quant.sf``, ``SAMPLE.quant.sf``), or None."""
    found = [
        path
        for name in FILE_NAMES
        for path in (folder / sample / name, folder / f"{sample}.{name}", folder / f"{sample}{name}")
        if path.is_file()
    ]
    if len(found) > 1 and found[0].name.endswith("quant.genes.sf"):
        return found[0]
    if len(found) > 1:
        raise InputError(
            "several quantifications of one sample", file=folder, field=sample,
            value=", ".join(str(p.relative_to(folder)) for p in found), valid="one of them",
        )  # fmt: skip
    return found[0] if found else None


def read_folder(folder: Path, samples: list[str], helpers: Helpers) -> Quantified | None:
    """Read one quantification a sample from a folder; None where it holds none of the samples.

    All must list the same genes: files made with different annotations are not one cohort.
    """
    parts, lengths, scale, notes = [], None, None, {}
    for sample in samples:
        path = find_expression(folder, sample)
        if path is None:
            continue
        one = read_quantified(path, None, helpers, sample)
        if one.values.shape[1] != 1:
            raise InputError(
                "the file of one sample holds several", file=path, value=one.values.shape[1], valid="one file a sample"
            )
        if parts and not one.values.index.equals(parts[0].index):
            raise InputError(
                "the samples list different genes, so they were quantified with different annotations", file=path,
                value=f"{len(one.values)} genes, {len(parts[0])} in the first sample", valid="one annotation for all",
            )  # fmt: skip
        if parts and one.scale != scale:
            raise InputError(
                "the samples come from different quantifiers", file=path, value=str(one.scale), valid=f"all {scale}"
            )
        if parts and not _same_lengths(one.lengths, lengths):
            raise InputError(
                "the samples list different gene lengths, so they were counted with different annotations", file=path,
                field=LENGTH_COLUMN, valid="one annotation for all",
            )  # fmt: skip
        parts.append(one.values.set_axis([sample], axis=1))
        lengths, scale = one.lengths, one.scale
        notes[sample] = one.notes
    return Quantified(pd.concat(parts, axis=1), lengths, scale, (), notes) if parts else None


def _same_lengths(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is None and b is None
    return np.array_equal(a, b, equal_nan=True)


def read_expression(
    path: Path | None, only: str | None, listed: list[str], helpers: Helpers
) -> tuple[list[str], Quantified | None]:
    """Read a table of genes by samples, or a folder with one quantification a sample, restricted to `only`.

    Returns the samples that have expression and their values; `listed` are the samples of the clinical table.
    """
    if path is None:
        return [], None
    if path.is_dir():
        if not listed:
            raise InputError(
                "a folder of quantifications needs a clinical table that names its samples", file=path,
                field="clinical.tsv", valid="clinical.tsv with a column sample",
            )  # fmt: skip
        measured = [s for s in listed if find_expression(path, s) is not None]
        if not measured:
            raise InputError(
                "no sample of the clinical table has a file in this folder", file=path, value=listed[0],
                valid="SAMPLE/quant.sf, SAMPLE/abundance.tsv or SAMPLE.ReadsPerGene.out.tab",
            )  # fmt: skip
        return measured, read_folder(path, measured if only is None else [s for s in measured if s == only], helpers)
    measured = sample_names(path)
    if only is None:
        return measured, read_quantified(path, None, helpers)
    if only not in measured:
        return measured, None
    lengths = [LENGTH_COLUMN] if LENGTH_COLUMN in header_of(without_comments(read_bytes(path)), path) else []
    return measured, read_quantified(path, [only, *lengths], helpers)
