"""CTCAE grade >= 3 treatment-related events: percent by combination, by simulated hazard and by counted patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tumornexus.knowledge import Knowledge
from tumornexus.trial.statistics import Estimate, share

PD1_AXIS = ("anti_pd1", "anti_pdl1")
# CheckMate-067 (Larkin 2015): 55 % against 16.3 % and 27.3 % of the parts; -ln(0.45) / (-ln(0.837) - ln(0.727)) = 1.6.
CTLA4_PD1_INTERACTION = 1.6


def grade3_percent(drugs: Sequence[str], knowledge: Knowledge) -> tuple[float, float, float]:
    """Return the percent of patients with grade >= 3 treatment-related events of a combination, with its interval.

    Hazards add: 1 - prod(1 - p_i). Dual CTLA-4 and PD-1 blockade is the one sourced interaction: the parts (16 % and
    27 %) would give 39 %, CheckMate-067 saw 55 %, a hazard ratio of 1.6 over additivity, applied to that pair.
    """
    therapies = {t for d in drugs for t in knowledge.drugs[d].therapy}
    hazards, pair = np.zeros(3), np.zeros(3)
    for drug in drugs:
        tox = knowledge.drugs[drug].toxicity
        own = -np.log1p(-np.clip(np.array([tox.ae3_percent, tox.low, tox.high]) / 100.0, 0.0, 0.99))
        hazards += own
        if set(knowledge.drugs[drug].therapy) & {"anti_ctla4", *PD1_AXIS}:
            pair += own
    if "anti_ctla4" in therapies and therapies & set(PD1_AXIS):
        hazards += (CTLA4_PD1_INTERACTION - 1.0) * pair
    estimate, low, high = 100.0 * (1.0 - np.exp(-hazards))
    return float(estimate), float(low), float(high)


def grade3_percent_simulated(
    hazard: np.ndarray, event_day: np.ndarray, time_days: np.ndarray, weights: np.ndarray, by_day: float
) -> float:
    """Return the simulated percent of patients with a grade >= 3 event on or before `by_day`.

    100 (1 - exp(-H)), H the sum over time of the mean increase of `hazard` among members that have had no event yet:
    the cumulative hazard of the population (Nelson-Aalen, with each member's expected instead of its counted events).
    It has far less chance in it than counting events of 64 members, and, unlike the mean of exp(-hazard), is not too
    low because drugs of members with an event are held. `hazard` (member, time) cumulative; `event_day` (member,),
    infinite or NaN where there is none; `weights` (member,). Members with NaN count nowhere.
    """
    hazard = np.asarray(hazard, dtype=float)
    rise = np.diff(hazard, axis=1)
    free = np.where(np.isnan(event_day), np.inf, event_day)[:, None] > time_days[None, :-1]
    at_risk = np.where(free & np.isfinite(rise), np.asarray(weights)[:, None], 0.0)
    total = at_risk.sum(axis=0)
    mean = np.divide((at_risk * np.nan_to_num(rise)).sum(axis=0), total, out=np.zeros_like(total), where=total > 0.0)
    cumulative = np.concatenate([[0.0], np.cumsum(mean)])
    return float(-100.0 * np.expm1(-np.interp(by_day, time_days, cumulative)))


def grade3_counted(ae3_day: np.ndarray, by_day: float, weights: np.ndarray | None = None) -> Estimate:
    """Return the percent of patients with a grade >= 3 event on or before `by_day`, with its 95 % interval.

    `ae3_day` (patient,) is infinite where none was seen while the patient was followed. The share is of all treated
    patients, as trials report it; who left earlier counts as free of events.
    """
    return share(np.asarray(ae3_day) <= by_day, weights)
