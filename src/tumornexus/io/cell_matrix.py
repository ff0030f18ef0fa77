"""What a matrix of single cells holds: which one to read, counts or normalized values, which column is which gene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tumornexus.errors import InputError, near_misses
from tumornexus.io.ensembl import is_gene_id, symbol_of
from tumornexus.io.expression import LOG_CEILING, Genes, map_symbols

Array = np.ndarray

SCALES = ("counts", "log1p", "log2", "linear")
# Columns of `var` that hold symbols where var_names are identifiers: CELLxGENE, 10x through scanpy, other usage.
SYMBOL_COLUMNS = ("feature_name", "gene_symbols", "gene_symbol", "symbol", "gene_name", "gene_names", "hgnc_symbol")
# Totals of normalized cells are equal but for rounding to float32 in the file.
EQUAL_TOTALS = 0.01


@dataclass(frozen=True)
class MatrixScale:
    """What a matrix holds.

    Attributes:
        name: ``counts``; ``log1p`` (natural log of 1 + normalized), ``log2`` (same to base 2) or ``linear``
            (normalized, no logarithm).
        slot: ``X``, ``raw`` or ``layers[...]``.
        target: what each cell was normalized to; None for counts or where cells have no common total.
        words: how it was told, for the reader.
    """

    name: str
    slot: str
    target: float | None
    words: str


class Picked(NamedTuple):
    """Linear values (cell, gene) in compressed sparse rows, their genes, total of each cell (cell,), scale found."""

    values: Any
    var: pd.DataFrame
    total: Array
    scale: MatrixScale


def pick_matrix(data: Any, path: Path, layer: str | None, scale: str | None) -> Picked:
    """Return the matrix to read: the named one, else the first of counts in ``layers["counts"]``, ``raw`` and ``X``.

    Content decides, not the name: whole numbers that are not negative are counts. Where no slot holds counts, `X` is
    read as normalized, or `raw` where `X` holds negative (scaled) values. Values that are not negative and at most 20
    are logarithms: to base e where exp(x) - 1 adds up to the same total in every cell (within 1 %), to base 2 where
    2^x - 1 does, else to base e by assumption, which is stated. Larger values are normalized without a logarithm where
    they add up to one total.

    Raises:
        InputError: no such layer, negative or missing values, values that are none of these, or not of a stated scale.
    """
    if scale is not None and scale not in SCALES:
        raise InputError("unknown scale", file=path, field="scale", value=scale, valid=", ".join(SCALES))
    slots: dict[str, tuple[Any, pd.DataFrame]] = {}
    if "counts" in data.layers:
        slots["layers['counts']"] = (data.layers["counts"], data.var)
    if getattr(data, "raw", None) is not None:
        slots["raw"] = (data.raw.X, data.raw.var)
    if data.X is not None:
        slots["X"] = (data.X, data.var)
    if layer is not None:
        extra = {name: (data.layers[name], data.var) for name in data.layers}
        chosen = slots.get(layer) or extra.get(layer)
        if chosen is None:
            raise InputError("there is no such layer", file=path, field="layer", value=layer,
                             valid=near_misses(layer, ["X", "raw", *extra]))  # fmt: skip
        slots = {layer if layer in ("X", "raw") else f"layers['{layer}']": chosen}
    if not slots:
        raise InputError("there is no matrix", file=path, field="X", valid="counts or log-normalized values")
    for slot, (values, var) in slots.items():
        if scale in (None, "counts") and are_counts(values):
            total = _sums(values)
            return Picked(_rows(values), var, total, MatrixScale("counts", slot, None, f"{slot} holds raw counts"))
    # Scanpy's usual way: X scaled for components, log-normalized values kept in raw. A negative value tells.
    last = [(slot, held) for slot, held in reversed(slots.items()) if not _has_negative(held[0])]
    slot, (values, var) = last[0] if last else list(slots.items())[-1]
    if scale == "counts":
        raise InputError("no matrix holds counts", file=path, field="scale", value="counts",
                         valid=f"whole numbers >= 0 in one of {', '.join(slots)}; or no scale")  # fmt: skip
    matrix = _rows(values)
    return _normalized(matrix, var, slot, scale, path)


def _normalized(matrix: Any, var: pd.DataFrame, slot: str, scale: str | None, path: Path) -> Picked:
    stored = matrix.data
    if not np.isfinite(stored).all():
        raise InputError("values are missing or infinite", file=path, field=slot, value="NaN or inf",
                         valid="a number for each gene of each cell")  # fmt: skip
    lowest, highest = (float(stored.min()), float(stored.max())) if len(stored) else (0.0, 0.0)
    if lowest < 0:
        raise InputError("values are negative: scaled or centered data", file=path, field=slot, value=lowest,
                         valid="raw counts or log-normalized values in layers['counts'], raw or X")  # fmt: skip
    if highest > LOG_CEILING and scale in ("log1p", "log2"):
        raise InputError("the values cannot be logarithms", file=path, field=slot, value=highest,
                         valid=f"values from 0 to {LOG_CEILING:g}, or another scale")  # fmt: skip
    candidates = {"log1p": np.expm1, "log2": lambda v: np.exp2(v) - 1.0, "linear": lambda v: v}
    tried = [scale] if scale else (["log1p", "log2"] if highest <= LOG_CEILING else ["linear"])
    for name in tried:
        linear = matrix.copy()
        linear.data = candidates[name](matrix.data.astype(float))
        total = _sums(linear)
        middle = float(np.median(total))
        if middle > 0 and float(np.abs(total / middle - 1.0).max()) <= EQUAL_TOTALS:
            words = f"{slot} holds values normalized to {middle:.4g} a cell" + (
                {"log1p": ", as natural logarithm of 1 + value", "log2": ", as log2 of 1 + value"}.get(name, "")
            )
            return Picked(linear, var, total, MatrixScale(name, slot, middle, words))
    if scale is None and tried == ["linear"]:
        raise InputError("the values are neither counts nor normalized to one total", file=path, field=slot,
                         value=highest, valid=f"raw counts, log-normalized values, or a stated scale "
                         f"({', '.join(SCALES)})")  # fmt: skip
    name = scale or "log1p"
    base = "as stated" if scale else "base e assumed"
    words = (f"{slot} holds values without whole numbers and without a common total ({name}, {base}): genes were left "
             "out after normalization, and shares are of the genes that are there")  # fmt: skip
    linear = matrix.copy()
    linear.data = candidates[name](matrix.data.astype(float))
    return Picked(linear, var, _sums(linear), MatrixScale(name, slot, None, words))


def are_counts(values: Any) -> bool:
    """Tell whether a matrix holds raw counts: finite whole numbers that are not negative, and at least one above 0."""
    stored = values.data if hasattr(values, "tocsr") else np.asarray(values)
    stored = np.asarray(stored).reshape(-1)
    if not len(stored) or stored.dtype == bool:
        return False
    if np.issubdtype(stored.dtype, np.integer):
        return bool(stored.min() >= 0 and stored.max() > 0)
    # A look at some first, so that a large matrix of logarithms is not read to its end.
    head = stored[:10_000]
    if not np.array_equal(head, np.floor(head)):
        return False
    return bool(np.array_equal(stored, np.floor(stored)) and stored.min() >= 0 and np.isfinite(stored.max())
                and stored.max() > 0)  # fmt: skip


def _has_negative(values: Any) -> bool:
    stored = values.data if hasattr(values, "tocsr") else np.asarray(values)
    return bool(stored.size and stored.min() < 0)


def _rows(values: Any) -> Any:
    """Return a matrix in compressed sparse rows; one that is already is not copied."""
    from scipy import sparse

    return values.tocsr() if hasattr(values, "tocsr") else sparse.csr_matrix(np.asarray(values))


def _sums(values: Any) -> Array:
    """Sum of each row, (cell,) float64."""
    return np.asarray(values.sum(axis=1, dtype=np.float64)).reshape(-1)


@dataclass(frozen=True)
class GeneColumns:
    """How the columns of a file become genes.

    Attributes:
        symbols: approved symbols in alphabetical order (gene,).
        position: of each column among `symbols`, -1 for one that is left out (column,).
        notes: what was summed, renamed or left out, in words.
    """

    symbols: pd.Index
    position: Array
    notes: tuple[str, ...]

    def collect(self, matrix: Any) -> Any:
        """Return the matrix (cell, gene) by symbol; columns of one symbol are added."""
        from scipy import sparse

        kept = np.flatnonzero(self.position >= 0)
        if len(kept) == len(self.symbols) and len(kept) == matrix.shape[1] and (np.diff(self.position) == 1).all():
            return matrix
        place = sparse.csr_matrix((np.ones(len(kept), matrix.dtype), (kept, self.position[kept])),
                                  shape=(matrix.shape[1], len(self.symbols)))  # fmt: skip
        return (matrix @ place).tocsr()


def gene_columns(var: pd.DataFrame, genes: Genes, path: Path) -> GeneColumns:
    """Find the symbol of each column: `var_names`, a column of symbols in `var`, or Ensembl identifiers.

    Where `var_names` are Ensembl ids, a column of symbols is read if there is one, else the table of identifiers.
    Columns of one symbol (two identifiers of one gene) are added; an alias beside its approved symbol is left out, as
    in bulk tables.

    Raises:
        InputError: no human gene is known by these names, or they are of the mouse.
    """
    names = [str(n) for n in var.index]
    column = next((c for c in SYMBOL_COLUMNS if c in var.columns), None)
    notes = []
    known_names = sum(genes.approved(n) is not None for n in names)
    if column is not None and known_names < 0.5 * len(names):
        given = [str(s).strip() if isinstance(s, str) else "" for s in var[column]]
        names = [s or n for s, n in zip(given, names, strict=True)]
        notes.append(f"genes are named by var['{column}']")
    lost = 0
    words = []
    for name in names:
        symbol = symbol_of(name) if is_gene_id(name) else name
        lost += symbol is None
        words.append(symbol or name)
    if lost:
        notes.append(f"{lost} of {len(names)} Ensembl identifiers have no symbol and keep their spelling")
    unique = list(dict.fromkeys(words))
    if len(unique) < len(words):
        notes.append(f"{len(words) - len(unique)} columns were added to another of the same symbol")
    mapping = map_symbols(unique, genes, path)
    if mapping.unmapped == len(unique):
        raise InputError("none of the genes is known", file=path, field="var_names", value=", ".join(unique[:4]),
                         valid="HGNC symbols or Ensembl ids, in var_names or var['feature_name']")  # fmt: skip
    if mapping.unmapped:
        notes.append(f"{mapping.unmapped} of {len(unique)} names are not in the gene table and keep their spelling")
    if mapping.merged:
        notes.append(f"{mapping.merged} columns were left out because their alias names a gene that has its own")
    place = {unique[row]: i for i, row in enumerate(mapping.rows)}
    position = np.array([place.get(w, -1) for w in words], dtype=np.intp)
    return GeneColumns(mapping.symbols, position, tuple(notes))
