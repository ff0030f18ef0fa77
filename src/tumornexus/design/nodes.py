"""Dominant nodes: reverse a mechanism in silico and see how much the patient's simulated course changes.

A node is dominant when its reversal changes the course most, not when its score is highest. Effect = ln V(with
reversal) - ln V(without) one year into the backbone treatment, paired draw by draw, so that a negative number is a
smaller tumor and every node has an interval over the twin's ensemble.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from tumornexus.knowledge import Knowledge
from tumornexus.systemic.ensemble import simulate_twins
from tumornexus.systemic.treatment import Treatment
from tumornexus.systemic.twin import Twin, reverse
from tumornexus.trial.statistics import weighted_quantile

EVALUATE_AT_DAYS = 364
PAIRS_AMONG = 6
ACTIVE_MEAN = 0.05  # a cause whose mean activity over the twin is below this cannot be a node
FLOOR_ML = 0.01  # volumes below this are called equal: the model says nothing about the last cells


def active_causes(twin: Twin) -> list[str]:
    """Return the causes with a mean activity of at least `ACTIVE_MEAN` over the twin, most active first."""
    means = {m: float(np.sum(twin.weights * a)) for m, a in twin.activities.items() if twin.effects.get(m)}
    return sorted((m for m, v in means.items() if v >= ACTIVE_MEAN), key=lambda m: -means[m])


def reverse_nodes(
    twin: Twin,
    knowledge: Knowledge,
    backbone: Treatment,
    *,
    pairs_among: int = PAIRS_AMONG,
    progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Return the effect of reversing each active cause, and each pair among the strongest, on the treated course.

    Columns: mechanism, partner ("" for singles), effect (mean change of ln tumor volume after one year of `backbone`),
    low, high (90 % interval over draws), ordered by effect. Unit in ``attrs``.
    """
    causes = active_causes(twin)
    sets: list[tuple[str, ...]] = [(), *((m,) for m in causes)]
    effects = _effects(twin, knowledge, backbone, sets, progress)
    singles = dict(zip(causes, effects, strict=True))
    top = sorted(causes, key=lambda m: np.nan_to_num(_summary(singles[m], twin.weights)[0]))[:pairs_among]
    pairs = list(itertools.combinations(top, 2))
    paired = _effects(twin, knowledge, backbone, [(), *pairs], progress) if pairs else []
    rows = [(m, "", *_summary(singles[m], twin.weights)) for m in causes]
    rows += [(a, b, *_summary(e, twin.weights)) for (a, b), e in zip(pairs, paired, strict=True)]
    frame = pd.DataFrame(rows, columns=["mechanism", "partner", "effect", "low", "high"])
    frame = frame.sort_values(["effect", "mechanism", "partner"], kind="stable", ignore_index=True)
    frame.attrs.update(quantity="change of ln tumor volume", unit="ln volume ratio after one year of treatment")
    return frame


def _effects(
    twin: Twin,
    knowledge: Knowledge,
    backbone: Treatment,
    sets: Sequence[tuple[str, ...]],
    progress: Callable[[int], None] | None,
) -> list[np.ndarray]:
    """Return ln volume ratio against the first set, one array (draw,) for each further set."""
    twins = [reverse(twin, knowledge, s) if s else twin for s in sets]
    data = simulate_twins(twins, [backbone], progress=progress, horizon_days=EVALUATE_AT_DAYS)
    volume = data["tumor_volume"].isel(regimen=0, time=-1).values  # (twin, draw)
    log = np.log(np.maximum(volume, FLOOR_ML))  # NaN stays: a failed member says nothing of a reversal
    return [log[i] - log[0] for i in range(1, len(sets))]


def _summary(effect: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    known = np.isfinite(effect)
    if not known.any():
        return float("nan"), float("nan"), float("nan")
    low, high = weighted_quantile(effect[known], weights[known], (0.05, 0.95))
    return float(np.average(effect[known], weights=weights[known])), float(low), float(high)
