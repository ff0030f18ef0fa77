"""Serial samples of one patient: what changed between the sample before treatment and a later one, and what is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tumornexus.activities import Activity, named_generator
from tumornexus.io.timepoint import ORDER, timepoint_of
from tumornexus.profile.profile import MASS, Profile

# Probability that a mechanism was absent before and is present later from which it is called acquired; below one minus
# this it is not. Assumed: one call in five may be wrong, as many as a tumor board accepts of a mechanism to act on.
ACQUIRED = 0.8
DRAWS = 4000  # of each activity; an interval is then right to about 0.01
COLUMNS = ["patient", "mechanism", "before", "after", "change", "low", "high", "acquired", "p_new", "sample_before",
           "sample_after"]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Changes:
    """`table` with `COLUMNS`, one row a pair of samples and mechanism; `pairs` of samples; `left_out`: reason to number
    of samples."""

    table: pd.DataFrame
    pairs: int
    left_out: dict[str, int]


def p_new(before: Activity, after: Activity) -> float:
    """Return the probability that a mechanism was absent before and is present after, the two read independently."""
    return (1.0 - before.presence) * after.presence


def acquired(before: Activity, after: Activity) -> str:
    """Return ``yes``, ``no`` or ``unsure``; unsure also where either sample does not measure the mechanism."""
    if "sampled" in (before.origin, after.origin):
        return "unsure"
    new = p_new(before, after)
    return "yes" if new >= ACQUIRED else "no" if new <= 1.0 - ACQUIRED else "unsure"


def change_interval(
    before: Activity, after: Activity, patient: str, mechanism: str, seed: int = 0, mass: float = MASS
) -> tuple[float, float]:
    """Return the equal-tailed interval of activity after minus before.

    Errors of the two samples count as independent. What they share (the same assay, the same reference) would cancel,
    so the interval is too wide rather than too narrow.
    """
    draws = [
        activity.draws(DRAWS, named_generator(seed, "change", patient, mechanism, when))
        for activity, when in ((before, "before"), (after, "after"))
    ]
    low, high = np.quantile(draws[1] - draws[0], [(1.0 - mass) / 2.0, (1.0 + mass) / 2.0])
    middle = after.mean - before.mean
    return float(min(low, middle)), float(max(high, middle))


def changes(profiles: Iterable[Profile], seed: int = 0) -> Changes:
    """Compare each patient's sample before treatment with each later one, mechanism by mechanism.

    A sample without a time point counts as taken before treatment. Of several samples before treatment the first one
    counts. Numbers are empty where one of the two samples does not measure a mechanism.
    """
    by_patient: dict[str, dict[str, list[Profile]]] = {}
    left_out: Counter[str] = Counter()
    for profile in profiles:
        said = timepoint_of(profile.patient.clinical.get("timepoint")) or "before"
        if said not in ORDER:
            left_out[f"time point '{said}' is not understood"] += 1
            continue
        by_patient.setdefault(profile.patient.patient, {}).setdefault(said, []).append(profile)
    rows, pairs = [], 0
    for patient, samples in by_patient.items():
        first, later = samples.get("before", []), [*samples.get("on", []), *samples.get("after", [])]
        if not later:
            left_out["no later sample of the patient"] += len(first)
            continue
        if not first:
            left_out["no sample of the patient before treatment"] += len(later)
            continue
        left_out["a further sample before treatment"] += len(first) - 1
        for other in later:
            pairs += 1
            rows += _rows(patient, first[0], other, seed)
    return Changes(pd.DataFrame(rows, columns=COLUMNS), pairs, {k: n for k, n in left_out.items() if n})


def _rows(patient: str, first: Profile, later: Profile, seed: int) -> list[tuple]:
    rows = []
    for mechanism, before in first.activities.by_mechanism.items():
        after = later.activities.by_mechanism[mechanism]
        means = [a.mean if a.origin == "measured" else float("nan") for a in (before, after)]
        numbers: tuple[float, ...] = (float("nan"),) * 4
        if "sampled" not in (before.origin, after.origin):
            low, high = change_interval(before, after, patient, mechanism, seed)
            numbers = (means[1] - means[0], low, high, p_new(before, after))
        rows.append((patient, mechanism, *means, *numbers[:3], acquired(before, after), numbers[3], first.sample,
                     later.sample))  # fmt: skip
    return rows
