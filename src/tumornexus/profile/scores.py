"""Scores of one sample by itself: housekeeping-normalized contrasts and closed-form single-sample enrichment.

Nothing here sees a second sample. Genes come in the fixed order of the reference universe, so neither the order of a
file nor genes outside the universe can change a result, down to the last bit.
"""

from __future__ import annotations

import numpy as np

FEWEST_STABLE_GENES = 15  # below this the median offset of a sample is noisier than the biology it should reveal
PROTOCOL_LIMIT = 3.0
Z_LIMIT = (
    5.0  # one gene beyond five reference standard deviations is an artifact or an outlier clone, not more evidence
)


def ssgsea_ranks(values: np.ndarray, alpha: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """Prepare one sample for single-sample enrichment: walk positions and rank weights, each of shape (gene,).

    Ties get the average rank truncated to an integer and are walked in the order given, as R GSVA does. Position 1 is
    the highest value. The weight of a gene is its rank to the power `alpha`.
    """
    n = len(values)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    group = np.cumsum(first) - 1
    start = np.flatnonzero(first)
    end = np.concatenate((start[1:], [n]))
    ranks = np.empty(n)
    ranks[order] = np.floor((start + 1 + end) / 2.0)[group]
    # R orders decreasingly by rank with ties in row order, which a stable sort of the negated ranks reproduces.
    position = np.empty(n)
    position[np.argsort(-ranks, kind="stable")] = np.arange(1, n + 1)
    return position, np.abs(ranks) ** alpha


def ssgsea_from_ranks(position: np.ndarray, weight: np.ndarray, members: np.ndarray) -> float:
    """Enrichment of the gene set at indices `members` (see `ssgsea`); NaN for an empty set or the whole universe."""
    n, k = len(position), len(members)
    if k == 0 or k == n:
        return float("nan")
    remaining = n - position[members] + 1.0
    inside = float((weight[members] * remaining).sum() / weight[members].sum())
    outside = float((n * (n + 1) / 2.0 - remaining.sum()) / (n - k))
    return inside - outside


def ssgsea(values: np.ndarray, members: np.ndarray, alpha: float = 0.25) -> float:
    """How far a gene set lies towards the highly expressed end of one sample (Barbie et al. 2009).

    The sum over all positions of the difference between two cumulative distributions, that of set genes weighted by
    rank^alpha and that of the other genes. A gene at position p contributes to n - p + 1 of the sums, which gives the
    closed
    form: sum_S w (n - p + 1) / sum_S w - (n (n + 1) / 2 - sum_S (n - p + 1)) / (n - k).

    `values` (gene,) without NaN, `members` indices of the set. Not divided by the range over a cohort: that would
    make a sample's score depend on the others. Agrees with R GSVA 1.46 (ssgsea.norm = FALSE) to 1e-9.
    """
    position, weight = ssgsea_ranks(np.ascontiguousarray(values, dtype=float), alpha)
    return ssgsea_from_ranks(position, weight, np.asarray(members))


def log_expression(values: np.ndarray, stable: np.ndarray, stable_log2: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Normalize one sample by its stable genes: log2(x / f + 1), shape (gene,), and log2 f.

    log2 f is the median over the measured stable genes of log2 x minus the reference level of that gene, so that panels
    and whole transcriptomes of any depth share one scale. Returns None where fewer than 15 stable genes were measured.
    """
    measured = values[stable]
    usable = np.isfinite(measured)
    if int(usable.sum()) < FEWEST_STABLE_GENES:
        return None, float("nan")
    offset = float(np.median(np.log2(np.maximum(measured[usable], 0.01)) - stable_log2[usable]))
    return np.log2(values * 2.0**-offset + 1.0), offset


def protocol_coordinates(log2: np.ndarray, location: np.ndarray, slopes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Where a sample lies on the axes of RNA integrity and library preparation, shape (axis,), in reference units.

    Weighted least squares of the distances of marker genes on their frozen slopes (axis, gene), with a standard normal
    prior that keeps a panel with few markers near zero: t = (1 + B W B')^-1 B W (x - location). `weight` is zero
    outside the markers. Limited to +-3, beyond which the linear correction is an extrapolation.
    """
    used = np.isfinite(log2) & (weight > 0.0)
    b, w = slopes[:, used], weight[used]
    weighted = b * w
    normal = np.eye(len(slopes)) + weighted @ b.T
    return np.clip(np.linalg.solve(normal, weighted @ (log2[used] - location[used])), -PROTOCOL_LIMIT, PROTOCOL_LIMIT)


def standardize(log2: np.ndarray, location: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Distance of each gene from its reference location in reference standard deviations, limited to five."""
    return np.clip((log2 - location) / scale, -Z_LIMIT, Z_LIMIT)


def contrast(z: np.ndarray, up: np.ndarray, down: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean z over the measured genes `up` minus that over `down`; also which of them were measured."""
    up_ok = up[np.isfinite(z[up])]
    down_ok = down[np.isfinite(z[down])]
    score = float(z[up_ok].mean()) if len(up_ok) else 0.0
    if len(down_ok):
        score -= float(z[down_ok].mean())
    return score, up_ok, down_ok
