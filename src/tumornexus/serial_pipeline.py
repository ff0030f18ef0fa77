"""From serial readings of a patient to an updated twin: simulate what was given, weigh the draws, forecast."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io.patient import Patient
from tumornexus.io.serial import Serial
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.regimen import parse_regimen
from tumornexus.systemic import Twin, prepare, simulate
from tumornexus.systemic.assimilate import UNUSUAL, assimilate
from tumornexus.systemic.readings import (
    BACKGROUND_GE_PER_ML,
    CTDNA,
    DIAMETER,
    Followed,
    Track,
    at_days,
    follow,
    forecast,
)
from tumornexus.systemic.twin import resample
from tumornexus.trial.scans import sum_of_diameters

CANDIDATES = 512  # draws that are simulated and weighed; `n_draws` of them are taken on
AHEAD_DAYS = 168  # of the forecast after the last reading
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class SerialSummary:
    """What the report says about serial readings.

    `readings`: columns day, diameter_mm, the sum of target diameters, baseline first. `forecast`: day and quantiles
    ``q05 q25 q50 q75 q95`` of a later reading in mm, from the last reading on. `before`: the same from the baseline on,
    as it would have been forecast from the baseline alone. `n_ctdna`: readings of plasma DNA.
    """

    regimen: str
    readings: pd.DataFrame
    forecast: pd.DataFrame
    before: pd.DataFrame
    n_ctdna: int
    n_readings: int
    n_effective: float
    n_candidates: int
    temperature: float
    unusual: bool


def has_course(patient: Patient) -> bool:
    """Return whether there is a reading after the start of treatment."""
    serial = patient.serial
    if serial is None:
        return False
    later = [t is not None and bool((t["day"] > 0).any()) for t in (serial.lesions, serial.ctdna)]
    return any(later)


def given_regimen(patient: Patient) -> str:
    """Return the regimen that was given.

    Raises:
        InputError: it is not stated, so what the readings show cannot be compared with anything.
    """
    stated = patient.clinical.get("regimen")
    if not isinstance(stated, str):
        raise InputError(
            "serial readings need the regimen that was given", file=patient.source, field="regimen",
            valid='regimen = "nivolumab 240 mg q2w" in patient.toml or the clinical table',
        )  # fmt: skip
    return stated


def plasma_copies(serial: Serial) -> tuple[np.ndarray, np.ndarray, float]:
    """Return days, tumor genome equivalents per mL, and the value at or below which a reading says only that.

    The last reading up to day 0 counts as that of day 0. A fraction f is f / (1 - f) times the DNA of other cells.
    Readings below their limit are given as the limit; where limits differ the highest holds for all.
    """
    if serial.ctdna is None:
        return np.zeros(0), np.zeros(0), CTDNA.floor
    table = serial.plasma()
    values, limits = table["value"].to_numpy(dtype=float), table["limit"].to_numpy(dtype=float)
    if serial.ctdna_unit == "fraction":
        values, limits = (BACKGROUND_GE_PER_ML * v / (1.0 - np.minimum(v, 0.99)) for v in (values, limits))
    floor = max(CTDNA.floor, float(np.nanmax(limits)) if np.isfinite(limits).any() else 0.0)
    return table["day"].to_numpy(dtype=float), np.maximum(values, floor), floor


def update(
    twin: Twin, patient: Patient, knowledge: Knowledge, *, n_draws: int, seed: int = 0
) -> tuple[Twin, SerialSummary]:
    """Return the twin after the serial readings of its patient, and what came of it.

    Every draw is simulated under the regimen that was given; its sum of target diameters (RECIST 1.1) is compared with
    the measured one by change from baseline, its plasma DNA by change.

    Raises:
        InputError: no regimen is stated, or every draw failed.
    """
    serial = patient.serial
    if serial is None:
        raise InputError("the patient has no serial readings", field="lesions")
    size = {k: float(v) for k in ("weight_kg", "bsa_m2") if isinstance(v := patient.clinical.get(k), (int, float))}
    regimen = parse_regimen(given_regimen(patient), knowledge, **size)
    days, sums, _ = serial.diameters()
    plasma_days, copies, limit = plasma_copies(serial)
    # The whole horizon and all observables, though a part would do: then later steps share the compiled code.
    data = simulate(twin, [prepare(regimen, knowledge)]).isel(regimen=0)
    time = data["time"].values.astype(float)
    last = float(max([0.0, *days, *plasma_days]))
    shown_days = time[time <= last + AHEAD_DAYS]
    total = sum_of_diameters(data["lesion_volume"].values)
    # A course keeps its shape and starts at the measured sum: the burden was matched for equal lesions.
    shown = total * (sums[0] / total[:, :1]) if len(sums) else total
    diameter = Track("diameter", days, sums, at_days(shown, time, days, DIAMETER.below), DIAMETER)
    plasma = data["ctdna"].values
    error = replace(CTDNA, floor=limit)
    dna = Track("ctdna", plasma_days, copies, at_days(plasma, time, plasma_days, error.below), error)
    updated, posterior = assimilate(twin, [diameter, dna])
    later = before = pd.DataFrame(columns=["day", *(f"q{round(100 * q):02d}" for q in QUANTILES)])
    if len(days):
        # Tracks without readings are left out, so that of diameters is the first.
        later = _quantiles(shown, time, shown_days[shown_days >= days[-1]], posterior.followed[0], posterior.weights)
        baseline = replace(diameter, days=days[:1], values=sums[:1], course=diameter.course[:, :1])
        before = _quantiles(shown, time, shown_days, follow(baseline), twin.weights)
    summary = SerialSummary(
        regimen=regimen.text,
        readings=pd.DataFrame({"day": days, "diameter_mm": sums}),
        forecast=later,
        before=before,
        n_ctdna=len(plasma_days),
        n_readings=posterior.n_readings,
        n_effective=posterior.n_effective,
        n_candidates=twin.n_draws,
        temperature=posterior.temperature,
        unusual=posterior.surprise < UNUSUAL,
    )
    return resample(updated, n_draws, seed), summary


def _quantiles(
    course: np.ndarray, time: np.ndarray, days: np.ndarray, followed: Followed, weights: np.ndarray
) -> pd.DataFrame:
    """Return quantiles of a reading of the sum of diameters by day."""
    found = forecast(at_days(course, time, days, DIAMETER.below), days, followed, weights, DIAMETER)
    names = [f"q{round(100 * q):02d}" for q in QUANTILES]
    return pd.DataFrame({"day": days, **dict(zip(names, found.quantile(QUANTILES), strict=True))})
