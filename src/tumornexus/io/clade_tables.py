"""Tables of relative abundance of metagenomic profilers, each read into clades x samples with nothing interpreted yet.

Formats as their manuals describe them: MetaPhlAn (``clade_name``, ranks joined by ``|``, percent), mOTUs (``name
[ref_mOTU_v25_00001]``), GTDB-based profiles (``d__...;s__...``) and plain species x samples. Read counts of Kraken 2
and Bracken are in `tumornexus.io.read_counts`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tumornexus.errors import InputError
from tumornexus.io.clades import looks_like_gtdb
from tumornexus.io.tables import refuse_repeats

FORMATS = (
    "a MetaPhlAn 3 or 4 profile, a Kraken 2 report, Bracken output (species level), a mOTUs table, a GTDB profile "
    "(d__...;s__...), or species in the first column and one column a sample"
)
_MOTU = re.compile(r"^(?P<name>.*?)\s*\[(?P<id>(?:ref|meta|ext)_mOTU_[^\]]+)\]$")
_SGB_NAME = re.compile(r"(^|_)SGB\d+(_group)?$")
_TAX_ID = frozenset({"ncbi_tax_id", "clade_taxid", "ncbi_taxid", "taxonomy_id", "#motu"})
_STATISTICS = frozenset({"additional_species", "coverage", "estimated_number_of_reads_from_the_clade"})
_UNRESOLVED = frozenset({"unclassified", "unknown", "unassigned", "-1", "unmapped"})


@dataclass(frozen=True)
class Clade:
    """One row: the species as the table names it, and its SGB number where there is one."""

    name: str
    sgb: str | None = None


@dataclass(frozen=True)
class RawTable:
    """A table as it stands.

    Attributes:
        profiler, database: as in `tumornexus.io.microbiome.Microbiome`; `versioned`: whether a database was stated or
            SGB numbers are given, so that names need not be taken for the vocabulary.
        clades, samples: rows and columns of `values`; `columns` are all sample columns of the file.
        values: (clade, sample), in the unit of the file.
        unresolved: (sample,) what no species stands for, in the same unit.
        notes: what was not used.
    """

    profiler: str
    database: str
    versioned: bool
    clades: tuple[Clade, ...]
    samples: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray
    unresolved: np.ndarray
    notes: tuple[str, ...] = ()


def cells_of(body: Sequence[str], path: Path) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.split("\t")] for line in body]
    width = Counter(len(r) for r in rows).most_common(1)[0][0]
    uneven = next((i for i, r in enumerate(rows) if len(r) != width), None)
    if uneven is not None:
        raise InputError(
            "a line of the stool table has another number of cells", file=path, field=rows[uneven][0],
            value=f"{len(rows[uneven])} cells", valid=f"{width} tab-separated cells, as in the other lines",
        )  # fmt: skip
    return rows


def numbers_of(rows: Sequence[Sequence[str]], at: Sequence[int], names: Sequence[str], path: Path) -> np.ndarray:
    """Return (row, column) as floats; a cell that is empty, text, not finite or negative is refused by name."""
    try:
        values = np.array([[r[i] for i in at] for r in rows], dtype=float).reshape(len(rows), len(at))
    except ValueError:
        values = np.array([[_float(r[i]) for i in at] for r in rows], dtype=float).reshape(len(rows), len(at))
    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        i, j = (int(k[0]) for k in np.nonzero(bad))
        raise InputError(
            f"an abundance that is no number of zero or more (clade '{rows[i][0]}')", file=path, field=names[j],
            value=rows[i][at[j]], valid="0 where the clade was not found, else its abundance",
        )  # fmt: skip
    return values


def _float(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def wanted_columns(columns: Sequence[str], samples: Collection[str] | None, path: Path) -> list[int]:
    """Return which sample columns to read; columns that occur twice or have no name are refused."""
    refuse_repeats(columns, path, "header", "stool samples")
    if len(columns) > 1 and "" in columns:
        raise InputError("a sample column has no name", file=path, field="header", value="", valid="an id in each")
    unnamed = list(columns) == [""]
    return [i for i, c in enumerate(columns) if samples is None or unnamed or c in samples]


def refuse_repeated_clades(names: Sequence[str], path: Path) -> None:
    refuse_repeats(names, path, "clade", "clades")


def _split_header(
    comments: Sequence[str], body: Sequence[str], path: Path
) -> tuple[list[str], list[list[str]], list[str]]:
    """Return column names, rows, and the remaining comments of a table whose header may itself be a comment."""
    rows = cells_of(body, path)
    if rows and not _looks_like_data(rows[0]):
        return rows[0], rows[1:], list(comments)
    for k in range(len(comments) - 1, -1, -1):
        names = [c.strip() for c in comments[k].lstrip("#").split("\t")]
        if rows and len(names) == len(rows[0]) and len(names) > 1:
            return names, rows, [c for i, c in enumerate(comments) if i != k]
    return [], rows, list(comments)


def _looks_like_data(row: Sequence[str]) -> bool:
    if re.match(r"^([kd]__|UNCLASSIFIED$|UNKNOWN$|-1$)", row[0]):
        return True
    return len(row) > 1 and not np.isnan(_float(row[-1]))


def _columns(names: Sequence[str], rows: Sequence[Sequence[str]], path: Path) -> tuple[list[int], list[str]]:
    """Return position and name of the sample columns of a profile; ``""`` names the column of a single profile."""
    if not names:
        width = len(rows[0])
        if width == 2:
            return [1], [""]
        # A single profile: clade, taxon id, abundance, and perhaps a column of further species.
        lone = width >= 3 and all(re.fullmatch(r"[\d|]*|-1", r[1]) for r in rows)
        if not lone or (width > 3 and all(np.isfinite(_float(r[3])) for r in rows)):
            raise InputError(
                "the stool table has no header, so that its columns cannot be told", file=path, value=rows[0][0],
                valid="the profiler's own header line (clade_name, ...)",
            )  # fmt: skip
        return [2], [""]
    low = [n.lower() for n in names]
    if "relative_abundance" in low:
        return [low.index("relative_abundance")], [""]
    at = [i for i in range(1, len(names)) if low[i] not in _TAX_ID | _STATISTICS | {"#consensus_taxonomy"}]
    if not at:
        raise InputError("the stool table has no sample column", file=path, value=names[0], valid=FORMATS)
    # MetaPhlAn 2 and 3 write this word for a sample that was given no name.
    return at, ["" if len(at) == 1 and names[i] == "Metaphlan_Analysis" else names[i] for i in at]


def metaphlan(comments: Sequence[str], body: Sequence[str], path: Path, samples: Collection[str] | None) -> RawTable:
    names, rows, rest = _split_header(comments, body, path)
    at, columns = _columns(names, rows, path)
    keep = wanted_columns(columns, samples, path)
    at_kept = [at[i] for i in keep]
    said = " ".join(rest)
    found = re.search(r"mpa_v[A-Za-z0-9_]+", said)
    database = found[0] if found else ""
    refuse_repeated_clades([r[0] for r in rows], path)
    ranks = [r[0].split("|") for r in rows]
    strains = any(p[-1].startswith("t__SGB") for p in ranks)
    species = any(p[-1].startswith("s__") for p in ranks)
    if not (strains or species):
        raise InputError(
            "the stool profile has no species", file=path, field="clade_name", value=rows[-1][0],
            valid="rows down to species (s__), which is what MetaPhlAn writes when no taxonomic level is asked for",
        )  # fmt: skip
    lead = "t__" if strains else "s__"
    leaf = [i for i, p in enumerate(ranks) if p[-1].startswith(lead)]
    clades = tuple(
        Clade(ranks[i][-2] if strains else ranks[i][-1], ranks[i][-1].removeprefix("t__") if strains else None)
        for i in leaf
    )
    sgb = strains or any(_SGB_NAME.search(c.name) for c in clades)
    if database:
        profiler = "metaphlan4" if "SGB" in database else "metaphlan3"
    else:
        profiler = "metaphlan4" if sgb else "metaphlan"
    unresolved = [i for i, r in enumerate(rows) if r[0].lower() in _UNRESOLVED]
    shown = [columns[i] or "abundance" for i in keep]
    return RawTable(
        profiler, database, bool(database) or strains, clades, tuple(columns[i] for i in keep), tuple(columns),
        numbers_of([rows[i] for i in leaf], at_kept, shown, path),
        numbers_of([rows[i] for i in unresolved], at_kept, shown, path).sum(axis=0) if unresolved else
        np.zeros(len(keep)),
    )  # fmt: skip


def gtdb(comments: Sequence[str], body: Sequence[str], path: Path, samples: Collection[str] | None) -> RawTable:
    names, rows, rest = _split_header(comments, body, path)
    at, columns = _columns(names, rows, path)
    keep = wanted_columns(columns, samples, path)
    refuse_repeated_clades([r[0] for r in rows], path)
    leaf = [r for r in rows if r[0].split(";")[-1].strip().startswith("s__") and r[0].split(";")[-1].strip() != "s__"]
    if not leaf:
        raise InputError(
            "the stool profile has no species", file=path, field="clade_name", value=rows[-1][0],
            valid="rows down to species (;s__Genus species)",
        )  # fmt: skip
    at_kept, shown = [at[i] for i in keep], [columns[i] or "abundance" for i in keep]
    other = [r for r in rows if r[0].lower() in _UNRESOLVED]
    release = re.search(r"r(?:elease)?[ _]?(\d{2,3})", " ".join(rest), re.IGNORECASE)
    return RawTable(
        "gtdb", f"GTDB r{release[1]}" if release else "", True,
        tuple(Clade(r[0].split(";")[-1].strip()) for r in leaf), tuple(columns[i] for i in keep), tuple(columns),
        numbers_of(leaf, at_kept, shown, path),
        numbers_of(other, at_kept, shown, path).sum(axis=0) if other else np.zeros(len(keep)),
    )  # fmt: skip


def motus(comments: Sequence[str], body: Sequence[str], path: Path, samples: Collection[str] | None) -> RawTable:
    names, rows, rest = _split_header(comments, body, path)
    if not names:
        raise InputError(
            "the mOTUs table has no header", file=path, valid="the line '#consensus_taxonomy' with a name a sample"
        )
    low = [n.lower().lstrip("#") for n in names]
    words = {"consensus_taxonomy", "motu", "ncbi_tax_id"}
    at = [i for i, n in enumerate(low) if n not in words]
    columns = ["" if len(at) == 1 and names[i] == "unnamed sample" else names[i] for i in at]
    keep = wanted_columns(columns, samples, path)
    clades, kept, other, ids = [], [], [], []
    taxonomy = low.index("consensus_taxonomy") if "consensus_taxonomy" in low else 0
    for r in rows:
        match = _MOTU.match(r[0])
        if match is None and "_mOTU_" in r[0]:  # with -q the number stands in its own column
            name, number = r[taxonomy].split("|")[-1], r[0]
        elif match is not None:
            name, number = match["name"], match["id"]
        elif r[0].lower() in _UNRESOLVED:
            other.append(r)
            continue
        else:
            raise InputError(
                "a row of the mOTUs table names no mOTU", file=path, field="consensus_taxonomy", value=r[0],
                valid="name [ref_mOTU_v25_00001], or the profile at mOTU level (not motus profile -k)",
            )  # fmt: skip
        vague = not re.match(r"^(s__)?\[?[A-Z][a-z]+\]? [a-z]", name) or "incertae sedis" in name
        clades.append(Clade(f"{name} {number}" if vague else name))
        ids.append(number)
        kept.append(r)
    refuse_repeated_clades(ids, path)
    at_kept, shown = [at[i] for i in keep], [columns[i] or "abundance" for i in keep]
    version = re.search(r"(?:ref|meta|ext)_mOTU_v?([0-9.]+)", " ".join([*rest[:1], *ids[:1]]))
    return RawTable(
        "motus", f"mOTUs {version[1]}" if version else "", True, tuple(clades), tuple(columns[i] for i in keep),
        tuple(columns), numbers_of(kept, at_kept, shown, path),
        numbers_of(other, at_kept, shown, path).sum(axis=0) if other else np.zeros(len(keep)),
    )  # fmt: skip


def plain(body: Sequence[str], path: Path, samples: Collection[str] | None) -> RawTable:
    rows = cells_of(body, path) if body else []
    species = [r[0] for r in rows[1:] if re.match(r"^(s__)?\[?[A-Z][A-Za-z0-9-]*\]?[ _]\S", r[0])]
    if len(rows) < 2 or len(rows[0]) < 2 or len(species) < 0.8 * (len(rows) - 1):
        shown = rows[1][0] if len(rows) > 1 else (rows[0][0] if rows else "")
        raise InputError("the format of the stool table is not known", file=path, value=shown[:60], valid=FORMATS)
    columns = rows[0][1:]
    tax = [i for i, c in enumerate(columns) if c.lower() not in _TAX_ID]
    columns = [columns[i] for i in tax]
    keep = wanted_columns(columns, samples, path)
    rows = rows[1:]
    refuse_repeated_clades([r[0] for r in rows], path)
    leaf, other = [], []
    for r in rows:
        (other if r[0].lower() in _UNRESOLVED else leaf).append(r)
    at_kept, shown = [tax[i] + 1 for i in keep], [columns[i] for i in keep]
    names = [r[0] for r in leaf]
    if any(_SGB_NAME.search(n) for n in names):
        profiler = "metaphlan4"
    else:
        profiler = "gtdb" if looks_like_gtdb(names) else "plain"
    return RawTable(
        profiler, "", False, tuple(Clade(n) for n in names), tuple(columns[i] for i in keep), tuple(columns),
        numbers_of(leaf, at_kept, shown, path),
        numbers_of(other, at_kept, shown, path).sum(axis=0) if other else np.zeros(len(keep)),
    )  # fmt: skip
