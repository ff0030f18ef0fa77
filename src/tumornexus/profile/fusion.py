"""Combine the biomarkers of one mechanism into a posterior over its presence and its extent.

    log odds(present | data) = log odds(prevalence in this tumor type) + soft + hard

Soft evidence is a standardized score z. Absent: z ~ N(m0, s). Present to extent a: z ~ N(m0 + d a / E[a], s), so the
mean distance between present and absent is the record's separation d. The mixture has mean 0 and standard deviation 1
in the reference population, in which a share p carries the mechanism: m0 = -p d, and s^2 = 1 - p (1 - p) d^2 - p d^2
Var[a] / E[a]^2 (at least 0.6^2). A small uniform component keeps one outlier from deciding. Biomarkers of one
mechanism correlate: their log likelihoods are multiplied by 1 / (1 + (m - 1) rho), so that m copies of one
measurement count once. Hard evidence is a call with likelihood ratios; calls of the same sign overlap, so the
strongest counts fully and the others half. The extent is a Beta distribution matched to the posterior moments.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tumornexus.activities import Activity

GRID = (np.arange(64) + 0.5) / 64.0
LEAST_NOISE = 0.6  # standard deviation within a class, in reference standard deviations; biopsies alone vary this much
# Share of measurements that say nothing (swapped sample, artifact), spread evenly over 14 standard deviations.
OUTLIER = 0.02
HARD_LIMIT = math.log(1000.0)  # no call is believed beyond a thousand to one
# Extent given presence, a Beta distribution: mean 0.71, 90 % from 0.42 to 0.94; assumed, the same for all mechanisms.
LEVEL_PRIOR = (5.0, 2.0)
# Fraction of cancer cells given presence: flat with more weight on clonal; assumed.
CLONAL_PRIOR = (1.5, 1.0)


@dataclass(frozen=True)
class Soft:
    """A standardized score read in the direction of the mechanism, with its separation."""

    z: float
    separation: float


@dataclass(frozen=True)
class Extent:
    """Direct evidence on the extent: mean and variance in [0, 1]."""

    mean: float
    variance: float


def beta_from_moments(mean: float, variance: float) -> tuple[float, float]:
    """Shape parameters of a Beta distribution with this mean and variance, kept proper and not sharper than +-0.02."""
    mean = min(max(mean, 0.005), 0.995)
    variance = min(max(variance, 0.0004), 0.95 * mean * (1.0 - mean))
    total = mean * (1.0 - mean) / variance - 1.0
    return mean * total, (1.0 - mean) * total


def _log_prior(shape: tuple[float, float]) -> np.ndarray:
    """Log weights of the extent grid under a Beta prior."""
    weights = (shape[0] - 1.0) * np.log(GRID) + (shape[1] - 1.0) * np.log1p(-GRID)
    return weights - np.log(np.exp(weights).sum())


_LOG_PRIOR = {shape: _log_prior(shape) for shape in (LEVEL_PRIOR, CLONAL_PRIOR)}
_SCALED = {shape: GRID / (shape[0] / sum(shape)) for shape in (LEVEL_PRIOR, CLONAL_PRIOR)}


def _log_density(distance: np.ndarray, noise: float) -> np.ndarray:
    """Log density of a measurement at this distance from its mean, with the outlier component."""
    return np.log(
        (1.0 - OUTLIER) / (noise * math.sqrt(2.0 * math.pi)) * np.exp(-0.5 * (distance / noise) ** 2) + OUTLIER / 14.0
    )


@lru_cache(maxsize=4096)
def _informative_range(separation: float, noise: float, shape: tuple[float, float]) -> tuple[float, float]:
    """Distances from absence between which the likelihood ratio of a score rises: its lowest and its highest point."""
    distance = np.arange(-3.0, separation * float(_SCALED[shape][-1]) + 1.0, 0.02)
    here = _log_density(distance[:, None] - separation * _SCALED[shape], noise)
    ratio = np.log(np.exp(_LOG_PRIOR[shape] + here).sum(axis=1)) - _log_density(distance, noise)
    return float(distance[int(np.argmin(ratio))]), float(distance[int(np.argmax(ratio))])


def class_noise(separation: float, share: float, shape: tuple[float, float]) -> float:
    """Standard deviation within a class that leaves the mixture with standard deviation one."""
    alpha, beta = shape
    relative = beta / (alpha * (alpha + beta + 1.0))  # Var[a] / E[a]^2 of a Beta distribution
    return math.sqrt(max(1.0 - share * (1.0 - share + relative) * separation**2, LEAST_NOISE**2))


def score_densities(separation: float, share: float, shape: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a standardized score on a grid, with the mechanism and without it, both (score,), summing to 1.

    The grid spans all that `fuse` can tell apart; the extent given presence is averaged over its prior `shape`.
    """
    noise = class_noise(separation, share, shape)
    distance = np.linspace(-7.0, 7.0, 281)
    with np.errstate(over="ignore"):
        given_extent = _log_density(distance[:, None] - separation * _SCALED[shape], noise)
    present = np.exp(_LOG_PRIOR[shape] + given_extent).sum(axis=1)
    absent = np.exp(_log_density(distance, noise))
    return present / present.sum(), absent / absent.sum()


def temper(count: int, rho: float) -> float:
    """Weight of each of `count` biomarkers with mean correlation `rho`."""
    return 1.0 / (1.0 + (count - 1) * min(max(rho, 0.0), 1.0))


def overlap(llrs: Sequence[float]) -> float:
    """Sum of hard log likelihood ratios in which the strongest of each sign counts fully and the others half."""
    total = 0.0
    for side in ([v for v in llrs if v > 0], [v for v in llrs if v < 0]):
        if side:
            strongest = max(side, key=abs)
            total += 0.5 * (sum(side) + strongest)
    return min(max(total, -HARD_LIMIT), HARD_LIMIT)


