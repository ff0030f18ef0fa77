"""Copy number of genes: lists of calls, gene-level tables, and segments mapped to genes.

Units: absolute `copies`; `log2` of the copy ratio; `gistic` (-2 deep deletion, -1 loss of one copy, 0, 1 gain, 2
amplification); `word` (Amplification, Deletion). A table of numbers is told apart by its values where they allow only
one reading, and refused otherwise.

log2 becomes copies where the purity p is known, C = (2 2^x - 2 (1 - p)) / p for a diploid tumor; otherwise it is called
at -1.1 (both copies lost), -0.25 (one) and 0.7 (amplified), the defaults of `cnvkit call` 0.9.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io.expression import Genes
from tumornexus.io.maf import without_comments
from tumornexus.io.mutations import approved_name
from tumornexus.io.tables import header_of, number_column, read_bytes, read_number_table, read_text_table

Unit = Literal["copies", "log2", "gistic", "word"]
UNITS = ("copies", "log2", "gistic")
NONE_LEFT, ONE_LEFT, AMPLIFIED = 0.5, 1.5, 6.0  # copies: at most, below, at least
LOG2_NONE_LEFT, LOG2_ONE_LEFT, LOG2_AMPLIFIED = -1.1, -0.25, 0.7
# Columns of a matrix that are no samples: GISTIC, cBioPortal.
NOT_SAMPLES = frozenset(
    {"Entrez_Gene_Id", "Gene ID", "Locus ID", "Cytoband", "Gene_ID", "cytoband", "Gene Name", "Composite.Element.REF"}
)
_GENE_COLUMNS = ("gene", "Hugo_Symbol", "Gene Symbol", "gene_symbol", "Gene")


@dataclass(frozen=True)
class GeneCopies:
    """Copy number as read, not yet called: `table` has columns key (sample or patient), gene, value, word.

    `notes` concern the whole file, `notes_of` one key.
    """

    unit: Unit
    table: pd.DataFrame
    notes: tuple[str, ...] = ()
    notes_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_gene_copies(
    path: Path,
    genes: Genes,
    keys: Iterable[str] | None = None,
    default_sample: str | None = None,
    unit: str | None = None,
) -> GeneCopies:
    """Read gene-level copy number.

    A list has a column ``gene``, a column ``sample`` or ``patient`` (not needed with `default_sample`), and one of
    ``cna`` (or ``call``: words), ``copies`` (or ``copy_number``), ``log2`` or ``gistic``. A matrix has genes in its
    first column (``gene``, ``Hugo_Symbol``, ``Gene Symbol``) and one column a sample; `unit` names what its numbers
    are. Raises `InputError` for missing columns, text where numbers belong, an unknown unit, and numbers that could be
    in two units.
    """
    if unit is not None and unit not in UNITS:
        raise InputError(
            "unknown unit of copy number", file=path, field="copy_number_unit", value=unit, valid=", ".join(UNITS)
        )
    raw = without_comments(read_bytes(path))
    names = header_of(raw, path)
    listed = {"cna", "call", "copy_number_call", "copies", "copy_number", "log2", "gistic"} & set(names)
    keyed = {"sample", "patient"} & set(names)
    if not listed and not keyed and names[0] in _GENE_COLUMNS and len(names) > 1:
        return _read_matrix(path, raw, genes, keys, default_sample, unit)
    return _read_list(path, raw, genes, keys, default_sample)


def _read_list(
    path: Path, raw: bytes, genes: Genes, keys: Iterable[str] | None, default_sample: str | None
) -> GeneCopies:
    table = read_text_table(path, required=["gene"], raw=raw)
    key = "sample" if "sample" in table.columns else "patient"
    if key not in table.columns:
        if default_sample is None:
            raise InputError(
                "a copy-number table needs a sample or patient column", file=path, field="sample",
                valid="a column sample",
            )  # fmt: skip
        table["sample"], key = default_sample, "sample"
    word = next((c for c in ("cna", "call", "copy_number_call") if c in table.columns), None)
    number: Unit | None = next((u for u in UNITS if u in table.columns), None)  # type: ignore[assignment]
    if number is None and "copy_number" in table.columns:
        number = "copies"
    if word is None and number is None:
        raise InputError(
            "a copy-number table needs calls", file=path, field="cna",
            valid="a column cna (Amplification, Deletion), copies, log2 or gistic",
        )  # fmt: skip
    if keys is not None:
        table = table[table[key].isin(set(keys))]
    columns = ("copies", "copy_number") if number == "copies" else (number or "copies",)
    values = number_column(table, columns, path)
    unit: Unit = number or "word"
    _check_values(values, unit, path, columns[0])
    return GeneCopies(
        unit,
        pd.DataFrame(
            {
                "key": table[key].to_numpy(),
                "gene": [approved_name(g, genes) for g in table["gene"]],
                "value": values,
                "word": (table[word].str.lower().fillna("") if word else pd.Series("", index=table.index)).to_numpy(),
            }
        ),
    )


def _read_matrix(
    path: Path,
    raw: bytes,
    genes: Genes,
    keys: Iterable[str] | None,
    default_sample: str | None,
    declared: str | None,
) -> GeneCopies:
    names = header_of(raw, path)
    samples = [n for n in names[1:] if n not in NOT_SAMPLES]
    table, _ = read_number_table(path, samples, raw=raw)
    unit = declared or tell_unit(table.to_numpy(), path)
    _check_values(table.to_numpy().ravel(), unit, path, "values")
    if default_sample is not None:
        if default_sample not in samples and len(samples) > 1:
            raise InputError(
                "the table holds several samples and none has the patient's name", file=path, field="sample",
                value=", ".join(samples[:5]), valid=f"a column {default_sample}",
            )  # fmt: skip
        column = default_sample if default_sample in samples else samples[0]
        table = table[[column]].set_axis([default_sample], axis=1)
    elif keys is not None:
        wanted = set(keys)
        table = table[[c for c in table.columns if c in wanted]]
    table.index = pd.Index([approved_name(g, genes) for g in table.index], name="gene")
    repeated = int(table.index.duplicated().sum())
    table = table[~table.index.duplicated()]
    long = table.rename_axis(columns="key").stack().rename("value").reset_index()
    long["word"] = ""
    notes = (f"copy number read as {unit}",) if declared is None else ()
    if repeated:
        notes = (*notes, f"{repeated} rows of the copy-number table name a gene a second time and were left out")
    return GeneCopies(unit, long[["key", "gene", "value", "word"]], notes)  # type: ignore[arg-type]


def tell_unit(values: np.ndarray, path: Path) -> Unit:
    """Tell the unit of a gene-level matrix from all of its numbers, or refuse where two are possible.

    Whole numbers (and GISTIC's -1.5) from -2 to 2 with a negative one: GISTIC. Whole numbers without a negative one and
    above 2: copies. Fractions with a negative one: log2.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise InputError("the table has no number", file=path, field="values", valid="a measured table")
    negative, whole = bool((finite < 0).any()), bool(np.isin(finite, np.round(finite)).all())
    steps = bool(np.isin(finite, (-2.0, -1.5, -1.0, 0.0, 1.0, 2.0)).all())
    if negative and steps:
        return "gistic"
    if negative and not whole:
        return "log2"
    if not negative and whole and finite.max() > 2:
        return "copies"
    raise InputError(
        "the unit of the copy numbers cannot be told from their values", file=path, field="copy_number_unit",
        value=f"{finite.min():g} to {finite.max():g}, {'whole numbers' if whole else 'fractions'}",
        valid='copy_number_unit = "gistic", "log2" or "copies"',
    )  # fmt: skip


def _check_values(values: np.ndarray, unit: str, path: Path, field: str) -> None:
    low, high = {"copies": (0.0, 1000.0), "log2": (-50.0, 10.0), "gistic": (-2.0, 2.0)}.get(unit, (-np.inf, np.inf))
    bad = values[np.isfinite(values) & ((values < low) | (values > high))]
    if bad.size:
        raise InputError(
            f"a value that cannot be {unit}", file=path, field=field, value=float(bad[0]), valid=f"{low:g} to {high:g}"
        )


def call_copies(copies: GeneCopies, key: str, purity: float | None, named: Collection[str] = ()) -> pd.DataFrame | None:
    """Call the genes of one sample or patient; None where the table does not list it.

    Returns columns gene, call ("amplification", "deletion" or ""), copies (NaN where the source does not give them),
    deep (both copies are known to be lost) and shallow (one copy is known to be left). Genes without a call are kept
    where they are in `named`, so that a normal gene reads as measured.
    """
    table = copies.table[copies.table["key"] == key]
    if table.empty:
        return None
    value, word = table["value"].to_numpy(dtype=float), table["word"]
    absolute = value if copies.unit == "copies" else np.full(len(table), np.nan)
    lost = word.str.startswith("del").to_numpy() | word.isin(["loss", "homdel", "hetloss"]).to_numpy()
    gained = word.str.startswith("amp").to_numpy() | word.eq("gain").to_numpy()
    deep, shallow = word.eq("homdel").to_numpy(), word.eq("hetloss").to_numpy()
    if copies.unit == "log2" and purity is not None:
        absolute = np.maximum((2.0 * 2.0**value - 2.0 * (1.0 - purity)) / purity, 0.0)
    with np.errstate(invalid="ignore"):
        if copies.unit == "gistic":
            deep, shallow, gained = value <= -1.5, value == -1.0, value >= 2.0
        elif copies.unit == "log2" and purity is None:
            deep, gained = value < LOG2_NONE_LEFT, value >= LOG2_AMPLIFIED
            shallow = (value < LOG2_ONE_LEFT) & ~deep
        else:
            # A word is the source's own call and stands; numbers speak where there is no word.
            silent = ~(lost | gained)
            deep = deep | (absolute <= NONE_LEFT)
            shallow = shallow | ((absolute > NONE_LEFT) & (absolute < ONE_LEFT))
            gained = gained | (silent & (absolute >= AMPLIFIED))
            lost = lost | (silent & (absolute < ONE_LEFT))
    if copies.unit in ("gistic", "log2"):
        lost = lost | deep | shallow
    result = pd.DataFrame(
        {
            "gene": table["gene"].to_numpy(),
            "call": np.where(gained, "amplification", np.where(lost, "deletion", "")),
            "copies": absolute,
            "deep": deep,
            "shallow": shallow,
        }
    )
    known = result["call"].ne("") | (result["gene"].isin(set(named)) & np.isfinite(value))
    return result[known].reset_index(drop=True)
