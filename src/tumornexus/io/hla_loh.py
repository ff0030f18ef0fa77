"""Loss of HLA alleles in the tumor, from LOHHLA's predictions or from a plain list of calls.

LOHHLA (``*.HLAlossPrediction_CI.xls``; McGranahan 2017) writes one row a locus: ``HLA_A_type1``, ``HLA_A_type2`` (the
two alleles of any locus), ``HLA_type1copyNum_withBAFBin``, ``HLA_type2copyNum_withBAFBin`` and ``PVal_unique``. An
allele is lost where its copy number is below 0.5 and the imbalance has p < 0.01. A plain list, into which the calls of
DASH and others can be brought, has ``allele`` or ``locus`` and ``loh`` (yes or no).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io.hla import LOCI, read_allele
from tumornexus.io.tables import number_column, read_text_table, to_flag

LOST_BELOW, IMBALANCE_P = 0.5, 0.01
_ALLELES = ("HLA_A_type1", "HLA_A_type2")
_COPIES = ("HLA_type1copyNum_withBAFBin", "HLA_type2copyNum_withBAFBin")
_P = ("PVal_unique", "Pval_unique")


def read_hla_loh(
    path: Path, keys: Iterable[str] | None = None, default_sample: str | None = None
) -> dict[str, tuple[bool | None, str]]:
    """Read calls of HLA loss: sample or patient to (lost, note); lost is None where no locus could be judged.

    Raises `InputError` for a table that is neither form, text where numbers belong, and malformed alleles.
    """
    table = read_text_table(path)
    key = next((c for c in ("sample", "patient", "region") if c in table.columns), None)
    if default_sample is not None:
        if key is not None and table[key].nunique() > 1:
            table = table[table[key] == default_sample]
        table = table.assign(**{"sample": default_sample})
        key = "sample"
    if key is None:
        raise InputError(
            "a table of HLA loss needs a sample or patient column", file=path, field="sample",
            value=", ".join(table.columns[:6]), valid="sample, patient, or LOHHLA's region",
        )  # fmt: skip
    if keys is not None:
        table = table[table[key].isin(set(keys))]
    calls = _lohhla(table, path) if _ALLELES[0] in table.columns else _plain(table, path)
    found = {}
    for name, rows in calls.groupby(table[key], sort=False):
        judged = rows[rows["lost"].notna()]
        lost = judged.loc[judged["lost"].astype(bool), "what"]
        if judged.empty:
            found[str(name)] = (None, "no HLA locus could be judged for loss: homozygous, or too few reads")
        elif len(lost):
            found[str(name)] = (True, f"HLA lost in the tumor: {', '.join(sorted(set(lost)))}")
        else:
            found[str(name)] = (False, f"no HLA allele lost at {len(judged)} judged loci")
    return found


def _lohhla(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    p = next((c for c in _P if c in table.columns), None)
    missing = [c for c in (*_ALLELES, *_COPIES) if c not in table.columns] + ([] if p else [_P[0]])
    if missing:
        raise InputError(
            "a table of LOHHLA lacks a column",
            file=path,
            field=missing[0],
            valid=", ".join((*_ALLELES, *_COPIES, _P[0])),
        )
    copies = np.column_stack([number_column(table, (c,), path) for c in _COPIES])
    value = number_column(table, (str(p),), path)
    rows = []
    for i, (first, second) in enumerate(zip(table[_ALLELES[0]], table[_ALLELES[1]], strict=True)):
        if not np.isfinite(copies[i]).all() or not np.isfinite(value[i]) or not first or not second:
            rows.append((None, ""))
            continue
        # Of two alleles below the limit, the one with fewer copies is the lost one.
        less = int(np.argmin(copies[i]))
        name = read_allele((first, second)[less], path, _ALLELES[less]) or str((first, second)[less])
        rows.append((bool(copies[i][less] < LOST_BELOW and value[i] < IMBALANCE_P), name))
    return pd.DataFrame(rows, columns=["lost", "what"], index=table.index, dtype=object)


def _plain(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    what = next((c for c in ("allele", "lost_allele", "locus", "gene") if c in table.columns), None)
    call = next((c for c in ("loh", "LOH", "lost", "hla_loh") if c in table.columns), None)
    if what is None or call is None:
        raise InputError(
            "a table of HLA loss needs alleles (or loci) and calls", file=path, field="header",
            value=", ".join(table.columns[:6]), valid="allele (or locus) and loh, or the columns of LOHHLA",
        )  # fmt: skip
    names = []
    for text in table[what]:
        locus = str(text).upper().removeprefix("HLA-").removeprefix("HLA_")
        names.append(f"HLA-{locus}" if locus in LOCI else read_allele(str(text), path, what) or str(text))
    flags = [to_flag(v, path, call) for v in table[call]]
    return pd.DataFrame({"lost": flags, "what": names}, index=table.index, dtype=object)
