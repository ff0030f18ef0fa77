"""A tissue as an image of color numbers: what still pictures and movies are both made of.

A lattice in 2D is shown as it is; one in 3D as its three middle planes side by side, so that everything after
`plane_of` works on one flat picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumornexus.cellkinds import GROUPS, KINDS, VESSEL_COLOR
from tumornexus.report.style import INK, PAPER

TINTS = 6  # shades of the ground, by density of the matrix
DENSEST = 2.0  # matrix density at which the ground is darkest; 1 is a typical carcinoma
DARKEST_GROUND = "#c3c9d0"
INKS = 8  # shades between paper and ink, for smooth letters

Rgb = tuple[int, int, int]


def rgb(color: str) -> Rgb:
    """Return the three bytes of a hexadecimal color."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def mixed(first: str, second: str, share: float) -> Rgb:
    """Return a color that is `share` of the way from the first to the second."""
    a, b, c = (round(x + (y - x) * share) for x, y in zip(rgb(first), rgb(second), strict=True))
    return a, b, c


# Color numbers: ground tints, the fill and then the rim of each group, vessel, ink ramp.
FILL = TINTS
RIM = FILL + len(GROUPS)
VESSEL = RIM + len(GROUPS)
INK_RAMP = VESSEL + 1
PALETTE: tuple[Rgb, ...] = (
    *(mixed(PAPER, DARKEST_GROUND, i / (TINTS - 1)) for i in range(TINTS)),
    *(rgb(group.color) for group in GROUPS),
    *(mixed(group.color, INK, 0.22) for group in GROUPS),
    rgb(VESSEL_COLOR),
    *(mixed(PAPER, INK, i / (INKS - 1)) for i in range(INKS)),
)
_GROUP_NUMBER = np.zeros(len(KINDS), np.uint8)  # kind to 1 + number of its group; 0 without a cell
for _number, _group in enumerate(GROUPS):
    for _kind in _group.kinds:
        _GROUP_NUMBER[KINDS.index(_kind)] = 1 + _number

_SHEET, _DYING = ("cancer", "persister", "infected", "fibroblast"), ("dying",)
_NUMBERS = {group.id: 1 + number for number, group in enumerate(GROUPS)}
_SHAPES = (  # radius in sites, exponent of the outline (2 is a circle), groups
    (0.49, 3.5, [_NUMBERS[g] for g in _SHEET]),
    (0.47, 2.0, [n for g, n in _NUMBERS.items() if g not in (*_SHEET, *_DYING)]),
    (0.33, 2.0, [_NUMBERS[g] for g in _DYING]),
)
RIM_FROM_PX = 20  # below, a rim would only dull the color


@dataclass(frozen=True)
class Plane:
    """What a picture shows of one frame.

    Attributes:
        group: uint8 (row, column): 0 without a cell, else 1 + number in `GROUPS`.
        vessel: bool (row, column).
        tint: uint8 (row, column): color number of the ground.
        shown: bool (row, column): False in the gaps between planes.
        labels: name of each plane with its first row and column; empty in 2D.
        columns: sites along x of the lattice itself, for the scale bar.
        day: day of the frame.
    """

    group: np.ndarray
    vessel: np.ndarray
    tint: np.ndarray
    shown: np.ndarray
    labels: tuple[tuple[str, int, int], ...]
    columns: int
    day: float


