"""Resistant niches: places where suppressor cells enclose CD8 T cells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from tumornexus.errors import InputError
from tumornexus.spatial.points import Array, coordinates, pairs_within, positive

NICHE_UM = 30.0  # reach of a niche: three cell diameters, within which cells touch or nearly so; assumed
FEWEST_SUPPRESSORS = 3  # fewer cannot enclose a point of a plane
LEAST_SHARE = 1 / 3  # of the neighbors that are no CD8 T cells; assumed: every third cell around
FEWEST_ENCLOSED = 3  # CD8 T cells of one niche; assumed: one enclosed cell is no place


class Niches(NamedTuple):
    """Where suppressor cells enclose CD8 T cells, and whether more often than chance.

    Attributes:
        enclosed: which cells are enclosed CD8 T cells, (cell,) bool.
        niche: number of the niche of each enclosed cell, -1 for all others, (cell,).
        count: number of niches.
        share: enclosed over all CD8 T cells; NaN without one.
        expected: mean of that share under the permutations; p: share of permutations (the observed one counted) with at
            least as many enclosed cells. Both NaN without CD8 T cells or suppressors.
    """

    enclosed: Array
    niche: Array
    count: int
    share: float
    expected: float
    p: float


def resistant_niches(
    xy: Array,
    is_cd8: Array,
    is_suppressor: Array,
    rng: np.random.Generator,
    *,
    strata: Array | None = None,
    radius: float = NICHE_UM,
    n_permutations: int = 200,
) -> Niches:
    """Find CD8 T cells that suppressor cells enclose, and the places where these lie together.

    A CD8 T cell is enclosed where, among its neighbors within `radius` um, at least `FEWEST_SUPPRESSORS` are
    suppressors, they are at least `LEAST_SHARE` of all neighbors that are no CD8 T cells, and the cell lies inside
    their convex hull: no gap between the directions in which they lie reaches 180 degrees. Enclosed cells within
    `radius` of each other form a niche, which needs `FEWEST_ENCLOSED` of them.

    Test: the label of suppressor is shuffled over all cells that are no CD8 T cells, positions and CD8 T cells held,
    within each stratum of `strata` (nest and stroma, say), so that T cells and fibroblasts that merely share the stroma
    are no finding. p = (1 + permutations with at least as many enclosed cells) / (1 + permutations).

    Args:
        xy: coordinates, um (cell, 2).
        is_cd8, is_suppressor: which cells; none may be both.
        rng: of the shuffles.
        strata: a label for each cell, (cell,); None for one stratum.
    """
    is_cd8, is_suppressor = np.asarray(is_cd8, bool), np.asarray(is_suppressor, bool)
    xy = coordinates(xy, is_cd8, is_suppressor)
    if xy.shape[1] != 2:
        raise InputError("niches are read on a section", field="xy", value=xy.shape, valid="shape (cells, 2)")
    if (is_cd8 & is_suppressor).any():
        raise InputError("cells are both CD8 T cells and suppressors", field="is_suppressor",
                         value=int((is_cd8 & is_suppressor).sum()), valid="one of the two, or neither")  # fmt: skip
    if n_permutations < 1:
        raise InputError("too few permutations", field="n_permutations", value=n_permutations, valid="1 or more")
    reach = positive(radius, "radius")
    none = np.full(len(xy), -1)
    if not is_cd8.any() or not is_suppressor.any():
        share = 0.0 if is_cd8.any() else float("nan")
        return Niches(np.zeros(len(xy), bool), none, 0, share, float("nan"), float("nan"))
    around = _Neighbors(xy, is_cd8, reach)
    inside = around.enclosed(is_suppressor)
    enclosed = np.zeros(len(xy), bool)
    enclosed[np.flatnonzero(is_cd8)[inside]] = True
    counts = [int(around.enclosed(s).sum()) for s in _shuffled(is_suppressor, is_cd8, strata, n_permutations, rng)]
    observed, total = int(inside.sum()), int(is_cd8.sum())
    p = (1 + sum(c >= observed for c in counts)) / (1 + n_permutations)
    niche, number = _places(xy, enclosed, reach)
    return Niches(enclosed, niche, number, observed / total, float(np.mean(counts)) / total, p)


class _Neighbors:
    """Neighbors of CD8 T cells that are no CD8 T cells, by T cell and direction; found once for all shuffles."""

    def __init__(self, xy: Array, is_cd8: Array, radius: float) -> None:
        centers, others = np.flatnonzero(is_cd8), np.flatnonzero(~is_cd8)
        near = cKDTree(xy[centers]).query_ball_tree(cKDTree(xy[others]), radius)
        owner = np.repeat(np.arange(len(centers)), [len(n) for n in near])
        cell = others[np.fromiter((i for n in near for i in n), np.intp, len(owner))]
        dx, dy = (xy[cell] - xy[centers[owner]]).T
        angle = np.arctan2(dy, dx)
        order = np.lexsort((angle, owner))
        self.centers, self.owner, self.cell, self.angle = len(centers), owner[order], cell[order], angle[order]
        self.neighbors = np.bincount(owner, minlength=len(centers))

    def enclosed(self, is_suppressor: Array) -> Array:
        """Return which T cells are enclosed, (T cell,) bool."""
        here = is_suppressor[self.cell]
        owner, angle = self.owner[here], self.angle[here]
        number = np.bincount(owner, minlength=self.centers)
        enough = (number >= FEWEST_SUPPRESSORS) & (number >= LEAST_SHARE * self.neighbors)
        if not len(owner):
            return enough
        first = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
        last = np.r_[first[1:], len(owner)] - 1
        following = np.r_[angle[1:], 0.0]
        following[last] = angle[first] + 2 * np.pi
        widest = np.full(self.centers, 2 * np.pi)
        widest[owner[first]] = np.maximum.reduceat(following - angle, first)
        return enough & (widest < np.pi)


def _shuffled(label: Array, fixed: Array, strata: Array | None, n: int, rng: np.random.Generator) -> list[Array]:
    """Return the label shuffled within strata over all cells that are not fixed, n times."""
    strata = np.zeros(len(label)) if strata is None else np.asarray(strata)
    groups = [np.flatnonzero(~fixed & (strata == s)) for s in np.unique(strata)]
    found = []
    for _ in range(n):
        new = label.copy()
        for group in groups:
            new[group] = rng.permutation(label[group])
        found.append(new)
    return found


def _places(xy: Array, enclosed: Array, radius: float) -> tuple[Array, int]:
    """Return the niche of each enclosed cell, numbered from the largest, and how many niches there are."""
    at = np.flatnonzero(enclosed)
    niche = np.full(len(xy), -1)
    if not len(at):
        return niche, 0
    a, b = pairs_within(xy[at], radius).T
    graph = coo_matrix((np.ones(len(a), bool), (a, b)), shape=(len(at), len(at)))
    _, component = connected_components(graph, directed=False)
    sizes = np.bincount(component)
    large = [c for c in np.argsort(-sizes, kind="stable") if sizes[c] >= FEWEST_ENCLOSED]
    for number, c in enumerate(large):
        niche[at[component == c]] = number
    return niche, len(large)
