"""Decision curves: is choosing by a marker better than giving everybody the same?

Two questions, two curves.

*Who will respond?* A threshold p says how sure one must be before one treats. With true and false positives among n,

    net benefit(p) = TP/n - FP/n x p / (1 - p)

(Vickers and Elkin 2006, doi:10.1177/0272989X06295361; from memory, not looked up).

*Which of two randomized drugs?* A threshold T is the smallest fall in risk by a day that is worth giving the drug, not
the control (its toxicity, its cost). A rule d(x) gives the drug to some. Patients whose arm agrees with the rule
tell what would follow from it, and

    net benefit(T) = risk(everybody on control) - risk(rule) - T x share given the drug

(Vickers, Kattan and Sargent 2007, doi:10.1186/1745-6215-8-14). Risks by Kaplan-Meier within arm and side of the rule,
because of censoring. Treating nobody has net benefit 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tumornexus.cohort.rmst import survival_curve
from tumornexus.errors import InputError


def net_benefit(probability: np.ndarray, positive: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Net benefit of treating whoever has at least the threshold's probability, (threshold,), per patient.

    `probability` and `positive` (patient,), `thresholds` above 0 and below 1.
    """
    probability, positive, thresholds = (np.asarray(v, dtype=float) for v in (probability, positive, thresholds))
    if not ((thresholds > 0.0) & (thresholds < 1.0)).all():
        raise InputError("a threshold that is no probability", field="thresholds", valid="above 0 and below 1")
    chosen = probability[None, :] >= thresholds[:, None]
    hit, miss = (chosen * positive).mean(axis=1), (chosen * (1.0 - positive)).mean(axis=1)
    return hit - miss * thresholds / (1.0 - thresholds)


def risk_by(days: np.ndarray, event: np.ndarray, day: float) -> float:
    """Risk of the event by a day, 1 - Kaplan-Meier; NaN without patients."""
    if not len(days):
        return float("nan")
    times, survival, _, _ = survival_curve(days, event)
    place = int(np.searchsorted(times, day, side="right"))
    return 0.0 if place == 0 else 1.0 - float(survival[place - 1])


def policy_risk(choose: np.ndarray, treated: np.ndarray, days: np.ndarray, event: np.ndarray, day: float) -> float:
    """Risk by `day` if the rule were followed: of each side in the arm the rule gives it, weighted by its share.

    `choose` (patient,) True where the rule gives the drug; `treated` the arm of randomization. A side without a patient
    in its arm has no estimate, and the result is NaN.
    """
    risk = 0.0
    for side in (True, False):
        own = choose == side
        if not own.any():
            continue
        agreeing = own & (treated == side)
        risk += float(own.mean()) * risk_by(days[agreeing], event[agreeing], day)
    return risk


def policy_net_benefit(
    benefit: np.ndarray,
    treated: np.ndarray,
    days: np.ndarray,
    event: np.ndarray,
    day: float,
    thresholds: np.ndarray,
) -> np.ndarray:
    """Net benefit, (threshold,), of giving the drug to whoever is predicted a fall in risk of at least the threshold.

    `benefit` (patient,): predicted risk by `day` under control minus that under the drug. inf treats all, -inf nobody.
    """
    benefit, days, event = (np.asarray(v, dtype=float) for v in (benefit, days, event))
    arm = np.asarray(treated).astype(bool)
    control = risk_by(days[~arm], event[~arm], day)
    found = []
    for threshold in np.asarray(thresholds, dtype=float):
        choose = benefit >= threshold
        found.append(control - policy_risk(choose, arm, days, event, day) - threshold * float(choose.mean()))
    return np.array(found)


@dataclass(frozen=True, eq=False)
class DecisionCurve:
    """Net benefit of rules over thresholds, with 95 % bootstrap intervals.

    Attributes:
        thresholds: (threshold,).
        rules: rule to (estimate, low, high), each (threshold,).
        over_all: rule to its net benefit minus that of treating all, (estimate, low, high).
        n: patients; day: the day by which risk is counted.
    """

    thresholds: np.ndarray
    rules: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
    over_all: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
    n: int
    day: float

    def table(self) -> pd.DataFrame:
        """One row a rule and threshold: `rule, threshold, net_benefit, low, high, over_all, over_low, over_high`."""
        parts = []
        for name, values in self.rules.items():
            columns = dict(zip(("net_benefit", "low", "high"), values, strict=True))
            columns |= dict(zip(("over_all", "over_low", "over_high"), self.over_all[name], strict=True))
            parts.append(pd.DataFrame({"rule": name, "threshold": self.thresholds, **columns}))
        return pd.concat(parts, ignore_index=True)


def decision_curve(
    benefits: dict[str, np.ndarray],
    treated: np.ndarray,
    days: np.ndarray,
    event: np.ndarray,
    day: float,
    thresholds: np.ndarray,
    stratum: Sequence[str] | np.ndarray,
    *,
    draws: int = 500,
    seed: int = 1,
) -> DecisionCurve:
    """Curves of several rules on the same patients, beside treating all, with bootstrap within stratum and arm.

    `benefits` (patient,) each; predictions made on other patients, else the curve is too good. The bootstrap draws the
    patients that are judged, not those on whom a rule was made.
    """
    arrays = {k: np.asarray(v, dtype=float) for k, v in benefits.items()}
    days, event, arm = (np.asarray(v, dtype=float) for v in (days, event, treated))
    if not all(np.isfinite(v).all() for v in (*arrays.values(), days, event, arm)):
        raise InputError("a decision curve needs the same complete patients for each rule", field="benefits")
    rules = {"treat all": np.full(len(days), np.inf), **arrays}
    cells = pd.Series(np.asarray(stratum, dtype=object)).astype(str) + "|" + pd.Series(arm).astype(str)
    groups = [np.flatnonzero((cells == c).to_numpy()) for c in sorted(cells.unique())]
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[np.ndarray]] = {k: [] for k in rules}
    for i in range(draws + 1):
        rows = np.concatenate([g if i == 0 else rng.choice(g, len(g)) for g in groups])
        for name, values in rules.items():
            drawn[name].append(policy_net_benefit(values[rows], arm[rows], days[rows], event[rows], day, thresholds))
    stacked = {k: np.array(v) for k, v in drawn.items()}

    def summary(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        low, high = np.nanquantile(values[1:], (0.025, 0.975), axis=0)
        return values[0], low, high

    every = stacked["treat all"]
    return DecisionCurve(
        np.asarray(thresholds, dtype=float),
        {k: summary(v) for k, v in stacked.items()},
        {k: summary(v - every) for k, v in stacked.items()},
        len(days),
        day,
    )
