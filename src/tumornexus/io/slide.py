"""A slide: cells with coordinates and types, from a table or an AnnData file, checked.

Which files are read, and their columns, is the matter of `io/slide_tables.py`. Names of cell types are looked up in
``cell_names.tsv`` of the knowledge; a name that is not there is refused, never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tumornexus.cellkinds import KINDS
from tumornexus.errors import InputError, near_misses
from tumornexus.io.slide_tables import MARKERS, name_of, read_cells
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.cell_names import NONE, VESSEL, CellName

Array = np.ndarray

# Cells per mm^2 that a section can show. The 40 images of Keren 2018 have 3100 to 12800; the limits are assumed, wide
# enough for a sparse stroma and for lymphoid tissue.
FEWEST_PER_MM2, MOST_PER_MM2, TYPICAL_PER_MM2 = 300.0, 30_000.0, 6000.0
EDGE_UM = 5.0  # coordinates this far outside the image (half a cell) are rounding and are moved onto its edge


class Kinds(NamedTuple):
    """What each cell of a slide is in the model, each (cell,): number in `KINDS` (0: no cell), vessel, left out."""

    kind: Array
    vessel: Array
    left_out: Array


@dataclass(frozen=True, eq=False)
class Slide:
    """One image of cells.

    Attributes:
        x_um, y_um: centers of cells, um (cell,).
        cell_type: names as the file writes them (cell,).
        names: each of those names with its row of the table of names, those of other samples of the file included.
        sample: id of the sample.
        low, high: corners of the field of view, um (2,): the stated image, or the box around the cells.
        notes: what was moved or is not modeled, in words.
        source: file.
        positive: for each marker of `MARKERS` that the file tells, which cells are positive (cell,).
    """

    x_um: Array
    y_um: Array
    cell_type: Array
    names: Mapping[str, CellName]
    sample: str
    low: Array
    high: Array
    notes: tuple[str, ...]
    source: Path
    positive: Mapping[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x_um)

    @property
    def xy(self) -> Array:
        """Coordinates as one array, um (cell, 2)."""
        return np.column_stack([self.x_um, self.y_um])

    @property
    def counts(self) -> dict[str, int]:
        """Number of cells by type as written, most frequent first."""
        return dict(Counter(self.cell_type.tolist()).most_common())

    @property
    def left_out(self) -> dict[str, int]:
        """Number of cells by type that is known but not modeled."""
        return {name: n for name, n in self.counts.items() if self.names[name].kinds == (NONE,)}

    @property
    def per_mm2(self) -> float:
        """Cells per mm^2 of the field of view."""
        return len(self) / float(np.prod(self.high - self.low)) * 1e6

    def group(self, name: str) -> Array:
        """Return which cells belong to a group: tumor, immune, stroma, vessel or other, (cell,) bool."""
        return np.isin(self.cell_type, [n for n, row in self.names.items() if row.group == name])

    def kinds(self, composition: Mapping[str, float] | None = None, *, rng: np.random.Generator) -> Kinds:
        """Say for each cell which kind of the model it is.

        A name with several candidates is split by the shares of the table where it states them, else in proportion to
        `composition` (kind to density, as the host scale has it), else evenly. Numbers of cells follow the shares to
        one cell (largest remainder); which cell becomes which is drawn.

        Raises:
            InputError: the composition names an unknown kind or holds a negative number.
        """
        composition = dict(composition or {})
        for kind, value in composition.items():
            if kind not in KINDS or not (np.isfinite(value) and value >= 0):
                raise InputError("not a kind of cell with a share", field=f"composition[{kind}]", value=value,
                                 valid=f"numbers >= 0 for {', '.join(KINDS[1:])}")  # fmt: skip
        kind = np.zeros(len(self), np.uint8)
        for name in sorted(self.names):
            row, at = self.names[name], np.flatnonzero(self.cell_type == name)
            if row.kinds[0] in (NONE, VESSEL):
                continue
            weight = np.array(row.shares or [composition.get(k, 0.0) for k in row.kinds], float)
            share = weight / weight.sum() if weight.sum() > 0 else np.full(len(weight), 1 / len(weight))
            number = np.floor(share * len(at)).astype(int)
            rest = share * len(at) - number
            number[np.argsort(-rest, kind="stable")[: len(at) - number.sum()]] += 1
            kind[at] = rng.permutation(np.repeat([KINDS.index(k) for k in row.kinds], number))
        return Kinds(kind, np.isin(self.cell_type, [n for n, r in self.names.items() if r.kinds == (VESSEL,)]),
                     np.isin(self.cell_type, list(self.left_out)))  # fmt: skip


def read_slide(
    source: Any,
    *,
    sample: str | None = None,
    pixel_um: float | None = None,
    image_size: tuple[float, float] | None = None,
    columns: Mapping[str, str] | None = None,
    phenotypes: Mapping[str, str] | None = None,
    groups: Path | str | None = None,
    knowledge: Knowledge | None = None,
) -> Slide:
    """Read the cells of one sample.

    Args:
        source: table (``.tsv``, ``.csv``, ``.gz`` of either, ``.parquet``), AnnData or SpatialData (file or object).
        sample: which sample, where the file holds several.
        pixel_um: size of one unit of the coordinates in um (1 for coordinates in um). Only columns named ``x_um`` and
            ``y_um``, those of QuPath in um and cell tables of Xenium say it by themselves.
        image_size: width and height of the image in units of the coordinates; None for the box around the cells.
        columns: names of the columns for ``x``, ``y``, ``cell_type``, ``sample`` where they are not the usual ones, and
            of columns that say which cells are positive for a marker of `MARKERS`.
        phenotypes: columns of yes and no, such as those of HALO, each with the type that a yes means; the first yes of
            a cell in this order counts, and a cell without any is ``Other``. Instead of a column of types.
        groups: table with a type for each ``cell_id``, such as ``cell_groups.csv`` of Xenium; for cells without types.
        knowledge: catalogue with the table of names.

    Raises:
        InputError: naming file, field and value: a missing column or sample, coordinates that are missing, not numbers,
            negative, outside the image or doubled, types that are missing or unknown (all of them, with near misses),
            or a pixel size that no tissue has.
    """
    path = name_of(source)
    table, unit_known = read_cells(source, columns or {}, phenotypes or {}, groups)
    knowledge = knowledge or load_knowledge()
    everywhere = _known(table["cell_type"], knowledge)
    table, sample = _one_sample(table, sample, path)
    return _build(table, sample, unit_known, path, pixel_um, image_size, knowledge, everywhere)


def read_slides(
    source: Any,
    *,
    pixel_um: float | None = None,
    image_size: tuple[float, float] | None = None,
    columns: Mapping[str, str] | None = None,
    phenotypes: Mapping[str, str] | None = None,
    groups: Path | str | None = None,
    knowledge: Knowledge | None = None,
) -> dict[str, Slide]:
    """Read all samples of a file, by sample; a file without a column of samples is one, by the name of the file.

    Arguments and errors as in `read_slide`.
    """
    path = name_of(source)
    table, unit_known = read_cells(source, columns or {}, phenotypes or {}, groups)
    knowledge = knowledge or load_knowledge()
    if "sample" not in table.columns or not len(table):
        table, name = _one_sample(table, None, path)
        return {name: _build(table, name, unit_known, path, pixel_um, image_size, knowledge, {})}
    how = (unit_known, path, pixel_um, image_size, knowledge, _known(table["cell_type"], knowledge))
    parts = {str(name): part.reset_index(drop=True) for name, part in table.groupby("sample", sort=True)}
    return {name: _build(part, name, *how) for name, part in parts.items()}


def _build(
    table: pd.DataFrame,
    sample: str,
    unit_known: bool,
    path: Path,
    pixel_um: float | None,
    image_size: tuple[float, float] | None,
    knowledge: Knowledge,
    everywhere: Mapping[str, CellName],
) -> Slide:
    """Check the rows of one sample and make its slide; `everywhere` are the known types of the whole file."""
    if pixel_um is None and not unit_known:
        raise InputError("the unit of the coordinates is not known", file=path, field="pixel_um",
                         valid="the size of one pixel in um, such as 0.5; 1 for coordinates in um; in a folder as "
                         "pixel_um under [slide] of patient.toml or cohort.toml")  # fmt: skip
    pixel = 1.0 if pixel_um is None else float(pixel_um)
    if unit_known and pixel != 1.0:
        raise InputError("the columns x_um and y_um are in um already", file=path, field="pixel_um", value=pixel_um,
                         valid="1, or none")  # fmt: skip
    if not (np.isfinite(pixel) and pixel > 0):
        raise InputError("not a size", file=path, field="pixel_um", value=pixel_um, valid="a number of um above 0")
    xy, low, high, notes = _coordinates(table, pixel, image_size, path)
    names = {**everywhere, **_names(table["cell_type"], knowledge, path)}
    _plausible(len(xy), low, high, pixel, path)
    positive = {m: table[m].to_numpy(bool) for m in MARKERS if m in table.columns}
    slide = Slide(xy[:, 0], xy[:, 1], table["cell_type"].to_numpy(dtype=object).astype(str), names, sample, low, high,
                  (), path, positive)  # fmt: skip
    if slide.left_out:
        listed = ", ".join(f"{name} ({n})" for name, n in slide.left_out.items())
        notes.append(f"{sum(slide.left_out.values())} of {len(slide)} cells are of types that the model lacks and are "
                     f"left out: {listed}")  # fmt: skip
    return replace(slide, notes=tuple(notes))


def _one_sample(table: pd.DataFrame, sample: str | None, path: Path) -> tuple[pd.DataFrame, str]:
    """Return the rows of one sample and its id."""
    if not len(table):
        raise InputError("the table holds no cell", file=path, valid="one row a cell")
    if "sample" not in table:
        return table, sample or path.name.split(".")[0]
    present = sorted(table["sample"].unique())
    if sample is None and len(present) > 1:
        raise InputError(f"the file holds {len(present)} samples", file=path, field="sample",
                         valid=f"one of {', '.join(present[:8])}{', ...' if len(present) > 8 else ''}")  # fmt: skip
    sample = present[0] if sample is None else sample
    if sample not in present:
        raise InputError("the sample is not in this file", file=path, field="sample", value=sample,
                         valid=near_misses(sample, present))  # fmt: skip
    return table[table["sample"] == sample].reset_index(drop=True), sample


def _coordinates(
    table: pd.DataFrame, pixel: float, image_size: tuple[float, float] | None, path: Path
) -> tuple[Array, Array, Array, list[str]]:
    """Return coordinates and corners of the field of view in um, and notes."""
    for axis in "xy":
        value = pd.to_numeric(table[axis], errors="coerce").to_numpy(float)
        wrong = np.flatnonzero(~np.isfinite(value))
        if len(wrong):
            raise InputError(f"{len(wrong)} cells have no coordinate", file=path, field=axis,
                             value=f"row {wrong[0] + 1} of the sample: {table[axis].iloc[wrong[0]]!s}",
                             valid="a finite number for each cell")  # fmt: skip
        table[axis] = value
    xy = table[["x", "y"]].to_numpy(float) * pixel
    notes: list[str] = []
    double = table.duplicated(["x", "y"], keep=False).to_numpy()
    if double.any():
        first = table.loc[double, ["x", "y"]].iloc[0].tolist()
        raise InputError(f"{int(double.sum())} cells share their position with another cell", file=path, field="x, y",
                         value=first, valid="each cell once; remove doubled rows or name one sample")  # fmt: skip
    size = None if image_size is None else np.asarray(image_size, float) * pixel
    if size is not None and not (size.shape == (2,) and np.isfinite(size).all() and (size > 0).all()):
        raise InputError("not the size of an image", file=path, field="image_size", value=image_size,
                         valid="width and height in units of the coordinates")  # fmt: skip
    limit = np.full(2, np.inf) if size is None else size
    for i, axis in enumerate("xy"):
        beyond = (xy[:, i] < -EDGE_UM) | (xy[:, i] > limit[i] + EDGE_UM)
        if beyond.any():
            first = float(table[axis].to_numpy(float)[beyond][0])
            top = "" if size is None else f" to {limit[i] / pixel:g}"
            raise InputError(f"{int(beyond.sum())} cells lie outside the image", file=path, field=axis, value=first,
                             valid=f"coordinates from 0{top}; shift them to the corner of the image")  # fmt: skip
    moved = int(((xy < 0) | (xy > limit)).any(axis=1).sum())
    if moved:
        notes.append(f"{moved} cells up to {EDGE_UM:g} um outside the image were moved onto its edge")
        xy = np.clip(xy, 0.0, limit)
    if size is not None:
        return xy, np.zeros(2), size, notes
    # Half a mean distance beyond the outermost centers, so that the field of view holds whole cells.
    half = 0.5 * float(np.sqrt(max(np.prod(np.ptp(xy, axis=0)), 1.0) / len(xy)))
    return xy, np.maximum(xy.min(0) - half, 0.0), xy.max(0) + half, notes


def _known(types: pd.Series, knowledge: Knowledge) -> dict[str, CellName]:
    """Return the types of a file that are known; what no cell of one sample is may still be a type of its file."""
    found = {name: knowledge.cell_names.find(name) for name in sorted(set(types.tolist()))}
    return {name: row for name, row in found.items() if row is not None}


def _names(types: pd.Series, knowledge: Knowledge, path: Path) -> dict[str, CellName]:
    """Look every type up; refuse those without a name and all unknown ones at once."""
    counts = Counter(types.tolist())
    if counts.get("", 0):
        raise InputError(f"{counts['']} cells have no type", file=path, field="cell_type", value="",
                         valid="a type for each cell; 'Other' for one that is not known")  # fmt: skip
    found = {name: knowledge.cell_names.find(name) for name in sorted(counts)}
    missing = [name for name, row in found.items() if row is None]
    if missing:
        hints = {name: knowledge.cell_names.near(name) for name in missing}
        listed = "; ".join(
            f"'{name}' ({counts[name]} cells{', near: ' + ', '.join(near) if near else ''})"
            for name, near in hints.items()
        )
        raise InputError(
            f"{len(missing)} cell types are not known: {listed}", file=path, field="cell_type",
            valid="the names in knowledge/data/cell_names.tsv, or names added by a cell_names.tsv of your own in the "
            "folder of --knowledge",
        )  # fmt: skip
    return {name: row for name, row in found.items() if row is not None}


def _plausible(cells: int, low: Array, high: Array, pixel: float, path: Path) -> None:
    """Refuse a pixel size under which the tissue would hold impossibly few or many cells."""
    density = cells / max(float(np.prod(high - low)), 1e-12) * 1e6
    if FEWEST_PER_MM2 <= density <= MOST_PER_MM2:
        return
    fit, least, most = (pixel * (density / d) ** 0.5 for d in (TYPICAL_PER_MM2, MOST_PER_MM2, FEWEST_PER_MM2))
    raise InputError(
        f"{density:.3g} cells per mm2 is no tissue: the pixel size is wrong, or the cells are not of one image",
        file=path, field="pixel_um", value=pixel,
        valid=f"{FEWEST_PER_MM2:g} to {MOST_PER_MM2:g} cells per mm2; this image has them with pixels of {least:.3g} "
        f"to {most:.3g} um (about {fit:.2g} for a usual tumor)",
    )  # fmt: skip
