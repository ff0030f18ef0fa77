"""Response and survival without immortal time: landmark analysis, and response as a fact that starts on a day.

Whoever responds has lived until the response. To compare responders with others from the first day on gives that time
to the responders, and makes a difference where there is none. At a landmark day L only patients still observed are
compared, grouped by what had happened by L, and time runs from L (Anderson, Cain and Gelber 1983,
doi:10.1200/JCO.1983.1.11.710; from memory, not looked up). The other remedy is a Cox model in which response is 0
before its day and 1 after.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tumornexus.cohort.interaction import Effect
from tumornexus.cohort.survival import FEWEST_EVENTS, hazard_ratio, lifelines
from tumornexus.errors import InputError


@dataclass(frozen=True, eq=False)
class Landmark:
    """Patients still observed at a landmark.

    Attributes:
        day: the landmark, days from the start.
        index: (kept,) rows that take part.
        group: (kept,) whether it had happened by the landmark.
        days: (kept,) days from the landmark; event: (kept,) 1 or 0.
        ended: patients whose observation had ended by the landmark, who take no part.
        missing: rows with a missing value, which take no part.
        later: patients in whom it happened after the landmark; they count as not yet.
    """

    day: float
    index: np.ndarray
    group: np.ndarray
    days: np.ndarray
    event: np.ndarray
    ended: int
    missing: int
    later: int


def landmark(days: np.ndarray, event: np.ndarray, onset: np.ndarray, day: float) -> Landmark:
    """Patients at risk after `day`, grouped by whether `onset` (days, inf for never) came by then; all (patient,).

    At day 0 nobody is lost (times above 0).
    """
    if not (np.isfinite(day) and day >= 0.0):
        raise InputError("a landmark that is no day", field="day", value=day, valid="0 or later, in days")
    days, event, onset = (np.asarray(v, dtype=float) for v in (days, event, onset))
    known = np.isfinite(days) & np.isfinite(event) & ~np.isnan(onset)
    if bool((onset[known] > days[known])[np.isfinite(onset[known])].any()):
        raise InputError("an onset after the end of observation", field="onset", valid="at most the days, or inf")
    kept = np.flatnonzero(known & (days > day))
    group = onset[kept] <= day
    later = int((np.isfinite(onset[kept]) & ~group).sum())
    ended = int((known & (days <= day)).sum())
    return Landmark(day, kept, group, days[kept] - day, event[kept], ended, int((~known).sum()), later)


def landmark_effect(found: Landmark) -> Effect:
    """Hazard ratio, from the landmark on, of those in whom it had happened by then; Cox model by lifelines."""
    b, se, _, _ = hazard_ratio(found.group.astype(float), found.days, found.event)
    return Effect(b, se)


def naive_effect(days: np.ndarray, event: np.ndarray, onset: np.ndarray) -> Effect:
    """Hazard ratio of "ever" against "never" from the first day on: biased by immortal time, for comparison only."""
    ever = np.where(np.isnan(onset), np.nan, np.isfinite(onset).astype(float))
    b, se, _, _ = hazard_ratio(ever, np.asarray(days, dtype=float), np.asarray(event, dtype=float))
    return Effect(b, se)


def time_dependent_effect(days: np.ndarray, event: np.ndarray, onset: np.ndarray) -> Effect:
    """Hazard ratio of a state that starts at `onset` (days, inf for never) and stays; Cox model by lifelines."""
    table = pd.DataFrame({"days": days, "event": event, "onset": onset}, dtype=float).dropna()
    table = table.assign(days=table["days"].clip(lower=0.5), id=np.arange(len(table)))
    before = table.assign(start=0.0, stop=np.minimum(table["days"], table["onset"]), on=0.0)
    before["event"] = np.where(table["onset"] < table["days"], 0.0, table["event"])
    after = table[table["onset"] < table["days"]]
    after = after.assign(start=after["onset"], stop=after["days"], on=1.0)
    rows = pd.concat([before, after])[["id", "start", "stop", "on", "event"]]
    rows = rows[rows["stop"] > rows["start"]]
    counts = rows.groupby("on")["event"].sum()
    if len(counts) < 2 or float(counts.min()) < FEWEST_EVENTS:
        return Effect(float("nan"), float("nan"))
    package = lifelines()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = package.CoxTimeVaryingFitter().fit(
            rows, id_col="id", event_col="event", start_col="start", stop_col="stop"
        )
    return Effect(float(model.params_["on"]), float(model.standard_errors_["on"]))
