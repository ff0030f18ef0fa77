"""Which cells a bulk sample holds: fractions by constrained least squares, and mean expression of marker genes.

    minimize |A x - b|  subject to  x >= 0, sum x <= 1;   fraction_k = sum(x) (x_k / r_k) / sum_j (x_j / r_j)

A (gene, cell) is the signature matrix TIL10, b the sample in TPM, r the RNA content of a cell; what is left to
one is everything that has no profile (cancer cells, stroma). The method and the matrix are those of quanTIseq
(Finotello et al. 2019, doi:10.1186/s13073-019-0638-6); the code is our own. Fibroblasts and endothelium have no profile
with an open license; they get a marker score only.

A fraction is of all cells, as far as one general matrix can tell: it compares one type between samples better than two
types within one. No biomarker reads it, so nothing of it enters an activity.
"""

from __future__ import annotations

import io as stdio
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.profile.measure import Scored, universe_vector
from tumornexus.profile.reference import FEWEST_COVERED, Reference

# Sum over the universe of a sample brought to the reference by its stable genes: median of eight cohorts of medians
# (470,000 to 1,106,000, a standard deviation of 0.28 in natural logarithm). Totals to a million as TPM should.
UNIVERSE_TOTAL = 676_000.0
TOTAL_ERROR = 0.28
GROUPS = 10  # of genes left out in turn for the standard error
# Half-width of a 90 % interval in standard errors (normal), and the least of a fraction: what the jackknife calls
# exactly zero may be a cell in a hundred. Neither is fitted; verification/deconvolution.py measures what they hold.
WIDTH = 1.645
LEAST_WIDTH = 0.01


@dataclass(frozen=True)
class CellGroup:
    """A cell type that bulk expression can tell: its name, Cell Ontology term, cells of the catalogue and genes."""

    id: str
    name: str
    ontology: str
    cells: tuple[str, ...]
    signature: str | None
    markers: tuple[str, ...]


@dataclass(frozen=True)
class Signature:
    """Signature matrix: genes, cells, profiles (gene, cell) in TPM and RNA content of a cell (cell,), relative."""

    genes: tuple[str, ...]
    cells: tuple[str, ...]
    profiles: np.ndarray
    rna_content: np.ndarray


@dataclass(frozen=True)
class CellFraction:
    """What bulk expression says about one cell type in one sample.

    Attributes:
        group: id of the cell type (`cell_groups`).
        fraction, low, high: share of all cells with its 90 % interval; None without a profile or with too few genes.
        marker_score, marker_low, marker_high: mean of the markers in reference standard deviations of single genes,
            with the 90 % interval from their disagreement; None with fewer than half of them measured.
        genes_measured: of the markers.
        genes_missing: of the markers.
    """

    group: str
    fraction: float | None
    low: float | None
    high: float | None
    marker_score: float | None
    marker_low: float | None
    marker_high: float | None
    genes_measured: tuple[str, ...]
    genes_missing: tuple[str, ...]


@dataclass(frozen=True)
class Composition:
    """Cell types of one sample, the share that has no profile (None where not deconvolved), and what limits both."""

    cells: tuple[CellFraction, ...]
    other: float | None
    note: str


def _data(name: str) -> str:
    return resources.files("tumornexus.profile").joinpath(f"data/{name}").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def cell_groups() -> tuple[CellGroup, ...]:
    """Cell types of ``data/cell_groups.toml``."""
    return tuple(
        CellGroup(n, e["name"], e["ontology"], tuple(e["cells"]), e.get("signature"), tuple(e["markers"]))
        for n, e in tomllib.loads(_data("cell_groups.toml")).items()
    )


@lru_cache(maxsize=1)
def load_signature() -> Signature:
    """Signature matrix of ``data/til10.tsv`` (its license stands at the top of the file)."""
    table = pd.read_csv(stdio.StringIO(_data("til10.tsv")), sep="\t", index_col=0, comment="#")
    content = table.loc["mrna_content"].to_numpy(dtype=float)
    table = table.drop(index="mrna_content")
    return Signature(
        tuple(str(g) for g in table.index), tuple(table.columns), table.to_numpy(dtype=float), content / content.mean()
    )


