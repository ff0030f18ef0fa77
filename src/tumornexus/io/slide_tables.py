"""Cell tables of images as programs write them, brought to the columns x, y, cell_type, sample.

Any table with a header (``.tsv``, ``.csv``, ``.gz`` of either, ``.parquet``) whose columns are named in `COLUMNS` or by
the caller, and AnnData (``.h5ad``, ``.zarr``) with ``obsm["spatial"]``. Told by their columns:

* **QuPath** (measurements of detections): ``Centroid X µm``, ``Centroid Y µm`` (um by themselves) or ``Centroid X px``,
  ``Class`` or ``Classification``, ``Image``. A derived class such as ``Tumor: PD-L1`` is read as ``Tumor``, and what
  follows the colon makes the cell positive where it is a marker of `MARKERS`.
* **HALO** (object data): ``XMin``, ``XMax``, ``YMin``, ``YMax`` in pixels, whose middle is the cell; columns of 0 and 1
  such as ``CD8+`` become types through `phenotypes`; ``Image Location`` or ``Image File Name``.
* **SpatialData** (an object or its ``.zarr`` store): its one table, with ``obsm["spatial"]`` or the centroids of the
  shapes that the table annotates. Needs the package spatialdata.
* **Xenium** (``cells.csv.gz``, ``cells.parquet``): ``x_centroid``, ``y_centroid`` in um beside ``transcript_counts``;
  types from a second table with ``cell_id`` and ``group``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.errors import InputError, near_misses
from tumornexus.io.tables import MISSING, read_bytes

# Columns by what they hold, in order of preference; compared in lower case.
COLUMNS: dict[str, tuple[str, ...]] = {
    "x": (
        "x_um", "x", "x_centroid", "centroid_x", "center_x", "xcenter", "cellx", "x_position", "pos_x",
        "centroid x µm", "centroid x μm", "centroid x um", "centroid x px",
    ),
    "y": (
        "y_um", "y", "y_centroid", "centroid_y", "center_y", "ycenter", "celly", "y_position", "pos_y",
        "centroid y µm", "centroid y μm", "centroid y um", "centroid y px",
    ),
    "cell_type": (
        "cell_type", "celltype", "cell_types", "phenotype", "annotation", "cluster_name", "class", "classification",
    ),
    "sample": (
        "sample", "sample_id", "image", "image_id", "imagenumber", "slide", "patient", "roi", "fov", "library_id",
        "image location", "image file name",
    ),
}  # fmt: skip
IN_UM = {"x_um", "y_um", "centroid x µm", "centroid x μm", "centroid x um", "centroid y µm", "centroid y μm",
         "centroid y um"}  # fmt: skip
# Markers whose positive cells biomarkers ask for, with the spellings of a column or a QuPath class.
MARKERS: dict[str, tuple[str, ...]] = {
    "pd_l1": ("pd_l1", "pdl1", "pd-l1", "cd274", "pd_l1_positive", "pdl1+", "pd-l1+"),
    "hla_class_i": ("hla_class_i", "hla_class_i_positive", "hla-class-i+"),
    "lag3": ("lag3", "lag-3", "lag3_positive", "lag3+", "lag-3+"),
    "vista": ("vista", "vsir", "vista_positive", "vista+"),
}
YES = {"1", "1.0", "true", "yes", "+", "positive", "pos"}
NO = {"0", "0.0", "false", "no", "-", "negative", "neg", ""}
HALO = ("xmin", "xmax", "ymin", "ymax")


def name_of(source: Any) -> Path:
    """Return a path that names a source in messages."""
    return Path(source) if isinstance(source, str | Path) else Path(type(source).__name__)


def read_cells(
    source: Any, columns: Mapping[str, str], phenotypes: Mapping[str, str], groups: Path | str | None
) -> tuple[pd.DataFrame, bool]:
    """Return the cells of a file (columns x, y, cell_type, sample where known, markers) and whether they are in um.

    Arguments and errors as in `tumornexus.io.slide.read_slide`.
    """
    unknown = set(columns) - set(COLUMNS) - set(MARKERS)
    if unknown:
        raise InputError("unknown role of a column", field="columns", value=sorted(unknown),
                         valid=", ".join((*COLUMNS, *MARKERS)))  # fmt: skip
    path = name_of(source)
    if not isinstance(source, str | Path):
        data = _table_of_spatialdata(source, path) if hasattr(source, "tables") else source
        return cells_of_anndata(data, path, columns, phenotypes), False
    if path.suffix == ".zarr" and (path / "tables").is_dir():
        return cells_of_anndata(_read_spatialdata(path), path, columns, phenotypes), False
    if path.suffix in (".h5ad", ".zarr"):
        return _from_anndata(path, columns, phenotypes)
    return _from_table(path, columns, phenotypes, groups)


def _spatialdata(path: Path) -> Any:
    try:
        import spatialdata  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InputError("reading SpatialData needs the package spatialdata", file=path,
                         valid='pip install "tumornexus[spatial]", or AnnData with coordinates') from error  # fmt: skip
    return spatialdata


def _read_spatialdata(path: Path) -> Any:
    """Read the one table of a SpatialData store as AnnData."""
    return _table_of_spatialdata(_spatialdata(path).read_zarr(path), path)


def _table_of_spatialdata(data: Any, path: Path) -> Any:
    """Return the table of a SpatialData object with ``obsm["spatial"]``, from its shapes where it lacks them."""
    tables = dict(data.tables)
    if len(tables) != 1:
        raise InputError(f"the object holds {len(tables)} tables", file=path, field="tables", value=", ".join(tables),
                         valid="one; or hand over the AnnData, such as sdata.tables['table']")  # fmt: skip
    table = next(iter(tables.values()))
    if "spatial" in table.obsm:
        return table
    said = dict(table.uns.get("spatialdata_attrs", {}))
    regions = said.get("region")
    regions = [regions] if isinstance(regions, str) else list(regions if regions is not None else ())
    if len(regions) != 1 or regions[0] not in data:
        raise InputError("the table annotates no single element, so its cells have no place", file=path,
                         field="spatialdata_attrs", value=regions, valid='one region, or obsm["spatial"]')  # fmt: skip
    centers = _spatialdata(path).get_centroids(data[regions[0]]).compute()
    at = centers.reindex(table.obs[said["instance_key"]].to_numpy())[["x", "y"]].to_numpy(float)
    placed = table.copy()
    placed.obsm["spatial"] = at
    return placed


def _pick(names: list[str], role: str, wanted: Mapping[str, str], path: Path, needed: bool = True) -> str | None:
    """Return the column that holds a role; None for one that is not there and not needed."""
    if role in wanted:
        if wanted[role] not in names:
            raise InputError(f"no column of that name for {role}", file=path, field="columns", value=wanted[role],
                             valid=near_misses(wanted[role], names))  # fmt: skip
        return wanted[role]
    lowered = {n.lower(): n for n in reversed(names)}
    found = next((lowered[n] for n in COLUMNS[role] if n in lowered), None)
    if found is None and needed:
        raise InputError("a required column is missing", file=path, field=role,
                         valid=f"one of {', '.join(COLUMNS[role])}, or columns={{'{role}': ...}}; "
                         f"this file has {', '.join(names[:12])}")  # fmt: skip
    return found


def _text_table(path: Path) -> pd.DataFrame:
    """Read a table as text, headers and cells stripped."""
    if path.suffix == ".parquet":
        try:
            table = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise InputError(f"the file cannot be read as Parquet: {str(error).splitlines()[0]}", file=path,
                             valid="a table of cells") from error  # fmt: skip
        found = pd.DataFrame({str(c).strip(): _as_text(table[c]) for c in table.columns})
        return found
    comma = ".csv" in path.suffixes
    if not comma and not {".tsv", ".txt"} & set(path.suffixes):
        raise InputError("not a kind of file that holds a slide", file=path, value="".join(path.suffixes),
                         valid=".tsv, .csv, .tsv.gz, .csv.gz, .parquet, .h5ad, .zarr")  # fmt: skip
    try:
        table = pd.read_csv(io.BytesIO(read_bytes(path)), sep="," if comma else "\t", dtype=str, keep_default_na=False,
                            index_col=False, encoding="utf-8-sig")  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"the table cannot be read: {str(error).strip()}", file=path,
                         valid="one header, then the same number of cells on each line") from error  # fmt: skip
    table.columns = pd.Index([str(c).strip() for c in table.columns])
    return table


def _as_text(values: pd.Series) -> pd.Series:
    """Return a column as text; bytes are decoded, and a missing value is ""."""
    plain = values.astype(object).where(values.notna(), "")
    return plain.map(lambda v: v.decode() if isinstance(v, bytes) else str(v))


def _from_table(
    path: Path, wanted: Mapping[str, str], phenotypes: Mapping[str, str], groups: Path | str | None
) -> tuple[pd.DataFrame, bool]:
    """Read a text table: columns x, y, cell_type, sample as text; whether the header states um."""
    table = _text_table(path)
    names = [str(c) for c in table.columns]
    lowered = {n.lower(): n for n in reversed(names)}
    found = pd.DataFrame(index=table.index)
    in_um = False
    if all(n in lowered for n in HALO) and not {"x", "y"} & set(wanted):
        edges = {n: pd.to_numeric(table[lowered[n]].str.strip(), errors="coerce") for n in HALO}
        found["x"], found["y"] = (edges["xmin"] + edges["xmax"]) / 2, (edges["ymin"] + edges["ymax"]) / 2
    else:
        x, y = (str(_pick(names, axis, wanted, path)) for axis in "xy")
        found["x"], found["y"] = table[x].str.strip(), table[y].str.strip()
        xenium = {x, y} == {"x_centroid", "y_centroid"} and "transcript_counts" in lowered
        in_um = {x.lower(), y.lower()} <= IN_UM or xenium
    found["cell_type"] = _types(table, names, wanted, phenotypes, groups, path)
    sample = _pick(names, "sample", wanted, path, needed=False)
    if sample is not None:
        found["sample"] = table[sample].str.strip()
    return _with_markers(found, table, names, wanted, path), in_um


def _types(
    table: pd.DataFrame,
    names: list[str],
    wanted: Mapping[str, str],
    phenotypes: Mapping[str, str],
    groups: Path | str | None,
    path: Path,
) -> pd.Series:
    """Return the type of each cell: from columns of yes and no, from a second table, or from a column of types."""
    if phenotypes:
        types = pd.Series("Other", index=table.index)
        for column, name in reversed(list(phenotypes.items())):
            if column not in names:
                raise InputError("no column of that name", file=path, field="phenotypes", value=column,
                                 valid=near_misses(column, names))  # fmt: skip
            types = types.where(~_flags(table[column], path, column), name)
        return types
    if groups is not None:
        other = Path(groups)
        second = _text_table(other)
        key, value = (next((c for c in second.columns if c.lower() in usual), None)
                      for usual in (("cell_id", "barcode"), ("group", *COLUMNS["cell_type"])))  # fmt: skip
        mine = next((c for c in names if c.lower() in ("cell_id", "barcode")), None)
        if key is None or value is None or mine is None:
            raise InputError("cells and their types cannot be joined", file=other, field="groups",
                             value=", ".join(map(str, second.columns[:6])),
                             valid="cell_id and group there, and cell_id in the table of cells")  # fmt: skip
        types = table[mine].map(dict(zip(second[key], second[value], strict=True)))
        lost = int(types.isna().sum())
        if lost:
            raise InputError(f"{lost} cells have no type in the second table", file=other, field=str(key),
                             value=table[mine][types.isna()].iloc[0], valid="a row for each cell")  # fmt: skip
        return types.str.strip()
    column = str(_pick(names, "cell_type", wanted, path))
    types = table[column].str.strip()
    # QuPath writes derived classes as "Tumor: PD-L1": a base class and what was found on it.
    return types.str.partition(":")[0].str.strip() if column.lower() in ("class", "classification") else types


def _flags(values: pd.Series, path: Path, column: str) -> pd.Series:
    """Read yes and no."""
    words = values.astype(str).str.strip().str.lower()
    wrong = ~words.isin(YES | NO | MISSING)
    if wrong.any():
        raise InputError(f"{int(wrong.sum())} cells are neither positive nor negative", file=path, field=column,
                         value=str(values[wrong].iloc[0]), valid="1 or 0, yes or no, positive or negative")  # fmt: skip
    return words.isin(YES)


def _with_markers(
    found: pd.DataFrame, table: pd.DataFrame, names: list[str], wanted: Mapping[str, str], path: Path
) -> pd.DataFrame:
    """Add which cells are positive for a marker: a column that the caller names, or a derived class of QuPath."""
    for marker, spellings in MARKERS.items():
        if marker in wanted:
            column = wanted[marker]
            if column not in names:
                raise InputError(f"no column of that name for {marker}", file=path, field="columns", value=column,
                                 valid=near_misses(column, names))  # fmt: skip
            found[marker] = _flags(table[column], path, column)
            continue
        column = next((n for n in names if n.lower() in ("class", "classification")), None)
        if column is not None and "cell_type" not in wanted:
            parts = table[column].str.lower().str.partition(":")[2]
            said = parts.map(lambda text, s=spellings: bool({p.strip() for p in re.split("[:,]", text)} & set(s)))
            if said.any():
                found[marker] = said
    return found


def _from_anndata(path: Path, wanted: Mapping[str, str], phenotypes: Mapping[str, str]) -> tuple[pd.DataFrame, bool]:
    """Read an AnnData file: coordinates from ``obsm["spatial"]``, types and samples from ``obs``."""
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError("the file does not exist", file=path, valid=near_misses(path.name, siblings) or "a file")
    try:
        import anndata
    except ImportError as error:
        raise InputError("reading AnnData files needs the package anndata", file=path,
                         valid='pip install "tumornexus[scverse]", or a table of cells') from error  # fmt: skip
    try:
        data: Any = anndata.read_h5ad(path) if path.suffix == ".h5ad" else anndata.read_zarr(path)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"the file cannot be read as AnnData: {str(error).splitlines()[0]}", file=path,
                         valid="a file that anndata writes") from error  # fmt: skip
    return cells_of_anndata(data, path, wanted, phenotypes), False


def cells_of_anndata(data: Any, path: Path, wanted: Mapping[str, str], phenotypes: Mapping[str, str]) -> pd.DataFrame:
    """Return the cells of an AnnData object: x, y from ``obsm["spatial"]``, the rest from ``obs``."""
    if "spatial" not in data.obsm:
        raise InputError("there are no coordinates", file=path, field='obsm["spatial"]',
                         valid=f"an array (cell, 2); obsm has {', '.join(data.obsm) or 'nothing'}")  # fmt: skip
    at = np.asarray(data.obsm["spatial"])
    if at.ndim != 2 or at.shape[1] != 2:
        raise InputError("not coordinates of a section", file=path, field='obsm["spatial"]', value=at.shape,
                         valid="shape (cells, 2)")  # fmt: skip
    names = [str(c) for c in data.obs.columns]
    table = pd.DataFrame({n: _as_text(data.obs[n]).to_numpy() for n in names})
    found = pd.DataFrame({"x": at[:, 0], "y": at[:, 1]})
    found["cell_type"] = _types(table, names, wanted, phenotypes, None, path)
    sample = _pick(names, "sample", wanted, path, needed=False)
    if sample:
        found["sample"] = table[sample]
    return _with_markers(found, table, names, wanted, path)
