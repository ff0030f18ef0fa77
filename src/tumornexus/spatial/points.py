"""Coordinates of cells, checked; the sites of a lattice as coordinates; pairs of near cells."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from tumornexus.errors import InputError

Array = np.ndarray


def coordinates(xy: Array, *labels: Array) -> Array:
    """Return coordinates as float64 (cell, axis), checked, with labels of the same length.

    Raises:
        InputError: not two or three axes, a coordinate that is not finite, or labels of another length.
    """
    xy = np.asarray(xy, dtype=np.float64)
    if xy.ndim != 2 or xy.shape[1] not in (2, 3):
        raise InputError("coordinates need one row a cell and two or three axes", field="xy", value=xy.shape,
                         valid="shape (cells, 2) or (cells, 3)")  # fmt: skip
    wrong = ~np.isfinite(xy).all(axis=1)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise InputError(f"{int(wrong.sum())} cells have a coordinate that is not a finite number", field="xy",
                         value=f"row {first}: {xy[first].tolist()}", valid="finite numbers in um")  # fmt: skip
    for label in labels:
        if np.shape(label) != (len(xy),):
            raise InputError("labels and coordinates differ in length", field="labels", value=np.shape(label),
                             valid=f"shape ({len(xy)},)")  # fmt: skip
    return xy


def positive(value: float, field: str) -> float:
    if not (np.isfinite(value) and value > 0):
        raise InputError("must be positive", field=field, value=value, valid="a length in um, greater than 0")
    return float(value)


def site_centers(occupied: Array, site_um: float) -> Array:
    """Return the centers in um of the marked sites of a lattice, (cell, axis), in the order of `occupied[occupied]`.

    Axes of a lattice are (y, x) or (z, y, x); coordinates are (x, y) or (x, y, z), as slides have them.
    """
    return (np.argwhere(occupied)[:, ::-1] + 0.5) * positive(site_um, "site_um")


def pairs_within(xy: Array, radius: float) -> Array:
    """Return every pair of cells whose centers are at most `radius` um apart, (pair, 2), each pair once."""
    if len(xy) < 2:
        return np.zeros((0, 2), dtype=np.intp)
    return cKDTree(xy).query_pairs(positive(radius, "radius"), output_type="ndarray")
