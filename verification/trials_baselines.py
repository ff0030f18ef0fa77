"""What one predicts for a trial arm without any model of a tumor: the nearest fitted arm, and a ridge regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tumornexus.knowledge import Knowledge
from tumornexus.trial.calibrate import drug_class
from tumornexus.trial.pool import FittedArm

Z95 = 1.959964


def first_line(arm: FittedArm) -> bool:
    return arm.trial.line.strip().lower().startswith("1")


def _tumor(arm: FittedArm) -> str:
    return str(arm.arm.tumor or arm.trial.tumor)


def selected(arm: FittedArm) -> bool:
    """Return whether the arm selects on PD-L1 or microsatellites, which raise response."""
    criteria = arm.trial.criteria if arm.arm.criteria is None else arm.arm.criteria
    return criteria.pd_l1 is not None or criteria.msi == "high"


def nearest(arm: FittedArm, fitted: Sequence[FittedArm], value, knowledge: Knowledge) -> float:
    """Return the mean value of the fitted arms that share most with an arm: tumor, class of drugs, line, selection."""
    known = [a for a in fitted if value(a) is not None]

    def likeness(other: FittedArm) -> float:
        own, theirs = (set(drug_class(a, knowledge).split("+")) for a in (arm, other))
        same = len(own & theirs) / max(len(own | theirs), 1)
        line, chosen = first_line(arm) == first_line(other), selected(arm) == selected(other)
        return 3.0 * same + 2.0 * (_tumor(arm) == _tumor(other)) + 0.5 * line + 0.5 * chosen

    best = max(likeness(a) for a in known)
    return float(np.mean([value(a) for a in known if likeness(a) >= best - 1e-9]))


@dataclass(frozen=True)
class Ridge:
    """Ridge regression of a transformed value on tumor type, line, selection and drug classes."""

    words: tuple[str, ...]
    coefficients: np.ndarray
    covariance: np.ndarray
    residual_sd: float

    def design(self, arm: FittedArm, knowledge: Knowledge) -> np.ndarray:
        has = features_of(arm, knowledge)
        return np.array([1.0, *[float(w in has) for w in self.words]])

    def predict(self, arm: FittedArm, knowledge: Knowledge) -> tuple[float, float]:
        """Return the prediction and its standard deviation without sampling, on the transformed scale."""
        x = self.design(arm, knowledge)
        return float(x @ self.coefficients), float(np.sqrt(x @ self.covariance @ x + self.residual_sd**2))


def features_of(arm: FittedArm, knowledge: Knowledge) -> set[str]:
    words = {f"tumor {_tumor(arm)}", *(f"drug {w}" for w in drug_class(arm, knowledge).split("+"))}
    return words | ({"first line"} if first_line(arm) else set()) | ({"selected"} if selected(arm) else set())


def fit_ridge(
    arms: Sequence[FittedArm], values: Sequence[float], weights: Sequence[float], knowledge: Knowledge
) -> Ridge:
    """Fit with the penalty that predicts best when whole trials are left out."""
    words = tuple(sorted(set().union(*(features_of(a, knowledge) for a in arms))))
    x = np.array([[1.0, *[float(w in features_of(a, knowledge)) for w in words]] for a in arms])
    y, w = np.array(values), np.array(weights)
    trials = np.array([a.trial.id for a in arms])

    def solve(rows: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        precision = np.diag([1e-6, *[penalty] * len(words)])
        inverse = np.linalg.inv((x[rows] * w[rows, None]).T @ x[rows] + precision)
        return inverse @ (x[rows] * w[rows, None]).T @ y[rows], inverse

    def error(penalty: float) -> tuple[float, float]:
        residual = np.zeros(len(y))
        for trial in np.unique(trials):
            out = trials == trial
            residual[out] = y[out] - x[out] @ solve(~out, penalty)[0]
        return float(np.mean(np.abs(residual))), float(np.sqrt(np.mean(residual**2)))

    best = min((0.1, 0.3, 1.0, 3.0, 10.0), key=lambda p: error(p)[0])
    coefficients, inverse = solve(np.ones(len(y), bool), best)
    sd = error(best)[1]
    return Ridge(words, coefficients, inverse * sd**2, sd)
