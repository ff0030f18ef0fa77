"""Single cells: AnnData or MuData with cell types in a column, checked and brought to one vocabulary.

Types are looked up in ``cell_names.tsv`` of the knowledge, which gives each its Cell Ontology term; a type that is not
there is refused with near misses, or counted as unknown where the caller says so. Raw counts are told from
log-normalized values by what the matrix holds (`io/cell_matrix.py`). Nothing of the object that comes in is changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.errors import InputError, near_misses
from tumornexus.io.cell_matrix import MatrixScale, gene_columns, pick_matrix
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.cell_names import NONE, CellName

Array = np.ndarray

TYPE_COLUMNS = ("cell_type", "celltype", "cell_types", "cell_ontology_class", "annotation", "cluster_name")
SAMPLE_COLUMNS = ("sample", "sample_id", "donor_id", "patient", "patient_id", "orig.ident", "library_id")
UNKNOWN = ("refuse", "count")
SUFFIXES = (".h5ad", ".h5mu", ".zarr")
RNA = ("rna", "gex", "gene_expression")  # names of the modality of a MuData object that holds transcripts
UNKNOWN_TYPE = CellName("Unknown", (), "", (NONE,), None, "other", "not in the table of names; counted on request")


@dataclass(frozen=True, eq=False)
class SingleCells:
    """The cells of one sample.

    Attributes:
        matrix: linear values (cell, gene) in compressed sparse rows: counts, or normalized values with any logarithm
            undone; columns follow `genes`.
        total: sum of each cell over all columns of the file, on the linear scale (cell,); what one cell's values are
            parts of. Genes under two names are in it as the file has them.
        scale: what the file holds and how that was told.
        genes: approved symbols in alphabetical order (gene,).
        cell_type: names as the file writes them (cell,).
        names: each name of the whole file with its row of the table of names; a type of another sample is here too, so
            that a type which this sample lacks is told from one that the annotation does not know.
        sample: id; cells: ids of the cells (cell,); rows: their positions in the file (cell,).
        notes: what was merged, left out or assumed, in words; source: file.
    """

    matrix: Any
    total: Array
    scale: MatrixScale
    genes: pd.Index
    cell_type: Array
    names: Mapping[str, CellName]
    sample: str
    cells: Array
    rows: Array
    notes: tuple[str, ...]
    source: Path

    def __len__(self) -> int:
        return len(self.cell_type)

    @property
    def counts(self) -> dict[str, int]:
        """Number of cells by type as written, most frequent first, ties by name."""
        found = Counter(self.cell_type.tolist())
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    @cached_property
    def type_code(self) -> Array:
        """Position of each cell's type in the sorted list of `names`, (cell,)."""
        return np.searchsorted(np.array(sorted(self.names)), self.cell_type)

    def where(self, wanted: Iterable[str]) -> Array:
        """Return which cells have one of these types, (cell,) bool."""
        chosen = set(wanted)
        return np.array([name in chosen for name in sorted(self.names)], bool)[self.type_code]

    def unknown(self) -> dict[str, int]:
        """Number of cells by type that is not in the table of names."""
        return {name: n for name, n in self.counts.items() if self.names[name] is UNKNOWN_TYPE}


def read_single_cells(
    source: Any,
    *,
    cell_type: str | None = None,
    sample: str | None = None,
    sample_column: str | None = None,
    unknown: str = "refuse",
    layer: str | None = None,
    scale: str | None = None,
    modality: str | None = None,
    knowledge: Knowledge | None = None,
) -> dict[str, SingleCells]:
    """Read the single cells of a file or object, by sample.

    Args:
        source: AnnData or MuData, or a file of one (``.h5ad``, ``.zarr``, ``.h5mu``).
        cell_type: column of `obs` with the type of each cell; None for the first of `TYPE_COLUMNS`.
        sample: only this one; None for all.
        sample_column: column of `obs` with the sample of each cell; None for the first of `SAMPLE_COLUMNS`, and one
            sample where there is none.
        unknown: ``"refuse"`` types that the table of names lacks, or ``"count"`` them as cells of no known type.
        layer: ``"X"``, ``"raw"`` or a name in `layers`; None for the first that holds counts, else `X`.
        scale: ``"counts"``, ``"log1p"``, ``"log2"`` or ``"linear"``; None to tell it by content.
        modality: of a MuData object; None for the one of transcripts.
        knowledge: catalogue with the tables of names and of genes.

    Raises:
        InputError: a missing file, package, column or sample, types that are missing or unknown (all of them, with near
            misses), values that are neither counts nor normalized, genes without a name.
    """
    knowledge = knowledge or load_knowledge()
    data, path = open_cells(source, modality)
    if unknown not in UNKNOWN:
        raise InputError("not a way to treat unknown types", file=path, field="unknown", value=unknown,
                         valid=" or ".join(UNKNOWN))  # fmt: skip
    if data.n_obs == 0:
        raise InputError("there is no cell", file=path, valid="an object with one row a cell")
    types = _column(data, cell_type, TYPE_COLUMNS, "cell_type", path)
    assert types is not None
    names = type_names(types, knowledge, path, unknown)
    samples = _column(data, sample_column, SAMPLE_COLUMNS, "sample_column", path)
    if samples is None:
        samples = np.full(data.n_obs, sample or (path.name.split(".")[0] if path.suffix else "sample"), dtype=object)
    elif (samples == "").any():
        raise InputError(f"{int((samples == '').sum())} cells have no sample", file=path, field="sample_column",
                         value="", valid="a sample for each cell")  # fmt: skip
    present = sorted(set(samples.tolist()))
    if sample is not None and sample not in present:
        raise InputError("the sample is not in this file", file=path, field="sample", value=sample,
                         valid=near_misses(sample, present))  # fmt: skip
    picked = pick_matrix(data, path, layer, scale)
    columns = gene_columns(picked.var, knowledge.genes, path)
    matrix, total = columns.collect(picked.values), picked.total
    notes = (picked.scale.words, *columns.notes)
    ids = np.asarray(data.obs_names, dtype=object)
    found = {}
    for name in present if sample is None else [sample]:
        rows = np.flatnonzero(samples == name)
        whole = len(rows) == data.n_obs
        cells = SingleCells(matrix if whole else matrix[rows], total if whole else total[rows], picked.scale,
                            columns.symbols, types[rows].astype(str), names, name, ids[rows], rows, notes,
                            path)  # fmt: skip
        silent = int((cells.total <= 0).sum())
        if silent:
            raise InputError(f"{silent} cells have no transcript at all", file=path, field="sample", value=name,
                             valid="cells that passed quality control; leave empty droplets out")  # fmt: skip
        found[name] = cells
    return found


