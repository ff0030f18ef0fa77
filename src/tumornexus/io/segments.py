"""Copy-number segments mapped to the genes that the catalogue's biomarkers name.

Columns, by any of their usual names: sample (``ID``), chromosome, start, end (base pairs, 1-based), and either log2 of
the copy ratio (``seg.mean``, ``log2``, ``Segment_Mean``) or total copies (``copies``, ``total_cn``, ``tcn.em``, ``cn``,
or ``nMajor`` and ``nMinor`` of ASCAT). A gene takes the value of the segment that covers most of it; one that no
segment covers was not measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io.builds import plain_chromosome
from tumornexus.io.copy_number import GeneCopies, _check_values
from tumornexus.io.ensembl import gene_places
from tumornexus.io.maf import without_comments
from tumornexus.io.tables import number_column, read_bytes, read_text_table

_SAMPLE = ("sample", "ID", "Sample", "sample_id", "Tumor_Sample_Barcode", "sampleID")
_CHROMOSOME = ("chrom", "chromosome", "chr", "Chromosome", "seqnames")
_START = ("start", "loc.start", "Start", "startpos", "start.pos", "chromStart")
_END = ("end", "loc.end", "End", "endpos", "end.pos", "chromEnd")
_LOG2 = ("log2", "seg.mean", "Segment_Mean", "seg_mean")
_COPIES = ("copies", "total_cn", "tcn.em", "cn", "CNt", "TCN", "Copy_Number")


def _first(table: pd.DataFrame, names: Sequence[str], path: Path, what: str) -> str:
    found = next((n for n in names if n in table.columns), None)
    if found is None:
        raise InputError(
            f"a table of segments needs {what}", file=path, field=names[0],
            value=", ".join(map(str, table.columns[:8])), valid=f"a column {' or '.join(names[:4])}",
        )  # fmt: skip
    return found


def read_segments(
    path: Path, build: str | None, keys: Iterable[str] | None = None, default_sample: str | None = None
) -> GeneCopies:
    """Read segments and map them to genes.

    Raises:
        InputError: no genome build is declared, a column is missing, a segment ends before it starts, segments of one
            sample overlap, or a value cannot be.
    """
    if build is None:
        raise InputError(
            "segments are mapped to genes by their coordinates, and the genome build is not declared", file=path,
            field="genome_build", valid='genome_build = "GRCh38" (hg38) or "GRCh37" (hg19)',
        )  # fmt: skip
    table = read_text_table(path, raw=without_comments(read_bytes(path)))
    if default_sample is None:
        sample = table[_first(table, _SAMPLE, path, "a sample")]
    else:
        sample = pd.Series(default_sample, index=table.index)
        named = next((n for n in _SAMPLE if n in table.columns), None)
        if named is not None and table[named].nunique() > 1:
            table = table[table[named] == default_sample]
            sample = sample[table.index]
            if table.empty:
                raise InputError(
                    "the segments of several samples, and none has the patient's name", file=path, field=named,
                    valid=f"segments of {default_sample}",
                )  # fmt: skip
    start = number_column(table, (_first(table, _START, path, "a start"),), path)
    end = number_column(table, (_first(table, _END, path, "an end"),), path)
    bad = ~(start < end) | (start < 0)
    if bad.any():
        raise InputError(
            "a segment does not end after it starts", file=path, field="start",
            value=f"{start[bad][0]:g} to {end[bad][0]:g}", valid="0 <= start < end",
        )  # fmt: skip
    unit, values = _values(table, path)
    segments = pd.DataFrame(
        {
            "key": sample.to_numpy(),
            "chromosome": [
                plain_chromosome(c) for c in table[_first(table, _CHROMOSOME, path, "a chromosome")].astype(str)
            ],
            "start": start,
            "end": end,
            "value": values,
        }
    ).dropna(subset=["value"])
    if keys is not None:
        segments = segments[segments["key"].isin(set(keys))]
    places = gene_places(build)
    joined = segments.merge(places, on="chromosome", suffixes=("", "_gene"))
    joined["covered"] = joined[["end", "end_gene"]].min(axis=1) - joined[["start", "start_gene"]].max(axis=1) + 1
    joined = joined[joined["covered"] > 0].sort_values(["key", "gene", "covered", "start"], kind="stable")
    most = joined.drop_duplicates(["key", "gene"], keep="last")[["key", "gene", "value"]]
    notes = {}
    for key in segments["key"].unique():
        mine = joined[joined["key"] == key]
        cut = int((mine.groupby("gene")["value"].nunique() > 1).sum())
        absent = len(places) - mine["gene"].nunique()
        words = []
        if cut:
            words.append(f"{cut} genes lie across a breakpoint and take the copy number of their larger part")
        if absent:
            words.append(f"{absent} genes of the catalogue are covered by no segment and were not measured")
        notes[str(key)] = tuple(words)
    return GeneCopies(unit, most.assign(word="").reset_index(drop=True), notes_of=notes)


def _values(table: pd.DataFrame, path: Path):
    if "nMajor" in table.columns and "nMinor" in table.columns:
        values = number_column(table, ("nMajor",), path) + number_column(table, ("nMinor",), path)
        unit = "copies"
    elif any(n in table.columns for n in _COPIES):
        values, unit = number_column(table, _COPIES, path), "copies"
    else:
        values, unit = number_column(table, (_first(table, _LOG2, path, "log2 or total copies"),), path), "log2"
    _check_values(np.asarray(values), unit, path, unit)
    return unit, values
