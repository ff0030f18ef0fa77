"""Facts that small tables yield: microsatellite status and neoantigen counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io.binding import LONGEST, SHORTEST, Predict, usable
from tumornexus.io.clinical import EXOME_MB
from tumornexus.io.tables import number_column, read_text_table, to_flag

Facts = dict[str, dict[str, Any]]
Notes = dict[str, list[str]]

# From this percentage of unstable sites a score means MSI-high, below the first number stable; between them undecided.
# msisensor: 10 and 3 as MSK-IMPACT reads it (Middha 2017; from memory, not looked up). msisensor2: 20, its authors'
# recommendation. MSIsensor-pro has no cut-off of its own (it depends on the panel), so its score alone is refused.
MSI_TOOLS: Mapping[str, tuple[float, float]] = {"msisensor": (3.0, 10.0), "msisensor2": (20.0, 20.0)}
BINDER_NM = 500.0  # predicted affinity of a neoantigen, the usual limit of prediction pipelines


def keyed(
    path: Path, keys: Iterable[str] | None, default_sample: str | None, extra: tuple[str, ...] = ()
) -> tuple[pd.DataFrame, pd.Series]:
    """Rows of the wanted samples and their keys; a patient folder's table needs no key."""
    table = read_text_table(path)
    key = next((c for c in ("sample", "patient", *extra) if c in table.columns), None)
    if key is None and default_sample is None:
        raise InputError(
            "the table needs a sample or patient column", file=path, field="sample",
            value=", ".join(table.columns[:6]), valid="a column sample or patient",
        )  # fmt: skip
    if key is None or (default_sample is not None and table[key].nunique() <= 1):
        return table, pd.Series(default_sample, index=table.index)
    wanted = {default_sample} if default_sample is not None else None if keys is None else set(keys)
    table = table if wanted is None else table[table[key].isin(wanted)]
    return table, table[key]


def read_msi(
    path: Path, keys: Iterable[str] | None = None, default_sample: str | None = None, tool: str | None = None
) -> tuple[Facts, Notes]:
    """Read microsatellite status (``msi_status``) or the percentage of unstable sites.

    A score stands in a column ``msisensor_score`` or ``msisensor2_score``, or in ``%`` of the tool's own output, whose
    tool is then named by `tool`. Raises `InputError` for a score without a known tool, and outside 0 to 100.
    """
    table, names = keyed(path, keys, default_sample)
    facts, notes = {}, {}
    status = next((c for c in ("msi_status", "msi_high", "MSI", "msi") if c in table.columns), None)
    if status is not None:
        for name, value in zip(names, table[status], strict=True):
            flag = to_flag(value, path, status)
            if flag is not None:
                facts[str(name)] = {"msi_high": flag}
        return facts, notes
    column = next((f"{t}_score" for t in MSI_TOOLS if f"{t}_score" in table.columns), None)
    if column is None and "%" in table.columns and tool in MSI_TOOLS:
        column = "%"
    if column is None:
        raise InputError(
            "a percentage of unstable sites means MSI-high at another limit for each tool, and the tool is not named"
            if "%" in table.columns
            else "a table of microsatellites needs a status or a score",
            file=path, field="msi_tool" if "%" in table.columns else "header",
            value=tool or ", ".join(table.columns[:6]),
            valid='msi_status, msisensor_score or msisensor2_score; for a tool\'s own output msi_tool = "msisensor" or '
            '"msisensor2"; with MSIsensor-pro or another tool give the status',
        )  # fmt: skip
    used = tool if column == "%" else column.removesuffix("_score")
    stable, high = MSI_TOOLS[str(used)]
    for name, score in zip(names, number_column(table, (column,), path), strict=True):
        if score != score:
            continue
        if not 0.0 <= score <= 100.0:
            raise InputError("a score outside what is possible", file=path, field=column, value=score, valid="0 to 100")
        if stable <= score < high:
            notes[str(name)] = [
                f"{used} score {score:g} is between stable (< {stable:g}) and high (>= {high:g}): not used"
            ]
        else:
            facts[str(name)] = {"msi_high": bool(score >= high)}
            notes[str(name)] = [f"microsatellite status from {used} score {score:g} (high from {high:g})"]
    return facts, notes