def open_cells(source: Any, modality: str | None = None) -> tuple[Any, Path]:
    """Return the AnnData of transcripts and a path that names it in messages; objects are returned as they are."""
    if isinstance(source, str | Path):
        path = Path(source)
        data = _read_file(path)
    else:
        data, path = source, Path("AnnData")
    if hasattr(data, "mod"):
        data, path = _of_modality(data, modality, path), path if path.suffix else Path("MuData")
    if not all(hasattr(data, part) for part in ("obs", "var", "X", "layers")):
        raise InputError("not an object of single cells", file=path, value=type(data).__name__,
                         valid="AnnData, MuData or a file of one")  # fmt: skip
    return data, path


def _read_file(path: Path) -> Any:
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError("the file does not exist", file=path, valid=near_misses(path.name, siblings) or "a file")
    if path.suffix not in SUFFIXES:
        raise InputError("not a kind of file that holds single cells", file=path, value=path.suffix,
                         valid=", ".join(SUFFIXES))  # fmt: skip
    try:
        if path.suffix == ".h5mu":
            import mudata

            return mudata.read_h5mu(path)
        import anndata

        return anndata.read_h5ad(path) if path.suffix == ".h5ad" else anndata.read_zarr(path)
    except ImportError as error:
        package = "mudata" if path.suffix == ".h5mu" else "anndata"
        raise InputError(f"reading {path.suffix} files needs the package {package}", file=path,
                         valid='pip install "tumornexus[scverse]"') from error  # fmt: skip
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"the file cannot be read: {(str(error).splitlines() or [''])[0]}", file=path,
                         valid="a file that anndata or mudata writes") from error  # fmt: skip


def _of_modality(data: Any, modality: str | None, path: Path) -> Any:
    """Return the modality of transcripts of a MuData object, with columns of the whole where it lacks them."""
    names = list(data.mod)
    chosen = modality or next((n for n in names if n.lower() in RNA), names[0] if len(names) == 1 else None)
    if chosen is None or chosen not in names:
        raise InputError("which modality holds the transcripts is not known", file=path, field="modality",
                         value=modality, valid=", ".join(names))  # fmt: skip
    part = data.mod[chosen]
    extra = {c: data.obs[c].reindex(part.obs_names) for c in data.obs.columns if c not in part.obs.columns}
    if not extra:
        return part
    import anndata

    joined = part.obs.assign(**extra)
    return anndata.AnnData(X=part.X, obs=joined, var=part.var, layers=dict(part.layers), obsm=dict(part.obsm),
                           raw=part.raw.to_adata() if part.raw is not None else None)  # fmt: skip


def _column(data: Any, wanted: str | None, usual: tuple[str, ...], field: str, path: Path) -> Array | None:
    """Return a column of `obs` as text, "" for a missing value; None for a sample column that is not there."""
    names = [str(c) for c in data.obs.columns]
    if wanted is not None and wanted not in names:
        raise InputError("obs has no column of that name", file=path, field=field, value=wanted,
                         valid=near_misses(wanted, names))  # fmt: skip
    chosen = wanted or next((c for c in usual if c in names), None)
    if chosen is None:
        if field == "sample_column":
            return None
        raise InputError("the column with the cell types is not known", file=path, field=field,
                         valid=f"one of {', '.join(usual)}, or its name; obs has {', '.join(names[:12])}")  # fmt: skip
    values = data.obs[chosen].astype(object)
    return values.where(values.notna(), "").astype(str).str.strip().to_numpy(dtype=object)


def type_names(types: Array, knowledge: Knowledge, path: Path, unknown: str) -> dict[str, CellName]:
    """Look every type up; refuse cells without a type, and unknown types unless they are to be counted."""
    counts = Counter(types.tolist())
    if counts.get("", 0):
        raise InputError(f"{counts['']} cells have no type", file=path, field="cell_type", value="",
                         valid="a type for each cell; 'Other' for one that is not known")  # fmt: skip
    found = {name: knowledge.cell_names.find(name) for name in sorted(counts)}
    missing = [name for name, row in found.items() if row is None]
    if missing and unknown == "refuse":
        hints = {name: knowledge.cell_names.near(name) for name in missing}
        listed = "; ".join(
            f"'{name}' ({counts[name]} cells{', near: ' + ', '.join(near) if near else ''})"
            for name, near in hints.items()
        )
        raise InputError(
            f"{len(missing)} cell types are not known: {listed}", file=path, field="cell_type",
            valid="the names in knowledge/data/cell_names.tsv, names added by a cell_names.tsv of your own in the "
            'folder of --knowledge, or unknown="count" to count these cells as of no known type',
        )  # fmt: skip
    return {name: row or UNKNOWN_TYPE for name, row in found.items()}
