"""Activities: the one word that measuring and simulating share.

An activity says, for one mechanism in one sample, whether the mechanism is present and, given that it is, to
what extent: its *level* relative to a reference, or, for a genetic mechanism, the *clonal fraction* of cancer
cells that carry it. It is a distribution, used as draws: a 50 % chance of a clonal B2M loss is not half a loss.
This module imports only NumPy and SciPy, so reading a profile never loads a simulator.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

Origin = Literal["measured", "sampled"]
STEPS = 100  # of the scale from 0 to 1, to which intervals are given outwards


def named_generator(seed: int, *address: str) -> np.random.Generator:
    """Return a random generator whose stream depends only on `seed` and the words in `address`.

    The address names a decision (for example ``("activities", sample, mechanism)``), so one sample draws the
    same numbers alone and in a cohort of 500, and two trial arms share their luck.
    """
    digest = hashlib.blake2b("\x1f".join(address).encode(), digest_size=16, key=seed.to_bytes(8, "little")).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(digest, dtype=np.uint64)))


@dataclass(frozen=True)
class Activity:
    """The posterior of one mechanism in one sample.

    Attributes:
        presence: probability in [0, 1] that the mechanism is present.
        alpha, beta: shape of the Beta distribution of the extent (level or clonal fraction, both in [0, 1])
            given presence.
        origin: ``"measured"`` when at least one biomarker spoke, ``"sampled"`` when only the prevalence of the
            cancer type did.
    """

    presence: float
    alpha: float
    beta: float
    origin: Origin

    @property
    def mean(self) -> float:
        """Expected activity in [0, 1]: presence times mean extent."""
        return self.presence * self.alpha / (self.alpha + self.beta)

    def quantile(self, q: float) -> float:
        """Quantile of the activity, a mixture of an atom at 0 (absent) and a Beta (extent if present)."""
        from scipy.special import betaincinv

        if q <= 1.0 - self.presence or self.presence == 0.0:
            return 0.0
        return float(betaincinv(self.alpha, self.beta, min(1.0, (q - (1.0 - self.presence)) / self.presence)))

    def interval(self, mass: float = 0.9) -> tuple[float, float]:
        """Equal-tailed interval of the activity, widened to hold the mean and outwards to 0.01.

        Without that a mechanism present with 3 % would have a mean of 0.02 and an interval from 0 to 0, and one gene
        more or less would move its activity out of its own interval. An activity means nothing below 0.01.
        """
        low = min(self.quantile((1.0 - mass) / 2.0), self.mean)
        high = max(self.quantile((1.0 + mass) / 2.0), self.mean)
        return math.floor(low * STEPS) / STEPS, min(1.0, math.ceil(high * STEPS) / STEPS)

    def draws(self, n: int, generator: np.random.Generator) -> np.ndarray:
        """Draw `n` activities, shape (draw,): 0 where absent, else the extent."""
        present = generator.random(n) < self.presence
        extent = generator.beta(self.alpha, self.beta, n)
        return np.where(present, extent, 0.0)


@dataclass(frozen=True)
class Activities:
    """Activities of every mechanism of one sample, in the catalogue's order.

    Attributes:
        sample: sample id (a string; ``0471`` keeps its zero).
        tumor: tumor id, such as ``melanoma``.
        by_mechanism: mechanism id to `Activity`. Only causes and states appear; outcomes are simulated.
    """

    sample: str
    tumor: str
    by_mechanism: dict[str, Activity]

    def draws(self, n: int, seed: int) -> dict[str, np.ndarray]:
        """Joint draws, one array (draw,) a mechanism, independent given the evidence, by named streams."""
        return {
            mechanism: activity.draws(n, named_generator(seed, "activities", self.sample, mechanism))
            for mechanism, activity in self.by_mechanism.items()
        }
