"""Stool metagenomes: tables of MetaPhlAn 3 and 4, Kraken 2, Bracken, mOTUs and GTDB-based profilers, or plain species.

The format is told from the content, never from the file's name. Whatever the table holds, the result is the share of
each species among what was identified to species, in one vocabulary (`tumornexus.io.clades`). What could not be
resolved, mapped or used is counted and said.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tumornexus.errors import InputError, near_misses
from tumornexus.io.clade_tables import FORMATS, RawTable, gtdb, metaphlan, motus, plain
from tumornexus.io.clades import Naming, load_clades, looks_like_gtdb, species_of, spelling
from tumornexus.io.read_counts import KRAKEN_LINE, bracken, kraken
from tumornexus.io.tables import find_table, is_kallisto, read_bytes

FILES = ("microbiome", "abundance")  # names under which a folder may hold the table
COUNTS = frozenset({"kraken2", "bracken"})
PERCENT_OFF, FRACTION_OFF = 1.0, 0.01  # profilers round: the 499 tables of Derosa 2024 sum to 99.990 to 100.015
HOST = frozenset({"Homo_sapiens"})


@dataclass(frozen=True, eq=False)
class Microbiome:
    """The gut community of one stool sample.

    Attributes:
        abundance: share of each species present, by its name in the vocabulary; sums to 1 over what was identified to
            species. Species that are absent are not listed.
        profiler: metaphlan4, metaphlan3, metaphlan (version not stated), kraken2, bracken, motus, gtdb or plain.
        database: as the table states it, such as ``mpa_vJan21_CHOCOPhlAnSGB_202103``; empty where it does not.
        vocabulary: whether the table's own names are the vocabulary (MetaPhlAn vJan21).
        unmapped: species present under names that are not in the table of names; they keep their spelling.
        unmapped_share: their share of `abundance`.
        unresolved: share of the sample that no species stands for, NaN where the table does not tell.
        merged: clades of the table added to another clade of the same species.
        notes: what the reader changed or could not use, in words.
    """

    abundance: pd.Series
    profiler: str
    database: str = ""
    vocabulary: bool = False
    unmapped: tuple[str, ...] = ()
    unmapped_share: float = 0.0
    unresolved: float = float("nan")
    merged: int = 0
    notes: tuple[str, ...] = field(default=())


def read_microbiome(path: Path, samples: Collection[str] | None = None) -> dict[str, Microbiome]:
    """Read a table of one or more stool samples; a profile of one sample that names none is under ``""``.

    Args:
        path: the table, gzip-compressed or not.
        samples: restrict merged tables to these columns; those that are not in the table are left out.

    Raises:
        InputError: an unknown format, a value that is missing, negative or no number, a sample whose values sum
            neither to 1 nor to 100 (nor are counts), samples or clades that occur twice, no species at all.
    """
    raw = read_raw(Path(path), samples)
    naming = _naming(raw)
    species, known = zip(*(species_of(c.name, c.sgb, naming) for c in raw.clades), strict=True)
    host = np.array([s in HOST for s in species])
    values = np.where(host[:, None], 0.0, raw.values)
    total, unresolved, notes = _totals(raw, values, Path(path))
    if raw.profiler.startswith("metaphlan") and not raw.database:
        notes.append(
            "the stool table does not state its database; its names were "
            + ("taken for those of MetaPhlAn vJan21" if naming == "vJan21" else "compared with the table of names")
        )
    order = list(dict.fromkeys(species))
    position = {s: i for i, s in enumerate(order)}
    summed = np.zeros((len(order), len(raw.samples)))
    np.add.at(summed, [position[s] for s in species], values)
    in_table = np.zeros(len(order), dtype=bool)
    in_table[[position[s] for s, ok in zip(species, known, strict=True) if ok]] = True
    named = sum(not h for h in host)
    merged = named - sum(s not in HOST for s in order)
    result = {}
    for j, sample in enumerate(raw.samples):
        present = np.flatnonzero(summed[:, j] > 0.0)
        if not len(present):
            raise InputError(
                "no species was detected in the sample", file=path, field=sample or "abundance", value=0,
                valid="a profile with at least one species",
            )  # fmt: skip
        share = pd.Series(summed[present, j] / total[j], index=[order[i] for i in present]).sort_index()
        foreign = [order[i] for i in present if not in_table[i]]
        said = [*raw.notes, *notes]
        if host.any() and raw.values[host, j].sum() > 0:
            said.append(f"{raw.values[host, j].sum():.0f} human reads in the stool profile were left out")
        result[sample] = Microbiome(
            share, raw.profiler, raw.database, naming == "vJan21", tuple(sorted(foreign)),
            float(share[foreign].sum()) if foreign else 0.0, float(unresolved[j]), merged, tuple(said),
        )  # fmt: skip
    return result


def read_raw(path: Path, samples: Collection[str] | None = None) -> RawTable:
    """Tell the format of a table from its content and read it; `samples` restricts merged tables to some columns."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("the stool table is not UTF-8 text", file=path, valid=FORMATS) from error
    lines = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
    first = next((line for line in lines if not line.startswith("#")), "")
    header = [cell.strip() for cell in first.lower().split("\t")]
    if KRAKEN_LINE.match(first):
        return kraken(lines, path)
    if header[:3] == ["name", "taxonomy_id", "taxonomy_lvl"]:
        return bracken(lines, path, samples)
    comments = [line for line in lines if line.startswith("#")]
    body = [line for line in lines if not line.startswith("#")]
    if any("_mOTU_" in line for line in body):
        return motus(comments, body, path, samples)
    if any(re.match(r"^[kd]__[^\t]*\|", line) for line in body):
        return metaphlan(comments, body, path, samples)
    if any(re.match(r"^d__[^\t]*;", line) for line in body):
        return gtdb(comments, body, path, samples)
    return plain(body, path, samples)


