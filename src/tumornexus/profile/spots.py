"""What Visium-like spots say: gene scores and the user's shares of cell types, smoothed, and who goes with whom.

A spot holds one to ten cells, so no cell is classified, no phenotype is called and no fact is handed to a biomarker:
there is no threshold for spots. Shares of types come from the user's own deconvolution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.activities import named_generator
from tumornexus.errors import InputError, near_misses
from tumornexus.io.cell_matrix import gene_columns, pick_matrix
from tumornexus.io.single_cell import open_cells
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.profile.cell_states import states
from tumornexus.profile.reference import FEWEST_COVERED, panels
from tumornexus.profile.single_cell import KEY
from tumornexus.provenance import to_json
from tumornexus.spatial.spots import REACH, Together, smoothed, spacing, together


@dataclass(frozen=True)
class SpotProfile:
    """What the spots of one section say.

    Attributes:
        spots: how many; spacing: between neighbors, in units of the coordinates.
        scores: raw and smoothed (suffix ``_smoothed``) gene scores and shares of types, (spot, score).
        pairs: for each two shares of types, how they go together; empty without shares.
        scale: what the file holds; notes: what was not measured, in words.
    """

    spots: int
    spacing: float
    scores: pd.DataFrame
    pairs: Mapping[tuple[str, str], Together]
    scale: str
    notes: tuple[str, ...]


def profile_spots(
    source: Any,
    *,
    shares: Sequence[str] = (),
    reach: float = REACH,
    layer: str | None = None,
    scale: str | None = None,
    knowledge: Knowledge | None = None,
) -> SpotProfile:
    """Profile the spots of one section.

    Args:
        source: AnnData or a file of it, with ``obsm["spatial"]`` and one section only.
        shares: columns of `obs` with the share of a cell type in each spot, named as cell types are.
        reach: of the smoothing, in spacings between spots; 1.5 takes the direct neighbors.
        layer, scale: as in `read_single_cells`.
        knowledge: catalogue with the tables of names and of genes.

    Raises:
        InputError: no coordinates, spots in one place, a share that is no column, no known type or negative.
    """
    knowledge = knowledge or load_knowledge()
    data, path = open_cells(source)
    if "spatial" not in data.obsm:
        raise InputError("there are no coordinates", file=path, field='obsm["spatial"]', valid="an array (spot, 2)")
    xy = np.asarray(data.obsm["spatial"], float)
    step = spacing(xy)
    if not step > 0:
        raise InputError("spots lie in one place, or there is only one", file=path, field='obsm["spatial"]',
                         value=len(xy), valid="the spots of one section")  # fmt: skip
    picked = pick_matrix(data, path, layer, scale)
    columns = gene_columns(picked.var, knowledge.genes, path)
    matrix = columns.collect(picked.values)
    lists = {"inflamed": panels()["inflamed"], "stroma": panels()["stroma"], "lymphoid": panels()["lymphoid"],
             **{s.id: s.genes for s in states().values()}}  # fmt: skip
    total = np.maximum(picked.total, 1e-12)
    found: dict[str, np.ndarray] = {}
    notes = [picked.scale.words, *columns.notes]
    empty = int((picked.total <= 0).sum())
    if empty:
        notes.append(f"{empty} spots hold no transcript and score 0")
    for name, genes in lists.items():
        at = columns.symbols.get_indexer(list(genes))
        at = at[at >= 0]
        if len(at) < FEWEST_COVERED * len(genes):
            notes.append(f"{name}: {len(at)} of {len(genes)} genes measured, not scored")
            continue
        values = np.asarray(matrix[:, at].todense(), float) * (1e4 / total)[:, None]
        found[name] = np.log1p(values).mean(axis=1)
    types = {}
    for column in shares:
        if column not in data.obs.columns:
            raise InputError("obs has no column of that name", file=path, field="shares", value=column,
                             valid=near_misses(column, map(str, data.obs.columns)))  # fmt: skip
        row = knowledge.cell_names.find(column)
        if row is None:
            raise InputError("the cell type is not known", file=path, field="shares", value=column,
                             valid=", ".join(knowledge.cell_names.near(column)) or "as in cell_names.tsv")  # fmt: skip
        values = pd.to_numeric(data.obs[column], errors="coerce").to_numpy(float)
        if not np.isfinite(values).all() or (values < 0).any():
            raise InputError("a share is missing or negative", file=path, field=column,
                             valid="a number >= 0 for each spot")  # fmt: skip
        types[row.name] = types.get(row.name, 0.0) + values
    raw = {**found, **{f"share_{n}": v for n, v in types.items()}}
    table = pd.DataFrame(raw, index=data.obs_names)
    smooth = smoothed(xy, table.to_numpy(), reach * step) if raw else np.zeros((len(xy), 0))
    scores = table.join(pd.DataFrame(smooth, index=table.index, columns=pd.Index([f"{c}_smoothed" for c in table])))
    names = list(types)
    pairs = {
        (a, b): together(xy, types[a], types[b], named_generator(0, "spots", a, b), radius=reach * step)
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    }
    return SpotProfile(len(xy), step, scores, pairs, picked.scale.words, tuple(notes))


def score_spots(data: Any, *, copy: bool = True, **how: Any) -> Any:
    """Return the AnnData with the scores of `profile_spots` in ``obsm["tumornexus"]``; `X` and all else untouched."""
    from tumornexus import __version__

    found = profile_spots(data, **how)
    given = data.copy() if copy else data
    given.obsm[KEY] = found.scores
    given.uns[KEY] = {
        "tumornexus": __version__,
        "pairs": to_json({f"{a} | {b}": {k: None if np.isnan(v) else v for k, v in t._asdict().items()}
                          for (a, b), t in found.pairs.items()}),
        "notes": list(found.notes),
    }  # fmt: skip
    return given
