"""Files of a simulated tissue: cells as AnnData, fields as Zarr, and a summary table.

Takes plain NumPy arrays, so that reading and writing need no simulator. A *frame* is a dictionary of what stands where
on one day:

    kind, clone      uint8, lattice: numbers of `cellkinds.KINDS` and of `clones`; kind 0 is a site without a cell
    vessel, matrix   float32, lattice: 1 where a vessel runs; matrix density relative to a typical carcinoma
    any other name   float32, lattice: a level that the cell on a site carries (mhc1, pdl1, ...), or age in days
    fields           {signal: float32 on voxels of `coarse` sites per edge}
    day              float

A lattice has axes (y, x) or (z, y, x). Everything is written under a temporary name, flushed to disk and renamed; a
reader never meets half a file.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.cellkinds import GROUP_OF, KINDS, NAMES, ONTOLOGY
from tumornexus.errors import InputError
from tumornexus.io.write import json_ready, whole, write_table

FORMATS = ("h5ad", "zarr")
GROUND = ("vessel", "matrix", "tls", "bacteria", "virus")
"""Arrays of a frame that belong to the ground and not to the cell on it."""
UNITS = {"oxygen": "mmHg", "glucose": "mM", "lactate": "mM", "stiffness": "kPa"}
"""Units of signals; all others are multiples of their half-effect concentration, or dimensionless ("1"). A caller with
further fields, such as drugs in nM, names their units."""


def _at_sites(field: np.ndarray, coarse: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return a field of voxels on the lattice: each site has the value of its voxel."""
    for axis in range(field.ndim):
        field = np.repeat(field, coarse, axis=axis)
    if field.shape != shape:
        raise ValueError(f"a field of shape {field.shape} does not cover a lattice of shape {shape}")
    return field


def centers_um(shape: Sequence[int], edge_um: float) -> tuple[np.ndarray, ...]:
    """Return the coordinates (um) of the centers along each axis; the corner of the lattice is the origin."""
    return tuple((np.arange(n) + 0.5) * edge_um for n in shape)