def read_neoantigens(
    path: Path,
    keys: Iterable[str] | None = None,
    default_sample: str | None = None,
    predict: Predict | None = None,
    hla: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[Facts, Notes]:
    """Count mutations that make at least one predicted binder (affinity below 500 nM), per Mb of exome and clonal ones.

    Columns: ``ic50`` (or ``affinity``, nM) where the table also lists peptides that do not bind; the mutation as
    ``chr, start, ref, alt`` or ``gene`` with ``effect`` (``mutation``), else each ``peptide`` counts; optionally
    ``clonal`` (yes or no). Gives the facts ``neoantigens_per_mb`` and, where clonality is listed,
    ``clonal_neoantigens``.

    `predict` fills in the affinity of peptides that have none, for the alleles of `hla` (by sample or patient); samples
    without HLA types are then left out and named.
    """
    table, names = keyed(path, keys, default_sample)
    facts, notes = {}, {}
    if predict is not None:
        table, names = _predicted(table, names, path, predict, hla or {}, notes)
    affinity = next((c for c in ("ic50", "affinity", "ic50_nm", "affinity_nm", "IC50") if c in table.columns), None)
    if affinity is not None:
        binds = number_column(table, (affinity,), path) < BINDER_NM
        table, names = table[binds], names[binds]
    options = (
        ("chr", "start", "ref", "alt"),
        ("chrom", "start", "ref", "alt"),
        ("gene", "effect"),
        ("gene", "mutation"),
    )
    identity = next((o for o in options if set(o) <= set(table.columns)), ("peptide",))
    if not set(identity) <= set(table.columns):
        raise InputError(
            "a table of neoantigens needs the mutation or the peptide", file=path, field="peptide",
            value=", ".join(table.columns[:8]), valid="chr, start, ref, alt; or gene and effect; or peptide",
        )  # fmt: skip
    for name, rows in table.groupby(names, sort=False):
        count = len(rows[list(identity)].drop_duplicates())
        found: dict[str, Any] = {"neoantigens_per_mb": count / EXOME_MB}
        if "clonal" in rows.columns:
            flags = rows["clonal"].map(lambda v: to_flag(v, path, "clonal"))
            found["clonal_neoantigens"] = float(len(rows[flags.eq(True).to_numpy()][list(identity)].drop_duplicates()))
        what = "peptides" if identity == ("peptide",) else "mutations with a predicted binder"
        facts[str(name)] = found
        said = f"{count} neoantigens ({what}) counted over {EXOME_MB:g} Mb of exome"
        notes.setdefault(str(name), []).append(said)
    return facts, notes


def _predicted(
    table: pd.DataFrame,
    names: pd.Series,
    path: Path,
    predict: Predict,
    hla: Mapping[str, tuple[str, ...]],
    notes: Notes,
) -> tuple[pd.DataFrame, pd.Series]:
    """Return the table with affinities (``ic50``) of its peptides, without samples that have no HLA types."""
    if "peptide" not in table.columns:
        raise InputError(
            "predicting binding needs peptides", file=path, field="peptide", value=", ".join(table.columns[:8]),
            valid="a column peptide, or no binding_predictor",
        )  # fmt: skip
    if "ic50" in table.columns:
        raise InputError(
            "the table holds affinities, which would be predicted again", file=path, field="ic50",
            valid="no binding_predictor, or a table without ic50",
        )  # fmt: skip
    parts = []
    for name, rows in table.groupby(names, sort=False):
        alleles = hla.get(str(name))
        said = notes.setdefault(str(name), [])
        if not alleles:
            said.append("binding of its neoantigens was not predicted: no HLA types (hla.tsv) under its name")
            continue
        peptides = [p.upper() if isinstance(p, str) else "" for p in rows["peptide"]]
        found = predict(peptides, alleles)
        parts.append(rows.assign(ic50=[found.get(p, float("nan")) for p in peptides]))
        lost = sum(not usable(p) for p in peptides)
        said.append(
            f"affinity of {len(found)} peptides predicted by MHCflurry, the best of {len(set(alleles))} alleles"
        )
        if lost:
            said.append(f"{lost} peptides are not of {SHORTEST} to {LONGEST} known residues and were left out")
    kept = pd.concat(parts) if parts else table.iloc[:0].assign(ic50=pd.Series(dtype=float))
    return kept, names.loc[kept.index]
