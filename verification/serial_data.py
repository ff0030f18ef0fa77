"""Lesions of five atezolizumab trials as courses: a baseline diameter and the readings on treatment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from serial_laws import FLOOR_MM

TUMOR = {"FIR": "nsclc", "POPLAR": "nsclc", "BIRCH": "nsclc", "OAK": "nsclc", "IMvigor210": "urothelial"}


@dataclass(frozen=True)
class Lesion:
    """One target lesion: `days` and `mm` begin with the baseline, which counts as day 0."""

    patient: str
    trial: str
    tumor: str
    treatment: str
    days: np.ndarray
    mm: np.ndarray

    @property
    def log(self) -> np.ndarray:
        """ln diameter, at least that of the floor."""
        return np.log(np.maximum(self.mm, FLOOR_MM))


def read_lesions(folder: Path, horizon_days: int) -> tuple[list[Lesion], dict[str, int]]:
    """Return lesions with a baseline, and the counts of what was left out or changed."""
    table = pd.read_csv(folder / "laleh2022_lesion_growth" / "lesions.tsv.gz", sep="\t")
    counts = {"lesions": table["lesion_patient_id"].nunique(), "readings": len(table), "no baseline": 0,
              "readings beyond the simulated time": 0, "two readings of one day, averaged": 0}  # fmt: skip
    found = []
    for name, rows in table.groupby("lesion_patient_id", sort=True):
        counts["two readings of one day, averaged"] += int(rows.duplicated("days").sum())
        by_day = rows.groupby("days")["longest_diameter_mm"].mean()
        before, on = by_day[by_day.index <= 0], by_day[by_day.index > 0]
        if not len(before):
            counts["no baseline"] += 1
            continue
        counts["readings beyond the simulated time"] += int((on.index > horizon_days).sum())
        on = on[on.index <= horizon_days]
        first = rows.iloc[0]
        days = np.concatenate([[0.0], on.index.to_numpy(dtype=float)])
        mm = np.concatenate([[before.iloc[-1]], on.to_numpy(dtype=float)])
        found.append(Lesion(str(name), first["trial"], TUMOR[first["trial"]], first["treatment_inferred"], days, mm))
    counts["used"] = len(found)
    return found, counts
