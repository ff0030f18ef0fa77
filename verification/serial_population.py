"""Simulated courses of single lesions, one population per tumor type, each simulated once under each regimen.

All patients of a study are weighted on the same courses, so that what a forecast costs is a likelihood and not a
simulation. Arrays are kept in ``out/serial`` under the knowledge digest, because they take minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tumornexus.activities import Activities, Activity
from tumornexus.knowledge import Knowledge, parse_regimen
from tumornexus.profile.fusion import LEVEL_PRIOR
from tumornexus.systemic import parameterize, prepare, simulate
from tumornexus.trial.scans import MEASURABLE_MM, MEASURED_LESIONS, diameter_mm

DRAWS = {"nsclc": 1536, "urothelial": 1024}
REGIMENS = {"atezolizumab": "atezolizumab 1200 mg q3w", "docetaxel": "docetaxel 75 mg/m2 q3w"}
ARMS = (("nsclc", "atezolizumab"), ("nsclc", "docetaxel"), ("urothelial", "atezolizumab"))
HORIZON_DAYS = 728
SEED = 1


@dataclass(frozen=True)
class Population:
    """Lesions of virtual patients of one tumor type under one regimen.

    `days` (time,); `diameter_mm` (course, time) of every imaged lesion of at least 10 mm; `weights` (course,) sum to
    one, each virtual patient counting once; `patient` (course,) is the draw that a lesion belongs to.
    """

    tumor: str
    regimen: str
    days: np.ndarray
    diameter_mm: np.ndarray
    weights: np.ndarray
    patient: np.ndarray


def populations(knowledge: Knowledge, folder: Path) -> dict[tuple[str, str], Population]:
    """Return the population of each of `ARMS`, from `folder` where it was simulated with this knowledge before."""
    found = {}
    for tumor in dict.fromkeys(t for t, _ in ARMS):
        path = folder / f"{tumor}_{knowledge.digest[:12]}_{DRAWS[tumor]}.npz"
        if not path.exists():
            _simulate(tumor, knowledge, path)
        with np.load(path) as data:
            stored = {k: data[k] for k in data.files}
        for regimen in (r for t, r in ARMS if t == tumor):
            found[tumor, regimen] = _population(tumor, regimen, stored)
    return found


def _simulate(tumor: str, knowledge: Knowledge, path: Path) -> None:
    prevalence = knowledge.tumors[tumor].prevalence
    by_mechanism = {p.mechanism: Activity(p.value, *LEVEL_PRIOR, "sampled") for p in prevalence}
    activities = Activities(f"serial {tumor}", tumor, by_mechanism)
    twin = parameterize(activities, knowledge, n_draws=DRAWS[tumor], candidates_per_draw=1, seed=SEED)
    chosen = [r for t, r in ARMS if t == tumor]
    treatments = [prepare(parse_regimen(REGIMENS[r], knowledge), knowledge) for r in chosen]
    data = simulate(twin, treatments, horizon_days=HORIZON_DAYS, keep=("ctdna",))
    arrays = {f"volume_{r}": data["lesion_volume"].isel(regimen=i).values for i, r in enumerate(chosen)}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, weights=twin.weights, days=data["time"].values, **arrays)


def _population(tumor: str, regimen: str, stored: dict[str, np.ndarray]) -> Population:
    d = diameter_mm(stored[f"volume_{regimen}"][:, :MEASURED_LESIONS])
    measured = (d[..., 0] >= MEASURABLE_MM) & np.isfinite(d).all(axis=-1)
    patient, _ = np.nonzero(measured)
    weights = (stored["weights"] / np.maximum(measured.sum(axis=1), 1))[patient]
    return Population(tumor, regimen, stored["days"], d[measured], weights / weights.sum(), patient)