def fuse(
    prevalence: float,
    reference_prevalence: float,
    soft: Sequence[Soft],
    rho: float,
    hard: Sequence[float],
    extent: Sequence[Extent],
    clonal: bool,
) -> tuple[Activity, list[float]]:
    """Posterior of one mechanism and the log likelihood ratio that each soft biomarker contributed.

    `prevalence` is the prior in this tumor type, `reference_prevalence` the share in the reference population, `hard`
    the log likelihood ratios of calls, `extent` direct evidence on the extent (allele fractions, measured
    quantities).
    """
    prior_shape = CLONAL_PRIOR if clonal else LEVEL_PRIOR
    log_prior, scaled = _LOG_PRIOR[prior_shape], _SCALED[prior_shape]
    weight = temper(len(soft), rho)
    curve = log_prior.copy()
    absent = 0.0
    contributions = []
    for item in soft:
        middle = -reference_prevalence * item.separation
        noise = class_noise(item.separation, reference_prevalence, prior_shape)
        # Where the outlier component starts to take over, a score says as much as it ever will: a higher score never
        # speaks less for the mechanism.
        lowest, highest = _informative_range(round(item.separation, 3), noise, prior_shape)
        z = middle + min(max(item.z - middle, lowest), highest)
        here = _log_density(z - middle - item.separation * scaled, noise)
        none = float(_log_density(np.array(z - middle), noise))
        contributions.append(weight * (float(np.log(np.exp(log_prior + here).sum())) - none))
        curve = curve + weight * here
        absent += weight * none
    present = float(np.log(np.exp(curve).sum()))
    prior = min(max(prevalence, 0.001), 0.999)
    log_odds = math.log(prior / (1.0 - prior)) + present - absent + overlap(hard)
    presence = 1.0 / (1.0 + math.exp(-log_odds))
    posterior = np.exp(curve - present)
    mean = float((posterior * GRID).sum())
    variance = float((posterior * (GRID - mean) ** 2).sum())
    for item in extent:
        # Precision-weighted: the direct measurement against what the scores already say.
        share = variance / (variance + item.variance)
        mean, variance = mean + share * (item.mean - mean), variance * (1.0 - share)
    alpha, beta = beta_from_moments(mean, variance)
    origin = "measured" if soft or hard else "sampled"
    return Activity(presence, alpha, beta, origin), contributions


def second_hit(vaf: float, depth: float, purity: float | None, total_copies: float = 2.0) -> bool:
    """Whether an allele fraction is too high for a tumor that keeps one unmutated copy in every cancer cell.

    With N copies a tumor of purity p gives at most p (N - 1) / (p N + 2 (1 - p)), which is p / 2 for two copies; two
    standard errors above that (above 0.55 where the purity is not known) no unmutated copy is left.
    """
    reads = depth if np.isfinite(depth) and depth > 0 else 60.0
    known = purity if purity is not None else 1.0
    copies = max(total_copies, 1.0)
    limit = known * (copies - 1.0) / (known * copies + 2.0 * (1.0 - known))
    return vaf > limit + 2.0 * math.sqrt(vaf * (1.0 - vaf) / reads) and (purity is not None or vaf > 0.55)


def mutated_copies(vaf: float, purity: float | None, total_copies: float) -> float:
    """How many of N copies carry a variant of which one is left unmutated: the nearest whole number that explains v.

    v (p N + 2 (1 - p)) / p mutated copies a cancer cell, rounded, at least 1 and at most N - 1; 1 where the purity p is
    not known. One copy in all cells and two copies in half of them look the same: the former is assumed.
    """
    if purity is None or total_copies <= 2.0:
        return 1.0
    per_cell = vaf * (purity * total_copies + 2.0 * (1.0 - purity)) / purity
    return min(max(float(round(per_cell)), 1.0), max(round(total_copies) - 1.0, 1.0))


def clonal_fraction(
    vaf: float, depth: float, purity: float | None, copies_mutated: float = 1.0, total_copies: float = 2.0
) -> Extent:
    """Fraction of cancer cells that carry a variant, from its allele fraction v, purity p and copy number N.

    min(1, v (p N + 2 (1 - p)) / (m p)), where m is the number of mutated copies of N and normal cells have two; with
    two copies min(1, 2 v / (m p)). Unknown purity is averaged over 0.25 to 0.95 (bulk tumor samples rarely leave that
    range) with less weight where the fraction would exceed one. A stated purity is trusted to +-0.08. Sampling of reads
    is added.
    """
    purities = (
        np.clip(purity + np.linspace(-0.16, 0.16, 17), 0.05, 1.0) if purity is not None else np.linspace(0.25, 0.95, 29)
    )
    weights = np.exp(-0.5 * ((purities - purity) / 0.08) ** 2) if purity is not None else np.ones(len(purities))
    per_read = (purities * total_copies + 2.0 * (1.0 - purities)) / (copies_mutated * purities)
    raw = vaf * per_read
    fractions = np.minimum(raw, 1.0)
    weights = weights * np.where(raw <= 1.1, 1.0, 0.4)
    weights = weights / weights.sum()
    mean = float((weights * fractions).sum())
    spread = float((weights * (fractions - mean) ** 2).sum())
    reads = depth if np.isfinite(depth) and depth > 0 else 60.0
    middle = float((weights * purities).sum())
    slope = (middle * total_copies + 2.0 * (1.0 - middle)) / (copies_mutated * middle)
    return Extent(mean, max(spread + vaf * (1.0 - vaf) / reads * slope**2, 0.003))
