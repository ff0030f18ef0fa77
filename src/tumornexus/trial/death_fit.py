"""The hazard of death fitted to published survival, given how tumors grew in the calibrated model.

Three numbers (rate, exponents of burden and of growth) for all tumor types and treatments. What comes after progression
in life (further lines, supportive care) is in them, as its average.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tumornexus.trial.design import MONTH_DAYS
from tumornexus.trial.pool import FittedArm, require_fit
from tumornexus.trial.survival import DeathHazard, cumulative_hazard, expected_survival

LONGEST_MONTHS = 23.5  # of what is simulated
RATE_SD_LOG, EXPONENT_SD = 0.7, 0.4  # priors around the assumed defaults
TAIL = 4.0
SPREAD = 0.35  # of a trial around the model on the logit scale of survival: lines after progression differ. Assumed


@dataclass(frozen=True)
class SurvivalTarget:
    """A published share alive at a time."""

    arm: FittedArm
    months: float
    observed: float
    weight: float


def survival_targets(arms: Sequence[FittedArm]) -> tuple[SurvivalTarget, ...]:
    """Return shares alive at 12 and 24 months and at the median of fitted arms; each arm counts once.

    Raises:
        InputError: an arm of a held-out trial.
    """
    found = []
    for arm in arms:
        require_fit(arm.trial)
        o = arm.arm.outcome
        given = [(12.0, o.os_12), (24.0, o.os_24), (o.os_median, 50.0)]
        kept = [(m, s) for m, s in given if m is not None and s is not None and m <= 24.0]
        found += [SurvivalTarget(arm, min(m, LONGEST_MONTHS), s / 100.0, 1.0 / len(kept)) for m, s in kept]
    return tuple(found)


def simulated_survival(
    patients: pd.DataFrame, volumes: pd.DataFrame, law: DeathHazard, months: Sequence[float]
) -> np.ndarray:
    """Return the expected share alive at times in months, of rows that belong together."""
    columns = [c for c in volumes.columns if c.startswith("d") and c[1:].isdigit()]
    days = np.array([float(c[1:]) for c in columns])
    total = volumes[columns].to_numpy(float)
    hazard = cumulative_hazard(
        total, days, patients["age"].to_numpy(), patients["sex"].to_numpy(str), law, ecog=patients["ecog"].to_numpy(),
        ldh_ratio=patients["ldh_ratio"].to_numpy(),
    )  # fmt: skip
    return np.interp(np.array(months) * MONTH_DAYS, days, expected_survival(hazard))


def fit_death(
    targets: Sequence[SurvivalTarget], pool: Mapping[tuple[str, str], tuple[pd.DataFrame, pd.DataFrame]]
) -> tuple[DeathHazard, pd.DataFrame]:
    """Return the law of death and, per target, what it gives.

    `pool` holds patients and volumes (rows in the same order) of a cohort and regimen, simulated with the calibrated
    parameters. Least squares with a Student t4 loss on the logit scale plus priors, by Nelder-Mead.
    """
    from scipy.optimize import minimize

    start = DeathHazard()
    default = np.array([np.log(start.rate_per_year), start.burden_exponent, start.growth_exponent])
    groups: dict[tuple[str, str], list[int]] = {}
    for i, target in enumerate(targets):
        groups.setdefault((target.arm.cohort, target.arm.regimen), []).append(i)
    observed = np.array([np.log(t.observed / (1.0 - t.observed)) for t in targets])
    weight = np.array([t.weight for t in targets])

    def law_of(x: np.ndarray) -> DeathHazard:
        return replace(
            start, rate_per_year=float(np.exp(x[0])), burden_exponent=float(max(x[1], 0.0)),
            growth_exponent=float(max(x[2], 0.0)),
        )  # fmt: skip

    def shares(x: np.ndarray) -> np.ndarray:
        out = np.zeros(len(targets))
        for key, members in groups.items():
            out[members] = simulated_survival(*pool[key], law_of(x), [targets[i].months for i in members])
        return np.clip(out, 1e-3, 1.0 - 1e-3)

    def loss(x: np.ndarray) -> float:
        p = shares(x)
        residual = (np.log(p / (1.0 - p)) - observed) / SPREAD
        prior = ((x[0] - default[0]) / RATE_SD_LOG) ** 2 + np.sum(((x[1:] - default[1:]) / EXPONENT_SD) ** 2)
        beyond = 1e3 * np.sum(np.minimum(x[1:], 0.0) ** 2)
        return float(np.sum(weight * (TAIL + 1.0) * np.log1p(residual**2 / TAIL)) + prior + beyond)

    best = minimize(loss, default, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-3, "maxiter": 300})
    table = pd.DataFrame(
        {
            "trial": [t.arm.trial.id for t in targets], "arm": [t.arm.arm.name for t in targets],
            "months": [t.months for t in targets], "published": [t.observed for t in targets],
            "simulated": shares(best.x),
        }
    )  # fmt: skip
    return law_of(best.x), table
