"""States of single cells from markers: exhaustion of CD8 T cells, polarity of macrophages, kind of fibroblast.

The score of a state in one cell is the mean over its measured markers of

    min(1, ln(1 + 10^4 x / total))

so a marker counts as seen at ln(1 + CP10k) = 1 (1.7 per ten thousand transcripts) and in part below. Without the limit
one abundant gene would outweigh a list of transcription factors. A score depends on nothing but its cell: not on the
number of cells, their order, other samples or the depth of sequencing beyond what it misses. What it misses (a marker
that is there but was not caught) falls on all states of a cell alike, and cells without any marker stay unassigned.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np

from tumornexus.io.single_cell import SingleCells
from tumornexus.knowledge.cell_names import CellName

Array = np.ndarray
FEWEST_MARKERS = 0.5  # a state of which fewer than half of the markers were measured cannot be told
SEEN = 1.0  # ln(1 + CP10k) at which a marker counts as seen; assumed: one molecule in a cell of 5,800
CD8 = {"cd8_progenitor", "cd8_effector", "cd8_terminal"}
MACROPHAGE = {"tam_m1", "tam_m2"}
FIBROBLAST = {"caf_matrix", "caf_cytokine"}
OF = {"cd8": CD8, "macrophage": MACROPHAGE, "fibroblast": FIBROBLAST}


@dataclass(frozen=True)
class State:
    """Markers of one state of a type: `of` names the type; `source` the papers."""

    id: str
    of: str
    genes: tuple[str, ...]
    source: str


@lru_cache(maxsize=1)
def states() -> dict[str, State]:
    """Return the states by id, as ``data/cell_states.toml`` lists them."""
    text = resources.files("tumornexus.profile").joinpath("data/cell_states.toml").read_text(encoding="utf-8")
    return {k: State(k, v["of"], tuple(v["genes"]), v["source"]) for k, v in tomllib.loads(text).items()}


def is_of(row: CellName, kinds: set[str]) -> bool:
    """Whether a type is one of these kinds and no other: a name that fits others too is not."""
    return set(row.kinds) <= kinds


def cells_of(cells: SingleCells, kinds: set[str]) -> Array:
    """Return which cells are of a type that is one of these kinds, (cell,) bool."""
    return cells.where(name for name, row in cells.names.items() if is_of(row, kinds))


def logged(cells: SingleCells, genes: list[str]) -> Array:
    """Return ln(1 + CP10k) of measured genes, (cell, gene) float64."""
    at = cells.genes.get_indexer(genes)
    values = np.asarray(cells.matrix[:, at].todense(), dtype=float)
    return np.log1p(values * (1e4 / cells.total)[:, None])


def state_scores(cells: SingleCells) -> dict[str, Array]:
    """Return the score of every state in every cell, (cell,) from 0 to 1; NaN where too few markers were measured."""
    wanted = sorted({g for s in states().values() for g in s.genes} & set(cells.genes))
    seen = np.minimum(logged(cells, wanted) / SEEN, 1.0)
    place = {g: i for i, g in enumerate(wanted)}
    found = {}
    for state in states().values():
        at = [place[g] for g in state.genes if g in place]
        enough = len(at) >= FEWEST_MARKERS * len(state.genes)
        found[state.id] = seen[:, at].mean(axis=1) if enough else np.full(len(cells), np.nan)
    return found


def assign(scores: dict[str, Array], names: tuple[str, ...]) -> Array:
    """Return for each cell the state (its position in `names`) with the highest score; -1 without one.

    A cell in which no marker was seen, or in which two states tie at the top, has none.
    """
    table = np.column_stack([scores[n] for n in names])
    best = table.max(axis=1)
    clear = (best > 0) & ((table == best[:, None]).sum(axis=1) == 1)
    return np.where(clear, table.argmax(axis=1), -1)
