"""What broke the response of those who progressed: a clone that took over, or the mechanism that weighs most.

A reading of the virtual population, not of one patient: which mechanisms go with progression in this arm (ridge
logistic regression on activities, all arms of the trial apart), and which of those that a patient has contributes most.
It names nothing where no mechanism stands out: with some forty of them chance alone makes some weigh, so that only
those count whose weight is beyond what chance gives to the largest of all (`FALSE_ALARM`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.regimen import parse_regimen
from tumornexus.trial.design import MONTH_DAYS, UNTREATED

COEFFICIENT_SD = 0.7  # prior of a coefficient per unit of activity, which runs from 0 to 1
LEAST_CONTRIBUTION = 0.15  # on the logit scale; below it nothing is named
FALSE_ALARM = 0.05  # probability that any mechanism is named in an arm where none matters (one-sided, Bonferroni)
BENEFIT_MONTHS = 6.0  # SITC: no progression for so long was a benefit
PROGRESSION = ("target", "new lesion", "non-target")  # reasons of the table of patients that are one
FEWEST = 20  # patients with and without benefit that an arm needs


def mechanism_columns(patients: pd.DataFrame) -> list[str]:
    """Return the columns that hold activities."""
    return [c for c in patients.columns if c.startswith("m_")]


def ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients (mechanism,) of a logistic regression with a normal prior, and their standard errors where
    there is no effect.

    The intercept is free. With Hessian H and prior precision P, the mode of data without effect scatters with
    covariance H^-1 (H - P) H^-1, less than that of the posterior, because the prior pulls it to 0.
    """
    f = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    precision = np.concatenate([[1e-6], np.full(x.shape[1], COEFFICIENT_SD**-2)])
    at = np.zeros(f.shape[1])
    hessian = np.diag(precision)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-np.clip(f @ at, -30.0, 30.0)))
        hessian = (f * (p * (1.0 - p))[:, None]).T @ f + np.diag(precision)
        step = np.linalg.solve(hessian, f.T @ (y - p) - precision * at)
        at = at + step
        if np.abs(step).max() < 1e-8:
            break
    inverse = np.linalg.inv(hessian)
    scatter = inverse - inverse @ np.diag(precision) @ inverse
    return at[1:], np.sqrt(np.maximum(np.diag(scatter)[1:], 0.0))


def weights(patients: pd.DataFrame) -> dict[str, float]:
    """Return, for the patients of one arm, the log odds of no benefit per unit of activity, by mechanism id.

    Only of mechanisms that stand out from chance. Who left before benefit could be seen does not count.
    """
    late = patients["pfs_days"] > BENEFIT_MONTHS * MONTH_DAYS
    known = patients[patients["pfs_event"] | late]
    failed = (~late).loc[known.index].to_numpy(float)
    columns = [c for c in mechanism_columns(patients) if known[c].nunique() > 1]
    if not columns or min(failed.sum(), len(failed) - failed.sum()) < FEWEST:
        return {}
    found, error = ridge(known[columns].to_numpy(float), failed)
    clear = found > ndtri(1.0 - FALSE_ALARM / len(columns)) * error
    return {c.removeprefix("m_"): float(b) for c, b, yes in zip(columns, found, clear, strict=True) if yes}


def relevant(regimens: Sequence[str], knowledge: Knowledge) -> set[str]:
    """Return the mechanisms that can matter to an arm: those of CAR-T cells only where CAR-T cells are given."""
    given = {d for text in regimens if text != UNTREATED for d in parse_regimen(text, knowledge).drugs}
    car_t = any("car_t" in knowledge.drugs[d].therapy or "armored_car_t" in knowledge.drugs[d].therapy for d in given)
    return {m.id for m in knowledge.mechanisms.values() if car_t or m.relevance_ici != "none"}


def causes(patients: pd.DataFrame, mechanisms: Mapping[str, set[str]]) -> pd.Series:
    """Return the cause of progression of each patient, "" without one (who died before it, too) or where nothing
    stands out.

    `mechanisms` are those that count, by arm. An expanded clone goes before any mechanism: it is what changed.
    """
    out = pd.Series("", index=patients.index, dtype=object)
    for arm, table in patients.groupby("arm", sort=False):
        weight = {m: w for m, w in weights(table).items() if m in mechanisms[str(arm)]}
        progressed = table["reason"].isin(PROGRESSION).to_numpy()
        if weight:
            names = np.array(list(weight))
            share = table[[f"m_{m}" for m in names]].to_numpy(float) * list(weight.values())
            largest = share.argmax(axis=1)
            named = np.where(share.max(axis=1) >= LEAST_CONTRIBUTION, names[largest], "")
            out.loc[table.index] = np.where(progressed, named, "")
        clone = table["acquired"].to_numpy(str)
        out.loc[table.index[(clone != "") & progressed]] = clone[(clone != "") & progressed]
    return out
