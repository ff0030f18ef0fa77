"""Read counts of k-mer classifiers: Kraken 2 reports (six or eight columns) and Bracken output, single or combined."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from tumornexus.errors import InputError
from tumornexus.io.clade_tables import Clade, RawTable, cells_of, numbers_of, refuse_repeated_clades, wanted_columns

KRAKEN_LINE = re.compile(r"^\s*\d+(\.\d+)?\t\d+\t\d+\t(\d+\t\d+\t)?[URDKPCOFGS-]\d*\t\d+\t")


def kraken(lines: Sequence[str], path: Path) -> RawTable:
    """Read reads of each species with what lies below it (second column, rank S) and reads placed no deeper."""
    rows = [line.split("\t") for line in lines]
    width = len(rows[0])
    if any(len(r) != width for r in rows):
        bad = next(r for r in rows if len(r) != width)
        raise InputError(
            "a line of the Kraken report has another number of cells", file=path, field=bad[-1].strip(),
            value=f"{len(bad)} cells", valid=f"{width} tab-separated cells",
        )  # fmt: skip
    rows = [[c.strip() for c in r] for r in rows]
    named = [[r[-1], *r] for r in rows]
    counts = numbers_of(named, [2], ["reads"], path)[:, 0]
    species = [i for i, r in enumerate(rows) if r[-3] == "S"]
    if not species:
        raise InputError(
            "the Kraken report has no species", file=path, field="rank", value=rows[-1][-3], valid="rows of rank S"
        )
    refuse_repeated_clades([rows[i][-2] for i in species], path)
    top = sum(counts[i] for i, r in enumerate(rows) if r[-3] == "U" or (r[-3] == "R" and r[-1] == "root"))
    values = counts[species][:, None]
    unresolved = np.array([max(float(top) - float(values.sum()), 0.0)])
    return RawTable("kraken2", "", True, tuple(Clade(rows[i][-1]) for i in species), ("",), ("",), values, unresolved)


def bracken(lines: Sequence[str], path: Path, samples: Collection[str] | None) -> RawTable:
    rows = cells_of(lines, path)
    names, rows = rows[0], rows[1:]
    low = [n.lower() for n in names]
    if not rows:
        raise InputError("the Bracken table has a header and no rows", file=path, valid="at least one species")
    level = next((r[2] for r in rows if r[2] != "S"), None)
    if level is not None:
        raise InputError(
            "the Bracken table is not of species level", file=path, field="taxonomy_lvl", value=level,
            valid="S (bracken -l S)",
        )  # fmt: skip
    if "new_est_reads" in low:
        at, columns = [low.index("new_est_reads")], [""]
    else:
        at = [i for i, n in enumerate(low) if n.endswith("_num")]
        columns = [names[i][:-4] for i in at]
    if not at:
        raise InputError(
            "the Bracken table has no read counts", file=path, field="header", value=", ".join(names[3:8]),
            valid="new_est_reads, or SAMPLE_num in a combined table",
        )  # fmt: skip
    keep = wanted_columns(columns, samples, path)
    refuse_repeated_clades([r[1] for r in rows], path)
    shown = [columns[i] or "new_est_reads" for i in keep]
    values = numbers_of(rows, [at[i] for i in keep], shown, path)
    # Bracken's fractions are of the reads it placed at species; the unclassified ones are not in its output.
    return RawTable(
        "bracken", "", True, tuple(Clade(r[0]) for r in rows), tuple(columns[i] for i in keep), tuple(columns),
        values, np.full(len(keep), np.nan),
    )  # fmt: skip