def _naming(raw: RawTable) -> Naming:
    """Return which database the names of a table come from."""
    if raw.profiler == "gtdb" or (raw.profiler in COUNTS and looks_like_gtdb([c.name for c in raw.clades])):
        return "gtdb"
    if "vJan21" in raw.database:
        return "vJan21"
    if not raw.versioned and raw.profiler == "metaphlan4":
        # Species named by SGB and no version: the names are the vocabulary unless one of another version is among them.
        other = load_clades().names
        return "metaphlan" if any(spelling(c.name) in other for c in raw.clades) else "vJan21"
    return "metaphlan" if raw.profiler.startswith("metaphlan") else "ncbi"


def _totals(raw: RawTable, values: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return what was identified to species (sample,), the share that was not (sample,) and notes."""
    identified = values.sum(axis=0)
    everything = identified + raw.unresolved
    if raw.profiler in COUNTS:
        with np.errstate(invalid="ignore", divide="ignore"):
            return identified, np.where(everything > 0, raw.unresolved / everything, np.nan), []
    percent = np.abs(everything - 100.0) <= PERCENT_OFF
    fraction = np.abs(everything - 1.0) <= FRACTION_OFF
    whole = bool(np.all(raw.values == np.round(raw.values))) and not (percent | fraction).all()
    if whole and raw.profiler in ("motus", "plain") and bool((everything >= 2.0).all()):
        with np.errstate(invalid="ignore", divide="ignore"):
            return identified, raw.unresolved / everything, ["the stool table holds counts; shares were taken of them"]
    if not (percent.all() or fraction.all()):
        bad = int(np.flatnonzero(~percent)[0] if percent.sum() >= fraction.sum() else np.flatnonzero(~fraction)[0])
        raise InputError(
            "the abundances of a stool sample sum neither to 1 nor to 100 at species level",
            file=path, field=raw.samples[bad] or "abundance", value=f"sum {everything[bad]:.6g}",
            valid="fractions, percentages (all samples alike) or whole read counts of every species; a table cut to "
            "some species, or without its UNCLASSIFIED row, cannot be scaled: give the profiler's own table",
        )  # fmt: skip
    return identified, raw.unresolved / everything, []


def find_microbiome(folder: Path) -> Path | None:
    """Return ``microbiome.tsv[.gz]`` or ``abundance.tsv[.gz]`` of a folder, or None; a table of kallisto's is none."""
    found = [p for p in (find_table(folder, name) for name in FILES) if p is not None]
    other = next((p for p in found if is_kallisto(p) and not p.name.startswith("abundance")), None)
    if other is not None:
        raise InputError(
            "a table of transcripts by kallisto under the name of a stool profile", file=other,
            valid='abundance.tsv beside patient.toml, or expression = "..." in it',
        )  # fmt: skip
    found = [p for p in found if not is_kallisto(p)]
    if len(found) > 1:
        raise InputError(
            f"both {found[0].name} and {found[1].name} exist", file=folder, valid="one table of the stool samples"
        )
    return found[0] if found else None


def microbiome_of_patient(path: Path, names: Sequence[str]) -> Microbiome:
    """Read the stool profile of one patient: a profile of one sample, or the column of one of `names`."""
    table = read_microbiome(path)
    for name in names:
        if name in table:
            return table[name]
    if len(table) == 1:
        (name, found), *_ = table.items()
        said = f"the only stool profile in {path.name}, '{name}', was taken for this patient's"
        return replace(found, notes=(*found.notes, said)) if name else found
    raise InputError(
        "the stool table has no column of this patient", file=path, field="header", value=", ".join(names),
        valid=near_misses(names[0], table),
    )  # fmt: skip


def microbiome_of_cohort(
    folder: Path, patients: Mapping[str, str], every: Iterable[str], size: int | None = None
) -> tuple[dict[str, Microbiome], list[str]]:
    """Read the stool table of a cohort folder, and notes on columns that belong to no sample.

    Args:
        folder: cohort folder; a merged table, or a folder ``microbiome/`` with one file a sample, named by it
            (``P1.kreport``, ``P1.bracken.tsv``).
        patients: patient id by sample id of the wanted samples; a column is matched by the sample, else the patient.
        every: ids of all samples and patients of the cohort, to tell which columns belong to nobody.
        size: how many samples the cohort has; as many as are wanted, if not given.
    """
    every = set(every) | set(patients) | set(patients.values())
    path, notes = find_microbiome(folder), []
    separate = folder / "microbiome"
    if separate.is_dir():
        if path is not None:
            raise InputError(f"both {path.name} and a folder microbiome/ exist", file=folder, valid="one of them")
        keyed = {p: _owner(p.name, every) for p in sorted(separate.iterdir()) if p.is_file()}
        lost = [p.name for p, key in keyed.items() if key is None]
        wanted = set(patients) | set(patients.values())
        found: dict[str, Microbiome] = {}
        for p, key in keyed.items():
            if key is None or key not in wanted:
                continue
            if key in found:
                raise InputError(
                    "two stool profiles of one sample", file=p, value=key, valid="one file a sample in microbiome/"
                )
            stool = microbiome_of_patient(p, [key])
            if p.name.split(".")[0] != key:  # a longer name may be another time point
                stool = replace(stool, notes=(*stool.notes, f"the stool profile is that of the file {p.name}"))
            found[key] = stool
    elif path is not None:
        # All columns of the cohort are read, also for one sample: whether a table holds percent, fractions or counts is
        # judged on all of them, and a sample must read the same alone.
        found = read_microbiome(path, every)
        if set(found) == {""}:
            size = len(patients) if size is None else size
            if size > 1:
                raise InputError(
                    "a stool profile of one sample in a cohort folder", file=path, value=f"{size} samples",
                    valid="a merged table with one column a sample, or a folder microbiome/ with one file a sample",
                )  # fmt: skip
            found = {next(iter(patients)): found[""]}
        lost = [c for c in read_raw(path, ()).columns if c and c not in every]
    else:
        return {}, notes
    if lost:
        notes.append(
            f"{len(lost)} stool profiles belong to no sample of the cohort and were not used: {', '.join(lost[:5])}"
        )
    by_sample = {s: found[s] if s in found else found[p] for s, p in patients.items() if s in found or p in found}
    return by_sample, notes


def _owner(name: str, every: Collection[str]) -> str | None:
    """Return the id that a file of one sample is named by: the longest one followed by the end, a dot or an ``_``."""
    fits = [i for i in every if name.startswith(i) and name[len(i) : len(i) + 1] in ("", ".", "_")]
    return max(fits, key=len, default=None)