def cells_of(
    frame: Mapping[str, Any],
    *,
    site_um: float,
    coarse: int,
    clones: Sequence[str] = (),
    uns: Mapping[str, Any] | None = None,
    units: Mapping[str, str] = UNITS,
) -> Any:
    """Return the cells of a frame as AnnData, laid out for spatial analysis with squidpy and SpatialData.

    * ``X`` (cell, signal), float32: the concentration of each signal where the cell stands; ``var`` has the signals by
      name with their ``unit``. Cells have no measured genes, and what squidpy computes on ``X`` (spatial
      autocorrelation, neighborhood means) is meaningful for signals.
    * ``obs``: ``cell_type`` (name, categorical, the column to cluster by), ``kind`` (the model's word), ``group``,
      ``ontology`` (Cell Ontology term, empty where there is none), ``clone`` (of cancer cells), the levels that the
      cell carries and ``vessel`` and ``matrix`` of its site; ``region`` and ``instance_id`` as SpatialData wants them.
      Cells are named by day and site (``d10-s1234``), so that frames can be joined.
    * ``obsm["spatial"]`` (cell, 2 or 3), float64: x, y[, z] of the site's center, um.
    * ``uns``: ``spatialdata_attrs``, ``tissue`` (day, site_um, shape) and ``provenance``, JSON text of `uns`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        import anndata

    kind = np.asarray(frame["kind"])
    at = np.nonzero(kind)
    day = float(frame["day"])
    numbers = kind[at]
    words = np.array(KINDS)
    obs = pd.DataFrame(index=[f"d{day:g}-s{i}" for i in np.ravel_multi_index(at, kind.shape)])
    obs["cell_type"] = _category(numbers, [NAMES[k] for k in KINDS])
    obs["kind"] = _category(numbers, list(KINDS))
    obs["group"] = pd.Categorical([GROUP_OF[k].id for k in words[numbers]])
    obs["ontology"] = pd.Categorical([ONTOLOGY[k] or "" for k in words[numbers]])
    for name, values in frame.items():
        if name in ("kind", "day", "fields"):
            continue
        here = np.asarray(values)[at]
        if name == "clone" and clones:
            malignant = np.isin(numbers, [KINDS.index(k) for k in ("cancer", "persister", "infected")])
            here = pd.Categorical(np.where(malignant, np.array(clones, object)[here], ""))
        obs[name] = here
    obs["region"] = pd.Categorical(["cells"] * len(obs))
    obs["instance_id"] = np.arange(len(obs), dtype=np.int64)
    fields = {n: _at_sites(np.asarray(f), coarse, kind.shape)[at] for n, f in frame.get("fields", {}).items()}
    x = np.stack(list(fields.values()), axis=1) if fields else np.zeros((len(obs), 0))
    var = pd.DataFrame({"unit": [units.get(n, "1") for n in fields]}, index=pd.Index(list(fields), dtype=object))
    adata = anndata.AnnData(X=x.astype(np.float32), obs=obs, var=var)
    adata.obsm["spatial"] = np.stack([(a + 0.5) * site_um for a in reversed(at)], axis=1)
    adata.uns["spatialdata_attrs"] = {"region": "cells", "region_key": "region", "instance_key": "instance_id"}
    adata.uns["tissue"] = {"day": day, "site_um": float(site_um), "shape": np.array(kind.shape)}
    adata.uns["provenance"] = json.dumps(json_ready(dict(uns or {})), sort_keys=True)
    return adata


def _category(numbers: np.ndarray, words: list[str]) -> pd.Categorical:
    """Return words for numbers, with only those as categories that occur, in the order of the numbers."""
    present = np.unique(numbers)
    return pd.Categorical.from_codes(np.searchsorted(present, numbers), [words[i] for i in present])


def write_cells(path: Path, frame: Mapping[str, Any], format: str = "h5ad", **how: Any) -> Path:
    """Write the cells of a frame as ``path.h5ad`` or ``path.zarr`` (`cells_of`, whose keywords `how` are); return it.

    Raises:
        InputError: unknown format, or the file cannot be written.
    """
    if format not in FORMATS:
        raise InputError("unknown format", field="format", value=format, valid=", ".join(FORMATS))
    adata = cells_of(frame, **how)
    target = Path(path).with_name(f"{Path(path).name}.{format}")
    with whole(target) as partial, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # storage libraries announce their own future formats
        if format == "h5ad":
            adata.write_h5ad(partial, compression="gzip")
        else:
            adata.write_zarr(partial)
    return target


def write_fields(
    path: Path,
    frame: Mapping[str, Any],
    *,
    site_um: float,
    coarse: int,
    uns: Mapping[str, Any] | None = None,
    units: Mapping[str, str] = UNITS,
) -> Path:
    """Write the fields of a frame and the ground under them as ``path.zarr``, an xarray Dataset; return it.

    Signals have dimensions ``(y, x)`` or ``(z, y, x)`` with coordinates in um at the centers of voxels; ``vessel`` and
    ``matrix`` and other ground are averaged over each voxel. Every variable has attribute ``units``.
    """
    import xarray as xr

    fields = {name: np.asarray(f, np.float32) for name, f in frame["fields"].items()}
    ground = {n: _voxel_mean(np.asarray(frame[n], np.float64), coarse) for n in GROUND if n in frame}
    axes = ("z", "y", "x")[-np.ndim(frame["kind"]) :]
    shape = tuple(n // coarse for n in np.shape(frame["kind"]))
    data = xr.Dataset(
        {n: (axes, f, {"units": units.get(n, "1")}) for n, f in {**fields, **ground}.items()},
        coords={a: (a, c, {"units": "um"}) for a, c in zip(axes, centers_um(shape, site_um * coarse), strict=True)},
        attrs={"day": float(frame["day"]), "voxel_um": site_um * coarse,
               "provenance": json.dumps(json_ready(dict(uns or {})), sort_keys=True)},
    )  # fmt: skip
    target = Path(path).with_name(f"{Path(path).name}.zarr")
    with whole(target) as partial, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        data.to_zarr(partial, mode="w")
    return target


def _voxel_mean(values: np.ndarray, coarse: int) -> np.ndarray:
    split = [part for n in values.shape for part in (n // coarse, coarse)]
    return values.reshape(split).mean(axis=tuple(range(1, 2 * values.ndim, 2))).astype(np.float32)


def write_summary(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write ``summary.tsv`` with the given columns, one row a day; what a row lacks is an empty cell.

    Raises:
        ValueError: a row has something that is no column, which would be dropped in silence.
    """
    for row in rows:
        extra = sorted(set(row) - set(columns))
        if extra:
            raise ValueError(f"no column for {', '.join(extra)}")
    write_table(Path(path), pd.DataFrame([dict(row) for row in rows], columns=list(columns)))
