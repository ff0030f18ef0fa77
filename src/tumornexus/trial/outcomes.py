"""Outcomes of one arm: from simulated volumes to the rows of a trial's patients and scans tables.

Death, dropout and the data cut end what is seen of a patient; scans up to then are read with error and judged by RECIST
1.1 and iRECIST; time to progression or death follows. All times are days from start of treatment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tumornexus.errors import InputError
from tumornexus.trial.irecist import IBEST, assess_immune
from tumornexus.trial.recist import (
    BEST,
    MONTH_DAYS,
    REASONS,
    RESISTANCE,
    Assessment,
    assess,
    find,
    resistance,
)
from tumornexus.trial.scans import ScanPlan, Scans, measure
from tumornexus.trial.survival import (
    DeathHazard,
    FollowUp,
    cumulative_hazard,
    death_day,
    death_thresholds,
    observed_until,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True, eq=False)
class ArmOutcomes:
    """What one arm yields.

    Attributes:
        patients: one row a patient, in the order of the trajectories: `patient, best, best_unconfirmed, irecist_best,
            change_percent, pfs_days, pfs_event, ipfs_days, ipfs_event, os_days, os_event, response_day, dor_days,
            dor_event, reason, resistance, ae3_day, left_day, base_mm`, and `pseudo` (progression by RECIST that a later
            scan took back).
        scans: one row a scan made: `patient, day, sum_mm, response`.
        cumulative_hazard: of death, (member, time); NaN where the simulation failed.
        progression_day: of RECIST with scans that go on beyond death and dropout, (member,), infinite without: with
            `cumulative_hazard` what `survival.expected_progression_free` asks for.
    """

    patients: pd.DataFrame
    scans: pd.DataFrame
    cumulative_hazard: np.ndarray
    progression_day: np.ndarray


def arm_outcomes(
    trajectories: xr.Dataset,
    covariates: pd.DataFrame | Mapping[str, Any],
    plan: ScanPlan,
    follow: FollowUp,
    hazard: DeathHazard,
    *,
    seed: int,
) -> ArmOutcomes:
    """Return the outcomes of the members of one arm.

    `trajectories` holds `lesion_volume` (member, lesion, time) in mL, `toxicity_event_day` (member,) and the coordinate
    `time` in days. `covariates` holds a row a member: `patient` (the number that addresses its luck), `age` in years
    and `sex` (female, male); where known also `ecog`, `ldh_ratio`, and (member, lesion) arrays `organ` and `node` for
    the choice of targets. The same patients and `seed` in another arm share luck: reading errors, threshold of death,
    dropout, date of entry.

    A member whose simulation failed (NaN) counts as progressing on its first scan, the pessimistic choice that the
    noise-free `recist` makes too, with reason ``numerical failure``, and its survival is censored there.

    Raises:
        InputError: a covariate is missing or has another length, an unknown sex, or no scan within the observed time.
    """
    import pandas as pd

    volume = np.asarray(trajectories["lesion_volume"].transpose("member", "lesion", "time").values, dtype=float)
    time = np.asarray(trajectories["time"].values, dtype=float)
    facts = _covariates(covariates, len(volume))
    patient = facts["patient"].astype(np.int64)
    scans = measure(volume, time, plan, seed=seed, patient=patient, organ=facts.get("organ"), node=facts.get("node"))
    cumulative = cumulative_hazard(
        volume.sum(axis=1), time, facts["age"], facts["sex"], hazard, ecog=facts.get("ecog"),
        ldh_ratio=facts.get("ldh_ratio"),
    )  # fmt: skip
    end, left = observed_until(follow, time[-1], seed, patient)
    died = death_day(cumulative, time, death_thresholds(seed, patient))
    died[scans.failed] = np.inf
    os_days = np.minimum(np.minimum(died, left), end)
    os_days = np.where(scans.failed, np.minimum(os_days, scans.days[:, 0]), os_days)
    os_event = died <= os_days
    found = find(scans)
    seen = assess(scans, os_days, found)
    immune = assess_immune(scans, os_days, found)
    pfs_days, pfs_event = _free(seen.progression_day, os_days, os_event, seen.last_scan_day)
    ipfs_days, ipfs_event = _free(immune.progression_day, os_days, os_event, seen.last_scan_day)
    ae3 = np.asarray(trajectories["toxicity_event_day"].values, dtype=float)
    table = {
        "patient": patient,
        "best": np.array(BEST)[seen.best],
        "best_unconfirmed": np.array(BEST)[seen.best_unconfirmed],
        "irecist_best": np.array(IBEST)[immune.best],
        "change_percent": seen.change_percent,
        "pfs_days": pfs_days,
        "pfs_event": pfs_event,
        "ipfs_days": ipfs_days,
        "ipfs_event": ipfs_event,
        "os_days": os_days,
        "os_event": os_event,
        "response_day": seen.response_day,
        "dor_days": pfs_days - seen.response_day,
        "dor_event": pfs_event & np.isfinite(seen.response_day),
        "reason": np.array(REASONS)[_reason(seen, pfs_event)],
        "resistance": np.array(RESISTANCE)[
            resistance(seen.best, pfs_days / MONTH_DAYS, np.isfinite(seen.progression_day))
        ],
        "ae3_day": np.where(ae3 <= os_days, ae3, np.inf),
        "left_day": np.where(left <= os_days, left, np.inf),
        "base_mm": scans.base_sum_mm,
        "pseudo": immune.pseudo,
    }
    return ArmOutcomes(pd.DataFrame(table), _scan_table(scans, seen, patient), cumulative,
                       assess(scans, np.inf, found).progression_day)  # fmt: skip


def _free(
    progression: np.ndarray, os_days: np.ndarray, os_event: np.ndarray, last_scan: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return days to progression or death, else to the last scan (0 without one), and whether they ended in one."""
    progressed = np.isfinite(progression)
    return np.where(progressed, progression, np.where(os_event, os_days, last_scan)), progressed | os_event


def _reason(seen: Assessment, pfs_event: np.ndarray) -> np.ndarray:
    died_first = pfs_event & ~np.isfinite(seen.progression_day)
    return np.where(died_first, REASONS.index("death"), seen.reason)


def _scan_table(scans: Scans, seen: Assessment, patient: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    member, scan = np.nonzero(seen.at_scan != BEST.index("NE"))
    return pd.DataFrame({
        "patient": patient[member],
        "day": scans.days[member, scan],
        "sum_mm": scans.sum_mm[member, scan],
        "response": np.array(BEST)[seen.at_scan[member, scan]],
    })  # fmt: skip


def _covariates(covariates: pd.DataFrame | Mapping[str, Any], members: int) -> dict[str, np.ndarray]:
    """Return the covariates that outcomes need, each with a row a member."""
    facts = {}
    for name in ("patient", "age", "sex", "ecog", "ldh_ratio", "organ", "node"):
        if name not in covariates:
            if name in ("patient", "age", "sex"):
                raise InputError("a covariate is missing", field=name, value=sorted(map(str, covariates)),
                                 valid="patient, age, sex; ecog and ldh_ratio where known")  # fmt: skip
            continue
        value = np.asarray(covariates[name], dtype=str if name == "sex" else None)
        if len(value) != members:
            raise InputError("a covariate has another number of rows than the trajectories", field=name,
                             value=len(value), valid=f"{members} rows")  # fmt: skip
        facts[name] = value
    if not np.isfinite(facts["age"].astype(float)).all():
        raise InputError("an age is not known", field="age", value="NaN", valid="years, a number for each patient")
    return facts
