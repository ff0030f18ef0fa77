"""What the single cells of one sample say: composition, pseudobulk, states of its cells, signals between them.

Takes `SingleCells` (io) and the catalogue; gives a `CellProfile` whose numbers carry intervals for the number of cells,
and hands a total pseudobulk to the scores of bulk expression and shares of cells to the biomarkers that ask for them.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.io.single_cell import SingleCells, open_cells, read_single_cells
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.profile.cell_states import CD8, FIBROBLAST, MACROPHAGE, assign, cells_of, is_of, state_scores, states
from tumornexus.profile.estimate import Estimate, mean, share, share_draws
from tumornexus.profile.signaling import Signal, signals
from tumornexus.provenance import installed_version

Array = np.ndarray
KEY = "tumornexus"
STAGES = ("cd8_progenitor", "cd8_effector", "cd8_terminal")
POLES = ("macrophage_m1", "macrophage_m2")
CAF_STATES = ("caf_matrix", "caf_cytokine")
# Below this a panel of genes was measured, whose totals are no transcriptome: a marker is seen more easily.
PANEL_GENES = 5000
FEW_CELLS = 200


@dataclass(frozen=True)
class TypeShare:
    """One type of cell in a sample: its name and Cell Ontology term in the table of names, and its shares.

    `of_immune` is None for a type that is not immune.
    """

    name: str
    ontology: str
    group: str
    cells: int
    of_all: Estimate
    of_immune: Estimate | None


@dataclass(frozen=True)
class CellProfile:
    """What the single cells of a sample say.

    Attributes:
        sample: id; cells: how many; immune: how many of them are immune.
        composition: types, most cells first; types of other samples of the file that this one lacks are here with 0.
        pseudobulk: counts per million of each type and, as ``total``, of all cells together (gene, type); types by
            their name in the table of names.
        exhaustion: share of each stage among CD8 T cells that could be assigned; ``unassigned`` among all of them.
        m2_position: of macrophages, from -1 (all M1 markers) to 1 (all M2 markers).
        caf: share of matrix and cytokine fibroblasts among those assigned; ``unassigned`` among all fibroblasts.
        treg_of_cd4: Treg among Treg and other CD4 T cells; treg_of_immune, mdsc_of_immune: among immune cells; None
            where the annotation knows no such type.
        signals: ligand-receptor activity by mediator.
        scale: what the file holds; notes: what limits the reading, in words.
    """

    sample: str
    cells: int
    immune: int
    composition: tuple[TypeShare, ...]
    pseudobulk: pd.DataFrame
    exhaustion: Mapping[str, Estimate]
    m2_position: Estimate
    caf: Mapping[str, Estimate]
    treg_of_cd4: Estimate | None
    treg_of_immune: Estimate | None
    mdsc_of_immune: Estimate | None
    signals: tuple[Signal, ...]
    scale: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CellFact:
    """A fact that a biomarker may read from cells: its value, draws of its posterior (draw,), and how it came about."""

    value: float
    draws: Array
    note: str


_PROFILED: weakref.WeakKeyDictionary[SingleCells, dict[str, CellProfile]] = weakref.WeakKeyDictionary()


def profile_single_cells(cells: SingleCells, knowledge: Knowledge | None = None) -> CellProfile:
    """Profile the single cells of one sample; the result does not depend on the order of cells or on other samples."""
    knowledge = knowledge or load_knowledge()
    kept = _PROFILED.setdefault(cells, {})
    if knowledge.digest not in kept:
        kept[knowledge.digest] = _profile(cells, knowledge)
    return kept[knowledge.digest]


def _profile(cells: SingleCells, knowledge: Knowledge) -> CellProfile:
    scores = state_scores(cells)
    immune = int(cells.where(n for n, r in cells.names.items() if r.group == "immune").sum())
    notes = [*cells.notes, *_limits(cells)]
    macrophages = cells_of(cells, MACROPHAGE)
    position = _position(scores, macrophages)
    return CellProfile(
        sample=cells.sample,
        cells=len(cells),
        immune=immune,
        composition=composition(cells),
        pseudobulk=pseudobulk(cells),
        exhaustion=_shares(scores, STAGES, cells_of(cells, CD8)),
        m2_position=mean(position[np.isfinite(position)], (-1.0, 1.0)),
        caf=_shares(scores, CAF_STATES, cells_of(cells, FIBROBLAST)),
        treg_of_cd4=treg_of_cd4(cells),
        treg_of_immune=_share_of(cells, {"treg"}, immune),
        mdsc_of_immune=_share_of(cells, {"mdsc"}, immune),
        signals=signals(cells, knowledge),
        scale=cells.scale.words,
        notes=tuple(notes),
    )


def composition(cells: Any) -> tuple[TypeShare, ...]:
    """Return the types of a sample with their shares of all and of immune cells; works for a slide too.

    Types of one row of the table of names are one type, whatever the file calls them.
    """
    written = cells.counts
    rows = {row.name: row for row in cells.names.values()}
    number = dict.fromkeys(rows, 0)
    for name, n in written.items():
        number[cells.names[name].name] += n
    total = sum(number.values())
    immune = sum(n for name, n in number.items() if rows[name].group == "immune")
    return tuple(
        TypeShare(name, rows[name].ontology, rows[name].group, n, share(n, total),
                  share(n, immune) if rows[name].group == "immune" else None)
        for name, n in sorted(number.items(), key=lambda item: (-item[1], item[0]))
    )  # fmt: skip


def pseudobulk(cells: SingleCells) -> pd.DataFrame:
    """Return counts per million of each type and of all cells, (gene, type), as `CellProfile.pseudobulk`.

    cpm = 10^6 x sum over cells of the gene / sum over cells of all transcripts. From counts, cells weigh by their
    transcripts, as they do in bulk RNA; from normalized values all weigh alike. A type without cells has NaN.
    """
    from scipy import sparse

    names = sorted({row.name for row in cells.names.values()})
    of = np.array([names.index(cells.names[n].name) for n in sorted(cells.names)])[cells.type_code]
    place = sparse.csr_matrix((np.ones(len(cells)), (of, np.arange(len(cells)))), shape=(len(names), len(cells)))
    sums = np.asarray((place @ cells.matrix).todense(), dtype=float)
    totals = np.bincount(of, weights=cells.total, minlength=len(names))
    with np.errstate(invalid="ignore", divide="ignore"):
        table = {n: 1e6 * sums[i] / totals[i] for i, n in enumerate(names)}
    table["total"] = 1e6 * sums.sum(axis=0) / totals.sum()
    return pd.DataFrame(table, index=cells.genes)


def total_expression(cells: SingleCells) -> pd.Series:
    """Return the total pseudobulk in counts per million by symbol (gene,), as the scores of bulk expression read it.

    Molecules counted from one end of the transcript do not grow with the length of a gene, so counts per million of
    single cells stand beside TPM, not beside counts per million of bulk reads.
    """
    total = np.asarray(cells.matrix.sum(axis=0, dtype=np.float64)).reshape(-1) * (1e6 / cells.total.sum())
    return pd.Series(total, index=cells.genes, name=cells.sample)


def _limits(cells: SingleCells) -> list[str]:
    notes = []
    unknown = cells.unknown()
    if unknown:
        listed = ", ".join(f"{name} ({n})" for name, n in unknown.items())
        notes.append(f"{sum(unknown.values())} of {len(cells)} cells have a type that is not known and count among all "
                     f"cells only: {listed}")  # fmt: skip
    if len(cells.genes) < PANEL_GENES:
        notes.append(f"{len(cells.genes)} genes are a panel: parts of its transcripts, not of a transcriptome")
    if len(cells) < FEW_CELLS:
        notes.append(f"{len(cells)} cells are few: the intervals of shares are wide, and the pseudobulk is noisy")
    known = set(cells.genes)
    for state in states().values():
        missing = [g for g in state.genes if g not in known]
        if missing:
            notes.append(f"markers of {state.id} not measured: {', '.join(missing)}")
    if not any(is_of(r, {"mdsc"}) for r in cells.names.values()):
        near = sum(n for name, n in cells.counts.items() if {"mdsc"} < set(cells.names[name].kinds))
        notes.append("the annotation knows no MDSC, so their share is not told"
                     + (f"; {near} cells are of types that may hold them" if near else ""))  # fmt: skip
    notes.append("intervals hold the number of cells only; dissociation loses some types more than others")
    return notes


def _shares(scores: Mapping[str, Array], names: tuple[str, ...], here: Array) -> dict[str, Estimate]:
    """Return the share of each state among the assigned cells of a type, and of those not assigned among all."""
    nothing = share(0, 0)
    if not here.any() or any(np.isnan(scores[n]).any() for n in names):
        return {**dict.fromkeys(names, nothing), "unassigned": nothing}
    stage = assign({n: scores[n][here] for n in names}, names)
    assigned = int((stage >= 0).sum())
    found = {n: share(int((stage == i).sum()), assigned) for i, n in enumerate(names)}
    return {**found, "unassigned": share(int((stage < 0).sum()), len(stage))}


def _position(scores: Mapping[str, Array], macrophages: Array) -> Array:
    """Return (M2 - M1) / (M2 + M1) of each macrophage, (cell,); NaN for other cells and where no marker was seen."""
    m1, m2 = (scores[n] for n in POLES)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(macrophages, (m2 - m1) / (m2 + m1), np.nan)


def _number(cells: Any, kinds: set[str]) -> int | None:
    """Return the number of cells of these kinds and no other; None where the annotation knows no such type."""
    names = {name for name, row in cells.names.items() if is_of(row, kinds)}
    return sum(n for name, n in cells.counts.items() if name in names) if names else None


def _share_of(cells: Any, kinds: set[str], whole: int) -> Estimate | None:
    number = _number(cells, kinds)
    return None if number is None or whole == 0 else share(number, whole)


def treg_of_cd4(cells: Any) -> Estimate | None:
    """Return Treg / (Treg + other CD4 T cells) of single cells or a slide; None where the annotation lacks either."""
    treg, other = _number(cells, {"treg"}), _number(cells, {"cd4_helper"})
    return None if treg is None or other is None or treg + other == 0 else share(treg, treg + other)


def treg_fact(cells: Any, where: str) -> dict[str, CellFact]:
    """Return the fact ``treg_percent_of_cd4`` of single cells or a slide, empty where it is not told."""
    found = treg_of_cd4(cells)
    if found is None:
        return {}
    treg = round(found.value * found.cells)
    note = f"{where}: {treg} Treg of {found.cells} CD4 T cells ({100 * found.low:.0f} to {100 * found.high:.0f} %)"
    return {"treg_percent_of_cd4": CellFact(100.0 * found.value, 100.0 * share_draws(treg, found.cells), note)}


def estimate_record(found: Estimate | None) -> dict[str, float | int | None] | None:
    """Return an estimate ready for JSON; None for NaN."""
    if found is None or not math.isfinite(found.value):
        return None
    return {"value": found.value, "low": found.low, "high": found.high, "cells": found.cells}


def cell_record(found: CellProfile) -> dict[str, Any]:
    """Return everything read from single cells but the pseudobulk, ready for JSON."""
    return {
        "cells": found.cells,
        "immune_cells": found.immune,
        "scale": found.scale,
        "composition": composition_record(found.composition),
        "cd8_exhaustion": {k: estimate_record(v) for k, v in found.exhaustion.items()},
        "macrophage_m2_position": estimate_record(found.m2_position),
        "caf_state": {k: estimate_record(v) for k, v in found.caf.items()},
        "treg_of_cd4": estimate_record(found.treg_of_cd4),
        "treg_of_immune": estimate_record(found.treg_of_immune),
        "mdsc_of_immune": estimate_record(found.mdsc_of_immune),
        "ligand_receptor": {
            s.mediator: {"activity": estimate_record(s.activity), "senders": s.senders, "receivers": s.receivers,
                         "by": s.by, "note": s.note}
            for s in found.signals
        },
        "notes": list(found.notes),
    }  # fmt: skip


def composition_record(found: tuple[TypeShare, ...]) -> list[dict[str, Any]]:
    """Return a composition ready for JSON."""
    return [
        {"name": t.name, "ontology": t.ontology or None, "group": t.group, "cells": t.cells,
         "of_all": estimate_record(t.of_all), "of_immune": estimate_record(t.of_immune)}
        for t in found
    ]  # fmt: skip


def score_cells(data: Any, knowledge: Knowledge | None = None, *, copy: bool = True, **how: Any) -> Any:
    """Return the AnnData (or MuData) with a score per cell in ``obsm["tumornexus"]``; `X` and all else untouched.

    Columns: the score of each state in each cell (`cell_states.state_scores`), whatever its type, and ``m2_position``
    of macrophages (NaN elsewhere). ``uns["tumornexus"]`` says with what it was made and holds the record of each
    sample as JSON. `how` are the keywords of `read_single_cells`. `copy`: leave the given object as it is.
    """
    from tumornexus import __version__
    from tumornexus.provenance import to_json

    knowledge = knowledge or load_knowledge()
    found = read_single_cells(data, knowledge=knowledge, **how)
    given = data.copy() if copy else data
    target = given
    if hasattr(given, "mod"):
        part, _ = open_cells(data, how.get("modality"))
        target = next(m for m in given.mod.values() if m.obs_names.equals(part.obs_names) and m.n_vars == part.n_vars)
    columns = [*states(), "m2_position"]
    table = pd.DataFrame(np.nan, index=target.obs_names, columns=pd.Index(columns))
    values = table.to_numpy(copy=True)
    for cells in found.values():
        scores = state_scores(cells)
        values[cells.rows] = np.column_stack(
            [*(scores[s] for s in states()), _position(scores, cells_of(cells, MACROPHAGE))]
        )
    target.obsm[KEY] = pd.DataFrame(values, index=target.obs_names, columns=pd.Index(columns))
    target.uns[KEY] = {
        "tumornexus": __version__,
        "knowledge_digest": knowledge.digest,
        "anndata": installed_version("anndata") or "",
        "arguments": to_json({k: v for k, v in how.items() if v is not None}),
        "samples": to_json({s: cell_record(profile_single_cells(c, knowledge)) for s, c in found.items()}),
        "columns": columns,
    }
    return given