def bounded_least_squares(profiles: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """Solve min |A x - b| with x >= 0 and sum x <= 1 for A (gene, cell), b (gene,); returns x (cell,).

    Where the bound on the sum is not reached, this is the non-negative solution. Otherwise the sum is one, by a row of
    ones so heavy (1e4 times the data) that it differs from one by less than 1e-6.
    """
    from scipy.optimize import nnls

    size = float(np.abs(profiles).max())
    a, b = profiles / size, sample / size
    x, _ = nnls(a, b)
    if x.sum() > 1.0:
        heavy = 1e4 * max(1.0, float(np.abs(b).max()))
        x, _ = nnls(np.vstack([a, np.full((1, a.shape[1]), heavy)]), np.append(b, heavy))
    return x


def cell_shares(solution: np.ndarray, rna_content: np.ndarray) -> np.ndarray:
    """From shares of RNA (cell,) to shares of cells with the same total, by the RNA content of a cell."""
    cells = solution / rna_content
    total = cells.sum()
    return cells * (solution.sum() / total) if total > 0.0 else cells


def deconvolve(values: np.ndarray, signature: Signature) -> tuple[np.ndarray, np.ndarray]:
    """Fractions (cell,) and their standard errors from TPM of the signature's genes (gene,), NaN where not measured.

    The error is that of the delete-group jackknife: one tenth of the genes is left out in turn, always the same genes,
    (g - 1) / g sum (x_i - mean)^2. The error of the total of a sample is added, TOTAL_ERROR times the fraction.
    """
    used = np.flatnonzero(np.isfinite(values))
    group = np.arange(len(values)) % GROUPS

    def solve(rows: np.ndarray) -> np.ndarray:
        return cell_shares(bounded_least_squares(signature.profiles[rows], values[rows]), signature.rna_content)

    whole = solve(used)
    parts = np.array([solve(used[group[used] != g]) for g in range(GROUPS)])
    variance = (GROUPS - 1) / GROUPS * ((parts - parts.mean(axis=0)) ** 2).sum(axis=0)
    return whole, np.sqrt(variance + (TOTAL_ERROR * whole) ** 2)


@lru_cache(maxsize=4)
def _positions(reference: Reference) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Positions in the universe of signature genes (-1: not in it) and of the markers of each group."""
    signature = np.array([reference.index.get(g, -1) for g in load_signature().genes], dtype=np.intp)
    return signature, tuple(reference.positions(g.markers) for g in cell_groups())


def _marker_score(z: np.ndarray, group: CellGroup, positions: np.ndarray, reference: Reference) -> dict[str, Any]:
    measured = positions[np.isfinite(z[positions])]
    found = {reference.genes[i] for i in measured}
    genes = {
        "genes_measured": tuple(g for g in group.markers if g in found),
        "genes_missing": tuple(g for g in group.markers if g not in found),
    }
    if not group.markers or len(measured) < FEWEST_COVERED * len(group.markers):
        return {"marker_score": None, "marker_low": None, "marker_high": None, **genes}
    # A gene's own part, about half of its variance, is what markers of one cell disagree by; one marker alone has it in
    # full.
    spread = float(np.std(z[measured], ddof=1)) if len(measured) > 2 else math.sqrt(0.5)
    score, error = float(z[measured].mean()), spread / math.sqrt(len(measured))
    return {
        "marker_score": score, "marker_low": score - WIDTH * error, "marker_high": score + WIDTH * error,
        **genes,
    }  # fmt: skip


def composition(expression: pd.Series, scored: Scored, reference: Reference) -> Composition:
    """Cell types of one sample from its linear expression and its standardized genes; sees no other sample.

    The sample is brought to TPM by its stable genes, so that panels and transcriptomes of any depth share one scale.
    With fewer than half of the signature's genes measured there are no fractions, only marker scores.
    """
    signature = load_signature()
    places, markers = _positions(reference)
    values = universe_vector(expression, reference)
    tpm = np.where(places >= 0, values[np.maximum(places, 0)], np.nan) * (2.0**-scored.offset * 1e6 / UNIVERSE_TOTAL)
    measured = int(np.isfinite(tpm).sum())
    fractions: Mapping[str, tuple[float, float, float]] = {}
    other, note = None, f"{measured} of {len(tpm)} signature genes measured"
    if measured >= FEWEST_COVERED * len(tpm):
        share, error = deconvolve(tpm, signature)
        half = np.maximum(WIDTH * error, LEAST_WIDTH)
        fractions = {
            c: (float(s), max(0.0, float(s - h)), min(1.0, float(s + h)))
            for c, s, h in zip(signature.cells, share, half, strict=True)
        }
        other = max(0.0, 1.0 - float(share.sum()))
    else:
        note += ": too few for fractions"
    cells = []
    for group, positions in zip(cell_groups(), markers, strict=True):
        found = fractions.get(group.signature or "", (None, None, None))
        cells.append(CellFraction(group.id, *found, **_marker_score(scored.z, group, positions, reference)))
    return Composition(tuple(cells), other, note)


def composition_record(found: Composition) -> dict[str, Any]:
    """Everything about the composition of a sample, ready for JSON."""
    groups = {g.id: g for g in cell_groups()}
    return {
        "method": "constrained least squares on TIL10 (doi:10.1186/s13073-019-0638-6); marker means",
        "unit": "fraction of all cells; marker_score in reference standard deviations",
        "note": found.note,
        "other": found.other,
        "cells": {
            c.group: {
                "name": groups[c.group].name,
                "ontology": groups[c.group].ontology,
                "cells": groups[c.group].cells,
                **{k: v for k, v in vars(c).items() if k != "group"},
            }
            for c in found.cells
        },
    }