def mosaic(lattice: np.ndarray, gap: int, empty: float = 0) -> np.ndarray:
    """Lay the three middle planes of a lattice (z, y, x) side by side: xy at the top left, zy right of it, xz below."""
    nz, ny, nx = lattice.shape
    out = np.full((ny + gap + nz, nx + gap + nz), empty, lattice.dtype)
    out[:ny, :nx] = lattice[nz // 2]
    out[:ny, nx + gap :] = lattice[:, :, nx // 2].T
    out[ny + gap :, :nx] = lattice[:, ny // 2, :]
    return out


def flat(lattice: np.ndarray, empty: float = 0) -> np.ndarray:
    """Return a lattice of two axes as it is and one of three as `mosaic`."""
    return lattice if lattice.ndim == 2 else mosaic(lattice, gap_of(lattice.shape), empty)


def gap_of(shape: tuple[int, ...]) -> int:
    """Return the width of the gap between planes in sites."""
    return max(2, max(shape) // 30)


def plane_of(frame: Mapping[str, Any]) -> Plane:
    """Return what a picture shows of a frame (see `tumornexus.io.tissue` for its form)."""
    kind = np.asarray(frame["kind"])
    matrix = np.asarray(frame.get("matrix", np.zeros(kind.shape)), float)
    tint = np.rint(np.clip(matrix / DENSEST, 0.0, 1.0) * (TINTS - 1)).astype(np.uint8)
    vessel = np.asarray(frame.get("vessel", np.zeros(kind.shape))) > 0.0
    labels: tuple[tuple[str, int, int], ...] = ()
    if kind.ndim == 3:
        _, ny, nx = kind.shape
        gap = gap_of(kind.shape)
        labels = (("xy", 0, 0), ("zy", 0, nx + gap), ("xz", ny + gap, 0))
    return Plane(
        flat(_GROUP_NUMBER[kind]),
        flat(vessel),
        flat(tint),
        flat(np.ones(kind.shape, bool)),
        labels,
        kind.shape[-1],
        float(frame["day"]),
    )


def stored(plane: Plane) -> dict[str, np.ndarray]:
    """Return the arrays from which `restored` makes the plane again, for keeping the frames of a film on disk."""
    labels = np.array(list(plane.labels), dtype=[("word", "U2"), ("row", int), ("column", int)])
    return {"group": plane.group, "vessel": plane.vessel, "tint": plane.tint, "shown": plane.shown, "labels": labels,
            "columns": np.array(plane.columns), "day": np.array(plane.day)}  # fmt: skip


def restored(arrays: Mapping[str, np.ndarray]) -> Plane:
    """Return the plane that `stored` took apart."""
    labels = tuple((str(word), int(row), int(column)) for word, row, column in arrays["labels"])
    return Plane(arrays["group"], arrays["vessel"], arrays["tint"], arrays["shown"], labels, int(arrays["columns"]),
                 float(arrays["day"]))  # fmt: skip


def _stamp(px: int, radius: float, power: float) -> np.ndarray:
    """Return how far each px of a site is from its center, 1 at the edge of a cell: a disc (power 2) or squarer."""
    away = np.abs(np.mgrid[:px, :px] - (px - 1) / 2.0) / (radius * px)
    return (away**power).sum(axis=0) ** (1.0 / power)


def draw(plane: Plane, px: int) -> np.ndarray:
    """Return the picture as color numbers, uint8 (row * px, column * px).

    The ground shows matrix. Cancer cells and fibroblasts fill their site, as in a packed sheet; immune cells are round
    and dying cells small. Below 4 px a site, every cell fills it. Vessels are rings over all this.
    """
    rows, columns = plane.group.shape

    def sites(values: np.ndarray) -> np.ndarray:
        return np.repeat(np.repeat(values, px, axis=0), px, axis=1)

    group = sites(plane.group)
    image = sites(np.where(plane.shown, plane.tint, 0).astype(np.uint8))
    for radius, power, members in _SHAPES:
        away = _stamp(px, radius, power) if px >= 4 else np.zeros((px, px))
        here = np.isin(group, members) & np.tile(away <= 1.0, (rows, columns))
        image[here] = FILL + group[here] - 1
        if px >= RIM_FROM_PX:
            here &= np.tile(away > 0.84, (rows, columns))
            image[here] = RIM + group[here] - 1
    _rings(image, plane, px)
    return image


def _rings(image: np.ndarray, plane: Plane, px: int) -> None:
    """Draw vessels: a ring a little wider than a site, with a pale lumen, or a full site where a ring has no room."""
    half = max(1, round(px * 0.75)) if px >= 3 else px // 2
    width = max(1.0, px * 0.3)
    reach = np.arange(-half, half + 1)
    away = np.hypot(*np.meshgrid(reach, reach))
    ring = (away <= half + 0.3) & (away > half - width) if px >= 3 else np.ones_like(away, bool)
    lumen = (away <= half - width) if px >= 3 else np.zeros_like(away, bool)
    for row, column in np.argwhere(plane.vessel):
        center = row * px + px // 2, column * px + px // 2
        spans = [slice(max(0, c - half), min(n, c + half + 1)) for c, n in zip(center, image.shape, strict=True)]
        cut = tuple(slice(s.start - c + half, s.stop - c + half) for s, c in zip(spans, center, strict=True))
        patch = image[tuple(spans)]
        patch[lumen[cut]] = 0
        patch[ring[cut]] = VESSEL


def smooth_rgb(plane: Plane, px: int, finer: int = 3) -> np.ndarray:
    """Return the picture in color with smooth edges, uint8 (row * px, column * px, 3): drawn finer, then averaged."""
    fine = np.array(PALETTE, np.uint8)[draw(plane, px * finer)]
    rows, columns = (n // finer for n in fine.shape[:2])
    return fine.reshape(rows, finer, columns, finer, 3).mean(axis=(1, 3)).round().astype(np.uint8)
