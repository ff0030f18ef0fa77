"""Clonality of T-cell receptors: from a table of it, from AIRR rearrangements, or from clonotypes and their counts.

    clonality = 1 - H / ln(R),   H = - sum p ln p over R clonotypes

0 where all clones are equally large, 1 where there is one (Pielou's evenness subtracted from one). Richness R grows
with the number of receptors that were read and is not comparable between depths.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io.derived import Facts, Notes, keyed
from tumornexus.io.tables import number_column, to_flag

FEWEST_RECEPTORS = 100  # below this the note says that clonality is that of few receptors; assumed
COUNTS = ("duplicate_count", "umi_count", "count", "counts", "templates", "consensus_count")
_NO_MECHANISM = "no mechanism of the catalogue reads it"


def clonality(counts: np.ndarray) -> float:
    """Return 1 - H / ln(R) of clonotype counts, zeros left out; 1 for one clonotype, NaN for none."""
    counts = np.asarray(counts, dtype=float)
    counts = counts[counts > 0.0]
    if len(counts) < 2:
        return float("nan") if not len(counts) else 1.0
    p = counts / counts.sum()
    return min(max(1.0 + float((p * np.log(p)).sum()) / math.log(len(p)), 0.0), 1.0)


def read_tcr(path: Path, keys: Iterable[str] | None = None, default_sample: str | None = None) -> tuple[Facts, Notes]:
    """Read clonality of T-cell receptors in the tumor; blood samples are left out and counted.

    Columns, one of: ``clonality``; an AIRR rearrangement table (``junction`` or ``junction_aa``, ``duplicate_count``,
    ``locus`` or ``v_call``, ``productive``, optionally ``sample_id``), of which productive beta chains count, else
    those of the one locus there is; ``clonotype`` with ``count``. Optionally ``Sample Type`` or ``sample_type`` (rows
    other than tumor are left out). Gives the facts ``tcr_clonality`` and, from clonotypes, ``tcr_richness``; no
    mechanism of the catalogue reads them.
    """
    table, names = keyed(path, keys, default_sample, ("sample_id", "repertoire_id"))
    kind = next((c for c in ("Sample Type", "sample_type") if c in table.columns), None)
    blood = pd.Series(0, index=[])
    if kind is not None:
        tumor = table[kind].str.lower().isin(["tumor", "tumour", "tissue"])
        blood = names[~tumor].value_counts()
        table, names = table[tumor], names[tumor]
    notes: Notes = {
        str(n): [f"{c} T-cell receptor samples that are not of the tumor were left out"] for n, c in blood.items()
    }
    column = next((c for c in ("clonality", "Clonality", "tcr_clonality") if c in table.columns), None)
    if column is None:
        return _from_clonotypes(table, names, path, notes)
    facts: Facts = {}
    for name, value in zip(names, number_column(table, (column,), path), strict=True):
        if value != value:
            continue
        if not 0.0 <= value <= 1.0:
            raise InputError("clonality outside 0 to 1", file=path, field=column, value=value, valid="0 to 1")
        if str(name) in facts:
            notes.setdefault(str(name), []).append("several T-cell receptor samples of the tumor: the first is used")
            continue
        facts[str(name)] = {"tcr_clonality": float(value)}
        notes.setdefault(str(name), []).append(f"clonality of T-cell receptors {value:.3g}: {_NO_MECHANISM}")
    return facts, notes


def _from_clonotypes(table: pd.DataFrame, names: pd.Series, path: Path, notes: Notes) -> tuple[Facts, Notes]:
    """Count clonotypes and judge their sizes."""
    identity = next((c for c in ("clonotype", "clonotype_id", "junction", "junction_aa") if c in table.columns), None)
    count = next((c for c in COUNTS if c in table.columns), None)
    if identity is None or count is None:
        raise InputError(
            "a table of T-cell receptors needs their clonality, or clonotypes and counts", file=path,
            field="clonality" if identity is None else "count", value=", ".join(table.columns[:8]),
            valid="clonality (0 to 1); or clonotype and count; or AIRR: junction, duplicate_count, locus, productive",
        )  # fmt: skip
    numbers = number_column(table, (count,), path)
    if bool((numbers < 0).any()):
        raise InputError(
            "a negative count", file=path, field=count, value=float(numbers[numbers < 0][0]), valid="0 or more"
        )
    rows = table.assign(_count=numbers, _name=names.astype(str).to_numpy())
    facts: Facts = {}
    for name, own in rows.groupby("_name", sort=False):
        said = notes.setdefault(str(name), [])
        kept, words = _beta_chains(own, path)
        said += words
        kept = kept[kept["_count"].notna() & (kept["_count"] > 0) & kept[identity].notna()]
        dropped = len(own) - len(kept)
        if dropped:
            said.append(f"{dropped} of {len(own)} rows of T-cell receptors are no productive, counted clonotypes of it")
        what = [
            c for c in (identity, "v_call", "j_call") if c in kept.columns and (c == identity or "junction" in identity)
        ]
        sizes = kept.groupby([kept[c].fillna("") for c in what])["_count"].sum().to_numpy()
        value = clonality(sizes)
        if value != value:
            said.append("no clonotype of T-cell receptors could be counted")
            continue
        facts[str(name)] = {"tcr_clonality": value, "tcr_richness": float(len(sizes))}
        few = "; of few receptors, so it says little" if sizes.sum() < FEWEST_RECEPTORS else ""
        said.append(
            f"clonality of T-cell receptors {value:.3g} over {len(sizes)} clonotypes of {sizes.sum():g} receptors"
            f"{few}: {_NO_MECHANISM}"
        )
    return facts, notes


def _beta_chains(rows: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Keep productive rearrangements of the beta chain; where it was not read, of the one T-cell locus that was."""
    if "productive" in rows.columns:
        flags = rows["productive"].map(lambda v: _AIRR.get(str(v).upper(), v))
        rows = rows.loc[flags.map(lambda v: to_flag(v, path, "productive")).eq(True).to_numpy()]
    if "locus" in rows.columns:
        locus = rows["locus"].fillna("").str.upper()
    elif "v_call" in rows.columns:
        locus = rows["v_call"].fillna("").str.upper().str[:3]
    else:
        return rows, []
    present = sorted(set(locus) & {"TRA", "TRB", "TRG", "TRD"})
    if "TRB" in present:
        chosen = "TRB"
    elif len(present) == 1:
        chosen = present[0]
    else:
        raise InputError(
            "the rearrangements are of no single T-cell receptor locus", file=path, field="locus",
            value=", ".join(sorted(set(locus))[:5]), valid="TRB, or one of TRA, TRG, TRD alone",
        )  # fmt: skip
    other = "" if len(present) == 1 else f"; {', '.join(p for p in present if p != chosen)} left out"
    return rows[locus == chosen], [f"T-cell receptors counted by {chosen}{other}"]


_AIRR = {"T": "true", "F": "false"}
