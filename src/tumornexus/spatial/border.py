"""Where nests of tumor cells end, and how far other cells get into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from tumornexus.errors import InputError
from tumornexus.spatial.points import Array, coordinates, positive


@dataclass(frozen=True)
class Border:
    """Where the nests of tumor cells end.

    Attributes:
        distance: signed distance of each cell to the border in um (cell,), negative inside nests; NaN for every cell
            where there is no border (no tumor, or nothing but nest).
        in_nest: whether each cell lies in a nest, (cell,).
        nest_mm2, stroma_mm2: area of each compartment, mm^2; in 3D that of a section `section_um` thick, counted as
            volume / section_um. Ground without any cell is neither.
        image, tissue: nests and all tissue as images, axes (y, x) or (z, y, x); `low` and `pixel_um` place them.
        unit_mm2: area of one pixel as it counts in the areas above.
    """

    distance: Array
    in_nest: Array
    nest_mm2: float
    stroma_mm2: float
    image: Array
    tissue: Array
    low: Array
    pixel_um: float
    unit_mm2: float


def border_distance(
    xy: Array,
    is_tumor: Array,
    *,
    frame: tuple[Array, Array] | None = None,
    pixel_um: float = 5.0,
    smooth_um: float = 20.0,
    level: float = 0.5,
    section_um: float = 17.0,
) -> Border:
    """Return the signed distance of every cell to the border between tumor nests and stroma.

    The density of tumor cells is smoothed with a Gaussian of `smooth_um` (two cell diameters); a nest is where it is
    at least `level` of the median density found at tumor cells, so the border of a uniform nest lies at its edge and a
    nest full of lymphocytes is still a nest, which a share of all cells would deny. Ground counts as tissue where the
    same map of all cells is at least a tenth of its median at cells, so loose stroma counts, and tissue ends 1.3
    smoothing lengths beyond its last cell. Distance: Euclidean distance transform of the
    image, read at each cell by linear interpolation; its error is about one pixel. Nests thinner than the smoothing
    melt into each other or into the stroma.

    Args:
        xy: coordinates, um.
        is_tumor: which cells are tumor cells (all cancer cells, persisters and infected ones included).
        frame: lowest and highest corner of the field of view, um; None for the box around all cells. Maps are mirrored
            at it, so tissue that is cut by the frame has no border there.
        pixel_um, smooth_um, level: resolution, smoothing and threshold; assumed, no published standard.
        section_um: thickness of a section that a 3D tissue is compared with, um; unused in 2D.
    """
    is_tumor = np.asarray(is_tumor, bool)
    xy = coordinates(xy, is_tumor)
    pixel = positive(pixel_um, "pixel_um")
    sigma = positive(smooth_um, "smooth_um") / pixel
    if not len(xy):
        empty = np.zeros((1,) * xy.shape[1], bool)
        return Border(np.zeros(0), np.zeros(0, bool), 0.0, 0.0, empty, empty, np.zeros(xy.shape[1]), pixel, 0.0)
    low, high = (np.asarray(c, float) for c in frame) if frame is not None else (xy.min(0), xy.max(0))
    if ((xy < low) | (xy > high)).any():
        raise InputError("cells lie outside the frame", field="frame", value=(low.tolist(), high.tolist()),
                         valid=f"a frame around {xy.min(0).tolist()} and {xy.max(0).tolist()}")  # fmt: skip
    size = np.maximum(np.ceil((high - low) / pixel).astype(int), 1)
    at = np.minimum(((xy - low) / pixel).astype(int), size - 1)[:, ::-1].T  # image axes run backwards
    shape = tuple(size[::-1])

    def density(cells: Array) -> Array:
        image = np.zeros(shape)
        np.add.at(image, tuple(at[:, cells]), 1.0)
        return ndimage.gaussian_filter(image, sigma, mode="reflect")

    everything = density(np.ones(len(xy), bool))
    tissue = everything >= 0.1 * np.median(everything[tuple(at)])
    if is_tumor.any():
        tumor = density(is_tumor)
        nest = tissue & (tumor >= level * np.median(tumor[tuple(at[:, is_tumor])]))
    else:
        nest = np.zeros(shape, bool)
    if nest.any() and not nest.all():
        # Distances run between centers of pixels; the border is half a pixel before the first one of the other kind.
        signed = np.where(nest, 0.5 - ndimage.distance_transform_edt(nest), ndimage.distance_transform_edt(~nest) - 0.5)
        place = ((xy - low) / pixel - 0.5)[:, ::-1].T
        distance = ndimage.map_coordinates(signed, place, order=1, mode="nearest") * pixel
    else:
        distance = np.full(len(xy), np.nan)
    unit = pixel ** xy.shape[1] / 1e6 / (1.0 if xy.shape[1] == 2 else positive(section_um, "section_um"))
    areas = float(nest.sum()) * unit, float((tissue & ~nest).sum()) * unit
    return Border(distance, nest[tuple(at)], *areas, nest, tissue, low, pixel, unit)


class Depth(NamedTuple):
    """Depth of cells inside nests, um from the border: mean, median, and how many cells that is."""

    mean: float
    median: float
    cells: int


def infiltration_depth(border: Border, is_cd8: Array) -> Depth:
    """Return how deep cells (CD8 T cells, say) lie inside tumor nests, in um; NaN where none does."""
    inside = border.in_nest & np.asarray(is_cd8, bool) & np.isfinite(border.distance)
    if not inside.any():
        return Depth(float("nan"), float("nan"), 0)
    depth = np.maximum(-border.distance[inside], 0.0)
    return Depth(float(depth.mean()), float(np.median(depth)), int(inside.sum()))


class Share(NamedTuple):
    """Cells inside and outside nests: share inside, densities per mm^2 (NaN for a compartment without area), ratio."""

    inside: float
    nest_per_mm2: float
    stroma_per_mm2: float
    tissue_per_mm2: float
    ratio: float


def nest_share(border: Border, is_cd8: Array) -> Share:
    """Return the share of cells that lies inside nests, and their density there over that in the stroma.

    A ratio near 1 means that nests keep nobody out, near 0 exclusion; NaN without stroma, nests or such cells.
    """
    is_cd8 = np.asarray(is_cd8, bool)
    inside, total = int((border.in_nest & is_cd8).sum()), int(is_cd8.sum())

    def over(cells: float, area: float) -> float:
        return cells / area if area > 0 else float("nan")

    nest, stroma = over(inside, border.nest_mm2), over(total - inside, border.stroma_mm2)
    return Share(over(inside, total), nest, stroma, over(total, border.nest_mm2 + border.stroma_mm2),
                 over(nest, stroma))  # fmt: skip
