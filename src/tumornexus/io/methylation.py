"""Promoter methylation: beta values by gene, or by probe with the gene that each probe stands for.

    beta = methylated / (methylated + unmethylated signal), 0 to 1;   M = log2(beta / (1 - beta))

A gene's value is the mean over its probes, which the user chooses (CpGs of the promoter): this program holds no map
from probes to genes. Tables are genes by samples, or a list with one value a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io.tables import read_text_table
from tumornexus.knowledge.genes import GeneTable

_PROBE = re.compile(r"^(cg|ch)[.\d]\w*$")
_VALUES = ("beta", "promoter_beta", "value")
_BESIDE = ("gene", "probe", "cpg", "chr", "chrom", "start", "end", "strand", "region", "sample", "patient")
_VALID = "a column gene (and, if you like, probe), then beta values from 0 to 1 in a column beta or one a sample"

Betas = dict[str, pd.Series]


def read_methylation(
    path: Path, genes: GeneTable, keys: Iterable[str] | None = None, default_sample: str | None = None
) -> tuple[Betas, dict[str, list[str]]]:
    """Return beta values by sample or patient, each a series by approved gene symbol, and notes by sample.

    `keys`: ids that are wanted; `default_sample`: the sample of a patient folder, whose table needs no id.

    Raises:
        InputError: probes without genes, no value column, text or a value outside 0 to 1 (M values and percentages are
            told apart in the message), a gene and probe that occur twice for one sample.
    """
    table = read_text_table(path)
    table.columns = pd.Index([c.lower() if c.lower() in (*_BESIDE, *_VALUES) else c for c in table.columns])
    if "gene" not in table.columns:
        first = table.iloc[:, 0].dropna().astype(str)
        if len(first) and bool(first.head(50).map(lambda v: bool(_PROBE.match(v))).all()):
            raise InputError(
                "probes without genes: this program holds no map from probes to genes", file=path,
                field=str(table.columns[0]), value=first.iloc[0], valid=_VALID,
            )  # fmt: skip
        raise InputError(
            "no column says which gene a value is of", file=path, field="gene",
            value=", ".join(map(str, table.columns[:6])), valid=_VALID,
        )  # fmt: skip
    long = _long(table, path, default_sample)
    _check(long, path)
    probe = "probe" if "probe" in long.columns else "cpg" if "cpg" in long.columns else None
    if probe is not None:
        twice = long[long.duplicated(["key", "gene", probe])]
        if len(twice):
            row = twice.iloc[0]
            raise InputError(
                "a probe occurs twice for one gene", file=path, field=probe, value=f"{row['gene']} {row[probe]}",
                valid="each probe once a gene and sample",
            )  # fmt: skip
    wanted = {default_sample} if default_sample is not None else None if keys is None else set(keys)
    if wanted is not None:
        long = long[long["key"].isin(wanted)]
    symbols = {name: genes.approved(name) for name in long["gene"].unique()}
    found: Betas = {}
    notes: dict[str, list[str]] = {}
    for key, rows in long.groupby("key", sort=False):
        known = rows[rows["beta"].notna()]
        named = known["gene"].map(lambda g: symbols[g] or g)
        values = known["beta"].astype(float).groupby(named.to_numpy()).mean()
        found[str(key)] = values.sort_index()
        unknown = sorted({g for g in known["gene"] if symbols[g] is None})
        said = [f"promoter methylation of {len(values)} genes, mean of {len(known)} values"]
        if unknown:
            shown = ", ".join(unknown[:3]) + (", ..." if len(unknown) > 3 else "")
            said.append(f"{len(unknown)} genes of the methylation table are not in the gene table: {shown}")
        notes[str(key)] = said
    return found, notes


def _long(table: pd.DataFrame, path: Path, default_sample: str | None) -> pd.DataFrame:
    """Return one value a row: `key, gene, beta` and the probe where there is one."""
    if bool(table["gene"].isna().any()):
        raise InputError("a row has no gene", file=path, field="gene", value="", valid="a gene symbol on each row")
    value = next((c for c in _VALUES if c in table.columns), None)
    key = next((c for c in ("sample", "patient") if c in table.columns), None)
    kept = [c for c in ("gene", "probe", "cpg") if c in table.columns]
    if value is not None:
        if key is None and default_sample is None:
            raise InputError(
                "the table needs a sample or patient column", file=path, field="sample",
                value=", ".join(map(str, table.columns[:6])),
                valid="a column sample or patient, or one column a sample",
            )  # fmt: skip
        long = table[kept].assign(beta=table[value])
        alone = key is None or (default_sample is not None and table[key].nunique() <= 1)
        long["key"] = default_sample if alone else table[key]
        return long
    samples = [c for c in table.columns if c not in _BESIDE]
    if not samples:
        raise InputError("no column holds values", file=path, field="beta", valid=_VALID)
    long = table.melt(id_vars=kept, value_vars=samples, var_name="key", value_name="beta")
    if default_sample is not None and len(samples) == 1:
        long["key"] = default_sample
    return long


def _check(long: pd.DataFrame, path: Path) -> None:
    """Turn values into numbers and refuse those that are no beta values; all of the file is judged, not one sample."""
    numbers = pd.to_numeric(long["beta"], errors="coerce")
    text = long["beta"].notna() & numbers.isna()
    if text.any():
        row = long[text].iloc[0]
        raise InputError(
            f"text where a number belongs (gene {row['gene']})", file=path, field=str(row["key"]), value=row["beta"],
            valid="a beta value from 0 to 1, or an empty cell",
        )  # fmt: skip
    outside = ~numbers.dropna().between(0.0, 1.0)
    if outside.any():
        values = numbers.dropna()
        row = long.loc[values[outside].index[0]]
        if bool((values < 0.0).any()):
            problem, valid = "these look like M values", "beta values: beta = 2^M / (2^M + 1)"
        elif float(values.max()) <= 100.0 and float(np.median(values)) > 1.0:
            problem, valid = "these look like percentages", "beta values from 0 to 1: divide by 100"
        else:
            problem, valid = "a methylation outside 0 to 1", "beta values from 0 to 1 (M values are not beta values)"
        raise InputError(problem, file=path, field=f"{row['gene']}, {row['key']}", value=row["beta"], valid=valid)
    long["beta"] = numbers
