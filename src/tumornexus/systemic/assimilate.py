"""Serial readings of one patient update the weights of its draws.

Weights are importance weights: prior times likelihood (`readings.follow`). Where the readings leave too few draws the
likelihood is tempered, so that a posterior never rests on two or three of them, and that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from tumornexus.errors import InputError
from tumornexus.systemic.readings import Followed, Track, follow
from tumornexus.systemic.twin import Twin

# Fewest effective draws that a posterior may rest on; below it the likelihood is tempered. Assumed: a 90 % interval
# over fewer draws is a statement about two or three of them.
FEWEST_EFFECTIVE = 20.0
UNUSUAL = 0.01  # probability, over all readings of a patient, below which a course is called unusual


@dataclass(frozen=True)
class Posterior:
    """Weights (draw,) after the readings, with what was needed to get them.

    `temperature` 1 where the likelihood was used as it is, less where its power was taken to keep enough draws;
    `n_effective` after, `n_effective_untempered` had it been used as it is; `surprise`: smallest two-sided tail
    probability of a reading given those before it, times the number of readings.
    """

    weights: np.ndarray
    followed: tuple[Followed, ...]
    temperature: float
    n_effective: float
    n_effective_untempered: float
    n_readings: int
    surprise: float


def effective(weights: np.ndarray) -> float:
    """Return Kish's effective number of draws."""
    return float(1.0 / np.sum(weights**2))


def temper(
    prior: np.ndarray, log_likelihood: np.ndarray, fewest: float = FEWEST_EFFECTIVE
) -> tuple[np.ndarray, float, float]:
    """Return weights proportional to prior * likelihood^temperature, the temperature, and the untempered effective
    number of draws.

    The temperature is the largest, at most 1, that leaves `fewest` effective draws, or half of the prior's where that
    is less; the effective number falls as the temperature rises, so bisection finds it.
    """
    with np.errstate(divide="ignore"):
        log_prior = np.log(prior)

    def weigh(power: float) -> np.ndarray:
        # A draw that failed has no likelihood at any temperature, 0 included.
        tempered = np.where(np.isneginf(log_likelihood), -np.inf, power * np.nan_to_num(log_likelihood, neginf=0.0))
        logs = log_prior + tempered
        return np.exp(logs - logsumexp(logs))

    full = weigh(1.0)
    bare = effective(full)
    need = min(fewest, 0.5 * effective(weigh(0.0)))
    if bare >= need:
        return full, 1.0, bare
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective(weigh(middle)) >= need else (low, middle)
    return weigh(low), low, bare


def weigh(prior: np.ndarray, tracks: Sequence[Track], fewest: float = FEWEST_EFFECTIVE) -> Posterior:
    """Return the weights of draws after all readings of all tracks, which count as independent given the draw.

    Raises:
        InputError: no draw can be compared with the readings.
    """
    tracks = [t for t in tracks if len(t.days)]
    n_readings = sum(len(t.days) for t in tracks)
    if not n_readings:
        return Posterior(prior, (), 1.0, effective(prior), effective(prior), 0, 1.0)
    followed = tuple(follow(t) for t in tracks)
    total = np.sum([f.log_likelihood for f in followed], axis=0)
    if not np.isfinite(total[prior > 0.0]).any():
        raise InputError("every draw failed numerically on the days of the readings", field="day")
    weights, temperature, bare = temper(prior, total, fewest)
    surprise = min(_surprise(prior, f) for f in followed)
    return Posterior(
        weights, followed, temperature, effective(weights), bare, n_readings, min(1.0, surprise * n_readings)
    )


def _surprise(prior: np.ndarray, followed: Followed) -> float:
    """Return the smallest two-sided tail probability of a reading given those before it."""
    with np.errstate(divide="ignore"):
        log = np.log(prior) + np.where(np.isneginf(followed.log_likelihood), -np.inf, 0.0)
    smallest = 1.0
    for seen, gain in zip(followed.seen, followed.gains, strict=True):
        weights = np.exp(log - logsumexp(log))
        below = float(np.sum(weights * np.where(np.isfinite(seen), seen, 0.5)))
        smallest = min(smallest, 2.0 * min(below, 1.0 - below))
        log = log + gain
    return smallest


def assimilate(twin: Twin, tracks: Sequence[Track], fewest: float = FEWEST_EFFECTIVE) -> tuple[Twin, Posterior]:
    """Return the twin with weights after the readings, and how they came about; without readings the same twin.

    Raises:
        InputError: no draw can be compared with the readings.
    """
    posterior = weigh(twin.weights, tracks, fewest)
    if not posterior.n_readings:
        return twin, posterior
    return replace(twin, weights=posterior.weights, notes=(*twin.notes, *notes_of(posterior, twin.n_draws))), posterior


def notes_of(posterior: Posterior, n_draws: int) -> list[str]:
    """Return what a reader must know about a posterior, in words."""
    notes = [
        f"{posterior.n_readings} serial readings assimilated, those at the start included: "
        f"{posterior.n_effective:.0f} effective of {n_draws} draws"
    ]
    if posterior.temperature < 1.0:
        notes.append(
            f"the readings alone would leave {posterior.n_effective_untempered:.1f} effective draws; they count with "
            f"power {posterior.temperature:.2f} so that enough remain"
        )
    if posterior.surprise < UNUSUAL:
        notes.append(f"the model finds this course unusual (probability {posterior.surprise:.2g} of one reading)")
    return notes
