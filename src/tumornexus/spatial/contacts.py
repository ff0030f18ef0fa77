"""Who lies beside whom: mixing, neighborhoods, nearest distances, Ripley's cross-K."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from tumornexus.errors import InputError
from tumornexus.spatial.points import Array, coordinates, pairs_within, positive

# Centers of touching cells. Keren 2018 counts cells that touch, from their outlines; of centers within 8 to 39 um in
# the same images, 10 um comes closest to the published classes at the published cut (verification/keren.py).
CONTACT_UM = 10.0
# Keren 2018 (doi:10.1016/j.cell.2018.08.039), as two analyses of the same images quote it (the paper was not at hand):
# fewer than 250 immune cells in an image of 800 um by 800 um is cold, a mixing score below 0.22 compartmentalized,
# anything else mixed.
COLD_IMMUNE_CELLS = 250
KEREN_AREA_MM2 = 0.64
COMPARTMENTALIZED_BELOW = 0.22


class Mixing(NamedTuple):
    """How far immune cells mix with tumor cells: score (NaN without immune-immune contacts), counts and class."""

    score: float
    tumor_immune: int
    immune_immune: int
    immune_cells: int
    architecture: str  # "cold", "compartmentalized" or "mixed"


def mixing_score(
    xy: Array, is_tumor: Array, is_immune: Array, radius: float = CONTACT_UM, *, area_mm2: float = KEREN_AREA_MM2
) -> Mixing:
    """Return the mixing score of Keren et al. 2018 and the architecture that it means.

    score = tumor-immune contacts / immune-immune contacts, each unordered pair of cells counted once; a contact is two
    centers within `radius` um. Cold: fewer than 250 immune cells in the 0.64 mm^2 of an image of that paper, scaled to
    `area_mm2`; otherwise compartmentalized below a score of 0.22, else mixed (a score that is not defined is cold).

    Raises:
        InputError: malformed coordinates, labels or radius, or cells that are both tumor and immune.
    """
    is_tumor, is_immune = np.asarray(is_tumor, bool), np.asarray(is_immune, bool)
    xy = coordinates(xy, is_tumor, is_immune)
    if (is_tumor & is_immune).any():
        raise InputError("cells are both tumor and immune", field="is_immune",
                         value=int((is_tumor & is_immune).sum()), valid="one of the two, or neither")  # fmt: skip
    either = is_tumor | is_immune
    a, b = is_immune[either][pairs_within(xy[either], radius)].T if either.sum() > 1 else np.zeros((2, 0), bool)
    across, within = int((a != b).sum()), int((a & b).sum())
    score = across / within if within else float("nan")
    immune = int(is_immune.sum())
    if immune < COLD_IMMUNE_CELLS * area_mm2 / KEREN_AREA_MM2 or not within:
        word = "cold"
    else:
        word = "compartmentalized" if score < COMPARTMENTALIZED_BELOW else "mixed"
    return Mixing(score, across, within, immune, word)


class Enrichment(NamedTuple):
    """Neighbors by pair of types, each (type, type): z score, count of neighbors, mean over permutations."""

    types: tuple[str, ...]
    z: Array
    count: Array
    expected: Array


def neighborhood_enrichment(
    xy: Array, labels: Array, radius: float, n_permutations: int, rng: np.random.Generator
) -> Enrichment:
    """Return z scores of how often cells of one type neighbor cells of another, against shuffled labels.

    count[i, j] = number of (cell of type i, neighbor of type j), so a pair of one type counts twice on the diagonal;
    z = (count - mean) / standard deviation over `n_permutations` shuffles of all labels over all positions. The measure
    of squidpy's `nhood_enrichment` (Palla et al. 2022, from memory) on a graph of all cells within `radius` um. NaN
    where the shuffles do not vary (a type that has all cells).
    """
    labels = np.asarray(labels).astype(str)
    xy = coordinates(xy, labels)
    if n_permutations < 2:
        raise InputError("too few permutations for a spread", field="n_permutations", value=n_permutations,
                         valid="2 or more; 200 or more for a z score that can be read")  # fmt: skip
    types, code = np.unique(labels, return_inverse=True)
    k = len(types)
    first, second = np.ascontiguousarray(pairs_within(xy, radius).T)

    def count(code: Array) -> Array:
        table = np.bincount(code[first] * k + code[second], minlength=k * k).reshape(k, k)
        return table + table.T

    total, squares = np.zeros((k, k)), np.zeros((k, k))
    observed = count(code)
    for _ in range(n_permutations):
        # The difference from what was observed keeps the sum of squares exact for large counts.
        table = count(rng.permutation(code)) - observed
        total += table
        squares += table.astype(np.float64) ** 2
    mean = total / n_permutations
    spread = np.sqrt(np.maximum(squares / n_permutations - mean**2, 0.0))
    z = np.divide(-mean, spread, out=np.full((k, k), np.nan), where=spread > 0)
    return Enrichment(tuple(str(t) for t in types), z, observed, mean + observed)


def nearest_distance(source: Array, target: Array) -> Array:
    """Return for each cell of `source` the distance to the nearest of `target`, um (cell,); NaN without a target."""
    source, target = coordinates(source), coordinates(target)
    if not len(target):
        return np.full(len(source), np.nan)
    return cKDTree(target).query(source)[0]


def cross_k(source: Array, target: Array, radii: Array, frame: tuple[Array, Array]) -> Array:
    """Return Ripley's cross-K function, (radius,): area (um^2; um^3 in 3D) around a source, weighed by targets.

    K(r) = mean number of targets within r of a source / density of targets. Independence gives pi r^2 (4/3 pi r^3).
    Border correction (Ripley 1988, from memory): only sources at least r from the frame count. NaN where none does.
    """
    source, target = coordinates(source), coordinates(target)
    low, high = (np.asarray(c, float) for c in frame)
    found = np.full(len(radii), np.nan)
    if not len(source) or not len(target):
        return found
    density, tree = len(target) / float(np.prod(high - low)), cKDTree(target)
    room = np.minimum(source - low, high - source).min(axis=1)
    for i, radius in enumerate(radii):
        inner = source[room >= radius]
        if len(inner):
            near = tree.query_ball_point(inner, positive(radius, "radii"), return_length=True)
            found[i] = float(np.mean(near)) / density
    return found
