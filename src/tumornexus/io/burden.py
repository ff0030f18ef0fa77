"""Mutational burden from the variants themselves: nonsynonymous variants per callable megabase.

Counted are distinct variants that change a protein (truncating, missense and in-frame, splice site). For an exome they
are divided by `EXOME_MB`; for a panel by the bases of its BED file, overlapping intervals counted once, and only
variants within the intervals count where their places are known. A panel without its BED has no burden.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io.builds import plain_chromosome
from tumornexus.io.clinical import EXOME_MB
from tumornexus.io.tables import read_bytes

PROTEIN_CHANGING = ("truncating", "missense", "splice")
# Above this share of variants without readable consequence a count would miss too many.
MOST_UNREADABLE = 0.05


@dataclass(frozen=True)
class Regions:
    """Merged intervals of a BED file by chromosome: (start, end) 0-based, half-open."""

    intervals: dict[str, np.ndarray]

    @property
    def megabases(self) -> float:
        """Bases covered, in millions."""
        return sum(float((i[:, 1] - i[:, 0]).sum()) for i in self.intervals.values()) / 1e6

    def contains(self, chromosome: str, position: int) -> bool:
        """Whether a 1-based position lies within an interval."""
        intervals = self.intervals.get(plain_chromosome(chromosome))
        if intervals is None:
            return False
        at = int(np.searchsorted(intervals[:, 0], position - 1, side="right")) - 1
        return at >= 0 and position - 1 < intervals[at, 1]


def read_bed(path: Path) -> Regions:
    """Read a BED file: chromosome, start, end (0-based, half-open); further columns and header lines are ignored.

    Raises:
        InputError: no interval, a line with fewer than three columns, text where numbers belong, start >= end.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    for number, line in enumerate(read_bytes(path).decode("utf-8", "replace").splitlines(), start=1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        cells = line.split("\t") if "\t" in line else line.split()
        if len(cells) < 3 or not (cells[1].strip().isdigit() and cells[2].strip().isdigit()):
            raise InputError(
                "a line that is no interval", file=path, line=number, value=line[:60],
                valid="chromosome, start and end (whole numbers), separated by tabs",
            )  # fmt: skip
        start, end = int(cells[1]), int(cells[2])
        if start >= end:
            raise InputError(
                "an interval that does not end after it starts", file=path, line=number, value=f"{start} to {end}",
                valid="0 <= start < end (BED counts from 0, the end is not included)",
            )  # fmt: skip
        found.setdefault(plain_chromosome(cells[0]), []).append((start, end))
    if not found:
        raise InputError("the BED file has no interval", file=path, valid="at least one line chromosome, start, end")
    return Regions({c: _merged(i) for c, i in found.items()})


def _merged(intervals: list[tuple[int, int]]) -> np.ndarray:
    merged: list[list[int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return np.array(merged)


def count_protein_changing(variants: pd.DataFrame, regions: Regions | None = None) -> int:
    """Count distinct protein-changing variants of one sample, within `regions` where places are known.

    A variant that a source lists once for each of several genes or transcripts counts once.
    """
    rows = variants[variants["variant_class"].isin(PROTEIN_CHANGING)]
    place = rows[["chrom", "start", "ref", "alt"]]
    known = place.notna().to_numpy(dtype=bool).min(axis=1, initial=True)
    if regions is not None:
        located = rows["chrom"].notna() & rows["start"].notna()
        inside = np.array(
            [
                not at or regions.contains(str(c), int(float(s)))
                for at, c, s in zip(located, rows["chrom"], rows["start"], strict=True)
            ],
            dtype=bool,
        )
        place, known = place[inside], known[inside]
    return int((~known).sum()) + len(place[known].drop_duplicates())


def burden(variants: pd.DataFrame, assay: str, regions: Regions | None) -> tuple[float | None, str | None]:
    """Return burden of one sample (variants per Mb) or None, and a note on what it rests on or why there is none."""
    if assay == "ctdna":
        return None, None
    unclear = int((variants["variant_class"] == "other").sum())
    if unclear > MOST_UNREADABLE * max(1, len(variants)):
        return None, f"no mutational burden: {unclear} of {len(variants)} variants have no readable consequence"
    if assay == "panel" and regions is None:
        return None, "no mutational burden: that of a panel needs the panel's BED file (panel_bed)"
    size = regions.megabases if regions is not None else EXOME_MB
    count = count_protein_changing(variants, regions)
    if count == 0:
        return None, "no protein-changing variant: the mutational burden is read as not measured"
    return count / size, f"mutational burden counted from the variants: {count} over {size:.3g} Mb"
