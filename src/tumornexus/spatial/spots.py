"""Spots that hold several cells each, such as those of Visium: shares and gene scores, smoothed over neighbors.

A spot is no cell: nothing here deconvolves. Shares of cell types come from the user's own deconvolution; gene scores
are means over the genes of a list. Both are noisy in one spot, hence the smoothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_matrix
from scipy.spatial import cKDTree

from tumornexus.errors import InputError
from tumornexus.spatial.points import Array, coordinates, pairs_within, positive

REACH = 1.5  # spacings: the ring of direct neighbors on a hexagonal (1) and a square lattice (1 and 1.41)


def spacing(xy: Array) -> float:
    """Return the distance between neighboring spots: the median distance to the nearest other spot; NaN for one."""
    xy = coordinates(xy)
    return float(np.median(cKDTree(xy).query(xy, k=2)[0][:, 1])) if len(xy) > 1 else float("nan")


def smoothed(xy: Array, values: Array, radius: float) -> Array:
    """Return the mean over each spot and all spots within `radius` of it, (spot,) or (spot, column).

    The total over a lattice without edge is kept, and a constant stays a constant.
    """
    values = np.asarray(values, float)
    xy = coordinates(xy)
    if values.ndim not in (1, 2) or len(values) != len(xy):
        raise InputError("values and coordinates differ in length", field="values", value=values.shape,
                         valid=f"({len(xy)},) or ({len(xy)}, columns)")  # fmt: skip
    a, b = pairs_within(xy, positive(radius, "radius")).T
    own = np.arange(len(xy))
    near = coo_matrix((np.ones(2 * len(a) + len(xy)), (np.r_[a, b, own], np.r_[b, a, own])),
                      shape=(len(xy), len(xy))).tocsr()  # fmt: skip
    number = np.asarray(near.sum(axis=1)).reshape(-1)
    summed = near @ values
    return summed / (number if values.ndim == 1 else number[:, None])


class Together(NamedTuple):
    """Spearman correlation of two smoothed quantities over spots, what shuffles give, and the share as far off.

    `p` is two-sided: (1 + shuffles at least as far from `expected`) / (1 + shuffles).
    """

    rho: float
    expected: float
    p: float


def together(xy: Array, first: Array, second: Array, rng: np.random.Generator, *, radius: float,
             n_permutations: int = 200) -> Together:  # fmt: skip
    """Say whether two quantities of spots go together in space, after smoothing both over `radius`.

    Shuffles move the second one over the spots before it is smoothed, so smoothing alone makes no correlation. NaN
    where one of them does not vary.
    """
    from scipy.stats import rankdata  # half a second to import, which a profile without spots need not pay

    one, two = smoothed(xy, first, radius), np.asarray(second, float)
    ranks = rankdata(one)
    if np.ptp(one) == 0 or np.ptp(two) == 0:
        return Together(float("nan"), float("nan"), float("nan"))

    def rho(values: Array) -> float:
        return float(np.corrcoef(ranks, rankdata(smoothed(xy, values, radius)))[0, 1])

    found = rho(two)
    chance = np.array([rho(rng.permutation(two)) for _ in range(n_permutations)])
    middle = float(chance.mean())
    p = (1 + int((np.abs(chance - middle) >= abs(found - middle)).sum())) / (1 + n_permutations)
    return Together(found, middle, p)
